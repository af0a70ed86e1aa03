package event

import (
	"bytes"
	"time"
)

// The kinds of connection in traces.
const (
	KindClient = 0
	KindRouter = 1
	KindSystem = 3
	KindLeaf   = 4
)

// Trace tells what one server did with one message.
type Trace struct {
	Server  ServerInfo   `json:"server"`
	Request TraceRequest `json:"request"`
	// Hops is the number of servers that the message was forwarded to.
	Hops   int   `json:"hops,omitempty"`
	Events []any `json:"events"`
}

// TraceRequest describes the message. Size is that of headers and payload.
type TraceRequest struct {
	Header map[string][]string `json:"header,omitempty"`
	Size   int                 `json:"msgsize,omitempty"`
}

// The items of Trace.Events.
type (
	// Ingress is how the message came in.
	Ingress struct {
		Type    string    `json:"type"` // "in"
		Time    time.Time `json:"ts"`
		Kind    int       `json:"kind"`
		CID     uint64    `json:"cid"`
		Name    string    `json:"name,omitempty"`
		Account string    `json:"acc"`
		Subject string    `json:"subj"`
		Error   string    `json:"error,omitempty"`
	}

	// SubjectMapping is a change of the subject by a mapping of the account.
	SubjectMapping struct {
		Type string    `json:"type"` // "sm"
		Time time.Time `json:"ts"`
		To   string    `json:"to"`
	}

	// StreamExport is a message that goes to subscribers in an account that imports
	// it.
	StreamExport struct {
		Type    string    `json:"type"` // "se"
		Time    time.Time `json:"ts"`
		Account string    `json:"acc"`
		To      string    `json:"to"`
	}

	// ServiceImport is a request that goes to a service in another account, or the
	// answer to one.
	ServiceImport struct {
		Type    string    `json:"type"` // "si"
		Time    time.Time `json:"ts"`
		Account string    `json:"acc"`
		From    string    `json:"from"`
		To      string    `json:"to"`
	}

	// Egress is one place the message went to, or would have. Account is set if it is
	// another one than the message came in by.
	Egress struct {
		Type    string    `json:"type"` // "eg"
		Time    time.Time `json:"ts"`
		Kind    int       `json:"kind"`
		CID     uint64    `json:"cid"`
		Name    string    `json:"name,omitempty"`
		Hop     string    `json:"hop,omitempty"`
		Account string    `json:"acc,omitempty"`
		Sub     string    `json:"sub,omitempty"`
		Queue   string    `json:"queue,omitempty"`
		Error   string    `json:"error,omitempty"`
	}

	// JetStream is a stream that the message came to. The subject is that under which
	// it is stored; there is none if it was refused. With NoInterest it is not kept,
	// as no consumer wants it.
	JetStream struct {
		Type       string    `json:"type"` // "js"
		Time       time.Time `json:"ts"`
		Stream     string    `json:"stream"`
		Subject    string    `json:"subject,omitempty"`
		NoInterest bool      `json:"nointerest,omitempty"`
		Error      string    `json:"error,omitempty"`
	}
)

// The headers that ask for a trace.
const (
	// TraceDest names the subject that traces go to.
	TraceDest = "Nats-Trace-Dest"
	// TraceDisabled is a TraceDest that asks for none.
	TraceDisabled = "trace disabled"
	// TraceOnly asks for the trace alone, without delivery.
	TraceOnly = "Nats-Trace-Only"
	// TraceOrigin is an older header, with which there is no trace.
	TraceOrigin = "Nats-Trace-Origin-Account"
	// TraceParent is the header of W3C trace context.
	TraceParent = "traceparent"
	// AcceptEncoding names the compressions that the reader understands.
	AcceptEncoding = "Accept-Encoding"
	// ContentEncoding names the one that was chosen.
	ContentEncoding = "Content-Encoding"
)

// TooLarge is why a stream refuses a message, in a trace.
const TooLarge = "maximum payload exceeded"

// Why a message did not go to a subscription.
const (
	NotNoEcho       = "Not delivered because of no echo"
	NotSubDenied    = "Not delivered because subscription denies this subject"
	NotSubClosed    = "Not delivered because subscription is closed"
	NotClientClosed = "Not delivered because client is closed"
	NotSlow         = "Not delivered because fast producer not stalled and consumer is slow"
	NotExhausted    = "Not delivered because auto-unsubscribe exceeded"
)

// Sampled tells whether the value of a traceparent header asks for a trace. It
// has four fields, "version-trace-parent-flags", the last of which are two hex
// digits whose lowest bit says so. What is in the others does not matter here.
func Sampled(traceparent []byte) bool {
	n := len(traceparent)
	if n < 3 || traceparent[n-3] != '-' || bytes.Count(traceparent, []byte("-")) != 3 {
		return false
	}
	high, low := hexDigit(traceparent[n-2]), hexDigit(traceparent[n-1])
	return high >= 0 && low >= 0 && low&1 == 1
}

// hexDigit is the value of a digit, -1 if it is none.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
