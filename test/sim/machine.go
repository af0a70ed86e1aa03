package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"path"
	"slices"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// state is what a group's state machine holds: a register, a log, and a hash
// over everything that was applied in the order in which it was.
type state struct {
	applied raft.Index
	term    raft.Term
	conf    raft.ConfState
	// time is the leader's time of the last entry; it never goes back.
	time int64
	hash uint64
	// writes holds all values that the register has had, the last one being its
	// value; log holds all values appended.
	writes []uint64
	log    []uint64
}

// register is the value written last.
func (s *state) register() uint64 {
	if n := len(s.writes); n > 0 {
		return s.writes[n-1]
	}
	return 0
}

// The operations that clients propose: one byte, then a value in 8.
const (
	opWrite  = 'w'
	opAppend = 'a'
)

func encodeOp(kind byte, value uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{kind}, value)
}

// apply carries out one operation and returns what its client is told: the
// position in the log, or the value that the register held before.
func (s *state) apply(op []byte) (uint64, error) {
	s.hash = crc64.Update(s.hash, crcTable, op)
	if len(op) != 9 {
		return 0, fmt.Errorf("operation of %d bytes", len(op))
	}
	v := binary.LittleEndian.Uint64(op[1:])
	switch op[0] {
	case opWrite:
		old := s.register()
		s.writes = append(s.writes, v)
		return old, nil
	case opAppend:
		s.log = append(s.log, v)
		return uint64(len(s.log)), nil
	}
	return 0, fmt.Errorf("operation %q", op[0])
}

func (s *state) clone() state {
	c := *s
	c.conf = s.conf.Clone()
	c.writes, c.log = slices.Clone(s.writes), slices.Clone(s.log)
	return c
}

// base is where the state stands.
func (s *state) base() raft.Base {
	return raft.Base{Index: s.applied, Term: s.term, Conf: s.conf.Clone()}
}

// encode returns the state with a checksum in front.
func (s *state) encode() []byte {
	b := make([]byte, 4, 128+8*(len(s.writes)+len(s.log)))
	for _, v := range []uint64{uint64(s.applied), uint64(s.term), uint64(s.time), s.hash, uint64(len(s.writes)), uint64(len(s.log))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, v := range slices.Concat(s.writes, s.log) {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = s.conf.Append(b)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBadState = errors.New("a stored state is damaged")

func decodeState(b []byte) (s state, err error) {
	if len(b) < 52 || crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return s, errBadState
	}
	word := func() uint64 {
		v := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return v
	}
	b = b[4:]
	s.applied, s.term, s.time, s.hash = raft.Index(word()), raft.Term(word()), int64(word()), word()
	writes, values := word(), word()
	if room := uint64(len(b)) / 8; writes > room || values > room-writes {
		return s, errBadState
	}
	for range writes {
		s.writes = append(s.writes, word())
	}
	for range values {
		s.log = append(s.log, word())
	}
	s.conf, err = raft.DecodeConfState(b)
	return s, err
}

// stateFile is where a node keeps a group's state.
func stateFile(g raft.GroupID) string { return path.Join("state", fmt.Sprintf("%d", g)) }

// loadState returns the stored state: a zero one if there is none, and
// errBadState if what is there is not what was written.
func loadState(fs vfs.FS, g raft.GroupID) (state, error) {
	b, err := vfs.ReadFile(fs, stateFile(g), 1<<24)
	if isNotExist(err) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	return decodeState(b)
}

// readAll reads the whole of an image.
func readAll(r io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, size)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
