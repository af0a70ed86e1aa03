package wal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testConfig is a log with small segments, which keeps errors in errs.
func testConfig(fs vfs.FS, errs *[]error) Config {
	n := uint32(0)
	return Config{
		FS: fs, Dir: "/wal", Clock: clock.NewVirtual(time.Unix(1e9, 0)), SegmentBytes: 16 << 10, CacheBytes: 4 << 10, Workers: 1,
		Incarnation: func() uint32 { n++; return n },
		OnError: func(err error) {
			if errs != nil {
				*errs = append(*errs, err)
			}
		},
	}
}

// testKeys are those of a secret, and of the ones before it.
func testKeys(t testing.TB, secret string, previous ...string) *seal.Keys {
	t.Helper()
	var old [][]byte
	for _, p := range previous {
		old = append(old, []byte(p))
	}
	ring, err := seal.NewRing(seal.AES, []byte(secret), old...)
	must(t, err)
	k, err := ring.Keys(Purpose)
	must(t, err)
	return k
}

func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	must(t, err)
	return l
}

// modelGroup is a group as plain slices.
type modelGroup struct {
	replica Replica
	hard    raft.HardState
	base    raft.Base
	entries []raft.Entry
}

func (m *modelGroup) last() raft.Index { return m.base.Index + raft.Index(len(m.entries)) }

func (m *modelGroup) clone() *modelGroup {
	c := *m
	c.entries = slices.Clone(m.entries)
	return &c
}

// model is what a log holds.
type model map[raft.GroupID]*modelGroup

func (m model) clone() model {
	c := make(model)
	for id, g := range m {
		c[id] = g.clone()
	}
	return c
}

func (m model) apply(w Write) {
	g := m[w.Group]
	if w.Replica != nil {
		g = &modelGroup{replica: *w.Replica}
		m[w.Group] = g
	}
	if b := w.Base; b != nil {
		switch i := int(b.Index) - int(g.base.Index); {
		case i == 0 && g.base.Term == b.Term:
		case i > 0 && i <= len(g.entries) && g.entries[i-1].Term == b.Term:
			g.entries = slices.Clone(g.entries[i:])
		default:
			g.entries = nil
		}
		g.base = *b
	}
	if w.Hard != nil {
		g.hard = *w.Hard
	}
	if len(w.Entries) > 0 {
		keep := w.Entries[0].Index - g.base.Index - 1
		g.entries = append(slices.Clone(g.entries[:keep]), w.Entries...)
	}
	if w.Delete {
		delete(m, w.Group)
	}
}

// readAll reads all entries of a group.
func readAll(g *Group, maxBytes int) (ents []raft.Entry, err error) {
	for i := g.First(); i <= g.Last(); {
		got, err := g.Entries(i, g.Last()+1, maxBytes)
		if err != nil {
			return ents, err
		}
		ents = append(ents, got...)
		i += raft.Index(len(got))
	}
	return ents, nil
}

// check compares a log with the model.
func (m model) check(l *Log) error {
	states := l.Groups()
	if len(states) != len(m) {
		return fmt.Errorf("%d groups, want %d", len(states), len(m))
	}
	for _, s := range states {
		g, ok := m[s.ID]
		if !ok {
			return fmt.Errorf("group %d should not be there", s.ID)
		}
		if len(s.Damage) > 0 {
			return fmt.Errorf("group %d: damage %v", s.ID, s.Damage)
		}
		if err := g.check(l, &s); err != nil {
			return fmt.Errorf("group %d: %w", s.ID, err)
		}
	}
	return nil
}

func (m *modelGroup) check(l *Log, s *GroupState) error {
	var confs []raft.Entry
	for _, e := range m.entries {
		if e.Type == raft.EntryConf {
			confs = append(confs, e)
		}
	}
	want := GroupState{ID: s.ID, Replica: m.replica, Hard: m.hard, Base: m.base, Last: m.last(), Confs: confs}
	if !reflect.DeepEqual(*s, want) {
		return fmt.Errorf("state %+v, want %+v", *s, want)
	}
	g, _ := l.Group(s.ID)
	ents, err := readAll(g, 600)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(ents, m.entries, sameEntry) {
		return fmt.Errorf("entries %v, want %v", ents, m.entries)
	}
	for _, e := range m.entries {
		if term, err := g.Term(e.Index); err != nil || term != e.Term {
			return fmt.Errorf("term %d of entry %d, want %d: %w", term, e.Index, e.Term, err)
		}
	}
	if _, err := g.Term(g.Last() + 1); !errors.Is(err, raft.ErrUnavailable) {
		return fmt.Errorf("term behind the last: %w", err)
	}
	return nil
}

func sameEntry(a, b raft.Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && string(a.Data) == string(b.Data)
}

// generator makes random writes that fit the model.
type generator struct {
	rng    *rand.Rand
	groups int
	// term grows, so that an index and a term name one entry.
	term raft.Term
	// maxData bounds the data of an entry.
	maxData int
	// keep has no group deleted or reset.
	keep bool
}

func (g *generator) conf() raft.ConfState {
	c := raft.ConfState{Voters: []raft.PeerID{1, 2}}
	if g.rng.IntN(2) == 0 {
		c.Learners = []raft.PeerID{raft.PeerID(3 + g.rng.IntN(5))}
	}
	return c
}

