package host

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Host runs the replicas of many groups on one server.
//
// After Start it has goroutines of its own, and its methods may be called by any.
// A host that is not started belongs to one goroutine, which drives it by Poll,
// Tick, Receive and the log's Flush, and does the same again for the same calls.
type Host struct {
	cfg    Config
	log    *wal.Log
	origin time.Time // of Instants
	epoch  uint64    // of this life of the server, random

	groupPool, applyPool, bulkPool *pool
	// caller is the worker of whoever drives a host that is not started.
	caller *worker

	started atomic.Bool
	// mute is set when nothing may be sent any more.
	mute atomic.Bool
	// logBusy is set while too much waits to be written, or the disk is full.
	logBusy atomic.Bool
	// pending counts the bytes of proposals without an outcome.
	pending atomic.Int64
	ticks   atomic.Uint64
	counters

	mu     sync.RWMutex
	groups map[raft.GroupID]*Group
	// order are the groups by ID.
	order   []*Group
	stopped bool

	rand struct {
		mu sync.Mutex
		rand.PCG
	}

	links linkTable
	// awake are the groups that need each tick, slow those that need one now and
	// then.
	awake, slow paceList
	// woken is scratch space of Tick.
	woken     []*Group
	transfers transfers

	// assistants are workers for Assist.
	assistants sync.Pool

	stopTicks chan struct{}
	ticker    sync.WaitGroup
}

// slowTicks is how often groups that only announce something are woken.
const slowTicks = 10

// New returns a host without groups. It removes images that were not received
// to their end.
func New(cfg Config) (*Host, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, log: cfg.Log, origin: cfg.Clock.Now(),
		groups:    make(map[raft.GroupID]*Group),
		stopTicks: make(chan struct{}),
	}
	h.rand.Seed(cfg.Seed, uint64(cfg.Node))
	h.epoch = h.random()
	h.groupPool = newPool(h, 32, 16)
	h.applyPool = newPool(h, 1, 1)
	h.bulkPool = newPool(h, 1, 0)
	h.caller = newWorker(h, h.groupPool)
	h.assistants.New = func() any { return newWorker(h, h.groupPool) }
	h.transfers.host = h
	if err := h.clearDir(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Host) clearDir() error {
	if err := h.cfg.FS.MkdirAll(h.cfg.Dir); err != nil {
		return fmt.Errorf("raft/host: %w", err)
	}
	left, err := h.cfg.FS.List(h.cfg.Dir)
	if err != nil {
		return fmt.Errorf("raft/host: %w", err)
	}
	for _, e := range left {
		if err := h.cfg.FS.RemoveAll(filepath.Join(h.cfg.Dir, e.Name)); err != nil {
			return fmt.Errorf("raft/host: a leftover of a transfer: %w", err)
		}
	}
	return nil
}

// random returns a number that is not 0.
func (h *Host) random() uint64 {
	h.rand.mu.Lock()
	defer h.rand.mu.Unlock()
	for {
		if v := h.rand.Uint64(); v != 0 {
			return v
		}
	}
}

// newIncarnation returns a random incarnation that is not the given one.
func (h *Host) newIncarnation(old uint32) uint32 {
	for {
		if inc := uint32(h.random()); inc != 0 && inc != old {
			return inc
		}
	}
}

// Start begins to do all by itself.
func (h *Host) Start() {
	h.started.Store(true)
	// Those that apply what a sole voter has committed may be held up by a disk.
	h.groupPool.start(h.cfg.Workers + 1)
	h.applyPool.start(h.cfg.Workers)
	// They wait for disks most of the time, those that restore images for long.
	h.bulkPool.start(max(2, h.cfg.Workers) + h.cfg.SnapshotReceives)
	h.ticker.Go(h.runTicks)
}

func (h *Host) runTicks() {
	ahead := 1
	t := h.cfg.Clock.NewTimer(h.cfg.Tick)
	defer t.Stop()
	for {
		select {
		case <-h.stopTicks:
			return
		case <-t.C():
			// If it comes late it is as many ticks all the same: a server that
			// stood still has not been waiting for anybody.
			n := ahead
			ahead = h.ticksAfter(h.ticks.Load() + uint64(n))
			t.Reset(time.Duration(ahead) * h.cfg.Tick)
			h.tick(n)
		}
	}
}

// ticksAfter is how many ticks can pass at once after the one with that number:
// while all groups sleep and all nodes are heard there is nothing to do between two
// heartbeats. A group that is woken meanwhile does not need its first tick at once.
func (h *Host) ticksAfter(now uint64) int {
	if h.awake.len() > 0 || h.transfers.busy() || h.missing(now) {
		return 1
	}
	every := uint64(h.cfg.HeartbeatTicks)
	return int(every - now%every)
}

// Poll runs whatever can be run, until there is nothing. It is for a host that is
// not started.
func (h *Host) Poll() {
	w := h.caller
	for again := true; again; {
		again = false
		for _, p := range [...]*pool{h.groupPool, h.applyPool, h.bulkPool} {
			for w.pool = p; w.pass(false); {
				again = true
			}
		}
	}
	w.pool = h.groupPool
}

