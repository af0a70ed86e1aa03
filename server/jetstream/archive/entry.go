package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What an archive and its entries begin with.
const (
	magic        = "NATSARC1"
	stateName    = "state.json"
	consumerPath = "consumers/"
)

// Limits on what is in an entry, in bytes, and on what is in an archive.
const (
	maxName    = 64 << 10
	maxHeader  = 64 << 10
	maxPayload = 64 << 20
	maxState   = 1 << 20
	// maxConsumer is enough for half a million messages without acknowledgement.
	maxConsumer  = 32 << 20
	maxConsumers = 100_000
	// maxSeq and maxTime leave room for those who add to a number or a time. The
	// time is in the year 2116.
	maxSeq  = 1<<63 - 1
	maxTime = 1 << 62
)

// ErrOldFormat: it is a backup of nats-server 2.14 or before.
var ErrOldFormat = errors.New("archive: a backup in the form of nats-server 2.14 and before, which only nats-server can restore")

// FormatError says what of an archive is not as it has to be.
type FormatError struct {
	// Offset is where the entry begins, in bytes of what is uncompressed.
	Offset int64
	// Entry says which one it is.
	Entry string
	Err   error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("archive: %s at byte %d: %v", e.Entry, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// head is what an entry begins with: the lengths of its parts, its time and
// number.
type head struct {
	name, header, payload uint64
	time                  int64
	seq                   uint64
}

func (h *head) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, h.name)
	dst = binary.AppendVarint(dst, h.time)
	dst = binary.AppendUvarint(dst, h.seq)
	dst = binary.AppendUvarint(dst, h.header)
	return binary.AppendUvarint(dst, h.payload)
}

// checkSizes refuses lengths that nobody is to allocate for.
func (h *head) checkSizes(payload uint64) error {
	for _, l := range [...]struct {
		part       string
		size, most uint64
	}{{"name", h.name, maxName}, {"header", h.header, maxHeader}, {"payload", h.payload, payload}} {
		if l.size > l.most {
			return fmt.Errorf("a %s of %d bytes, more than %d", l.part, l.size, l.most)
		}
	}
	return nil
}
