package rafttest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/server/raft"
)

// filter chooses messages on their way.
type filter struct {
	from, to raft.PeerID // None: any
	kind     string      // "": any
	limit    int         // how many at most, 0: all
	newest   bool        // those sent last first
}

// parseFilter reads words such as "1>2", "1>", ">2", "App", "newest" and "3".
func parseFilter(words []string) (f filter, rest []string) {
	for n, w := range words {
		from, to, arrow := strings.Cut(w, ">")
		count, err := strconv.Atoi(w)
		switch {
		case arrow:
			f.from, _ = parseName(from)
			f.to, _ = parseName(to)
		case err == nil && count > 0:
			f.limit = count
		case w == "newest":
			f.newest = true
		case w != "" && w[0] >= 'A' && w[0] <= 'Z':
			f.kind = w
		default:
			return f, words[n:]
		}
	}
	return f, nil
}

func (f *filter) matches(m *raft.Message) bool {
	return (f.from == raft.None || f.from == m.From) && (f.to == raft.None || f.to == m.To) &&
		(f.kind == "" || f.kind == m.Type.String())
}

// pick takes the messages that keep agrees to off the network, at most limit if
// that is not 0.
func (e *Env) pick(f filter, keep func(*raft.Message) bool) (picked []envelope) {
	rest := e.net[:0:0]
	if f.newest {
		slices.Reverse(e.net)
	}
	for _, env := range e.net {
		if (f.limit == 0 || len(picked) < f.limit) && f.matches(&env.Message) && keep(&env.Message) {
			picked = append(picked, env)
		} else {
			rest = append(rest, env)
		}
	}
	if f.newest {
		slices.Reverse(rest)
	}
	e.net = rest
	return picked
}

// deliver brings a message to its receiver and tells of it.
func (e *Env) deliver(env *envelope) {
	if e.story == nil || e.story.brief {
		e.step(env)
		return
	}
	at, mute := len(e.story.lines), e.story.mute
	e.story.indent++
	arrived := e.step(env)
	e.story.indent--
	if mute {
		return
	}
	line := messageName(&env.Message)
	if !arrived {
		line = Name(env.From) + "→" + Name(env.To) + " " + env.Type.String() + " is lost"
	}
	e.story.lines = slices.Insert(e.story.lines, at, strings.Repeat("  ", e.story.indent)+line)
}

// maxRounds is how many rounds of messages and writes a group may take to come
// to rest.
const maxRounds = 20000

// stabilize delivers messages and lets disks finish until nothing moves, among
// the replicas that in agrees to. Slow disks do not finish, and messages that held
// agrees to stay on their way. It reports whether the group has come to rest.
func (e *Env) stabilize(in func(raft.PeerID) bool, held func(*raft.Message) bool) bool {
	for range maxRounds {
		moved := false
		for _, env := range e.pick(filter{}, func(m *raft.Message) bool { return in(m.From) && in(m.To) && !held(m) }) {
			moved = true
			e.deliver(&env)
		}
		for _, r := range e.replicas {
			for in(r.id) && r.core != nil && !r.slow && len(r.disk.pending) > 0 {
				moved = true
				e.sync(r)
			}
		}
		if !moved {
			return true
		}
		if e.broken != nil {
			return true
		}
	}
	return false
}
