package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	// bufferBytes is how much is written at once, frameBytes how much of it is
	// compressed or encrypted at once: what a read of one message costs.
	bufferBytes = 64 << 10
	frameBytes  = 32 << 10
)

// writer is what only the writer knows.
type writer struct {
	// scratch is for frames on their way to the file, and the heads of large records.
	scratch []byte
	codec   *codec
	// subject is for the subject of a message that is removed.
	subject []byte
	// oldest is where the oldest message is, if its block is the store's.
	oldest location
}

// errSize is that of a message that no record can hold.
var errSize = errors.New("store: message too large")

// Append implements store.Store. If the disk is full the store is as it was
// before, and goes on when there is space again.
func (s *Store) Append(m *store.Message) error {
	if err := s.beginWrite(); err != nil {
		return err
	}
	defer s.write.Unlock()
	switch {
	case m.Seq <= s.state.Last:
		return fmt.Errorf("store: message %d behind %d", m.Seq, s.state.Last)
	case !fits(m):
		return errSize
	}
	err := s.append(m)
	if noSpace(err) && s.winBack() {
		err = s.append(m)
	}
	return err
}

func (s *Store) append(m *store.Message) error {
	size := padded(recordHead + len(m.Subject) + len(m.Header) + len(m.Data))
	if err := s.makeRoom(m.Seq, size); err != nil {
		return err
	}
	b, isNew := s.active, false
	if b == nil {
		b, isNew = s.startBlock(m.Seq), true
	}
	if size > bufferBytes && !b.framed {
		return s.appendLarge(b, isNew, m)
	}
	buf := s.buf
	if isNew {
		buf = s.startBuffer(b, buf)
	}
	buf, crc := appendRecord(buf, b.seed, b.end, b.n, m)
	s.mu.Lock()
	s.buf = buf
	s.publishLocked(b, isNew, m, crc, size)
	s.mu.Unlock()
	return nil
}

// startBlock makes the block that begins with a message. Nobody knows of it yet.
func (s *Store) startBlock(seq store.Seq) *block {
	b := s.newBlock(s.nextBlock)
	b.base, b.end, b.mem = seq, blockHeader, &memIndex{}
	b.cipher, b.compress = s.cfg.Cipher, s.cfg.Compression
	b.framed = b.compress || b.cipher != seal.Plain
	return b
}

// startBuffer returns the buffer as it is in front of the first record of a block.
func (s *Store) startBuffer(b *block, buf []byte) []byte {
	if b.framed {
		return buf[:0]
	}
	return b.appendHeader(buf[:0], s.id)
}

// publishLocked adds a record that is in the buffer or in the file.
func (s *Store) publishLocked(b *block, isNew bool, m *store.Message, crc uint32, size int) {
	if isNew {
		s.nextBlock++
		s.blocks = append(s.blocks, b)
		s.active = b
		s.bufAt = blockHeader
		if !b.framed && b.written == 0 {
			s.bufAt = 0
		}
		b.firstTime = m.Time
	}
	r := record{subject: len(m.Subject), header: len(m.Header), data: len(m.Data)}
	sl := newSlot(uint32(m.Seq-b.base), m.Time, b.end, &r)
	b.mem.add(sl, m.Subject, hashSubject(m.Subject))
	b.last, b.lastTime = m.Seq, m.Time
	b.n++
	b.end += int64(size)
	b.sum = chain(b.sum, crc)
	b.live++
	b.liveBytes += sl.messageSize()

	st := &s.state
	if st.Messages == 0 {
		st.First, st.FirstTime = m.Seq, m.Time
	}
	st.Messages++
	st.Bytes += sl.messageSize()
	st.Last, st.LastTime = m.Seq, m.Time
	s.subjects.add(m.Subject, m.Seq)
}

// makeRoom makes the buffer ready for a record, in another block if there is no
// room in this one.
func (s *Store) makeRoom(seq store.Seq, size int) error {
	b := s.active
	if b == nil {
		return nil
	}
	if b.end+int64(size) > s.cfg.BlockBytes || uint64(seq-b.base) >= math.MaxUint32 || b.n >= maxOrdinal {
		return s.rotate()
	}
	limit := bufferBytes
	if b.framed {
		limit = frameBytes
	}
	if len(s.buf)+size > limit {
		return s.flush()
	}
	return nil
}

