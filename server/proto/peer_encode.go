package proto

import "strconv"

// AppendPeerMsgPrefix appends the part of the control line of RMSG, LMSG and HMSG
// that is the same for all messages of a subject, "MSG [origin ][account ]subject ",
// without the letter that it begins with. Fields that are empty are left out.
func AppendPeerMsgPrefix[S ~string | ~[]byte](dst []byte, origin, account string, subject S) []byte {
	dst = append(dst, "MSG "...)
	dst = appendField(dst, origin)
	dst = appendField(dst, account)
	return appendField(dst, subject)
}

// AppendReplyQueues appends what stands in the control line of a message between
// the subject and the sizes, for AppendMsgTail or AppendHMsgTail, without a
// reply, to follow: "[reply ]", "+ reply queue… " or "| queue… ". There may be
// MaxQueues queue groups. Besides the names it adds PeerReplyLen bytes, and one for
// each queue group.
func AppendReplyQueues[Q ~string | ~[]byte](dst, reply []byte, queues []Q) []byte {
	if len(queues) > 0 {
		mark := byte('|')
		if len(reply) > 0 {
			mark = '+'
		}
		dst = append(dst, mark, ' ')
	}
	dst = appendField(dst, reply)
	for _, q := range queues {
		dst = appendField(dst, q)
	}
	return dst
}

// PeerReplyLen is the most that AppendReplyQueues adds besides the names, and a byte
// for each queue group.
const PeerReplyLen = 3

// appendField appends a field and the blank behind it, unless the field is empty.
func appendField[S ~string | ~[]byte](dst []byte, field S) []byte {
	if len(field) == 0 {
		return dst
	}
	dst = append(dst, field...)
	return append(dst, ' ')
}

// Interest is what RS+, RS-, LS+ and LS- tell. Fields that are empty are left out of
// the line; which there are depends on the Link.
type Interest struct {
	Origin, Account string
	Subject         string
	Queue           string
	// Weight is how many members the queue group has, at least 1.
	Weight int
}

// Append appends the line of the given kind: OpRSub, OpRUnsub, OpLSub or OpLUnsub.
func (in *Interest) Append(dst []byte, kind Kind) []byte {
	dst = append(dst, kind.String()...)
	for _, field := range [...]string{in.Origin, in.Account, in.Subject, in.Queue} {
		if field != "" {
			dst = append(dst, ' ')
			dst = append(dst, field...)
		}
	}
	if in.Queue != "" && (kind == OpRSub || kind == OpLSub) {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(in.Weight), 10)
	}
	return append(dst, CRLF...)
}
