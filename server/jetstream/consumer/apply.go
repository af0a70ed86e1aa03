package consumer

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Result is what applying a frame had for consequences outside of the state. It
// is added to; Reset empties it.
type Result struct {
	// Finished are messages that the consumer needs no more, of a stream that
	// keeps them until then. Ranges may overlap and repeat, and contain numbers
	// that the consumer's filter does not select. None of them is to be
	// delivered or kept for the consumer.
	Finished []store.Range
	// Config is whether the configuration changed.
	Config bool
}

// Reset makes the result ready for another frame.
func (r *Result) Reset() { *r = Result{Finished: r.Finished[:0]} }

// finished reports the messages first to last as finished.
func (s *State) finished(first, last store.Seq, res *Result) {
	if res == nil || s.flags&Retains == 0 || first > last {
		return
	}
	if n := len(res.Finished); n > 0 && res.Finished[n-1].Last+1 == first {
		res.Finished[n-1].Last = last
		return
	}
	res.Finished = append(res.Finished, store.Range{First: first, Last: last})
}

// Apply carries out a frame that an engine has proposed. What it depends on is in
// the state and in the frame alone. The data is not kept. After an error, which
// is an ErrOp, the state is of no use any more.
func (s *State) Apply(data []byte, res *Result) error {
	in, now, err := openFrame(data)
	if err != nil {
		return err
	}
	for in.Len() > 0 {
		kind, body, err := readOp(&in)
		if err == nil {
			err = s.apply(kind, &body, now, res)
		}
		if err != nil {
			return err
		}
	}
	s.time = now
	return nil
}

func (s *State) apply(kind opKind, in *reader, now int64, res *Result) error {
	if s.created == 0 && kind != opCreate && kind != opFull {
		return opError(kind, "there is no consumer")
	}
	switch kind {
	case opDeliver, opRedeliver, opAck, opExpire:
		return s.applySeqs(kind, in, now, res)
	case opFull:
		res.Config = true
		return s.applyFull(in)
	case opCreate:
		res.Config = true
		return s.applyCreate(in, now)
	case opUpdate:
		flags, config := Flags(in.Uvarint()), in.Rest()
		if in.Bad() || len(config) > maxConfig {
			return opError(kind, "malformed")
		}
		res.Config = true
		s.update(flags, bytes.Clone(config))
		return nil
	case opAdvance:
		consumer, seq := ConsumerSeq(in.Uvarint()), store.Seq(in.Uvarint())
		if !in.End() || consumer < s.delivered.Consumer || seq < s.delivered.Stream {
			return opError(kind, "from %v to %d, %d", s.delivered, consumer, seq)
		}
		s.advance(consumer, seq, now, res)
		return nil
	case opAckAll, opPurge, opReset:
		return s.applySeq(kind, in, now, res)
	case opDefer:
		seq, due := store.Seq(in.Uvarint()), now+in.Varint()
		d := s.pending.find(seq)
		if !in.End() || d == nil {
			return opError(kind, "message %d is not pending", seq)
		}
		d.due = due
		return nil
	case opPause:
		until := in.Varint()
		if !in.End() {
			return opError(kind, "malformed")
		}
		s.pauseUntil = until
		return nil
	case opWait, opServed, opForget:
		return s.applyWaiting(kind, in)
	default:
		s.unknown++
		return nil
	}
}

func (s *State) applyCreate(in *reader, now int64) error {
	flags := Flags(in.Uvarint())
	position, newest := store.Seq(in.Uvarint()), store.Seq(in.Uvarint())
	pause, config := in.Varint(), in.Rest()
	if in.Bad() || s.created != 0 || now == 0 || len(config) > maxConfig {
		return opError(opCreate, "malformed, or there is a consumer already")
	}
	s.create(flags, position, newest, pause, bytes.Clone(config), now)
	return nil
}

// applySeqs carries out an operation on a list of messages.
func (s *State) applySeqs(kind opKind, in *reader, now int64, res *Result) error {
	for in.Len() > 0 {
		run := in.run()
		if in.Bad() {
			break
		}
		for seq := run.First; seq <= run.Last; seq++ {
			if !s.applyToMessage(kind, seq, now, res) {
				return opError(kind, "message %d does not follow from the state", seq)
			}
		}
	}
	if in.Bad() {
		return opError(kind, "malformed")
	}
	return nil
}

func (s *State) applyToMessage(kind opKind, seq store.Seq, now int64, res *Result) bool {
	switch kind {
	case opDeliver:
		if seq <= s.delivered.Stream {
			return false
		}
		s.deliver(seq, now, res)
		return true
	case opAck:
		return s.ack(seq, now, res)
	}
	d := s.pending.find(seq)
	if d == nil {
		return false
	}
	if kind == opRedeliver {
		s.redeliver(d, now)
	} else {
		s.expire(d)
	}
	return true
}

// applySeq carries out an operation that consists of one number.
func (s *State) applySeq(kind opKind, in *reader, now int64, res *Result) error {
	seq := store.Seq(in.Uvarint())
	if !in.End() || seq == 0 || kind == opAckAll && seq > s.delivered.Stream {
		return opError(kind, "message %d", seq)
	}
	switch kind {
	case opAckAll:
		s.ackAll(seq, now, res)
	case opPurge:
		s.purge(seq)
	case opReset:
		s.reset(seq, now)
	}
	return nil
}

func (s *State) applyWaiting(kind opKind, in *reader) error {
	if kind == opForget {
		if !in.End() {
			return opError(kind, "malformed")
		}
		s.waiting = nil
		return nil
	}
	expires, reply := in.Varint(), in.Rest()
	if in.Bad() || len(reply) == 0 || len(reply) > maxReply {
		return opError(kind, "malformed")
	}
	if kind == opWait {
		s.wait(Waiter{Reply: string(reply), Expires: expires})
	} else {
		s.served(string(reply))
	}
	return nil
}
