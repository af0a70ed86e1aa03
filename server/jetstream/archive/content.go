package archive

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// content checks that what is in an archive fits together. It is told of everything
// in order, by who writes and by who reads.
type content struct {
	state api.StreamState
	// consumers are the names of those there were.
	consumers map[string]struct{}
	messages  uint64
	// last is the number of the last message.
	last store.Seq
}

// checkState takes the state that all else is checked against.
func (c *content) checkState(s *api.StreamState) error {
	switch {
	case s.Consumers < 0 || s.Consumers > maxConsumers:
		return fmt.Errorf("%d consumers, more than %d", s.Consumers, maxConsumers)
	case s.LastSeq > maxSeq || s.FirstSeq > s.LastSeq+1,
		s.Msgs > 0 && (s.FirstSeq == 0 || s.FirstSeq > s.LastSeq || s.Msgs > s.LastSeq-s.FirstSeq+1):
		return fmt.Errorf("%d messages from %d to %d", s.Msgs, s.FirstSeq, s.LastSeq)
	case !isMoment(s.FirstTime):
		return fmt.Errorf("first time %v", s.FirstTime)
	case !isMoment(s.LastTime):
		return fmt.Errorf("last time %v", s.LastTime)
	}
	c.state = *s
	c.consumers = make(map[string]struct{})
	return nil
}

// isMoment reports whether a time is one of messages, or the zero time.
func isMoment(t time.Time) bool {
	return t.IsZero() || !t.Before(time.Unix(0, 0)) && !t.After(time.Unix(0, maxTime))
}

// consumersLeft returns how many consumers are still to come.
func (c *content) consumersLeft() int { return c.state.Consumers - len(c.consumers) }

// checkConsumer checks a consumer, and cuts off what its state has behind the end of
// the stream: it may be of a later moment than the messages.
func (c *content) checkConsumer(x *Consumer) error {
	_, twice := c.consumers[x.Name]
	switch {
	case c.consumersLeft() == 0:
		return fmt.Errorf("more consumers than %d", c.state.Consumers)
	case !api.IsName(x.Name) || api.HasPathSeparator(x.Name):
		return errors.New("the name is not valid")
	case twice:
		return errors.New("a second one with that name")
	case x.Config == nil:
		return errors.New("the configuration is missing")
	case x.State == nil:
		return errors.New("the state is missing")
	case x.Config.Name != "" && x.Config.Name != x.Name, x.Config.Durable != "" && x.Config.Durable != x.Name:
		return errors.New("the configuration has another name")
	}
	if err := x.State.check(); err != nil {
		return err
	}
	x.State = x.State.upTo(store.Seq(c.state.LastSeq))
	c.consumers[x.Name] = struct{}{}
	return nil
}

// checkMessage checks the head and the subject of a message.
func (c *content) checkMessage(seq store.Seq, time int64, sub []byte) error {
	switch {
	case seq == 0:
		return fmt.Errorf("%.64q has no number", sub)
	case seq <= c.last:
		return fmt.Errorf("it comes behind message %d", c.last)
	case seq < store.Seq(c.state.FirstSeq) || seq > store.Seq(c.state.LastSeq):
		return fmt.Errorf("the messages are %d to %d", c.state.FirstSeq, c.state.LastSeq)
	case c.messages == c.state.Msgs:
		return fmt.Errorf("more messages than %d", c.state.Msgs)
	case time < 0 || time > maxTime:
		return fmt.Errorf("its time is %d", time)
	case !subject.IsLiteral(sub):
		return fmt.Errorf("its subject %.64q is not valid", sub)
	}
	c.messages++
	c.last = seq
	return nil
}
