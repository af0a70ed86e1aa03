package rafttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// commands are what a script can say. PEERS may be left out and are all that run
// then; a FILTER is any of "1>2", "1>", ">2", a message type, a number of
// messages at most, and "newest", and nothing is all messages.
var commands map[string]func(p *player, args []string) error

func init() {
	commands = map[string]func(p *player, args []string) error{
		// The group: group VOTERS [learners PEERS] [LIMIT N]..., with the limits
		// append, inflight, inflight-bytes, uncommitted (messages and bytes), lease
		// (ticks) and seed. add makes a replica that knows nothing. given puts a log
		// on the disk of one that has done nothing yet: given PEER TERMS... term N
		"group": (*player).group,
		"add":   (*player).add,
		"given": (*player).given,

		// Inputs of a core.
		"tick":        (*player).tick,        // N [PEERS]
		"campaign":    (*player).campaign,    // PEER
		"propose":     (*player).propose,     // PEER DATA...
		"conf":        (*player).proposeConf, // PEER add PEERS remove PEERS learner PEERS
		"read":        (*player).read,        // PEER
		"transfer":    (*player).transfer,    // PEER TO
		"compact":     (*player).compact,     // PEER INDEX
		"unreachable": (*player).unreachable, // PEER OTHER
		"quiesce":     (*player).quiesce,     // PEER [without PEERS]
		"wake":        (*player).wake,        // PEER
		"lost":        (*player).lost,        // LEADER [PEERS]: they hear that its node is gone

		// The network.
		"deliver":   (*player).deliver,   // [FILTER]
		"drop":      (*player).drop,      // [FILTER]
		"duplicate": (*player).duplicate, // [FILTER]
		"hold":      (*player).hold,      // [FILTER]: not delivered unless deliver names it
		"release":   (*player).release,   // all that is held
		"partition": (*player).partition, // PEERS / PEERS...
		"heal":      (*player).heal,
		"net":       (*player).net, // prints what is on its way

		// Disks and lives.
		"sync":    (*player).sync,    // PEER [N]: its disk finishes its oldest N writes, or all
		"slow":    (*player).slow,    // PEERS: their disks finish only when told to
		"fast":    (*player).fast,    // PEERS
		"crash":   (*player).crash,   // PEERS
		"restart": (*player).restart, // PEERS
		"wipe":    (*player).wipe,    // PEER: it is back, knowing nothing, under its next name

		// Several steps: stabilize [PEERS] runs the replicas, and the messages among
		// them, until nothing moves. run [N] [PEERS] does so for all after each of
		// N ticks of these, without showing the messages. elect PEER makes a leader.
		"stabilize": (*player).stabilize,
		"run":       (*player).run,
		"elect":     (*player).elect,

		// Looking.
		"status": (*player).status, // [PEERS]
		"log":    (*player).log,    // [PEERS]
	}
}

func (p *player) group(args []string) error {
	config := raft.Config{
		ElectionTicks: 10, HeartbeatTicks: 2, MaxAppendBytes: 1 << 16, MaxInflightMsgs: 64, MaxInflightBytes: 1 << 20,
		MaxUncommittedBytes: 1 << 20, MaxApplyBytes: 1 << 20, Seed: 1,
	}
	var conf raft.ConfState
	peers := &conf.Voters
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if id, ok := parseName(word); ok {
			*peers = append(*peers, id)
			continue
		}
		if word == "learners" {
			peers = &conf.Learners
			continue
		}
		if len(args) == 0 {
			return fmt.Errorf("no value for %s", word)
		}
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		args = args[1:]
		switch word {
		case "append":
			config.MaxAppendBytes = n
		case "inflight":
			config.MaxInflightMsgs = n
		case "inflight-bytes":
			config.MaxInflightBytes = n
		case "uncommitted":
			config.MaxUncommittedBytes = n
		case "lease":
			config.Lease = time.Duration(n) * TickTime
		case "seed":
			config.Seed = uint64(n)
		default:
			return fmt.Errorf("unknown limit %q", word)
		}
	}
	p.env = NewEnv(config, conf)
	p.env.story = &p.story
	for _, r := range p.env.replicas {
		if err := p.env.start(r); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) add(args []string) error {
	for _, name := range args {
		id, ok := parseName(name)
		if !ok || p.env.find(id) != nil {
			return fmt.Errorf("cannot add %q", name)
		}
		if err := p.env.start(p.env.add(id, raft.Base{})); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) given(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("given whom?")
	}
	r, err := p.replica(args[0])
	if err != nil {
		return err
	}
	if r.core != nil {
		if r.core.Term() > 0 || r.core.LastIndex() > 0 {
			return fmt.Errorf("%s has a history already", args[0])
		}
		p.env.crash(r)
	}
	for n, word := range args[1:] {
		if word == "term" {
			continue
		}
		t, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		if args[n] == "term" {
			r.disk.hard.Term = raft.Term(t)
			break
		}
		r.disk.ents = append(r.disk.ents, raft.Entry{Index: raft.Index(n + 1), Term: raft.Term(t), Data: []byte("e")})
		r.disk.hard.Term = raft.Term(t)
	}
	p.env.verify(p.env.check.Found(r.id, r.disk.hard, r.disk.base, r.disk.ents))
	if err := p.env.start(r); err != nil {
		return err
	}
	p.env.tellLog(r)
	return nil
}

