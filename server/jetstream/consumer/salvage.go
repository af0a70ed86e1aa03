package consumer

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Salvage makes a state of the frames that are left of a consumer, when others are lost
// and nobody has them. It errs in one direction: what may not be settled is delivered
// again, and no number of a delivery is used twice.
//
// What is lost may have delivered messages, and settled some. How far deliveries went
// follows from the next one that is left, since they go up. What lies between is in
// doubt, but for those that are settled in what is left. In the end those in doubt that
// are in the stream are pending, as if they had been delivered once. A whole state behind
// what is lost leaves no doubt.
//
// What was asked for in a lost frame, and is no delivery or acknowledgement, is undone:
// a pause, or to start over.
type Salvage struct {
	s      *State
	origin Origin
	// blank is what there is without any frame.
	blank State
	// open is set while it is not known how far deliveries went.
	open bool
	// doubts are messages that may have been delivered, and may not be settled.
	doubts seqset.Set
}

// Origin is what is known of a consumer besides its frames.
type Origin struct {
	Store store.Reader
	// Config is what the consumer is to be like now, Created when it was created, which
	// is not 0. Retains is whether the stream keeps messages until they are acknowledged.
	Config  *api.ConsumerConfig
	Created int64
	Retains bool
}

// NewSalvage begins with a state behind which frames are lost. It may be the zero State.
// The state is changed.
func NewSalvage(s *State, o Origin) (*Salvage, error) {
	blank, err := newBlank(&o)
	if err != nil {
		return nil, err
	}
	return &Salvage{s: s, origin: o, blank: *blank, open: true}, nil
}

// newBlank returns the state of a consumer of which no frame is left: that of a new one,
// but that it begins where it did.
func newBlank(o *Origin) (*State, error) {
	config, c, err := encodeSettings(o.Config)
	if err != nil {
		return nil, err
	}
	first, newestUpTo, err := firstMessage(o.Store, c, o.Store.At(o.Created)-1)
	if err != nil {
		return nil, err
	}
	var pause int64
	if c.PauseUntil != nil {
		pause = c.PauseUntil.UnixNano()
	}
	s := &State{time: o.Created}
	s.create(c.flags(o.Retains), first-1, newestUpTo, pause, config, o.Created)
	return s, nil
}

// Lost notes that frames are lost between those that were given and those that will be.
func (v *Salvage) Lost() { v.open = true }

// Apply carries out a frame that is left, as far as it makes sense. One that makes none is
// as good as lost.
func (v *Salvage) Apply(data []byte) {
	in, now, err := openFrame(data)
	for err == nil && in.Len() > 0 {
		var kind opKind
		var body reader
		if kind, body, err = readOp(&in); err == nil {
			err = v.apply(kind, &body, now)
		}
	}
	if err != nil {
		v.Lost()
		return
	}
	v.s.time = max(v.s.time, now)
}

func (v *Salvage) apply(kind opKind, in *reader, now int64) error {
	begins := kind == opCreate || kind == opFull
	if v.s.created == 0 && !begins {
		*v.s = v.blank
	}
	switch kind {
	case opDeliver, opRedeliver, opAck, opExpire:
		return v.applySeqs(kind, in, now)
	case opAckAll, opPurge, opReset:
		seq := store.Seq(in.Uvarint())
		if !in.End() || seq == 0 || seq > maxSeq {
			return opError(kind, "malformed")
		}
		v.applySeq(kind, seq, now)
		return nil
	case opAdvance:
		consumer, seq := ConsumerSeq(in.Uvarint()), store.Seq(in.Uvarint())
		if !in.End() || consumer > maxSeq || seq > maxSeq {
			return opError(kind, "malformed")
		}
		v.advance(consumer, seq, now)
		return nil
	case opDefer:
		seq, due := store.Seq(in.Uvarint()), now+in.Varint()
		if d := v.s.pending.find(seq); in.End() && d != nil {
			d.due = due
		}
		return nil
	}
	next := v.s
	if begins {
		next = v.s.Clone()
	}
	if err := next.apply(kind, in, now, &Result{}); err != nil {
		return err
	}
	if begins {
		if max(uint64(next.delivered.Consumer), uint64(next.delivered.Stream)) > maxSeq {
			return opError(kind, "beyond all numbers")
		}
		v.s, v.open = next, false
		v.doubts.Clear()
	}
	return nil
}

func (v *Salvage) applySeqs(kind opKind, in *reader, now int64) error {
	for in.Len() > 0 {
		run := in.run()
		if in.Bad() || run.Last > maxSeq {
			return opError(kind, "malformed")
		}
		for seq := run.First; seq <= run.Last; seq++ {
			v.applyToMessage(kind, seq, now)
		}
	}
	return nil
}

func (v *Salvage) applyToMessage(kind opKind, seq store.Seq, now int64) {
	s := v.s
	if kind == opDeliver {
		v.delivered(seq - 1)
		s.deliver(seq, now, nil)
		return
	}
	// It was delivered, so all in front of it was.
	v.reach(seq)
	d := s.pending.find(seq)
	switch kind {
	case opAck:
		v.doubts.Remove(uint64(seq))
		s.ack(seq, now, nil)
	case opRedeliver:
		if d == nil {
			s.delivered.Consumer++
			v.doubts.Add(uint64(seq))
			return
		}
		s.redeliver(d, now)
	case opExpire:
		if d != nil {
			s.expire(d)
			return
		}
		v.doubts.Remove(uint64(seq))
		if s.flags&Retains != 0 {
			s.expired.Add(uint64(seq))
		}
	}
}

