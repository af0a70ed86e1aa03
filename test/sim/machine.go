package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"path"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// state is what the machine of a replica holds: where it stands, and a content.
type state struct {
	applied raft.Index
	term    raft.Term
	conf    raft.ConfState
	// time is the leader's time of the last entry; it never goes back.
	time int64
	// hash is over everything that was applied, in the order in which it was, and over
	// what came of it.
	hash    uint64
	content content
}

// content is what a group is about.
type content interface {
	// apply carries out an op of an entry with a time. It returns what the client is
	// told, and what all replicas have to agree on of that.
	apply(op []byte, now int64) (result any, print []byte, err error)
	// digest is the same for contents that are the same.
	digest() (uint64, error)
	// image returns the content as bytes.
	image() ([]byte, error)
	// prepare makes ready what is in an image, which commit has take the place of what
	// there is.
	prepare(image []byte) (commit func(), err error)
}

// apply carries out one operation, and returns what its client is told.
func (s *state) apply(op []byte, now int64) (any, error) {
	result, print, err := s.content.apply(op, now)
	s.hash = crc64.Update(s.hash, crcTable, op)
	s.hash = crc64.Update(s.hash, crcTable, print)
	return result, err
}

// mark stands for the state behind an entry: it is equal where the states are, and never 0.
func (s *state) mark() (uint64, error) {
	d, err := s.content.digest()
	// The mix makes a 0 as good as impossible.
	return (s.hash^d)*0x9e3779b97f4a7c15 + uint64(s.term) + 1, err
}

// base is where the state stands.
func (s *state) base() raft.Base {
	return raft.Base{Index: s.applied, Term: s.term, Conf: s.conf.Clone()}
}

// encode returns the state with a checksum in front.
func (s *state) encode() ([]byte, error) {
	img, err := s.content.image()
	if err != nil {
		return nil, err
	}
	conf := s.conf.Append(nil)
	b := make([]byte, 4, 64+len(conf)+len(img))
	for _, v := range []uint64{uint64(s.applied), uint64(s.term), uint64(s.time), s.hash, uint64(len(conf))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(append(b, conf...), img...)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBadState = errors.New("a stored state is damaged")

// decodeState returns a state without its content, and the image of that.
func decodeState(b []byte) (s state, img []byte, err error) {
	if len(b) < 44 || crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return s, nil, errBadState
	}
	var words [5]uint64
	for n := range words {
		words[n] = binary.LittleEndian.Uint64(b[4+8*n:])
	}
	b = b[44:]
	s.applied, s.term, s.time, s.hash = raft.Index(words[0]), raft.Term(words[1]), int64(words[2]), words[3]
	if words[4] > uint64(len(b)) {
		return s, nil, errBadState
	}
	s.conf, err = raft.DecodeConfState(b[:words[4]])
	return s, b[words[4]:], err
}

// stateFile is where a node keeps a group's state.
func stateFile(g raft.GroupID) string { return path.Join("state", fmt.Sprintf("%d", g)) }

// loadState returns the stored state without its content, and the image of that: a zero
// one if there is none, and errBadState if what is there is not what was written.
func loadState(fs vfs.FS, g raft.GroupID) (state, []byte, error) {
	b, err := vfs.ReadFile(fs, stateFile(g), 1<<24)
	if isNotExist(err) {
		return state{}, nil, nil
	}
	if err != nil {
		return state{}, nil, err
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
