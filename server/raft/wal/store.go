package wal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// storeFile says which store a directory holds.
//
//	 0  8 bytes  "NLRAFTST"
//	 8  u32      CRC32C of the bytes from 12 on
//	12  u32      version, 1
//	16  u64      store, random
//	24  u32      incarnation, random, not 0
//	28  u32      0
//	32  u64      segment of the last loss that could not be attributed, 0 for none
//	40  u64      its offset
//	48  u64      segment up to which the log was synced when damage was last found, 0 for none
//	56  u64      the offset in it
type storeFile struct {
	id          uint64
	incarnation uint32
	// loss is where the newest loss is of which it is not known what was there.
	// Groups of which nothing is left may have been lost there, so a new
	// incarnation is drawn for the store: should it join them again, it is as a
	// stranger.
	loss position
	// mark is the mark at the last Open that found damage. As long as that is not
	// made up for it must not be taken for a torn tail, whatever happens to the
	// files that prove the mark.
	mark position
}

const (
	storeName  = "STORE"
	lockName   = "LOCK"
	storeBytes = 64
)

var storeMagic = []byte("NLRAFTST")

func (s *storeFile) encode() []byte {
	b := make([]byte, storeBytes)
	copy(b, storeMagic)
	le := binary.LittleEndian
	le.PutUint32(b[12:], formatVersion)
	le.PutUint64(b[16:], s.id)
	le.PutUint32(b[24:], s.incarnation)
	le.PutUint64(b[32:], s.loss.segment)
	le.PutUint64(b[40:], uint64(s.loss.offset))
	le.PutUint64(b[48:], s.mark.segment)
	le.PutUint64(b[56:], uint64(s.mark.offset))
	le.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

func decodeStore(b []byte) (s storeFile, err error) {
	le := binary.LittleEndian
	if len(b) != storeBytes || !bytes.Equal(b[:8], storeMagic) || le.Uint32(b[8:]) != crc32.Checksum(b[12:], castagnoli) {
		return s, errors.New("not valid")
	}
	if v := le.Uint32(b[12:]); v != formatVersion {
		return s, fmt.Errorf("format %d: %w", v, errVersion)
	}
	s.id, s.incarnation = le.Uint64(b[16:]), le.Uint32(b[24:])
	s.loss = position{le.Uint64(b[32:]), int64(le.Uint64(b[40:]))}
	s.mark = position{le.Uint64(b[48:]), int64(le.Uint64(b[56:]))}
	return s, nil
}

func (l *Log) writeStore() error {
	return vfs.WriteFile(l.cfg.FS, filepath.Join(l.cfg.Dir, storeName), l.store.encode())
}

// randomIncarnation is the default of Config.Incarnation.
func randomIncarnation() uint32 {
	for {
		var b [4]byte
		// It never fails (crypto/rand).
		_, _ = rand.Read(b[:])
		if n := binary.LittleEndian.Uint32(b[:]); n != 0 {
			return n
		}
	}
}
