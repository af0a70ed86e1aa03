//go:build unix

package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ackWait is that of all consumers here.
const ackWait = time.Second

// deliveries are what clients know of a consumer: what it has delivered and what of
// that is settled. Messages are known by their sequence.
type deliveries struct {
	mu sync.Mutex
	// names are those of the messages that were delivered.
	names map[uint64]string
	// asked are those for which an acknowledgement was sent; confirmed are those for
	// which it was confirmed, with the round.
	asked     map[uint64]bool
	confirmed map[uint64]int
	// floor is the ack floor that the consumer has told, lowest the sequence below which all are
	// confirmed.
	floor, lowest uint64
	// again counts the messages that were delivered more than once.
	again int
}

func newDeliveries() *deliveries {
	return &deliveries{names: make(map[uint64]string), asked: make(map[uint64]bool), confirmed: make(map[uint64]int), lowest: 1}
}

// delivered notes a message.
func (d *deliveries) delivered(s *session, m jetstream.Msg) (seq uint64, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return 0, err
	}
	seq = meta.Sequence.Stream
	name := nameOf(m.Data())
	d.mu.Lock()
	defer d.mu.Unlock()
	// While the server runs a message may be under way when its acknowledgement is
	// confirmed.
	if round, ok := d.confirmed[seq]; ok && round < s.round {
		s.complain("%s delivers message %d in round %d, its acknowledgement was confirmed in round %d", meta.Consumer, seq, s.round, round)
	}
	if was, ok := d.names[seq]; ok {
		d.again++
		if was != name {
			s.complain("%s delivers message %d as %q, it was %q", meta.Consumer, seq, name, was)
		}
	}
	d.names[seq] = name
	return seq, nil
}

// ask notes that an acknowledgement is sent, confirm that it is confirmed.
func (d *deliveries) ask(seq uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[seq] = true
}

func (d *deliveries) confirm(seq uint64, round int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.confirmed[seq]; !ok {
		d.confirmed[seq] = round
	}
	for d.confirmed[d.lowest] > 0 {
		d.lowest++
	}
}

// settle acknowledges a message, and waits until that is certain.
func (d *deliveries) settle(s *session, m jetstream.Msg) error {
	seq, err := d.delivered(s, m)
	if err != nil {
		return err
	}
	d.ask(seq)
	if err := m.DoubleAck(s.ctx); err != nil {
		return err
	}
	d.confirm(seq, s.round)
	return nil
}

// settleMost settles messages side by side. Some it leaves, and some it wants once more.
func (d *deliveries) settleMost(s *session, list []jetstream.Msg) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, m := range list {
		switch what := s.random.IntN(20); {
		case s.last || what > 1:
			wg.Go(func() { errs[i] = d.settle(s, m) })
		default:
			if _, err := d.delivered(s, m); err != nil {
				return err
			}
			if what == 0 {
				errs[i] = m.Nak()
			}
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// checkInfo compares what a consumer says with what is known, for messages of which
// the last has a sequence.
func (d *deliveries) checkInfo(s *session, info *jetstream.ConsumerInfo, last uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	floor := info.AckFloor.Stream
	if floor < d.floor || floor+1 < d.lowest || floor > info.Delivered.Stream || info.Delivered.Stream > last {
		s.complain("%s says %+v: its floor was %d, all below %d are settled, the last message is %d", info.Name, info, d.floor, d.lowest, last)
	}
	d.floor = floor
	left := info.NumPending + uint64(info.NumAckPending)
	if most, least := last-uint64(len(d.confirmed)), last-uint64(len(d.asked)); left > most || left < least {
		s.complain("%s has %d messages pending and %d to be acknowledged, there must be %d to %d", info.Name, info.NumPending, info.NumAckPending, least, most)
	}
}

// fetch returns some of the messages that there are, and none if none comes for a
// moment.
func fetch(ctx context.Context, c jetstream.Consumer) (list []jetstream.Msg, err error) {
	batch, err := c.Fetch(100, jetstream.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		list = append(list, m)
	}
	if ctx.Err() == nil {
		err = batch.Error()
	}
	return list, err
}

// consumerPromise is a consumer of the log.
type consumerPromise struct {
	*deliveries
	log    *logPromise
	config jetstream.ConsumerConfig
}

func newConsumerPromise(log *logPromise, name string, policy jetstream.AckPolicy, push bool) *consumerPromise {
	c := &consumerPromise{deliveries: newDeliveries(), log: log, config: jetstream.ConsumerConfig{
		Durable: name, AckPolicy: policy, AckWait: ackWait, MaxAckPending: 1000,
	}}
	if push {
		c.config.DeliverSubject = "deliver." + name
	}
	return c
}

func (c *consumerPromise) prepare(s *session) (err error) {
	if c.config.DeliverSubject != "" {
		_, err = s.js.CreatePushConsumer(s.ctx, logStream, c.config)
	} else {
		_, err = s.js.CreateConsumer(s.ctx, logStream, c.config)
	}
	return err
}

func (c *consumerPromise) clients() []func(*session) error {
	switch {
	case c.config.DeliverSubject != "":
		return []func(*session) error{c.take}
	case c.config.AckPolicy == jetstream.AckAllPolicy:
		return []func(*session) error{c.pullAll}
	default:
		return []func(*session) error{c.pull, c.pull}
	}
}

// pull asks for messages and settles them, until there are none left in the last round.
func (c *consumerPromise) pull(s *session) error {
	return c.fetchWith(s, func(list []jetstream.Msg) error { return c.settleMost(s, list) })
}

// pullAll settles messages by acknowledging the last of them.
func (c *consumerPromise) pullAll(s *session) error {
	return c.fetchWith(s, func(list []jetstream.Msg) error {
		for _, m := range list {
			if _, err := c.delivered(s, m); err != nil {
				return err
			}
		}
		final := list[len(list)-1]
		meta, err := final.Metadata()
		if err != nil {
			return err
		}
		upTo := meta.Sequence.Stream
		for seq := c.lowestOpen(); seq <= upTo; seq++ {
			c.ask(seq)
		}
		if err := final.DoubleAck(s.ctx); err != nil {
			return err
		}
		for seq := c.lowestOpen(); seq <= upTo; seq++ {
			c.confirm(seq, s.round)
		}
		return nil
	})
}

// lowestOpen is the first sequence that is not confirmed.
func (d *deliveries) lowestOpen() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lowest
}

func (c *consumerPromise) fetchWith(s *session, f func([]jetstream.Msg) error) error {
	consumer, err := s.js.Consumer(s.ctx, logStream, c.config.Durable)
	if err != nil {
		return err
	}
	for s.ctx.Err() == nil {
		list, err := fetch(s.ctx, consumer)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			if err := f(list); err != nil {
				return err
			}
			continue
		}
		if info, err := consumer.Info(s.ctx); err != nil || s.last && info.NumPending == 0 && info.NumAckPending == 0 {
			return err
		}
	}
	return nil
}

