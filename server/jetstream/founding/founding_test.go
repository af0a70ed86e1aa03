package founding

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// world is some servers that found a group, or try to.
type world struct {
	rng     *rand.Rand
	servers []*server
	// cut are pairs that do not see each other.
	cut map[[2]int]bool
	// mail is on its way.
	mail []letter
	// created are the groups that were ever created, by whom.
	created map[string][]raft.PeerID
}

type server struct {
	n           int
	incarnation uint32
	saved       State // durable
	f           *Founding
	// told are those whom it was told of: it is complete if it sees them.
	told   []int
	joins  bool
	create []raft.PeerID // to be created
}

type letter struct {
	from, to int
	a        Announcement
}

func (s *server) id() raft.PeerID { return raft.MakePeerID(raft.NodeID(s.n+1), s.incarnation) }

func (w *world) sees(a, b int) bool {
	return !w.cut[[2]int{min(a, b), max(a, b)}] && w.servers[a].f != nil && w.servers[b].f != nil
}

// look has a server see what there is to be seen.
func (w *world) look(s *server) {
	var others []raft.PeerID
	complete := true
	for _, o := range w.servers {
		if o != s && w.sees(s.n, o.n) {
			others = append(others, o.id())
		} else if o != s && slices.Contains(s.told, o.n) {
			complete = false
		}
	}
	w.carryOut(s, s.f.See(others, complete))
	w.announce(s)
}

func (w *world) announce(s *server) {
	for _, o := range w.servers {
		if o != s && w.sees(s.n, o.n) {
			w.mail = append(w.mail, letter{s.n, o.n, s.f.Announcement()})
		}
	}
}

func (w *world) carryOut(s *server, e Effects) {
	if e.Save != nil {
		s.saved = *e.Save
	}
	if e.Announce && w.rng.IntN(4) > 0 {
		w.announce(s)
	}
	s.joins = e.Join
	if e.Create != nil {
		s.create = e.Create
	}
}

// step does something that may happen.
func (w *world) step(calm bool) {
	s := w.servers[w.rng.IntN(len(w.servers))]
	switch k := w.rng.IntN(40); {
	case k < 24 && len(w.mail) > 0:
		i := w.rng.IntN(len(w.mail))
		l := w.mail[i]
		if w.rng.IntN(5) > 0 { // else it comes again later
			w.mail = slices.Delete(w.mail, i, i+1)
		}
		if to := w.servers[l.to]; to.f != nil && w.rng.IntN(10) > 0 {
			w.carryOut(to, to.f.Hear(&l.a))
		}
	case k < 30 && s.f != nil:
		w.look(s)
	case k < 34 && s.f != nil && s.create != nil:
		name := fmt.Sprint(s.create)
		w.created[name] = append(w.created[name], s.id())
		w.carryOut(s, s.f.Created(s.create))
		s.create = nil
	case calm:
		if s.f == nil {
			s.f = New(s.id(), s.saved)
			w.look(s)
		}
	case k < 36:
		a, b := w.rng.IntN(len(w.servers)), w.rng.IntN(len(w.servers))
		w.cut[[2]int{min(a, b), max(a, b)}] = w.rng.IntN(2) == 0
	case k < 38:
		s.f, s.create, s.joins = nil, nil, false
	case s.f == nil:
		s.f = New(s.id(), s.saved)
		w.look(s)
	}
}

// check fails if there are two groups that could both work.
func (w *world) check() error {
	if len(w.created) > 1 {
		return fmt.Errorf("%d groups: %v", len(w.created), w.created)
	}
	return nil
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 3)), cut: make(map[[2]int]bool), created: make(map[string][]raft.PeerID)}
	n := 1 + w.rng.IntN(5)
	all := w.rng.IntN(2) == 0
	for i := range n {
		s := &server{n: i, incarnation: 1}
		for j := range n {
			// Either all are told of all, or all of the first.
			if j != i && (all || j == 0 || w.rng.IntN(3) == 0) {
				s.told = append(s.told, j)
			}
		}
		w.servers = append(w.servers, s)
	}
	return w
}

