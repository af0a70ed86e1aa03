package jetstream

import (
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A stream that retains by interest, or is a work queue, has to know its consumers: what they
// want, and what they are done with. Whoever leads the stream tells it, by what is assigned and by
// the replicas of the consumers that are on the same server: consumers of such streams are where
// the stream is. So nothing about that goes from one server to another but the entries of the
// stream. A consumer begins only when the stream knows it, wherever that is led.

// wantsKey is what the stream calls a consumer. One that is deleted and made again under the same
// name is another one.
func wantsKey(c *meta.Consumer) string {
	return c.Name() + "." + strconv.FormatUint(c.Group.ID, 36)
}

// wantsGroup returns the group in a key. ok is false if there is none.
func wantsGroup(key string) (group uint64, ok bool) {
	at := strings.LastIndexByte(key, '.')
	if at < 0 {
		return 0, false
	}
	group, err := strconv.ParseUint(key[at+1:], 36, 64)
	return group, err == nil
}

// isMet reports whether the stream has to know a consumer.
func (s *stream) isMet(c *meta.Consumer) bool {
	return !c.Config.Direct && s.assigned.Load().Config.Retention != api.RetainLimits
}

// meet has the stream, if it is led here, know a consumer, or what it wants now.
func (s *stream) meet(c *meta.Consumer) {
	if s.leading.Load() != 0 && s.isMet(c) {
		s.order(streamcore.AppendConsumer(nil, wantsKey(c), 0, false, c.Config.Filters()))
	}
}

// forget has the stream, if it is led here, know that a consumer is no more. One that has only
// moved away still is.
func (s *stream) forget(c *meta.Consumer) {
	if s.leading.Load() == 0 || s.assigned.Load().Config.Retention == api.RetainLimits {
		return
	}
	st := s.assigned.Load()
	if now := st.Consumer(c.Name()); now == nil || now.Group.ID != c.Group.ID {
		s.order(streamcore.AppendConsumerGone(nil, wantsKey(c)))
	}
}

// meetConsumers has the stream know those consumers that there are, and no others, when this
// replica begins to lead. They tell what they are done with behind that. It is called on the
// stream's apply stage.
func (s *stream) meetConsumers() {
	st := s.assigned.Load()
	known := make(map[string]bool)
	for _, key := range s.core.Consumers() {
		known[key] = true
	}
	var ops [][]byte
	s.e.meta.view(func(state *meta.State) {
		is := make(map[uint64]bool)
		for c := range st.Consumers() {
			is[c.Group.ID] = true
			if s.isMet(c) && !known[wantsKey(c)] {
				ops = append(ops, streamcore.AppendConsumer(nil, wantsKey(c), 0, false, c.Config.Filters()))
			}
		}
		for _, key := range s.core.Consumers() {
			// Of one that was made later than this server's copy of the assignments was, nobody
			// knows here that it is gone.
			if group, ok := wantsGroup(key); !ok || !is[group] && state.Made(group) {
				ops = append(ops, streamcore.AppendConsumerGone(nil, key))
			}
		}
	})
	for _, op := range ops {
		s.order(op)
	}
	if st.Config.Retention == api.RetainLimits {
		return
	}
	for _, c := range s.consumerList() {
		c.tell(func(in *consumerInbox) { in.tellAll = true })
	}
}

// meetAnew returns what has the stream know all of its consumers when it begins to go by them:
// what they are done with they tell again.
func (s *stream) meetAnew() (ops [][]byte) {
	st := s.assigned.Load()
	s.e.meta.view(func(*meta.State) {
		for c := range st.Consumers() {
			if !c.Config.Direct {
				ops = append(ops, streamcore.AppendConsumer(nil, wantsKey(c), 0, true, c.Config.Filters()))
			}
		}
	})
	return ops
}

// knows reports whether the stream, as far as it is applied here, knows a consumer, if it has to.
func (s *stream) knows(c *meta.Consumer) bool {
	if !s.isMet(c) || s.halted.Load() {
		return true
	}
	_, ok := s.known.Load(wantsKey(c))
	return ok
}

// noteKnown notes which consumers the core knows. It is called where the core is made.
func (s *stream) noteKnown() {
	s.known.Clear()
	for _, key := range s.core.Consumers() {
		s.known.Store(key, true)
	}
}

// noteMet notes that an op which was applied has the stream know a consumer, or know that it is
// no more. It is called on the apply stage.
func (s *stream) noteMet(op []byte) {
	key, gone, ok := streamcore.ConsumerOf(op)
	switch {
	case !ok:
	case gone:
		s.known.Delete(key)
	default:
		s.known.Store(key, true)
		group, _ := wantsGroup(key)
		s.mu.Lock()
		c := s.consumers[key[:max(strings.LastIndexByte(key, '.'), 0)]]
		s.mu.Unlock()
		if c != nil && c.id == raft.GroupID(group) {
			c.tell(func(in *consumerInbox) { in.met = true })
		}
	}
}
