package rafttest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// TickTime is how far a replica's clock moves with each tick.
const TickTime = 100 * time.Millisecond

// Env is a group of replicas with their disks and state machines, and the
// messages on their way. Each method is one step; when it returns, every replica
// touched has handed over all that it had ready: entries to its disk, where they
// wait for Sync, messages to the network, where they wait for Deliver,
// and committed entries to its state machine.
type Env struct {
	config   raft.Config
	replicas []*replica // sorted by id, those that are gone included
	net      []envelope
	// cut tells from which node to which nothing gets through.
	cut   map[[2]raft.NodeID]bool
	check *Checker
	story *story // nil: nobody is listening
	// broken is the first violation. Nothing is to be believed after it.
	broken error
	lives  uint64
	// reads holds what was committed when a read was asked for.
	reads    map[uint64]raft.Index
	lastRead uint64
	answered int
}

// replica is one peer, running or not.
type replica struct {
	id      raft.PeerID
	core    *raft.Raft // nil while it is down
	disk    disk
	machine machine
	now     raft.Instant
	// slow is whether its disk does not finish by itself when the Env
	// stabilizes; lazy whether entries wait in toApply until Apply.
	slow, lazy bool
	toApply    []raft.Entry
	// failed are snapshots that did not arrive, which it learns with its next
	// tick: it takes a host some time to give up.
	failed []envelope
	// gone is whether its disk was lost, for ever.
	gone bool
	// What was last told of it:
	soft      raft.SoftState
	conf      raft.ConfState
	vote      raft.HardState
	handed    raft.Index
	quiescent bool
}

// envelope is a message on its way, or a snapshot: then the message is the
// MsgSnap that the receiver's host gives to it.
type envelope struct {
	raft.Message
	image *image
}

// NewEnv returns a group that begins with the given configuration. config
// holds the limits for each core, and the seed.
func NewEnv(config raft.Config, conf raft.ConfState) *Env {
	e := &Env{config: config, cut: make(map[[2]raft.NodeID]bool), check: NewChecker(), reads: make(map[uint64]raft.Index)}
	for _, id := range conf.Peers() {
		e.add(id, raft.Base{Conf: conf})
	}
	return e
}

// add makes a replica that is down.
func (e *Env) add(id raft.PeerID, base raft.Base) *replica {
	r := &replica{id: id}
	r.disk.base = base
	r.machine.saved.base = base
	e.replicas = append(e.replicas, r)
	slices.SortFunc(e.replicas, func(a, b *replica) int { return cmp.Compare(a.id, b.id) })
	e.verify(e.check.Found(id, raft.HardState{}, base, nil))
	return r
}

// find returns a replica, or nil.
func (e *Env) find(id raft.PeerID) *replica {
	for _, r := range e.replicas {
		if r.id == id {
			return r
		}
	}
	return nil
}

// verify keeps the first violation.
func (e *Env) verify(err error) {
	if err != nil && e.broken == nil {
		e.broken = err
	}
}

func (e *Env) tell(format string, args ...any) {
	if e.story != nil {
		e.story.tell(format, args...)
	}
}

// start runs a replica on what is durable.
func (e *Env) start(r *replica) error {
	r.machine.state = r.machine.saved
	saved := r.machine.saved.base
	if t, err := r.disk.Term(saved.Index); saved.Index > r.disk.base.Index && (err != nil || t != saved.Term) {
		// The machine was faster than the disk. What it holds is committed.
		a := raft.Append{Base: &saved}
		if r.disk.hard.Term < saved.Term {
			a.Hard = &raft.HardState{Term: saved.Term}
		}
		e.tell("%s begins its log at %d/%d, where its state machine stands", Name(r.id), saved.Index, saved.Term)
		r.disk.apply(write{append: a})
		e.verify(e.check.Stored(r.id, &a))
	}
	cfg := e.config
	e.lives++
	cfg.ID, cfg.Hard, cfg.Base, cfg.Confs, cfg.Log, cfg.Applied = r.id, r.disk.hard, r.disk.base, r.disk.confs(), &r.disk, saved.Index
	cfg.Seed = mix(e.config.Seed, e.lives)
	core, err := raft.New(cfg)
	if err != nil {
		return err
	}
	r.core, r.toApply = core, nil
	r.soft, r.conf, r.vote = raft.SoftState{Term: core.Term()}, core.Conf().Clone(), r.disk.hard
	r.handed, r.quiescent = r.disk.Last(), false
	e.verify(e.check.Started(core, saved.Index))
	e.settle(r)
	return nil
}

