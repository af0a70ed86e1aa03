package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Consumer is a consumer in a backup.
type Consumer struct {
	Name   string              `json:"-"`
	Config *api.ConsumerConfig `json:"config"`
	State  *ConsumerState      `json:"state"`
}

// ConsumerState is how far a consumer is. For an engine that does not have it in this
// form it is made with AddDelivery and AddExhausted, and taken apart with Deliveries
// and Exhausted.
type ConsumerState struct {
	// Delivered has the highest numbers that were delivered or passed over, AckFloor
	// those up to which all is settled.
	Delivered Position `json:"delivered"`
	AckFloor  Position `json:"ack_floor"`
	// Pending are the messages that were delivered and are not settled.
	Pending Pendings `json:"pending,omitempty"`
	// Redelivered are those that were delivered more than once. Some are not pending:
	// they were delivered as often as allowed.
	Redelivered Redeliveries `json:"redelivered,omitempty"`
	// NewestUpTo is the message up to which only the newest of each subject is
	// delivered, 0 if all are. nats-server does not have it in its backups.
	NewestUpTo store.Seq `json:"newest_up_to,omitempty"`
}

// Position is a number of each kind.
type Position struct {
	Consumer consumer.ConsumerSeq `json:"consumer_seq"`
	Stream   store.Seq            `json:"stream_seq"`
}

// Pending is a message that was delivered and is not settled.
type Pending struct {
	Stream store.Seq `json:"-"`
	// Consumer is the number of its first delivery.
	Consumer consumer.ConsumerSeq `json:"Sequence"`
	// Time is when the ack wait began that it is in; nats-server also writes the time
	// of the message itself.
	Time int64 `json:"Timestamp"`
}

// Redelivery is how often a message was delivered again.
type Redelivery struct {
	Stream store.Seq
	Times  uint64
}

// Pendings are in the order of their messages, each of which is there once. In JSON
// it is an object whose keys are the messages.
type Pendings []Pending

// Redeliveries are in the order of their messages, each of which is there once. In
// JSON it is an object whose keys are the messages.
type Redeliveries []Redelivery

// Delivery is a message that was delivered and is not settled, with all there is to
// know of it.
type Delivery struct {
	Stream   store.Seq
	Consumer consumer.ConsumerSeq
	// Time is that of the last delivery, in nanoseconds since the Unix epoch. For a
	// message that is to come again at a time of its own it is that less the ack
	// wait.
	Time int64
	// Count is how often it was delivered.
	Count uint32
}

// AddDelivery adds a delivery, the next in the order of the stream.
func (s *ConsumerState) AddDelivery(d Delivery) {
	s.Pending = append(s.Pending, Pending{Stream: d.Stream, Consumer: d.Consumer, Time: min(max(d.Time, 0), maxTime)})
	if d.Count > 1 {
		s.Redelivered.add(Redelivery{d.Stream, uint64(d.Count) - 1})
	}
}

// AddExhausted adds a message that was delivered as often as allowed, which is times,
// and was given up.
func (s *ConsumerState) AddExhausted(seq store.Seq, times uint64) {
	s.Redelivered.add(Redelivery{seq, times})
}

// Deliveries goes over the messages that were delivered and are not settled, in the
// order of the stream. Their consumer seqs are such that the order is theirs too, and
// lie between floor and delivered, as in every consumer that delivers in order; where
// they are not so in the backup the nearest are taken.
func (s *ConsumerState) Deliveries() iter.Seq[Delivery] {
	return func(yield func(Delivery) bool) {
		again := s.Redelivered
		last := s.AckFloor.Consumer
		for i, p := range s.Pending {
			for len(again) > 0 && again[0].Stream < p.Stream {
				again = again[1:]
			}
			behind := consumer.ConsumerSeq(len(s.Pending) - 1 - i)
			last = max(last+1, min(p.Consumer, s.Delivered.Consumer-behind))
			d := Delivery{Stream: p.Stream, Consumer: last, Time: min(max(p.Time, 0), maxTime), Count: 1}
			if len(again) > 0 && again[0].Stream == p.Stream {
				d.Count += uint32(min(again[0].Times, math.MaxUint32-1))
			}
			if !yield(d) {
				return
			}
		}
	}
}

// Exhausted goes over the messages that were delivered as often as allowed, in
// order.
func (s *ConsumerState) Exhausted() iter.Seq[store.Seq] {
	return func(yield func(store.Seq) bool) {
		pending := s.Pending
		for _, r := range s.Redelivered {
			for len(pending) > 0 && pending[0].Stream < r.Stream {
				pending = pending[1:]
			}
			isPending := len(pending) > 0 && pending[0].Stream == r.Stream
			if !isPending && r.Stream <= s.Delivered.Stream && !yield(r.Stream) {
				return
			}
		}
	}
}

