// Package subject is the grammar of NATS subjects: what is valid, what matches
// what, and how one subject becomes another. It is pure: it keeps no state
// between calls and takes its randomness from the caller.
//
// A subject is a row of tokens separated by dots. A token is one or more bytes
// that are neither a dot nor white space. Two tokens are wildcards when they
// stand alone: "*" matches exactly one token, ">" matches one or more and may
// only come last. Inside a longer token they mean nothing: "foo*" is a literal
// token.
//
//	literal   a subject without wildcards, what a message is published to
//	pattern   a subject that may have wildcards, what a subscription asks for
//
// Three relations are defined on them:
//
//	Matches(literal, pattern)  the pattern's subscriber gets the message
//	Covers(pattern, sub)       every literal that sub matches, pattern matches too
//	Overlaps(a, b)             some literal is matched by both
//
// A message can be published to what looks like a pattern ("foo.*"). Matches
// takes its tokens literally: such a message goes to subscribers of "foo.*" and
// "foo.>", not to those of "foo.bar". A subject with an empty token matches no
// pattern at all, not even ">".
//
// The functions work on string and []byte alike, allocate nothing, and keep
// nothing of what they are given. Bytes are compared as they are; there is no
// check that they are UTF-8.
//
// A [Transform] rewrites the subjects that its source pattern matches; a
// [Mapper] is an ordered list of them with weighted destinations, as in the
// mappings section of a configuration.
//
// The package does not index subjects: to find the subscriptions of a message
// is the work of package sublist.
package subject
