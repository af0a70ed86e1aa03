package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// commitState belongs to whoever commits.
type commitState struct {
	sync.Mutex
	// kept are the generations whose indexes are on disk: at most the two that
	// were committed last, the newest at the end.
	kept []uint64
	// leftover is an error of removing what is no longer needed. It is tried again.
	leftover error
}

// checkpoint is a store.Checkpoint.
type checkpoint struct {
	s          *Store
	generation uint64
	body       indexBody
	// files are those of the blocks, as far as they are open.
	files []vfs.File
	erase []erasure
	begun bool
}

// Checkpoint implements store.Store. An error of a full disk leaves the store as
// it was.
func (s *Store) Checkpoint(extra []byte) (store.Checkpoint, error) {
	if err := s.beginWrite(); err != nil {
		return nil, err
	}
	defer s.write.Unlock()
	if b := s.active; b != nil && b.live == 0 {
		// Nobody needs what is in the buffer either.
		s.mu.Lock()
		b.full = true
		s.dropLocked(b)
		s.mu.Unlock()
	}
	err := s.flush()
	if noSpace(err) && s.winBack() {
		err = s.flush()
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = nil // an idle stream has no buffer
	s.generation++
	c := &checkpoint{s: s, generation: s.generation, erase: slices.Clone(s.erase)}
	c.body = indexBody{state: s.state, nextBlock: s.nextBlock, extra: bytes.Clone(extra), losses: s.losses}
	c.body.blocks = make([]blockState, len(s.blocks))
	c.files = make([]vfs.File, len(s.blocks))
	for i, b := range s.blocks {
		c.body.blocks[i] = b.stateLocked()
		c.files[i] = b.w
	}
	return c, nil
}

func (b *block) stateLocked() blockState {
	return blockState{
		b: b, id: b.id, framed: b.framed, compress: b.compress, cipher: b.cipher, base: b.base, last: b.last,
		firstTime: b.firstTime, lastTime: b.lastTime, n: b.n, live: b.live, liveBytes: b.liveBytes, end: b.end,
		written: b.written, sum: b.sum, foot: b.foot, renew: b.renew, damaged: b.damaged, dead: b.share(),
	}
}

// Commit implements store.Checkpoint. If it fails because the disk is full, the
// store goes on, and a later checkpoint may succeed. An error that wraps
// ErrErase comes when the checkpoint is durable.
func (c *checkpoint) Commit() error {
	s := c.s
	s.committing.Lock()
	defer s.committing.Unlock()
	s.mu.RLock()
	err := s.unusable()
	s.mu.RUnlock()
	switch {
	case err != nil:
		return err
	case c.begun || c.generation <= s.committing.kept[len(s.committing.kept)-1]:
		return errors.New("store: checkpoint committed twice, or behind a newer one")
	}
	c.begun = true
	if err := c.sync(); err != nil {
		return err
	}
	err = s.writeIndex(c.generation, &c.body)
	if noSpace(err) && s.giveUpOlder() {
		err = s.writeIndex(c.generation, &c.body)
	}
	if err != nil {
		return s.fail(err)
	}
	s.committing.leftover = errors.Join(s.keepTwo(c.generation), s.closeSynced(), s.removeDropped())
	return c.eraseRecords()
}

// sync makes the blocks of the checkpoint durable, and then their names.
func (c *checkpoint) sync() error {
	s := c.s
	newNames := false
	for i := range c.body.blocks {
		st := &c.body.blocks[i]
		if st.written <= st.b.synced {
			continue
		}
		if err := c.files[i].SyncData(); err != nil {
			// Also of a full disk: what was written may be lost now.
			return s.poison(fmt.Errorf("store: %w", err))
		}
		newNames = newNames || st.b.synced == 0
		st.b.synced = st.written
	}
	if newNames {
		if err := vfs.SyncDir(s.cfg.FS, s.cfg.Dir); err != nil {
			return s.poison(fmt.Errorf("store: %w", err))
		}
	}
	return nil
}

// writeIndex makes the index of a generation durable.
func (s *Store) writeIndex(generation uint64, body *indexBody) error {
	h := indexHead{store: s.id, generation: generation, cipher: s.cfg.Cipher, wrapped: s.keys.wrapped}
	codec, err := s.codec(s.cfg.Compression, h.cipher)
	if err != nil {
		return err
	}
	content, err := body.encode(&h, codec)
	if err != nil {
		return err
	}
	return vfs.WriteFile(s.cfg.FS, s.indexPath(generation), content)
}

func (s *Store) indexPath(generation uint64) string {
	return filepath.Join(s.cfg.Dir, indexName(generation))
}

// keepTwo removes the indexes in front of the last one that was committed before
// this one.
func (s *Store) keepTwo(generation uint64) (err error) {
	kept := append(s.committing.kept, generation)
	for len(kept) > 2 {
		if err = s.removeFile(s.indexPath(kept[0])); err != nil {
			break
		}
		kept = kept[1:]
	}
	s.committing.kept = slices.Clone(kept)
	return err
}

// giveUpOlder removes the older one of two indexes, and what nothing else needs, to make
// room for another one. It is there to make up for damage, and comes back with the next
// checkpoint. The caller has committing.
func (s *Store) giveUpOlder() bool {
	kept := s.committing.kept
	if len(kept) < 2 || s.removeFile(s.indexPath(kept[0])) != nil {
		return false
	}
	s.committing.kept = slices.Clone(kept[1:])
	s.committing.leftover = s.removeDropped()
	return true
}

// winBack removes the files of blocks that no index needs, before the next checkpoint
// would: what is left from before the store was opened. It reports whether there were
// any. The caller has the writer's lock.
func (s *Store) winBack() (any bool) {
	s.mu.Lock()
	var unneeded []*block
	s.dropped = slices.DeleteFunc(slices.Clone(s.dropped), func(b *block) bool {
		if b.dropped > 0 || b.pins.Load() > 0 {
			return false
		}
		unneeded = append(unneeded, b)
		return true
	})
	s.mu.Unlock()
	for _, b := range unneeded {
		if errors.Join(s.letGo(b), s.removeFile(b.path)) == nil {
			any = true
			continue
		}
		s.mu.Lock()
		s.dropped = append(s.dropped, b) // as the next checkpoint will tell
		s.mu.Unlock()
	}
	return any
}

// removeFile removes a file, which may be gone already.
func (s *Store) removeFile(path string) error {
	if err := s.cfg.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// closeSynced closes the files of blocks to which nothing more is written, and of
// which all is synced.
func (s *Store) closeSynced() (err error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.RLock()
	var done []*block
	for _, b := range s.blocks {
		if b.w != nil && b.synced >= b.written && b.full && (b.foot.sealed() || b.damaged) {
			done = append(done, b)
		}
	}
	s.mu.RUnlock()
	for _, b := range done {
		err = errors.Join(err, b.w.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range done {
		b.w = nil
	}
	return err
}

// removeDropped removes the files of blocks that no index on disk needs, and that
// nobody reads.
func (s *Store) removeDropped() (err error) {
	oldest := s.committing.kept[0]
	s.write.Lock()
	s.mu.Lock()
	var unneeded []*block
	s.dropped = slices.DeleteFunc(slices.Clone(s.dropped), func(b *block) bool {
		if b.dropped >= oldest || b.pins.Load() > 0 {
			return false
		}
		unneeded = append(unneeded, b)
		return true
	})
	s.mu.Unlock()
	s.write.Unlock()
	var failed []*block
	for _, b := range unneeded {
		err = errors.Join(err, s.letGo(b))
		if removeErr := s.removeFile(b.path); removeErr != nil {
			err = errors.Join(err, removeErr)
			failed = append(failed, b)
		}
	}
	if len(failed) > 0 {
		s.mu.Lock()
		s.dropped = append(s.dropped, failed...)
		s.mu.Unlock()
	}
	return err
}

// ErrErase is that what was to be erased is still there. Another checkpoint
// tries again.
var ErrErase = errors.New("store: not erased")

// eraseRecords overwrites what was removed to be erased, now that no one needs
// it after a crash.
func (c *checkpoint) eraseRecords() error {
	s := c.s
	if len(c.erase) == 0 {
		return nil
	}
	var err error
	for from := 0; from < len(c.erase) && err == nil; {
		to := from + 1
		for to < len(c.erase) && c.erase[to].b == c.erase[from].b {
			to++
		}
		err = s.eraseIn(c.erase[from].b, c.erase[from:to])
		from = to
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrErase, s.fail(err))
	}
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase = slices.Clone(s.erase[min(len(c.erase), len(s.erase)):])
	return nil
}

// eraseIn erases records of one block. A frame cannot be overwritten without
// putting the others in it at risk: its block is written anew, without them.
func (s *Store) eraseIn(b *block, records []erasure) (err error) {
	if b.framed {
		s.write.Lock()
		defer s.write.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		b.renew = true
		return nil
	}
	f, err := s.cfg.FS.OpenReadWrite(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, e := range records {
		raw := make([]byte, e.size)
		if n, err := f.ReadAt(raw, e.at); errors.Is(err, io.EOF) && n < len(raw) {
			continue // it was gone before it was written
		} else if err != nil && n < len(raw) {
			return err
		}
		r, ok := decodeRecord(raw, b.seed, e.at)
		if !ok || padded(r.rawLen()) != e.size {
			// What is there is not the record, and not for us to touch.
			continue
		}
		r.erase(raw, b.seed, e.at)
		if _, err := f.WriteAt(raw, e.at); err != nil {
			return err
		}
	}
	return f.SyncData()
}

// Delete implements store.Store. A crash in the middle leaves an empty store.
func (s *Store) Delete() error {
	if err := s.Reset(1); err != nil && !errors.Is(err, store.ErrClosed) {
		return err
	}
	c, err := s.Checkpoint(nil)
	if err == nil {
		err = c.Commit()
	}
	if err == nil || errors.Is(err, store.ErrClosed) {
		err = s.Close()
	}
	if err != nil {
		return err
	}
	entries, err := s.cfg.FS.List(s.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// Indexes last: blocks without an index would be damage.
	for _, indexes := range []bool{false, true} {
		for _, e := range entries {
			if _, ok := parseName(e.Name, indexSuffix); ok == indexes {
				if err := s.cfg.FS.RemoveAll(filepath.Join(s.cfg.Dir, e.Name)); err != nil {
					return err
				}
			}
		}
		if err := vfs.SyncDir(s.cfg.FS, s.cfg.Dir); err != nil {
			return err
		}
	}
	if err := s.cfg.FS.Remove(s.cfg.Dir); err != nil {
		return err
	}
	return vfs.SyncDir(s.cfg.FS, filepath.Dir(s.cfg.Dir))
}
