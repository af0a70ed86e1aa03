package subject

import (
	"errors"
	"iter"
)

// ErrInvalidSubject says that a text does not follow the grammar of subjects.
var ErrInvalidSubject = errors.New("invalid subject")

// Text is what a subject can be held in.
type Text interface {
	string | []byte
}

// The bytes that have a meaning.
const (
	separator = '.'
	oneToken  = '*'
	tokenTail = '>'
)

// IsValid reports whether s can be subscribed to: its tokens are not empty and
// hold no white space, and ">" comes last if at all.
func IsValid[T Text](s T) bool {
	valid, _ := inspect(s)
	return valid
}

// IsLiteral reports whether s is valid and has no wildcard, so that it is a
// subject to publish to.
func IsLiteral[T Text](s T) bool {
	valid, wild := inspect(s)
	return valid && !wild
}

// HasWildcard reports whether a token of s is a wildcard. It does not ask
// whether s is valid.
func HasWildcard[T Text](s T) bool {
	for i := 0; ; {
		end := tokenEnd(s, i)
		if isWildcard(s, i, end) {
			return true
		}
		if end == len(s) {
			return false
		}
		i = end + 1
	}
}

// Tokens gives the tokens of s in order. An empty s has one empty token.
func Tokens[T Text](s T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; ; {
			end := tokenEnd(s, i)
			if !yield(s[i:end]) || end == len(s) {
				return
			}
			i = end + 1
		}
	}
}

// CountTokens is the number of tokens of s, which must be valid.
func CountTokens[T Text](s T) int {
	n := 1
	for i := range len(s) {
		if s[i] == separator {
			n++
		}
	}
	return n
}

// inspect reads s once and tells whether it is valid and whether it has a
// wildcard. wild means nothing for an s that is not valid.
func inspect[T Text](s T) (valid, wild bool) {
	for i := 0; ; {
		end := i
		for end < len(s) && s[end] != separator {
			if isSpace(s[end]) {
				return false, false
			}
			end++
		}
		switch {
		case end == i:
			return false, false
		case isToken(s, i, end, tokenTail):
			return end == len(s), true
		case isToken(s, i, end, oneToken):
			wild = true
		}
		if end == len(s) {
			return true, wild
		}
		i = end + 1
	}
}

// tokenEnd is the end of the token of s that begins at i.
func tokenEnd[T Text](s T, i int) int {
	for i < len(s) && s[i] != separator {
		i++
	}
	return i
}

// token is the bounds of the n-th token of s, counted from 0. An s with fewer
// tokens gives its last.
func token[T Text](s T, n int) (start, end int) {
	end = tokenEnd(s, 0)
	for ; n > 0 && end < len(s); n-- {
		start = end + 1
		end = tokenEnd(s, start)
	}
	return start, end
}

// isToken reports whether the token s[start:end] is the single byte c.
func isToken[T Text](s T, start, end int, c byte) bool {
	return end-start == 1 && s[start] == c
}

func isWildcard[T Text](s T, start, end int) bool {
	return end-start == 1 && (s[start] == oneToken || s[start] == tokenTail)
}

func isSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}
