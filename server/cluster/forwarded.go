package cluster

import (
	"bytes"
	"strconv"
)

// subjectMark begins a reply that says which subject the message has.
const subjectMark = '@'

// maxSubjectDigits is how long the length of a subject may be.
const maxSubjectDigits = 9

// appendSubjectReply appends what stands for the reply of a message that has another
// subject than that whose listeners get it: "@length@subject" and the reply.
func appendSubjectReply(dst, subject, reply []byte) []byte {
	dst = append(dst, subjectMark)
	dst = strconv.AppendInt(dst, int64(len(subject)), 10)
	dst = append(dst, subjectMark)
	dst = append(dst, subject...)
	return append(dst, reply...)
}

// cutSubjectReply is the reverse. ok is false if it is malformed. The reply is nil if
// there is none.
func cutSubjectReply(field []byte) (subject, reply []byte, ok bool) {
	digits, rest, ok := bytes.Cut(field[1:], []byte{subjectMark})
	if !ok || len(digits) > maxSubjectDigits {
		return nil, nil, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 32)
	if err != nil || n == 0 || n > uint64(len(rest)) {
		return nil, nil, false
	}
	subject = rest[:n:n]
	if rest = rest[n:]; len(rest) > 0 {
		reply = rest
	}
	return subject, reply, true
}
