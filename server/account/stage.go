package account

import (
	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/proto"
)

// stages are those of one publisher, one for each target, so that everything
// for a target stays in order, whichever accounts it goes through.
type stages struct {
	of map[*Target]*stage
	// staged is the number of bytes in all of them.
	staged int
	// touched are the stages that hold something.
	touched []*stage
	// flushed counts flushes, and stages in them, since the last sweep.
	flushed int
	// awayMsgs and awayBytes are what went to other servers since Away was called.
	awayMsgs, awayBytes int64
}

// find finds or makes the stage of a target.
func (s *stages) find(t *Target) *stage {
	if st := s.of[t]; st != nil {
		return st
	}
	if s.of == nil {
		s.of = make(map[*Target]*stage)
	}
	st := &stage{target: t}
	s.of[t] = st
	return st
}

// note must be called for a stage that is about to get something, before it is
// decided whether it does: see barrier.
func (s *stages) note(st *stage) {
	if !st.touched {
		st.touched = true
		st.turn = st.target.staging.enter()
		s.touched = append(s.touched, st)
	}
}

// flush hands all stages over, and only then has the targets write. behind is
// that of a receiver other than self.
func (s *stages) flush(self *Target) (behind <-chan struct{}) {
	for _, st := range s.touched {
		if b := st.handOver(); b != nil && st.target != self {
			behind = b
		}
		st.target.staging.leave(st.turn)
	}
	for i, st := range s.touched {
		st.target.Receiver.Flush()
		st.touched = false
		s.touched[i] = nil
	}
	s.flushed += 1 + len(s.touched)
	s.touched = s.touched[:0]
	return behind
}

// sweep forgets the stages of targets that are closed. Nothing may be staged.
func (s *stages) sweep() {
	s.flushed = 0
	for t := range s.of {
		if t.closed.Load() {
			delete(s.of, t)
		}
	}
}

// stage collects what one publisher has for one target, as protocol lines.
type stage struct {
	target  *Target
	list    chunk.List
	msgs    int64
	bytes   int64
	touched bool
	// turn is that of the target's barrier, while touched.
	turn uint32
}

// inlineBody is the size up to which a message is kept in one buffer; larger
// ones are spread over what room there is.
const inlineBody = 4 << 10

// appendPrefix appends what messages of a subject begin with for a
// subscription: "HMSG subject sid ". Without the first letter it is that of a
// message without headers.
func appendPrefix(dst, subject []byte, sid string) []byte {
	dst = append(dst, 'H')
	return proto.AppendMsgPrefix(dst, subject, sid)
}

// message appends a message with a prefix made by appendPrefix, and without its
// header block if headers is false. It returns the number of bytes appended.
func (s *stage) message(prefix []byte, m *Message, headers bool) int {
	body, hdr := m.Body, m.HeaderLen
	if hdr > 0 && !headers {
		body, hdr = body[hdr:], 0
	}
	if hdr == 0 {
		prefix = prefix[1:]
	}
	size := len(body) - len(proto.CRLF)
	s.msgs++
	s.bytes += int64(size)

	need := len(prefix) + len(m.Reply) + proto.MaxMsgTail
	inline := len(body) <= inlineBody
	if inline {
		need += len(body)
	}
	b := s.list.Reserve(need)
	b = append(b, prefix...)
	if hdr > 0 {
		b = proto.AppendHMsgTail(b, m.Reply, hdr, size)
	} else {
		b = proto.AppendMsgTail(b, m.Reply, size)
	}
	if inline {
		b = append(b, body...)
		s.list.Commit(len(b))
		return len(b)
	}
	s.list.Commit(len(b))
	s.list.Append(body)
	return len(b) + len(body)
}

// remote appends a message for another server, which begins with head. It returns the
// number of bytes appended.
func (s *stage) remote(head []byte, m *Message) int {
	s.msgs++
	s.bytes += int64(m.Size())
	s.list.Append(head)
	s.list.Append(m.Body)
	return len(head) + len(m.Body)
}

// handOver gives everything to the target.
func (s *stage) handOver() (behind <-chan struct{}) {
	if s.target.closed.Load() {
		s.list.Free()
	} else {
		behind = s.target.Receiver.Accept(&s.list, s.msgs, s.bytes)
	}
	s.msgs, s.bytes = 0, 0
	return behind
}
