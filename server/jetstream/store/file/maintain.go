package file

import (
	"errors"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Maintain does one step of what keeps a store small and quick to open: it seals a
// block that is full, or writes blocks anew of which little is live. It reports
// whether there is more to do. Any goroutine may call it, beside the writer and
// readers; the step is over in the time that it takes to read and write one
// block. What it did counts from the next checkpoint on. If the disk is full
// nothing was done.
func (s *Store) Maintain() (more bool, err error) {
	s.maintaining.Lock()
	defer s.maintaining.Unlock()
	s.mu.RLock()
	err = s.unusable()
	var b *block
	if i := slices.IndexFunc(s.blocks, (*block).canSeal); i >= 0 && err == nil {
		b = s.blocks[i]
		b.pin()
	}
	run := s.chooseRun()
	s.mu.RUnlock()
	switch {
	case err != nil:
		return false, err
	case b != nil:
		defer b.unpin()
		foot, err := s.writeFooter(b)
		if err != nil {
			return false, err
		}
		s.write.Lock()
		defer s.write.Unlock()
		s.publishFooter(b, foot)
		return true, nil
	case len(run) > 0:
		return true, s.rewrite(run)
	}
	// What a commit could not remove is its own error no more than that of anybody
	// else, and has to be told.
	if s.committing.TryLock() {
		defer s.committing.Unlock()
		err, s.committing.leftover = s.committing.leftover, nil
	}
	return false, err
}

// canSeal reports whether a block waits to be sealed. The caller holds mu.
func (b *block) canSeal() bool {
	return b.full && !b.gone && b.mem != nil && !b.foot.sealed() && !b.damaged && !b.renew
}

// sealedFooter is a footer on its way into a block.
type sealedFooter struct {
	footer
	written int64
	bloom   bloom
	w       vfs.File
}

// writeFooter writes the footer of a full block behind its records. Nobody else
// writes to the block.
func (s *Store) writeFooter(b *block) (f sealedFooter, err error) {
	s.mu.RLock()
	m, frames, written, w := b.mem, b.frames, b.written, b.w
	s.mu.RUnlock()
	content, foot, err := s.buildFooter(b, m, frames, written)
	if err != nil {
		return f, s.fail(err)
	}
	f = sealedFooter{footer: foot, written: written + int64(len(content)), bloom: m.bloom(), w: w}
	if w == nil {
		if f.w, err = s.cfg.FS.OpenReadWrite(b.path); err != nil {
			return f, s.fail(err)
		}
	}
	if _, err := f.w.WriteAt(content, written); err != nil {
		if w == nil {
			err = errors.Join(err, f.w.Close())
		}
		return f, s.fail(err)
	}
	return f, nil
}

func (s *Store) buildFooter(b *block, m *memIndex, frames []frameRef, start int64) ([]byte, footer, error) {
	c, err := s.codecFor(b)
	if err != nil {
		return nil, footer{}, err
	}
	w := footerWriter{codec: *c, store: s.id, block: b.id, start: start}
	return w.build(m, frames)
}

func (m *memIndex) bloom() bloom {
	b := newBloom(len(m.ends))
	for _, h := range m.hashes[:len(m.ends)] {
		b.add(h)
	}
	return b
}

// publishFooter has readers use the footer. The caller holds write.
func (s *Store) publishFooter(b *block, f sealedFooter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.foot, b.written, b.bloom, b.w = f.footer, f.written, f.bloom, f.w
	b.mem, b.frames = nil, nil
}

// liveRoom estimates what the live records of a block would take in another.
func (b *block) liveRoom() int64 { return int64(b.liveBytes) + 10*int64(b.live) }

// wasteful reports whether more than half of a block's records are removed.
func (b *block) wasteful() bool { return 2*b.liveRoom() < b.end-blockHeader }

// manySmall is how many small blocks in a row are made one.
const manySmall = 4

// chooseRun returns blocks next to each other that are to be written anew as one:
// wasteful ones, with small ones beside them. The caller holds mu.
func (s *Store) chooseRun() (run []*block) {
	var room int64
	wasteful := false
	for _, b := range s.blocks {
		candidate := b.full && !b.damaged && (b.foot.sealed() || b.renew) &&
			(b.renew || b.wasteful() || b.end < s.cfg.BlockBytes/4)
		fits := len(run) == 0 ||
			room+b.liveRoom() <= s.cfg.BlockBytes && uint64(b.last-run[0].base) < maxOrdinal
		if !candidate || !fits {
			if wasteful || len(run) >= manySmall {
				return run
			}
			run, room, wasteful = nil, 0, false
		}
		if candidate {
			run = append(run, b)
			room += b.liveRoom()
			wasteful = wasteful || b.renew || b.wasteful()
		}
	}
	if wasteful || len(run) >= manySmall {
		return run
	}
	return nil
}

// rewriting is a block that takes the place of others.
type rewriting struct {
	s   *Store
	to  *block
	out []byte
	// records are those that wait for a frame, which begin at place from.
	records []byte
	from    int64
	codec   *codec
	// sources are the blocks as they were, copied where their records are: those of
	// source i are the ordinals from starts[i] on.
	sources []view
	starts  []int
}

// rewrite writes the live messages of some blocks into a new one, and has that
// take their place.
func (s *Store) rewrite(run []*block) error {
	r := &rewriting{s: s}
	s.write.Lock()
	s.mu.Lock()
	if err := s.unusable(); err != nil || slices.ContainsFunc(run, func(b *block) bool { return b.gone }) {
		s.mu.Unlock()
		s.write.Unlock()
		return err
	}
	r.to = s.newBlock(s.nextBlock)
	s.nextBlock++
	for _, b := range run {
		b.pin()
		r.sources = append(r.sources, b.viewLocked(true))
	}
	s.mu.Unlock()
	s.write.Unlock()
	defer func() {
		for _, b := range run {
			b.unpin()
		}
	}()
	if err := r.copy(); err != nil {
		if errors.Is(err, store.ErrDamaged) {
			// The block is known to be damaged now, and stays as it is.
			return nil
		}
		return s.fail(err)
	}
	var foot sealedFooter
	if r.to.n > 0 {
		var err error
		if foot, err = r.write(); err != nil {
			return s.fail(err)
		}
	}
	r.publish(foot)
	return nil
}

// copy puts the records that are live into the new block.
func (r *rewriting) copy() (err error) {
	s, to := r.s, r.to
	to.cipher, to.compress = s.cfg.Cipher, s.cfg.Compression
	to.framed = to.compress || to.cipher != seal.Plain
	to.full, to.mem, to.end = true, &memIndex{}, blockHeader
	if r.codec, err = s.codecFor(to); err != nil {
		return err
	}
	r.out = to.appendHeader(nil, s.id)
	r.from = to.end
	var m store.Message
	for i := range r.sources {
		v := &r.sources[i]
		r.starts = append(r.starts, to.n)
		err := s.use(v, func(x index) error {
			for at := nextWithout(nil, v.dead, 0, v.n); at < v.n; at = nextWithout(nil, v.dead, at+1, v.n) {
				sl, err := x.slot(at)
				if err != nil {
					return err
				}
				if to.n > 0 && to.last >= v.b.base+store.Seq(sl.seq) {
					continue // the index was made anew, and this one is copied
				}
				if err := s.readLive(v, at, &sl, &m); err != nil {
					return err
				}
				if err := r.add(&m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.frame()
}

func (r *rewriting) add(m *store.Message) error {
	to := r.to
	rec := record{subject: len(m.Subject), header: len(m.Header), data: len(m.Data)}
	if to.n == 0 {
		to.base, to.firstTime = m.Seq, m.Time
	}
	dst := &r.out
	if to.framed {
		dst = &r.records
	}
	var crc uint32
	*dst, crc = appendRecord(*dst, to.seed, to.end, to.n, m)
	to.mem.add(newSlot(uint32(m.Seq-to.base), m.Time, to.end, &rec), m.Subject, hashSubject(m.Subject))
	to.last, to.lastTime = m.Seq, m.Time
	to.n++
	to.end += int64(padded(rec.rawLen()))
	to.sum = chain(to.sum, crc)
	if len(r.records) >= frameBytes {
		return r.frame()
	}
	return nil
}

func (r *rewriting) frame() (err error) {
	if len(r.records) == 0 {
		return nil
	}
	off := int64(len(r.out))
	r.out, err = r.codec.append(r.out, place{r.s.id, r.to.id, off}, frameRecords, uint64(r.from), r.records)
	r.to.frames = append(r.to.frames, frameRef{at: r.from, off: off, length: len(r.out) - int(off)})
	r.records, r.from = r.records[:0], r.to.end
	return err
}

// write writes the new block with its footer. It is not synced.
func (r *rewriting) write() (f sealedFooter, err error) {
	s, to := r.s, r.to
	content, foot, err := s.buildFooter(to, to.mem, to.frames, int64(len(r.out)))
	if err != nil {
		return f, err
	}
	f = sealedFooter{footer: foot, written: int64(len(r.out) + len(content)), bloom: to.mem.bloom()}
	if f.w, err = s.cfg.FS.Create(to.path); err != nil {
		return f, err
	}
	if _, err = f.w.WriteAt(r.out, 0); err == nil {
		_, err = f.w.WriteAt(content, int64(len(r.out)))
	}
	if err != nil {
		// The file is one that no index knows; what cannot be removed now is
		// after the next start.
		return f, errors.Join(err, f.w.Close(), s.removeFile(to.path))
	}
	return f, nil
}

// publish has the new block take the place of the others. What was removed since
// the copy is removed from it.
func (r *rewriting) publish(f sealedFooter) {
	s, to := r.s, r.to
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	to.foot, to.written, to.bloom, to.w = f.footer, f.written, f.bloom, f.w
	for i := range to.mem.slots {
		to.liveBytes += to.mem.slots[i].messageSize()
	}
	to.live = to.n
	for i := range r.sources {
		r.carryOver(i)
	}
	r.to.mem, r.to.frames = nil, nil
	var blocks []*block
	placed := to.live == 0
	for _, b := range s.blocks {
		if !slices.ContainsFunc(r.sources, func(v view) bool { return v.b == b }) {
			blocks = append(blocks, b)
			continue
		}
		if !placed {
			blocks, placed = append(blocks, to), true
		}
		b.gone, b.dropped = true, s.generation
		s.dropped = append(s.dropped, b)
	}
	s.blocks = blocks
	if to.live == 0 {
		to.gone = true
		s.dropped = append(s.dropped, to)
	}
}

// carryOver does to the new block what was done to a source since the copy.
func (r *rewriting) carryOver(i int) {
	s, to, v := r.s, r.to, &r.sources[i]
	end := to.n
	if i+1 < len(r.starts) {
		end = r.starts[i+1]
	}
	at := nextWithout(nil, v.dead, 0, v.n)
	for n := r.starts[i]; n < end; n++ {
		if v.b.gone || v.b.dead.has(at) {
			to.kill(n, to.mem.slots[n].messageSize())
			for _, e := range s.erase {
				if e.b == v.b && e.ordinal == at {
					sl := &to.mem.slots[n]
					s.erase = append(s.erase, erasure{b: to, at: sl.place(), size: padded(sl.rawLen()), ordinal: n})
					break
				}
			}
		}
		at = nextWithout(nil, v.dead, at+1, v.n)
	}
}
