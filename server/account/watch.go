package account

import (
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/subject"
)

// watchers are told when the interest in some subjects changes.
type watchers struct {
	// some is whether there are any, so that an account without pays nothing.
	some atomic.Bool

	mu sync.Mutex
	of map[string]map[*watcher]struct{} // by literal subject
}

type watcher struct{ changed func() }

// Watch has changed called whenever interest in a literal subject may have come or
// gone, after that, on the goroutine of whoever subscribes. It must not block. It is
// called no more some time after stop has returned.
func (a *Account) Watch(literal string, changed func()) (stop func()) {
	w := &watcher{changed}
	s := &a.watchers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[string]map[*watcher]struct{})
	}
	if s.of[literal] == nil {
		s.of[literal] = make(map[*watcher]struct{})
	}
	s.of[literal][w] = struct{}{}
	s.some.Store(true)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.of[literal], w); len(s.of[literal]) == 0 {
			delete(s.of, literal)
			s.some.Store(len(s.of) > 0)
		}
	}
}

// tell tells of interest in a pattern.
func (s *watchers) tell(pattern string) {
	if !s.some.Load() {
		return
	}
	var concerned []*watcher
	s.mu.Lock()
	if subject.HasWildcard(pattern) {
		for literal, of := range s.of {
			if subject.Matches(literal, pattern) {
				for w := range of {
					concerned = append(concerned, w)
				}
			}
		}
	} else {
		for w := range s.of[pattern] {
			concerned = append(concerned, w)
		}
	}
	s.mu.Unlock()
	for _, w := range concerned {
		w.changed()
	}
}
