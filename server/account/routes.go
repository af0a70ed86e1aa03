package account

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/sublist"
)

// Routes are the subscriptions that get the messages of one subject.
type Routes struct {
	// Allowed tells whether the publisher may publish to the subject at all.
	Allowed bool

	// subject is that of kept routes.
	subject string
	// gen is the generation of the interest that the routes were found in.
	gen   uint64
	plain []route
	// members are those of all queue groups; each group is a span of them.
	members []route
	groups  []span
	// prefixes is what the routes' prefixes are cut from.
	prefixes []byte
	// remote are those to other servers, nil as a rule.
	remote *remoteRoutes
	// scratch routes belong to the cache, which fills them anew for every
	// subject that is not kept.
	scratch bool
	// counted is true while the routes are in the Fanout's list.
	counted bool
	// particular routes hold more of their subject than who gets it.
	particular bool
}

// route leads to one subscription.
type route struct {
	sub *Subscription
	// stage is nil until the first message.
	stage *stage
	// prefix is what messages begin with, nil in scratch routes and for
	// handlers; of a subscription that leads into another account it is the subject
	// there.
	prefix []byte
	// delivered is what the subscription does not know of yet.
	delivered int32
	// limited is set when the subscription was seen to have a maximum.
	limited bool
	// shadow is set if sub is one, and another account's subscription gets the
	// messages. It is not asked of sub, since this costs nothing.
	shadow bool
}

type span struct {
	start, end int
	// name is that of the queue group.
	name string
}

// None tells whether nobody listens.
func (r *Routes) None() bool {
	return len(r.plain) == 0 && len(r.groups) == 0 && (r.remote == nil || len(r.remote.copies) == 0)
}

// Routes finds who gets messages to a subject. The result is valid until the
// next call of Routes or Flush.
func (f *Fanout) Routes(subject []byte) *Routes {
	f.wake()
	f.matching.Lookups++
	gen := f.acc.subs.Generation()
	r := f.cache.find(subject)
	if r != nil {
		if r.gen != gen {
			f.resolve(r, subject, gen)
		}
		return r
	}
	if f.cached && f.cache.again(subject, &f.rng) {
		r = f.cache.keep(subject)
	} else {
		r = &f.cache.scratch
		r.scratch = true
	}
	r.Allowed = f.allowed == nil || f.allowed(subject)
	f.resolve(r, subject, gen)
	return r
}

// resolve looks up the routes of a subject. r may hold old ones.
func (f *Fanout) resolve(r *Routes, subject []byte, gen uint64) {
	found, remote := &f.cache.result, &f.cache.remote
	r.gen = gen
	f.acc.subs.Match(subject, found)
	n := uint64(len(found.Plain))
	for i := range found.Queues {
		n += uint64(len(found.Queues[i].Members))
	}
	f.matching.Found++
	f.matching.Receivers += n
	f.matching.MaxReceivers = max(f.matching.MaxReceivers, n)
	if f.acc.remote.Load() {
		remote.split(found)
	}
	// Most changes of interest are about other subjects.
	if r.scratch && r.particular || !r.leadTo(found) || !r.remote.leadTo(remote) {
		before := r.weight()
		r.count()
		r.replace(found, subject)
		r.replaceRemote(f.acc, remote, subject)
		if !r.scratch {
			f.cache.weight += r.weight() - before
		}
	}
	// The memory is used again; the subscriptions in it may be gone by then.
	clear(found.Plain)
	for i := range found.Queues {
		clear(found.Queues[i].Members)
	}
	remote.forget()
}

// leadTo tells whether these are the routes to what was found.
func (r *Routes) leadTo(found *sublist.Result[*Subscription]) bool {
	if !lead(r.plain, found.Plain) || len(r.groups) != len(found.Queues) {
		return false
	}
	for i, g := range r.groups {
		if !lead(r.members[g.start:g.end], found.Queues[i].Members) {
			return false
		}
	}
	return true
}

func lead(routes []route, subs []*Subscription) bool {
	if len(routes) != len(subs) {
		return false
	}
	for i, s := range subs {
		if routes[i].sub != s {
			return false
		}
	}
	return true
}

// replace makes r the routes to what was found, in the memory that it has.
func (r *Routes) replace(found *sublist.Result[*Subscription], subject []byte) {
	plain, members := r.plain, r.members
	r.prefixes, r.particular = r.prefixes[:0], false
	r.plain = r.appendRoutes(plain[:0], found.Plain, subject)
	r.members, r.groups = members[:0], r.groups[:0]
	for i := range found.Queues {
		start := len(r.members)
		r.members = r.appendRoutes(r.members, found.Queues[i].Members, subject)
		r.groups = append(r.groups, span{start, len(r.members), found.Queues[i].Name})
	}
	clear(plain[min(len(plain), len(r.plain)):])
	clear(members[min(len(members), len(r.members)):])
}

func (r *Routes) appendRoutes(dst []route, subs []*Subscription, subject []byte) []route {
	dst = slices.Grow(dst, len(subs))
	for _, sub := range subs {
		rt := route{sub: sub}
		start := len(r.prefixes)
		switch p := sub.passage; {
		case p == nil:
			if !r.scratch && sub.Handler == nil {
				r.prefixes = appendPrefix(r.prefixes, subject, sub.SID)
			}
		case p.cross != nil:
			r.prefixes, r.particular = p.cross.appendSubject(r.prefixes, subject), true
		default:
			rt.shadow = true
			if !r.scratch && p.of.Handler == nil {
				r.prefixes = appendPrefix(r.prefixes, p.stream.there.Apply(nil, subject, nil), sub.SID)
			}
		}
		if end := len(r.prefixes); end > start {
			rt.prefix = r.prefixes[start:end:end]
		}
		dst = append(dst, rt)
	}
	return dst
}

// owner is the subscription that gets the messages.
func (rt *route) owner() *Subscription {
	if rt.shadow {
		return rt.sub.passage.of
	}
	return rt.sub
}

// forget empties r and keeps its memory.
func (r *Routes) forget() {
	clear(r.plain)
	clear(r.members)
	if r.remote != nil {
		r.remote.forget()
	}
	r.plain, r.members, r.groups = r.plain[:0], r.members[:0], r.groups[:0]
}

// weight is the number of routes.
func (r *Routes) weight() int {
	n := len(r.plain) + len(r.members)
	if r.remote != nil {
		n += len(r.remote.found.subs)
	}
	return n
}

// count makes subscriptions count what was delivered to them.
func (r *Routes) count() {
	for i := range r.plain {
		r.plain[i].count()
	}
	for i := range r.members {
		r.members[i].count()
	}
}

func (rt *route) count() {
	if n := rt.delivered; n != 0 {
		rt.delivered = 0
		rt.owner().count(int64(n))
	}
}
