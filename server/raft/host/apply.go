package host

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/raft"
)

// applier is the apply stage of a group, an actor of its own: it calls the machine,
// and nobody else does. What takes long it does in the pool for that.
type applier struct {
	group   *Group
	machine StateMachine
	flusher Flusher // the machine, if it is one

	mu        sync.Mutex
	tasks     []task
	scheduled bool
	ended     bool

	// applied is at.Base.Index, for all to see.
	applied atomic.Uint64

	// The rest belongs to the worker that runs it. at is how far the machine is.
	at Position
	// lead is what the machine is to be told when it has applied all up to leadAt.
	lead    Leadership
	leadAt  raft.Index
	hasLead bool
	// reads wait for their index.
	reads []read
	// failed is why the machine must not be called any more.
	failed  error
	current []task // being run
}

// task is something for the apply stage to do. Its parts are done in the order of
// the fields.
type task struct {
	// lead is who leads; this replica does when all up to leadAt is applied.
	lead    Leadership
	leadAt  raft.Index
	hasLead bool
	entries []raft.Entry
	// waits are settled: those that are Applied with their entry, the others
	// before the one behind them.
	waits []wait
	reads []read
	// abandon fails all reads that wait: what they wait for does not come.
	abandon error
	// image and restore are slow. The one takes an image for a transfer, the
	// other puts one into effect.
	image   *sender
	restore *receiver
	// then is called at the end.
	then func()
}

// read are reads that have their index, or are lost.
type read struct {
	index raft.Index
	lost  bool
	dones []func(raft.Index, error)
}

func (t *task) any() bool {
	return t.hasLead || len(t.entries) > 0 || len(t.waits) > 0 || len(t.reads) > 0 || t.abandon != nil || t.image != nil || t.restore != nil || t.then != nil
}

func (t *task) slow() bool { return t.image != nil || t.restore != nil }

// post queues a task. It returns false if the stage has ended, and nothing is
// done.
func (a *applier) post(t task) bool {
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return false
	}
	a.tasks = append(a.tasks, t)
	wake := !a.scheduled
	a.scheduled = true
	a.mu.Unlock()
	if wake {
		a.pool(&t).push(a)
	}
	return true
}

// pool returns where a task is to be run. With a sole voter it is the worker who has
// stepped the group that applies what this has committed: to wake another one takes
// longer than most entries.
func (a *applier) pool(t *task) *pool {
	h := a.group.host
	switch {
	case t.slow():
		return h.bulkPool
	case a.group.sole:
		return h.groupPool
	default:
		return h.applyPool
	}
}

// release implements actor.
func (a *applier) release() *pool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tasks) == 0 {
		a.scheduled = false
		return nil
	}
	return a.pool(&a.tasks[0])
}

// maxKeptTasks bounds the room for tasks that an applier keeps.
const maxKeptTasks = 64

// run implements actor.
func (a *applier) run(w *worker) {
	a.mu.Lock()
	a.current, a.tasks = a.tasks, a.current[:0]
	a.mu.Unlock()
	for i := range a.current {
		t := &a.current[i]
		if t.slow() && w.pool != a.group.host.bulkPool {
			// It goes on in the other pool, with what is queued behind it.
			a.mu.Lock()
			a.tasks = append(append([]task(nil), a.current[i:]...), a.tasks...)
			a.mu.Unlock()
			break
		}
		a.do(w, t)
	}
	if a.flusher != nil {
		a.flusher.Flush()
	}
	if cap(a.current) > maxKeptTasks || len(a.current) <= 1 {
		// Most groups have one task at a time, and many are idle.
		a.current = nil
	}
	clear(a.current)
}

func (a *applier) do(w *worker, t *task) {
	if t.hasLead {
		a.leaderChanged(t.lead, t.leadAt)
	}
	waits := t.waits
	for i := range t.entries {
		e := &t.entries[i]
		for len(waits) > 0 && waits[0].fate != Applied {
			waits[0].settle(a.group, nil)
			waits = waits[1:]
		}
		var wt *wait
		if len(waits) > 0 && waits[0].index == e.Index {
			wt = &waits[0]
			waits = waits[1:]
		}
		a.apply(&w.applying, e, wt)
	}
	for i := range waits {
		waits[i].settle(a.group, nil)
	}
	if len(t.entries) > 0 {
		a.applied.Store(uint64(a.at.Base.Index))
		a.group.postApplied(a.at.Base.Index)
	}
	w.applying = Batch{} // it refers to the entry
	a.reads = append(a.reads, t.reads...)
	a.answerReads(t.abandon)
	switch {
	case t.image != nil:
		a.takeImage(t.image)
	case t.restore != nil:
		a.restore(t.restore)
	}
	if t.then != nil {
		t.then()
	}
}

