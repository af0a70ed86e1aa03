package meta

import (
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// firstTokens are the names of streams by the first tokens of their subjects. Of an
// account's thousands of streams few have to be looked at, then, to find one whose
// subjects overlap with others.
type firstTokens map[string]map[string]bool

func firstToken(subj string) string {
	first, _, _ := strings.Cut(subj, ".")
	return first
}

func isWild(token string) bool { return token == "*" || token == ">" }

func (f firstTokens) add(c *api.StreamConfig) {
	for _, subj := range c.Subjects {
		t := firstToken(subj)
		if f[t] == nil {
			f[t] = make(map[string]bool)
		}
		f[t][c.Name] = true
	}
}

func (f firstTokens) remove(c *api.StreamConfig) {
	for _, subj := range c.Subjects {
		t := firstToken(subj)
		if delete(f[t], c.Name); len(f[t]) == 0 {
			delete(f, t)
		}
	}
}

// anyNear reports whether test is true of a stream that has a subject whose first token
// overlaps with that of subj. The order does not matter, therefore.
func (f firstTokens) anyNear(subj string, test func(name string) bool) bool {
	anyOf := func(names map[string]bool) bool {
		for name := range names {
			if test(name) {
				return true
			}
		}
		return false
	}
	t := firstToken(subj)
	if !isWild(t) {
		return anyOf(f[t]) || anyOf(f["*"]) || anyOf(f[">"])
	}
	for _, names := range f {
		if anyOf(names) {
			return true
		}
	}
	return false
}

// Overlaps reports whether a stream of an account, but for the one called except, has a
// subject that overlaps with one of those given.
func (s *State) Overlaps(acc, except string, subjects []string) bool {
	a := s.accounts[acc]
	if a == nil {
		return false
	}
	for _, subj := range subjects {
		if a.tokens.anyNear(subj, func(name string) bool {
			st := a.streams[name]
			if st == nil {
				st = a.restores[name]
			}
			return name != except && api.OverlapAny(st.Config.Subjects, []string{subj})
		}) {
			return true
		}
	}
	return false
}
