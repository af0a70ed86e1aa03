package jetstream

import (
	"cmp"
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
)

// What follows is for monitoring: it changes nothing, and tells how things are.

// Ready reports whether it is known which assets there are.
func (e *Engine) Ready() bool {
	return isClosed(e.meta.ready)
}

// Figures are what the engine holds as a whole.
type Figures struct {
	// Memory and File are in bytes, as are what streams have reserved.
	Memory, File                 uint64
	ReservedMemory, ReservedFile uint64
	Streams, StreamsLed          int
	Consumers, ConsumersLed      int
	Messages, Bytes              uint64
	API                          api.Stats
	// Replicated are the streams and consumers here of which others have replicas, too.
	Replicated int
}

// Figures sums up what is here. The streams of accounts that may not use JetStream take
// room, and do not count otherwise.
func (e *Engine) Figures() (f Figures) {
	f.Memory, f.File = uint64(e.usage.of(api.MemoryStorage)), uint64(e.usage.of(api.FileStorage))
	f.API.Level = api.Level
	e.meta.view(func(s *meta.State) { f.Replicated = s.Load(uint32(e.cfg.Node)).Assets })
	for _, t := range e.tenants() {
		f.API.Total += t.requests.Load()
		f.API.Errors += t.failures.Load()
		f.API.Inflight += uint64(max(t.inflight.Load(), 0))
		u := e.meta.usage(t.account.Name())
		f.ReservedMemory += uint64(u.ReservedMemory)
		f.ReservedFile += uint64(u.ReservedFile)
	}
	for _, s := range e.streamList() {
		if s.isRestoring() || !s.tenant.enabled() {
			continue
		}
		f.Streams++
		if s.leading.Load() != 0 {
			f.StreamsLed++
		}
		if s.isOpen() {
			at := s.store.State()
			f.Messages += at.Messages
			f.Bytes += at.Bytes
		}
		for _, c := range s.consumerList() {
			if c.assigned.Load().Config.Direct {
				continue
			}
			f.Consumers++
			if c.leading.Load() {
				f.ConsumersLed++
			}
		}
	}
	return f
}

// tenants returns the accounts that the engine knows.
func (e *Engine) tenants() []*tenant {
	e.mu.RLock()
	defer e.mu.RUnlock()
	list := make([]*tenant, 0, len(e.accounts))
	for _, t := range e.accounts {
		list = append(list, t)
	}
	return list
}

// AccountFigures are what an account uses.
type AccountFigures struct {
	Name         string
	Limits       AccountLimits
	Memory, File uint64
	API          api.Stats
}

// Accounts returns the accounts that may use JetStream, in any order.
func (e *Engine) Accounts() (list []AccountFigures) {
	for _, t := range e.tenants() {
		if !t.enabled() {
			continue
		}
		list = append(list, AccountFigures{
			Name: t.account.Name(), Limits: *t.limits.Load(),
			Memory: uint64(t.usage.of(api.MemoryStorage)), File: uint64(t.usage.of(api.FileStorage)),
			API: api.Stats{Level: api.Level, Total: t.requests.Load(), Errors: t.failures.Load(), Inflight: uint64(max(t.inflight.Load(), 0))},
		})
	}
	return list
}

// StreamView is a stream as monitoring sees it.
type StreamView struct {
	// Group is the name of its raft group, "" if the server is alone.
	Name, Group string
	Leading     bool
	// Trouble is why it can not be relied on, nil if all is well.
	Trouble error
	// Info is nil while the stream is not open.
	Info      func() *api.StreamInfo
	Consumers iter.Seq[ConsumerView]
}

// ConsumerView is a consumer as monitoring sees it.
type ConsumerView struct {
	// Group is the name of its raft group, "" if the server is alone.
	Name, Group string
	Direct      bool
	Trouble     error
	Info        func() *api.ConsumerInfo
}

// Streams gives the streams of an account by name, or the one of that name.
func (e *Engine) Streams(acc, name string) iter.Seq[StreamView] {
	return func(yield func(StreamView) bool) {
		var list []*meta.Stream
		e.meta.view(func(state *meta.State) {
			if name == "" {
				list = slices.Collect(state.Streams(acc))
			} else if st := state.Stream(acc, name); st != nil {
				list = []*meta.Stream{st}
			}
		})
		for _, st := range list {
			if s := e.stream(st.Group.ID); s != nil && !yield(s.view(st)) {
				return
			}
		}
	}
}

func (s *stream) view(st *meta.Stream) StreamView {
	return StreamView{
		Name: st.Name(), Group: s.e.shownGroup(st, nil), Leading: s.leading.Load() != 0,
		Trouble: cmp.Or(s.ailment(), s.e.groupAilment(&st.Group)),
		Info: func() *api.StreamInfo {
			if !s.isOpen() {
				return nil
			}
			return s.listed()
		},
		Consumers: func(yield func(ConsumerView) bool) {
			var list []*meta.Consumer
			s.e.meta.view(func(*meta.State) { list = slices.Collect(st.Consumers()) })
			for _, assigned := range list {
				if c := s.e.consumer(st, assigned); c != nil && !yield(c.view(assigned)) {
					return
				}
			}
		},
	}
}

func (c *consumer) view(assigned *meta.Consumer) ConsumerView {
	v := ConsumerView{Name: assigned.Name(), Group: c.e.shownGroup(nil, assigned), Direct: assigned.Config.Direct, Info: c.describe}
	switch {
	case !isClosed(c.started):
		v.Trouble = errNotOpen
	default:
		v.Trouble = cmp.Or(c.err, c.blamed())
		if v.Trouble == nil && !isClosed(c.settled) {
			v.Trouble = errApplying
		}
		v.Trouble = cmp.Or(v.Trouble, c.e.groupAilment(&assigned.Group))
	}
	return v
}
