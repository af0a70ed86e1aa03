package jetstream

import (
	"path/filepath"
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Streams and consumers are started, changed and stopped by comparing what runs here with what
// is assigned to this server, and by nothing else: after an op what the op was about, at the start
// and after an image everything. All of it happens on the apply stage of the group of assets, and
// only takes note of what is to be: whatever touches a disk is a job.

// begin starts what there is to be.
func (e *Engine) begin(state *meta.State) {
	e.arrangeAll(state)
	for st := range state.All() {
		if st.Restore != nil && st.Restore.Node == uint32(e.cfg.Node) {
			// Who sends the backup has to begin again.
			e.jobs.run(func() { e.abandonRestore(st.Account, st.Name(), st.Restore.ID) })
		}
	}
	if e.meta.blamed() == nil {
		e.clearAway(state)
	}
}

// follow does what has come of an op about assets.
func (e *Engine) follow(state *meta.State, r *meta.Result) {
	switch {
	case r.Consumer != nil:
		e.arrangeConsumer(state, r.Stream, r.Consumer)
	case r.Stream != nil:
		e.arrange(state, r.Stream)
	default: // servers have come or gone
		e.arrangeAll(state)
	}
}

// arrangeAll makes all that runs here what is assigned.
func (e *Engine) arrangeAll(state *meta.State) {
	for _, s := range e.streamList() {
		if st := s.assigned.Load(); state.Current(st) == nil {
			e.arrange(state, st)
		}
	}
	for st := range state.All() {
		e.arrange(state, st)
	}
}

// arrange does so with a stream and its consumers. of is the stream as it is, or was once.
func (e *Engine) arrange(state *meta.State, of *meta.Stream) {
	s, st := e.stream(of.Group.ID), state.Current(of)
	if st == nil {
		if s != nil {
			e.removeStream(s, nil)
		}
		return
	}
	task, here := reconcile.TaskOf(state, e.self(), st, nil)
	switch {
	case here && s == nil:
		if s = e.startStream(&task); s == nil {
			return // the engine stops
		}
	case here:
		s.assign(&task)
	case s != nil:
		e.removeStream(s, func(c *consumer) bool { return e.isHere(state, st, c.assigned.Load()) })
		return
	default:
		return
	}
	for _, c := range s.consumerList() {
		if now := st.Consumer(c.assigned.Load().Name()); now == nil || now.Group.ID != uint64(c.id) {
			e.removeConsumer(c)
		}
	}
	for c := range st.Consumers() {
		e.arrangeConsumer(state, st, c)
	}
}

// isHere reports whether this server is to have a replica of a consumer.
func (e *Engine) isHere(state *meta.State, st *meta.Stream, of *meta.Consumer) bool {
	c := st.Consumer(of.Name())
	if c == nil || c.Group.ID != of.Group.ID {
		return false
	}
	_, here := reconcile.TaskOf(state, e.self(), st, c)
	return here
}

// arrangeConsumer makes what runs here of a consumer what is assigned. of is the consumer as it is,
// or was once.
func (e *Engine) arrangeConsumer(state *meta.State, st *meta.Stream, of *meta.Consumer) {
	s := e.stream(st.Group.ID)
	if s == nil {
		return // it is read where its stream is
	}
	c, now := s.consumer(of), st.Consumer(of.Name())
	if now == nil || now.Group.ID != of.Group.ID {
		if c != nil {
			e.removeConsumer(c)
		}
		return
	}
	task, here := reconcile.TaskOf(state, e.self(), st, now)
	switch {
	case here && c == nil:
		e.startConsumer(s, &task)
	case here:
		c.assign(&task)
	case c != nil:
		e.removeConsumer(c)
	}
}

// clearAway removes what is left of assets that were deleted, or have moved away, when the server
// ended before it had removed them. What nobody knows of it moves away: only what is committed
// removes anything.
func (e *Engine) clearAway(state *meta.State) {
	plan := reconcile.New(state, e.meta.at.Base.Index, e.self())
	for _, g := range e.cfg.Log.Groups() {
		if plan.Fate(g.ID, 0) != reconcile.Remove {
			continue
		}
		if err := e.dropGroup(g.ID); err != nil {
			e.cfg.Logger.Errorf("JetStream: removing group %d from the log: %v", g.ID, err)
		}
	}
	list, err := e.cfg.FS.List(e.path(streamsName))
	if err != nil {
		e.cfg.Logger.Errorf("JetStream: looking for streams: %v", err)
		return
	}
	for _, entry := range list {
		path := e.path(streamsName, entry.Name)
		id, err := strconv.ParseUint(entry.Name, 16, 64)
		fate := reconcile.Aside
		if err == nil && entry.Name == filepath.Base(e.streamDir(id)) && id >= meta.FirstGroup {
			fate = plan.Fate(raft.GroupID(id), 0)
		}
		switch fate {
		case reconcile.Keep:
		case reconcile.Remove:
			if err := e.cfg.FS.RemoveAll(path); err != nil {
				e.cfg.Logger.Errorf("JetStream: removing what is left of a deleted stream: %v", err)
			}
		case reconcile.Aside:
			if err := e.putAside(filepath.Join(streamsName, entry.Name)); err != nil {
				e.cfg.Logger.Errorf("JetStream: putting %s aside, which belongs to no stream: %v", path, err)
				continue
			}
			e.cfg.Logger.Warnf("JetStream: %s belongs to no stream and was put aside", path)
		}
	}
}
