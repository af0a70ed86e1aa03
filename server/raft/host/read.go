package host

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// pendingRead are reads that were asked for together and wait for their index.
type pendingRead struct {
	context uint64
	dones   []func(raft.Index, error)
	asked   int // the age at which
}

func (r *pendingRead) fail(err error) {
	for _, done := range r.dones {
		done(0, err)
	}
}

// queueReads asks for an index for all reads that have come.
func (g *Group) queueReads(w *worker, dones []func(raft.Index, error)) {
	if len(dones) == 0 {
		return
	}
	r := pendingRead{dones: slices.Clone(dones), asked: g.age}
	if g.core == nil {
		err := g.available()
		if err == nil {
			err = raft.ErrNoLeader
		}
		r.fail(err)
		return
	}
	g.readSeq++
	r.context = g.readSeq
	if err := g.core.ReadIndex(w.now, r.context); err != nil {
		r.fail(err)
		return
	}
	g.reads = append(g.reads, r)
}

// readsAnswered passes reads that have their index on to the apply stage.
func (g *Group) readsAnswered(answers []raft.ReadState, t *task) {
	for _, a := range answers {
		for i := range g.reads {
			if g.reads[i].context != a.Context {
				continue
			}
			r := g.reads[i]
			g.reads = append(g.reads[:i], g.reads[i+1:]...)
			t.reads = append(t.reads, read{index: a.Index, lost: a.Lost, dones: r.dones})
			break
		}
	}
}

// expireReads gives up reads that were asked of a leader who has not answered.
func (g *Group) expireReads() {
	n := 0
	for n < len(g.reads) && g.age-g.reads[n].asked >= 2*g.host.cfg.ElectionTicks {
		g.reads[n].fail(ErrReadLost)
		n++
	}
	g.reads = append(g.reads[:0], g.reads[n:]...)
}
