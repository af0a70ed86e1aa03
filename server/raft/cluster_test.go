package raft

import (
	"fmt"
	"slices"
	"testing"
)

// memLog is a durable log in memory.
type memLog struct {
	base Base
	ents []Entry
}

func (l *memLog) First() Index { return l.base.Index + 1 }
func (l *memLog) Last() Index  { return l.base.Index + Index(len(l.ents)) }

func (l *memLog) Term(i Index) (Term, error) {
	switch {
	case i < l.base.Index:
		return 0, ErrCompacted
	case i == l.base.Index:
		return l.base.Term, nil
	case i > l.Last():
		return 0, ErrUnavailable
	}
	return l.ents[i-l.First()].Term, nil
}

func (l *memLog) Entries(lo, hi Index, maxBytes int) ([]Entry, error) {
	switch {
	case lo < l.First():
		return nil, ErrCompacted
	case hi > l.Last()+1:
		return nil, ErrUnavailable
	}
	ents, size := l.ents[lo-l.First():hi-l.First()], 0
	for n := range ents {
		if size += ents[n].Size(); size > maxBytes && n > 0 {
			return ents[:n], nil
		}
	}
	return ents, nil
}

func (l *memLog) write(a Append) {
	if a.Base != nil {
		l.base, l.ents = *a.Base, nil
	}
	if len(a.Entries) > 0 {
		l.ents = append(slices.Clone(l.ents[:a.Entries[0].Index-l.First()]), a.Entries...)
	}
}

// replica is a core with what a host gives it. Writes wait in appends until
// store is called.
type replica struct {
	*Raft
	log     *memLog
	hard    HardState
	appends []Append
	applied []Entry
	reads   []ReadState
	wishes  []PeerID
	sent    []Message
}

// cluster is a few replicas in one place: messages arrive at once or, if drop
// says so, never.
type cluster struct {
	t     *testing.T
	peers map[PeerID]*replica
	ids   []PeerID
	drop  func(m Message) bool
	// slow are those whose disk does not finish.
	slow map[PeerID]bool
	now  Instant
}

func testConfig(id PeerID, log LogReader) Config {
	return Config{
		ID: id, Log: log, ElectionTicks: 10, HeartbeatTicks: 2, MaxAppendBytes: 1 << 10, MaxInflightMsgs: 8, MaxInflightBytes: 1 << 13,
		MaxUncommittedBytes: 1 << 14, MaxApplyBytes: 1 << 12, Seed: 1,
	}
}

func newCluster(t *testing.T, voters ...PeerID) *cluster {
	c := &cluster{t: t, peers: make(map[PeerID]*replica), slow: make(map[PeerID]bool)}
	for _, id := range voters {
		c.add(id, Base{Conf: ConfState{Voters: voters}})
	}
	return c
}

func (c *cluster) add(id PeerID, base Base) *replica {
	c.t.Helper()
	p := &replica{log: &memLog{base: base}}
	c.peers[id] = p
	c.ids = append(c.ids, id)
	c.start(id)
	return p
}

// start makes the core from what is durable.
func (c *cluster) start(id PeerID) {
	c.t.Helper()
	p := c.peers[id]
	cfg := testConfig(id, p.log)
	cfg.Hard, cfg.Base = p.hard, p.log.base
	for _, e := range p.log.ents {
		if e.Type == EntryConf {
			cfg.Confs = append(cfg.Confs, e)
		}
	}
	cfg.Applied = max(p.log.base.Index, Index(len(p.applied)))
	r, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	p.Raft, p.appends = r, nil
}

// run works until nothing moves.
func (c *cluster) run() {
	c.t.Helper()
	for moved := true; moved; {
		moved = false
		for _, id := range c.ids {
			p := c.peers[id]
			for p.HasReady() {
				moved = true
				c.take(p)
			}
			if !c.slow[id] {
				moved = p.store(len(p.appends)) || moved
			}
		}
		for _, id := range c.ids {
			msgs := c.peers[id].sent
			c.peers[id].sent = nil
			for _, m := range msgs {
				to := c.peers[m.To]
				if to == nil || c.drop != nil && c.drop(m) {
					continue
				}
				moved = true
				if err := to.Step(m); err != nil {
					c.t.Fatalf("%v: %v", m.To, err)
				}
			}
		}
	}
}

func (c *cluster) take(p *replica) {
	rd := p.Ready()
	if rd.Fault != nil {
		c.t.Fatal(rd.Fault)
	}
	if rd.Append.Seq != 0 {
		p.appends = append(p.appends, rd.Append)
	}
	p.sent = append(p.sent, rd.Messages...)
	for _, e := range rd.Committed {
		if n := len(p.applied); n > 0 && p.applied[n-1].Index+1 != e.Index {
			c.t.Fatalf("%v applies %d behind %d", p.ID(), e.Index, p.applied[n-1].Index)
		}
		p.applied = append(p.applied, e)
	}
	p.reads = append(p.reads, rd.Reads...)
	p.wishes = append(p.wishes, rd.Snapshots...)
	p.Advance()
	if n := len(rd.Committed); n > 0 {
		p.AppliedTo(p.applied[len(p.applied)-1].Index)
	}
}

// store makes the oldest n writes durable.
func (p *replica) store(n int) bool {
	for range n {
		a := p.appends[0]
		p.appends = p.appends[1:]
		if a.Hard != nil {
			p.hard = *a.Hard
		}
		p.log.write(a)
		p.Stored(a.Seq)
	}
	return n > 0
}

func (c *cluster) tick(n int, ids ...PeerID) {
	if len(ids) == 0 {
		ids = c.ids
	}
	for range n {
		c.now += 100e6
		for _, id := range ids {
			c.peers[id].Tick(c.now)
		}
		c.run()
	}
}

// elect makes one the leader.
func (c *cluster) elect(id PeerID) *replica {
	c.t.Helper()
	p := c.peers[id]
	p.Campaign()
	c.run()
	if p.Role() != Leader {
		c.t.Fatalf("%v is %v of term %d", id, p.Role(), p.Term())
	}
	return p
}

func (c *cluster) propose(p *replica, n int) {
	c.t.Helper()
	for i := range n {
		if _, _, err := p.Propose(fmt.Appendf(nil, "%v/%d/%d", p.ID(), p.LastIndex(), i)); err != nil {
			c.t.Fatal(err)
		}
	}
	c.run()
}

// same checks that all have applied the same, up to the given index.
func (c *cluster) same(last Index, ids ...PeerID) {
	c.t.Helper()
	for _, id := range ids {
		p := c.peers[id]
		if p.Committed() != last || p.LastIndex() != last {
			c.t.Errorf("%v has committed %d of %d, want %d", id, p.Committed(), p.LastIndex(), last)
		}
		for _, other := range ids {
			for _, e := range p.applied {
				for _, o := range c.peers[other].applied {
					if o.Index == e.Index && (o.Term != e.Term || string(o.Data) != string(e.Data)) {
						c.t.Errorf("%v and %v have applied different entries at %d", id, other, e.Index)
					}
				}
			}
		}
	}
}
