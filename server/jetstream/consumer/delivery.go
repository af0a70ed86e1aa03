package consumer

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Delivery is what a delivered message says about its delivery.
type Delivery struct {
	Stream   store.Seq
	Consumer ConsumerSeq
	// Count is how often the message was delivered, this time included.
	Count uint32
	// Time is when the message was stored, in nanoseconds since the Unix epoch.
	Time int64
	// Pending is how many messages are left to be delivered for the first time.
	Pending uint64
	// PinID is the id of the pinned client that it goes to, or empty.
	PinID string
	// HeadersOnly is whether the payload is left out.
	HeadersOnly bool
}

// AppendReply appends the reply subject on which the delivery is acknowledged. The
// prefix is the consumer's.
func (d *Delivery) AppendReply(dst []byte, prefix string) []byte {
	dst = append(dst, prefix...)
	return api.AppendAckNumbers(dst, uint64(d.Count), uint64(d.Stream), uint64(d.Consumer), d.Time, d.Pending)
}

// AppendHeader appends the header block that a message is delivered with: the
// stored one, and what the delivery adds. It appends nothing if there is neither.
func (d *Delivery) AppendHeader(dst []byte, m *store.Message) []byte {
	if d.PinID == "" && !d.HeadersOnly {
		return append(dst, m.Header...)
	}
	if n := len(m.Header) - len(crlf); n > 0 {
		dst = append(dst, m.Header[:n]...)
	} else {
		dst = append(dst, blockHead...)
	}
	if d.PinID != "" {
		dst = appendField(dst, api.HeaderPinID, d.PinID)
	}
	if d.HeadersOnly {
		dst = appendNumber(dst, api.HeaderMsgSize, uint64(len(m.Data)))
	}
	return append(dst, crlf...)
}

// size is how many bytes a delivery counts for: subject, reply, headers and
// payload.
func (d *Delivery) size(m *store.Message, prefix string) int {
	n := len(m.Subject) + d.replySize(prefix) + len(m.Header)
	if !d.HeadersOnly {
		n += len(m.Data)
	}
	if d.PinID == "" && !d.HeadersOnly {
		return n
	}
	if len(m.Header) == 0 {
		n += len(blockHead) + len(crlf)
	}
	if d.PinID != "" {
		n += len(api.HeaderPinID) + len(": ") + len(d.PinID) + len(crlf)
	}
	if d.HeadersOnly {
		n += len(api.HeaderMsgSize) + len(": ") + digits(uint64(len(m.Data))) + len(crlf)
	}
	return n
}

// replySize is the length of what AppendReply appends.
func (d *Delivery) replySize(prefix string) int {
	return len(prefix) + len("....") +
		digits(uint64(d.Count)) + digits(uint64(d.Stream)) + digits(uint64(d.Consumer)) + digits(uint64(d.Time)) + digits(d.Pending)
}

func digits(v uint64) int {
	n := 1
	for ; v >= 10; v /= 10 {
		n++
	}
	return n
}
