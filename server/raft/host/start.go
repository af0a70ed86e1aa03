package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Create starts this server's replica of a group that is new everywhere: the other
// peers are created likewise, each on its own server. The replica's identity is that
// of this server's log, which has to be among the peers. The same identity must
// never have been in the group before.
func (h *Host) Create(cfg GroupConfig) (*Group, error) {
	self := raft.MakePeerID(h.cfg.Node, h.log.Incarnation())
	conf := raft.ConfState{Voters: slices.Clone(cfg.Peers)}
	slices.Sort(conf.Voters)
	if !conf.IsVoter(self) || len(slices.Compact(slices.Clone(conf.Voters))) != len(conf.Voters) {
		return nil, fmt.Errorf("raft/host: group %d of %v cannot be created by %v", cfg.ID, cfg.Peers, self)
	}
	if _, ok := h.log.Group(cfg.ID); ok {
		return nil, fmt.Errorf("%w: %d", ErrExists, cfg.ID)
	}
	g, err := h.newGroup(cfg)
	if err != nil {
		return nil, err
	}
	if g.apply.at.Base.Index != 0 {
		h.remove(g)
		return nil, fmt.Errorf("raft/host: group %d is new and its machine is at %d", cfg.ID, g.apply.at.Base.Index)
	}
	g.self.Store(uint64(self))
	g.control(func(w *worker) {
		g.conf, g.founds = conf, true
		g.setNodes()
		g.begin(w, self, raft.Base{Conf: conf})
	})
	return g, nil
}

// Join starts a replica of a group that exists elsewhere and of which nothing is
// here: because it is a new member, or because the disk that held it is gone. Its
// identity, Group.Self, is a new one. It announces itself to the contacts until it
// is in the group's configuration.
func (h *Host) Join(cfg GroupConfig) (*Group, error) {
	if _, ok := h.log.Group(cfg.ID); ok {
		return nil, fmt.Errorf("%w: %d", ErrExists, cfg.ID)
	}
	g, err := h.newGroup(cfg)
	if err != nil {
		return nil, err
	}
	// Never that of the log: this server may have had a part in the group before,
	// and have forgotten it.
	self := raft.MakePeerID(h.cfg.Node, h.newIncarnation(h.log.Incarnation()))
	g.rejoin(self, nil)
	g.control(func(w *worker) {
		g.contacts = h.otherNodes(nil, g.contacts)
		g.begin(w, self, g.apply.at.Base)
	})
	return g, nil
}

// Open starts a replica that is in the log. One that may have forgotten something
// comes back under a new identity, by itself; see Group.Status.
func (h *Host) Open(cfg GroupConfig) (*Group, error) {
	lg, ok := h.log.Group(cfg.ID)
	if !ok {
		return nil, fmt.Errorf("%w: %d", ErrUnknownGroup, cfg.ID)
	}
	st := lg.State()
	if st.Replica.Self != raft.None { // or that is what has been lost
		cfg.Memory = st.Replica.Memory
	}
	g, err := h.newGroup(cfg)
	if err != nil {
		return nil, err
	}
	g.self.Store(uint64(st.Replica.Self))
	g.control(func(w *worker) {
		if len(st.Damage) > 0 {
			g.troubles().damage = st.Damage
		}
		g.reopen(w, lg, g.apply.at.Base)
	})
	return g, nil
}

func (h *Host) newGroup(cfg GroupConfig) (*Group, error) {
	g := &Group{
		host: h, id: cfg.ID, memory: cfg.Memory, sole: cfg.Sole, campaign: cfg.Campaign,
		contacts: slices.Clone(cfg.Contacts), admits: cfg.Admits, plea: cfg.Plea,
	}
	g.onWrite = g.postWritten
	g.apply.group, g.apply.machine = g, cfg.Machine
	g.apply.flusher, _ = cfg.Machine.(Flusher)
	at := cfg.Machine.Applied()
	g.apply.at = at
	g.apply.applied.Store(uint64(at.Base.Index))
	g.box.applied = at.Base.Index
	g.lastTime, g.handed = at.Time, at.Base.Index
	if err := h.add(g); err != nil {
		return nil, err
	}
	return g, nil
}

// reopen finds out whether the replica can go on as what it was, with a machine
// whose position is base.
func (g *Group) reopen(w *worker, lg *wal.Group, base raft.Base) {
	h := g.host
	st := lg.State()
	g.conf = newestConf(&st, &base)
	g.contacts = h.otherNodes(g.conf.Peers(), slices.Concat(st.Replica.Contacts, g.contacts))
	g.setNodes()
	switch {
	case len(st.Damage) > 0 && g.last() && !g.memory:
		g.alone(lg, &st, base)
		return
	case len(st.Damage) > 0:
		g.forgotten(errors.New(st.Damage[0].String()))
		return
	case g.memory:
		if g.last() {
			g.halt(fmt.Errorf("%w, and there was no other voter", errWasInMemory))
			return
		}
		self := raft.MakePeerID(h.cfg.Node, h.newIncarnation(st.Replica.Self.Incarnation()))
		g.rejoin(self, errWasInMemory)
		g.begin(w, self, base)
		return
	case base.Index < st.Base.Index:
		g.forgotten(fmt.Errorf("the machine is at %d, the log begins behind %d", base.Index, st.Base.Index))
		return
	}
	t, err := lg.Term(base.Index)
	switch {
	case err == nil && t == base.Term:
		g.boot(w)
	case err == nil || errors.Is(err, raft.ErrUnavailable):
		// The machine has restored an image, or was ahead of the log, when the
		// server stopped. Now the log follows.
		hard := st.Hard
		hard.Term = max(hard.Term, base.Term)
		if hard.Term != st.Hard.Term {
			hard.Vote = raft.None
		}
		if err := g.write(write{then: g.boot}, wal.Write{Base: &base, Hard: &hard}); err != nil {
			g.writeFailed(err)
		}
	default:
		g.unreadable(err)
	}
}

