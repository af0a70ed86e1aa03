package subject

import (
	"errors"
	"strconv"
	"strings"
)

// What can be wrong with a destination; found in a [TransformError].
var (
	ErrInvalidTransform = errors.New("invalid transform")
	ErrUnknownFunction  = errors.New("unknown function")
	ErrWildcardIndex    = errors.New("wildcard index out of range")
	ErrTooFewArguments  = errors.New("not enough arguments passed to the function")
	ErrTooManyArguments = errors.New("too many arguments passed to the function")
	ErrInvalidArgument  = errors.New("function argument is invalid or in the wrong format")
	ErrOnlyWildcards    = errors.New("the only mapping function allowed for import transforms is {{Wildcard()}}")
	ErrUnusedWildcards  = errors.New("not using all of the token wildcard(s)")
)

// ErrNotReversible says that the subjects a transform makes do not tell what
// they were made of.
var ErrNotReversible = errors.New("transform is not reversible")

// TransformError is a mistake in the destination of a transform.
type TransformError struct {
	// Token is the token at fault, or the whole destination; "" if the text
	// says enough without.
	Token string
	// Index is the wildcard that a source with wildcards does not have; 0
	// where the mistake is another.
	Index int
	Err   error
}

func (e *TransformError) Error() string {
	text := "invalid mapping destination: " + e.Err.Error()
	if e.Token != "" {
		text += " in " + e.Token
	}
	if e.Index != 0 {
		text += ": [" + strconv.Itoa(e.Index) + "]"
	}
	return text
}

func (e *TransformError) Unwrap() error { return e.Err }

// part is what one token of a destination says.
type part struct {
	kind    partKind
	literal string // of a literalPart
	star    int    // the wildcard worked on, counted from 1
	token   int    // the place of that wildcard's token; of a tailPart, of its first
	n       int    // the numeric argument
	sep     string // of split
	tokens  []int  // of partition: the places of the tokens to hash; none is the subject
}

type partKind uint8

const (
	literalPart partKind = iota
	tailPart
	wildcardPart
	splitPart
	splitFromLeftPart
	splitFromRightPart
	sliceFromLeftPart
	sliceFromRightPart
	leftPart
	rightPart
	partitionPart
	randomPart
)

// functions are those between {{ and }}. The first argument is the number of a
// wildcard, but for partition and random.
var functions = []struct {
	// name has a capital at each place where a capital is allowed.
	name     string
	kind     partKind
	min, max int // number of arguments; max 0 is no bound
}{
	{"Wildcard", wildcardPart, 1, 1},
	{"Split", splitPart, 2, 2},
	{"SplitFromLeft", splitFromLeftPart, 2, 2},
	{"SplitFromRight", splitFromRightPart, 2, 2},
	{"SliceFromLeft", sliceFromLeftPart, 2, 2},
	{"SliceFromRight", sliceFromRightPart, 2, 2},
	{"Left", leftPart, 2, 2},
	{"Right", rightPart, 2, 2},
	{"Partition", partitionPart, 1, 0},
	{"Random", randomPart, 1, 1},
}

// isFunction reports whether a token claims to be a function.
func isFunction(tok string) bool {
	return len(tok) >= 4 && strings.HasPrefix(tok, "{{") && strings.HasSuffix(tok, "}}")
}

// parsePart reads a token of a destination. t has its stars already.
func (t *Transform) parsePart(tok string) (part, error) {
	switch {
	case tok == ">":
		return part{kind: tailPart}, nil
	case len(tok) > 1 && tok[0] == '$' && strings.Trim(tok[1:], "0123456789") == "":
		return t.wildcard(part{kind: wildcardPart}, tok, tok[1:])
	case isFunction(tok):
		return t.parseFunction(tok)
	}
	return part{literal: tok}, nil
}

func (t *Transform) parseFunction(tok string) (part, error) {
	fail := func(err error) (part, error) { return part{}, &TransformError{Token: tok, Err: err} }

	call, closed := strings.CutSuffix(strings.TrimSpace(tok[2:len(tok)-2]), ")")
	name, list, opened := strings.Cut(call, "(")
	if !closed || !opened {
		return fail(ErrUnknownFunction)
	}
	var args []string
	if strings.TrimSpace(list) != "" {
		args = strings.Split(list, ",")
		for i := range args {
			args[i] = strings.TrimSpace(args[i])
		}
	}
	for _, f := range functions {
		if !sameName(strings.TrimSpace(name), f.name) {
			continue
		}
		switch {
		case len(args) < f.min:
			return fail(ErrTooFewArguments)
		case f.max > 0 && len(args) > f.max:
			return fail(ErrTooManyArguments)
		}
		return t.parseArguments(f.kind, tok, args)
	}
	return fail(ErrUnknownFunction)
}

// parseArguments reads the arguments, of the right number, of a function.
func (t *Transform) parseArguments(kind partKind, tok string, args []string) (part, error) {
	p := part{kind: kind}
	var err error
	switch kind {
	case partitionPart:
		if p.n, err = parseSize(tok, args[0]); err != nil {
			return part{}, err
		}
		for _, arg := range args[1:] {
			w, err := t.wildcard(part{}, tok, arg)
			if err != nil {
				return part{}, err
			}
			p.tokens = append(p.tokens, w.token)
		}
		return p, nil
	case randomPart:
		p.n, err = parseSize(tok, args[0])
		return p, err
	case splitPart:
		p.sep = args[1]
		if p.sep == "" || strings.ContainsFunc(p.sep, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }) {
			return part{}, &TransformError{Token: tok, Err: ErrInvalidArgument}
		}
	case wildcardPart:
	default:
		if p.n, err = parseSize(tok, args[1]); err != nil {
			return part{}, err
		}
	}
	return t.wildcard(p, tok, args[0])
}

