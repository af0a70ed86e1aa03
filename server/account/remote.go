package account

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
	"github.com/nats-lite/nats-lite/server/sublist"
)

// Encoder encodes messages for another server. It is used by many publishers at a time.
type Encoder interface {
	// AppendHead appends what a message begins with: all before its headers and
	// payload. It keeps nothing of h.
	AppendHead(dst []byte, h *Head) []byte
}

// Head is what another server has to know of a message, besides its headers and payload.
type Head struct {
	// Account is the name of the one whose subscriptions get it.
	Account string
	// To is the subject whose listeners get it, and Subject the one that they see. They
	// are the same but for messages that are forwarded.
	To, Subject []byte
	Reply       []byte
	// Queues are the groups of which one member over there gets it. All plain
	// subscriptions get it anyway.
	Queues []string
	// HeaderLen bytes of the Size that follow are headers.
	HeaderLen, Size int
}

// remoteRoutes are what other servers get of the messages of one subject.
type remoteRoutes struct {
	// found is what the rest was made of.
	found   foundRemote
	copies  []remoteCopy
	members []remoteMember
	// groups are spans of members, for each of the groups of Routes.
	groups []memberSpan
}

// remoteCopy is the one copy of a message that another server gets for all of its
// subscriptions in an account. Of an imported stream it is one for each import, as
// it has another subject by each.
type remoteCopy struct {
	target  *Target
	account *Account
	// stream is nil unless the subscriptions are those of an importing account.
	stream *StreamImport
	// to is the subject over there.
	to []byte
	// sub is one of the subscriptions, for traces.
	sub *Subscription
	// plain is set if there are plain subscriptions, who get every message.
	plain bool
	// drawn are the groups that the message at hand was drawn for, named the bytes of
	// their names with a blank each.
	drawn []string
	named int
	// stage is nil until the first message.
	stage *stage
}

type remoteMember struct {
	sub  *Subscription
	copy int
}

type memberSpan struct{ start, end int }

// foundRemote are the subscriptions of other servers among those of a subject: first
// the plain ones, and then those of each group.
type foundRemote struct {
	subs []*Subscription
	// ends tells where each part ends; it is empty if there are no subs.
	ends []int
}

// remote tells whether a subscription is another server's.
func (s *Subscription) remote() bool { return s.Target != nil && s.Target.Encoder != nil }

// SetWeight says how many members of its queue group a subscription of another server
// stands for. It may be changed at any time.
func (s *Subscription) SetWeight(n int) { s.weight.Store(int32(min(max(n, 1), 1<<30))) }

// split takes the subscriptions of other servers out of what was found.
func (fr *foundRemote) split(found *sublist.Result[*Subscription]) {
	found.Plain = fr.cut(found.Plain)
	for i := range found.Queues {
		found.Queues[i].Members = fr.cut(found.Queues[i].Members)
	}
	if len(fr.subs) == 0 {
		fr.ends = fr.ends[:0]
	}
}

func (fr *foundRemote) cut(subs []*Subscription) (here []*Subscription) {
	here = subs[:0]
	for _, s := range subs {
		if s.remote() {
			fr.subs = append(fr.subs, s)
		} else {
			here = append(here, s)
		}
	}
	clear(subs[len(here):])
	fr.ends = append(fr.ends, len(fr.subs))
	return here
}

func (fr *foundRemote) forget() {
	clear(fr.subs)
	fr.subs, fr.ends = fr.subs[:0], fr.ends[:0]
}

// leadTo tells whether these are the routes to what was found.
func (rr *remoteRoutes) leadTo(found *foundRemote) bool {
	if rr == nil {
		return len(found.subs) == 0
	}
	return slices.Equal(rr.found.subs, found.subs) && slices.Equal(rr.found.ends, found.ends)
}

// replaceRemote makes the routes to other servers those to what was found in an account.
func (r *Routes) replaceRemote(in *Account, found *foundRemote, subj []byte) {
	if r.remote == nil {
		if len(found.subs) == 0 {
			return
		}
		r.remote = new(remoteRoutes)
	}
	rr := r.remote
	rr.forget()
	if len(found.subs) == 0 {
		if !r.scratch {
			r.remote = nil
		}
		return
	}
	rr.found.subs = append(rr.found.subs, found.subs...)
	rr.found.ends = append(rr.found.ends, found.ends...)
	r.particular = true
	start := len(r.prefixes)
	r.prefixes = append(r.prefixes, subj...)
	own := r.prefixes[start:len(r.prefixes):len(r.prefixes)]
	from := 0
	for part, end := range found.ends {
		start := len(rr.members)
		for _, s := range found.subs[from:end] {
			i := r.copyFor(in, s, own)
			switch {
			case i < 0:
			case part == 0:
				rr.copies[i].plain = true
			default:
				rr.members = append(rr.members, remoteMember{s, i})
			}
		}
		if part > 0 {
			rr.groups = append(rr.groups, memberSpan{start, len(rr.members)})
		}
		from = end
	}
}

// copyFor finds or makes the copy that a subscription is part of, -1 if it gets none.
func (r *Routes) copyFor(in *Account, s *Subscription, own []byte) int {
	rr := r.remote
	c := remoteCopy{target: s.Target, account: in, to: own, sub: s}
	if p := s.passage; p != nil {
		c.account, c.stream, c.sub = p.account, p.stream, p.of
		start := len(r.prefixes)
		r.prefixes = p.stream.there.Apply(r.prefixes, own, nil)
		c.to = r.prefixes[start:len(r.prefixes):len(r.prefixes)]
		if p.stream.loose && !subject.Matches(c.to, p.of.Subject) {
			return -1
		}
	}
	if f := c.sub.Filter; f != nil && c.sub.Filtered() && !f.CanDeliver(c.to, c.sub.Queue) {
		return -1
	}
	for i := range rr.copies {
		if other := &rr.copies[i]; other.target == c.target && other.stream == c.stream {
			return i
		}
	}
	n := len(rr.copies)
	if n < cap(rr.copies) {
		c.drawn = rr.copies[:n+1][n].drawn
	}
	rr.copies = append(rr.copies, c)
	return n
}