// crash stops a replica. What its disk has not finished is lost.
func (e *Env) crash(r *replica) {
	r.core, r.disk.pending, r.toApply, r.failed = nil, nil, nil, nil
	e.check.Stopped(r.id)
}

// wipe loses a replica with all that its disk had, and starts another on the
// same node, which knows nothing.
func (e *Env) wipe(r *replica) (*replica, error) {
	e.crash(r)
	r.gone = true
	e.check.Forgotten(r.id)
	next := e.add(raft.MakePeerID(r.id.Node(), r.id.Incarnation()+1), raft.Base{})
	next.now, next.lazy, next.slow = r.now, r.lazy, r.slow
	return next, e.start(next)
}

// settle takes over what a replica has ready.
func (e *Env) settle(r *replica) {
	e.verify(e.check.Step(r.core))
	for r.core.HasReady() {
		rd := r.core.Ready()
		e.tellReady(r, &rd)
		if rd.Append.Seq != 0 {
			e.verify(e.check.Handed(r.core, &rd.Append))
			r.disk.pending = append(r.disk.pending, write{append: rd.Append})
			if n := len(rd.Append.Entries); n > 0 {
				r.handed = rd.Append.Entries[n-1].Index
			}
		}
		for n := range rd.Messages {
			e.verify(e.check.Sent(&rd.Messages[n]))
			e.net = append(e.net, envelope{Message: rd.Messages[n]})
		}
		for _, to := range rd.Snapshots {
			state := r.machine.state
			env := envelope{
				Message: raft.Message{Type: raft.MsgSnap, From: r.id, To: to, Term: r.core.Term(), Base: &state.base}, image: &state,
			}
			if state.base.Conf.Empty() {
				// It has joined later, and has not applied the entry from which on
				// it knows the configuration.
				e.lost(&env)
				continue
			}
			e.net = append(e.net, env)
		}
		for _, read := range rd.Reads {
			e.answer(r, read)
		}
		if rd.Fault != nil {
			e.verify(fmt.Errorf("%s: %w", Name(r.id), rd.Fault))
		}
		r.toApply = append(r.toApply, rd.Committed...)
		r.core.Advance()
		if !r.lazy {
			e.apply(r, len(r.toApply))
		}
		e.verify(e.check.Step(r.core))
	}
	if e.story != nil {
		e.tellState(r)
	}
}

// apply lets a state machine apply the next n entries.
func (e *Env) apply(r *replica, n int) {
	if n == 0 {
		return
	}
	for i := range r.toApply[:n] {
		ent := &r.toApply[i]
		e.verify(e.check.Applied(r.id, ent))
		r.machine.apply(ent)
		e.verify(e.check.Digest(r.id, ent.Index, r.machine.state.digest))
	}
	r.toApply = r.toApply[n:]
	r.core.AppliedTo(r.machine.state.base.Index)
}

func (e *Env) answer(r *replica, read raft.ReadState) {
	asked := e.reads[read.Context]
	if read.Lost {
		e.tell("%s: read #%d is lost", Name(r.id), read.Context)
		return
	}
	e.answered++
	e.tell("%s: read #%d may be answered at %d", Name(r.id), read.Context, read.Index)
	if read.Index < asked {
		e.verify(&Violation{LinearizableReads, r.id, fmt.Sprintf("read #%d is answered at %d, and %d was committed when it was asked for", read.Context, read.Index, asked)})
	}
}

// LinearizableReads is checked by the Env: Checkers do not see reads.
const LinearizableReads = "linearizable reads (a read sees all that was committed when it was asked for)"

// step gives a message to its receiver, and reports whether it got there.
func (e *Env) step(env *envelope) bool {
	r := e.find(env.To)
	if r == nil || r.core == nil || e.cut[[2]raft.NodeID{env.From.Node(), env.To.Node()}] {
		e.lost(env)
		return false
	}
	if env.Type == raft.MsgSnap {
		e.install(r, env)
		return true
	}
	if err := r.core.Step(env.Message); err != nil {
		e.refused(r, err)
	}
	e.settle(r)
	return true
}

