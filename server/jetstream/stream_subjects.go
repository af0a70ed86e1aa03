package jetstream

import (
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
)

// openSubjects subscribes to what the stream listens to now, and to nothing else: to what is
// published where it leads, to direct gets wherever what is there is all that there is.
// Several may call it: the last one goes by what is assigned last.
func (s *stream) openSubjects() {
	s.listening.Lock()
	defer s.listening.Unlock()
	cfg := s.assigned.Load().Config
	s.mu.Lock()
	wanted := make(map[string]bool)
	var gone, fresh []*account.Subscription
	want := func(sub *account.Subscription) {
		wanted[sub.Subject] = true
		if s.subscribed[sub.Subject] == nil {
			s.subscribed[sub.Subject] = sub
			fresh = append(fresh, sub)
		}
	}
	term := s.term
	leads := term != 0 || s.halted.Load() && s.isSole()
	if !s.closed && !s.isRestoring() {
		if leads {
			for _, subj := range cfg.Subjects {
				want(&account.Subscription{Subject: subj, Handler: s.publish, Explain: s.explain})
			}
		}
		if cfg.AllowDirect && (leads || s.current.Load()) {
			for _, subj := range directSubjects(cfg.Name) {
				want(&account.Subscription{Subject: subj, Queue: directGroup, Handler: s.directGet})
			}
		}
		if leads && s.near.Load() && answersForOrigin(cfg) {
			for _, subj := range directSubjects(cfg.Mirror.Name) {
				want(&account.Subscription{Subject: subj, Queue: directGroup, Handler: s.directGet})
			}
		}
	}
	for subj, sub := range s.subscribed {
		if !wanted[subj] {
			gone = append(gone, sub)
			delete(s.subscribed, subj)
		}
	}
	s.mu.Unlock()
	s.tenant.account.UnsubscribeAll(gone)
	for _, sub := range fresh {
		if err := s.tenant.account.Subscribe(sub); err != nil {
			s.complain("listening to "+sub.Subject, err)
		}
	}
	s.mu.Lock()
	if s.term == term {
		s.heard = term
	}
	known := leads || s.follows
	s.mu.Unlock()
	if known || s.isClosed() {
		s.settle()
	}
}

// settle ends the waiting of those who wait for the stream to serve, here or elsewhere.
func (s *stream) settle() {
	s.settledOnce.Do(func() { close(s.settled) })
	s.turned.tell()
}

// answers reports whether the stream serves here.
func (s *stream) answers() bool {
	if s.halted.Load() && s.isSole() {
		return true // it can be read
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term != 0 && s.heard == s.term
}

// catchUp finds out whether the replica of a stream that is led elsewhere has all that there is,
// if anybody would ask it.
func (s *stream) catchUp() {
	s.mu.Lock()
	follows := s.follows && !s.closed
	s.mu.Unlock()
	if !follows || !s.assigned.Load().Config.AllowDirect || s.current.Load() || s.catching.Swap(true) {
		return
	}
	s.group.ReadIndex(func(_ raft.Index, err error) {
		s.catching.Store(false)
		look := func() { s.tell(func(d *driver) { d.changed = true }) }
		if err != nil {
			s.e.later(pause, look)
			return
		}
		s.current.Store(s.leading.Load() == 0)
		look()
	})
}

// answersForOrigin reports whether a mirror is to answer direct gets for its origin. One
// that has only some of its messages, or calls them something else, would say wrong
// things.
func answersForOrigin(cfg *api.StreamConfig) bool {
	m := cfg.Mirror
	return cfg.MirrorDirect && m != nil && m.External == nil && m.FilterSubject == "" && len(m.SubjectTransforms) == 0
}

func (s *stream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// closeSubjects ends listening, for good.
func (s *stream) closeSubjects() {
	s.mu.Lock()
	s.closed, s.changed = true, true
	s.mu.Unlock()
	s.openSubjects()
	s.wake()
}

// isFollowed reports whether there are consumers that are led here.
func (s *stream) isFollowed() bool { return s.followers.Load() > 0 }

// consumerList returns the consumers that run.
func (s *stream) consumerList() (list []*consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.consumers {
		list = append(list, c)
	}
	return list
}
