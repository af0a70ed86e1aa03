package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/raft"
)

// The data of an entry of proposals (docs/formats/raft-entry.md):
//
//	0        1                9
//	┌────────┬────────────────┬───────────────┬──────────────────────────┬─ ─ ─
//	│version │ time, 8 bytes  │ count, varint │ length, varint │ proposal │
//	└────────┴────────────────┴───────────────┴──────────────────────────┴─ ─ ─
//
// An entry without data is the mark that a leader sets at the start of its term.

const (
	entryVersion = 1
	entryHead    = 1 + 8
)

var errEntry = errors.New("raft/host: malformed entry")

// entrySize returns how much room an entry takes for count proposals whose sizes
// by proposalSize sum up to size.
func entrySize(count, size int) int {
	return entryHead + uvarintSize(uint64(count)) + size
}

func proposalSize(data []byte) int { return uvarintSize(uint64(len(data))) + len(data) }

// appendEntry encodes proposals as the data of an entry.
func appendEntry(dst []byte, time int64, props []Proposal) []byte {
	dst = append(dst, entryVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(time))
	dst = binary.AppendUvarint(dst, uint64(len(props)))
	for i := range props {
		dst = pack.AppendBytes(dst, props[i].Data)
	}
	return dst
}

// entryTime returns the time of an entry of proposals, or 0 if it is another.
func entryTime(e *raft.Entry) int64 {
	if e.Type != raft.EntryNormal || len(e.Data) < entryHead || e.Data[0] != entryVersion {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(e.Data[1:]))
}

// decodeEntry fills a batch from the data of an entry, and checks all of its
// framing.
func decodeEntry(data []byte, b *Batch) error {
	if len(data) == 0 {
		return nil
	}
	in := pack.NewReader(data)
	if v := in.Byte(); v != entryVersion {
		return fmt.Errorf("%w: version %d", errEntry, v)
	}
	b.Time = int64(in.Uint64())
	b.count = in.Count(1)
	b.proposals = in
	for range b.count {
		// That is Bytes, but for a call.
		in.Take(in.Uvarint())
	}
	if !in.End() {
		return fmt.Errorf("%w: %d proposals in %d bytes", errEntry, b.count, len(data))
	}
	return nil
}

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
