package jetstream

import (
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/sublist"
)

// tenant is an account that may use JetStream.
type tenant struct {
	e       *Engine
	account *account.Account
	limits  atomic.Pointer[AccountLimits]
	usage   usage
	// requests and failures count API requests, inflight those not answered yet.
	requests, failures atomic.Uint64
	inflight           atomic.Int64

	subs []*account.Subscription
}

// AccountLimits are what an account may use; -1 is no limit. See api.AccountLimits.
type AccountLimits = api.AccountLimits

func newTenant(e *Engine, a *account.Account) *tenant {
	t := &tenant{e: e, account: a}
	none := api.NoLimits
	t.limits.Store(&none)
	return t
}

// tenantLocked returns the account of a stream. One that may not use JetStream (any
// more) has its streams all the same, though nobody can ask for them.
func (e *Engine) tenantLocked(name string) *tenant {
	t := e.accounts[name]
	if t == nil {
		t = newTenant(e, account.New(name))
		e.accounts[name] = t
	}
	return t
}

// open begins to answer requests.
func (t *tenant) open() error {
	if len(t.subs) > 0 {
		return nil
	}
	for _, pattern := range t.e.apiPatterns() {
		t.subs = append(t.subs, &account.Subscription{Subject: pattern, Handler: t.request})
	}
	if d := t.e.cfg.Domain; d != "" {
		// From elsewhere the API is known by the name of the domain.
		prefix := api.DomainPrefix(d)
		t.subs = append(t.subs, t.alias(prefix, api.Prefix))
		for _, bucket := range []string{"$KV", "$OBJ"} {
			t.subs = append(t.subs, t.alias(prefix+"."+bucket, bucket))
		}
	}
	for _, sub := range t.subs {
		if err := t.account.Subscribe(sub); err != nil {
			return err
		}
	}
	return nil
}

// alias passes on what is published below a subject to what has the same name below
// another.
func (t *tenant) alias(from, to string) *account.Subscription {
	return &account.Subscription{Subject: from + ".>", Handler: func(m *account.Message) {
		f := t.account.NewFanout(account.Config{NoCache: true})
		passed := *m
		passed.Subject = append([]byte(to), m.Subject[len(from):]...)
		f.Deliver(f.Routes(passed.Subject), &passed)
		f.Flush()
	}}
}

// refuse answers the requests of an account that may not use JetStream, unless it uses
// that of another account by the same name.
func refuse(a *account.Account) error {
	if a.ImportsService(api.Prefix + ".>") {
		return nil
	}
	return a.Subscribe(&account.Subscription{Subject: api.Prefix + ".>", Handler: func(m *account.Message) {
		call, ok := api.Parse(string(m.Subject))
		if !ok || len(m.Reply) == 0 {
			return
		}
		if reply := call.Op.NewReply(); reply != nil {
			a.Publish(account.NewMessage(string(m.Reply), mustJSON(call.Op.Fail(api.ErrNotEnabledForAccount))))
		}
	}})
}

// close ends answering requests.
func (t *tenant) close() { t.account.UnsubscribeAll(t.subs) }

// listening reports whether anybody listens to a subject.
func (t *tenant) listening(subject string) bool {
	return t.account.HasInterest(subject)
}

// hears is listening for the members of a queue group, if one is given.
func (t *tenant) hears(subject, queue string) bool {
	if queue == "" {
		return t.listening(subject)
	}
	var r sublist.Result[*account.Subscription]
	t.account.Interest().Match([]byte(subject), &r)
	for _, g := range r.Queues {
		if g.Name == queue {
			return true
		}
	}
	return false
}

// checkStream checks what a stream may hold against the limits for a single one, and
// that it does not feed on itself.
func (t *tenant) checkStream(c *api.StreamConfig) *api.Error {
	circular := false
	t.e.meta.view(func(state *meta.State) { circular = state.Circular(t.account.Name(), c) })
	if circular {
		return api.ErrStreamInvalidConfig.With("err", "detected cycle")
	}
	l := t.limits.Load()
	most := l.StoreMaxStreamBytes
	if c.Storage == api.MemoryStorage {
		most = l.MemoryMaxStreamBytes
	}
	switch {
	case l.MaxBytesRequired && c.MaxBytes <= 0:
		return api.ErrStreamMaxBytesRequired
	case most > 0 && c.MaxBytes > most:
		return api.ErrStreamMaxStreamBytesExceeded
	}
	return nil
}

// refusal says why a message of so many bytes can not be taken, if so.
func (t *tenant) refusal(storage api.Storage, size int64) *api.Error {
	l := t.limits.Load()
	limit, own := l.MaxStorage, t.e.cfg.MaxFile
	if storage == api.MemoryStorage {
		limit, own = l.MaxMemory, t.e.cfg.MaxMemory
	}
	if limit < 0 && own <= 0 {
		return nil
	}
	if own > 0 && t.e.usage.of(storage)+size > own {
		return api.ErrInsufficientResources
	}
	if limit >= 0 && t.usage.of(storage)+size > limit {
		return api.ErrAccountResourcesExceeded
	}
	return nil
}

// metaLimits are the limits as the group of assets goes by them.
func (t *tenant) metaLimits() meta.Limits {
	l := t.limits.Load()
	return meta.Limits{Streams: l.MaxStreams, Consumers: l.MaxConsumers, Memory: l.MaxMemory, File: l.MaxStorage}
}