// check refuses states that contradict themselves.
func (s *ConsumerState) check() error {
	d, f := s.Delivered, s.AckFloor
	if f.Stream > d.Stream || f.Consumer > d.Consumer || d.Stream > maxSeq || d.Consumer > maxSeq {
		return fmt.Errorf("the ack floor is %d, %d with %d, %d delivered", f.Consumer, f.Stream, d.Consumer, d.Stream)
	}
	last := f.Stream
	for _, p := range s.Pending {
		if p.Stream <= last || p.Stream > d.Stream {
			return fmt.Errorf("message %d is pending with %d to %d delivered", p.Stream, last+1, d.Stream)
		}
		last = p.Stream
	}
	if n := len(s.Pending); uint64(n) > uint64(d.Consumer-f.Consumer) {
		return fmt.Errorf("%d messages are pending of %d deliveries", n, d.Consumer-f.Consumer)
	}
	return nil
}

// upTo returns the state without what is behind a message.
func (s *ConsumerState) upTo(last store.Seq) *ConsumerState {
	cut := *s
	cut.Delivered.Stream = min(s.Delivered.Stream, last)
	cut.AckFloor.Stream = min(s.AckFloor.Stream, last)
	cut.NewestUpTo = min(s.NewestUpTo, last)
	n, _ := slices.BinarySearchFunc(s.Pending, last+1, func(p Pending, seq store.Seq) int { return cmp.Compare(p.Stream, seq) })
	cut.Pending = s.Pending[:n:n]
	n, _ = s.Redelivered.find(last + 1)
	cut.Redelivered = s.Redelivered[:n:n]
	return &cut
}

func (l Redeliveries) find(seq store.Seq) (int, bool) {
	return slices.BinarySearchFunc(l, seq, func(r Redelivery, seq store.Seq) int { return cmp.Compare(r.Stream, seq) })
}

func (l *Redeliveries) add(r Redelivery) {
	i, there := l.find(r.Stream)
	if there {
		(*l)[i] = r
		return
	}
	*l = slices.Insert(*l, i, r)
}

// MarshalJSON implements [json.Marshaler].
func (l Pendings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for _, p := range l {
		b = appendKey(b, p.Stream)
		b = strconv.AppendUint(append(b, `{"Sequence":`...), uint64(p.Consumer), 10)
		b = strconv.AppendInt(append(b, `,"Timestamp":`...), p.Time, 10)
		b = append(b, '}')
	}
	return append(b, '}'), nil
}

// MarshalJSON implements [json.Marshaler].
func (l Redeliveries) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for _, r := range l {
		b = strconv.AppendUint(appendKey(b, r.Stream), r.Times, 10)
	}
	return append(b, '}'), nil
}

// appendKey appends a key of an object that was opened.
func appendKey(b []byte, seq store.Seq) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(strconv.AppendUint(append(b, '"'), uint64(seq), 10), `":`...)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Pendings) UnmarshalJSON(b []byte) error {
	*l = nil
	err := eachMember(b, func(seq store.Seq, d *json.Decoder) error {
		p := Pending{Stream: seq}
		if err := d.Decode(&p); err != nil {
			return err
		}
		// It also keeps a member from being shorter than what it becomes.
		if p.Consumer == 0 {
			return fmt.Errorf("message %d is pending and was not delivered", seq)
		}
		*l = append(*l, p)
		return nil
	})
	if err != nil {
		return err
	}
	return inOrder(*l, func(p Pending) store.Seq { return p.Stream })
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Redeliveries) UnmarshalJSON(b []byte) error {
	*l = nil
	err := eachMember(b, func(seq store.Seq, d *json.Decoder) error {
		r := Redelivery{Stream: seq}
		err := d.Decode(&r.Times)
		*l = append(*l, r)
		return err
	})
	if err != nil {
		return err
	}
	return inOrder(*l, func(r Redelivery) store.Seq { return r.Stream })
}

// eachMember has f decode the values of an object whose keys are messages, without
// the object ever being in memory as a map, which is much larger than its text.
func eachMember(b []byte, f func(seq store.Seq, d *json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(b))
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null
		return nil
	case t != json.Delim('{'):
		return errors.New("not an object of messages")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		seq, err := strconv.ParseUint(fmt.Sprint(key), 10, 64)
		if err != nil {
			return err
		}
		if seq == 0 {
			return errors.New("there is no message 0")
		}
		if err := f(store.Seq(seq), d); err != nil {
			return err
		}
	}
	return nil
}

// inOrder sorts what is keyed by messages, and refuses it if one comes twice.
func inOrder[T any](list []T, key func(T) store.Seq) error {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	for i := 1; i < len(list); i++ {
		if key(list[i]) == key(list[i-1]) {
			return fmt.Errorf("message %d is there twice", key(list[i]))
		}
	}
	return nil
}
