package host

import (
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// halt takes the replica out of the group for good. Its log stays as it is.
func (g *Group) halt(err error) {
	if s := g.State(); s == Halted || s == Stopped {
		return
	}
	if t := g.troubles(); t.err == nil {
		t.err = err
	}
	g.dropCore(fmt.Errorf("%w: %w", ErrHalted, err))
	g.state.Store(uint32(Halted))
	if m, ok := g.apply.machine.(Halter); ok {
		g.apply.post(task{then: func() { m.Halted(err) }})
	}
	g.host.halted.Add(1)
	if !errors.Is(err, wal.ErrClosed) {
		g.host.event(Event{Kind: EventHalted, Group: g.id, Peer: g.Self(), Err: err})
	}
}

// unreadable takes the replica out of the group because its log, or the machine's
// place in it, could not be read. If nothing is wrong with what the log says, it is
// tried again in a while, as after a restart of the server: nothing has been
// forgotten.
func (g *Group) unreadable(err error) {
	if isCorrupt(err) {
		g.forgotten(fmt.Errorf("the log cannot be read: %w", err))
		return
	}
	if s := g.State(); s == Halted || s == Stopped {
		return
	}
	g.troubles().err = err
	if !g.blind {
		g.host.event(Event{Kind: EventUnreadable, Group: g.id, Peer: g.Self(), Err: err})
	}
	g.dropCore(fmt.Errorf("raft/host: the log cannot be read: %w", err))
	g.blind = true
	g.state.Store(uint32(Starting))
}

// isCorrupt reports whether something is wrong with what the log says, and not only with
// reading it.
func isCorrupt(err error) bool {
	_, ok := errors.AsType[*wal.CorruptionError](err)
	return ok
}

// lookAgain tries to take part again, once all that was on its way to the log is
// there.
func (g *Group) lookAgain() {
	if g.writes.len() > 0 {
		return
	}
	g.positioned(func(w *worker, base raft.Base) {
		if lg, ok := g.host.log.Group(g.id); ok && g.blind && g.writes.len() == 0 {
			g.reopen(w, lg, base)
		}
	})
}

// positioned calls f, as part of the actor, with the position of the machine
// after all that it has been given, unless the replica takes part by then.
func (g *Group) positioned(f func(*worker, raft.Base)) {
	g.apply.post(task{then: func() {
		at := g.apply.at.Base
		g.control(func(w *worker) {
			if s := g.State(); s != Halted && s != Stopped && g.core == nil {
				f(w, at)
			}
		})
	}})
}

// dropCore ends the replica's part in the group, and tells all who wait for it.
func (g *Group) dropCore(err error) {
	h := g.host
	if g.core != nil {
		last := g.core.Status()
		g.troubles().last = &last
	}
	g.core, g.reader, g.rebirth, g.blind = nil, nil, raft.None, false
	g.leader.Store(uint64(raft.None))
	if g.leading.Swap(false) {
		h.leaders.Add(-1)
	}
	h.transfers.cancel(g)
	t := task{abandon: err}
	if g.told.Leader != raft.None {
		g.told = Leadership{Term: g.told.Term}
		t.lead, t.hasLead = g.told, true
	}
	for g.waits.len() > 0 {
		wt := g.waits.pop()
		wt.fate, wt.err = Unknown, err
		t.waits = append(t.waits, wt)
	}
	g.apply.post(t)
	g.dropBacklog(err)
	for _, r := range g.reads {
		r.fail(err)
	}
	g.reads = nil
	g.lost = nil
}
