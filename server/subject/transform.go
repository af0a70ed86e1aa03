package subject

import (
	"slices"
	"strconv"
	"strings"
)

// Transform rewrites the subjects that a source pattern matches. A destination
// has a literal token, a function of the subject, or, last, the ">" that stands
// for whatever the source's ">" matched. A Transform does not change; any
// number of goroutines may use it.
//
// Wildcards are counted from 1 and only "*" counts: "$2" and "{{wildcard(2)}}"
// are the token that the second "*" of the source matched. What looks like a
// function but does not fill its token ("x{{wildcard(1)}}") is literal text.
type Transform struct {
	source string
	dest   string
	// stars holds, for each "*" of the source, the place of its token.
	stars []int
	// parts make one token each, but for those functions that make several.
	parts []part
}

// NewTransform makes the transform from source, "" meaning ">", to dest. The
// error is [ErrInvalidSubject] if one of them is malformed, if dest has a "*",
// or if only one of them ends in ">"; it is a [*TransformError] if a function
// of dest is wrong.
func NewTransform(source, dest string) (*Transform, error) {
	if source == "" {
		source = ">"
	}
	if !IsValid(source) || !validDestination(dest) {
		return nil, ErrInvalidSubject
	}
	t := &Transform{source: source, dest: dest}
	tokens := slices.Collect(Tokens(source))
	for i, tok := range tokens {
		if tok == "*" {
			t.stars = append(t.stars, i)
		}
	}
	tail := tokens[len(tokens)-1] == ">"
	for tok := range Tokens(dest) {
		if tok == "*" {
			return nil, ErrInvalidSubject
		}
	}
	if tail != strings.HasSuffix("."+dest, ".>") {
		return nil, ErrInvalidSubject
	}
	for tok := range Tokens(dest) {
		p, err := t.parsePart(tok)
		if err != nil {
			return nil, err
		}
		if p.kind == tailPart {
			p.token = len(tokens) - 1
		}
		t.parts = append(t.parts, p)
	}
	return t, nil
}

// NewImportTransform makes a transform that can be reversed, as imports need:
// dest uses every wildcard of source and no other function. A "*" in dest is
// short for the wildcard at the same place in the row of wildcards.
func NewImportTransform(source, dest string) (*Transform, error) {
	n := 0
	tokens := slices.Collect(Tokens(dest))
	for i, tok := range tokens {
		if tok == "*" {
			n++
			tokens[i] = "$" + strconv.Itoa(n)
		}
	}
	t, err := NewTransform(source, strings.Join(tokens, "."))
	if err != nil {
		return nil, err
	}
	t.dest = dest
	used := make([]bool, len(t.stars))
	for i, p := range t.parts {
		switch p.kind {
		case literalPart, tailPart:
		case wildcardPart:
			used[p.star-1] = true
		default:
			return nil, &TransformError{Token: tokens[i], Err: ErrOnlyWildcards}
		}
	}
	if slices.Contains(used, false) {
		return nil, &TransformError{Token: dest, Err: ErrUnusedWildcards}
	}
	return t, nil
}

// NewRequestTransform makes the transform that takes requests to what local calls
// them to those below pattern. local stands for the wildcards of the pattern as the
// destination of [NewImportTransform] does; but where the pattern has none, all that
// local matches is one thing.
func NewRequestTransform(local, pattern string) (*Transform, error) {
	if !IsValid(pattern) {
		return nil, ErrInvalidSubject
	}
	if !HasWildcard(pattern) {
		return NewTransform(local, pattern)
	}
	back, err := NewImportTransform(pattern, local)
	if err != nil {
		return nil, err
	}
	return back.Reverse()
}

// Source is the pattern of the subjects that t applies to.
func (t *Transform) Source() string { return t.source }

// Destination is what the subjects become, as it was written.
func (t *Transform) Destination() string { return t.dest }

// Match reports whether t applies to subject.
func (t *Transform) Match(subject []byte) bool { return Matches(subject, t.source) }

// MatchString is Match for a string.
func (t *Transform) MatchString(subject string) bool { return Matches(subject, t.source) }

// Apply appends to dst what subject, which must match, becomes. subject may
// also be a pattern that the source covers: its wildcards pass through those
// functions that take tokens as they are. rand gives a number below n, which is
// not 0; only a destination with {{random()}} asks for it.
//
// The result is a valid subject unless {{split()}} met a token of nothing but
// separators, which leaves an empty token; such a subject matches nothing.
func (t *Transform) Apply(dst, subject []byte, rand func(n uint32) uint32) []byte {
	return apply(t, dst, subject, rand)
}

// ApplyString is Apply for strings.
func (t *Transform) ApplyString(subject string, rand func(n uint32) uint32) string {
	return string(apply(t, make([]byte, 0, 64), subject, rand))
}

func apply[T Text](t *Transform, dst []byte, subject T, rand func(n uint32) uint32) []byte {
	for i := range t.parts {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = appendPart(dst, &t.parts[i], subject, rand)
	}
	return dst
}

// Reverse is the transform from what t makes back to what it was made of. It
// exists for transforms that NewImportTransform could have made; for others the
// error is [ErrNotReversible].
func (t *Transform) Reverse() (*Transform, error) {
	r := &Transform{}
	// backTo holds, for each "*" of t's source, the number of the "*" of r's
	// source that brings its token.
	backTo := make([]int, len(t.stars))
	source := make([]string, len(t.parts))
	for i, p := range t.parts {
		switch p.kind {
		case literalPart:
			source[i] = p.literal
		case tailPart:
			source[i] = ">"
		case wildcardPart:
			source[i] = "*"
			r.stars = append(r.stars, i)
			backTo[p.star-1] = len(r.stars)
		default:
			return nil, ErrNotReversible
		}
	}
	if slices.Contains(backTo, 0) {
		return nil, ErrNotReversible
	}
	r.source = strings.Join(source, ".")

	// The parts are built, not parsed: a literal token of t's source that looks
	// like a function ("$1") has to stay literal.
	star := 0
	dest := slices.Collect(Tokens(t.source))
	for i, tok := range dest {
		p := part{literal: tok}
		switch tok {
		case "*":
			n := backTo[star]
			star++
			p = part{kind: wildcardPart, star: n, token: r.stars[n-1]}
			dest[i] = "$" + strconv.Itoa(n)
		case ">":
			p = part{kind: tailPart, token: len(source) - 1}
		}
		r.parts = append(r.parts, p)
	}
	r.dest = strings.Join(dest, ".")
	return r, nil
}

// validDestination reports whether the tokens of dest are those of a valid
// subject, where functions may have spaces between their arguments.
func validDestination(dest string) bool {
	for end := 0; ; end++ {
		start := end
		end = tokenEnd(dest, start)
		tok := dest[start:end]
		if !IsValid(tok) && !isFunction(tok) || tok == ">" && end < len(dest) {
			return false
		}
		if end == len(dest) {
			return true
		}
	}
}
