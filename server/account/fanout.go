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
	cache *cache
	// stages are those of the publisher, which it shares with the Fanouts for other
	// accounts; home holds them, to be near.
	stages *stages
	home   stages
	// own is the stage of self, nil until it is needed.
	own *stage
	// counted are the routes with deliveries that their subscriptions do not
	// know of yet.
	counted []*Routes
	// prefix is where the prefixes of routes that keep none are made, local where
	// the subject is that a message has in an importing account.
	prefix, local []byte
	// imported is what handlers of an importing account are called with.
	imported Message
	// head is what encoders for other servers are called with.
	head     Head
	matching Matching
	// abroad are those for other accounts that messages go on to, nil if there are
	// none.
	abroad map[*Account]*abroad
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
	f.stages = &f.home
	f.rng.Seed(c.Seed, uint64(len(a.name)))
	return f
}

// Account is the account that messages are published in.
func (f *Fanout) Account() *Account { return f.acc }

// Own appends b to what goes to the publisher itself, behind everything that
// its own messages brought it. There must be a Self.
func (f *Fanout) Own(b []byte) {
	f.ownStage().list.Append(b)
	f.stages.staged += len(b)
}

// OwnString is Own for a string.
func (f *Fanout) OwnString(s string) {
	f.ownStage().list.AppendString(s)
	f.stages.staged += len(s)
}

func (f *Fanout) ownStage() *stage {
	if f.own == nil {
		f.own = f.stages.find(f.self)
	}
	f.stages.note(f.own)
	return f.own
}

// Deliver stages a message for everybody that the routes, those of its subject,
// name, and tells how many that are, where another server is one.
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
	for i, g := range r.groups {
		switch {
		case f.deliverOne(r.members[g.start:g.end], m, forwarded):
			delivered++
		case r.remote != nil:
			f.draw(r, i, m)
		}
	}
	if r.remote != nil {
		delivered += f.deliverRemote(r.remote, m, forwarded)
	}
	f.noteCounted(r)
	return delivered
}

// noteCounted remembers that routes have counted deliveries. It comes behind them,
// since deliver may settle.
func (f *Fanout) noteCounted(r *Routes) {
	if !r.counted {
		r.counted = true
		f.counted = append(f.counted, r)
	}
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
	if rt.shadow {
		if !f.exports(rt, m) {
			return false
		}
		sub = sub.passage.of
	}
	if sub.closed.Load() {
		return false
	}
	t := sub.Target
	if t == nil {
		return f.deliverInside(rt, m, forwarded)
	}
	if t.closed.Load() || t == f.self && !f.echo || t.leftOut() {
		return false
	}
	if sub.filtered.Load() && !sub.Filter.CanDeliver(f.shown(rt, m, forwarded), sub.Queue) {
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
		f.prefix = appendPrefix(f.prefix[:0], f.shown(rt, m, forwarded), sub.SID)
		prefix = f.prefix
	}
	f.stages.staged += st.message(prefix, m, t.headers.Load())
	if last {
		sub.exhausted()
	}
	return true
}

// deliverInside gives a message to a handler, or to another account.
func (f *Fanout) deliverInside(rt *route, m *Message, forwarded bool) bool {
	sub := rt.owner()
	switch {
	case sub.Handler == nil:
		if !sub.passage.cross.cross(f, rt.prefix, m, manner{forwarded: forwarded}) {
			return false
		}
	case rt.shadow && !forwarded:
		f.imported = *m
		f.imported.Subject = f.shown(rt, m, false)
		sub.Handler(&f.imported)
		f.imported = Message{}
	default:
		sub.Handler(m)
	}
	rt.delivered++
	return true
}

// Staged is the number of bytes that wait for Flush.
func (f *Fanout) Staged() int { return f.stages.staged }

// Settle makes subscriptions count what was delivered to them so far.
func (f *Fanout) Settle() {
	for i, r := range f.counted {
		r.counted = false
		r.count()
		f.counted[i] = nil
	}
	f.counted = f.counted[:0]
	for _, there := range f.abroad {
		there.Settle()
	}
}

// Flush hands everything over and has it written. It returns a channel if a
// receiver is far behind, for the publisher to wait on a moment. It should also
// be called now and then when nothing is published, for memory to be given up.
func (f *Fanout) Flush() (behind <-chan struct{}) {
	f.Settle()
	f.addMatching()
	behind = f.stages.flush(f.self)
	f.stages.staged = 0
	if f.cache != nil {
		f.tidy()
	}
	return behind
}

func (f *Fanout) addMatching() {
	f.acc.matching.add(&f.matching)
	for _, there := range f.abroad {
		there.addMatching()
	}
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
	f.forgetScratch()
	f.idle++
	n, weight, kept := len(f.stages.of), 0, 0
	f.measure(&weight, &kept)
	switch {
	case f.idle > idleFlushes:
		*f.stages = stages{}
		f.cache, f.own, f.abroad = nil, nil, nil
	case n > idleStages+2*weight:
		f.stages.of, f.own = nil, nil
		f.clearCaches()
	case f.stages.flushed > sweepPause+n+kept:
		f.stages.sweep()
		f.sweepCaches()
	}
}

// These do something with the caches of a Fanout and of those abroad.

func (f *Fanout) forgetScratch() {
	f.cache.scratch.forget()
	for _, there := range f.abroad {
		there.forgetScratch()
	}
}

func (f *Fanout) measure(weight, kept *int) {
	*weight += f.cache.weight
	*kept += len(f.cache.kept)
	for _, there := range f.abroad {
		there.measure(weight, kept)
	}
}

func (f *Fanout) clearCaches() {
	f.cache.clear()
	for _, there := range f.abroad {
		there.clearCaches()
	}
}

// sweepCaches also forgets those abroad that nothing went to since the last sweep.
func (f *Fanout) sweepCaches() {
	f.cache.sweep(f.acc.subs.Generation())
	for acc, there := range f.abroad {
		if !there.used {
			delete(f.abroad, acc)
			continue
		}
		there.used = false
		there.sweepCaches()
	}
}
