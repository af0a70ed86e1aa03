package wal

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/seal"
)

// Purpose is what Config.Keys are for (seal.Ring.Keys).
const Purpose = "log"

// segmentKey encrypts what entries hold in one segment.
//
//	0  u8        cipher: 1 AES-256-GCM, 2 ChaCha20-Poly1305
//	1  3 bytes   0
//	4  60 bytes  the data key, sealed: nonce, encrypted key, tag
//
// It is drawn when the segment is made, and is used by the process that has made
// it, which alone writes to it: an Open goes on in another segment. So the offset of
// a record is a nonce that comes once, whatever a crash leaves, and also if an old copy
// of the directory is put back and numbers of segments are used again.
type segmentKey struct {
	cipher seal.Cipher
	sealed [sealedKey]byte
	// aead is nil until the key is opened; old is whether an earlier secret
	// has sealed it.
	aead cipher.AEAD
	old  bool

	// Belong to whoever flushes: where the nonce is made, and up to where
	// something was encrypted.
	nonce [seal.NonceSize]byte
	used  int64
}

const (
	sealedKey  = seal.NonceSize + seal.KeySize + seal.Overhead
	keyBytes   = 4 + sealedKey
	maxSealing = seal.Overhead // by how much a record grows
)

func keyContext(store, segment uint64) string {
	return fmt.Sprintf("segment %016x of log %016x", segment, store)
}

// newSegmentKey draws the key of a segment; nil without keys.
func newSegmentKey(keys *seal.Keys, store, segment uint64) (*segmentKey, error) {
	if keys == nil {
		return nil, nil
	}
	data := seal.NewKey()
	k := &segmentKey{cipher: keys.Cipher()}
	copy(k.sealed[:], keys.Seal(data, keyContext(store, segment)))
	var err error
	k.aead, err = k.cipher.AEAD(data, "log segment")
	return k, err
}

// open makes the key usable. The error is seal.ErrKey if it does not belong to keys.
func (k *segmentKey) open(keys *seal.Keys, store, segment uint64) error {
	data, old, err := keys.Open(k.sealed[:], keyContext(store, segment))
	if err != nil {
		return fmt.Errorf("wal: %s: %w", segmentName(segment), err)
	}
	k.old = old
	k.aead, err = k.cipher.AEAD(data, "log segment")
	return err
}

func (k *segmentKey) encode(b []byte) {
	b[0] = byte(k.cipher)
	copy(b[4:], k.sealed[:])
}

func decodeSegmentKey(b []byte) (*segmentKey, error) {
	k := &segmentKey{cipher: seal.Cipher(b[0])}
	if k.cipher == seal.Plain || !k.cipher.Valid() || b[1] != 0 || b[2] != 0 || b[3] != 0 {
		return nil, errors.New("no valid key")
	}
	copy(k.sealed[:], b[4:keyBytes])
	return k, nil
}

// seals reports whether data of a record is encrypted in a segment with this key,
// nil in one without: what proposals hold is, and nothing else. How the log, and who
// replicas are, is in clear, so that it can be told without a key what is damaged.
func (k *segmentKey) seals(kind kind, size int) bool {
	return k != nil && kind == kindEntry && size > 0
}

// stored returns the length of the data of a record in a segment with this key.
func (k *segmentKey) stored(kind kind, size int) int {
	if k.seals(kind, size) {
		return size + seal.Overhead
	}
	return size
}

// seal appends encrypted data of the record at an offset to dst. What is
// authenticated with it is the record's header behind the checksums.
func (k *segmentKey) seal(dst []byte, at int64, header, data []byte) []byte {
	if at < k.used {
		panic(fmt.Sprintf("wal: at %d of a segment of which %d bytes are written something is to be encrypted again", at, k.used))
	}
	k.used = at + recordHeader
	putNonce(k.nonce[:], at)
	return k.aead.Seal(dst, k.nonce[:], data, header[authenticated:recordHeader])
}

// authenticated is where the part of a header begins that is.
const authenticated = 8

func putNonce(nonce []byte, at int64) {
	binary.LittleEndian.PutUint64(nonce[seal.NonceSize-8:], uint64(at))
}

var errSealed = errors.New("encrypted data is not authentic")

// reader returns what opens data, for one goroutine.
func (k *segmentKey) reader() *dataReader {
	if k == nil || k.aead == nil {
		return nil
	}
	return &dataReader{aead: k.aead}
}

// dataReader opens the data of a segment's records. A nil one opens what is in clear.
type dataReader struct {
	aead  cipher.AEAD
	nonce [seal.NonceSize]byte
}

// data returns what a record holds, given all of it, whose checksums fit. It is a
// part of rec, which is changed if it was encrypted.
func (d *dataReader) data(rec []byte, r *record, at int64) ([]byte, error) {
	data := rec[recordHeader : recordHeader+int(r.size) : recordHeader+int(r.size)]
	switch sealed := r.flags&flagSealed != 0; {
	case sealed != (d != nil && r.kind == kindEntry && r.size > 0):
		// Nor is data in clear where it should be encrypted.
		return nil, errSealed
	case !sealed:
		return data, nil
	}
	putNonce(d.nonce[:], at)
	data, err := d.aead.Open(data[:0], d.nonce[:], data, rec[authenticated:recordHeader])
	if err != nil {
		return nil, errSealed
	}
	return data, nil
}