// told puts out an error that belongs to the scenario.
func (p *player) told(err error) error {
	if err != nil {
		p.env.tell("%v", err)
	}
	return nil
}

func (p *player) tick(args []string) error {
	n, who, err := p.ticks(args)
	for range n {
		for _, r := range who {
			p.env.tick(r)
		}
	}
	return err
}

func (p *player) ticks(args []string) (n int, who []*replica, err error) {
	if len(args) > 0 {
		if n, err = strconv.Atoi(args[0]); err != nil {
			return 0, nil, err
		}
		args = args[1:]
	}
	who, err = p.all(args)
	return n, who, err
}

func (p *player) campaign(args []string) error {
	return p.one(args, 0, func(r *replica, _ []string) error {
		p.env.do(r, (*raft.Raft).Campaign)
		return nil
	})
}

// one calls f with the replica that the first argument names and the rest, of
// which there have to be at least min.
func (p *player) one(args []string, min int, f func(r *replica, rest []string) error) error {
	if len(args) < 1+min {
		return fmt.Errorf("too few arguments")
	}
	r, err := p.running(args[0])
	if err != nil {
		return err
	}
	return f(r, args[1:])
}

func (p *player) propose(args []string) error {
	return p.one(args, 1, func(r *replica, data []string) error {
		var list [][]byte
		for _, d := range data {
			list = append(list, []byte(d))
		}
		_, _, err := p.env.propose(r, list...)
		return p.told(err)
	})
}

// proposeConf is conf PEER add P... remove P... learner P...
func (p *player) proposeConf(args []string) error {
	return p.one(args, 2, func(r *replica, words []string) error {
		kinds := map[string]raft.ChangeType{"add": raft.AddVoter, "remove": raft.RemovePeer, "learner": raft.AddLearner}
		var kind raft.ChangeType
		var changes []raft.Change
		for _, w := range words {
			if k, ok := kinds[w]; ok {
				kind = k
				continue
			}
			id, ok := parseName(w)
			if !ok {
				return fmt.Errorf("no peer %q", w)
			}
			changes = append(changes, raft.Change{Type: kind, Peer: id})
		}
		return p.told(p.env.proposeConf(r, changes...))
	})
}

func (p *player) read(args []string) error {
	return p.one(args, 0, func(r *replica, _ []string) error {
		n, err := p.env.read(r)
		if err != nil {
			p.env.tell("read #%d: %v", n, err)
		}
		return nil
	})
}

func (p *player) transfer(args []string) error {
	return p.one(args, 1, func(r *replica, rest []string) error {
		to, ok := parseName(rest[0])
		if !ok {
			return fmt.Errorf("no peer %q", rest[0])
		}
		var err error
		p.env.do(r, func(core *raft.Raft) { err = core.Transfer(to) })
		return p.told(err)
	})
}

func (p *player) compact(args []string) error {
	return p.one(args, 1, func(r *replica, rest []string) error {
		i, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		return p.told(p.env.compact(r, raft.Index(i)))
	})
}

