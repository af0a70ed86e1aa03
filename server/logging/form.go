package logging

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lineForm is how lines look at a destination.
type lineForm struct {
	pid       int
	time, utc bool
	colour    bool
}

const timeLayout = "2006/01/02 15:04:05.000000 "

// colours are the parameters of the terminal's escape sequence for each level.
var colours = [...]string{
	LevelInfo:  "32",
	LevelDebug: "36",
	LevelWarn:  "93",
	LevelError: "31",
	LevelFatal: "31",
	LevelTrace: "33",
}

// appendLine appends a line with its newline.
func (f lineForm) appendLine(dst []byte, ln line) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(f.pid), 10)
	dst = append(dst, "] "...)
	if f.time {
		at := ln.at
		if f.utc {
			at = at.UTC()
		}
		dst = at.AppendFormat(dst, timeLayout)
	}
	dst = append(dst, '[')
	if f.colour {
		dst = append(dst, "\x1b["+colours[ln.level]+"m"...)
	}
	dst = append(dst, ln.level.String()...)
	if f.colour {
		dst = append(dst, "\x1b[0m"...)
	}
	dst = append(dst, "] "...)
	dst = appendMessage(dst, ln.message)
	return append(dst, '\n')
}

// appendMessage appends a message with its control characters and what is not
// UTF-8 escaped. A newline at the end, which some callers are used to, is left
// out.
func appendMessage(dst []byte, message string) []byte {
	message = strings.TrimSuffix(message, "\n")
	for i := 0; i < len(message); {
		if c := message[i]; c >= ' ' && c < 0x7f || c == '\t' {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(message[i:])
		switch {
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r < 0xa0 || r == utf8.RuneError && n == 1:
			// Up to here are the second set of control characters, which begin
			// escape sequences as well.
			for _, c := range []byte(message[i : i+n]) {
				dst = fmt.Appendf(dst, `\x%02x`, c)
			}
		default:
			dst = append(dst, message[i:i+n]...)
		}
		i += n
	}
	return dst
}
