package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// stream is a stream as it runs here. Its machine is what this type does as a
// host.StateMachine; its driver is in stream_driver.go.
type stream struct {
	actor
	member
	e      *Engine
	tenant *tenant
	id     raft.GroupID
	// assigned is what the stream is to be like, task what this server has to do with it; the
	// store is set when it has been opened.
	assigned atomic.Pointer[meta.Stream]
	task     atomic.Pointer[reconcile.Task]
	store    store.Store
	// whole keeps those who answer requests from seeing the middle of an op.
	whole gate

	// The rest up to mu belongs to the apply stage.
	core   *streamcore.Core
	result streamcore.Result
	// since is how many bytes were applied behind the checkpoint, held how many are
	// counted in the usage. failed is set when the core and the store are not what
	// they should be.
	since  int64
	held   int64
	failed bool

	// committing is whether a checkpoint is on its way, commits waits for it. kept,
	// which belongs to whoever commits, is how far the one before is: the log
	// reaches back to it.
	committing atomic.Bool
	kept       raft.Index
	commits    sync.WaitGroup
	// exposed is how many checkpoints it takes until no file is in clear that
	// should not be, purged how many until the files of what was purged are gone.
	exposed, purged atomic.Int32
	// leading is the term in which this replica leads, 0 if it does not.
	leading atomic.Uint64
	// opened is closed when the stream has been opened, or could not be; err says
	// why. settled is closed when the replica serves for the first time, or knows who does.
	opened, settled chan struct{}
	settledOnce     sync.Once
	err             error
	// turned is told whenever somebody who waits for the stream has to look again.
	turned signal
	// followers are the consumers that are led here, known the keys of those that the core
	// knows.
	followers atomic.Int32
	known     sync.Map
	// current is whether the replica of a stream that is led elsewhere may answer for it;
	// catching while that is found out.
	current, catching atomic.Bool
	// removed is set when the stream was deleted.
	removed atomic.Bool
	// listening is held while subscriptions come and go.
	listening sync.Mutex

	driver
}

// startStream starts a stream in the background. It returns nil if the engine stops.
func (e *Engine) startStream(t *reconcile.Task) *stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	s := e.newStreamLocked(t)
	e.jobs.run(s.start)
	return s
}

func (e *Engine) newStreamLocked(t *reconcile.Task) *stream {
	s := &stream{
		e: e, id: t.Group, tenant: e.tenantLocked(t.Stream.Account),
		opened: make(chan struct{}), settled: make(chan struct{}),
	}
	s.joined = make(chan struct{})
	s.guide = &guide{e: e, group: func() *host.Group { return s.group }, goal: s.goal, report: s.arrived}
	s.guide.change.Store(t.Change)
	s.task.Store(t)
	s.assigned.Store(t.Stream)
	s.actor.init(e.stage, s)
	s.whole.init()
	s.driver.init()
	e.streams[t.Stream.Group.ID] = s
	return s
}

// assign has the stream be what it is to be now. It is called on the apply stage of the group of
// assets.
func (s *stream) assign(t *reconcile.Task) {
	old := s.assigned.Load()
	s.task.Store(t)
	s.guide.change.Store(t.Change)
	switch {
	case old == t.Stream:
		return
	case old.Restore != nil && t.Stream.Restore == nil:
		s.restored(t.Stream)
	default:
		s.assigned.Store(t.Stream)
		if old.Config != t.Stream.Config {
			s.tell(func(d *driver) { d.changed, d.reconfigure = true, true })
		}
	}
	if s.leading.Load() != 0 {
		s.guide.look()
	}
}

// goal is where the stream's group is to be.
func (s *stream) goal(*raft.Status) (g reconcile.Goal, ok bool) {
	s.e.meta.view(func(state *meta.State) {
		st := state.Current(s.assigned.Load())
		if ok = st != nil && state.IsClustered(); ok {
			g = reconcile.GoalOf(state, st, nil)
		}
	})
	return g, ok
}

// arrived reports that the stream's group is where it is to be.
func (s *stream) arrived(ctx context.Context, change uint64) error {
	st := s.assigned.Load()
	_, err := s.e.meta.propose(ctx, &meta.Op{EndChange: &meta.EndChange{Account: st.Account, Stream: st.Name(), Group: st.Group.ID, Change: change}})
	return err
}

// start opens the stream.
func (s *stream) start() {
	defer s.turned.tell()
	defer close(s.opened)
	err := s.open()
	if err == nil {
		return // it may lead already
	}
	s.err = err
	s.complain("it does not start", err)
	s.e.office.lead(s.id, s.isSole()) // nobody else can say so
	s.settle()
}

