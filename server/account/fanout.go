package account

import "math/rand/v2"

// Fanout takes the messages of one publisher to the subscriptions of an
// account. It is used by one goroutine at a time.
type Fanout struct {
	acc  *Account
	self *Target
	echo bool
	// allowed tells whether the publisher may publish to a subject; nil allows
	// everything. Its answers are kept with the routes.
	allowed func(subject []byte) bool
	cached  bool

	// cache is nil while nothing is published.
	cache  *cache
	stages stages
	// own is the stage of self, nil until it is needed.
	own *stage
	// counted are the routes with deliveries that their subscriptions do not
	// know of yet.
	counted []*Routes
	// staged is the number of bytes in all stages.
	staged int
	// prefix is where the prefixes of routes that keep none are made.
	prefix   []byte
	matching Matching
	// idle is how often it was flushed since something was last published.
	idle int

	rng rand.PCG
}

// Config says for whom a Fanout works.
type Config struct {
	// Self is the publisher's own target, nil if it has none.
	Self *Target
	// NoEcho keeps messages from the publisher's own subscriptions.
	NoEcho bool
	// Allowed tells whether the publisher may publish to a subject; nil allows
	// everything. Its answers must not change, for they are kept.
	Allowed func(subject []byte) bool
	// NoCache looks routes up for each message.
	NoCache bool
	// Seed makes the choice of queue members repeatable.
	Seed uint64
}

// NewFanout returns a Fanout for the account.
func (a *Account) NewFanout(c Config) *Fanout {
	f := &Fanout{
		acc:     a,
		self:    c.Self,
		echo:    !c.NoEcho,
		allowed: c.Allowed,
		cached:  !c.NoCache,
	}
	f.rng.Seed(c.Seed, uint64(len(a.name)))
	return f
}

// Account is the account that messages are published in.
func (f *Fanout) Account() *Account { return f.acc }

// Own appends b to what goes to the publisher itself, behind everything that
// its own messages brought it. There must be a Self.
func (f *Fanout) Own(b []byte) {
	f.ownStage().list.Append(b)
	f.staged += len(b)
}

// OwnString is Own for a string.
func (f *Fanout) OwnString(s string) {
	f.ownStage().list.AppendString(s)
	f.staged += len(s)
}

func (f *Fanout) ownStage() *stage {
	if f.own == nil {
		f.own = f.stages.find(f.self)
	}
	f.stages.note(f.own)
	return f.own
}

// Deliver stages a message for everybody that the routes, those of its subject,
// name, and tells how many that are.
func (f *Fanout) Deliver(r *Routes, m *Message) (delivered int) {
	return f.deliverAll(r, m, false)
}

// Forward is Deliver for a message that was published to another subject than
// that of the routes, and goes on to theirs: receivers see its own.
func (f *Fanout) Forward(r *Routes, m *Message) (delivered int) {
	return f.deliverAll(r, m, true)
}

func (f *Fanout) deliverAll(r *Routes, m *Message, forwarded bool) (delivered int) {
	for i := range r.plain {
		if f.deliver(&r.plain[i], m, forwarded) {
			delivered++
		}
	}
	for _, g := range r.groups {
		if f.deliverOne(r.members[g.start:g.end], m, forwarded) {
			delivered++
		}
	}
	if !r.counted {
		// Only now, since deliver may settle.
		r.counted = true
		f.counted = append(f.counted, r)
	}
	return delivered
}

// deliverOne stages a message for one of the members, drawn at random from
// those who may have it. The members change their order.
func (f *Fanout) deliverOne(members []route, m *Message, forwarded bool) bool {
	for n := len(members); n > 0; n-- {
		i := f.pick(n)
		if f.deliver(&members[i], m, forwarded) {
			return true
		}
		members[i], members[n-1] = members[n-1], members[i]
	}
	return false
}

// DeliverTo stages a message for one subscription of the account, and reports
// whether that may have it.
func (f *Fanout) DeliverTo(s *Subscription, m *Message) bool {
	f.wake()
	rt := route{sub: s}
	ok := f.deliver(&rt, m, false)
	rt.count()
	return ok
}

