package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// putAside moves what the index that is used does not know to the directory
// "lost".
func (o *opener) putAside(body *indexBody) error {
	var names []string
	for _, g := range o.indexes {
		if g > o.rec.Generation {
			names = append(names, indexName(g))
		}
	}
	listed := make(map[uint64]bool)
	for i := range body.blocks {
		listed[body.blocks[i].id] = true
	}
	for id := range o.files {
		if !listed[id] {
			names = append(names, blockName(id))
		}
	}
	slices.Sort(names)
	o.rec.PutAside = names
	return setAside(o.cfg.FS, o.cfg.Dir, names)
}

func setAside(fs vfs.FS, dir string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	lost := filepath.Join(dir, lostDir)
	if err := fs.MkdirAll(lost); err != nil {
		return err
	}
	taken, err := fs.List(lost)
	if err != nil {
		return err
	}
	for _, name := range names {
		to := name
		for i := 1; slices.ContainsFunc(taken, func(e vfs.Entry) bool { return e.Name == to }); i++ {
			to = fmt.Sprintf("%s.%d", name, i)
		}
		taken = append(taken, vfs.Entry{Name: to})
		if err := fs.Rename(filepath.Join(dir, name), filepath.Join(lost, to)); err != nil {
			return err
		}
	}
	return errors.Join(vfs.SyncDir(fs, lost), vfs.SyncDir(fs, dir))
}

// SetAside moves all files of a store to its directory "lost", after which Open
// makes a new one. It is for whoever gets an *IndexError, and has the content
// from elsewhere.
func SetAside(fs vfs.FS, dir string) error {
	entries, err := fs.List(dir)
	if err != nil {
		return err
	}
	var names []string
	for _, suffix := range []string{indexSuffix, blockSuffix} {
		// Indexes first: a crash in between leaves blocks without index, which is
		// an *IndexError again.
		for _, e := range entries {
			if _, ok := parseName(e.Name, suffix); ok {
				names = append(names, e.Name)
			}
		}
	}
	return setAside(fs, dir, names)
}

// loaded is what was read of a block.
type loaded struct {
	err error
	// subjects are those with messages.
	subjects []loadedSubject
	names    []byte
	bloom    bloom
	// mem is set if the block is not sealed, or its footer is damaged.
	found  *scanned
	footer error
	size   int64
}

type loadedSubject struct {
	end         int // of its name in names
	first, last store.Seq
	count       uint32
}

// load reads the blocks, some at a time, and adds them to the index of subjects
// in their order.
func (o *opener) load(body *indexBody) error {
	results := make([]chan *loaded, len(o.blocks))
	for i := range results {
		results[i] = make(chan *loaded, 1)
	}
	// next hands out blocks, ahead bounds how many results wait.
	next := make(chan int, len(o.blocks))
	for i := range o.blocks {
		next <- i
	}
	close(next)
	ahead := make(chan struct{}, o.cfg.Workers+1)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(stop)
	for range min(o.cfg.Workers, len(o.blocks)) {
		workers.Go(func() {
			for {
				select {
				case ahead <- struct{}{}:
				case <-stop:
					return
				}
				i, ok := <-next
				if !ok {
					return
				}
				results[i] <- o.loadBlock(o.blocks[i])
			}
		})
	}
	for i, b := range o.blocks {
		l := <-results[i]
		<-ahead
		if l.err != nil {
			return l.err
		}
		if err := o.take(b, l); err != nil {
			return err
		}
	}
	return o.settle(body)
}

// loadBlock reads a block: its footer, or else its records.
func (o *opener) loadBlock(b *block) *loaded {
	l := &loaded{}
	info, err := o.cfg.FS.Stat(b.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.err = err
		return l
	}
	l.size = info.Size
	t := o.scanTargetLocked(b)
	if b.foot.sealed() {
		if l.footer = o.loadFooter(&t, b.dead, l); l.footer == nil {
			return l
		}
		*l = loaded{footer: l.footer, size: l.size}
	}
	if l.found, l.err = o.scan(&t); l.err != nil {
		return l
	}
	dead := b.dead.clone()
	for _, r := range l.found.bad {
		if r.lost {
			dead.set(r.ordinal)
		}
	}
	m := l.found.mem
	seq := func(ordinal uint32) store.Seq { return b.base + store.Seq(m.slots[ordinal].seq) }
	l.err = m.postings(func(subject []byte, ordinals []uint32) bool {
		l.add(subject, ordinals, dead, seq)
		return true
	})
	return l
}