func (p *player) unreachable(args []string) error {
	return p.one(args, 1, func(r *replica, rest []string) error {
		to, ok := parseName(rest[0])
		if !ok {
			return fmt.Errorf("no peer %q", rest[0])
		}
		p.env.do(r, func(core *raft.Raft) { core.Unreachable(to) })
		return nil
	})
}

func (p *player) quiesce(args []string) error {
	return p.one(args, 0, func(r *replica, rest []string) error {
		dead := func(id raft.PeerID) bool { return slices.Contains(rest, Name(id)) }
		p.env.do(r, func(core *raft.Raft) {
			if !core.TryQuiesce(func(id raft.PeerID) bool { return !dead(id) }) {
				p.env.tell("%s cannot be quiescent", Name(r.id))
			}
		})
		return nil
	})
}

func (p *player) wake(args []string) error {
	return p.one(args, 0, func(r *replica, _ []string) error {
		p.env.do(r, (*raft.Raft).Wake)
		return nil
	})
}

func (p *player) lost(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("who is lost?")
	}
	leader, ok := parseName(args[0])
	if !ok {
		return fmt.Errorf("no peer %q", args[0])
	}
	who, err := p.all(args[1:])
	if err == nil {
		p.env.leaderLost(leader, who...)
	}
	return err
}

// pick takes the messages that a filter chooses off the network.
func (p *player) pick(args []string) ([]envelope, error) {
	f, rest := parseFilter(args)
	if len(rest) > 0 {
		return nil, fmt.Errorf("no message is like %q", rest[0])
	}
	named := len(args) > 0
	return p.env.pick(f, func(m *raft.Message) bool { return named || !p.held(m) }), nil
}

func (p *player) deliver(args []string) error {
	picked, err := p.pick(args)
	for n := range picked {
		p.env.deliver(&picked[n])
	}
	if err == nil && len(picked) == 0 {
		p.env.tell("no such message")
	}
	return err
}

func (p *player) drop(args []string) error {
	picked, err := p.pick(args)
	for n := range picked {
		p.env.tell("%s is dropped", messageName(&picked[n].Message))
		p.env.lost(&picked[n])
	}
	if err == nil && len(picked) == 0 {
		p.env.tell("no such message")
	}
	return err
}

func (p *player) duplicate(args []string) error {
	picked, err := p.pick(args)
	for n := range picked {
		p.env.tell("%s will come twice", messageName(&picked[n].Message))
		p.env.net = append(p.env.net, picked[n], picked[n])
	}
	return err
}

func (p *player) hold(args []string) error {
	f, rest := parseFilter(args)
	if len(rest) > 0 {
		return fmt.Errorf("no message is like %q", rest[0])
	}
	p.holds = append(p.holds, f)
	return nil
}

func (p *player) release([]string) error {
	p.holds = nil
	return nil
}

