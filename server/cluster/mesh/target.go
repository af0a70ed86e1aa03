package mesh

import (
	"errors"
	"maps"
	"slices"
)

// target is an address to be dialled.
type target struct {
	addr       string
	configured bool
	// server is the ID of who was reached there last, self set if that was this one.
	server string
	self   bool
	// dialling is set while a dial is on its way, attempts counts those since there was a
	// link.
	dialling bool
	attempts int
	// next is when to dial, in nanoseconds.
	next int64
	// slots are those for which links are missing, with the server that they are for.
	slots []missing
}

// missing is a link besides the main one that has to be dialled.
type missing struct {
	peer string
	slot Slot
	next int64
}

// Configure replaces the configured addresses. Links that there are stay.
func (m *Mesh) Configure(routes []string) {
	for _, t := range m.targets {
		t.configured = false
	}
	for _, addr := range routes {
		m.target(addr).configured = true
	}
	for addr, t := range m.targets {
		if !t.configured && t.server == "" {
			delete(m.targets, addr)
		}
	}
}

func (m *Mesh) target(addr string) *target {
	t := m.targets[addr]
	if t == nil {
		t = &target{addr: addr}
		m.targets[addr] = t
	}
	return t
}

// Heard takes note of a server that another one has named.
func (m *Mesh) Heard(s *Server) {
	if s.ID == m.self.ID || s.Addr == "" || m.peers[s.ID] != nil {
		return
	}
	if t := m.target(s.Addr); t.server == "" || m.peers[t.server] == nil {
		t.server = s.ID
	}
}

// Failed takes note that a dial came to nothing.
func (m *Mesh) Failed(d *Dial, now int64) {
	t := m.targets[d.Addr]
	switch {
	case t == nil:
	case d.Slot != mainSlot:
		t.slots = append(t.slots, missing{d.peer, d.Slot, now + m.pause(d.Attempt)})
	default:
		t.dialling = false
		m.again(t, now)
	}
}

// again has a target dialled again, unless it was dialled often enough.
func (m *Mesh) again(t *target, now int64) {
	if !t.configured && t.attempts > m.cfg.Retries {
		delete(m.targets, t.addr)
		return
	}
	t.next = now + m.pause(t.attempts)
}

// pause is how long to wait behind an attempt.
func (m *Mesh) pause(attempts int) int64 {
	d := m.cfg.Interval
	for n := 1; m.cfg.Backoff && n < attempts && d < BackoffLimit; n++ {
		d *= 2
	}
	if m.cfg.Backoff {
		d = min(d, BackoffLimit)
	}
	return d + m.rand.Int64N(d/4+1)
}

// refused takes note that a link must not stay.
func (m *Mesh) refused(a *Arrival, err error, now int64) {
	d := a.Dialled
	if d == nil {
		return
	}
	t := m.targets[d.Addr]
	if t == nil || d.Slot != mainSlot {
		return
	}
	t.dialling = false
	if t.self = errors.Is(err, ErrSelf); t.self && !t.configured {
		delete(m.targets, t.addr)
		return
	}
	m.again(t, now)
}

// reached takes note of who was found at an address.
func (m *Mesh) reached(l *link) {
	if l.dialled == nil || l.slot != mainSlot {
		return
	}
	if t := m.targets[l.dialled.Addr]; t != nil {
		t.dialling, t.attempts, t.server, t.self = false, 0, l.to.ID, false
	}
}

// lost has a server dialled again whose main link has ended.
func (m *Mesh) lost(p *peer, now int64) {
	known := false
	for _, t := range m.targets {
		if t.server == p.ID {
			known = true
			t.attempts, t.next = 0, now+m.pause(1)
		}
	}
	if !known && p.Addr != "" {
		t := m.target(p.Addr)
		t.server, t.next = p.ID, now+m.pause(1)
	}
}

// dialOthers has the links besides the main one dialled, if that was dialled here.
func (m *Mesh) dialOthers(p *peer, now int64, e *Effects) {
	main := p.links[mainSlot]
	if main.dialled == nil {
		return
	}
	for _, slot := range m.slots(p) {
		if slot != mainSlot && p.links[slot] == nil {
			m.calls++
			e.Dials = append(e.Dials, Dial{
				Addr: main.dialled.Addr, Slot: slot, Call: m.calls, Attempt: 1, Configured: main.dialled.Configured, peer: p.ID,
			})
		}
	}
}

// slots returns those that there are between this server and another one.
func (m *Mesh) slots(p *peer) (list []Slot) {
	for i := range m.poolSize(&p.Server) {
		list = append(list, Slot{Index: i})
	}
	for _, account := range m.self.Accounts {
		if slices.Contains(p.Accounts, account) {
			list = append(list, Slot{Account: account})
		}
	}
	return list
}

// redial has a slot dialled again whose link has ended.
func (m *Mesh) redial(main *link, slot Slot, now int64) {
	if main.dialled == nil {
		return
	}
	if t := m.targets[main.dialled.Addr]; t != nil {
		t.slots = append(t.slots, missing{main.to.ID, slot, now + m.pause(1)})
	}
}

// Poll returns what is due, and when the next thing will be, 0 if nothing.
func (m *Mesh) Poll(now int64) (e Effects, next int64) {
	soonest := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	if len(m.peers) > 1 {
		if m.retell <= now {
			if m.retell > 0 {
				m.retellAll(&e)
			}
			m.retell = now + RetellInterval
		}
		soonest(m.retell)
	}
	for _, addr := range slices.Sorted(maps.Keys(m.targets)) {
		t := m.targets[addr]
		kept := t.slots[:0]
		for _, s := range t.slots {
			p := m.peers[s.peer]
			switch {
			case p == nil || p.links[mainSlot] == nil || p.links[mainSlot].dialled == nil || p.links[s.slot] != nil:
				// It is not missed any more, or not for this server to dial.
			case s.next <= now:
				m.calls++
				e.Dials = append(e.Dials, Dial{Addr: addr, Slot: s.slot, Call: m.calls, Attempt: 2, Configured: t.configured, peer: s.peer})
			default:
				kept = append(kept, s)
				soonest(s.next)
			}
		}
		t.slots = kept
		switch {
		case t.dialling || t.self || m.isTogether(t.server):
		case t.next > now:
			soonest(t.next)
		default:
			m.calls++
			t.dialling = true
			t.attempts++
			e.Dials = append(e.Dials, Dial{Addr: addr, Call: m.calls, Attempt: t.attempts, Configured: t.configured})
		}
	}
	return e, next
}

// isTogether reports whether there is a main link to a server.
func (m *Mesh) isTogether(id string) bool {
	p := m.peers[id]
	return p != nil && p.links[mainSlot] != nil
}
