package subject

// Matches reports whether a message published to literal goes to a subscriber
// of pattern. The pattern must be valid; literal is taken as it is, and one
// with an empty token matches nothing.
func Matches[L, P Text](literal L, pattern P) bool {
	for i, j := 0, 0; ; {
		iEnd, jEnd := tokenEnd(literal, i), tokenEnd(pattern, j)
		switch {
		case iEnd == i:
			return false
		case isToken(pattern, j, jEnd, tokenTail) && jEnd == len(pattern):
			return noEmptyToken(literal, iEnd)
		case isToken(pattern, j, jEnd, oneToken):
		case !sameBytes(literal, i, iEnd, pattern, j, jEnd):
			return false
		}
		if iEnd == len(literal) || jEnd == len(pattern) {
			return iEnd == len(literal) && jEnd == len(pattern)
		}
		i, j = iEnd+1, jEnd+1
	}
}

// Covers reports whether every literal that sub matches is matched by pattern
// too. Both must be valid. It is the question of permissions: a user allowed
// "foo.>" may subscribe to "foo.*", one allowed "foo.bar" may not.
func Covers[P, S Text](pattern P, sub S) bool {
	for i, j := 0, 0; ; {
		iEnd, jEnd := tokenEnd(pattern, i), tokenEnd(sub, j)
		switch {
		case isToken(pattern, i, iEnd, tokenTail):
			return true
		case isToken(sub, j, jEnd, tokenTail):
			return false
		case isToken(pattern, i, iEnd, oneToken):
		case !sameBytes(pattern, i, iEnd, sub, j, jEnd):
			return false
		}
		if iEnd == len(pattern) || jEnd == len(sub) {
			return iEnd == len(pattern) && jEnd == len(sub)
		}
		i, j = iEnd+1, jEnd+1
	}
}

// Overlaps reports whether some literal is matched by both a and b, which must
// be valid.
func Overlaps[A, B Text](a A, b B) bool {
	for i, j := 0, 0; ; {
		iEnd, jEnd := tokenEnd(a, i), tokenEnd(b, j)
		switch {
		case isToken(a, i, iEnd, tokenTail), isToken(b, j, jEnd, tokenTail):
			return true
		case isToken(a, i, iEnd, oneToken), isToken(b, j, jEnd, oneToken):
		case !sameBytes(a, i, iEnd, b, j, jEnd):
			return false
		}
		if iEnd == len(a) || jEnd == len(b) {
			return iEnd == len(a) && jEnd == len(b)
		}
		i, j = iEnd+1, jEnd+1
	}
}

// sameBytes reports whether a[i:iEnd] and b[j:jEnd] are equal.
func sameBytes[A, B Text](a A, i, iEnd int, b B, j, jEnd int) bool {
	if iEnd-i != jEnd-j {
		return false
	}
	for ; i < iEnd; i, j = i+1, j+1 {
		if a[i] != b[j] {
			return false
		}
	}
	return true
}

// noEmptyToken reports whether the tokens behind i, the end of one, are not
// empty.
func noEmptyToken[T Text](s T, i int) bool {
	for i < len(s) {
		end := tokenEnd(s, i+1)
		if end == i+1 {
			return false
		}
		i = end
	}
	return true
}

// Intersect returns the pattern of what both a and b match, which must be valid.
// It reports false if there is no such literal.
func Intersect(a, b string) (pattern string, ok bool) {
	if !Overlaps(a, b) {
		return "", false
	}
	dst := make([]byte, 0, max(len(a), len(b)))
	for i, j := 0, 0; ; {
		iEnd, jEnd := tokenEnd(a, i), tokenEnd(b, j)
		switch {
		case isToken(a, i, iEnd, tokenTail):
			return string(append(dst, b[j:]...)), true
		case isToken(b, j, jEnd, tokenTail):
			return string(append(dst, a[i:]...)), true
		case isToken(a, i, iEnd, oneToken):
			dst = append(dst, b[j:jEnd]...)
		default:
			dst = append(dst, a[i:iEnd]...)
		}
		if iEnd == len(a) {
			return string(dst), true
		}
		dst = append(dst, separator)
		i, j = iEnd+1, jEnd+1
	}
}
