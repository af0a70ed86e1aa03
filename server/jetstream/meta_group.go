package jetstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// metaGroup is the group that decides which assets there are. It implements
// host.StateMachine.
type metaGroup struct {
	member
	e *Engine

	mu    sync.RWMutex
	state *meta.State
	// live is set when all is applied that was committed before this server
	// started. Assets are not touched before: some may have been deleted since.
	live bool
	// ready is closed then.
	ready chan struct{}
	// unkept is what is applied behind the checkpoint.
	unkept unkept
	// catching is set while it is found out how far that was.
	catching atomic.Bool
	// tide is how far it has applied.
	tide tide

	// The rest belongs to the apply stage. By newcomers the leader listens to servers that
	// introduce themselves. since counts the ops behind the checkpoint, skipped those that
	// were not understood. kept is how far the checkpoint before the newest is: the log reaches
	// back to it.
	newcomers      *account.Subscription
	since, skipped int
	kept           raft.Index
}

const (
	metaName     = "meta"
	oldMetaName  = "meta.old"
	maxMetaBytes = 1 << 30
	// metaPurpose is that of the keys of the checkpoint.
	metaPurpose = "meta"
)

// openMeta reads the newest checkpoint that there is. If it is not the one that was
// written last, the log makes up for it.
func openMeta(e *Engine) (*metaGroup, error) {
	m := &metaGroup{e: e, state: &meta.State{}, ready: make(chan struct{})}
	// It takes servers that are removed from the group.
	m.guide = &guide{e: e, group: func() *host.Group { return m.group }, goal: m.goal, report: m.endRemoval}
	m.joined = make(chan struct{})
	stale, err := m.read(metaName)
	if err == nil {
		return m, m.renew(stale)
	}
	if damaged := errors.Is(err, errDamaged); damaged || errors.Is(err, fs.ErrNotExist) {
		stale, older := m.read(oldMetaName)
		switch {
		case older == nil && damaged:
			e.cfg.Logger.Errorf("JetStream: %v; the one before is used, and the log", err)
			return m, errors.Join(e.putAside(metaName), m.renew(stale))
		case older == nil:
			return m, m.renew(stale)
		case !damaged && errors.Is(older, fs.ErrNotExist) && !m.begun():
			return m, nil
		case m.isAllLogged():
			e.cfg.Logger.Errorf("JetStream: %v; the log has everything", errors.Join(err, older))
			return m, errors.Join(e.putAside(metaName), e.putAside(oldMetaName))
		case !damaged && errors.Is(older, fs.ErrNotExist) && e.cfg.Neighbours != nil:
			// A replica that was admitted anew begins its log where its state is, and may end
			// before it has kept that. The host finds that it has forgotten, and asks the others.
			e.cfg.Logger.Warnf("JetStream: which assets there are was not kept; the other servers know it")
			return m, nil
		case !errors.Is(older, fs.ErrNotExist):
			err = errors.Join(err, older)
		}
	}
	return nil, fmt.Errorf("jetstream: which assets there are: %w", err)
}

// isAllLogged reports whether the log reaches back to the beginning, so that no checkpoint
// is needed.
func (m *metaGroup) isAllLogged() bool {
	g, ok := m.e.cfg.Log.Group(metaGroupID)
	return ok && g.State().Base.Index == 0
}

// begun reports whether there was a checkpoint once.
func (m *metaGroup) begun() bool {
	g, ok := m.e.cfg.Log.Group(metaGroupID)
	return ok && g.State().Base.Index > 0
}

// read reads a checkpoint. Stale is as decode says.
func (m *metaGroup) read(name string) (stale bool, err error) {
	b, err := vfs.ReadFile(m.e.cfg.FS, m.e.path(name), maxMetaBytes)
	if err == nil {
		if stale, err = m.decode(b); err != nil {
			err = fmt.Errorf("%s: %w", m.e.path(name), err)
		}
	}
	m.kept = m.at.Base.Index
	return stale, err
}

