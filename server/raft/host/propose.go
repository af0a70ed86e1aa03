package host

import (
	"errors"
	"fmt"
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// wait is for an entry that was proposed here: for the proposals in it, or for the
// configuration that it is.
type wait struct {
	index raft.Index
	term  raft.Term
	dones []func(outcome Outcome) // one for each proposal; some may be nil
	bytes int                     // what they count in the budgets
	conf  func(error)
	// admits is the peer that the configuration admits, if it is one.
	admits raft.PeerID
	// fate is 0 until it is known; err says why it is not Applied.
	fate Fate
	err  error
}

// proposalOverhead is what a proposal counts beside its data.
const proposalOverhead = 64

// spareRoom is what an entry takes in the log beside a proposal, at most about.
const spareRoom = 512

// Propose has a leader replicate a proposal. It never blocks. If it returns nil,
// p.Done will be told what became of the proposal; proposals that were accepted one
// after the other by one replica, and are applied, are applied in that order.
func (g *Group) Propose(p Proposal) error {
	scheduled, err := g.enlist(p)
	if scheduled {
		g.host.groupPool.push(g)
	}
	return err
}

// ProposeQuietly is Propose for callers who call Host.Assist soon: no worker is woken.
func (g *Group) ProposeQuietly(p Proposal) error {
	scheduled, err := g.enlist(p)
	if scheduled {
		g.host.groupPool.pushQuietly(g)
	}
	return err
}

// enlist puts a proposal into the mailbox, and reports whether the group is to be queued
// for that.
func (g *Group) enlist(p Proposal) (scheduled bool, err error) {
	if err := g.available(); err != nil {
		return false, err
	}
	h := g.host
	switch {
	case !g.leading.Load():
		return false, ErrNotLeader
	case len(p.Data) > h.cfg.MaxProposalBytes:
		return false, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(p.Data))
	case h.logBusy.Load() && !p.Frees:
		h.overloaded.Add(1)
		if h.log.Full() {
			return false, ErrFull
		}
		return false, ErrOverloaded
	case h.logBusy.Load() && h.log.Room() < int64(len(p.Data)+spareRoom):
		return false, ErrFull
	}
	size := len(p.Data) + proposalOverhead
	if g.pending.Add(int64(size)) > h.cfg.MaxGroupBytes {
		g.pending.Add(-int64(size))
		h.overloaded.Add(1)
		return false, ErrOverloaded
	}
	if h.pending.Add(int64(size)) > h.cfg.MaxHostBytes {
		g.unpend(size)
		h.overloaded.Add(1)
		return false, ErrOverloaded
	}
	m := g.open()
	if m == nil {
		g.unpend(size)
		return false, ErrStopped
	}
	m.props = append(m.props, p)
	m.propBytes += size
	return g.schedule(), nil
}

func (g *Group) unpend(size int) {
	g.pending.Add(-int64(size))
	g.host.pending.Add(-int64(size))
}

// queueProposals takes over the proposals that have come.
func (g *Group) queueProposals(props []Proposal, size int) {
	if len(props) == 0 {
		return
	}
	g.host.proposals.Add(uint64(len(props)))
	if g.core == nil {
		err := g.available()
		if err == nil {
			err = ErrNotLeader
		}
		g.unpend(size)
		drop(props, err)
		return
	}
	g.backlog = append(g.backlog, props...)
}

func drop(props []Proposal, err error) {
	for i := range props {
		if done := props[i].Done; done != nil {
			done(Outcome{Fate: Dropped, Err: err})
		}
	}
}

func (g *Group) dropBacklog(err error) {
	props := g.backlog[g.taken:]
	g.backlog, g.taken = nil, 0
	for i := range props {
		g.unpend(len(props[i].Data) + proposalOverhead)
	}
	drop(props, err)
}

// dropUnlessFrees drops what would wait for space, and have what wins some back wait
// behind it.
func (g *Group) dropUnlessFrees() {
	var kept, dropped []Proposal
	for _, p := range g.backlog[g.taken:] {
		if p.Frees {
			kept = append(kept, p)
			continue
		}
		g.unpend(len(p.Data) + proposalOverhead)
		dropped = append(dropped, p)
	}
	g.backlog, g.taken = kept, 0
	drop(dropped, ErrFull)
}

// take removes the first n proposals of the backlog.
func (g *Group) take(n int) {
	clear(g.backlog[g.taken : g.taken+n])
	if g.taken += n; g.taken == len(g.backlog) {
		g.backlog, g.taken = g.backlog[:0], 0
		if cap(g.backlog) > maxKeptProps {
			g.backlog = nil
		}
	}
}

// propose makes entries of the backlog: as few as may be. While enough entries are
// on their way it waits for the next one to fill up: commits come in time, and by
// fewer and larger entries all get faster.
func (g *Group) propose(w *worker) {
	if g.taken < len(g.backlog) && g.host.logBusy.Load() && g.host.log.Full() {
		g.dropUnlessFrees()
	}
	for g.taken < len(g.backlog) {
		if g.core.Role() != raft.Leader {
			g.dropBacklog(ErrNotLeader)
			return
		}
		n, size, whole := g.nextEntry()
		if n == 0 {
			continue // all were for another term
		}
		if g.waits.len() >= g.host.cfg.Pipeline && !whole {
			return
		}
		if err := g.readTail(); err != nil {
			g.unreadable(err)
			return
		}
		props := g.backlog[g.taken : g.taken+n]
		time := max(w.wall.UnixNano(), g.lastTime+1)
		index, term, err := g.core.Propose(appendEntry(make([]byte, 0, entrySize(n, size)), time, props))
		switch {
		case errors.Is(err, raft.ErrTooMuchUncommitted):
			return
		case err != nil:
			g.dropBacklog(err)
			return
		}
		g.lastTime, g.busy = time, true
		wt := wait{index: index, term: term, dones: newDones()}
		for i := range props {
			g.mayWait = g.mayWait || !props[i].Frees
			wt.dones = append(wt.dones, props[i].Done)
			wt.bytes += len(props[i].Data) + proposalOverhead
		}
		g.waits.push(wt)
		g.take(n)
	}
}

