package consumer

import (
	"errors"
	"iter"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Unsettled is a message that was delivered and is not settled.
type Unsettled struct {
	Stream store.Seq
	// Consumer is the number of its first delivery.
	Consumer ConsumerSeq
	// Time is that of its last delivery, Due when it is to be delivered again if that
	// was said, else 0; in nanoseconds since the Unix epoch.
	Time, Due int64
	// Count is how often it was delivered.
	Count uint32
}

// Unsettled goes over the messages that were delivered and are not settled, in order.
func (s *State) Unsettled() iter.Seq[Unsettled] {
	return func(yield func(Unsettled) bool) {
		for d := range s.pending.all() {
			if !yield(Unsettled{d.stream, d.consumer, d.time, d.due, d.count}) {
				return
			}
		}
	}
}

// GivenUp goes over the messages that were given up and that the stream keeps, in
// order.
func (s *State) GivenUp() iter.Seq[store.Seq] {
	return func(yield func(store.Seq) bool) {
		for first, last := range s.expired.Ranges() {
			for seq := first; seq <= last; seq++ {
				if !yield(store.Seq(seq)) {
					return
				}
			}
		}
	}
}

// NewestUpTo is the message up to which only the newest of each subject is delivered,
// 0 if all are.
func (s *State) NewestUpTo() store.Seq { return s.newestUpTo }

// Kept is what is known of a consumer that was kept elsewhere.
type Kept struct {
	// Created is not 0.
	Created int64
	// Config was checked. Retains is whether the stream keeps messages until they are
	// acknowledged.
	Config  *api.ConsumerConfig
	Retains bool

	Delivered, AckFloor Position
	NewestUpTo          store.Seq
	// Unsettled and GivenUp are in order.
	Unsettled iter.Seq[Unsettled]
	GivenUp   iter.Seq[store.Seq]
}

// errKept says that what was kept contradicts itself.
var errKept = errors.New("consumer: the state contradicts itself")

// NewState returns the state of a consumer that is to go on as it was.
func NewState(k *Kept) (*State, error) {
	config, c, err := encodeSettings(k.Config)
	if err != nil {
		return nil, err
	}
	s := &State{
		flags: c.flags(k.Retains), config: config, created: k.Created, time: k.Created,
		delivered: k.Delivered, floor: k.AckFloor, newestUpTo: k.NewestUpTo,
	}
	if c.PauseUntil != nil {
		s.pauseUntil = c.PauseUntil.UnixNano()
	}
	if s.floor.Stream > s.delivered.Stream || s.floor.Consumer > s.delivered.Consumer {
		return nil, errKept
	}
	if !s.tracked() {
		s.floor = s.delivered
		return s, nil
	}
	last := s.floor
	for u := range k.Unsettled {
		inOrder := u.Stream > last.Stream && u.Stream <= s.delivered.Stream && u.Consumer > last.Consumer && u.Consumer <= s.delivered.Consumer
		if !inOrder || u.Count == 0 {
			return nil, errKept
		}
		s.pending.add(delivery{stream: u.Stream, consumer: u.Consumer, time: u.Time, due: u.Due, count: u.Count})
		last.Stream, last.Consumer = u.Stream, u.Consumer
	}
	if k.Retains {
		if s.expired, err = s.givenUp(k.GivenUp); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// givenUp collects messages that were given up.
func (s *State) givenUp(list iter.Seq[store.Seq]) (set seqset.Set, _ error) {
	for seq := range list {
		if seq == 0 || seq > s.delivered.Stream || s.pending.find(seq) != nil {
			return set, errKept
		}
		set.Add(uint64(seq))
	}
	return set, nil
}
