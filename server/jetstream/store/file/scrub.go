package file

import "github.com/nats-lite/nats-lite/server/jetstream/store"

// Scrub does one step of reading everything that has been at rest: it verifies one
// block, its records and its footer, as it is on disk. It reports whether there
// are more blocks; the next step after the last one begins anew. Damage is no
// error: Lost tells of messages, and what can be made anew from the rest is. Any
// goroutine may call it, beside all others.
func (s *Store) Scrub() (more bool, err error) {
	s.scrubbing.Lock()
	defer s.scrubbing.Unlock()
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return false, store.ErrClosed
	}
	i := findBlock(s.blocks, s.scrubbing.at)
	for i < len(s.blocks) && (!s.blocks[i].full || s.blocks[i].written == 0) {
		i++
	}
	if i == len(s.blocks) {
		s.scrubbing.at = 0
		s.mu.RUnlock()
		return false, nil
	}
	b := s.blocks[i]
	b.pin()
	defer b.unpin()
	t := s.scanTargetLocked(b)
	dead, inMem := b.share(), b.mem != nil
	more = i+1 < len(s.blocks)
	s.scrubbing.at = b.last + 1
	s.mu.RUnlock()
	if !more {
		s.scrubbing.at = 0
	}
	if t.foot.sealed() && !inMem {
		if s.loadFooter(&t, dead, &loaded{}) != nil {
			if err := s.rebuild(b); err != nil {
				return more, s.orClosed(plain(err))
			}
		}
	}
	found, err := s.scan(&t)
	if err != nil {
		return more, s.orClosed(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone || s.closed {
		return more, nil
	}
	// What was removed meanwhile may just have been erased.
	if lost := losses(b, found.mem, b.dead, found.bad); len(lost) > 0 {
		b.damaged = true
		s.losses = mergeLosses(s.losses, lost)
	}
	b.renew = b.renew || found.header != nil
	return more, nil
}
