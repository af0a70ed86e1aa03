package host

import "github.com/nats-lite/nats-lite/server/raft"

// stop begins to stop the group. A host that is not started does it at once.
func (g *Group) stop() {
	g.control(func(w *worker) { g.shutdown(w) })
	if h := g.host; !h.started.Load() {
		g.run(h.caller)
		h.caller.out.flush()
	}
}

// waitStopped waits until neither the replica nor its machine is being called.
func (g *Group) waitStopped() {
	if h := g.host; !h.started.Load() {
		w := h.caller
		was := w.pool
		for w.pool = h.bulkPool; !g.ended(); {
			g.apply.run(w)
		}
		w.pool = was
	}
	<-g.box.end()
}

func (g *Group) ended() bool {
	select {
	case <-g.box.end():
		return true
	default:
		return false
	}
}

// shutdown ends the actor. All who wait for something are told.
func (g *Group) shutdown(w *worker) {
	if g.State() == Stopped {
		return
	}
	h := g.host
	if g.core != nil && g.core.Role() == raft.Leader {
		// The others need not find out by waiting.
		for _, n := range g.nodes {
			w.out.notice(n, notice{kind: noticeHalted, group: g.id, inc: g.core.ID().Incarnation()})
		}
	}
	if g.State() == Halted {
		h.halted.Add(-1)
	}
	g.dropCore(ErrStopped)
	g.state.Store(uint32(Stopped))
	g.setNodes()
	h.remove(g)
	if m := g.box.close(); m != nil {
		for _, f := range m.controls {
			f(w)
		}
		g.queueReads(w, m.reads)
		g.queueProposals(m.props, m.propBytes)
	}
	g.apply.post(task{then: func() {
		g.apply.end()
		close(g.box.end())
	}})
}