// wildcard completes p with the wildcard whose number is arg.
func (t *Transform) wildcard(p part, tok, arg string) (part, error) {
	n, err := strconv.Atoi(arg)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return part{}, &TransformError{Token: tok, Err: ErrWildcardIndex}
	case err != nil:
		return part{}, &TransformError{Token: tok, Err: ErrInvalidArgument}
	case len(t.stars) == 0:
		return part{}, &TransformError{Token: tok, Err: ErrWildcardIndex}
	case n < 1 || n > len(t.stars):
		return part{}, &TransformError{Token: tok, Index: n, Err: ErrWildcardIndex}
	}
	p.star, p.token = n, t.stars[n-1]
	return p, nil
}

// parseSize reads the number that sizes the work of a function.
func parseSize(tok, arg string) (int, error) {
	n, err := strconv.ParseInt(arg, 10, 32)
	if err != nil || n < 0 {
		return 0, &TransformError{Token: tok, Err: ErrInvalidArgument}
	}
	return int(n), nil
}

// sameName compares a function's name with the one in the table.
func sameName(got, want string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range len(want) {
		lower := want[i] | 0x20 // names are letters only
		if got[i] != want[i] && got[i] != lower {
			return false
		}
	}
	return true
}

// appendPart appends what p makes of subject. A size of 0, or one that leaves
// nothing to cut, gives the whole token.
func appendPart[T Text](dst []byte, p *part, subject T, rand func(n uint32) uint32) []byte {
	switch p.kind {
	case literalPart:
		return append(dst, p.literal...)
	case partitionPart:
		return strconv.AppendUint(dst, uint64(partition(subject, p.tokens, uint32(p.n))), 10)
	case randomPart:
		r := uint32(0)
		if p.n > 0 {
			r = rand(uint32(p.n))
		}
		return strconv.AppendUint(dst, uint64(r), 10)
	}
	start, end := token(subject, p.token)
	if p.kind == tailPart {
		return append(dst, subject[start:]...)
	}
	tok := subject[start:end]
	whole := p.n == 0 || p.n >= len(tok)
	switch p.kind {
	case splitPart:
		return appendSplit(dst, tok, p.sep)
	case splitFromLeftPart:
		if !whole {
			dst = append(append(dst, tok[:p.n]...), separator)
			return append(dst, tok[p.n:]...)
		}
	case splitFromRightPart:
		if !whole {
			at := len(tok) - p.n
			dst = append(append(dst, tok[:at]...), separator)
			return append(dst, tok[at:]...)
		}
	case sliceFromLeftPart:
		if !whole {
			return appendSlices(dst, tok, p.n, p.n)
		}
	case sliceFromRightPart:
		if !whole {
			return appendSlices(dst, tok, (len(tok)-1)%p.n+1, p.n)
		}
	case leftPart:
		if !whole {
			tok = tok[:p.n]
		}
	case rightPart:
		if !whole {
			tok = tok[len(tok)-p.n:]
		}
	}
	return append(dst, tok...)
}

// appendSlices appends tok cut into pieces of size bytes, the first of which
// has first bytes and the last what is left.
func appendSlices[T Text](dst []byte, tok T, first, size int) []byte {
	for n := first; len(tok) > n; n = size {
		dst = append(append(dst, tok[:n]...), separator)
		tok = tok[n:]
	}
	return append(dst, tok...)
}

// appendSplit appends tok cut at sep, without the empty pieces.
func appendSplit[T Text](dst []byte, tok T, sep string) []byte {
	pieces := 0
	for start := 0; start < len(tok); {
		end := start
		for end < len(tok) && !hasAt(tok, end, sep) {
			end++
		}
		if end > start {
			if pieces > 0 {
				dst = append(dst, separator)
			}
			dst = append(dst, tok[start:end]...)
			pieces++
		}
		start = end + len(sep)
	}
	return dst
}

func hasAt[T Text](s T, at int, sub string) bool {
	return len(s)-at >= len(sub) && sameBytes(s, at, at+len(sub), sub, 0, len(sub))
}

// partition is the number below n that the tokens at the given places of
// subject, or all of subject if there are none, belong to: their FNV-1a hash
// modulo n. The hash decides which of the cooperating servers and clients a
// message goes to, so it must never change. n == 0 gives 0.
func partition[T Text](subject T, tokens []int, n uint32) uint32 {
	if n == 0 {
		return 0
	}
	const offset32 = 2166136261
	if len(tokens) == 0 {
		return fnv1a(offset32, subject) % n
	}
	h := uint32(offset32)
	for _, t := range tokens {
		start, end := token(subject, t)
		h = fnv1a(h, subject[start:end])
	}
	return h % n
}

// fnv1a continues a 32-bit FNV-1a hash with s. hash/fnv would put the state on
// the heap.
func fnv1a[T Text](h uint32, s T) uint32 {
	const prime32 = 16777619
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * prime32
	}
	return h
}
