package sublist

import (
	"bytes"
	"strings"
)

// node is a place in the trie of subjects with wildcards. It stands for the
// tokens on the way to it.
type node[T comparable] struct {
	// token is the last of those tokens.
	token string
	// here is the entry of the subject that ends at this node, tail that of
	// the subject that goes on with ">".
	here *entry[T]
	tail *entry[T]
	// star is the child for "*". The children for literal tokens are in many
	// if there are several; if there is one, it is only.
	star *node[T]
	only *node[T]
	many *index[*node[T]]
}

// match adds the entries for subject, the tokens behind n, to r, and reports
// whether there is one. If r is nil it is content with the first. No token of
// subject is empty.
func (n *node[T]) match(subject []byte, r *Result[T]) (found bool) {
	for {
		if n.tail != nil {
			if r == nil {
				return true
			}
			r.add(n.tail)
			found = true
		}
		end := bytes.IndexByte(subject, '.')
		if end < 0 {
			return n.matchLast(subject, r) || found
		}
		tok, rest := subject[:end], subject[end+1:]
		if n.star != nil && n.star.match(rest, r) {
			if r == nil {
				return true
			}
			found = true
		}
		if n = n.childFor(tok); n == nil {
			return found
		}
		subject = rest
	}
}

// matchLast is match, but for n.tail, for a subject of one token.
func (n *node[T]) matchLast(tok []byte, r *Result[T]) (found bool) {
	for _, child := range [...]*node[T]{n.star, n.childFor(tok)} {
		if child != nil && child.here != nil {
			if r != nil {
				r.add(child.here)
			}
			found = true
		}
	}
	return found
}

// childFor is the child for a token of a message, in which "*" is no wildcard.
func (n *node[T]) childFor(tok []byte) *node[T] {
	if n.many != nil {
		return n.many.m[string(tok)]
	}
	if n.only != nil && n.only.token == string(tok) {
		return n.only
	}
	return nil
}

// child is the child for a token of a subscription.
func (n *node[T]) child(tok string) *node[T] {
	switch {
	case tok == "*":
		return n.star
	case n.many != nil:
		return n.many.m[tok]
	case n.only != nil && n.only.token == tok:
		return n.only
	}
	return nil
}

// find is the entry of subject, nil if there is none, as for invalid subjects.
func (n *node[T]) find(subject string) *entry[T] {
	for {
		tok, rest, more := strings.Cut(subject, ".")
		if tok == ">" && !more {
			return n.tail
		}
		if n = n.child(tok); n == nil {
			return nil
		}
		if !more {
			return n.here
		}
		subject = rest
	}
}

// slot is where the entry of subject belongs. It makes the nodes on the way,
// so the caller must put an entry there.
func (n *node[T]) slot(subject string) **entry[T] {
	for {
		tok, rest, more := strings.Cut(subject, ".")
		if tok == ">" {
			return &n.tail
		}
		child := n.child(tok)
		if child == nil {
			child = &node[T]{token: tok}
			n.addChild(child)
		}
		if n = child; !more {
			return &n.here
		}
		subject = rest
	}
}

// prune removes the entry of subject, which must be there, and the nodes that
// only led to it.
func (n *node[T]) prune(subject string) {
	tok, rest, more := strings.Cut(subject, ".")
	if tok == ">" {
		n.tail = nil
		return
	}
	child := n.child(tok)
	if more {
		child.prune(rest)
	} else {
		child.here = nil
	}
	if child.empty() {
		n.dropChild(child)
	}
}

func (n *node[T]) empty() bool {
	return n.here == nil && n.tail == nil && n.star == nil && n.only == nil && n.many == nil
}

func (n *node[T]) addChild(child *node[T]) {
	switch {
	case child.token == "*":
		n.star = child
	case n.many != nil:
		n.many.put(child.token, child)
	case n.only == nil:
		n.only = child
	default:
		n.many = &index[*node[T]]{}
		n.many.put(n.only.token, n.only)
		n.many.put(child.token, child)
		n.only = nil
	}
}

func (n *node[T]) dropChild(child *node[T]) {
	switch {
	case child.token == "*":
		n.star = nil
	case n.many == nil:
		n.only = nil
	default:
		n.many.delete(child.token)
		if len(n.many.m) == 1 {
			for _, last := range n.many.m {
				n.only = last
			}
			n.many = nil
		}
	}
}

// visit calls f for every entry at or below n.
func (n *node[T]) visit(f func(*entry[T])) {
	for _, e := range [...]*entry[T]{n.here, n.tail} {
		if e != nil {
			f(e)
		}
	}
	n.eachChild(func(child *node[T]) { child.visit(f) })
}

// eachChild calls f for every child of n.
func (n *node[T]) eachChild(f func(*node[T])) {
	for _, child := range [...]*node[T]{n.star, n.only} {
		if child != nil {
			f(child)
		}
	}
	if n.many != nil {
		for _, child := range n.many.m {
			f(child)
		}
	}
}

// overlap calls f for every entry behind n whose subject shares a literal with
// pattern, the tokens behind n. pattern is valid.
func (n *node[T]) overlap(pattern string, f func(*entry[T])) {
	if n.tail != nil {
		f(n.tail) // there is a token left in pattern for ">" to match
	}
	tok, rest, more := strings.Cut(pattern, ".")
	into := func(child *node[T]) {
		switch {
		case tok == ">":
			child.visit(f)
		case more:
			child.overlap(rest, f)
		case child.here != nil:
			f(child.here)
		}
	}
	if tok == "*" || tok == ">" {
		n.eachChild(into)
		return
	}
	for _, child := range [...]*node[T]{n.star, n.child(tok)} {
		if child != nil {
			into(child)
		}
	}
}
