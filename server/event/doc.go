// Package event holds the JSON of what servers say about themselves and about
// the messages that pass through them: who a server is, and the trace of a
// message. It also knows how such a payload is compressed for those who ask for
// it.
package event