// take settles what is delivered to it.
func (c *consumerPromise) take(s *session) error {
	consumer, err := s.js.PushConsumer(s.ctx, logStream, c.config.Durable)
	if err != nil {
		return err
	}
	come := make(chan jetstream.Msg, c.config.MaxAckPending)
	using, err := consumer.Consume(func(m jetstream.Msg) {
		select {
		case come <- m:
		case <-s.ctx.Done():
		}
	})
	if err != nil {
		return err
	}
	defer using.Stop()
	for {
		select {
		case m := <-come:
			list := []jetstream.Msg{m}
			for len(come) > 0 && len(list) < 100 {
				list = append(list, <-come)
			}
			if err := c.settleMost(s, list); err != nil {
				return err
			}
		case <-s.ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
			if !s.last {
				continue
			}
			if info, err := consumer.Info(s.ctx); err != nil || info.NumPending == 0 && info.NumAckPending == 0 {
				return err
			}
		}
	}
}

func (c *consumerPromise) check(s *session) {
	// Whichever way it delivers, this is where it tells how far it is.
	var info *jetstream.ConsumerInfo
	if c.config.DeliverSubject != "" {
		consumer, err := s.js.PushConsumer(s.ctx, logStream, c.config.Durable)
		if err != nil {
			s.complain("%s: %v", c.config.Durable, err)
			return
		}
		info = consumer.CachedInfo()
	} else {
		consumer, err := s.js.Consumer(s.ctx, logStream, c.config.Durable)
		if err != nil {
			s.complain("%s: %v", c.config.Durable, err)
			return
		}
		info = consumer.CachedInfo()
	}
	c.checkInfo(s, info, c.log.end())
	c.mu.Lock()
	defer c.mu.Unlock()
	for seq, name := range c.names {
		if was := c.log.at(seq); was != name {
			s.complain("%s has delivered message %d as %q, it is %q", c.config.Durable, seq, name, was)
		}
	}
}

// finish settles all that is left.
func (c *consumerPromise) finish(s *session) error {
	if err := c.clients()[0](s); err != nil {
		return err
	}
	for seq := uint64(1); seq <= c.log.end(); seq++ {
		// What was on its way to a client when a server ended, an acknowledgement of a later one
		// settles as well, if all before it are.
		if _, ok := c.names[seq]; !ok && c.config.AckPolicy != jetstream.AckAllPolicy {
			s.complain("%s has not delivered message %d", c.config.Durable, seq)
		}
		if !c.asked[seq] {
			s.complain("%s is through, but nobody has acknowledged message %d", c.config.Durable, seq)
		}
	}
	return nil
}