// open opens the store and starts the group.
func (s *stream) open() error {
	st := s.assigned.Load()
	if s.e.meta.halted.Load() && s.e.isNowhere(st) {
		return errMaybeDeleted
	}
	var extra []byte
	var err error
	for told := false; ; told = true {
		s.e.jobs.turn(func() { extra, err = s.openStore(st) })
		if !noSpace(err) {
			break
		}
		if !told {
			s.complain("it waits for space", err)
		}
		if !s.awaitSpace() {
			return err
		}
	}
	if err != nil {
		return err
	}
	s.count()
	if err = s.materialize(extra); err == nil {
		err = s.join(s.e, s, s.task.Load())
	}
	if err != nil {
		s.uncount()
		return errors.Join(err, s.store.Close())
	}
	return nil
}

// materialize makes the core, from what was kept with the checkpoint of the store.
func (s *stream) materialize(extra []byte) (err error) {
	if len(extra) == 0 {
		s.core, err = streamcore.New(s.assigned.Load().Config, s.store)
	} else if s.at, extra, err = decodePosition(extra); err == nil {
		s.core, err = streamcore.Restore(extra, s.store)
	}
	s.kept = s.at.Base.Index
	if err == nil {
		s.noteKnown()
	}
	return err
}

// openStore opens the messages, and returns what was kept with the checkpoint.
func (s *stream) openStore(st *meta.Stream) (extra []byte, err error) {
	if st.Config.Storage == api.MemoryStorage {
		s.store = mem.New()
		return nil, nil
	}
	files, found, err := file.Open(file.Config{
		FS: s.e.cfg.FS, Dir: s.e.streamDir(st.Group.ID), Compression: st.Config.Compression == api.S2Compression,
		Cipher: s.e.cfg.Ring.Cipher(), Keys: s.e.storeKeys, BlockBytes: s.e.every.blockBytes, Workers: 1, Cache: s.e.cache,
		CanReplay: s.canReplay,
	})
	if err != nil {
		return nil, err
	}
	s.store = files
	if found.Exposed {
		s.exposed.Store(concealing)
	}
	for _, l := range found.Losses {
		s.e.cfg.Logger.Errorf("JetStream: stream %s of account %s has lost the messages %d to %d: %v", st.Name(), st.Account, l.First, l.Last, l.Err)
	}
	for _, err := range found.Repaired {
		s.e.cfg.Logger.Warnf("JetStream: stream %s of account %s: %v", st.Name(), st.Account, err)
	}
	return found.Extra, nil
}

// canReplay reports whether the log reaches back to a checkpoint, or to the beginning if
// there is none.
func (s *stream) canReplay(extra []byte) bool {
	var at host.Position
	if len(extra) > 0 {
		var err error
		if at, _, err = decodePosition(extra); err != nil {
			return false
		}
	}
	g, ok := s.e.cfg.Log.Group(s.id)
	return ok && g.State().Base.Index <= at.Base.Index
}

// errMaybeDeleted says why a stream does not start of which there is nothing.
var errMaybeDeleted = errors.New("jetstream: nothing is here of it; it may have been deleted")

// isNowhere reports whether there is neither a log nor a file of a stream.
func (e *Engine) isNowhere(st *meta.Stream) bool {
	_, there := e.cfg.Log.Group(raft.GroupID(st.Group.ID))
	if there || st.Group.Memory {
		return false
	}
	_, err := e.cfg.FS.Stat(e.streamDir(st.Group.ID))
	return errors.Is(err, fs.ErrNotExist)
}

// streamsName is the directory of all streams' directories.
const streamsName = "streams"

func (e *Engine) streamDir(group uint64) string {
	return e.path(streamsName, fmt.Sprintf("%016x", group))
}

// Apply implements host.StateMachine.
func (s *stream) Apply(b *host.Batch) error {
	s.result.Effects = s.leading.Load() != 0 && !s.isRestoring()
	s.result.Followed = s.isFollowed() && !s.isRestoring()
	due, retention := false, s.core.Config().Retention
	for n, op := range b.Proposals() {
		before := uint64(0)
		if isPurge(op) {
			before = s.store.State().Bytes
		}
		if err := s.apply(op, b.Time); err != nil {
			s.fail(err)
			return err
		}
		s.since += int64(len(op))
		s.noteMet(op)
		if s.result.ConfigChanged {
			s.reconfigured(retention)
			retention = s.core.Config().Retention
		}
		due = before > 0 && s.winsBack(before) || due
		if b.Local {
			b.SetResult(n, newOutcome(&s.result))
		}
		s.announce()
	}
	s.passed(b)
	s.count()
	if due || s.since >= s.e.every.streamBytes {
		s.checkpoint()
	}
	return nil
}