// Assist does what is queued for the workers of groups, as one of them, writing and
// syncing the log included, unless others are up to do it. Who has proposed something
// quietly calls it, and is spared the waking of two goroutines. It does not go on for
// ever, but may take as long as the disk does, for one caller at a time.
func (h *Host) Assist() {
	p := h.groupPool
	if !h.started.Load() || !p.join() {
		return
	}
	w := h.assistants.Get().(*worker)
	for n := 0; n < maxAssisted || w.delayed; n++ {
		if !w.turn(false) {
			break
		}
	}
	w.delayed = false
	h.assistants.Put(w)
	p.quit()
}

// maxAssisted is how many passes of a worker Assist makes: to propose, to learn that it
// is durable, to apply, and as many that others brought in between.
const maxAssisted = 6

// Nudge wakes a worker if something was proposed quietly and none is up.
func (h *Host) Nudge() {
	h.groupPool.mu.Lock()
	h.groupPool.unlockAndWake()
}

// Tick is one tick of the clock for everything that waits. A started host calls
// it itself.
func (h *Host) Tick() { h.tick(1) }

// tick lets some ticks pass.
func (h *Host) tick(n int) {
	now := h.ticks.Add(uint64(n))
	before := now - uint64(n)
	h.checkLog()
	h.tickLinks(now)
	h.tickList(&h.awake)
	if now/slowTicks > before/slowTicks {
		h.tickList(&h.slow)
	}
	h.transfers.tick()
	for _, p := range [...]*pool{h.groupPool, h.applyPool, h.bulkPool} {
		p.nudge()
	}
}

func (h *Host) tickList(l *paceList) {
	h.woken = l.appendTo(h.woken[:0])
	for _, g := range h.woken {
		if m := g.open(); m != nil {
			m.tick = true
			g.seal()
		}
	}
	clear(h.woken)
}

// checkLog finds out whether the log can take more.
func (h *Host) checkLog() {
	h.logBusy.Store(h.log.Full() || h.log.Pending() > h.cfg.MaxLogBytes)
}

// Full reports whether the disk is full, as far as is known: before the first write it is
// not. Nothing but what wins space back is taken then.
func (h *Host) Full() bool { return h.log.Full() }

// group returns a group that is not stopped, or nil.
func (h *Host) group(id raft.GroupID) *Group {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.groups[id]
}

// Group returns a group that has been started here and is not stopped.
func (h *Host) Group(id raft.GroupID) (*Group, bool) {
	g := h.group(id)
	return g, g != nil
}

// Groups returns the groups that are not stopped, by ID.
func (h *Host) Groups() []*Group {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clone(h.order)
}

func (h *Host) add(g *Group) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return ErrStopped
	}
	at, found := slices.BinarySearchFunc(h.order, g.id, byID)
	if found {
		return fmt.Errorf("%w: %d", ErrExists, g.id)
	}
	h.groups[g.id] = g
	h.groupCount.Add(1)
	h.order = slices.Insert(h.order, at, g)
	return nil
}

func (h *Host) remove(g *Group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.groups[g.id] != g {
		return
	}
	delete(h.groups, g.id)
	h.groupCount.Add(-1)
	if at, found := slices.BinarySearchFunc(h.order, g.id, byID); found {
		h.order = slices.Delete(h.order, at, at+1)
	}
}

func byID(g *Group, id raft.GroupID) int { return cmp.Compare(g.id, id) }

func (h *Host) event(e Event) {
	if h.cfg.Events != nil {
		h.cfg.Events(e)
	}
}

// poison is called when the log has failed. From then on the host is as if it
// were gone, for its own promises can no longer be kept, except that it says so.
func (h *Host) poison(err error) {
	if h.mute.Load() {
		return
	}
	h.sendLeaving()
	if h.mute.Swap(true) {
		return
	}
	h.event(Event{Kind: EventPoisoned, Err: err})
	for _, g := range h.Groups() {
		g.control(func(*worker) { g.halt(err) })
	}
}

// Stop stops all groups and ends all goroutines. What is running is waited for.
// The other nodes are told that this one leaves. It must not be called by
// anything that the host calls.
func (h *Host) Stop() {
	h.mu.Lock()
	again := h.stopped
	h.stopped = true
	h.mu.Unlock()
	if again {
		return
	}
	if h.started.Load() {
		close(h.stopTicks)
		h.ticker.Wait()
	}
	groups := h.Groups()
	for _, g := range groups {
		g.stop()
	}
	for _, g := range groups {
		g.waitStopped()
	}
	h.sendLeaving()
	h.mute.Store(true)
	if !h.started.Load() {
		h.Poll() // transfers let go of their files
		return
	}
	for _, p := range [...]*pool{h.groupPool, h.applyPool, h.bulkPool} {
		p.stop()
	}
}

var _ Receiver = (*Host)(nil)