// Whatever gets lost, comes late or twice, and whoever stops, one group is founded at the
// most; and once all is well there is one, which all are in or join.
func TestOneGroup(t *testing.T) {
	founded, joined := 0, 0
	for seed := range uint64(500) {
		w := newWorld(seed)
		for range w.rng.IntN(600) {
			w.step(false)
			if err := w.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		clear(w.cut)
		for range 2500 {
			w.step(true)
		}
		if err := w.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, s := range w.servers {
			switch in := s.saved.Founded != nil; {
			case in:
				founded++
			case s.joins:
				joined++
			default:
				t.Fatalf("seed %d: server %d has no part: %+v, waits for %v", seed, s.n, s.saved, s.f.Waiting())
			}
		}
	}
	if founded == 0 || joined == 0 {
		t.Errorf("%d servers have founded, %d joined", founded, joined)
	}
}

func peers(nodes ...raft.NodeID) (list []raft.PeerID) {
	for _, n := range nodes {
		list = append(list, raft.MakePeerID(n, 1))
	}
	return list
}

// exchange has servers tell each other of themselves until there is nothing new.
func exchange(fs ...*Founding) (effects []Effects) {
	effects = make([]Effects, len(fs))
	for range 4 {
		for _, from := range fs {
			for i, to := range fs {
				a := from.Announcement()
				if e := to.Hear(&a); from != to && (e.Create != nil || e.Join) {
					effects[i] = e
				}
			}
		}
	}
	return effects
}

// Three that see each other found; who comes later joins, as does who has lost its disk.
func TestFounding(t *testing.T) {
	all := peers(1, 2, 3)
	var fs []*Founding
	for i, self := range all {
		f := New(self, State{})
		others := slices.Delete(slices.Clone(all), i, i+1)
		if e := f.See(others[:1], false); e.Create != nil || len(f.Waiting()) != 2 {
			t.Errorf("%+v, waits for %v", e, f.Waiting())
		}
		if e := f.See(others, true); e.Save == nil || !e.Announce {
			t.Errorf("%+v", e)
		}
		if e := f.See(others, true); e.Save != nil || e.Announce {
			t.Errorf("nothing is new: %+v", e)
		}
		fs = append(fs, f)
	}
	for i, e := range exchange(fs...) {
		if !slices.Equal(e.Create, all) || len(fs[i].Waiting()) != 0 {
			t.Errorf("server %d: %+v, waits for %v", i+1, e, fs[i].Waiting())
		}
		if e := fs[i].Created(e.Create); e.Save == nil || !slices.Equal(e.Save.Founded, all) {
			t.Errorf("server %d: %+v", i+1, e)
		}
	}
	for _, self := range []raft.PeerID{raft.MakePeerID(4, 1), raft.MakePeerID(3, 2)} {
		late := New(self, State{})
		late.See(all[:2], true)
		if e := exchange(late, fs[0], fs[1]); !e[0].Join || e[0].Create != nil {
			t.Errorf("%v: %+v", self, e[0])
		}
		if e := late.Created(append(slices.Clone(all), self)); e.Join {
			t.Errorf("it is in: %+v", e)
		}
	}
}

// One without others founds by itself, if it is not told of any.
func TestAlone(t *testing.T) {
	f := New(peers(1)[0], State{})
	if e := f.See(nil, false); e.Create != nil {
		t.Errorf("%+v", e)
	}
	if e := f.See(nil, true); !slices.Equal(e.Create, peers(1)) {
		t.Errorf("%+v", e)
	}
}

// A lock is kept over a restart and when others go, and given up when a member is past it,
// or comes with another disk.
func TestLock(t *testing.T) {
	all := peers(1, 2)
	locked := func() *Founding {
		f := New(all[0], State{})
		f.See(all[1:], true)
		f.Hear(&Announcement{From: all[1], Attempt: 7, Members: all, Complete: true})
		if want := (Lock{{all[0], 1}, {all[1], 7}}); !slices.Equal(f.saved.Locked, want) {
			t.Fatalf("%v", f.saved.Locked)
		}
		f = New(all[0], f.saved)
		f.See(nil, false)
		if a := f.Announcement(); a.Locked == nil || !slices.Equal(a.Members, all) || !a.Complete || a.Attempt != 1 {
			t.Fatalf("%+v", a)
		}
		return f
	}
	for _, c := range []struct {
		what    string
		hear    Announcement
		see     []raft.PeerID
		kept    bool
		creates bool
	}{
		{what: "it is not locked over there yet", hear: Announcement{Attempt: 7, Members: all, Complete: true}, kept: true},
		{what: "an old announcement", hear: Announcement{Attempt: 6, Members: all[1:], Complete: true}, kept: true},
		{what: "another lock", hear: Announcement{Attempt: 7, Members: all, Complete: true, Locked: Lock{{all[0], 2}, {all[1], 7}}}, kept: true},
		{what: "locked", hear: Announcement{Attempt: 7, Members: all, Complete: true, Locked: Lock{{all[0], 1}, {all[1], 7}}}, kept: true, creates: true},
		{what: "founded", hear: Announcement{Attempt: 7, Founded: all}, kept: true, creates: true},
		{what: "founded by others", hear: Announcement{Attempt: 7, Founded: peers(2, 3)}},
		{what: "past it", hear: Announcement{Attempt: 8, Members: all[1:]}},
		{what: "another disk", see: []raft.PeerID{raft.MakePeerID(2, 2)}},
	} {
		f := locked()
		var e Effects
		if c.see != nil {
			e = f.See(c.see, true)
		} else {
			c.hear.From = all[1]
			e = f.Hear(&c.hear)
		}
		if kept := f.saved.Locked != nil; kept != c.kept || (e.Create != nil) != c.creates {
			t.Errorf("%s: kept %v, %+v", c.what, kept, e)
		}
	}
}

// Nobody locks what another one cannot, or may not any more.
func TestNoLock(t *testing.T) {
	all := peers(1, 2)
	for _, c := range []struct {
		what  string
		a     Announcement
		joins bool
	}{
		{what: "it misses somebody", a: Announcement{Attempt: 1, Members: all}},
		{what: "it sees another one", a: Announcement{Attempt: 1, Members: peers(1, 2, 3), Complete: true}},
		{what: "it was let into another group", a: Announcement{Attempt: 1, Members: all, Complete: true, Founded: peers(2, 5, 6)}, joins: true},
	} {
		f := New(all[0], State{})
		f.See(all[1:], true)
		c.a.From = all[1]
		if e := f.Hear(&c.a); f.saved.Locked != nil || e.Save != nil || e.Join != c.joins {
			t.Errorf("%s: %+v, %+v", c.what, f.saved, e)
		}
	}
}