// isPurge reports whether an op removes many messages at once.
func isPurge(op []byte) bool { return len(op) > 0 && streamcore.Kind(op[0]) == streamcore.KindPurge }

// checkpoint begins to make durable what was applied, unless that is being done.
// It is called on the apply stage.
func (s *stream) checkpoint() {
	if s.e.isMemory(s) {
		// What is in memory lasts as long as its log does, which need not have it twice.
		s.since = 0
		<-s.joined
		s.group.Checkpointed(s.at.Base.Index)
		return
	}
	if s.committing.Swap(true) {
		return
	}
	extra, err := s.core.AppendState(appendPosition(nil, &s.at))
	var c store.Checkpoint
	if err == nil {
		c, err = s.store.Checkpoint(extra)
	}
	if err != nil {
		s.committing.Store(false)
		s.complain("taking a checkpoint", err)
		return
	}
	s.since = 0
	at := s.at.Base.Index
	s.commits.Go(func() {
		committed, done := false, false
		s.e.jobs.turn(func() {
			if err := c.Commit(); err != nil {
				s.complain("writing a checkpoint", err)
				return
			}
			committed = true
			<-s.joined
			if s.group != nil {
				s.group.Checkpointed(s.kept)
			}
			s.kept = at
			done = s.maintain()
		})
		s.committing.Store(false)
		more := done && s.exposed.Load() > 0 && s.exposed.Add(-1) > 0
		if committed && s.purged.Load() > 0 && s.purged.Add(-1) > 0 {
			more = true
		}
		if more && s.group != nil {
			s.group.ReadIndex(func(_ raft.Index, err error) {
				if err == nil {
					s.goOn()
				}
			})
		}
	})
}

// Keep implements host.Keeper.
func (s *stream) Keep() (host.Position, error) {
	if s.e.isMemory(s) {
		return s.position(), nil // the log is as short-lived
	}
	s.commits.Wait()
	extra, err := s.core.AppendState(appendPosition(nil, &s.at))
	var c store.Checkpoint
	if err == nil {
		c, err = s.store.Checkpoint(extra)
	}
	if err == nil {
		err = c.Commit()
	}
	if err != nil {
		return host.Position{}, err
	}
	s.since, s.kept = 0, s.at.Base.Index
	return s.position(), nil
}

const (
	// purgeBytes is how much a purge has to remove for its own checkpoints.
	purgeBytes = 1 << 20
	// dropping is how many checkpoints it takes until files that are not needed any more
	// are gone: the first one does not know of them, but the one before it does.
	dropping = 2
)

// winsBack reports whether there are to be checkpoints for the sake of what a purge has
// removed. before is how many bytes there were. It is called on the apply stage.
func (s *stream) winsBack(before uint64) bool {
	gone := before - min(before, s.store.State().Bytes)
	if s.e.isMemory(s) || gone < purgeBytes && (gone == 0 || !s.e.cfg.Host.Full()) {
		return false
	}
	n := int32(dropping)
	if s.committing.Load() {
		n++ // that one was begun before
	}
	s.purged.Store(n)
	return true
}

// concealing is how many checkpoints it takes until files that were in clear are
// gone: what follows the first one writes them anew, and they may be needed until two
// checkpoints without them are durable.
const concealing = 3

// goOn takes another checkpoint if more than one is needed: files that are in clear and
// should not be are written anew, and those that are not needed go. It is called on the
// apply stage. If it does not come to its end, because the disk is full or the server
// ends, the next start goes on with the former, and a later checkpoint with the latter.
func (s *stream) goOn() {
	if (s.exposed.Load() > 0 || s.purged.Load() > 0) && !s.failed {
		s.checkpoint()
	}
}

// maintain does what the files of the store want done, and reports whether that is all
// done.
func (s *stream) maintain() bool {
	f, ok := s.store.(*file.Store)
	for more := ok; more; {
		if s.isClosed() {
			return false
		}
		var err error
		if more, err = f.Maintain(); err != nil {
			s.complain("keeping its files in order", err)
			return false
		}
	}
	return true
}

func (s *stream) complain(what string, err error) {
	st := s.assigned.Load()
	s.e.cfg.Logger.Errorf("JetStream: stream %s of account %s: %s: %v", st.Name(), st.Account, what, err)
}

func (e *Engine) isMemory(s *stream) bool { return s.assigned.Load().Group.Memory }

