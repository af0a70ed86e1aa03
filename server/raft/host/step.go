package host

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// write is one that is on its way to the log.
type write struct {
	// seq is the number of the core's Append, 0 if it is none. The core may have
	// ended since.
	seq  uint64
	core *raft.Raft
	// then, if set, is called when it is durable.
	then func(*worker)
	// inLog is whether the log has to write it, done whether it is durable.
	inLog, done bool
}

// run implements actor: all that has come since the last run goes into the core
// before anything is taken out.
func (g *Group) run(w *worker) {
	m, applied := g.box.take()
	if m == nil {
		m = mails.Get().(*mail)
	}
	if m.writeErr != nil {
		g.writeFailed(m.writeErr)
	}
	g.appliedTo = applied
	g.written(w, m.written)
	if g.core != nil {
		g.nodesChanged(m.nodes)
		g.core.AppliedTo(applied)
		for i := range m.msgs {
			g.answerRemoved(w, &m.msgs[i])
			g.step(&m.msgs[i])
		}
	}
	for i := range m.notices {
		g.noticed(w, &m.notices[i])
	}
	for _, f := range m.controls {
		f(w)
	}
	g.queueReads(w, m.reads)
	g.queueProposals(m.props, m.propBytes)
	if m.tick {
		g.tick(w)
	}
	if g.core != nil {
		g.advance(w)
	}
	if g.core != nil {
		g.known.Store(uint64(g.core.Told()))
	}
	g.settle()
	m.recycle()
}

// step gives a message to the core.
func (g *Group) step(m *raft.Message) {
	if m.To != g.core.ID() {
		return // came for an identity that has ended since
	}
	switch m.Type {
	case raft.MsgHeartbeat, raft.MsgHeartbeatResp, raft.MsgQuiesce:
	case raft.MsgPreVote, raft.MsgVote:
		g.busy = true
		if g.lostIn > 0 && g.core.Leader() == g.orphan {
			// Another one has found it out as well, and should have the vote.
			g.lostIn = 0
			g.core.LeaderLost()
		}
	default:
		g.busy = true
	}
	if err := g.core.Step(*m); err != nil {
		g.host.refused.Add(1)
		g.host.event(Event{Kind: EventRefused, Group: g.id, Peer: m.From, Err: err})
	}
}

// advance carries out what the core wants done, until it wants nothing.
func (g *Group) advance(w *worker) {
	for g.core != nil {
		g.propose(w)
		if g.core == nil || !g.core.HasReady() {
			break
		}
		rd := g.core.Ready()
		var err error
		if rd.Append.Seq != 0 {
			err = g.append(&rd.Append)
		}
		if err == nil {
			for i := range rd.Messages {
				w.out.message(g, &rd.Messages[i])
			}
		}
		t := task{}
		if rd.Soft != nil {
			g.soft(rd.Soft, &t)
		}
		if len(rd.Committed) > 0 {
			g.committed(w, rd.Committed, &t)
		}
		g.readsAnswered(rd.Reads, &t)
		if t.any() {
			g.apply.post(t)
		}
		for _, p := range rd.Snapshots {
			g.wishSnapshot(p)
		}
		fault := rd.Fault
		changed := rd.Append.Seq != 0
		g.core.Advance()
		switch {
		case err != nil:
			g.writeFailed(err)
		case fault != nil:
			g.unreadable(fault)
		default:
			g.written(w, 0)
			if changed {
				g.confChanged()
			}
		}
	}
	if g.core != nil && g.core.Committed() > g.handed {
		g.box.wait(g.appliedTo)
	}
}

// append makes an Append durable, in time.
func (g *Group) append(a *raft.Append) error {
	if o := g.host.cfg.Observer; o != nil {
		o.Handed(g.id, g.core, a)
	}
	for i := range a.Entries {
		e := &a.Entries[i]
		g.lastTime = max(g.lastTime, entryTime(e))
		g.appended.entries++
		g.mayWait = g.mayWait || e.Type == raft.EntryConf
		g.appended.bytes += uint64(e.Size())
	}
	g.host.entries.Add(uint64(len(a.Entries)))
	frees := g.core.Role() == raft.Leader && !g.mayWait
	g.mayWait = false
	if !g.memory {
		return g.write(write{seq: a.Seq, core: g.core}, wal.Write{Base: a.Base, Hard: a.Hard, Entries: a.Entries, Frees: frees})
	}
	if a.Base != nil {
		g.entries.reset(*a.Base)
	}
	g.entries.append(a.Entries)
	if a.Hard == nil {
		g.writes.push(write{seq: a.Seq, core: g.core, done: true})
		return nil
	}
	return g.write(write{seq: a.Seq, core: g.core}, wal.Write{Hard: a.Hard})
}

// write queues a write to the log. The worker sees to it that it is written.
func (g *Group) write(wr write, lw wal.Write) error {
	lw.Group, lw.Done = g.id, g.onWrite
	if err := g.host.log.Queue(lw); err != nil {
		return err
	}
	wr.inLog = true
	g.writes.push(wr)
	return nil
}

// writeFailed ends the replica because of an error of the log, and the host if
// that was not about this group alone.
func (g *Group) writeFailed(err error) {
	if !errors.Is(err, wal.ErrInvalid) {
		g.host.poison(err)
	}
	g.halt(err)
}

// written takes note that the next n writes to the log are durable.
func (g *Group) written(w *worker, n int) {
	for i := 0; n > 0 && i < g.writes.len(); i++ {
		if wr := g.writes.at(i); wr.inLog && !wr.done {
			wr.done = true
			n--
		}
	}
	stored := uint64(0)
	for g.writes.len() > 0 && g.writes.front().done {
		wr := g.writes.pop()
		if o := g.host.cfg.Observer; o != nil && wr.seq > 0 {
			o.Stored(g.id, wr.core, wr.seq)
		}
		if wr.core == g.core {
			stored = max(stored, wr.seq)
		}
		if wr.then != nil {
			wr.then(w)
		}
	}
	if stored > 0 && g.core != nil {
		g.core.Stored(stored)
	}
}
