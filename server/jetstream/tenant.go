package jetstream

import (
	"errors"
	"slices"
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

	// subs are those of an account that may use JetStream. They are made before anybody
	// else has the tenant.
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
	if t.enabled() {
		return nil
	}
	t.subs = append(t.subs, t.apiSubscriptions(false)...)
	if d := t.e.cfg.Domain; d != "" {
		// From elsewhere the API is known by the name of the domain.
		prefix := api.DomainPrefix(d)
		t.subs = append(t.subs, t.alias(prefix, api.Prefix))
		for _, bucket := range []string{"$KV", "$OBJ"} {
			t.subs = append(t.subs, t.alias(prefix+"."+bucket, bucket))
		}
	}
	return t.subscribe()
}

// openSystem begins to answer the requests of operators, in the system account.
func (t *tenant) openSystem() error {
	t.subs = t.apiSubscriptions(true)
	return t.subscribe()
}

func (t *tenant) subscribe() error {
	for _, sub := range t.subs {
		if err := t.account.Subscribe(sub); err != nil {
			return err
		}
	}
	return nil
}

// enabled reports whether the account may use JetStream.
func (t *tenant) enabled() bool { return len(t.subs) > 0 }

// alias passes on what is published below a subject to what has the same name below
// another.
func (t *tenant) alias(from, to string) *account.Subscription {
	return &account.Subscription{Subject: from + ".>", Queue: t.e.apiQueue(), Handler: func(m *account.Message) {
		f := t.account.NewFanout(account.Config{NoCache: true})
		passed := *m
		passed.Subject = append([]byte(to), m.Subject[len(from):]...)
		f.Deliver(f.Routes(passed.Subject), &passed)
		f.Flush()
	}}
}

// refusal answers the requests of an account that may not use JetStream. It is in a queue group of
// its own: in the system account others listen to those of operators.
func refusal(a *account.Account, queue string) *account.Subscription {
	if queue != "" {
		queue += ".refused"
	}
	return &account.Subscription{Subject: api.Prefix + ".>", Queue: queue, Handler: func(m *account.Message) {
		call, ok := api.Parse(string(m.Subject))
		if !ok || len(m.Reply) == 0 || call.Op.IsSystem() {
			return
		}
		if reply := call.Op.NewReply(); reply != nil {
			a.Publish(account.NewMessage(string(m.Reply), mustJSON(call.Op.Fail(api.ErrNotEnabledForAccount))))
		}
	}}
}

// Serve sets the accounts that may use JetStream, with their limits, and those that
// are told that they may not. It may be called again: the streams of an account that
// may not use JetStream any more are kept, and are back when it may.
func (e *Engine) Serve(accounts map[*account.Account]AccountLimits, others []*account.Account) error {
	moved, err := e.setAccounts(accounts, others)
	if len(moved) == 0 {
		return err
	}
	// Who asks from here on meets none of those that end.
	placed := make(chan error, 1)
	e.restart(moved, func(err error) { placed <- err })
	return errors.Join(err, <-placed)
}

// setAccounts puts accounts into force, and returns the streams that are not in the one
// that they belong to.
func (e *Engine) setAccounts(accounts map[*account.Account]AccountLimits, others []*account.Account) (moved []*stream, _ error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for a, sub := range e.refused {
		if !slices.Contains(others, a) || a.ImportsService(api.Prefix+".>") {
			a.Unsubscribe(sub)
			delete(e.refused, a)
		}
	}
	for name, t := range e.accounts {
		if _, may := accounts[t.account]; !may && t.enabled() {
			t.close()
			delete(e.accounts, name)
		}
	}
	for _, a := range others {
		// One that imports the API uses that of another account.
		if e.refused[a] == nil && !a.ImportsService(api.Prefix+".>") {
			e.refused[a] = refusal(a, e.apiQueue())
			errs = append(errs, a.Subscribe(e.refused[a]))
		}
	}
	for a, l := range accounts {
		t := e.accounts[a.Name()]
		if t == nil || t.account != a {
			t = newTenant(e, a)
			e.accounts[a.Name()] = t
		}
		t.limits.Store(&l)
		if !e.retired {
			errs = append(errs, t.open())
		}
	}
	for _, s := range e.streams {
		if s.tenant != e.tenantLocked(s.tenant.account.Name()) {
			moved = append(moved, s)
		}
	}
	return moved, errors.Join(errs...)
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

// checkStream checks that a stream does not feed on itself.
func (t *tenant) checkStream(c *api.StreamConfig) *api.Error {
	circular := false
	t.e.meta.view(func(state *meta.State) { circular = state.Circular(t.account.Name(), c) })
	if circular {
		return api.ErrStreamInvalidConfig.With("err", "detected cycle")
	}
	return nil
}

// followOrigin has a mirror of a stream of the account allow direct gets like that.
func (t *tenant) followOrigin(c *api.StreamConfig) {
	if c.Mirror == nil || c.Mirror.External != nil {
		return
	}
	if origin := t.e.assigned(t.account.Name(), c.Mirror.Name); origin != nil {
		c.MirrorDirect = origin.Config.AllowDirect
	}
}

// refusal says why a message of so many bytes can not be taken, if so.
func (t *tenant) refusal(storage api.Storage, size int64) *api.Error {
	l, own := t.limits.Load(), t.e.limits.Load().of(storage)
	limit := l.MaxStorage
	if storage == api.MemoryStorage {
		limit = l.MaxMemory
	}
	if own >= 0 && t.e.usage.of(storage)+size > own {
		return api.ErrInsufficientResources
	}
	if limit >= 0 && t.usage.of(storage)+size > limit {
		return api.ErrAccountResourcesExceeded
	}
	return nil
}

// of returns what streams with a kind of storage may hold together.
func (l *Limits) of(storage api.Storage) int64 {
	if storage == api.MemoryStorage {
		return l.MaxMemory
	}
	return l.MaxFile
}

// metaLimits are the limits as the group of assets goes by them.
func (t *tenant) metaLimits() meta.Limits {
	l, own := t.limits.Load(), t.e.limits.Load()
	streams := l.MaxStreams
	if streams <= 0 {
		streams = -1
	}
	all := meta.Limits{
		Streams: streams, Memory: l.MaxMemory, File: l.MaxStorage, AllMemory: own.MaxMemory, AllFile: own.MaxFile,
		StreamMemory: l.MemoryMaxStreamBytes, StreamFile: l.StoreMaxStreamBytes, BytesRequired: l.MaxBytesRequired,
	}
	if t.e.founder != nil {
		// Who chooses servers looks at the room of each.
		all.AllMemory, all.AllFile = -1, -1
	}
	return all
}
