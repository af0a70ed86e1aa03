package mem

import "github.com/nats-lite/nats-lite/server/jetstream/store"

// replacement is a store.Replacement: another store, whose content the store takes over.
type replacement struct {
	s, by *Store
}

// Prepare implements [store.Store].
func (s *Store) Prepare(c store.Content) (store.Replacement, error) {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, store.ErrClosed
	}
	by := &Store{tuning: s.tuning}
	if err := store.FillFrom(by, c); err != nil {
		return nil, err
	}
	by.losses = store.KnownLosses(c.Lost())
	return &replacement{s, by}, nil
}

// State implements [store.Replacement].
func (r *replacement) State() store.State { return r.by.State() }

// Commit implements [store.Replacement]. It fails only if the store is closed.
func (r *replacement) Commit([]byte) error {
	s, by := r.s, r.by
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.blocks, s.subjects, s.spare = by.blocks, by.subjects, nil
	s.messages, s.bytes, s.first, s.last, s.lastTime, s.losses = by.messages, by.bytes, by.first, by.last, by.lastTime, by.losses
	return nil
}

// Discard implements [store.Replacement].
func (r *replacement) Discard() error { return nil }
