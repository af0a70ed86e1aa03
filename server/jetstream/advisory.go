package jetstream

import (
	"encoding/json"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
)

// advise publishes an event of the account, if anybody listens.
func (t *tenant) advise(subject string, event any) { t.e.advise(t.account, subject, event) }

func (e *Engine) advise(a *account.Account, subject string, event any) {
	if !a.Interest().HasInterest([]byte(subject)) {
		return
	}
	b, err := json.Marshal(event)
	if err != nil {
		e.cfg.Logger.Errorf("JetStream: encoding an advisory: %v", err)
		return
	}
	a.Publish(account.NewMessage(subject, b))
}

// audit tells of a request and what it was answered.
func (r *request) audit(response []byte) {
	t := r.tenant
	if !t.listening(api.EventAPI) {
		return
	}
	e := t.e
	t.advise(api.EventAPI, &api.APIAudit{
		Event: e.event(api.TypeAPIAudit), Server: e.cfg.Name, Client: r.client(), Subject: r.subject,
		Request: string(r.body), Response: string(response), Domain: e.cfg.Domain,
	})
}

// client describes who has asked, as advisories do; nil if that was the server.
func (r *request) client() json.RawMessage {
	if r.from == nil || r.tenant.e.cfg.Client == nil {
		return r.told
	}
	return r.tenant.e.cfg.Client(r.from)
}

// limitReached tells operators that requests were dropped.
func (e *Engine) limitReached(dropped int) {
	if e.cfg.System == nil {
		return
	}
	e.advise(e.cfg.System, api.EventAPILimitReached, &api.APILimitReached{
		Event: e.event(api.TypeAPILimitReached), Server: e.cfg.Name, Domain: e.cfg.Domain, Dropped: int64(dropped),
	})
}

func (e *Engine) event(kind string) api.Event {
	return api.NewEvent(kind, e.cfg.NewID(), e.cfg.Clock.Now())
}

var streamActions = map[string]string{
	api.ActionEventCreate: api.EventStreamCreated, api.ActionEventModify: api.EventStreamUpdated, api.ActionEventDelete: api.EventStreamDeleted,
}

func (t *tenant) streamAdvisory(stream, action string) {
	t.advise(api.EventSubject(streamActions[action], stream, ""), &api.StreamActionEvent{
		Event: t.e.event(api.TypeStreamAction), Stream: stream, Action: action, Domain: t.e.cfg.Domain,
	})
}

func (t *tenant) consumerAdvisory(stream, consumer, action string) {
	subject := api.EventConsumerCreated
	if action == api.ActionEventDelete {
		subject = api.EventConsumerDeleted
	}
	t.advise(api.EventSubject(subject, stream, consumer), &api.ConsumerActionEvent{
		Event: t.e.event(api.TypeConsumerAction), Stream: stream, Consumer: consumer, Action: action, Domain: t.e.cfg.Domain,
	})
}

func (t *tenant) batchAbandoned(s *stream, a streamcore.Abandoned) {
	name := s.assigned.Load().Name()
	t.advise(api.EventSubject(api.EventStreamBatchAbandoned, name, ""), &api.BatchAbandoned{
		Event: t.e.event(api.TypeStreamBatchAbandoned), Account: t.account.Name(), Domain: t.e.cfg.Domain,
		Stream: name, Batch: a.Batch, Reason: a.Reason,
	})
}

// advise publishes what the engine of the consumer advises.
func (c *consumer) advise(a *consumercore.Advice) {
	st, name, t := c.stream.assigned.Load().Name(), c.assigned.Load().Name(), c.stream.tenant
	publish := func(subject, kind string, event func(api.Event) any) {
		if subject = api.EventSubject(subject, st, name); t.listening(subject) {
			t.advise(subject, event(c.e.event(kind)))
		}
	}
	domain, acc := c.e.cfg.Domain, t.account.Name()
	switch a.Kind {
	case consumercore.Naked:
		publish(api.EventNaked, api.TypeNak, func(e api.Event) any {
			return &api.DeliveryNaked{
				Event: e, Stream: st, Consumer: name, ConsumerSeq: uint64(a.Consumer), StreamSeq: uint64(a.Stream),
				Deliveries: uint64(a.Count), Domain: domain,
			}
		})
	case consumercore.Terminated:
		publish(api.EventTerminated, api.TypeTerminated, func(e api.Event) any {
			return &api.DeliveryTerminated{
				Event: e, Stream: st, Consumer: name, ConsumerSeq: uint64(a.Consumer), StreamSeq: uint64(a.Stream),
				Deliveries: uint64(a.Count), Reason: a.Reason, Domain: domain,
			}
		})
	case consumercore.MaxDeliveries:
		publish(api.EventMaxDeliveries, api.TypeMaxDeliver, func(e api.Event) any {
			return &api.DeliveryExceeded{
				Event: e, Stream: st, Consumer: name, StreamSeq: uint64(a.Stream), Deliveries: uint64(a.Count), Domain: domain,
			}
		})
	case consumercore.Paused:
		publish(api.EventConsumerPause, api.TypeConsumerPause, func(e api.Event) any {
			return &api.ConsumerPauseEvent{
				Event: e, Stream: st, Consumer: name, Paused: a.Until > 0, PauseUntil: moment(a.Until), Domain: domain,
			}
		})
	case consumercore.Pinned:
		publish(api.EventConsumerPinned, api.TypeConsumerGroupPinned, func(e api.Event) any {
			return &api.ConsumerGroupPinned{Event: e, Account: acc, Domain: domain, Stream: st, Consumer: name, Group: a.Group, PinnedID: a.PinID}
		})
	case consumercore.Unpinned:
		publish(api.EventConsumerUnpinned, api.TypeConsumerGroupUnpinned, func(e api.Event) any {
			return &api.ConsumerGroupUnpinned{Event: e, Account: acc, Domain: domain, Stream: st, Consumer: name, Group: a.Group, Reason: a.Reason}
		})
	case consumercore.Sampled:
		publish(api.EventConsumerAck, api.TypeConsumerAck, func(e api.Event) any {
			return &api.ConsumerAckMetric{
				Event: e, Stream: st, Consumer: name, ConsumerSeq: uint64(a.Consumer), StreamSeq: uint64(a.Stream),
				Delay: a.AckTime, Deliveries: uint64(a.Count), Domain: domain,
			}
		})
	}
}