func (p *player) partition(args []string) error {
	var sides [][]*replica
	for side := range strings.SplitSeq(strings.Join(args, " "), "/") {
		var list []*replica
		for _, name := range strings.Fields(side) {
			r, err := p.replica(name)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		sides = append(sides, list)
	}
	for n, side := range sides {
		for m, other := range sides {
			for _, a := range side {
				for _, b := range other {
					p.env.setCut(a.id.Node(), b.id.Node(), n != m)
				}
			}
		}
	}
	return nil
}

func (p *player) heal([]string) error {
	clear(p.env.cut)
	return nil
}

func (p *player) net([]string) error {
	if len(p.env.net) == 0 {
		p.env.tell("nothing is on its way")
	}
	for n := range p.env.net {
		p.env.tell("%s", messageName(&p.env.net[n].Message))
	}
	return nil
}

func (p *player) sync(args []string) error {
	return p.one(args, 0, func(r *replica, rest []string) error {
		n := len(r.disk.pending)
		if len(rest) > 0 {
			var err error
			if n, err = strconv.Atoi(rest[0]); err != nil || n > len(r.disk.pending) {
				return fmt.Errorf("%d writes are pending: %w", len(r.disk.pending), err)
			}
		}
		if n == 0 {
			p.env.tell("%s has nothing to write", Name(r.id))
		}
		for range n {
			p.env.sync(r)
		}
		return nil
	})
}

func (p *player) slow(args []string) error { return p.setSlow(args, true) }
func (p *player) fast(args []string) error { return p.setSlow(args, false) }

func (p *player) setSlow(args []string, slow bool) error {
	who, err := p.all(args)
	for _, r := range who {
		r.slow = slow
	}
	return err
}

func (p *player) crash(args []string) error {
	who, err := p.all(args)
	for _, r := range who {
		if n := len(r.disk.pending); n > 0 {
			p.env.tell("%s loses what was not durable (writes: %d)", Name(r.id), n)
		}
		p.env.crash(r)
	}
	return err
}

func (p *player) restart(args []string) error {
	for _, name := range args {
		r, err := p.replica(name)
		switch {
		case err != nil:
			return err
		case r.core != nil:
			return fmt.Errorf("%s is running", name)
		case r.gone:
			return fmt.Errorf("%s is gone for ever", name)
		}
		if err := p.env.start(r); err != nil {
			return err
		}
		p.env.tell("%s is back in term %d with a log up to %d, of which it knows %d to be committed", Name(r.id), r.core.Term(), r.core.LastIndex(), r.core.Committed())
	}
	return nil
}

func (p *player) wipe(args []string) error {
	for _, name := range args {
		r, err := p.replica(name)
		if err != nil {
			return err
		}
		next, err := p.env.wipe(r)
		if err != nil {
			return err
		}
		p.env.tell("%s is gone; %s runs on its node and knows nothing", Name(r.id), Name(next.id))
	}
	return nil
}

func (p *player) stabilize(args []string) error {
	in := func(id raft.PeerID) bool { return len(args) == 0 || slices.Contains(args, Name(id)) }
	for _, name := range args {
		if _, err := p.replica(name); err != nil {
			return err
		}
	}
	if !p.env.stabilize(in, p.held) {
		return fmt.Errorf("the group does not come to rest")
	}
	return nil
}

func (p *player) run(args []string) error {
	n, who, err := p.ticks(args)
	if err != nil {
		return err
	}
	p.story.brief = true
	defer func() { p.story.brief = false }()
	if err := p.stabilize(nil); err != nil {
		return err
	}
	for range n {
		for _, r := range who {
			if r.core != nil {
				p.env.tick(r)
			}
		}
		if err := p.stabilize(nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) elect(args []string) error {
	return p.one(args, 0, func(r *replica, _ []string) error {
		mute := p.story.mute
		p.story.mute = true
		p.env.do(r, (*raft.Raft).Campaign)
		err := p.stabilize(nil)
		p.story.mute = mute
		if err == nil && r.core.Role() != raft.Leader {
			err = fmt.Errorf("it is %v in term %d", r.core.Role(), r.core.Term())
		}
		p.env.tell("%s leads term %d", Name(r.id), r.core.Term())
		return err
	})
}

func (p *player) status(args []string) error {
	who, err := p.all(args)
	for _, r := range who {
		st := r.core.Status()
		line := fmt.Sprintf("%s %v, term %d, leader %s, committed %d of %d", Name(r.id), st.Role, st.Term, Name(st.Leader), st.Commit, st.Last)
		if st.Quiescent {
			line += ", quiescent"
		}
		if st.Transferee != raft.None {
			line += ", hands over to " + Name(st.Transferee)
		}
		p.env.tell("%s", line)
		for _, peer := range st.Peers {
			if peer.ID == r.id {
				continue
			}
			line := fmt.Sprintf("  %s: %v, match %d, next %d", Name(peer.ID), peer.State, peer.Match, peer.Next)
			if peer.InflightBytes > 0 {
				line += fmt.Sprintf(", %d bytes in flight", peer.InflightBytes)
			}
			if !peer.Voter {
				line += ", no voter"
			}
			if peer.Forgot {
				line += ", has forgotten what it had"
			}
			p.env.tell("%s", line)
		}
	}
	return err
}

func (p *player) log(args []string) error {
	var who []*replica
	for _, r := range p.env.replicas {
		if !r.gone && (len(args) == 0 || slices.Contains(args, Name(r.id))) {
			who = append(who, r)
		}
	}
	for _, r := range who {
		p.env.tellLog(r)
	}
	return nil
}