// forget empties rr and keeps its memory.
func (rr *remoteRoutes) forget() {
	rr.found.forget()
	for i := range rr.copies {
		drawn := rr.copies[i].drawn
		clear(drawn[:cap(drawn)])
		rr.copies[i] = remoteCopy{drawn: drawn[:0]}
	}
	clear(rr.members)
	rr.copies, rr.members, rr.groups = rr.copies[:0], rr.members[:0], rr.groups[:0]
}

// weight is the number of members that it stands for.
func (rm *remoteMember) weight() uint64 {
	s := rm.sub
	if s.passage != nil {
		s = s.passage.of
	}
	return uint64(max(s.weight.Load(), 1))
}

// takes tells whether the other server can be sent a message.
func (c *remoteCopy) takes(m *Message) bool {
	return !c.target.closed.Load() && (c.stream == nil || m.hops == 0)
}

// maxNamed bounds the bytes of the names of groups in one message. It is a quarter of what a
// line of a route may have by default.
const maxNamed = 16 << 10

// canName tells whether a message can be drawn for one group more.
func (c *remoteCopy) canName(name string) bool {
	return len(c.drawn) < proto.MaxQueues && c.named+len(name) < maxNamed
}

// draw draws one of the servers that have members of the group i for a message, by their
// numbers. There is a bound to the groups that it can tell one server of.
func (f *Fanout) draw(r *Routes, i int, m *Message) bool {
	rr := r.remote
	if i >= len(rr.groups) {
		return false
	}
	members, name := rr.members[rr.groups[i].start:rr.groups[i].end], r.groups[i].name
	var sum uint64
	for k := range members {
		if c := &rr.copies[members[k].copy]; c.takes(m) && c.canName(name) {
			sum += members[k].weight()
		}
	}
	if sum == 0 {
		return false
	}
	// Weights may change meanwhile, and then the last one gets what is left over.
	at, chosen := f.rng.Uint64()%sum, -1
	for k := range members {
		if c := &rr.copies[members[k].copy]; !c.takes(m) || !c.canName(name) {
			continue
		}
		chosen = members[k].copy
		w := members[k].weight()
		if at < w {
			break
		}
		at -= w
	}
	if chosen < 0 {
		return false
	}
	c := &rr.copies[chosen]
	c.drawn = append(c.drawn, name)
	c.named += len(name) + 1
	return true
}

// deliverRemote stages a message for the other servers that have plain listeners or
// were drawn for groups.
func (f *Fanout) deliverRemote(rr *remoteRoutes, m *Message, forwarded bool) (delivered int) {
	for i := range rr.copies {
		c := &rr.copies[i]
		if (c.plain || len(c.drawn) > 0) && c.takes(m) {
			f.send(c, m, forwarded)
			delivered++
		}
		c.begin()
	}
	return delivered
}

// begin makes it ready for another message.
func (c *remoteCopy) begin() { c.drawn, c.named = c.drawn[:0], 0 }

func (f *Fanout) send(c *remoteCopy, m *Message, forwarded bool) {
	if c.stage == nil {
		c.stage = f.stages.find(c.target)
	}
	f.stages.note(c.stage)
	h := &f.head
	*h = Head{
		Account: c.account.name, To: c.to, Subject: c.to, Reply: m.Reply, Queues: c.drawn,
		HeaderLen: m.HeaderLen, Size: m.Size(),
	}
	if forwarded {
		h.Subject = m.Subject
	}
	f.prefix = c.target.Encoder.AppendHead(f.prefix[:0], h)
	f.head = Head{}
	f.stages.staged += c.stage.remote(f.prefix, m)
	f.stages.awayMsgs++
	f.stages.awayBytes += int64(m.Size())
}

// Away returns how many of the deliveries since it was last called were to other servers,
// and the bytes in them.
func (f *Fanout) Away() (msgs, bytes int64) {
	s := f.stages
	msgs, bytes = s.awayMsgs, s.awayBytes
	s.awayMsgs, s.awayBytes = 0, 0
	return msgs, bytes
}

// Arrive stages a message that another server sent for those that the routes name: all
// plain subscriptions here, and one member of each of the queue groups that it was drawn
// for. Of other accounts only those get it who wait for it as an answer; imports
// were seen to where it was published. It never goes on to another server: all
// servers are connected with each other. A forwarded message is one that was published to
// another subject than that of the routes.
func (f *Fanout) Arrive(r *Routes, m *Message, queues [][]byte, forwarded bool) (delivered int) {
	m.arrived = true
	for i := range r.plain {
		if f.deliver(&r.plain[i], m, forwarded) {
			delivered++
		}
	}
	for _, name := range queues {
		for _, g := range r.groups {
			if g.name == string(name) {
				if f.deliverOne(r.members[g.start:g.end], m, forwarded) {
					delivered++
				}
				break
			}
		}
	}
	m.arrived = false
	f.noteCounted(r)
	return delivered
}

// In returns what takes messages of the same publisher to the subscriptions of another
// account, in the order in which they are delivered by either. It is valid until the
// next Flush of f, which is also its own.
func (f *Fanout) In(acc *Account) *Fanout {
	if acc == f.acc {
		return f
	}
	f.wake()
	return &f.there(acc).Fanout
}
