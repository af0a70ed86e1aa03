package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// guide has the leader of a group take it to where it is to be, a step at a time. Package
// reconcile decides the steps. It costs nothing while there is nothing to be done.
type guide struct {
	e *Engine
	// group is the one that is guided.
	group func() *host.Group
	// goal returns where it is to be by this server's copy of what is decided; ok is false if
	// there is nothing to be done. report tells the group of assets that a change is over.
	goal   func(*raft.Status) (g reconcile.Goal, ok bool)
	report func(ctx context.Context, change uint64) error

	mu sync.Mutex
	// working is set while a job looks after the group, again when it has to look once more.
	working, again bool
	// fresh is the term in which the group of assets was asked how far it is.
	fresh raft.Term
}

// guideEvery is how long the leader waits before it looks again at what it waits for.
const guideEvery = time.Second

// look has the guide look at its group. It is called whenever something has changed: who leads,
// who its members are, or where it is to be.
func (g *guide) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.again = g.working; g.again {
		return
	}
	g.working = g.e.jobs.run(g.work)
}

// work takes steps until there is none to be taken.
func (g *guide) work() {
	for {
		rest := g.step()
		g.mu.Lock()
		if rest && !g.again {
			g.working = false
			g.mu.Unlock()
			return
		}
		again := g.again
		g.again = false
		g.mu.Unlock()
		if !rest && !again && !g.pause() {
			return
		}
	}
}

// pause waits until it is time to look again. It returns false if the engine stops.
func (g *guide) pause() bool {
	t := g.e.cfg.Clock.NewTimer(guideEvery)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-g.e.ctx.Done():
		return false
	}
}

// step takes a step. It reports whether there is nothing to be done, for this server, until
// somebody calls look.
func (g *guide) step() (rest bool) {
	group := g.group()
	status := group.Status()
	if status.State != host.Running || status.Role != raft.Leader {
		return true
	}
	goal, ok := g.goal(&status.Status)
	if !ok {
		return true
	}
	goal.Fresh = g.fresh == status.Term
	step := reconcile.Next(&goal, &status.Status, nil)
	var err error
	switch step.Kind {
	case reconcile.Rest:
		return true
	case reconcile.Refresh:
		if err = g.ask(g.e.meta.group.ReadIndex); err == nil {
			g.fresh = status.Term
		}
	case reconcile.Change:
		err = g.wait(func(done func(error)) { group.Change(step.Changes, done) })
	case reconcile.Transfer:
		err = group.Transfer(step.To)
	case reconcile.Report:
		err = g.report(g.e.ctx, goal.Change)
	}
	if err != nil && g.e.ctx.Err() == nil {
		g.e.cfg.Logger.Warnf("JetStream: taking %s to other servers: %v; it is tried again", g.e.groupName(group.ID()), err)
	}
	return false
}

func (g *guide) ask(readIndex func(func(raft.Index, error))) error {
	return g.wait(func(done func(error)) { readIndex(func(_ raft.Index, err error) { done(err) }) })
}

// wait calls f, and waits for what it tells.
func (g *guide) wait(f func(done func(error))) error {
	got := make(chan error, 1)
	f(func(err error) { got <- err })
	select {
	case err := <-got:
		return err
	case <-g.e.ctx.Done():
		return g.e.ctx.Err()
	}
}
