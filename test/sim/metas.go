package sim

import (
	"fmt"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
)

// assigned is the content of the group that knows which streams and consumers there are.
type assigned struct{ state *meta.State }

func newAssigned(*replica) content { return &assigned{&meta.State{}} }

// apply implements content.
func (a *assigned) apply(op []byte, now int64) (any, []byte, error) {
	o, err := meta.DecodeOp(op)
	if err != nil {
		return nil, nil, err
	}
	r := a.state.Apply(o, now)
	print := fmt.Appendf(nil, "%v %v %v", r.Err, r.Stale, r.Changed)
	if r.Stream != nil {
		print = fmt.Appendf(print, " %s %d %d", r.Stream.Name(), r.Stream.Group.ID, r.Stream.Revision)
	}
	if r.Consumer != nil {
		print = fmt.Appendf(print, " %s %d %d", r.Consumer.Name(), r.Consumer.Group.ID, r.Consumer.Revision)
	}
	return string(print), print, nil
}

// digest implements content.
func (a *assigned) digest() (uint64, error) { return a.state.Digest(), nil }

// image implements content.
func (a *assigned) image() ([]byte, error) { return a.state.Append(nil), nil }

// prepare implements content.
func (a *assigned) prepare(b []byte) (func(), error) {
	st, err := meta.Decode(b)
	if err != nil {
		return nil, err
	}
	return func() { a.state = st }, nil
}

// change returns an op as a client may want it, as this replica sees the assets.
func (a *assigned) change(s *Sim) *meta.Op {
	const account = "A"
	name := fmt.Sprintf("S%d", s.rnd.IntN(5))
	st := a.state.Stream(account, name)
	if st == nil || s.chance(0.1) {
		cfg := &api.StreamConfig{Name: name, Subjects: []string{fmt.Sprintf("%s.%d", name, s.rnd.IntN(2))}, MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, Replicas: 1}
		return &meta.Op{CreateStream: &meta.CreateStream{Account: account, Config: cfg, Nodes: []uint32{1}, Limits: meta.NoLimits}}
	}
	consumer := fmt.Sprintf("C%d", s.rnd.IntN(4))
	switch p := s.rnd.Float64(); {
	case p < 0.2:
		return &meta.Op{DeleteStream: &meta.DeleteStream{Account: account, Stream: name, Group: st.Group.ID}}
	case p < 0.4:
		cfg := *st.Config
		cfg.MaxMsgs = int64(1 + s.rnd.IntN(100))
		return &meta.Op{UpdateStream: &meta.UpdateStream{Account: account, Config: &cfg, Revision: st.Revision, Limits: meta.NoLimits}}
	case p < 0.6 && st.Consumer(consumer) != nil:
		return &meta.Op{DeleteConsumer: &meta.DeleteConsumer{Account: account, Stream: name, Consumer: consumer}}
	default:
		cfg := &api.ConsumerConfig{Name: consumer, Durable: consumer, AckPolicy: api.AckExplicit}
		return &meta.Op{CreateConsumer: &meta.CreateConsumer{Account: account, Stream: name, Group: st.Group.ID, Config: cfg, Max: -1}}
	}
}