// rotate ends the active block. It is written, but not synced.
func (s *Store) rotate() error {
	b := s.active
	if b == nil {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.mu.Lock()
	b.full = true
	s.active, s.buf = nil, s.buf[:0]
	if b.live == 0 {
		s.dropLocked(b)
	}
	s.mu.Unlock()
	return s.sealSurplus()
}

// sealSurplus seals a block if many wait for it: nobody calls Maintain as often
// as would be needed.
func (s *Store) sealSurplus() error {
	var oldest *block
	waiting := 0
	s.mu.RLock()
	for _, b := range slices.Backward(s.blocks) {
		if b.canSeal() {
			oldest = b
			waiting++
		}
	}
	s.mu.RUnlock()
	if waiting <= maxUnsealed || !s.maintaining.TryLock() {
		return nil
	}
	defer s.maintaining.Unlock()
	sealed, err := s.writeFooter(oldest)
	if noSpace(err) {
		return nil // it can wait as long as there is memory
	}
	if err == nil {
		s.publishFooter(oldest, sealed)
	}
	return err
}

// flush writes what is in the buffer. After an error of a full disk it is still
// there, and what came to the file behind its end does not count.
func (s *Store) flush() error {
	b := s.active
	if b == nil || len(s.buf) == 0 {
		return nil
	}
	out, off := s.buf, s.bufAt
	var frames []frameRef
	if b.framed {
		var err error
		if out, off, frames, err = s.frameBuffer(b); err != nil {
			return s.fail(err)
		}
	}
	if err := s.openForWriting(b); err != nil {
		return s.fail(err)
	}
	if _, err := b.w.WriteAt(out, off); err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.written = off + int64(len(out))
	b.frames = append(b.frames, frames...)
	s.bufAt, s.buf = b.end, s.buf[:0]
	if cap(s.buf) > 2*bufferBytes {
		s.buf = nil
	}
	return nil
}

// frameBuffer makes a frame of what is in the buffer, behind the header if it is
// the first one.
func (s *Store) frameBuffer(b *block) (out []byte, off int64, frames []frameRef, err error) {
	if s.writer.codec == nil {
		if s.writer.codec, err = s.codecFor(b); err != nil {
			return nil, 0, nil, err
		}
	}
	c := s.writer.codec
	if b.compress != c.compress || c.aead != s.keys.aeads[b.cipher] {
		if c, err = s.codecFor(b); err != nil {
			return nil, 0, nil, err
		}
	}
	out, off = s.writer.scratch[:0], b.written
	if off == 0 {
		out = b.appendHeader(out, s.id)
	}
	at := off + int64(len(out))
	out, err = c.append(out, place{s.id, b.id, at}, frameRecords, uint64(s.bufAt), s.buf)
	s.writer.scratch = out
	if cap(out) > 4*bufferBytes {
		s.writer.scratch = nil
	}
	return out, off, []frameRef{{at: s.bufAt, off: at, length: len(out) - int(at-off)}}, err
}

// openForWriting opens the file of a block, or makes it.
func (s *Store) openForWriting(b *block) error {
	if b.w != nil {
		return nil
	}
	open := s.cfg.FS.OpenReadWrite
	if b.written == 0 {
		open = s.cfg.FS.Create
	}
	w, err := open(b.path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	b.w = w
	s.mu.Unlock()
	return nil
}

// appendLarge writes a record without a copy in the buffer.
func (s *Store) appendLarge(b *block, isNew bool, m *store.Message) error {
	if !isNew {
		if err := s.flush(); err != nil {
			return err
		}
	}
	out, off := s.writer.scratch[:0], b.end
	if isNew {
		out, off = b.appendHeader(out, s.id), 0
	}
	start := len(out)
	out, crc := appendRecordHead(out, b.seed, b.end, b.n, m)
	out = append(out, m.Header...)
	raw := len(out) - start + len(m.Data)
	padding := zeros[:padded(raw)-raw]
	dcrc := crc32.Update(placeSeed(b.seed, b.end), castagnoli, m.Header)
	dcrc = crc32.Update(dcrc, castagnoli, m.Data)
	dcrc = crc32.Update(dcrc, castagnoli, padding)
	binary.LittleEndian.PutUint32(out[start+4:], dcrc)
	s.writer.scratch = out
	if err := s.openForWriting(b); err != nil {
		return s.fail(err)
	}
	for _, part := range [][]byte{out, m.Data, padding} {
		if len(part) == 0 {
			continue
		}
		if _, err := b.w.WriteAt(part, off); err != nil {
			err = s.fail(err)
			if isNew {
				// Nobody knows of the block: the next attempt makes it anew.
				err = errors.Join(err, b.w.Close())
			}
			return err
		}
		off += int64(len(part))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.written = off
	s.publishLocked(b, isNew, m, crc, padded(raw))
	s.bufAt, s.buf = b.end, s.buf[:0]
	return nil
}

// Skip implements store.Store.
func (s *Store) Skip(seq store.Seq, now int64) error {
	if err := s.beginWrite(); err != nil {
		return err
	}
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := &s.state; seq > st.Last {
		st.Last, st.LastTime = seq, now
		if st.Messages == 0 {
			st.First, st.FirstTime = seq+1, 0
		}
	}
	return nil
}