// add adds a subject with those of its messages that are live.
func (l *loaded) add(subject []byte, ordinals []uint32, dead *bitmap, seq func(uint32) store.Seq) {
	s := loadedSubject{}
	for _, o := range ordinals {
		if dead.has(int(o)) {
			continue
		}
		if s.count == 0 {
			s.first = seq(o)
		}
		s.last = store.Seq(o)
		s.count++
	}
	if s.count == 0 {
		return
	}
	s.last = seq(uint32(s.last))
	l.names = append(l.names, subject...)
	s.end = len(l.names)
	l.subjects = append(l.subjects, s)
}

// loadFooter reads and verifies the whole footer of a block at once.
func (s *Store) loadFooter(t *scanTarget, dead *bitmap, l *loaded) error {
	b, foot := t.block, t.foot
	raw := make([]byte, t.fileEnd-foot.start)
	head := make([]byte, blockHeader)
	if err := s.readAt(b, head, 0); err != nil {
		return err
	}
	if err := checkHeader(head, s.id, b.id); err != nil {
		return err
	}
	if err := s.readAt(b, raw, foot.start); err != nil {
		return err
	}
	codec, err := s.codecFor(b)
	if err != nil {
		return err
	}
	open := func(ref frameRef, kind frameKind) ([]byte, uint32, error) {
		at := ref.off - foot.start
		if at < 0 || at > int64(len(raw)) || int64(ref.length) > int64(len(raw))-at {
			return nil, 0, errFooter
		}
		content, f, err := codec.open(raw[at:at+int64(ref.length)], place{s.id, b.id, ref.off}, kind)
		return content, f.crc, err
	}
	content, crc, err := open(frameRef{off: foot.dir, length: foot.length}, frameDirectory)
	if err != nil {
		return err
	}
	if crc != foot.crc {
		return errOlder
	}
	dir, err := decodeDirectory(content, t.n, foot.start, foot.dir)
	if err != nil {
		return err
	}
	numbers := make([]uint32, 0, t.n)
	for i := range dir.slots {
		page, _, err := open(dir.slots[i].frameRef, frameSlots)
		if err != nil {
			return err
		}
		if len(page) != slotSize*min(slotsPerPage, t.n-len(numbers)) {
			return errFooter
		}
		for ; len(page) > 0; page = page[slotSize:] {
			numbers = append(numbers, binary.LittleEndian.Uint32(page[8:]))
		}
	}
	seq := func(ordinal uint32) store.Seq { return t.base + store.Seq(numbers[ordinal]) }
	var ordinals []uint32
	for i := range dir.subjects {
		page, _, err := open(dir.subjects[i].frameRef, frameSubjects)
		if err != nil {
			return err
		}
		r := subjectReader{Reader: pack.NewReader(page), limit: t.n}
		for r.next() {
			ordinals = r.ordinals(ordinals[:0])
			l.add(r.name, ordinals, dead, seq)
		}
		if r.Bad() {
			return errFooter
		}
	}
	l.bloom = newBloom(len(l.subjects))
	from := 0
	for i := range l.subjects {
		l.bloom.add(hashSubject(l.names[from:l.subjects[i].end]))
		from = l.subjects[i].end
	}
	return nil
}

