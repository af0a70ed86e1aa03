package store

import (
	"bytes"
	"slices"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Filter selects messages by their subject: those that at least one of its
// patterns matches. It never changes, and any number of goroutines may use it.
// A nil Filter selects all messages, and is the only one that has ">" among its
// patterns: whoever walks messages in order asks for nil first.
type Filter struct {
	patterns []string
	// literal is whether there is one pattern only, and that without wildcards.
	literal bool
	// tokens finds the patterns if there are several.
	tokens *node
}

var everything = []string{">"}

// NewFilter returns the filter of some patterns, which must be valid; they may
// overlap. Without any, or if ">" is among them, it is nil.
func NewFilter(patterns ...string) *Filter {
	if len(patterns) == 0 || slices.Contains(patterns, everything[0]) {
		return nil
	}
	patterns = slices.Clone(patterns)
	slices.Sort(patterns)
	f := &Filter{patterns: slices.Compact(patterns)}
	if len(f.patterns) == 1 {
		f.literal = !subject.HasWildcard(f.patterns[0])
		return f
	}
	f.tokens = newNode()
	for i, p := range f.patterns {
		f.tokens.insert(p, i)
	}
	return f
}

// Matches reports whether f selects the messages on a literal subject.
func (f *Filter) Matches(literal []byte) bool {
	switch {
	case f == nil:
		return true
	case f.literal:
		return string(literal) == f.patterns[0]
	case f.tokens == nil:
		return subject.Matches(literal, f.patterns[0])
	}
	return f.find(literal) != none
}

// Literal returns the subject of a filter that consists of a single literal one.
func (f *Filter) Literal() (string, bool) {
	if f == nil || !f.literal {
		return "", false
	}
	return f.patterns[0], true
}

// Patterns returns the patterns in byte order, each once; a nil filter has ">".
// They must not be changed.
func (f *Filter) Patterns() []string {
	if f == nil {
		return everything
	}
	return f.patterns
}

// First reports whether the pattern with index i of Patterns is the first that
// matches a subject. It must match it. Who walks an index of subjects pattern by
// pattern thus takes each subject once.
func (f *Filter) First(i int, literal []byte) bool {
	return f == nil || f.tokens == nil || f.find(literal) == i
}

func (f *Filter) find(literal []byte) int {
	if len(literal) == 0 || literal[0] == '.' || literal[len(literal)-1] == '.' || bytes.Contains(literal, emptyToken) {
		return none
	}
	return f.tokens.find(literal)
}

var emptyToken = []byte("..")

// none is the index of no pattern; all others are lower.
const none = int(^uint(0) >> 1)

// node stands for the tokens in front of it, and leads on to those behind. No
// node is visited twice in a search, so its cost is bounded by their number,
// whatever the patterns are.
type node struct {
	next map[string]*node
	// star is behind the wildcard "*", nil if there is none.
	star *node
	// end is the pattern that ends here, tail the one that goes on with ">".
	end, tail int
}

func newNode() *node { return &node{end: none, tail: none} }

func (n *node) insert(pattern string, index int) {
	for token := range subject.Tokens(pattern) {
		switch token {
		case ">":
			n.tail = index
			return
		case "*":
			if n.star == nil {
				n.star = newNode()
			}
			n = n.star
		default:
			if n.next == nil {
				n.next = make(map[string]*node)
			}
			child := n.next[token]
			if child == nil {
				child = newNode()
				n.next[token] = child
			}
			n = child
		}
	}
	n.end = index
}

// find returns the lowest index of a pattern that goes on behind n with what
// matches rest, which has at least one token and no empty one.
func (n *node) find(rest []byte) int {
	best := n.tail
	token, rest, more := bytes.Cut(rest, emptyToken[:1])
	for _, child := range [...]*node{n.next[string(token)], n.star} {
		switch {
		case child == nil:
		case more:
			best = min(best, child.find(rest))
		default:
			best = min(best, child.end)
		}
	}
	return best
}
