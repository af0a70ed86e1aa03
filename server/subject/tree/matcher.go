package tree

// matcher is a pattern that is fed with a subject byte by byte. Because a
// wildcard stands for whole tokens there is never a choice: after the same bytes
// the pattern is always in the same state. So the beginning that many subjects
// have in common is looked at once.
type matcher string

// state is how far a matcher is.
type state struct {
	// pos is where in the pattern the next byte has to fit: at a literal byte, at
	// a wildcard that the token at hand is matched by, or at the end.
	pos int
	// begun says that the token at hand is not empty, which no token may be.
	begun bool
}

// anything is the pos that all bytes fit, also those that are no subject.
const anything = -1

// step returns the state behind one more byte; ok is false if no subject that
// begins so is matched.
func (m matcher) step(s state, c byte) (next state, ok bool) {
	if s.pos == anything {
		return s, true
	}
	if c == '.' && !s.begun {
		return s, false
	}
	switch {
	case m.wildcard(s.pos) == '>':
		return state{s.pos, c != '.'}, true
	case m.wildcard(s.pos) == '*' && c != '.':
		return state{s.pos, true}, true
	case m.wildcard(s.pos) == '*':
		s.pos++
	}
	if s.pos == len(m) || m[s.pos] != c {
		return s, false
	}
	return state{s.pos + 1, c != '.'}, true
}

// accepts reports whether the subject that led here is matched.
func (m matcher) accepts(s state) bool {
	if s.pos == anything {
		return true
	}
	return s.begun && (s.pos == len(m) || s.pos == len(m)-1 && m.wildcard(s.pos) != 0)
}

// only returns the byte that has to come next, if there is just one.
func (m matcher) only(s state) (c byte, ok bool) {
	if s.pos == anything || s.pos == len(m) || m.wildcard(s.pos) != 0 {
		return 0, false
	}
	return m[s.pos], true
}

// wildcard returns which one is at pos, 0 if none is.
func (m matcher) wildcard(pos int) byte {
	if pos == len(m) || m[pos] != '*' && m[pos] != '>' {
		return 0
	}
	if pos > 0 && m[pos-1] != '.' {
		return 0
	}
	last := pos+1 == len(m)
	if last || m[pos] == '*' && m[pos+1] == '.' {
		return m[pos]
	}
	return 0
}
