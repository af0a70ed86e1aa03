package proto

import "bytes"

// span is a token by its place in the buffer.
type span struct{ from, to int }

func (s span) of(buf []byte) []byte { return buf[s.from:s.to:s.to] }

// cut cuts the control line whose arguments start at buf[i] into tokens, which
// are separated by runs of white space. It returns the argument part, how many
// tokens there are, of which the first are in t, and where the line feed is, -1
// if there is none yet. The argument part may not be longer than limit.
//
// Each byte is looked at once. For lines of the usual length that is faster than
// to find the end first, even with bytes.IndexByte.
func cut(buf []byte, i int, t []span, limit int) (args []byte, count, eol int, err error) {
	verb, from := i, i
	for ; i < len(buf); i++ {
		c := buf[i]
		if c > ' ' {
			continue
		}
		if !isSpace(c) && c != '\n' {
			continue // no other control character means anything
		}
		if from < i {
			if count < len(t) {
				t[count] = span{from, i}
			}
			count++
		}
		if c == '\n' {
			break
		}
		from = i + 1
	}
	first := from // of the only token, which has not ended, or of none
	if count > 0 {
		first = t[0].from
	}
	args, err = argsOf(buf, verb, first, i, limit)
	if err != nil || i == len(buf) {
		return args, 0, -1, err
	}
	return args, count, i, nil
}

// text is cut for a line whose arguments are one text or of no interest.
func text(buf []byte, i, limit int) (args []byte, eol int, err error) {
	first := i
	for first < len(buf) && isSpace(buf[first]) {
		first++
	}
	k := bytes.IndexByte(buf[first:], '\n')
	if k < 0 {
		args, err = argsOf(buf, i, first, len(buf), limit)
		return args, -1, err
	}
	args, err = argsOf(buf, i, first, first+k, limit)
	return args, first + k, err
}

// argsOf returns the argument part of a control line that runs from the verb's
// end to eol, where buf ends or the line feed is. It starts at first; what lies
// before that is white space.
func argsOf(buf []byte, verb, first, eol, limit int) ([]byte, error) {
	// A CR may belong to the line end even if the LF has not arrived.
	if eol > first && buf[eol-1] == '\r' {
		eol--
	}
	if eol-first > limit || first-verb > limit {
		return nil, ErrMaxControlLine
	}
	return buf[first:eol], nil
}

// payload returns the size bytes of a message from buf[start] on, behind which CR
// LF must be, with n, need and err of Next.
func payload(buf []byte, start, size int) (msg []byte, n, need int, err error) {
	end := start + size
	if len(buf) < end+2 {
		// A payload that is not followed by CR LF is found out as soon as
		// the byte is there, not when the next one comes.
		if len(buf) > end && buf[end] != '\r' {
			return nil, 0, 0, ErrUnknownOp
		}
		return nil, 0, end + 2, nil
	}
	if buf[end] != '\r' || buf[end+1] != '\n' {
		return nil, 0, 0, ErrUnknownOp
	}
	return buf[start : end : end+2], end + 2, 0, nil
}

// isSpace tells whether c separates arguments. A CR does, too, as there are
// clients that send two of them.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// parseSize reads a decimal number of at most nine digits, which is more than
// any limit allows and cannot overflow; -1 for anything else.
func parseSize(b []byte) int {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
