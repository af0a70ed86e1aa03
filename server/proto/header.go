package proto

import "bytes"

// HeaderLine is the first line of a header block.
const HeaderLine = "NATS/1.0\r\n"

// HeaderValue finds the first value of a header by its exact name in a header
// block; nil if it is not there. A header with an empty value gives a non-nil
// empty slice. The result points into block. The name must be one that a header
// can have: not empty, without a colon or a line end.
func HeaderValue(block []byte, name string) []byte {
	for {
		// Searching for the LF alone is much faster than for both.
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			return nil
		}
		whole := end > 0 && block[end-1] == '\r'
		block = block[end+1:]
		if !whole {
			continue
		}
		if len(block) >= 2 && block[0] == '\r' && block[1] == '\n' {
			return nil // the empty line
		}
		if n := len(name); n < len(block) && block[n] == ':' && string(block[:n]) == name {
			value, _, _ := bytes.Cut(block[n+1:], crlf)
			return trim(value)
		}
	}
}

var crlf = []byte(CRLF)

// Headers calls f with name and value of each header in the block, in order,
// until f returns false. Lines that are no header are passed over; an empty one
// ends the block. The slices point into block.
func Headers(block []byte, f func(name, value []byte) bool) {
	_, rest, ok := bytes.Cut(block, crlf)
	for ok {
		var line []byte
		line, rest, ok = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 {
			continue
		}
		if !f(name, trim(value)) {
			return
		}
	}
}

// trim removes blanks around a value. Unlike bytes.TrimSpace it leaves other
// bytes alone, which are the application's, and never returns nil.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
