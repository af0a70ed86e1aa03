package mesh

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func server(name string) Server {
	return Server{ID: "ID-" + name, Name: name, Cluster: "C", PoolSize: 1, Addr: name + ":6222"}
}

func config(self Server, routes ...string) Config {
	return Config{Self: self, Routes: routes, Interval: second, Rand: rand.New(rand.NewPCG(1, 2))}
}

// dials polls until there is a dial, and returns those.
func dials(t *testing.T, m *Mesh, now *int64) []Dial {
	t.Helper()
	for range 100 {
		e, next := m.Poll(*now)
		if len(e.Dials) > 0 {
			return e.Dials
		}
		if next == 0 {
			break
		}
		*now = next
	}
	return nil
}

func closed(e Effects) (list []LinkID) {
	for _, c := range e.Closes {
		list = append(list, c.Link)
	}
	return list
}

// Two that dial each other, or one that dials another twice, keep the same connection of
// the two, in whatever order the ends see them.
func TestDuplicates(t *testing.T) {
	a, b := server("a"), server("b")
	for _, c := range []struct {
		what string
		by   [2]Server // who dials the first connection, and the second
		stay LinkID
	}{
		{"crossing", [2]Server{a, b}, 1},
		{"crossing, the other way", [2]Server{b, a}, 2},
		{"dialled twice", [2]Server{a, a}, 2},
		{"dialled twice by the other", [2]Server{b, b}, 2},
	} {
		for _, self := range []Server{a, b} {
			other := a
			if self.ID == a.ID {
				other = b
			}
			for _, order := range [][]LinkID{{1, 2}, {2, 1}} {
				m := New(config(self))
				var all []LinkID
				joined := 0
				for _, id := range order {
					arrival := &Arrival{Link: id, Peer: other, Call: uint64(id)}
					if c.by[id-1].ID == self.ID {
						arrival.Dialled = &Dial{Addr: other.Addr, Call: uint64(id)}
					}
					e := m.Arrived(arrival, 1)
					all = append(all, closed(e)...)
					joined += len(e.Joined)
				}
				got, ok := m.LinkFor(other.ID, "any")
				if !ok || got != c.stay || !slices.Equal(all, []LinkID{3 - c.stay}) || joined != 1 {
					t.Errorf("%s, seen by %s as %v: link %d %v stays, %v are closed, joined %d times", c.what, self.Name, order, got, ok, all, joined)
				}
				if e := m.Left(3-c.stay, 1); len(e.Gone) != 0 {
					t.Errorf("%s: with the connection that was closed the server is gone", c.what)
				}
				if e := m.Left(c.stay, 1); len(e.Gone) != 1 {
					t.Errorf("%s: the server is not gone", c.what)
				}
			}
		}
	}
}

