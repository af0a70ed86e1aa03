package stream

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/proto"
)

// headers are those of a published message that mean something to a stream. A nil
// field is not there; a header that comes twice counts the first time.
type headers struct {
	msgID []byte
	// What the publisher expects.
	stream, lastSeq, lastSubjectSeq, lastSubject, lastMsgID []byte
	rollup, ttl, incr, source                               []byte
	// Of a message that is a schedule.
	schedule, target, from, scheduleTTL, scheduleRollup, zone []byte
	// Of a message that a schedule made, or that ends one.
	scheduler, next []byte
	// Of a batch.
	batchID, batchSeq, batchCommit, level []byte
	counterSources, marker, operation     []byte
}

func (h *headers) scan(block []byte) {
	*h = headers{}
	if len(block) == 0 {
		return
	}
	proto.Headers(block, func(name, value []byte) bool {
		if f := h.field(name); f != nil && *f == nil {
			*f = value
		}
		return true
	})
}

// field returns where the value of a header goes, nil for one without meaning.
func (h *headers) field(name []byte) *[]byte {
	if !bytes.HasPrefix(name, ours) {
		if string(name) == api.HeaderKVOperation {
			return &h.operation
		}
		return nil
	}
	switch string(name) {
	case api.HeaderMsgID:
		return &h.msgID
	case api.HeaderExpectedStream:
		return &h.stream
	case api.HeaderExpectedLastSeq:
		return &h.lastSeq
	case api.HeaderExpectedLastSubjSeq:
		return &h.lastSubjectSeq
	case api.HeaderExpectedLastSubjSeqSubject:
		return &h.lastSubject
	case api.HeaderExpectedLastMsgID:
		return &h.lastMsgID
	case api.HeaderRollup:
		return &h.rollup
	case api.HeaderTTL:
		return &h.ttl
	case api.HeaderIncr:
		return &h.incr
	case api.HeaderStreamSource:
		return &h.source
	case api.HeaderSchedule:
		return &h.schedule
	case api.HeaderScheduleTarget:
		return &h.target
	case api.HeaderScheduleSource:
		return &h.from
	case api.HeaderScheduleTTL:
		return &h.scheduleTTL
	case api.HeaderScheduleRollup:
		return &h.scheduleRollup
	case api.HeaderScheduleTimeZone:
		return &h.zone
	case api.HeaderScheduler:
		return &h.scheduler
	case api.HeaderScheduleNext:
		return &h.next
	case api.HeaderBatchID:
		return &h.batchID
	case api.HeaderBatchSeq:
		return &h.batchSeq
	case api.HeaderBatchCommit:
		return &h.batchCommit
	case api.HeaderRequiredLevel:
		return &h.level
	case api.HeaderCounterSources:
		return &h.counterSources
	case api.HeaderMarkerReason:
		return &h.marker
	}
	return nil
}

// ours is what the names of all headers begin with that mean something, but for
// one.
var ours = []byte("Nats-")

// beginHeader begins a header block. What follows are copyHeaders and addHeader,
// then endHeader.
func beginHeader(dst []byte) []byte { return append(dst, proto.HeaderLine...) }

// copyHeaders appends the lines of a block but for those that drop names, without
// the empty line at its end.
func copyHeaders(dst, block []byte, drop func(name []byte) bool) []byte {
	_, rest, ok := bytes.Cut(block, crlf)
	for ok {
		var line []byte
		line, rest, ok = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			break
		}
		if name, _, found := bytes.Cut(line, colon); found && drop != nil && drop(name) {
			continue
		}
		dst = append(dst, line...)
		dst = append(dst, crlf...)
	}
	return dst
}

func addHeader[T ~string | ~[]byte](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, crlf...)
}

// endHeader ends a block that begins at from; one without headers becomes nothing.
func endHeader(dst []byte, from int) []byte {
	if len(dst)-from == len(proto.HeaderLine) {
		return dst[:from]
	}
	return append(dst, crlf...)
}

// setHeader appends a copy of a block in which a header has a value, and no other.
func setHeader[T ~string | ~[]byte](dst, block []byte, name string, value T) []byte {
	dst = beginHeader(dst)
	dst = copyHeaders(dst, block, func(n []byte) bool { return string(n) == name })
	dst = addHeader(dst, name, value)
	return append(dst, crlf...)
}

// dropHeaders appends a copy of a block without some headers.
func dropHeaders(dst, block []byte, drop func(name []byte) bool) []byte {
	from := len(dst)
	dst = beginHeader(dst)
	dst = copyHeaders(dst, block, drop)
	return endHeader(dst, from)
}

// hasHeader reports whether a block has a header that is wanted.
func hasHeader(block []byte, wanted func(name []byte) bool) (has bool) {
	if len(block) == 0 {
		return false
	}
	proto.Headers(block, func(name, _ []byte) bool {
		has = wanted(name)
		return !has
	})
	return has
}

var (
	crlf  = []byte(proto.CRLF)
	colon = []byte(":")
)
