package proto

import "strconv"

// The fixed lines of the protocol.
const (
	CRLF = "\r\n"
	Ping = "PING\r\n"
	Pong = "PONG\r\n"
	OK   = "+OK\r\n"
)

// AppendErr appends "-ERR 'text'".
func AppendErr(dst []byte, text string) []byte {
	dst = append(dst, "-ERR '"...)
	dst = append(dst, text...)
	return append(dst, "'\r\n"...)
}

// AppendInfo appends an INFO line with the given JSON. A space stands before
// the line end, as it always has.
func AppendInfo(dst, json []byte) []byte {
	dst = append(dst, "INFO "...)
	dst = append(dst, json...)
	return append(dst, " \r\n"...)
}

// AppendMsgPrefix appends the part of MSG's control line that is the same for
// all messages of a subject and subscription, "MSG subject sid ".
func AppendMsgPrefix[S, T ~string | ~[]byte](dst []byte, subject S, sid T) []byte {
	dst = append(dst, "MSG "...)
	dst = append(dst, subject...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	return append(dst, ' ')
}

// MaxMsgTail is the most that AppendMsgTail and AppendHMsgTail add besides the
// reply.
const MaxMsgTail = 1 + 20 + 1 + 20 + 2

// AppendMsgTail completes a MSG control line: "[reply ]size".
func AppendMsgTail(dst, reply []byte, size int) []byte {
	if len(reply) > 0 {
		dst = append(dst, reply...)
		dst = append(dst, ' ')
	}
	dst = appendSize(dst, size)
	return append(dst, '\r', '\n')
}

// AppendHMsgTail completes an HMSG control line: "[reply ]header-size size".
func AppendHMsgTail(dst, reply []byte, headerLen, size int) []byte {
	if len(reply) > 0 {
		dst = append(dst, reply...)
		dst = append(dst, ' ')
	}
	dst = appendSize(dst, headerLen)
	dst = append(dst, ' ')
	dst = appendSize(dst, size)
	return append(dst, '\r', '\n')
}

// appendSize is strconv.AppendInt for the sizes of most messages, inlined.
func appendSize(dst []byte, n int) []byte {
	switch {
	case n < 10:
		return append(dst, byte('0'+n))
	case n < 100:
		return append(dst, byte('0'+n/10), byte('0'+n%10))
	case n < 1000:
		return append(dst, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
