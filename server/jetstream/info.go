package jetstream

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// info describes the stream as it is now.
func (s *stream) info() *api.StreamInfo {
	in := s.listed()
	in.Config = in.Config.Clone()
	in.Config.Metadata = api.WithServer(in.Config.Metadata, s.e.cfg.Version)
	in.Alternates = s.alternates()
	return in
}

// alternates are the stream and its mirrors, those of this server's cluster first. There are none if
// there is only the stream, or only this server.
func (s *stream) alternates() (list []api.StreamAlternate) {
	st, e := s.assigned.Load(), s.e
	if e.founder == nil {
		return nil
	}
	e.meta.view(func(state *meta.State) {
		add := func(of *meta.Stream) {
			list = append(list, api.StreamAlternate{Name: of.Name(), Domain: e.cfg.Domain, Cluster: e.clusterOf(state, &of.Group)})
		}
		add(st)
		for m := range state.Streams(st.Account) {
			if o := m.Config.Mirror; o != nil && o.External == nil && o.Name == st.Name() {
				add(m)
			}
		}
	})
	if len(list) == 1 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b api.StreamAlternate) int {
		near := func(x api.StreamAlternate) int {
			if x.Cluster == e.cfg.Cluster {
				return 0
			}
			return 1
		}
		return near(a) - near(b)
	})
	return list
}

// listed describes the stream as it is in lists.
func (s *stream) listed() *api.StreamInfo {
	st := s.assigned.Load()
	now := s.e.cfg.Clock.Now()
	out := &api.StreamInfo{
		Config: st.Config, Created: moment(st.Created), State: s.state(st), Domain: s.e.cfg.Domain, Time: now.UTC(),
		Cluster: s.e.clusterInfo(st, nil),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.copiers[mirrorKey]; c != nil {
		out.Mirror = c.describe(now.UnixNano())
	}
	for _, src := range st.Config.Sources {
		if c := s.copiers[src.Key()]; c != nil {
			out.Sources = append(out.Sources, c.describe(now.UnixNano()))
		}
	}
	return out
}

// shownState is the state of a store as clients see it.
func shownState(at store.State) api.StreamState {
	return api.StreamState{
		Msgs: at.Messages, Bytes: at.Bytes, FirstSeq: uint64(at.First), FirstTime: moment(at.FirstTime),
		LastSeq: uint64(at.Last), LastTime: moment(at.LastTime), NumSubjects: int(at.Subjects), NumDeleted: int(at.Deleted),
	}
}

// state describes what is in the stream.
func (s *stream) state(st *meta.Stream) api.StreamState {
	var at store.State
	s.look(func(st store.Reader) { at = st.State() })
	out := shownState(at)
	s.e.meta.view(func(*meta.State) { out.Consumers = st.NumConsumers() })
	if lost := s.store.Lost(); len(lost) > 0 {
		out.Lost = lostData(lost)
	}
	return out
}

// maxLost bounds the numbers of lost messages in a response.
const maxLost = 1 << 16

func lostData(lost []store.Loss) *api.LostStreamData {
	d := &api.LostStreamData{}
	for _, l := range lost {
		d.Bytes += l.Bytes
		for seq := l.First; seq <= l.Last && len(d.Msgs) < maxLost; seq++ {
			d.Msgs = append(d.Msgs, uint64(seq))
		}
	}
	return d
}

// isOpen reports whether the store can be looked at.
func (s *stream) isOpen() bool { return isClosed(s.opened) && s.err == nil }

// describe describes the consumer as it is now.
func (c *consumer) describe() *api.ConsumerInfo {
	a := c.assigned.Load()
	st := c.stream.assigned.Load()
	out := &api.ConsumerInfo{
		Stream: st.Name(), Name: a.Name(), Created: moment(a.Created), Config: a.Config,
		Time: c.e.cfg.Clock.Now().UTC(), Cluster: c.e.clusterInfo(st, a),
	}
	i := c.info.Load()
	if i == nil {
		return out
	}
	out.Delivered, out.AckFloor = sequence(&i.Delivered), sequence(&i.AckFloor)
	out.NumAckPending, out.NumRedelivered, out.NumWaiting, out.NumPending = i.AckPending, i.Redelivered, i.Waiting, i.Pending
	out.PushBound = i.Bound
	if left := time.Duration(i.PauseUntil - out.Time.UnixNano()); i.PauseUntil > 0 && left > 0 {
		out.Paused, out.PauseRemaining = true, left
	}
	if i.PauseUntil > 0 {
		until := moment(i.PauseUntil)
		cfg := *a.Config
		cfg.PauseUntil = &until
		out.Config = &cfg
	}
	if i.Group != "" {
		g := api.PriorityGroupState{Group: i.Group, PinnedClientID: i.PinID}
		if i.PinID != "" {
			g.PinnedTS = moment(i.PinnedAt)
		}
		out.PriorityGroups = []api.PriorityGroupState{g}
	}
	return out
}

// shown is what describe says, with what belongs to a response about one consumer.
func (c *consumer) shown() *api.ConsumerInfo {
	out := c.describe()
	cfg := *out.Config
	cfg.Metadata = api.WithServer(cfg.Metadata, c.e.cfg.Version)
	out.Config = &cfg
	return out
}

func sequence(p *consumercore.Position) api.SequenceInfo {
	out := api.SequenceInfo{Consumer: uint64(p.Consumer), Stream: uint64(p.Stream)}
	if p.Time != 0 {
		at := moment(p.Time)
		out.Last = &at
	}
	return out
}

// moment is a time in nanoseconds since the epoch as clients see it; 0 is the zero
// time.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// mustJSON encodes a configuration, which consists of what JSON has.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("jetstream: encoding %T: %v", v, err))
	}
	return b
}