// Random gives a random number below n.
func (f *Fanout) Random(n uint32) uint32 {
	return uint32((f.rng.Uint64() >> 32) * uint64(n) >> 32)
}

// pick chooses one of n at random.
func (f *Fanout) pick(n int) int {
	if n == 1 {
		return 0
	}
	return int(f.Random(uint32(n)))
}

// deliver stages a message for one subscription, if that may have it. A forwarded
// one keeps its subject, which is not that of the route.
func (f *Fanout) deliver(rt *route, m *Message, forwarded bool) bool {
	sub := rt.sub
	if sub.closed.Load() {
		return false
	}
	if sub.Handler != nil {
		rt.delivered++
		sub.Handler(m)
		return true
	}
	t := sub.Target
	if t.closed.Load() || t == f.self && !f.echo || t.leftOut() {
		return false
	}
	if sub.filtered.Load() && !sub.Filter.CanDeliver(m.Subject, sub.Queue) {
		return false
	}
	st := rt.stage
	if st == nil {
		st = f.stages.find(t)
		rt.stage = st
	}
	f.stages.note(st)
	if sub.closed.Load() {
		return false // before the stage was noted
	}
	last := false
	if max := sub.max.Load(); max == 0 {
		rt.delivered++
	} else {
		if !rt.limited {
			// From now on each message is counted as it comes, but there may
			// be some from before that are not.
			rt.limited = true
			f.Settle()
		}
		var ok bool
		if ok, last = sub.take(max); !ok {
			return false
		}
	}
	if len(m.Reply) > 0 && t.replies.Load() {
		t.Receiver.TrackReply(m.Reply)
	}
	prefix := rt.prefix
	if prefix == nil || forwarded {
		f.prefix = appendPrefix(f.prefix[:0], m.Subject, sub.SID)
		prefix = f.prefix
	}
	f.staged += st.message(prefix, m, t.headers.Load())
	if last {
		sub.exhausted()
	}
	return true
}

// Staged is the number of bytes that wait for Flush.
func (f *Fanout) Staged() int { return f.staged }

// Settle makes subscriptions count what was delivered to them so far.
func (f *Fanout) Settle() {
	for i, r := range f.counted {
		r.counted = false
		r.count()
		f.counted[i] = nil
	}
	f.counted = f.counted[:0]
}

// Flush hands everything over and has it written. It returns a channel if a
// receiver is far behind, for the publisher to wait on a moment. It should also
// be called now and then when nothing is published, for memory to be given up.
func (f *Fanout) Flush() (behind <-chan struct{}) {
	f.Settle()
	f.acc.matching.add(&f.matching)
	behind = f.stages.flush(f.self)
	f.staged = 0
	if f.cache != nil {
		f.tidy()
	}
	return behind
}

const (
	// idleFlushes is after how many flushes with nothing published in between a
	// Fanout forgets everything.
	idleFlushes = 3
	// idleStages is how many stages a Fanout keeps for targets that none of its
	// kept routes lead to.
	idleStages = 256
	// sweepPause is how many stages at least are flushed between sweeps.
	sweepPause = 256
)

// wake must be called when something is published.
func (f *Fanout) wake() {
	f.idle = 0
	if f.cache == nil {
		f.cache = new(cache)
	}
}

// tidy forgets what is of no more use, so that connections that are gone do not
// stay in memory: everything when nothing is published any more, and all stages
// when there are too many; now and then the stages of targets that are closed,
// and the routes that led there. Nothing may be staged.
func (f *Fanout) tidy() {
	f.cache.scratch.forget()
	f.idle++
	switch n := len(f.stages.of); {
	case f.idle > idleFlushes:
		f.cache, f.stages, f.own = nil, stages{}, nil
	case n > idleStages+2*f.cache.weight:
		f.stages.of, f.own = nil, nil
		f.cache.clear()
	case f.stages.flushed > sweepPause+n+len(f.cache.kept):
		f.stages.sweep()
		f.cache.sweep(f.acc.subs.Generation())
	}
}
