package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// scratchFrame is how much of the content is encrypted as a whole.
const scratchFrame = 32 << 10

// File is what a Scratch needs of a file.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Scratch is content in a temporary file that only who has written it can read: its
// key is random and in memory alone. It is written once, from its start to its end,
// and may then be read by several goroutines.
type Scratch struct {
	f    File
	aead cipher.AEAD
	// frames are in the file, size bytes are in them and in buf, which is what is
	// not written yet.
	frames int64
	size   int64
	buf    []byte
	ended  bool
}

// NewScratch encrypts what is written to an empty file. The file stays the caller's.
func NewScratch(c Cipher, f File) (*Scratch, error) {
	a, err := c.AEAD(NewKey(), "scratch")
	if err != nil {
		return nil, err
	}
	return &Scratch{f: f, aead: a}, nil
}

var errEnded = errors.New("seal: the file is not to be written any more")

// Write implements io.Writer. After an error the file is of no use.
func (s *Scratch) Write(p []byte) (n int, err error) {
	if s.ended {
		return 0, errEnded
	}
	for n < len(p) {
		k := min(len(p)-n, scratchFrame-len(s.buf))
		s.buf = append(s.buf, p[n:n+k]...)
		n += k
		s.size += int64(k)
		if len(s.buf) == scratchFrame {
			if err := s.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush writes a frame. A frame is written once: after an error nothing is.
func (s *Scratch) flush() error {
	sealed := s.aead.Seal(nil, frameNonce(s.frames), s.buf, nil)
	_, err := s.f.WriteAt(sealed, s.frames*(scratchFrame+Overhead))
	s.frames++
	s.buf = s.buf[:0]
	s.ended = err != nil
	return err
}

// End ends the content. The file is not synced.
func (s *Scratch) End() error {
	if s.ended {
		return errEnded
	}
	var err error
	if len(s.buf) > 0 {
		err = s.flush()
	}
	s.ended, s.buf = true, nil
	return err
}

// ReadAt implements io.ReaderAt, once the content is ended.
func (s *Scratch) ReadAt(p []byte, off int64) (n int, err error) {
	if !s.ended || off < 0 {
		return 0, errors.New("seal: read in front of the start, or before the end is known")
	}
	for n < len(p) && off < s.size {
		frame := off / scratchFrame
		content, err := s.frame(frame)
		if err != nil {
			return n, err
		}
		k := copy(p[n:], content[off-frame*scratchFrame:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *Scratch) frame(n int64) ([]byte, error) {
	length := min(scratchFrame, s.size-n*scratchFrame)
	sealed := make([]byte, length+Overhead)
	if k, err := s.f.ReadAt(sealed, n*(scratchFrame+Overhead)); k < len(sealed) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	content, err := s.aead.Open(sealed[:0], frameNonce(n), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("seal: frame %d is not what was written", n)
	}
	return content, nil
}

// frameNonce is the number of the frame: each is written once, under a key that no
// other file has.
func frameNonce(n int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, NonceSize-8, NonceSize), uint64(n))
}