// renew writes both checkpoints anew if they are stale.
func (m *metaGroup) renew(stale bool) error {
	if !stale {
		return nil
	}
	for _, name := range []string{oldMetaName, metaName} {
		if err := vfs.WriteFile(m.e.cfg.FS, m.e.path(name), m.encode()); err != nil {
			return fmt.Errorf("jetstream: %s: %w", m.e.path(name), err)
		}
	}
	return nil
}

// putAside moves something of which nothing can be made out of the way, if it is there.
// What was put aside before stays.
func (e *Engine) putAside(name string) error {
	fsys, lost := e.cfg.FS, e.path("lost")
	if err := fsys.MkdirAll(lost); err != nil {
		return err
	}
	base := filepath.Base(name)
	to := base
	for i := 1; ; i++ {
		if _, err := fsys.Stat(filepath.Join(lost, to)); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		to = fmt.Sprintf("%s.%d", base, i)
	}
	err := fsys.Rename(e.path(name), filepath.Join(lost, to))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// The file is as docs/formats/meta.md says.
var (
	metaMagic  = []byte("NLJSMETA")
	metaSealed = []byte("NLJSMETS")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("the checkpoint is damaged")
)

func (m *metaGroup) encode() []byte {
	content := m.state.Append(appendPosition(nil, &m.at))
	magic := metaMagic
	if keys := m.e.metaKeys; keys != nil {
		magic, content = metaSealed, keys.Seal(content, metaContext)
	}
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(content, castagnoli))
	return append(b, content...)
}

// metaContext is what the checkpoint is sealed for.
const metaContext = "checkpoint of assets"

// decode takes over what a checkpoint says. Stale is whether it should be written
// anew: it is in clear and should not be, or has an earlier key.
func (m *metaGroup) decode(b []byte) (stale bool, err error) {
	content, stale, err := openCheckpoint(b, m.e.metaKeys)
	if err != nil {
		return false, err
	}
	at, rest, err := decodePosition(content)
	if err != nil {
		return false, err
	}
	state, err := meta.Decode(rest)
	if err != nil {
		return false, err
	}
	m.at, m.state = at, state
	return stale, nil
}

// openCheckpoint returns what is in a checkpoint of assets, in clear.
func openCheckpoint(b []byte, keys *seal.Keys) (content []byte, stale bool, err error) {
	n := len(metaMagic)
	if len(b) < n+4 || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[n+4:], castagnoli) {
		return nil, false, errDamaged
	}
	switch magic := b[:n]; {
	case bytes.Equal(magic, metaMagic):
		return b[n+4:], keys != nil, nil
	case bytes.Equal(magic, metaSealed):
		return keys.Open(b[n+4:], metaContext)
	default:
		return nil, false, errDamaged
	}
}

// start starts the group.
func (m *metaGroup) start() error {
	if _, there := m.e.cfg.Log.Group(metaGroupID); !there && m.at.Base.Index > 0 {
		// Assets may have come and gone of which the checkpoint does not know: it is
		// good for finding what there is, and for nothing else.
		close(m.joined)
		m.Halted(errLogGone)
		return nil
	}
	return m.joinAlone(m.e, m)
}

func (m *metaGroup) stop() {
	if m.group == nil {
		return
	}
	m.group.Stop()
	if m.since > 0 {
		m.checkpoint()
	}
}

// checkpoint makes the state durable. Without it the log is longer.
func (m *metaGroup) checkpoint() {
	<-m.joined
	if err := m.write(); err != nil {
		m.e.cfg.Logger.Errorf("JetStream: the checkpoint of assets: %v", err)
		return
	}
	// Should this one be damaged one day, the log reaches back to the one before.
	m.group.Checkpointed(m.kept)
	m.kept = m.at.Base.Index
}

// write writes a checkpoint.
func (m *metaGroup) write() error {
	begin := m.e.cfg.Clock.Now()
	err := m.e.cfg.FS.Rename(m.e.path(metaName), m.e.path(oldMetaName))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = vfs.WriteFile(m.e.cfg.FS, m.e.path(metaName), m.encode())
	}
	if err == nil {
		m.since = 0
		m.unkept.kept(begin, m.e.cfg.Clock.Now())
	}
	return err
}

