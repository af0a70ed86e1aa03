package meta

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// State is all assets. The zero State has none. It is not safe for concurrent
// use. Assets that it gives out do not change, but are replaced; what a Stream says
// of its consumers is as of now.
type State struct {
	accounts map[string]*account
	// groups is the ID of the group that was made last, revision the one that was given
	// last.
	groups, revision uint64
	// time is that of the newest op.
	time int64
	// servers are those that may have replicas, removing is one that is about to go.
	servers  map[uint32]*Server
	removing uint32
	// loads are what servers have, which is counted as assets come and go.
	loads map[uint32]*Load
	// images counts those that were taken; see consumers.
	images uint64
}

// FirstGroup is the ID of the first group that is given to an asset; those before
// it are for the servers' own.
const FirstGroup = 16

// Stream is a stream as it was assigned.
type Stream struct {
	Account string `json:"account"`
	// Config is in force, which means checked.
	Config *api.StreamConfig `json:"config"`
	// Created is in nanoseconds since the epoch.
	Created int64 `json:"created"`
	Group   Group `json:"group"`
	// Revision changes with each change of the configuration or of the servers, and is never
	// that of another stream.
	Revision uint64 `json:"revision"`
	// Restore is set as long as the stream is being restored: nobody gets to see it
	// until that is complete, but for whoever does it.
	Restore *Restore `json:"restore,omitempty"`

	consumers *consumers
}

// Restore is the restoring of a stream from a backup.
type Restore struct {
	// ID is one that is never used again.
	ID string `json:"id"`
	// Node is the server that does it, and that gives up what it was about when it
	// starts anew.
	Node uint32 `json:"node"`
}

// consumers are those of a stream. All values of one Stream share them.
type consumers struct {
	// byName belongs to the images that were taken before it was written to last, too:
	// owned is how many there were when it was made. It is copied rather than changed if there
	// has been another one since.
	byName map[string]*Consumer
	owned  uint64
	// counted are those that are not Direct.
	counted int
}

// Consumer is a consumer as it was assigned.
type Consumer struct {
	Config   *api.ConsumerConfig `json:"config"`
	Created  int64               `json:"created"`
	Group    Group               `json:"group"`
	Revision uint64              `json:"revision"`
}

// account is the streams of an account.
type account struct {
	streams map[string]*Stream
	// restores are the streams that are being restored. They have their names, subjects
	// and reservations already.
	restores map[string]*Stream
	// tokens are those of all of them.
	tokens firstTokens
	// consumers counts those of all streams; reserved sums up the MaxBytes of
	// streams that have one, by api.Storage.
	consumers int
	reserved  [2]int64
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.Config.Name }

// Consumer returns a consumer of the stream, or nil.
func (s *Stream) Consumer(name string) *Consumer { return s.consumers.byName[name] }

// Consumers goes over the consumers by name.
func (s *Stream) Consumers() iter.Seq[*Consumer] {
	return sorted(s.consumers.byName)
}

// NumConsumers is how many consumers the stream has, without those that only copy
// to other streams.
func (s *Stream) NumConsumers() int { return s.consumers.counted }

// Name is the consumer's name.
func (c *Consumer) Name() string { return c.Config.Name }

// Made reports whether a group was given to an asset once. One that no asset has is
// that of an asset which was deleted.
func (s *State) Made(group uint64) bool { return group >= FirstGroup && group <= s.groups }

// Stream returns a stream, or nil.
func (s *State) Stream(acc, name string) *Stream {
	if a := s.accounts[acc]; a != nil {
		return a.streams[name]
	}
	return nil
}

// Streams goes over the streams of an account by name.
func (s *State) Streams(acc string) iter.Seq[*Stream] {
	if a := s.accounts[acc]; a != nil {
		return sorted(a.streams)
	}
	return func(func(*Stream) bool) {}
}