// applySeq carries out an operation that consists of one number.
func (v *Salvage) applySeq(kind opKind, seq store.Seq, now int64) {
	s := v.s
	switch kind {
	case opAckAll:
		v.reach(seq)
		v.doubts.RemoveBelow(uint64(seq) + 1)
		s.ackAll(seq, now, nil)
	case opPurge:
		v.doubts.RemoveBelow(uint64(seq))
		s.purge(seq)
	case opReset:
		if s.flags&Retains != 0 {
			// They are given up, like what is pending.
			for first, last := range v.doubts.Ranges() {
				s.expired.AddRange(first, last)
			}
		}
		s.reset(seq, now)
		v.doubts.Clear()
		v.open = false
	}
}

func (v *Salvage) advance(consumer ConsumerSeq, seq store.Seq, now int64) {
	v.delivered(seq)
	v.s.advance(max(consumer, v.s.delivered.Consumer), seq, now, nil)
}

// delivered notes that just the messages up to seq were delivered or passed over when
// something was decided.
func (v *Salvage) delivered(seq store.Seq) {
	switch {
	case seq < v.s.delivered.Stream:
		// It has started over, which is lost.
		v.rewind(seq)
	case v.open:
		v.reach(seq)
	}
	v.open = false
}

// reach notes that messages up to seq were delivered or passed over.
func (v *Salvage) reach(seq store.Seq) {
	if at := &v.s.delivered; seq > at.Stream {
		v.doubts.AddRange(uint64(at.Stream)+1, uint64(seq))
		at.Stream = seq
	}
}

// rewind has what is behind seq be delivered for the first time.
func (v *Salvage) rewind(seq store.Seq) {
	s := v.s
	s.pending.removeFrom(seq + 1)
	s.expired.RemoveRange(uint64(seq)+1, math.MaxUint64)
	v.doubts.RemoveRange(uint64(seq)+1, math.MaxUint64)
	s.delivered.Stream = seq
	s.floor.Stream = min(s.floor.Stream, seq)
}

const (
	// leftOut is how many numbers of deliveries are left out: more than there can be
	// between two whole states.
	leftOut = 1 << 24
	// maxDoubts bounds the messages that become pending for being in doubt. What is
	// behind them is delivered anew.
	maxDoubts = 1 << 16
	// maxSeq bounds the numbers in what is left: none is as high.
	maxSeq = 1 << 62
)

// Finish returns the state to go on from, and how many messages are delivered again
// because it is not known whether they were settled. The Salvage is of no use any more.
func (v *Salvage) Finish() (s *State, doubtful int, err error) {
	s = v.s
	if s.created == 0 {
		*s = v.blank
	}
	if !s.tracked() {
		// Who acknowledges nothing has had what was delivered.
		v.doubts.Clear()
	}
	found, err := v.look()
	if err != nil {
		return nil, 0, err
	}
	if len(found) > 0 {
		// Their own numbers are not known, so all that are pending get new ones.
		for d := range s.pending.all() {
			found = append(found, *d)
		}
		doubtful = len(found) - s.pending.live
		slices.SortFunc(found, func(a, b delivery) int { return cmp.Compare(a.stream, b.stream) })
		s.pending.clear()
		for i := range found {
			s.delivered.Consumer++
			found[i].consumer = s.delivered.Consumer
			s.pending.add(found[i])
			s.expired.Remove(uint64(found[i].stream))
		}
		s.floor.Stream = min(s.floor.Stream, found[0].stream-1)
	}
	s.delivered.Consumer += leftOut
	if s.tracked() {
		s.raiseFloor()
	} else {
		s.floor = s.delivered
	}
	return s, doubtful, nil
}

// look returns the messages in doubt that are in the stream, as deliveries.
func (v *Salvage) look() (found []delivery, err error) {
	first, ok := v.doubts.Min()
	if !ok {
		return nil, nil
	}
	s := v.s
	was, err := decodeSettings(s.config)
	if err != nil {
		return nil, err
	}
	// Which of them they were delivered under is not known, if the filters have changed.
	filter := union(was.Filters(), v.origin.Config.Filters())
	var out Effects
	var c cursor
	if err := c.open(v.origin.Store, filter, store.Seq(first)-1, s.newestUpTo); err != nil {
		return nil, err
	}
	defer c.close(&out)
	for {
		m, err := c.peek(&out)
		switch {
		case errors.Is(err, store.ErrDamaged):
			continue // the cursor goes on behind it
		case err != nil:
			return nil, err
		case m == nil || m.Seq > s.delivered.Stream:
			return found, nil
		case !v.doubts.Has(uint64(m.Seq)):
		case len(found) == maxDoubts:
			v.rewind(m.Seq - 1)
			return found, nil
		default:
			found = append(found, delivery{stream: m.Seq, time: s.time, count: 1})
		}
		c.took(&out)
	}
}

// union is a filter that selects what either of two does.
func union(a, b []string) *store.Filter {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	return store.NewFilter(slices.Concat(a, b)...)
}
