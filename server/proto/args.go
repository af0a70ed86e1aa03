package proto

// span is a token by its place in the buffer.
type span struct{ from, to int }

func (s span) of(buf []byte) []byte { return buf[s.from:s.to:s.to] }

// maxTokens is the largest number of arguments that an operation has.
const maxTokens = 4

// cut cuts the control line whose arguments start at buf[i] into tokens, which
// are separated by runs of white space. It returns their number, of which the
// first are in t, and where the line feed is, -1 if there is none yet. The line
// goes to op.Args.
//
// Each byte is looked at once. For lines of the usual length that is faster than
// to find the end first, even with bytes.IndexByte.
func (p *Parser) cut(buf []byte, i int, t *[maxTokens]span, op *Op) (count, eol int, err error) {
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
			if count < maxTokens {
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
	op.Args, err = p.args(buf, verb, first, i)
	if err != nil || i == len(buf) {
		return 0, -1, err
	}
	return count, i, nil
}

// args returns the argument part of a control line that runs from the verb's
// end to eol, where buf ends or the line feed is. It starts at first; what lies
// before that is white space.
func (p *Parser) args(buf []byte, verb, first, eol int) ([]byte, error) {
	// A CR may belong to the line end even if the LF has not arrived.
	if eol > first && buf[eol-1] == '\r' {
		eol--
	}
	if eol-first > p.MaxControlLine || first-verb > p.MaxControlLine {
		return nil, ErrMaxControlLine
	}
	return buf[first:eol], nil
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
