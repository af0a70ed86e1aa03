package consumer

import (
	"hash/fnv"
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// State is what the replicas of a consumer agree on. The zero State is that of a
// consumer that was not created yet. One goroutine at a time may use it.
type State struct {
	flags Flags
	// config is opaque here: what matters of it for the state is in flags.
	config  []byte
	created int64
	// time is that of the last frame.
	time int64

	delivered, floor Position
	// newestUpTo is set for last_per_subject: of what is in the stream up to it,
	// only the newest of each subject is delivered.
	newestUpTo store.Seq
	pauseUntil int64

	pending pending
	// expired are messages that were given up, or passed over by a reset, if the
	// stream keeps messages until they are acknowledged. It keeps these, and their
	// acknowledgement may still come.
	expired seqset.Set
	waiting []Waiter

	// unknown counts operations of kinds that are not known here.
	unknown uint64
}

// Position is a number of each kind.
type Position struct {
	Consumer ConsumerSeq
	Stream   store.Seq
	// Time is when it moved last, in nanoseconds since the Unix epoch; 0 is never.
	Time int64
}

// Flags is what the state depends on of the configuration of consumer and stream.
type Flags uint8

const (
	// Tracked: deliveries are pending until they are acknowledged.
	Tracked Flags = 1 << iota
	// Retains: the stream keeps messages until they are acknowledged, so it has
	// to be told which ones are finished.
	Retains
)

// Waiter is a pull request that was waiting on the leader.
type Waiter struct {
	Reply string
	// Expires is in nanoseconds since the Unix epoch; 0 is never.
	Expires int64
}

// Created returns when the consumer was created, 0 if it was not yet.
func (s *State) Created() int64 { return s.created }

// Config returns the configuration as it was given to the engine. It must not be
// changed.
func (s *State) Config() []byte { return s.config }

// Delivered returns the highest numbers that were delivered or passed over.
func (s *State) Delivered() Position { return s.delivered }

// AckFloor returns up to where all is settled.
func (s *State) AckFloor() Position { return s.floor }

// Pending returns how many messages are delivered and not settled, and how many
// of them were delivered more than once.
func (s *State) Pending() (all, repeated int) { return s.pending.live, s.pending.repeated }

// PauseUntil returns the time until which nothing is delivered, 0 if none was set.
func (s *State) PauseUntil() int64 { return s.pauseUntil }

// Unknown returns how many operations were skipped because their kind is not
// known to this version.
func (s *State) Unknown() uint64 { return s.unknown }

// Waiting returns the pull requests that wait on the leader.
func (s *State) Waiting() []Waiter { return slices.Clone(s.waiting) }

// Finished goes over all messages that the consumer will not deliver any more, and
// that are not to be kept for it, up to what is delivered. A leader tells them to
// the stream when it cannot know what its predecessor told.
func (s *State) Finished() iter.Seq[store.Range] {
	return func(yield func(store.Range) bool) {
		kept := s.expired.Clone()
		for d := range s.pending.all() {
			kept.Add(uint64(d.stream))
		}
		next := store.Seq(1)
		for first, last := range kept.Ranges() {
			if next < store.Seq(first) && !yield(store.Range{First: next, Last: store.Seq(first) - 1}) {
				return
			}
			next = store.Seq(last) + 1
		}
		if next <= s.delivered.Stream {
			yield(store.Range{First: next, Last: s.delivered.Stream})
		}
	}
}

// Digest is equal for equal states.
func (s *State) Digest() uint64 {
	h := fnv.New64a()
	h.Write(s.appendFull(nil))
	return h.Sum64()
}

// Clone returns a copy that has nothing in common with s that may change.
func (s *State) Clone() *State {
	c := *s
	c.pending = s.pending.clone()
	c.expired = s.expired.Clone()
	c.waiting = slices.Clone(s.waiting)
	return &c
}
