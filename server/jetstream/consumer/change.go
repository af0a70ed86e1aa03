package consumer

import (
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// The changes of a state: one method for each operation. Replicas call them for
// what is in the log, the engine for what it is about to propose. What is reported
// as finished goes to res, which may be nil.

func (s *State) tracked() bool { return s.flags&Tracked != 0 }

// deliver notes a first delivery. The message is behind all that are delivered.
func (s *State) deliver(seq store.Seq, now int64, res *Result) {
	s.delivered = Position{s.delivered.Consumer + 1, seq, now}
	if !s.tracked() {
		s.floor = s.delivered
		s.finished(seq, seq, res)
		return
	}
	s.pending.add(delivery{stream: seq, consumer: s.delivered.Consumer, time: now, count: 1})
}

// redeliver notes a repeated delivery.
func (s *State) redeliver(d *delivery, now int64) {
	s.delivered.Consumer++
	s.delivered.Time = now
	if d.count == 1 {
		s.pending.repeated++
	}
	if d.count < math.MaxUint32 {
		d.count++
	}
	d.time, d.due = now, 0
}

// advance moves what is delivered to a position that is not behind it.
func (s *State) advance(consumer ConsumerSeq, seq store.Seq, now int64, res *Result) {
	if !s.tracked() {
		s.finished(s.delivered.Stream+1, seq, res)
	}
	if consumer > s.delivered.Consumer {
		s.delivered.Time = now
	}
	s.delivered.Consumer, s.delivered.Stream = consumer, seq
	if s.pending.live == 0 {
		s.raiseFloor()
	}
}

// ack settles a message, whether it is acknowledged, terminated or gone. It
// reports whether that made a difference.
func (s *State) ack(seq store.Seq, now int64, res *Result) bool {
	d := s.pending.find(seq)
	switch {
	case d != nil:
		if s.pending.remove(d) {
			s.raiseFloor()
		}
		s.floor.Time = now
	case !s.expired.Remove(uint64(seq)):
		return false
	}
	s.finished(seq, seq, res)
	return true
}

// ackAll settles all messages up to one that was delivered.
func (s *State) ackAll(seq store.Seq, now int64, res *Result) bool {
	from := s.floor.Stream + 1
	expired := s.expired.Len()
	if lowest, ok := s.expired.Min(); ok {
		from = min(from, store.Seq(lowest))
		s.expired.RemoveBelow(uint64(seq) + 1)
	}
	if !s.pending.removeTo(seq) && s.expired.Len() == expired {
		return false
	}
	s.raiseFloor()
	s.floor.Time = now
	s.finished(from, seq, res)
	return true
}

// raiseFloor has the floor follow the lowest pending message.
func (s *State) raiseFloor() {
	to := s.delivered
	if d := s.pending.first(); d != nil {
		to = Position{Consumer: d.consumer - 1, Stream: d.stream - 1}
	}
	s.floor.Consumer = max(s.floor.Consumer, to.Consumer)
	s.floor.Stream = max(s.floor.Stream, to.Stream)
}

// expire gives up a pending message.
func (s *State) expire(d *delivery) {
	if s.flags&Retains != 0 {
		s.expired.Add(uint64(d.stream))
	}
	if s.pending.remove(d) {
		s.raiseFloor()
	}
}

// purge forgets what is below first.
func (s *State) purge(first store.Seq) {
	s.expired.RemoveBelow(uint64(first))
	s.delivered.Stream = max(s.delivered.Stream, first-1)
	if s.pending.removeTo(first-1) || s.pending.live == 0 {
		s.raiseFloor()
	}
	s.floor.Stream = max(s.floor.Stream, first-1)
}

// reset has first be the next message to be delivered. What is not finished in
// front of it is given up.
func (s *State) reset(first store.Seq, now int64) {
	if s.flags&Retains != 0 {
		for d := range s.pending.all() {
			s.expired.Add(uint64(d.stream))
		}
		if next := s.delivered.Stream + 1; next < first {
			s.expired.AddRange(uint64(next), uint64(first)-1)
		}
		s.expired.RemoveRange(uint64(first), math.MaxUint64)
	}
	s.pending.clear()
	s.delivered = Position{Stream: first - 1, Time: now}
	s.floor = Position{Stream: first - 1}
}

// wait notes a request that waits.
func (s *State) wait(w Waiter) { s.waiting = append(s.waiting, w) }

// served forgets a request that waits.
func (s *State) served(reply string) {
	i := slices.IndexFunc(s.waiting, func(w Waiter) bool { return w.Reply == reply })
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// create makes the state that of a new consumer, which has passed over what is up
// to position.
func (s *State) create(flags Flags, position, newestUpTo store.Seq, pauseUntil int64, config []byte, now int64) {
	s.flags, s.config, s.created = flags, config, now
	s.newestUpTo, s.pauseUntil = newestUpTo, pauseUntil
	s.delivered.Stream, s.floor.Stream = position, position
}

// update replaces the configuration.
func (s *State) update(flags Flags, config []byte) {
	s.flags, s.config = flags, config
}