// refused takes note of a message that a core has refused, which none does
// while replicas keep their promises.
func (e *Env) refused(r *replica, err error) {
	e.verify(fmt.Errorf("%s refuses a message: %w", Name(r.id), err))
}

// lost takes note of a message that did not arrive. Only the sender of a
// snapshot learns of it.
func (e *Env) lost(env *envelope) {
	if from := e.find(env.From); env.Type == raft.MsgSnap && from.core != nil {
		from.failed = append(from.failed, *env)
	}
}

func (e *Env) snapshotDone(env *envelope, ok bool) {
	if from := e.find(env.From); from.core != nil {
		from.core.SnapshotDone(env.To, env.Base.Index, ok)
		e.settle(from)
	}
}

// install does what a host does at the end of a transfer: the machine takes the
// image, durably, and then the core is told.
func (e *Env) install(r *replica, env *envelope) {
	e.restore(r, env.image)
	m := env.Message
	base := *env.Base
	m.Base = &base
	if err := r.core.Step(m); err != nil {
		e.refused(r, err)
	}
	e.settle(r)
	e.snapshotDone(env, true)
}

// restore gives a state machine an image, if that is ahead of what it has.
func (e *Env) restore(r *replica, img *image) {
	if img.base.Index <= r.machine.state.base.Index {
		e.tell("%s has applied more than the snapshot at %d", Name(r.id), img.base.Index)
		return
	}
	e.tell("%s restores its state machine at %d/%d", Name(r.id), img.base.Index, img.base.Term)
	r.machine.state, r.machine.saved = *img, *img
	r.toApply = slices.DeleteFunc(r.toApply, func(ent raft.Entry) bool { return ent.Index <= img.base.Index })
	e.verify(e.check.Restored(r.id, img.base))
	e.verify(e.check.Digest(r.id, img.base.Index, img.digest))
}

// sync lets a disk finish its oldest write.
func (e *Env) sync(r *replica) {
	w := r.disk.sync()
	e.tellWrite(r, &w)
	if w.compact != nil {
		return
	}
	e.verify(e.check.Stored(r.id, &w.append))
	r.core.Stored(w.append.Seq)
	e.settle(r)
}

// tick moves a replica's clock.
func (e *Env) tick(r *replica) {
	r.now += raft.Instant(TickTime)
	failed := r.failed
	r.failed = nil
	for n := range failed {
		e.snapshotDone(&failed[n], false)
	}
	r.core.Tick(r.now)
	e.settle(r)
}

// propose appends an entry for each of data at a leader.
func (e *Env) propose(r *replica, data ...[]byte) (raft.Index, raft.Term, error) {
	i, t, err := r.core.Propose(data...)
	e.settle(r)
	return i, t, err
}

func (e *Env) proposeConf(r *replica, changes ...raft.Change) error {
	_, _, err := r.core.ProposeConf(changes...)
	e.settle(r)
	return err
}

// read asks for an index to read at, and returns the number of the question.
func (e *Env) read(r *replica) (uint64, error) {
	e.lastRead++
	e.reads[e.lastRead] = e.check.Committed()
	err := r.core.ReadIndex(r.now, e.lastRead)
	e.settle(r)
	return e.lastRead, err
}

// compact saves the state machine and drops the log up to i.
func (e *Env) compact(r *replica, i raft.Index) error {
	base, err := r.core.Compact(i)
	if err != nil {
		return err
	}
	r.machine.saved = r.machine.state
	r.disk.pending = append(r.disk.pending, write{compact: &base})
	e.settle(r)
	return nil
}

// do runs any other input of a core.
func (e *Env) do(r *replica, f func(*raft.Raft)) {
	f(r.core)
	e.settle(r)
}

// leaderLost tells all replicas that follow a peer that its node is gone.
func (e *Env) leaderLost(leader raft.PeerID, who ...*replica) {
	for _, r := range who {
		if r.core != nil && r.core.Leader() == leader && r.id != leader {
			e.do(r, (*raft.Raft).LeaderLost)
		}
	}
}

// setCut cuts, or mends, the way from one node to another.
func (e *Env) setCut(from, to raft.NodeID, cut bool) {
	if cut {
		e.cut[[2]raft.NodeID{from, to}] = true
	} else {
		delete(e.cut, [2]raft.NodeID{from, to})
	}
}
