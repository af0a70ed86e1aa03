package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// replica is a group on a node, in one life of the node's process: its state
// machine, and the handle that the host has given.
type replica struct {
	node  *node
	life  int
	g     *group
	state state
	// self is the identity by which the checker knows the replica.
	self    raft.PeerID
	handle  *host.Group
	leading bool
	// compacted is when the log was last shortened.
	compacted time.Time
}

// Applied implements host.StateMachine.
func (r *replica) Applied() host.Position {
	return host.Position{Base: r.state.base(), Time: r.state.time}
}

// Apply implements host.StateMachine.
func (r *replica) Apply(b *host.Batch) error {
	s := r.node.sim
	if b.Index != r.state.applied+1 {
		s.failf("node %d, group %d: applies %d behind %d", r.node.id, r.g.id, b.Index, r.state.applied)
	}
	if b.Len() > 0 && b.Time <= r.state.time {
		s.failf("node %d, group %d: entry %d is of time %d, the one before of %d", r.node.id, r.g.id, b.Index, b.Time, r.state.time)
	}
	r.g.record(b)
	for n, op := range b.Proposals() {
		result, err := r.state.apply(op, b.Time)
		if err != nil {
			s.failf("node %d, group %d: entry %d: %w", r.node.id, r.g.id, b.Index, err)
			return err
		}
		b.SetResult(n, result)
	}
	if b.Len() > 0 {
		r.state.time = b.Time
	}
	r.moved(b.Index, b.Term)
	return nil
}

// ApplyConf implements host.StateMachine.
func (r *replica) ApplyConf(index raft.Index, term raft.Term, conf *raft.ConfState) error {
	r.g.recordConf(index, term)
	r.state.conf = conf.Clone()
	r.state.hash ^= uint64(index)
	r.moved(index, term)
	return nil
}

// moved compares the state with that of the others after the same entry.
func (r *replica) moved(index raft.Index, term raft.Term) {
	s := r.node.sim
	r.state.applied, r.state.term = index, term
	s.note(nil, uint64(r.node.id), uint64(r.g.id), uint64(index), r.state.hash)
	for raft.Index(len(r.g.chain)) <= index {
		r.g.chain = append(r.g.chain, 0)
	}
	want := &r.g.chain[index]
	mark, err := r.state.mark()
	if err != nil {
		s.failf("node %d, group %d: the digest after entry %d: %w", r.node.id, r.g.id, index, err)
	}
	if *want != 0 && *want != mark {
		s.failf("node %d, group %d: its state after entry %d of term %d is not that of the others", r.node.id, r.g.id, index, term)
	}
	*want = mark
}

// Snapshot implements host.StateMachine.
func (r *replica) Snapshot() (host.Snapshot, error) {
	b, err := r.state.encode()
	if err != nil {
		return nil, err
	}
	return &picture{Reader: bytes.NewReader(b), at: r.Applied()}, nil
}

// picture is a state in memory.
type picture struct {
	*bytes.Reader
	at host.Position
}

func (i *picture) Position() host.Position { return i.at }
func (i *picture) Close() error            { return nil }

var _ io.ReaderAt = (*picture)(nil)

// Restore implements host.StateMachine.
func (r *replica) Restore(at host.Position, img host.Image) error {
	b, err := readAll(img, img.Size())
	if err != nil {
		return err
	}
	st, content, err := decodeState(b)
	if err != nil {
		return err
	}
	commit, err := r.state.content.prepare(content)
	if err != nil {
		return err
	}
	if st.applied != at.Base.Index || st.term != at.Base.Term || !st.conf.Equal(&at.Base.Conf) {
		r.node.sim.failf("node %d, group %d: a snapshot of %d/%d is said to be of %d/%d", r.node.id, r.g.id, st.applied, st.term, at.Base.Index, at.Base.Term)
	}
	if !r.g.kind.memory {
		if err := r.store(b); err != nil {
			return err
		}
	}
	old := r.state.applied
	commit()
	st.content = r.state.content
	r.state = st
	if st.applied < old {
		r.node.sim.failf("node %d, group %d: a snapshot takes it from %d back to %d", r.node.id, r.g.id, old, st.applied)
	}
	r.moved(st.applied, st.term)
	return nil
}

// leads is a content that does something where it leads.
type leads interface{ leads(l host.Leadership) }

// LeaderChanged implements host.StateMachine.
func (r *replica) LeaderChanged(l host.Leadership) {
	r.leading = l.Leading
	if c, ok := r.state.content.(leads); ok {
		c.leads(l)
	}
}

// checkpoint makes the state durable and lets the host shorten the log.
func (r *replica) checkpoint() {
	if r.state.applied == 0 {
		return
	}
	if !r.g.kind.memory {
		b, err := r.state.encode()
		if err == nil {
			err = r.store(b)
		}
		if err != nil {
			r.node.sim.logf("node %d, group %d: no checkpoint: %v", r.node.id, r.g.id, err)
			return
		}
	}
	r.handle.Checkpointed(r.state.applied)
	r.compacted = r.node.sim.clock.Now()
}

// load takes over the state that is on the disk, if there is one.
func (r *replica) load() error {
	st, img, err := loadState(r.node.disk, r.g.id)
	if errors.Is(err, errBadState) {
		// A machine that cannot read its state starts without one.
		r.node.sim.logf("node %d, group %d: %v", r.node.id, r.g.id, err)
		return nil
	}
	if err != nil || st.applied == 0 {
		return err
	}
	commit, err := r.state.content.prepare(img)
	if err != nil {
		return err
	}
	commit()
	st.content = r.state.content
	r.state = st
	return nil
}

func (r *replica) store(encoded []byte) error {
	if err := r.node.fs.MkdirAll("state"); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := vfs.SyncDir(r.node.fs, "."); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return vfs.WriteFile(r.node.fs, stateFile(r.g.id), encoded)
}
