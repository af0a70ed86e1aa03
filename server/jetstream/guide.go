package jetstream

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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

	// change is the one by which this server has its replica.
	change atomic.Uint64

	mu sync.Mutex
	// candidates are those that ask to be admitted, by node.
	candidates map[raft.NodeID]reconcile.Candidate
	// newest is the latest change by which somebody has asked.
	newest uint64
	// kick has the job look once more that looks after the group, nil while there is none.
	kick chan struct{}
	// fresh is the term in which the group of assets was asked how far it is.
	fresh raft.Term
}

// A leader looks again at what it waits for after guideSoon at first, for most of it takes no time,
// and ever more rarely, down to once in guideEvery.
const (
	guideSoon  = 20 * time.Millisecond
	guideEvery = time.Second
)

// maxCandidates bounds those that are remembered: more than any group has.
const maxCandidates = 32

// asked implements host.GroupConfig.Admits: it notes who asks to be admitted, and by which change.
// Whether that one comes is decided with the next step.
func (g *guide) asked(p raft.PeerID, change uint64) bool {
	g.mu.Lock()
	c := reconcile.Candidate{ID: p, Change: change}
	isNew := g.candidates[p.Node()] != c && (change >= g.newest || len(g.candidates) < maxCandidates)
	if isNew {
		if g.candidates == nil || change > g.newest {
			// What is asked for by an earlier change counts no more.
			g.candidates, g.newest = make(map[raft.NodeID]reconcile.Candidate), change
		}
		g.candidates[p.Node()] = c
	}
	g.mu.Unlock()
	if isNew {
		g.look()
	}
	return false
}

// plea implements host.GroupConfig.Plea.
func (g *guide) plea() uint64 { return g.change.Load() }

// asking returns those that ask to be admitted.
func (g *guide) asking() []reconcile.Candidate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.candidates))
}

// look has the guide look at its group. It is called whenever something has changed: who leads,
// who its members are, who asks to be one, or where it is to be.
func (g *guide) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kick != nil {
		select {
		case g.kick <- struct{}{}:
		default:
		}
		return
	}
	kick := make(chan struct{}, 1)
	if g.e.jobs.run(func() { g.work(kick) }) {
		g.kick = kick
	}
}

// work takes steps until there is none to be taken.
func (g *guide) work(kick chan struct{}) {
	for again := guideSoon; ; again = min(2*again, guideEvery) {
		pace := g.step()
		if pace == goOn {
			again = guideSoon / 2
			continue
		}
		g.mu.Lock()
		if len(kick) == 0 && pace == rest {
			g.kick = nil
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		if !g.pause(kick, again) {
			return
		}
	}
}

// pause waits until somebody calls look, or for a while. It returns false if the engine stops.
func (g *guide) pause(kick <-chan struct{}, after time.Duration) bool {
	t := g.e.cfg.Clock.NewTimer(after)
	defer t.Stop()
	select {
	case <-kick:
	case <-t.C():
	case <-g.e.ctx.Done():
		return false
	}
	return true
}

// pace says when the next step is to be taken.
type pace uint8

const (
	// rest: when somebody calls look.
	rest pace = iota
	// goOn: at once.
	goOn
	// holdOn: after a while, or when somebody calls look.
	holdOn
)

// step takes a step, if this server is to take one.
func (g *guide) step() pace {
	group := g.group()
	status := group.Status()
	if status.State != host.Running || status.Role != raft.Leader {
		return rest
	}
	goal, ok := g.goal(&status.Status)
	if !ok {
		return rest
	}
	// Nobody is asked whether there is something newer to be done as long as there is nothing to
	// be done by what is known: whoever hears of something newer looks again.
	asking := g.asking()
	goal.Fresh = true
	step := reconcile.Next(&goal, &status.Status, asking)
	if idle := step.Kind == reconcile.Rest || step.Kind == reconcile.Wait; !idle && g.fresh != status.Term {
		step = reconcile.Step{Kind: reconcile.Refresh}
	}
	next, err := holdOn, error(nil)
	switch step.Kind {
	case reconcile.Rest:
		return rest
	case reconcile.Wait:
	case reconcile.Refresh:
		if err = g.ask(g.e.meta.group.ReadIndex); err == nil {
			g.fresh, next = status.Term, goOn
		}
	case reconcile.Change:
		if err = g.wait(func(done func(error)) { group.Change(step.Changes, done) }); err == nil {
			next = goOn
		}
	case reconcile.Transfer:
		err = group.Transfer(step.To)
	case reconcile.Report:
		err = g.report(g.e.ctx, goal.Change)
	}
	if err != nil {
		if g.e.ctx.Err() == nil {
			g.e.cfg.Logger.Warnf("JetStream: taking %s to other servers: %v; it is tried again", g.e.groupName(group.ID()), err)
		}
		return holdOn
	}
	return next
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
