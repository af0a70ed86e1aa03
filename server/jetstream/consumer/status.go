package consumer

import (
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Status is a message that has a status line and headers only.
type Status struct {
	*api.Status
	// Reply is the subject on which an answer is expected, or empty.
	Reply string
	// Left is whether the headers tell how much of a request is left: Messages
	// and Bytes.
	Left            bool
	Messages, Bytes int
	// Last is whether the headers tell the last delivery: Consumer and Stream.
	Last     bool
	Consumer ConsumerSeq
	Stream   store.Seq
	// Stalled is the subject of the flow control request that delivery waits
	// for, or empty.
	Stalled string
}

// AppendHeader appends the header block of the status message.
func (s *Status) AppendHeader(dst []byte) []byte {
	dst = s.AppendLine(dst)
	if s.Left {
		dst = appendNumber(dst, api.HeaderPendingMessages, uint64(s.Messages))
		dst = appendNumber(dst, api.HeaderPendingBytes, uint64(s.Bytes))
	}
	if s.Last {
		dst = appendNumber(dst, api.HeaderLastConsumer, uint64(s.Consumer))
		dst = appendNumber(dst, api.HeaderLastStream, uint64(s.Stream))
	}
	if s.Stalled != "" {
		dst = appendField(dst, api.HeaderConsumerStalled, s.Stalled)
	}
	return append(dst, crlf...)
}

const (
	crlf = "\r\n"
	// blockHead is the first line of a header block without status.
	blockHead = "NATS/1.0" + crlf
)

func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), crlf...)
}

func appendNumber(dst []byte, name string, value uint64) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(strconv.AppendUint(dst, value, 10), crlf...)
}
