package api

import (
	"math"
	"strings"
	"time"
)

// Headers of messages that are published.
const (
	HeaderMsgID                      = "Nats-Msg-Id"
	HeaderExpectedStream             = "Nats-Expected-Stream"
	HeaderExpectedLastSeq            = "Nats-Expected-Last-Sequence"
	HeaderExpectedLastSubjSeq        = "Nats-Expected-Last-Subject-Sequence"
	HeaderExpectedLastSubjSeqSubject = "Nats-Expected-Last-Subject-Sequence-Subject"
	HeaderExpectedLastMsgID          = "Nats-Expected-Last-Msg-Id"
	HeaderRollup                     = "Nats-Rollup"
	HeaderTTL                        = "Nats-TTL"
	HeaderIncr                       = "Nats-Incr"
	HeaderBatchID                    = "Nats-Batch-Id"
	HeaderBatchSeq                   = "Nats-Batch-Sequence"
	HeaderBatchCommit                = "Nats-Batch-Commit"
	HeaderSchedule                   = "Nats-Schedule"
	HeaderScheduleTarget             = "Nats-Schedule-Target"
	HeaderScheduleSource             = "Nats-Schedule-Source"
	HeaderScheduleTTL                = "Nats-Schedule-TTL"
	HeaderScheduleRollup             = "Nats-Schedule-Rollup"
	HeaderScheduleTimeZone           = "Nats-Schedule-Time-Zone"
	HeaderScheduleNext               = "Nats-Schedule-Next"
	HeaderScheduler                  = "Nats-Scheduler"
	HeaderRequiredLevel              = "Nats-Required-Api-Level"
	HeaderKVOperation                = "KV-Operation"

	// PrefixExpected and PrefixBatch are of headers that are not copied along with a
	// message, PrefixSchedule of those that a scheduled message does not have.
	PrefixExpected = "Nats-Expected-"
	PrefixBatch    = "Nats-Batch-"
	PrefixSchedule = "Nats-Schedule"
)

// Headers that the server adds.
const (
	HeaderStream          = "Nats-Stream"
	HeaderSubject         = "Nats-Subject"
	HeaderSequence        = "Nats-Sequence"
	HeaderTimestamp       = "Nats-Time-Stamp"
	HeaderLastSeq         = "Nats-Last-Sequence"
	HeaderUpToSeq         = "Nats-UpTo-Sequence"
	HeaderNumPending      = "Nats-Num-Pending"
	HeaderMsgSize         = "Nats-Msg-Size"
	HeaderPinID           = "Nats-Pin-Id"
	HeaderStreamSource    = "Nats-Stream-Source"
	HeaderCounterSources  = "Nats-Counter-Sources"
	HeaderMarkerReason    = "Nats-Marker-Reason"
	HeaderLastConsumer    = "Nats-Last-Consumer"
	HeaderLastStream      = "Nats-Last-Stream"
	HeaderConsumerStalled = "Nats-Consumer-Stalled"
	HeaderPendingMessages = "Nats-Pending-Messages"
	HeaderPendingBytes    = "Nats-Pending-Bytes"
	HeaderStreamIdentity  = "Nats-Stream-Identity"
	HeaderRequestInfo     = "Nats-Request-Info"
)

// Values of headers.
const (
	RollupSubject        = "sub"
	RollupAll            = "all"
	TTLNever             = "never"
	BatchCommit          = "1"
	BatchCommitEnd       = "eob" // the message itself is not stored
	SchedulePurge        = "purge"
	MarkerReasonMaxAge   = "MaxAge"
	KVOperationPurge     = "PURGE"
	MaxBatchIDLength     = 64
	MaxHeaderSize        = 65535 // of all headers of a message together
	TimestampLayout      = time.RFC3339Nano
	ScheduleNextLayout   = time.RFC3339
	MaxMessageRecordSize = 32 << 20
)

// TTL is how long a message lives, in seconds. 0 is as long as its stream lets it.
type TTL int64

// NeverExpires is the TTL of messages that outlive even the stream's limit of age.
const NeverExpires TTL = -1

// ParseTTL reads the value of a Nats-TTL header: "never", whole seconds, or a
// duration of a second or more, the rest of which is dropped. Empty is no TTL.
func ParseTTL(value []byte) (TTL, *Error) {
	switch {
	case len(value) == 0:
		return 0, nil
	case strings.EqualFold(string(value), TTLNever):
		return NeverExpires, nil
	}
	if isDigits(value) {
		n, ok := parseUint(value)
		if !ok || n > math.MaxInt64 {
			n = math.MaxInt64
		}
		if n == 0 {
			return 0, ErrMessageTTLInvalid
		}
		return TTL(n), nil
	}
	d, err := time.ParseDuration(string(value))
	if err != nil || d < time.Second {
		return 0, ErrMessageTTLInvalid
	}
	return TTL(d / time.Second), nil
}

// Expires is when a message ends that was stored at a time, both in nanoseconds since
// the Unix epoch. ok is false if that is never, or too far away to be told.
func (t TTL) Expires(stored int64) (at int64, ok bool) {
	if t <= 0 || int64(t) > (math.MaxInt64-max(stored, 0))/int64(time.Second) {
		return 0, false
	}
	return stored + int64(t)*int64(time.Second), true
}

// Rollup is which messages give way to a new one.
type Rollup uint8

const (
	NoRollup Rollup = iota
	// RollupOfSubject: the older ones of its subject.
	RollupOfSubject
	// RollupOfStream: all older ones.
	RollupOfStream
)

// ParseRollup reads the value of a Nats-Rollup header. Empty is none.
func ParseRollup(value []byte) (Rollup, *Error) {
	switch s := string(value); {
	case s == "":
		return NoRollup, nil
	case strings.EqualFold(s, RollupSubject):
		return RollupOfSubject, nil
	case strings.EqualFold(s, RollupAll):
		return RollupOfStream, nil
	default:
		return NoRollup, ErrStreamRollupFailed.With("err", "rollup value invalid: \""+s+"\"")
	}
}

func isDigits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}
