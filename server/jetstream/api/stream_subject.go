package api

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/subject"
)

// reservedSubjects are patterns on which the server itself talks. A stream there
// would answer requests that are not meant for it, unless it keeps quiet.
var reservedSubjects = []struct {
	patterns []string
	// except is a pattern of messages that need no answer.
	except string
	text   string
}{
	{[]string{"$JS.>", "$JSC.>", "$NRG.>"}, "$JS.EVENT.>", "subjects that overlap with jetstream api require no-ack to be true"},
	{[]string{"$SYS.>"}, "$SYS.ACCOUNT.>", "subjects that overlap with system api require no-ack to be true"},
}

// subjects checks the subjects of the stream. One that has neither any nor an
// origin listens to its own name.
func (c streamCheck) subjects() *Error {
	if len(c.Subjects) == 0 && c.Mirror == nil && len(c.Sources) == 0 {
		c.Subjects = []string{c.Name}
	}
	for _, s := range c.Subjects {
		if !subject.IsValid(s) {
			return invalidStream(subject.ErrInvalidSubject.Error())
		}
		if s == ">" {
			switch {
			case !c.NoAck:
				return invalidStream("capturing all subjects requires no-ack to be true")
			case c.Replicas > 1:
				return invalidStream("capturing all subjects requires replicas of 1")
			}
		}
		if !c.NoAck {
			for _, r := range reservedSubjects {
				if OverlapAny(r.patterns, []string{s}) && !subject.Covers(r.except, s) {
					return invalidStream(r.text)
				}
			}
		}
	}
	if a, b, ok := firstClash(c.Subjects, subject.Overlaps[string, string]); ok {
		return invalidStream(fmt.Sprintf("subject %q overlaps with %q", a, b))
	}
	return nil
}

func (c streamCheck) transforms() *Error {
	if c.SubjectTransform == nil {
		return nil
	}
	return c.SubjectTransform.check(ErrStreamTransformInvalidSource, ErrStreamTransformInvalidDestination)
}

func (c streamCheck) republishes() *Error {
	r := c.RePublish
	if r == nil {
		return nil
	}
	if r.Source == "" {
		if c.pedantic {
			return pedanticError("republish source can not be empty")
		}
		r.Source = ">"
	}
	if t := c.SubjectTransform; r.Source == ">" && r.Destination == ">" && t != nil && t.Destination != "" {
		// To republish everything where it was published to would be a cycle. Behind a
		// transform it means what the transform made of it.
		if c.pedantic {
			return pedanticError("implicit republish based on subject transform")
		}
		r.Source, r.Destination = t.Destination, t.Destination
	}
	if pattern := destinationPattern(r.Destination); subject.IsValid(pattern) && OverlapAny(c.Subjects, []string{pattern}) {
		return invalidStream("stream configuration for republish destination forms a cycle")
	}
	if _, err := r.Compile(); err != nil {
		return invalidStream(fmt.Sprintf("stream configuration for republish with transform from '%s' to '%s' not valid", r.Source, r.Destination))
	}
	return nil
}

// Compile makes the transform from what is stored to what is published.
func (r *RePublish) Compile() (*subject.Transform, error) {
	return subject.NewTransform(r.Source, r.Destination)
}

// destinationPattern is a pattern that matches whatever a transform's destination
// can become: a function may give any token, and some give several.
func destinationPattern(dest string) string {
	var tokens []string
	for tok := range subject.Tokens(dest) {
		isFunction := strings.HasPrefix(tok, "{{")
		if isFunction && strings.Contains(strings.ToLower(tok), "split") || isFunction && strings.Contains(strings.ToLower(tok), "slice") {
			tokens = append(tokens, ">")
			break
		}
		if isFunction || len(tok) > 1 && tok[0] == '$' && '0' <= tok[1] && tok[1] <= '9' {
			tok = "*"
		}
		tokens = append(tokens, tok)
	}
	return strings.Join(tokens, ".")
}

// firstClash returns the first pattern that clashes with one in front of it, and that
// one. clash is a relation in which literals are only with their equals: there may be
// many of them, and they are not compared one by one.
func firstClash(patterns []string, clash func(a, b string) bool) (earlier, later string, ok bool) {
	literals := make(map[string]bool, len(patterns))
	var wild []string
	for i, p := range patterns {
		others := wild
		if subject.HasWildcard(p) {
			others = patterns[:i]
			wild = append(wild, p)
		} else if literals[p] {
			return p, p, true
		} else {
			literals[p] = true
		}
		for _, q := range others {
			if clash(q, p) {
				return q, p, true
			}
		}
	}
	return "", "", false
}

// OverlapAny reports whether some subject is matched by a pattern of a and by one of
// b, all of which must be valid.
func OverlapAny(a, b []string) bool {
	for _, s := range a {
		for _, t := range b {
			if subject.Overlaps(s, t) {
				return true
			}
		}
	}
	return false
}