// Keep implements host.Keeper.
func (m *metaGroup) Keep() (host.Position, error) {
	if err := m.write(); err != nil {
		return host.Position{}, err
	}
	m.kept = m.at.Base.Index
	return m.position(), nil
}

// Apply implements host.StateMachine.
func (m *metaGroup) Apply(b *host.Batch) error {
	for n, data := range b.Proposals() {
		op, err := meta.DecodeOp(data)
		if err != nil {
			m.skipped++
			m.e.cfg.Logger.Errorf("JetStream: entry %d about assets is skipped: %v", b.Index, err)
			continue
		}
		gone := ""
		if op.RemoveServer != nil {
			gone = m.e.serverName(op.RemoveServer.Node)
		}
		m.mu.Lock()
		r := m.state.Apply(op, b.Time)
		live := m.live
		m.mu.Unlock()
		m.since++
		m.unkept.add(data)
		if live && r.Changed {
			m.e.follow(m.state, &r)
		}
		if op.RemoveServer != nil && r.Changed {
			m.guide.look()
			if live && raft.NodeID(op.RemoveServer.Node) == m.e.cfg.Node {
				m.e.retire()
			}
			if live && m.group.Leading() {
				m.e.herald.removed(op.RemoveServer.Node, gone)
			}
		}
		b.SetResult(n, r)
	}
	m.passed(b)
	m.tide.rise(b.Index)
	if m.since >= m.e.every.metaOps {
		m.checkpoint()
	}
	return nil
}

// LeaderChanged implements host.StateMachine.
func (m *metaGroup) LeaderChanged(l host.Leadership) {
	<-m.joined
	m.e.listenToNewcomers(l.Leading)
	m.e.office.lead(metaGroupID, l.Leading)
	if l.Leading {
		m.guide.look()
		m.e.roster.ask()
	}
	m.mu.RLock()
	live := m.live
	m.mu.RUnlock()
	if !live && l.Leader != raft.None {
		m.catchUp()
	}
}

// catchUp begins with what there is to be when all is applied that was committed before, as
// whoever leads says.
func (m *metaGroup) catchUp() {
	if m.catching.Swap(true) {
		return
	}
	m.group.ReadIndex(func(_ raft.Index, err error) {
		m.catching.Store(false)
		if err == nil {
			m.goLive()
			return
		}
		m.e.later(pause, m.catchUp)
	})
}

// goLive starts what there is to be, once. It is called on the apply stage.
func (m *metaGroup) goLive() {
	m.mu.Lock()
	first := !m.live
	m.live = true
	m.mu.Unlock()
	if first {
		m.e.begin(m.state)
		close(m.ready)
	}
}

// Halted implements host.Halter. What was not applied is not known: what there is
// serves, and nothing comes or goes.
func (m *metaGroup) Halted(err error) {
	m.halt(err)
	m.e.cfg.Logger.Errorf("JetStream: no asset can be made, changed or deleted: %v", err)
	m.goLive()
}

// goal is where the group itself is to be: without the server that is being removed.
func (m *metaGroup) goal(status *raft.Status) (g reconcile.Goal, ok bool) {
	m.view(func(s *meta.State) {
		if ok = s.Removing() != 0; ok {
			g = reconcile.MetaGoal(s, status)
		}
	})
	return g, ok
}

// endRemoval reports that a server is no member any more.
func (m *metaGroup) endRemoval(ctx context.Context, node uint64) error {
	_, err := m.propose(ctx, &meta.Op{EndRemoval: &meta.EndRemoval{Node: uint32(node)}})
	return err
}

// stream returns what is assigned to a name, or nil.
func (m *metaGroup) stream(acc, name string) *meta.Stream {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.Stream(acc, name)
}

// view lets f look at the state.
func (m *metaGroup) view(f func(*meta.State)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	f(m.state)
}

// usage returns what an account has.
func (m *metaGroup) usage(acc string) meta.Usage {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.Usage(acc)
}