// take makes a block part of the store.
func (o *opener) take(b *block, l *loaded) error {
	b.bloom = l.bloom
	from := 0
	for i := range l.subjects {
		s := &l.subjects[i]
		o.subjects.addMany(l.names[from:s.end], s.first, s.last, uint64(s.count))
		from = s.end
	}
	if l.found == nil {
		return nil
	}
	b.mem, b.frames = l.found.mem, l.found.frames
	if l.footer != nil || l.found.header != nil {
		b.renew = true
	}
	if b.dead == nil {
		b.dead = &bitmap{}
	}
	lost := losses(b, b.mem, b.dead, l.found.bad)
	if len(l.found.bad) > 0 {
		b.damaged = true
		before := b.liveBytes
		o.dropLost(b, l.found)
		if k := slices.IndexFunc(lost, func(x store.Loss) bool { return x.Bytes == 0 }); k >= 0 {
			lost[k].Bytes = before - b.liveBytes
		}
		o.losses = mergeLosses(o.losses, lost)
	} else if l.footer != nil {
		o.rec.Repaired = append(o.rec.Repaired, fmt.Errorf("store: footer of %s: %w", b.path, l.footer))
	} else if l.found.header != nil {
		o.rec.Repaired = append(o.rec.Repaired, fmt.Errorf("store: header of %s: %w", b.path, l.found.header))
	}
	if b.foot.sealed() {
		return nil
	}
	return o.cut(b, l.size)
}

// dropLost takes the messages of which nothing is left out of the state.
func (o *opener) dropLost(b *block, found *scanned) {
	for _, r := range found.bad {
		if r.lost && !b.dead.has(r.ordinal) {
			b.own()
			b.dead.set(r.ordinal)
			b.live--
		}
	}
	b.liveBytes = 0
	for i := range b.mem.slots {
		if !b.dead.has(i) {
			b.liveBytes += b.mem.slots[i].messageSize()
		}
	}
}

// cut ends the file of a block that was written to behind the checkpoint. No
// place of a block is written twice: it is not continued.
func (o *opener) cut(b *block, size int64) error {
	if size > b.written && b.written > 0 {
		f, err := o.cfg.FS.OpenReadWrite(b.path)
		if err != nil {
			return err
		}
		return errors.Join(f.Truncate(b.written), f.Close())
	}
	// Where nothing was written the last block goes on.
	if size == b.written && !b.damaged && b == o.blocks[len(o.blocks)-1] && !b.renew {
		b.full = false
	}
	return nil
}

// settle computes what follows from the blocks.
func (o *opener) settle(body *indexBody) error {
	o.state.Messages, o.state.Bytes = 0, 0
	var empty []*block
	for _, b := range o.blocks {
		o.state.Messages += uint64(b.live)
		o.state.Bytes += b.liveBytes
		if b.live == 0 {
			empty = append(empty, b)
		}
	}
	if len(empty) > 0 {
		// Of a block that is gone for good there is a loss to tell, and nothing to
		// keep. What there is of its file stays until the next checkpoints.
		o.dropLocked(empty...)
	}
	if k := len(o.blocks); k > 0 && !o.blocks[k-1].full {
		o.active = o.blocks[k-1]
		o.bufAt = o.active.end
	}
	if o.state.Messages != body.state.Messages {
		if err := o.findFirst(); err != nil {
			return err
		}
	}
	o.rec.Extra = body.extra
	o.rec.Losses = slices.Clone(o.losses)
	return nil
}

// findFirst finds the oldest message, where that of the index was lost.
func (o *opener) findFirst() error {
	for _, b := range o.blocks {
		if at := nextWithout(nil, b.dead, 0, b.n); at < b.n {
			l, _, err := o.at(b, at)
			if err == nil {
				o.state.First, o.state.FirstTime = l.seq(), l.slot.time
			}
			return err
		}
	}
	o.state.First, o.state.FirstTime = o.state.Last+1, 0
	return nil
}

// rewrap writes two indexes with the data key wrapped by the newest key, so that
// the old one is not needed any more.
func (o *opener) rewrap() (err error) {
	if !o.stale {
		return nil
	}
	o.keys.wrapped = o.cfg.Keys.Seal(o.keys.data, wrapContext(o.id))
	for range 2 {
		c, err := o.Checkpoint(o.rec.Extra)
		if err == nil {
			err = c.Commit()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
