package file

import (
	"errors"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// replacement is a store.Replacement. Its blocks are of the store, by their numbers and
// under its key, but no index lists them before Commit: the index of the next generation
// is what makes them count, and the others not. Until then they are made by another
// Store, which writes to the same directory and has no index of its own.
type replacement struct {
	s, by *Store
	over  bool
}

// Prepare implements store.Store. As long as the replacement is there nothing is
// committed or maintained: both wait.
func (s *Store) Prepare(c store.Content) (store.Replacement, error) {
	s.maintaining.Lock()
	s.committing.Lock()
	s.mu.RLock()
	err := s.unusable()
	by := &Store{cfg: s.cfg, cache: s.cache, id: s.id, keys: s.keys, nextBlock: s.nextBlock, generation: s.generation}
	s.mu.RUnlock()
	if err != nil {
		s.committing.Unlock()
		s.maintaining.Unlock()
		return nil, err
	}
	r := &replacement{s: s, by: by}
	if err := store.FillFrom(by, c); err != nil {
		return nil, errors.Join(err, r.Discard())
	}
	by.losses = store.KnownLosses(c.Lost())
	return r, nil
}

// State implements store.Replacement.
func (r *replacement) State() store.State { return r.by.State() }

// Commit implements store.Replacement.
func (r *replacement) Commit(extra []byte) error {
	s, by := r.s, r.by
	if r.over {
		return errors.New("store: replacement committed or discarded before")
	}
	if err := s.beginWrite(); err != nil {
		return errors.Join(err, r.Discard())
	}
	s.write.Unlock()
	taken, err := by.Checkpoint(extra)
	if err != nil {
		return errors.Join(err, r.Discard())
	}
	c := taken.(*checkpoint)
	if err := c.sync(); err != nil {
		return errors.Join(err, r.Discard())
	}
	if err := s.writeIndex(c.generation, &c.body); err != nil {
		if !noSpace(err) || errors.Join(s.removeFile(s.indexPath(c.generation)), vfs.SyncDir(s.cfg.FS, s.cfg.Dir)) != nil {
			// The index may be there, and then the blocks are needed.
			r.end()
			return errors.Join(s.poison(err), by.Close())
		}
		return errors.Join(err, r.Discard())
	}
	r.takeOver(c.generation)
	s.committing.leftover = errors.Join(s.keepTwo(c.generation), s.closeSynced(), s.removeDropped())
	r.end()
	// What was there before is not needed once there are two indexes without it. If that
	// does not come about now, it does with the next checkpoints; and what has stopped
	// the store is told to whoever changes it next.
	if again, err := s.Checkpoint(extra); err == nil {
		_ = again.Commit()
	}
	return nil
}

// takeOver has the store consist of the new blocks.
func (r *replacement) takeOver(generation uint64) {
	s, by := r.s, r.by
	for _, b := range by.blocks {
		// What is kept in memory of their indexes knows the other Store.
		s.cache.forget(b.serial)
		b.serial = s.cache.serials.Add(1)
	}
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(s.blocks...)
	s.blocks, s.active, s.buf, s.bufAt = by.blocks, by.active, by.buf, by.bufAt
	s.state, s.subjects, s.losses = by.state, by.subjects, by.losses
	s.nextBlock, s.generation = by.nextBlock, generation
	s.erase, s.writer = nil, writer{}
	s.epoch++
}

// Discard implements store.Replacement. The numbers of the blocks are not used again.
func (r *replacement) Discard() error {
	if r.over {
		return nil
	}
	s, by := r.s, r.by
	blocks := by.blocks
	err := by.Close()
	for _, b := range blocks {
		err = errors.Join(err, s.removeFile(b.path))
	}
	s.write.Lock()
	s.mu.Lock()
	s.nextBlock = max(s.nextBlock, by.nextBlock)
	s.mu.Unlock()
	s.write.Unlock()
	r.end()
	return err
}

// end lets others commit and maintain.
func (r *replacement) end() {
	r.over = true
	r.s.committing.Unlock()
	r.s.maintaining.Unlock()
}