// nextEntry returns how many proposals the next entry takes, how much room they
// take in it, and whether it is full with them. It drops those that were meant for
// another term.
func (g *Group) nextEntry() (n, size int, full bool) {
	term := g.core.Term()
	for g.taken+n < len(g.backlog) {
		p := &g.backlog[g.taken+n]
		if p.Term != 0 && p.Term != term {
			if n > 0 {
				return n, size, true
			}
			g.unpend(len(p.Data) + proposalOverhead)
			drop(g.backlog[g.taken:g.taken+1], ErrNotLeader)
			g.take(1)
			continue
		}
		s := proposalSize(p.Data)
		if n > 0 && size+s > g.host.cfg.MaxEntryBytes {
			return n, size, true
		}
		n, size = n+1, size+s
	}
	return n, size, size >= g.host.cfg.MaxEntryBytes
}

// readTail makes sure that lastTime covers the whole log: entries that were there
// at the start have not been looked at. The last one with a time has the highest.
func (g *Group) readTail() error {
	if g.tailRead {
		return nil
	}
	// What the machine has, or is about to get, is covered.
	for i := g.core.LastIndex(); i > g.handed; i-- {
		ents, err := g.reader.Entries(i, i+1, 1)
		if errors.Is(err, raft.ErrUnavailable) {
			continue // appended since the start, hence looked at
		}
		if err != nil {
			return err
		}
		if t := entryTime(&ents[0]); t != 0 {
			g.lastTime = max(g.lastTime, t)
			break
		}
	}
	g.tailRead = true
	return nil
}

// committed gives committed entries to the apply stage, together with those that
// wait for them, or for what they have replaced.
func (g *Group) committed(w *worker, ents []raft.Entry, t *task) {
	first, last := &ents[0], &ents[len(ents)-1]
	t.entries = ents
	g.handed = last.Index
	for i := range ents {
		g.lastTime = max(g.lastTime, entryTime(&ents[i]))
	}
	for g.waits.len() > 0 {
		wt := g.waits.front()
		switch {
		case wt.index > last.Index && wt.term >= last.Term:
			return
		case wt.index > last.Index:
			// Terms in a log do not go down: no entry of its term can come behind
			// this one.
			wt.fate, wt.err = Dropped, ErrReplaced
		case wt.index < first.Index:
			wt.fate, wt.err = Unknown, ErrLeadershipLost
		case ents[wt.index-first.Index].Term != wt.term:
			wt.fate, wt.err = Dropped, ErrReplaced
		default:
			wt.fate = Applied
			if wt.admits != raft.None {
				w.out.notice(wt.admits.Node(), notice{kind: noticeAdmit, group: g.id, inc: wt.admits.Incarnation()})
			}
		}
		t.waits = append(t.waits, g.waits.pop())
	}
}

// skipped settles what waits for entries that the machine will not see here,
// because it was given an image that is past them.
func (g *Group) skipped(b *raft.Base) {
	g.handed = max(g.handed, b.Index)
	var t task
	for g.waits.len() > 0 {
		wt := g.waits.front()
		switch {
		case wt.index <= b.Index:
			wt.fate, wt.err = Unknown, ErrLeadershipLost
		case wt.term < b.Term:
			wt.fate, wt.err = Dropped, ErrReplaced
		default:
			wt = nil
		}
		if wt == nil {
			break
		}
		t.waits = append(t.waits, g.waits.pop())
	}
	if t.any() {
		g.apply.post(t)
	}
}

// expireWaits gives up what was proposed by a leader that has not led for a while
// and that no other leader has decided on.
func (g *Group) expireWaits() {
	if g.waits.len() == 0 || g.core.Role() == raft.Leader || g.age-g.lostAt < 4*g.host.cfg.ElectionTicks {
		return
	}
	var t task
	for g.waits.len() > 0 {
		wt := g.waits.pop()
		wt.fate, wt.err = Unknown, ErrLeadershipLost
		t.waits = append(t.waits, wt)
	}
	g.apply.post(t)
}

// settle tells those who wait for an entry what has become of it.
func (wt *wait) settle(g *Group, b *Batch) {
	g.unpend(wt.bytes)
	if wt.conf != nil {
		wt.conf(wt.err)
	}
	out := Outcome{Fate: wt.fate, Err: wt.err}
	for i, done := range wt.dones {
		if done == nil {
			continue
		}
		if wt.fate == Applied {
			out.Index, out.Result = wt.index, b.result(i)
		}
		done(out)
	}
	recycleDones(wt.dones)
}

// Lists of functions are used again.
var donesPool sync.Pool

const maxKeptDones = 4096

func newDones() []func(Outcome) {
	if d, ok := donesPool.Get().(*[]func(Outcome)); ok {
		return *d
	}
	return nil
}

func recycleDones(d []func(Outcome)) {
	if c := cap(d); c == 0 || c > maxKeptDones {
		return
	}
	clear(d)
	d = d[:0]
	donesPool.Put(&d)
}
