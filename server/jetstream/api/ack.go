package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

const (
	ackPrefix = "$JS.ACK."
	// noDomain stands where a domain would, if there is none.
	noDomain = "_"
)

// Delivery is what the reply subject of a delivered message says about it. An ack is
// sent there.
//
//	$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>. … .<pending>[.<more>]
//
// In the shorter form Account is empty. The slices point into the subject.
type Delivery struct {
	Domain, Account  []byte
	Stream, Consumer []byte
	// Deliveries is how many times the message was delivered, this one included.
	Deliveries  uint64
	StreamSeq   uint64
	ConsumerSeq uint64
	// Time is when the stream took the message, in nanoseconds since the Unix epoch.
	Time int64
	// Pending is how many messages are to follow.
	Pending uint64
}

// ParseAckSubject reads a reply subject. It allocates nothing.
func ParseAckSubject(s []byte) (d Delivery, ok bool) {
	const short, long = 9, 11
	n := subject.CountTokens(s)
	if n != short && n < long || !bytes.HasPrefix(s, []byte(ackPrefix)) {
		return Delivery{}, false
	}
	rest := s[len(ackPrefix):]
	if n >= long {
		d.Domain, rest = cutToken(rest)
		d.Account, rest = cutToken(rest)
		if len(d.Domain) == 0 || len(d.Account) == 0 {
			return Delivery{}, false
		}
		if string(d.Domain) == noDomain {
			d.Domain = nil
		}
	}
	d.Stream, rest = cutToken(rest)
	d.Consumer, rest = cutToken(rest)
	if len(d.Stream) == 0 || len(d.Consumer) == 0 {
		return Delivery{}, false
	}
	var at uint64
	for _, number := range [...]*uint64{&d.Deliveries, &d.StreamSeq, &d.ConsumerSeq, &at, &d.Pending} {
		var tok []byte
		tok, rest = cutToken(rest)
		if *number, ok = parseUint(tok); !ok {
			return Delivery{}, false
		}
	}
	if at > math.MaxInt64 {
		return Delivery{}, false
	}
	d.Time = int64(at)
	return d, true
}

// cutToken returns the first token of s, and what follows the dot behind it.
func cutToken(s []byte) (token, rest []byte) {
	token, rest, _ = bytes.Cut(s, []byte("."))
	return token, rest
}

// AckPrefix is what all reply subjects of a consumer begin with; AppendAckNumbers
// makes one of it. Without an account it is the shorter form.
func AckPrefix(domain, account, stream, consumer string) string {
	p := ackPrefix
	if account != "" {
		if domain == "" {
			domain = noDomain
		}
		p += domain + "." + account + "."
	}
	return p + stream + "." + consumer + "."
}

// AccountHash is what stands for an account in the longer form.
func AccountHash(account string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(account))
	hash := sum[:8]
	for i, b := range hash {
		hash[i] = digits[int(b)%len(digits)]
	}
	return string(hash)
}

// AppendAckNumbers appends the rest of a reply subject to a prefix.
func AppendAckNumbers(dst []byte, deliveries, streamSeq, consumerSeq uint64, time int64, pending uint64) []byte {
	dst = append(strconv.AppendUint(dst, deliveries, 10), '.')
	dst = append(strconv.AppendUint(dst, streamSeq, 10), '.')
	dst = append(strconv.AppendUint(dst, consumerSeq, 10), '.')
	dst = append(strconv.AppendInt(dst, time, 10), '.')
	return strconv.AppendUint(dst, pending, 10)
}

// AckPatterns are what to subscribe to for the acks of a consumer, in either form. They
// match nothing that is another consumer's.
func AckPatterns(stream, consumer string) []string {
	const numbers = ".*.*.*.*.*"
	return []string{
		ackPrefix + stream + "." + consumer + numbers,
		ackPrefix + "*.*." + stream + "." + consumer + numbers,
		ackPrefix + "*.*." + stream + "." + consumer + numbers + ".>",
	}
}

// AckKind is what an ack asks for.
type AckKind uint8

const (
	// AckUnknown does nothing.
	AckUnknown AckKind = iota
	// AckDone is for a message that is consumed.
	AckDone
	// AckNak asks for the message again.
	AckNak
	// AckProgress asks for more time.
	AckProgress
	// AckTerm is for a message that must not come again.
	AckTerm
	// AckNext is AckDone and asks for more messages.
	AckNext
)

// AckPayload is what is sent to a reply subject.
type AckPayload struct {
	Kind AckKind
	// Delay is how long to wait, for AckNak.
	Delay time.Duration
	// Rest is the reason, for AckTerm, or the pull request, for AckNext. It points into
	// the payload.
	Rest []byte
}

// ParseAck reads an ack. A delay that makes no sense is none.
func ParseAck(payload []byte) AckPayload {
	verb, rest := payload, []byte(nil)
	if i := bytes.IndexAny(payload, " \t{"); i >= 0 {
		verb, rest = payload[:i], bytes.TrimSpace(payload[i:])
	}
	switch string(verb) {
	case "-NAK":
		return AckPayload{Kind: AckNak, Delay: nakDelay(rest)}
	case "+TERM":
		return AckPayload{Kind: AckTerm, Rest: rest}
	case "+NXT":
		return AckPayload{Kind: AckNext, Rest: rest}
	}
	switch string(payload) {
	case "", "+ACK", "+OK":
		return AckPayload{Kind: AckDone}
	case "+WPI":
		return AckPayload{Kind: AckProgress}
	}
	return AckPayload{}
}

func nakDelay(s []byte) time.Duration {
	if len(s) == 0 {
		return 0
	}
	var nak struct {
		Delay time.Duration `json:"delay"`
	}
	if s[0] == '{' {
		if json.Unmarshal(s, &nak) != nil {
			return 0
		}
	} else if d, err := time.ParseDuration(string(s)); err == nil {
		nak.Delay = d
	}
	return max(nak.Delay, 0)
}