func (c *consumerPromise) sum() string {
	return fmt.Sprintf("%s has delivered %d messages, and again %d times; %d were confirmed", c.config.Durable, len(c.names), c.again, len(c.confirmed))
}

// workPromise is a stream that keeps messages until they are acknowledged.
type workPromise struct {
	*deliveries
	log *logPromise // names what is published
	// acks are the names of the messages that were acknowledged to be stored.
	acks map[uint64]string
}

const workStream, workConsumer = "WORK", "worker"

func newWorkPromise() *workPromise {
	return &workPromise{deliveries: newDeliveries(), log: newLogPromise(), acks: make(map[uint64]string)}
}

func (w *workPromise) prepare(s *session) error {
	_, err := s.js.CreateStream(s.ctx, jetstream.StreamConfig{
		Name: workStream, Subjects: []string{"work.>"}, AllowDirect: true, Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		return err
	}
	_, err = s.js.CreateConsumer(s.ctx, workStream, jetstream.ConsumerConfig{
		Durable: workConsumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 1000,
	})
	return err
}

func (w *workPromise) clients() []func(*session) error {
	return []func(*session) error{
		func(s *session) error { return w.publish(s, "a") },
		func(s *session) error { return w.publish(s, "b") },
		w.work, w.work,
	}
}

func (w *workPromise) publish(s *session, publisher string) error {
	for s.ctx.Err() == nil {
		name, m := w.log.say(publisher, nil)
		m.Subject = strings.Replace(m.Subject, "log", "work", 1)
		ack, err := s.js.PublishMsg(s.ctx, m)
		if err != nil {
			return err
		}
		w.mu.Lock()
		if was, ok := w.acks[ack.Sequence]; ok {
			s.complain("message %d of %s is %s, it was %s", ack.Sequence, workStream, name, was)
		}
		w.acks[ack.Sequence] = name
		w.mu.Unlock()
	}
	return nil
}

func (w *workPromise) work(s *session) error {
	consumer, err := s.js.Consumer(s.ctx, workStream, workConsumer)
	if err != nil {
		return err
	}
	for s.ctx.Err() == nil {
		list, err := fetch(s.ctx, consumer)
		if err == nil {
			err = w.settleMost(s, list)
		}
		if err != nil {
			return err
		}
		if s.last && len(list) == 0 {
			if info, err := consumer.Info(s.ctx); err != nil || info.NumPending == 0 && info.NumAckPending == 0 {
				return err
			}
		}
	}
	return nil
}

func (w *workPromise) check(s *session) {
	list, err := readStream(s, workStream, 1)
	if err != nil {
		s.complain("%v", err)
		return
	}
	stream, err := s.js.Stream(s.ctx, workStream)
	if err != nil {
		s.complain("%v", err)
		return
	}
	consumer, err := stream.Consumer(s.ctx, workConsumer)
	if err != nil {
		s.complain("%v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	left := make(map[uint64]bool)
	size := uint64(0)
	for _, m := range list {
		left[m.seq] = true
		size += m.size
		if m.name == "" {
			s.complain("message %d of %s is damaged", m.seq, workStream)
		}
		for what, names := range map[string]map[uint64]string{"acknowledged": w.acks, "delivered": w.names} {
			if name, ok := names[m.seq]; ok && name != m.name {
				s.complain("message %d of %s was %s as %s and is %s", m.seq, workStream, what, name, m.name)
			}
		}
		if round, ok := w.confirmed[m.seq]; ok {
			s.complain("message %d of %s is there, its acknowledgement was confirmed in round %d", m.seq, workStream, round)
		}
	}
	for seq, name := range w.acks {
		if !left[seq] && !w.asked[seq] {
			s.complain("message %d of %s, %s, is not there, and was not settled", seq, workStream, name)
		}
	}
	st, info := stream.CachedInfo().State, consumer.CachedInfo()
	n := uint64(len(list))
	if st.Msgs != n || st.Bytes != size || info.NumPending+uint64(info.NumAckPending) != n {
		s.complain("%s says %+v, and %d messages pending and %d to be acknowledged; there are %d of %d bytes", workStream, st, info.NumPending, info.NumAckPending, n, size)
	}
	if floor := info.AckFloor.Stream; floor < w.floor {
		s.complain("the floor of %s was %d and is %d", workStream, w.floor, floor)
	} else {
		w.floor = floor
	}
}

// finish settles all that is left.
func (w *workPromise) finish(s *session) error {
	if err := w.work(s); err != nil {
		return err
	}
	for seq, name := range w.acks {
		if _, ok := w.names[seq]; !ok {
			s.complain("message %d of %s, %s, was never delivered", seq, workStream, name)
		}
	}
	return nil
}

func (w *workPromise) sum() string {
	return fmt.Sprintf("%d messages were acknowledged as work and %d as done; %d were delivered, and again %d times", len(w.acks), len(w.confirmed), len(w.names), w.again)
}