// apply applies one entry.
func (a *applier) apply(b *Batch, e *raft.Entry, wt *wait) {
	*b = Batch{Index: e.Index, Term: e.Term, Time: a.at.Time, Local: wt != nil}
	if a.failed != nil || e.Index <= a.at.Base.Index {
		// The machine has it already, from an image, or can have nothing more.
		if wt != nil {
			wt.fate, wt.err = Unknown, a.failed
			if wt.err == nil {
				wt.err = ErrLeadershipLost
			}
			wt.settle(a.group, b)
		}
		return
	}
	if e.Index != a.at.Base.Index+1 {
		a.fail(fmt.Errorf("raft/host: entry %d follows on %d", e.Index, a.at.Base.Index))
	} else if err := a.call(e, b); err != nil {
		a.fail(fmt.Errorf("applying entry %d: %w", e.Index, err))
	}
	if a.failed != nil {
		if wt != nil {
			wt.fate, wt.err = Unknown, a.failed
			wt.settle(a.group, b)
		}
		return
	}
	a.at.Base.Index, a.at.Base.Term, a.at.Time = e.Index, e.Term, b.Time
	if wt != nil {
		wt.settle(a.group, b)
	}
	a.maybeLead()
}

// maybeLead tells the machine that it leads, if it was to be told and has applied all
// that it has to.
func (a *applier) maybeLead() {
	if a.hasLead && a.at.Base.Index >= a.leadAt {
		a.hasLead = false
		a.machine.LeaderChanged(a.lead)
	}
}

// call gives an entry to the machine.
func (a *applier) call(e *raft.Entry, b *Batch) error {
	if e.Type == raft.EntryConf {
		c, err := raft.DecodeConfState(e.Data)
		if err != nil {
			return err
		}
		if err := a.machine.ApplyConf(e.Index, e.Term, &c); err != nil {
			return err
		}
		a.at.Base.Conf = c
		return nil
	}
	if err := decodeEntry(e.Data, b); err != nil {
		return err
	}
	return a.machine.Apply(b)
}

// first tells an empty machine of the configuration that its group was created
// with, which no entry holds.
func (a *applier) first(c *raft.ConfState) {
	if a.at.Base.Index > 0 || a.failed != nil {
		return
	}
	if err := a.machine.ApplyConf(0, 0, c); err != nil {
		a.fail(fmt.Errorf("applying the first configuration: %w", err))
		return
	}
	a.at.Base.Conf = c.Clone()
}

// leaderChanged tells the machine who leads: at once, unless it is this replica,
// whose machine first has to apply all that was committed before.
func (a *applier) leaderChanged(l Leadership, from raft.Index) {
	a.hasLead = l.Leading && a.failed == nil
	a.lead, a.leadAt = l, from
	switch {
	case a.hasLead:
		a.maybeLead()
	case a.failed == nil:
		a.machine.LeaderChanged(l)
	}
}

// answerReads answers the reads whose index is applied, or that are lost, or all.
func (a *applier) answerReads(abandon error) {
	if len(a.reads) == 0 {
		return
	}
	kept := a.reads[:0]
	for _, r := range a.reads {
		var err error
		switch {
		case r.lost:
			err = ErrReadLost
		case a.failed != nil:
			err = a.failed
		case a.at.Base.Index < r.index:
			if err = abandon; err == nil {
				kept = append(kept, r)
				continue
			}
		}
		for _, done := range r.dones {
			if err != nil {
				done(0, err)
			} else {
				done(r.index, nil)
			}
		}
	}
	clear(a.reads[len(kept):])
	if a.reads = kept; len(kept) == 0 {
		a.reads = nil
	}
}

// fail ends the calls to the machine, and halts the group.
func (a *applier) fail(err error) {
	a.failed = err
	a.group.control(func(*worker) { a.group.halt(err) })
}

// end is the last task: nothing is done any more.
func (a *applier) end() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.answerReads(ErrStopped)
}