// Who must not come in is told why.
func TestAdmission(t *testing.T) {
	self := server("a")
	for _, c := range []struct {
		what     string
		arrival  Arrival
		err      error
		suspects []LinkID
	}{
		{what: "another one", arrival: Arrival{Peer: server("c")}},
		{what: "itself", arrival: Arrival{Peer: self}, err: ErrSelf},
		{what: "its own name", arrival: Arrival{Peer: Server{ID: "X", Name: "a", Cluster: "C"}}, err: &DuplicateNameError{"a"}},
		{
			what: "a name that there is", arrival: Arrival{Peer: Server{ID: "X", Name: "b", Cluster: "C"}},
			err: &DuplicateNameError{"b"}, suspects: []LinkID{1},
		},
		{what: "another cluster", arrival: Arrival{Peer: Server{ID: "X", Name: "x", Cluster: "D"}}, err: &NameError{"D", "C"}},
		{what: "a cluster with a name that was made up", arrival: Arrival{Peer: Server{ID: "X", Name: "x", Cluster: "D", Dynamic: true}}},
		{what: "a place beyond the pool", arrival: Arrival{Peer: server("c"), Slot: Slot{Index: 1}}, err: ErrSlot},
		{what: "a place in front of it", arrival: Arrival{Peer: server("c"), Slot: Slot{Index: -1}}, err: ErrSlot},
		{what: "a place for an account", arrival: Arrival{Peer: server("c"), Slot: Slot{Account: "A"}}, err: ErrSlot},
		{
			what: "another one than expected", arrival: Arrival{Peer: server("c"), Dialled: &Dial{Addr: "b:6222", Slot: Slot{Index: 1}, peer: "ID-b"}},
			err: ErrStranger,
		},
	} {
		m := New(config(self))
		m.Arrived(&Arrival{Link: 1, Peer: server("b")}, 1)
		c.arrival.Link = 2
		e := m.Arrived(&c.arrival, 1)
		var err error
		if len(e.Closes) > 0 {
			err = e.Closes[0].Why
		}
		if !reflect.DeepEqual(err, c.err) || !slices.Equal(e.Suspects, c.suspects) || (c.err == nil) != (len(e.Joined) == 1) {
			t.Errorf("%s: %v, want %v; %+v", c.what, err, c.err, e)
		}
	}
	for err, want := range map[error]string{
		&NameError{"x", "y"}:     `Rejecting connection, cluster name "x" does not match "y"`,
		&DuplicateNameError{"n"}: `Remote server has a duplicate name: "n"`,
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// All servers come to have one name, whoever has made up which.
func TestClusterName(t *testing.T) {
	for _, c := range []struct {
		ours, theirs        string
		oursMade, theirMade bool
		want                string
		made                bool
	}{
		{"b", "b", true, true, "b", true},
		{"b", "b", true, false, "b", false},
		{"b", "c", true, true, "c", true},
		{"c", "b", true, true, "c", true},
		{"c", "b", true, false, "b", false},
		{"b", "c", false, true, "b", false},
	} {
		self, other := server("a"), server("x")
		self.Cluster, self.Dynamic, other.Cluster, other.Dynamic = c.ours, c.oursMade, c.theirs, c.theirMade
		for _, later := range []bool{false, true} {
			m := New(config(self))
			var e Effects
			if later {
				first := other
				first.Cluster, first.Dynamic = c.ours, true
				m.Arrived(&Arrival{Link: 1, Peer: first}, 1)
				e = m.Changed(1, &other)
			} else {
				e = m.Arrived(&Arrival{Link: 1, Peer: other}, 1)
			}
			renamed := ""
			if c.want != c.ours {
				renamed = c.want
			}
			if got := m.Self(); got.Cluster != c.want || got.Dynamic != c.made || e.Renamed != renamed {
				t.Errorf("%+v, later %v: %q %v, renamed %q", c, later, got.Cluster, got.Dynamic, e.Renamed)
			}
		}
	}
	m := New(config(server("a")))
	x := server("x")
	m.Arrived(&Arrival{Link: 1, Peer: x}, 1)
	x.Cluster = "D"
	if e := m.Changed(1, &x); !slices.Equal(closed(e), []LinkID{1}) {
		t.Errorf("a server that has changed its cluster stays: %+v", e)
	}
}

// Who comes is told of those who are there, and they of it: at once, and again later.
func TestTells(t *testing.T) {
	m := New(config(server("a")))
	hidden := server("d")
	hidden.Addr = ""
	tells := func(e Effects) (list []string) {
		for _, tell := range e.Tells {
			list = append(list, fmt.Sprint(tell.Link, tell.About.Name))
		}
		slices.Sort(list)
		return list
	}
	for i, c := range []struct {
		s    Server
		want []string
	}{
		{server("b"), nil},
		{server("c"), []string{"1c", "2b"}},
		{hidden, []string{"3b", "3c"}},
	} {
		if got := tells(m.Arrived(&Arrival{Link: LinkID(i + 1), Peer: c.s}, 1)); !slices.Equal(got, c.want) {
			t.Errorf("%s comes: %v, want %v", c.s.Name, got, c.want)
		}
	}
	e, next := m.Poll(second)
	if len(e.Tells) != 0 || next != second+RetellInterval {
		t.Errorf("%+v, next %d", e, next)
	}
	e, _ = m.Poll(next)
	if got, want := tells(e), []string{"1c", "2b", "3b", "3c"}; !slices.Equal(got, want) {
		t.Errorf("later: %v, want %v", got, want)
	}
}

// A configured address is dialled for ever, one that was heard of as often as is
// configured; where the server itself listens, and where it is together with who is there,
// not at all.
func TestTargets(t *testing.T) {
	cfg := config(server("a"), "b:6222")
	cfg.Retries, cfg.Backoff = 2, true
	m := New(cfg)
	now := second
	last, pause := now, int64(0)
	for i := range 20 {
		list := dials(t, m, &now)
		if len(list) != 1 || list[0].Attempt != i+1 || !list[0].Configured {
			t.Fatalf("attempt %d: %+v", i+1, list)
		}
		if again, _ := m.Poll(now); len(again.Dials) != 0 {
			t.Fatal("it is dialled twice at once")
		}
		if p := now - last; i > 0 && (p < pause || p > BackoffLimit*5/4) {
			t.Errorf("pause %d behind %d", p, pause)
		} else if i > 0 {
			pause = min(p, BackoffLimit)
		}
		last = now
		m.Failed(&list[0], now)
	}
	if pause != BackoffLimit {
		t.Errorf("it ends with pauses of %d", pause)
	}
	m.Configure(nil)
	if list := dials(t, m, &now); list != nil {
		t.Errorf("it is not configured any more: %+v", list)
	}
	c := server("c")
	for range 2 {
		m.Heard(&c)
		for i := range 3 {
			list := dials(t, m, &now)
			if len(list) != 1 || list[0].Addr != "c:6222" || list[0].Attempt != i+1 || list[0].Configured {
				t.Fatalf("attempt %d: %+v", i+1, list)
			}
			m.Failed(&list[0], now)
		}
		if list := dials(t, m, &now); list != nil {
			t.Errorf("too often: %+v", list)
		}
	}
	self := m.Self()
	m.Heard(&self)
	if list := dials(t, m, &now); list != nil {
		t.Errorf("itself: %+v", list)
	}
	m.Configure([]string{"alias:6222"})
	list := dials(t, m, &now)
	m.Arrived(&Arrival{Link: 1, Peer: m.Self(), Dialled: &list[0], Call: 1}, now)
	if list := dials(t, m, &now); list != nil {
		t.Errorf("itself under another name: %+v", list)
	}
	m.Configure([]string{"b1:6222", "b2:6222"})
	list = dials(t, m, &now)
	if len(list) != 2 {
		t.Fatal(list)
	}
	for i := range list {
		m.Arrived(&Arrival{Link: LinkID(2 + i), Peer: server("b"), Dialled: &list[i], Call: list[i].Call}, now)
	}
	b := server("b")
	m.Heard(&b)
	if list := dials(t, m, &now); list != nil {
		t.Errorf("who is there already: %+v", list)
	}
	m.Left(3, now)
	if list := dials(t, m, &now); len(list) == 0 || list[0].Attempt != 1 {
		t.Errorf("who was lost: %+v", list)
	}
	n := New(config(server("a")))
	n.Arrived(&Arrival{Link: 1, Peer: b}, now)
	n.Left(1, now)
	if list := dials(t, n, &now); len(list) != 1 || list[0].Addr != b.Addr {
		t.Errorf("who has dialled and was lost: %+v", list)
	}
}

// Who has dialled the main link dials those for the pool and the accounts that both ends
// have, and dials them again.
func TestSlots(t *testing.T) {
	self, b := server("a"), server("b")
	self.PoolSize, b.PoolSize = 4, 3
	self.Accounts, b.Accounts = []string{"SYS", "A"}, []string{"B", "SYS"}
	m := New(config(self, "b:6222"))
	now := second
	first := dials(t, m, &now)
	e := m.Arrived(&Arrival{Link: 1, Peer: b, Dialled: &first[0], Call: first[0].Call}, now)
	want := []Slot{{Index: 1}, {Index: 2}, {Account: "SYS"}}
	var got []Slot
	for i, d := range e.Dials {
		got = append(got, d.Slot)
		m.Arrived(&Arrival{Link: LinkID(i + 2), Peer: b, Dialled: &e.Dials[i], Slot: d.Slot, Call: d.Call}, now)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	used := make(map[LinkID]bool)
	for i := range 100 {
		id, ok := m.LinkFor(b.ID, fmt.Sprint("account", i))
		if !ok || id > 3 {
			t.Fatalf("link %d %v", id, ok)
		}
		used[id] = true
	}
	if id, ok := m.LinkFor(b.ID, "SYS"); !ok || id != 4 || len(used) != 3 {
		t.Errorf("link %d %v for the account with its own, %v used by others", id, ok, used)
	}
	if e := m.Left(3, now); len(e.Gone) != 0 {
		t.Errorf("%+v", e)
	}
	for range 3 {
		list := dials(t, m, &now)
		if len(list) != 1 || list[0].Slot != (Slot{Index: 2}) {
			t.Fatalf("%+v", list)
		}
		m.Failed(&list[0], now)
	}
	if e := m.Left(1, now); len(e.Gone) != 1 {
		t.Errorf("%+v", e)
	}
	list := dials(t, m, &now)
	if len(list) != 1 || list[0].Slot != (Slot{}) {
		t.Fatalf("%+v", list)
	}
	stranger := server("x")
	e = m.Arrived(&Arrival{Link: 9, Peer: stranger, Dialled: &list[0], Call: list[0].Call}, now)
	if len(e.Joined) != 1 {
		t.Errorf("another server has taken the address: %+v", e)
	}
	other := New(config(b))
	if e := other.Arrived(&Arrival{Link: 1, Peer: self, Call: 1}, now); len(e.Dials) != 0 {
		t.Errorf("who was dialled dials: %+v", e)
	}
	if e := other.Left(99, now); !reflect.DeepEqual(e, Effects{}) {
		t.Errorf("an unknown link: %+v", e)
	}
}