// LeaderChanged implements host.StateMachine.
func (s *stream) LeaderChanged(l host.Leadership) {
	<-s.joined
	s.e.office.lead(s.id, l.Leading)
	if !l.Leading {
		s.leading.Store(0)
		s.current.Store(false)
		s.tell(func(d *driver) { d.changed, d.follows = true, l.Leader != raft.None; d.lead(0, nil) })
		return
	}
	s.leading.Store(uint64(l.Term))
	// The core is read here, between two batches.
	ingest := streamcore.NewIngest(s.core, s.e.ingestConfig(&s.e.limits.Load().Batches), s.e.now())
	s.noteDue()
	// The log of a stream begins with its configuration: what was taken under it is
	// taken again when the log is applied anew, whatever is assigned by then. A change
	// may have been assigned and not proposed when the server ended.
	stale := s.core.Time() == 0 || !s.core.Config().Equal(s.assigned.Load().Config)
	retention := s.core.Config().Retention
	s.goOn()
	s.tell(func(d *driver) {
		d.changed, d.reconfigure, d.retention = true, d.reconfigure || stale, retention
		d.lead(uint64(l.Term), ingest)
	})
	s.meetConsumers()
	s.leaveOut()
	s.guide.look()
}

// leftOut is how many numbers are left out behind messages of which it is not known how
// many there were: more than there can be behind a checkpoint.
const leftOut = 1 << 24

// leaveOut leaves numbers out, if there may have been messages that nobody knows of any
// more: others are not to be taken for them. A mirror gets them from its origin. It is
// called on the apply stage.
func (s *stream) leaveOut() {
	err := s.blamed()
	if err == nil || s.core.Config().Mirror != nil {
		return
	}
	from := s.store.State().Last + 1
	s.complain(fmt.Sprintf("the numbers %d to %d are left out", from, from+leftOut-1), err)
	s.order(streamcore.AppendSkip(nil, from+leftOut-1))
}

// Halted implements host.Halter: what is here can still be read.
func (s *stream) Halted(err error) {
	s.halt(err)
	s.e.office.lead(s.id, s.isSole())
	s.tell(func(d *driver) { d.changed = true })
	s.turned.tell()
}

// isSole reports whether there is no other replica.
func (s *stream) isSole() bool { return s.task.Load().Sole() }

// stop stops the stream, and leaves a checkpoint.
func (s *stream) stop() {
	<-s.opened
	s.e.office.lead(s.id, false)
	s.closeSubjects()
	for _, c := range s.consumerList() {
		c.stop()
	}
	if s.err != nil {
		return
	}
	s.group.Stop()
	s.commits.Wait()
	s.resign()
	s.e.jobs.turn(func() {
		if s.since > 0 && !s.failed && !s.e.isMemory(s) {
			if _, err := s.Keep(); err != nil {
				s.complain("writing the last checkpoint", err)
			}
		}
		if err := s.store.Close(); err != nil {
			s.complain("closing its files", err)
		}
	})
	s.uncount()
}

// resign gives back what the leader has taken. The group has stopped.
func (s *stream) resign() {
	s.mu.Lock()
	s.lead(0, nil)
	s.mu.Unlock()
}

// removeStream stops a stream, and removes all that there is of it here, in the background: it was
// deleted, or has moved away. stays, unless it is nil, says which consumers have not.
func (e *Engine) removeStream(s *stream, stays func(*consumer) bool) {
	e.mu.Lock()
	delete(e.streams, uint64(s.id))
	e.mu.Unlock()
	s.removed.Store(true)
	s.closeSubjects()
	var keep, gone []*consumer
	for _, c := range s.consumerList() {
		if stays != nil && stays(c) {
			keep = append(keep, c)
		} else {
			gone = append(gone, c)
		}
	}
	e.jobs.run(func() {
		<-s.opened
		e.office.lead(s.id, false)
		for _, c := range keep {
			c.stop()
		}
		for _, c := range gone {
			c.remove()
		}
		if s.err != nil {
			// It never started: what there is of it nobody has opened.
			e.jobs.turn(func() {
				if err := errors.Join(e.dropGroup(s.id), e.cfg.FS.RemoveAll(e.streamDir(uint64(s.id)))); err != nil {
					s.complain("removing it", err)
				}
			})
			return
		}
		if err := s.group.Delete(); err != nil {
			s.complain("removing its log", err)
		}
		s.commits.Wait()
		s.resign()
		s.uncount()
		e.jobs.turn(func() {
			err := s.store.Delete()
			if noSpace(err) {
				// It begins with writing that there is nothing, in case that it is cut short.
				// Without that, the next start clears away what is left.
				err = errors.Join(s.store.Close(), e.cfg.FS.RemoveAll(e.streamDir(uint64(s.id))))
			}
			if err != nil {
				s.complain("removing its files", err)
			}
		})
	})
}