// newestConf returns the latest configuration that is known at the start.
func newestConf(st *wal.GroupState, machine *raft.Base) raft.ConfState {
	if n := len(st.Confs); n > 0 {
		if c, err := raft.DecodeConfState(st.Confs[n-1].Data); err == nil {
			return c
		}
	}
	if !machine.Conf.Empty() && machine.Index > st.Base.Index || st.Base.Conf.Empty() {
		return machine.Conf.Clone()
	}
	return st.Base.Conf.Clone()
}

// last reports whether nobody else could make up for what this replica has lost.
func (g *Group) last() bool {
	if g.conf.Empty() {
		return g.sole || len(g.contacts) == 0
	}
	return len(g.conf.Voters) == 1 && g.conf.Voters[0].Node() == g.host.cfg.Node && !g.conf.Joint()
}

var errWasInMemory = errors.New("the entries were in memory")

// rejoin gives the replica a new identity, under which it is going to ask to be
// admitted. Why is nil if it has not had another one.
func (g *Group) rejoin(self raft.PeerID, why error) {
	g.self.Store(uint64(self))
	g.state.Store(uint32(Rejoining))
	g.host.rejoins.Add(1)
	g.host.event(Event{Kind: EventRejoin, Group: g.id, Peer: self, Err: why})
}

// begin makes the replica self, with a log that begins at base, durably; then it
// boots. What the log had of the group before is gone thereby.
func (g *Group) begin(w *worker, self raft.PeerID, base raft.Base) {
	g.joining = !base.Conf.Contains(self)
	lw := wal.Write{Replica: &wal.Replica{
		Self: self, Memory: g.memory, Contacts: g.host.otherNodes(base.Conf.Peers(), g.contacts),
	}}
	if g.memory {
		g.entries = newMemoryLog(base)
	} else if base.Index > 0 || !base.Conf.Empty() {
		lw.Base = &base
	}
	if err := g.write(write{then: g.boot}, lw); err != nil {
		g.writeFailed(err)
	}
}

// boot makes the core from what is in the log.
func (g *Group) boot(w *worker) {
	if s := g.State(); s == Halted || s == Stopped {
		return
	}
	lg, ok := g.host.log.Group(g.id)
	if !ok {
		g.halt(fmt.Errorf("group %d is not in the log", g.id))
		return
	}
	c := &g.host.cfg
	cfg := raft.Config{
		ID: g.Self(), Applied: raft.Index(g.apply.applied.Load()),
		ElectionTicks: c.ElectionTicks, HeartbeatTicks: c.HeartbeatTicks,
		MaxAppendBytes: c.MaxAppendBytes, MaxInflightMsgs: c.MaxInflightMsgs, MaxInflightBytes: c.MaxInflightBytes,
		MaxUncommittedBytes: c.MaxUncommittedBytes, MaxApplyBytes: c.MaxApplyBytes,
		Lease: c.Lease, Seed: mix(c.Seed, uint64(g.id)),
	}
	st := lg.State()
	cfg.Hard = st.Hard
	if g.memory {
		cfg.Log, cfg.Base = g.entries, g.entries.base
	} else {
		cfg.Log, cfg.Base, cfg.Confs = lg, st.Base, st.Confs
	}
	core, err := raft.New(cfg)
	if err != nil {
		g.unreadable(err)
		return
	}
	g.core, g.reader, g.rebirth, g.blind = core, cfg.Log, raft.None, false
	g.compactedTo = cfg.Base.Index
	if o := c.Observer; o != nil {
		o.Started(g.id, core, cfg.Base, cfg.Applied)
	}
	g.age, g.idle, g.lostAt, g.lostIn = 0, 0, 0, 0
	g.handed, g.tailRead = cfg.Applied, core.LastIndex() == cfg.Applied
	g.readSeq = g.host.random() // no answer to a read of an earlier life fits
	g.term.Store(uint64(core.Term()))
	g.conf, g.confIndex = core.Conf().Clone(), core.Status().ConfIndex
	// One that is to be removed by an entry that is not committed is needed until it
	// is: maybe nobody else could be elected.
	g.joining = !g.conf.Contains(core.ID()) && g.confIndex <= core.Committed()
	state := Running
	if g.joining {
		state = Rejoining
	}
	g.state.Store(uint32(state))
	g.setNodes()
	if g.joining {
		g.announce(w)
	}
	if g.founds && !g.campaign {
		// Whoever is to stand first may have asked for its vote before it was there.
		for _, n := range g.nodes {
			w.out.notice(n, notice{kind: noticeFounded, group: g.id, inc: core.ID().Incarnation()})
		}
	}
	g.founds = false
	if cfg.Applied == 0 && !cfg.Base.Conf.Empty() {
		g.apply.post(task{then: func() { g.apply.first(&cfg.Base.Conf) }})
	}
	if g.campaign || len(g.conf.Voters) == 1 {
		core.Campaign()
	}
}

// mix makes a seed of two numbers.
func mix(a, b uint64) uint64 {
	a ^= b * 0x9e3779b97f4a7c15
	a ^= a >> 32
	return a * 0xd6e8feb86659fd93
}