func (g *generator) write(m model) Write {
	id := raft.GroupID(1 + g.rng.IntN(g.groups))
	w := Write{Group: id}
	have := m[id]
	if have == nil || !g.keep && g.rng.IntN(60) == 0 {
		w.Replica = &Replica{Self: raft.MakePeerID(1, g.rng.Uint32()|1), Memory: g.rng.IntN(4) == 0}
		if g.rng.IntN(2) == 0 {
			w.Replica.Contacts = []raft.NodeID{4, 5}
		}
		have = &modelGroup{}
	} else if !g.keep && g.rng.IntN(60) == 0 {
		w.Delete = true
		return w
	}
	first := have.last() + 1
	base, last := have.base.Index, have.last()
	switch g.rng.IntN(8) {
	case 0: // compaction
		if n := len(have.entries); n > 0 {
			e := have.entries[g.rng.IntN(n)]
			w.Base = &raft.Base{Index: e.Index, Term: e.Term, Conf: g.conf()}
			base = e.Index
		}
	case 1: // a snapshot
		if g.rng.IntN(4) == 0 {
			g.term++
			base = have.base.Index + raft.Index(g.rng.IntN(len(have.entries)+4))
			if base > 0 {
				w.Base = &raft.Base{Index: base, Term: g.term, Conf: g.conf()}
				first, last = base+1, base
			}
		}
	case 2: // a conflict
		if n := len(have.entries); n > 0 {
			first = have.base.Index + 1 + raft.Index(g.rng.IntN(n))
			g.term++
		}
	}
	first = max(first, base+1)
	if g.rng.IntN(5) == 0 {
		w.Hard = &raft.HardState{Term: g.term, Vote: raft.PeerID(g.rng.IntN(3))}
	}
	if last >= first-1 && g.rng.IntN(6) > 0 {
		for range 1 + g.rng.IntN(4) {
			if g.rng.IntN(10) == 0 {
				g.term++
			}
			e := raft.Entry{Index: first, Term: max(g.term, 1)}
			if n := g.rng.IntN(g.maxData + 1); n > 0 {
				e.Data = make([]byte, n)
				for i := range e.Data {
					e.Data[i] = byte(g.rng.Uint32())
				}
			}
			if g.rng.IntN(12) == 0 {
				conf := g.conf()
				e.Type, e.Data = raft.EntryConf, conf.Append(nil)
			}
			w.Entries = append(w.Entries, e)
			first++
		}
	}
	return w
}

func TestAgreesWithPlainMaps(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { compareWithModel(t, seed) })
	}
}

func compareWithModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewMem()
	var errs []error
	cfg := testConfig(fs, &errs)
	cfg.SyncInterval = time.Duration(seed%3/2) * time.Second
	v := cfg.Clock.(*clock.Virtual)
	l := open(t, cfg)
	gen := generator{rng: rng, groups: 6, maxData: 300}
	m := make(model)
	var pending []Write
	done, secrets := 0, 0
	for step := range 1500 {
		v.Advance(time.Duration(rng.IntN(100)) * time.Millisecond)
		switch op := rng.IntN(40); {
		case op == 0:
			must(t, l.Close())
			if done != len(pending) {
				t.Fatalf("step %d: %d of %d writes done at Close", step, done, len(pending))
			}
			if seed%2 == 1 && rng.IntN(4) == 0 && l.Stats().Stale == 0 {
				// It begins in clear, and then each key is followed by another one.
				secrets++
				cfg.Keys = testKeys(t, fmt.Sprint(secrets), fmt.Sprint(secrets-1))
			}
			l = open(t, cfg)
			if err := m.check(l); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		case op < 4:
			must(t, l.Housekeep())
		case op < 12:
			must(t, l.Flush())
			if done != len(pending) {
				t.Fatalf("step %d: %d of %d writes done", step, done, len(pending))
			}
			if err := m.check(l); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		default:
			w := gen.write(m)
			n := len(pending)
			w.Done = func(err error) {
				if err != nil || done != n {
					t.Errorf("step %d: write %d of group %d done as %d with %v", step, n, w.Group, done, err)
				}
				done++
			}
			m.apply(w)
			must(t, l.Append(w))
			pending = append(pending, w)
		}
	}
	must(t, l.Close())
	if len(errs) > 0 {
		t.Errorf("errors %v", errs)
	}
	if seed%2 == 1 && secrets < 2 {
		t.Errorf("%d keys were used", secrets)
	}
	// However many read the segments, they find the same.
	cfg.Workers = 4
	l = open(t, cfg)
	if err := m.check(l); err != nil {
		t.Fatal(err)
	}
	live := make(map[uint64]int64)
	for _, s := range l.segs.Load().list {
		live[s.number] = s.live.Load()
	}
	if want := recount(l); !maps.Equal(live, want) {
		t.Errorf("live bytes %v, want %v", live, want)
	}
	must(t, l.Close())
}

// recount counts live bytes by segment.
func recount(l *Log) map[uint64]int64 {
	live := make(map[uint64]int64)
	for _, s := range l.segs.Load().list {
		live[s.number] = 0
	}
	for _, g := range l.sortedGroups() {
		for _, m := range g.metas {
			if !m.loc.none() {
				live[uint64(m.loc.segment)] += m.loc.length()
			}
		}
		for _, at := range g.locs {
			live[uint64(at.segment)] += at.length()
		}
	}
	return live
}