// Restores goes over the streams of an account that are being restored, by name.
func (s *State) Restores(acc string) iter.Seq[*Stream] {
	if a := s.accounts[acc]; a != nil {
		return sorted(a.restores)
	}
	return func(func(*Stream) bool) {}
}

// All goes over all streams, by account, those that are being restored too.
func (s *State) All() iter.Seq[*Stream] {
	return func(yield func(*Stream) bool) {
		for acc := range s.Accounts() {
			for _, streams := range []iter.Seq[*Stream]{s.Streams(acc), s.Restores(acc)} {
				for st := range streams {
					if !yield(st) {
						return
					}
				}
			}
		}
	}
}

// Current returns what has become of a stream that was given out before, nil if it is not there
// any more.
func (s *State) Current(st *Stream) *Stream {
	for _, now := range []*Stream{s.Stream(st.Account, st.Name()), s.restore(st.Account, st.Name())} {
		if now != nil && now.Group.ID == st.Group.ID {
			return now
		}
	}
	return nil
}

// restore returns a stream that is being restored, or nil.
func (s *State) restore(acc, name string) *Stream {
	if a := s.accounts[acc]; a != nil {
		return a.restores[name]
	}
	return nil
}

// Accounts goes over the names of the accounts that have streams, in order.
func (s *State) Accounts() iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(s.accounts)))
}

// Usage is what an account has and has reserved.
type Usage struct {
	Streams, Consumers int
	// ReservedMemory and ReservedFile are the MaxBytes of its streams that have
	// one, for all replicas.
	ReservedMemory, ReservedFile int64
}

// Usage returns what an account has.
func (s *State) Usage(acc string) Usage {
	a := s.accounts[acc]
	if a == nil {
		return Usage{}
	}
	return Usage{
		Streams: len(a.streams), Consumers: a.consumers,
		ReservedMemory: a.reserved[api.MemoryStorage], ReservedFile: a.reserved[api.FileStorage],
	}
}

// Circular reports whether a stream with that configuration would get its own messages
// back, which would go round for ever; or those of one of its origins once more, by way of
// an origin that is listed behind it. Copies from elsewhere (External) are not followed.
func (s *State) Circular(acc string, c *api.StreamConfig) bool {
	forbidden := map[string]bool{c.Name: true}
	for o := range origins(c, c) {
		if o == c.Name || s.descends(acc, o, c, forbidden, make(map[string]bool)) {
			return true
		}
		forbidden[o] = true
	}
	return false
}

// descends reports whether a stream gets messages, that c would take, from one of
// others. It looks at each stream once, which seen is for.
func (s *State) descends(acc, name string, c *api.StreamConfig, others, seen map[string]bool) bool {
	st := s.Stream(acc, name)
	if st == nil || seen[name] {
		return false
	}
	seen[name] = true
	for o := range origins(st.Config, c) {
		if others[o] || s.descends(acc, o, c, others, seen) {
			return true
		}
	}
	return false
}

// origins gives the names of the streams that of copies, as far as c could get their
// messages by it.
func origins(of, c *api.StreamConfig) iter.Seq[string] {
	return func(yield func(string) bool) {
		list := of.Sources
		if of.Mirror != nil {
			list = []*api.StreamSource{of.Mirror}
		}
		for _, o := range list {
			apart := o.FilterSubject != "" && len(c.Subjects) > 0 && !api.OverlapAny(c.Subjects, []string{o.FilterSubject})
			if o.External != nil || apart || len(o.SubjectTransforms) > 0 {
				continue
			}
			if !yield(o.Name) {
				return
			}
		}
	}
}

// reserve adds what a stream reserves to its account's sum, or with sign -1 takes
// it back.
func (a *account) reserve(c *api.StreamConfig, sign int64) {
	if c.MaxBytes > 0 {
		a.reserved[c.Storage] += sign * c.MaxBytes * int64(max(c.Replicas, 1))
	}
}

func sorted[K cmp.Ordered, V any](m map[K]V) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(m[k]) {
				return
			}
		}
	}
}
