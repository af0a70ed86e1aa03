package meta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func streamConfig(name string, subjects ...string) *api.StreamConfig {
	return &api.StreamConfig{Name: name, Subjects: subjects, MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, Replicas: 1}
}

func create(c *api.StreamConfig) *Op {
	return &Op{CreateStream: &CreateStream{Account: "A", Config: c, Nodes: []uint32{1}, Limits: NoLimits}}
}

func consume(st *Stream, c *api.ConsumerConfig) *Op {
	return &Op{CreateConsumer: &CreateConsumer{Account: st.Account, Stream: st.Name(), Group: st.Group.ID, Config: c, Max: -1}}
}

// apply carries out an op after it has been encoded and decoded.
func apply(t testing.TB, s *State, o *Op) Result {
	t.Helper()
	d, err := DecodeOp(o.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s.Apply(d, s.time+1)
}

// ok applies an op that has to change something.
func ok(t testing.TB, s *State, o *Op) Result {
	t.Helper()
	r := apply(t, s, o)
	if r.Err != nil || !r.Changed || r.Stale {
		t.Fatalf("%+v: %+v", o, r)
	}
	return r
}

// refused applies an op that must not change anything.
func refused(t testing.TB, s *State, o *Op, want *api.Error) {
	t.Helper()
	before := s.Digest()
	r := apply(t, s, o)
	if r.Changed || (want == nil) != (r.Err == nil) || want != nil && !errors.Is(r.Err, want) {
		t.Errorf("%+v, want %v", r, want)
	}
	s.time--
	if s.Digest() != before {
		t.Error("it has changed something")
	}
	s.time++
}

func TestStreams(t *testing.T) {
	s := &State{}
	one := ok(t, s, create(streamConfig("one", "a.>"))).Stream
	two := ok(t, s, create(streamConfig("two", "b.*", "c"))).Stream
	if one.Group.ID < FirstGroup || two.Group.ID == one.Group.ID || two.Created <= one.Created {
		t.Errorf("%+v, %+v", one, two)
	}
	if r := apply(t, s, create(streamConfig("one", "a.>"))); r.Err != nil || r.Changed || r.Stream != one {
		t.Errorf("the same once more: %+v", r)
	}
	refused(t, s, create(streamConfig("one", "other")), api.ErrStreamNameExist)
	refused(t, s, &Op{CreateStream: &CreateStream{Account: "A", Config: streamConfig("one", "a.>"), Limits: NoLimits, New: true}}, api.ErrStreamNameExist)
	refused(t, s, create(streamConfig("three", "x", "*.7")), api.ErrStreamSubjectOverlap)
	elsewhere := create(streamConfig("one", "a.>"))
	elsewhere.CreateStream.Account = "B"
	ok(t, s, elsewhere)

	update := func(c *api.StreamConfig, rev uint64) *Op {
		return &Op{UpdateStream: &UpdateStream{Account: "A", Config: c, Revision: rev, Limits: NoLimits}}
	}
	next := ok(t, s, update(streamConfig("one", "a.>", "d"), one.Revision)).Stream
	if next.Group.ID != one.Group.ID || next.Created != one.Created || next.Revision == one.Revision {
		t.Errorf("updated: %+v, was %+v", next, one)
	}
	if r := apply(t, s, update(streamConfig("one", "a.>", "d"), next.Revision)); r.Err != nil || r.Changed || r.Stream != next {
		t.Errorf("an update to what it is: %+v", r)
	}
	if r := apply(t, s, update(streamConfig("one", "e"), one.Revision)); !r.Stale || r.Changed {
		t.Errorf("an update that was checked before another: %+v", r)
	}
	refused(t, s, update(streamConfig("one", "c"), next.Revision), api.ErrStreamSubjectOverlap)
	refused(t, s, update(streamConfig("none"), 1), api.ErrStreamNotFound)

	gone := func(name string, group uint64) *Op {
		return &Op{DeleteStream: &DeleteStream{Account: "A", Stream: name, Group: group}}
	}
	refused(t, s, gone("none", 0), api.ErrStreamNotFound)
	refused(t, s, gone("one", two.Group.ID), api.ErrStreamNotFound)
	ok(t, s, gone("one", one.Group.ID))
	again := ok(t, s, create(streamConfig("one", "a.>"))).Stream
	if again.Group.ID <= two.Group.ID {
		t.Errorf("the group of one that was deleted is used again: %+v", again)
	}
	if got := slices.Collect(s.Accounts()); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("accounts %v", got)
	}
	last := gone("one", 0)
	last.DeleteStream.Account = "B"
	ok(t, s, last)
	if got := slices.Collect(s.Accounts()); !slices.Equal(got, []string{"A"}) {
		t.Errorf("accounts %v", got)
	}
	for id, want := range map[uint64]bool{FirstGroup - 1: false, FirstGroup: true, one.Group.ID: true, again.Group.ID: true, again.Group.ID + 1: false} {
		if s.Made(id) != want {
			t.Errorf("group %d was made: %v", id, !want)
		}
	}
}

// The clock of another leader may be behind.
func TestTimeDoesNotGoBack(t *testing.T) {
	s := &State{}
	one := s.Apply(create(streamConfig("one", "a")), 100).Stream
	two := s.Apply(create(streamConfig("two", "b")), 50).Stream
	if one.Created != 100 || two.Created != 100 {
		t.Errorf("created at %d and %d", one.Created, two.Created)
	}
}

func TestGroupsInMemory(t *testing.T) {
	for storage, want := range map[api.Storage]bool{api.FileStorage: false, api.MemoryStorage: true} {
		s := &State{}
		cfg := streamConfig("s", "a")
		cfg.Storage = storage
		st := ok(t, s, create(cfg)).Stream
		as := ok(t, s, consume(st, &api.ConsumerConfig{Name: "as"})).Consumer
		own := ok(t, s, consume(st, &api.ConsumerConfig{Name: "own", MemoryStorage: true})).Consumer
		if st.Group.Memory != want || as.Group.Memory != want || !own.Group.Memory {
			t.Errorf("of a %v stream: %+v, of its consumers: %+v, %+v", storage, st.Group, as.Group, own.Group)
		}
	}
}

// A stream that is being restored has its name, subjects and reservations, but is seen
// by none but those who ask for it. Then it is one like others, or was never there.
func TestRestore(t *testing.T) {
	restore := func(c *api.StreamConfig, id string) *Op {
		o := create(c)
		o.CreateStream.Restore = &Restore{ID: id, Node: 1}
		return o
	}
	end := func(id string, complete bool) *Op {
		return &Op{EndRestore: &EndRestore{Account: "A", Stream: "s", ID: id, Complete: complete}}
	}
	s := &State{}
	ok(t, s, create(streamConfig("there", "there")))
	refused(t, s, restore(streamConfig("there", "there"), "1"), api.ErrStreamNameExist)
	refused(t, s, restore(streamConfig("s", "there"), "1"), api.ErrStreamSubjectOverlap)

	cfg := streamConfig("s", "a.>")
	cfg.MaxBytes = 70
	st := ok(t, s, restore(cfg, "1")).Stream
	refused(t, s, restore(cfg, "2"), api.ErrStreamNameExist)
	refused(t, s, create(cfg), api.ErrStreamNameExist)
	refused(t, s, create(streamConfig("other", "a.b")), api.ErrStreamSubjectOverlap)
	limited := create(streamConfig("other", "b"))
	limited.CreateStream.Limits.Streams = 2
	refused(t, s, limited, api.ErrMaximumStreamsLimit)
	refused(t, s, &Op{DeleteStream: &DeleteStream{Account: "A", Stream: "s"}}, api.ErrStreamNotFound)
	refused(t, s, &Op{UpdateStream: &UpdateStream{Account: "A", Config: cfg, Revision: st.Revision, Limits: NoLimits}}, api.ErrStreamNotFound)
	guessed := consume(st, &api.ConsumerConfig{Name: "c"})
	guessed.CreateConsumer.Group++
	refused(t, s, guessed, api.ErrStreamNotFound)
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "c"}))
	if u := s.Usage("A"); s.Stream("A", "s") != nil || u != (Usage{Streams: 1, Consumers: 1, ReservedFile: 70}) {
		t.Errorf("%v is seen, %+v", s.Stream("A", "s"), u)
	}
	decoded, err := Decode(s.Append(nil))
	if err != nil || decoded.Digest() != s.Digest() || len(slices.Collect(decoded.Restores("A"))) != 1 {
		t.Fatalf("read again: %v", err)
	}

	refused(t, s, end("2", true), api.ErrStreamNotFound)
	done := ok(t, s, end("1", true)).Stream
	if done.Group.ID != st.Group.ID || done.Restore != nil || done.Consumer("c") == nil || s.Stream("A", "s") != done {
		t.Errorf("%+v, was %+v", done, st)
	}
	refused(t, s, end("1", false), api.ErrStreamNotFound)
	ok(t, s, &Op{DeleteStream: &DeleteStream{Account: "A", Stream: "s"}})

	st = ok(t, s, restore(cfg, "3")).Stream
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "c"}))
	ok(t, s, end("3", false))
	refused(t, s, consume(st, &api.ConsumerConfig{Name: "d"}), api.ErrStreamNotFound)
	if u := s.Usage("A"); u != (Usage{Streams: 1}) {
		t.Errorf("left: %+v", u)
	}
}

func TestConsumers(t *testing.T) {
	s := &State{}
	st := ok(t, s, create(streamConfig("s", "a.>"))).Stream
	c := &api.ConsumerConfig{Name: "c", Durable: "c"}
	first := ok(t, s, consume(st, c)).Consumer
	if r := apply(t, s, consume(st, c)); r.Err != nil || r.Changed || r.Consumer != first {
		t.Errorf("the same once more: %+v", r)
	}
	other := *c
	other.Description = "another"
	refused(t, s, consume(st, &other), api.ErrConsumerAlreadyExists)
	update := &Op{UpdateConsumer: &UpdateConsumer{Account: "A", Stream: "s", Config: &other, Revision: first.Revision}}
	next := ok(t, s, update).Consumer
	if next.Group.ID != first.Group.ID || next.Created != first.Created {
		t.Errorf("%+v, was %+v", next, first)
	}
	if r := apply(t, s, update); !r.Stale {
		t.Errorf("an update that was checked before another: %+v", r)
	}

	refused(t, s, &Op{DeleteConsumer: &DeleteConsumer{Account: "A", Stream: "s", Consumer: "c", Group: first.Group.ID + 1}}, api.ErrConsumerNotFound)
	limited := consume(st, &api.ConsumerConfig{Name: "d"})
	limited.CreateConsumer.Max = 1
	refused(t, s, limited, api.ErrMaximumConsumersLimit)
	limited.CreateConsumer.Config.Direct = true
	ok(t, s, limited)
	if n := s.Usage("A").Consumers; n != 1 || st.NumConsumers() != 1 {
		t.Errorf("%d consumers count in the account, %d in the stream", n, st.NumConsumers())
	}

	old := consume(st, &api.ConsumerConfig{Name: "e"})
	ok(t, s, &Op{DeleteStream: &DeleteStream{Account: "A", Stream: "s"}})
	refused(t, s, old, api.ErrStreamNotFound)
	if s.Usage("A") != (Usage{}) {
		t.Errorf("left: %+v", s.Usage("A"))
	}
	st = ok(t, s, create(streamConfig("s", "a.>"))).Stream
	if r := apply(t, s, old); !r.Stale || st.Consumer("c") != nil {
		t.Errorf("a consumer of the stream that was there before: %+v, %v", r, st.Consumer("c"))
	}
	refused(t, s, &Op{DeleteConsumer: &DeleteConsumer{Account: "A", Stream: "s", Consumer: "c"}}, api.ErrConsumerNotFound)
}

func TestWorkQueueHasOneConsumerForAMessage(t *testing.T) {
	s := &State{}
	cfg := streamConfig("q", "a.>")
	cfg.Retention = api.RetainWorkQueue
	st := ok(t, s, create(cfg)).Stream
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "x", FilterSubject: "a.x"})).Consumer
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "y", FilterSubject: "a.y"}))
	refused(t, s, consume(st, &api.ConsumerConfig{Name: "z", FilterSubject: "a.*"}), api.ErrConsumerWQConsumerNotUnique)
	refused(t, s, consume(st, &api.ConsumerConfig{Name: "z"}), api.ErrConsumerWQMultipleUnfiltered)
	c = ok(t, s, &Op{UpdateConsumer: &UpdateConsumer{
		Account: "A", Stream: "q", Config: &api.ConsumerConfig{Name: "x", FilterSubject: "a.x", Description: "as before"}, Revision: c.Revision,
	}}).Consumer
	wide := &api.ConsumerConfig{Name: "x", FilterSubject: "a.y"}
	refused(t, s, &Op{UpdateConsumer: &UpdateConsumer{Account: "A", Stream: "q", Config: wide, Revision: c.Revision}}, api.ErrConsumerWQConsumerNotUnique)
}

func TestLimits(t *testing.T) {
	s := &State{}
	limited := func(name string, bytes int64, storage api.Storage, l Limits) *Op {
		c := streamConfig(name, name)
		c.MaxBytes, c.Storage, c.Replicas = bytes, storage, 3
		o := create(c)
		o.CreateStream.Limits = l
		return o
	}
	l := Limits{Streams: 2, Memory: 100, File: 1000, AllMemory: -1, AllFile: -1}
	st := ok(t, s, limited("a", 300, api.FileStorage, l)).Stream
	refused(t, s, limited("b", 40, api.FileStorage, l), api.ErrStorageResourcesExceeded)
	refused(t, s, limited("b", 40, api.MemoryStorage, l), api.ErrMemoryResourcesExceeded)
	ok(t, s, limited("b", -1, api.FileStorage, l))
	refused(t, s, limited("c", -1, api.FileStorage, l), api.ErrMaximumStreamsLimit)
	grow := *st.Config
	grow.MaxBytes = 340
	update := &Op{UpdateStream: &UpdateStream{Account: "A", Config: &grow, Revision: st.Revision, Limits: l}}
	refused(t, s, update, api.ErrStorageResourcesExceeded)
	grow.MaxBytes = 330
	st = ok(t, s, update).Stream
	if u := s.Usage("A"); u != (Usage{Streams: 2, ReservedFile: 990}) {
		t.Errorf("%+v", u)
	}
	// Limits that were lowered since hold nobody up who takes no more.
	shrink := *st.Config
	shrink.MaxBytes = 320
	ok(t, s, &Op{UpdateStream: &UpdateStream{Account: "A", Config: &shrink, Revision: st.Revision, Limits: Limits{File: 1}}})
}

// What streams reserve is bounded by what their server has, too, and one by one.
func TestLimitsOfServerAndStream(t *testing.T) {
	in := func(acc, name string, bytes int64, storage api.Storage, l Limits) *Op {
		c := streamConfig(name, name)
		c.MaxBytes, c.Storage = bytes, storage
		return &Op{CreateStream: &CreateStream{Account: acc, Config: c, Nodes: []uint32{1}, Limits: l}}
	}
	s := &State{}
	l := NoLimits
	l.AllMemory, l.AllFile = 100, 1000
	ok(t, s, in("A", "a", 600, api.FileStorage, l))
	refused(t, s, in("B", "b", 500, api.FileStorage, l), api.ErrStorageResourcesExceeded)
	refused(t, s, in("B", "b", 101, api.MemoryStorage, l), api.ErrMemoryResourcesExceeded)
	ok(t, s, in("B", "b", 400, api.FileStorage, l))
	ok(t, s, in("B", "c", -1, api.FileStorage, l))
	ok(t, s, in("B", "d", 100, api.MemoryStorage, l))
	// A bound of 0 leaves no room, and takes none from what reserves nothing.
	l.AllMemory = 0
	refused(t, s, in("C", "m", 1, api.MemoryStorage, l), api.ErrMemoryResourcesExceeded)
	ok(t, s, in("C", "m", -1, api.MemoryStorage, l))

	l = NoLimits
	l.BytesRequired, l.StreamMemory, l.StreamFile = true, 10, 20
	refused(t, s, in("D", "f", -1, api.FileStorage, l), api.ErrStreamMaxBytesRequired)
	refused(t, s, in("D", "f", 21, api.FileStorage, l), api.ErrStreamMaxStreamBytesExceeded)
	refused(t, s, in("D", "m", 11, api.MemoryStorage, l), api.ErrStreamMaxStreamBytesExceeded)
	ok(t, s, in("D", "f", 20, api.FileStorage, l))
	ok(t, s, in("D", "m", 10, api.MemoryStorage, l))
	// Clients look for the first of several errors.
	l.Streams, l.File = 2, 30
	refused(t, s, in("D", "g", 21, api.FileStorage, l), api.ErrMaximumStreamsLimit)
	l.Streams = 3
	refused(t, s, in("D", "g", 21, api.FileStorage, l), api.ErrStorageResourcesExceeded)
}

func TestCircular(t *testing.T) {
	s := &State{}
	from := func(name string, origins ...string) *api.StreamConfig {
		c := streamConfig(name)
		for _, o := range origins {
			c.Sources = append(c.Sources, &api.StreamSource{Name: o})
		}
		return c
	}
	mirror := streamConfig("m")
	mirror.Mirror = &api.StreamSource{Name: "origin"}
	second := streamConfig("m2")
	second.Mirror = &api.StreamSource{Name: "origin"}
	for _, c := range []*api.StreamConfig{streamConfig("origin", "o.>"), mirror, second, from("s", "m"), from("loop", "tail")} {
		if s.Circular("A", c) {
			t.Errorf("%s is called circular", c.Name)
		}
		ok(t, s, create(c))
	}
	filtered := from("f", "origin", "s")
	filtered.Subjects, filtered.Sources[0].FilterSubject = []string{"own"}, "o.x"
	outside := from("e", "origin", "s")
	outside.Sources[0].External = &api.ExternalStream{APIPrefix: "$JS.x.API"}
	for _, c := range []struct {
		cfg  *api.StreamConfig
		want bool
	}{
		{from("x", "origin", "nothing"), false},
		{from("x", "s"), false},
		{from("x", "x"), true},
		{from("tail", "loop"), true},
		{from("origin", "s"), true},
		{from("m", "x", "s"), true},
		// Two ways from one stream are fine if neither is the direct one, or that is the
		// later: clients go by that.
		{from("x", "m", "m2"), false},
		{from("x", "origin", "m"), true},
		{from("x", "origin", "nothing", "s"), true},
		{from("x", "m", "s"), true},
		{from("x", "s", "origin"), false},
		{from("x", "s", "m"), false},
		{from("x", "origin", "origin"), false}, // of which each may have a filter
		{filtered, false},
		{outside, false},
	} {
		if got := s.Circular("A", c.cfg); got != c.want {
			t.Errorf("%s from %d: %v", c.cfg.Name, len(c.cfg.Sources), got)
		}
	}
}

// Two states that are given the same ops are equal, also if one of them was
// written down and read again in between.
func TestStatesAgree(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a, b := &State{}, &State{}
		for n := range 300 {
			o := randomOp(rng, a)
			ra, rb := apply(t, a, o), apply(t, b, o)
			if ra.Changed != rb.Changed || ra.Stale != rb.Stale || fmt.Sprint(ra.Err) != fmt.Sprint(rb.Err) {
				t.Fatalf("seed %d, op %d: %+v and %+v", seed, n, ra, rb)
			}
			if n%10 > 0 {
				continue // each look at all of it takes a while
			}
			if n%30 == 0 {
				var err error
				if b, err = Decode(b.Append(nil)); err != nil {
					t.Fatalf("seed %d, op %d: %v", seed, n, err)
				}
			}
			if a.Digest() != b.Digest() || a.Usage("A") != b.Usage("A") {
				t.Fatalf("seed %d, op %d: %s\n%s", seed, n, a.Append(nil), b.Append(nil))
			}
		}
		checkUsage(t, a)
	}
}

// checkUsage counts anew what a State keeps count of.
func checkUsage(t *testing.T, s *State) {
	t.Helper()
	var u Usage
	groups := make(map[uint64]bool)
	all := slices.Collect(s.Streams("A"))
	u.Streams = len(all)
	all = slices.AppendSeq(all, s.Restores("A"))
	for _, st := range all {
		groups[st.Group.ID] = true
		if c := st.Config; c.MaxBytes > 0 {
			u.ReservedFile += c.MaxBytes * int64(c.Replicas)
		}
		for c := range st.Consumers() {
			groups[c.Group.ID] = true
			if !c.Config.Direct {
				u.Consumers++
			}
		}
	}
	if u != s.Usage("A") {
		t.Errorf("usage %+v, counted %+v", s.Usage("A"), u)
	}
	assets := 0
	for _, st := range all {
		assets += 1 + len(st.consumers.byName)
	}
	if len(groups) != assets {
		t.Errorf("%d assets have %d groups", assets, len(groups))
	}
}

// checkPeers looks at where everything is, and counts anew what servers have.
func checkPeers(t *testing.T, s *State) {
	t.Helper()
	loads := make(map[uint32]Load)
	look := func(what string, g *Group, stream *api.StreamConfig) {
		t.Helper()
		all := g.all()
		for i, n := range all {
			if slices.Contains(all[:i], n) {
				t.Errorf("%s has server %d twice: %+v", what, n, g)
			}
			l := loads[n]
			if len(g.Nodes) > 1 {
				l.Assets++
			}
			if n == g.Preferred || len(g.Nodes) == 1 && n == g.Nodes[0] {
				l.Leads++
			}
			if stream != nil {
				l.Streams++
				l.File += max(stream.MaxBytes, 0)
			}
			loads[n] = l
		}
		switch ch := g.Change; {
		case len(g.Nodes) == 0 || g.Preferred != 0 && !slices.Contains(g.Nodes, g.Preferred):
			t.Errorf("%s: %+v", what, g)
		case ch != nil && (ch.ID > s.revision || len(ch.From) == 0 || len(without(ch.From, all)) > 0):
			t.Errorf("%s: %+v", what, ch)
		}
	}
	for st := range s.All() {
		look(st.Name(), &st.Group, st.Config)
		for c := range st.Consumers() {
			look(st.Name()+" > "+c.Name(), &c.Group, nil)
			if s.isHeld(&c.Group) && s.IsClustered() && len(without(c.Group.Nodes, st.Group.Nodes)) > 0 {
				t.Errorf("consumer %s is where its stream is not: %+v, %+v", c.Name(), c.Group, st.Group)
			}
		}
	}
	for n, l := range s.loads {
		if loads[n] != *l {
			t.Errorf("server %d has %+v, counted %+v", n, *l, loads[n])
		}
	}
}

// randomPeersOp is about servers, and what is where.
func randomPeersOp(rng *rand.Rand, s *State) *Op {
	var nodes []uint32
	for sv := range s.Servers() {
		nodes = append(nodes, sv.Node)
	}
	rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	v := View{MaxAssets: rng.IntN(40)}
	for _, n := range nodes {
		v.Seen = append(v.Seen, Seen{Node: n, Online: rng.IntN(4) > 0, Memory: -1, File: -1})
	}
	node := uint32(1 + rng.IntN(7))
	name := string(rune('a' + rng.IntN(6)))
	st := s.Stream("A", name)
	chosen := nodes[:min(1+rng.IntN(3), len(nodes))]
	switch k := rng.IntN(25); {
	case k == 0 || len(nodes) < 4:
		return &Op{AddServer: &AddServer{Server{Node: node, Name: fmt.Sprint(node), Incarnation: rng.Uint32N(2)}}}
	case s.Removing() != 0 && rng.IntN(3) == 0:
		return &Op{EndRemoval: &EndRemoval{Node: s.Removing()}}
	case k == 1:
		return &Op{RemoveServer: &RemoveServer{Node: node, View: v}}
	case k == 2:
		return &Op{EvacuateServer: &EvacuateServer{Node: node, View: v}}
	case k == 3:
		return &Op{PlaceMissing: &PlaceMissing{v}}
	case k == 24 && st != nil:
		o := &PreferLeader{Account: "A", Stream: name, Group: st.Group.ID, Node: node}
		for c := range st.Consumers() {
			if rng.IntN(2) == 0 {
				o.Consumer, o.Group = c.Name(), c.Group.ID
			}
		}
		return &Op{PreferLeader: o}
	case st == nil && rng.IntN(3) == 0:
		return randomOp(rng, s)
	case st == nil:
		o := place(name, chosen...)
		o.CreateStream.Config.MaxBytes = rng.Int64N(20)
		return o
	case k < 8:
		return scale(st, nil, chosen...)
	case k == 8:
		return &Op{ChangePeers: &ChangePeers{Account: "A", Stream: name, Group: st.Group.ID, Was: st.Group.Nodes, Nodes: chosen, Preferred: node}}
	case k == 9:
		return &Op{CancelChange: &CancelChange{Account: "A", Stream: name, Group: st.Group.ID}}
	case k < 18:
		for c := range st.Consumers() {
			if c.Group.Change != nil && rng.IntN(2) == 0 {
				return ended(st, c.Name())
			}
		}
		return ended(st, "")
	}
	return randomOp(rng, s)
}

// Whatever happens to servers, groups are where they may be; what is refused changes nothing;
// and replicas of the state agree.
func TestPeersAgree(t *testing.T) {
	changed := make(map[string]int)
	for seed := range uint64(16) {
		rng := rand.New(rand.NewPCG(seed, 4))
		a, b := &State{}, &State{}
		for n := range 400 {
			o := randomPeersOp(rng, a)
			before := a.Digest()
			lacks := o.PlaceMissing != nil && a.CanPlaceMissing(&o.PlaceMissing.View)
			ra, rb := apply(t, a, o), apply(t, b, o)
			if ra.Changed != rb.Changed || ra.Stale != rb.Stale || fmt.Sprint(ra.Err) != fmt.Sprint(rb.Err) {
				t.Fatalf("seed %d, op %d: %+v and %+v", seed, n, ra, rb)
			}
			if o.PlaceMissing != nil && lacks != ra.Changed {
				t.Fatalf("seed %d, op %d: something is missing: %v; but %+v", seed, n, lacks, ra)
			}
			if ra.Changed {
				changed[kind(o)]++
			} else {
				a.time--
				if a.Digest() != before {
					t.Fatalf("seed %d, op %d: %+v changes something: %+v", seed, n, o, ra)
				}
				a.time++
			}
			if checkPeers(t, a); t.Failed() {
				t.Fatalf("seed %d, op %d: %s", seed, n, o.Append(nil))
			}
			if n%20 == 0 {
				var err error
				if b, err = Decode(b.Append(nil)); err != nil || a.Digest() != b.Digest() {
					t.Fatalf("seed %d, op %d: %v\n%s\n%s", seed, n, err, a.Append(nil), b.Append(nil))
				}
			}
		}
	}
	for k, n := range changed {
		if n < 5 {
			t.Errorf("%s was carried out %d times only", k, n)
		}
	}
	if len(changed) < 14 {
		t.Errorf("only %v were carried out", changed)
	}
}

// kind names an op by the first member of what is encoded.
func kind(o *Op) string {
	name, _, _ := strings.Cut(string(o.Append(nil)[3:]), "\"")
	return name
}

func randomOp(rng *rand.Rand, s *State) *Op {
	name := string(rune('a' + rng.IntN(6)))
	st := s.Stream("A", name)
	cfg := streamConfig(name, fmt.Sprintf("%s.%d", name, rng.IntN(3)))
	cfg.MaxBytes = rng.Int64N(100) - 10
	consumer := &api.ConsumerConfig{Name: string(rune('x' + rng.IntN(3))), Direct: rng.IntN(4) == 0, MaxDeliver: rng.IntN(3)}
	if being := s.restore("A", name); being != nil {
		if rng.IntN(2) == 0 {
			return consume(being, consumer)
		}
		return &Op{EndRestore: &EndRestore{Account: "A", Stream: name, ID: "1", Complete: rng.IntN(2) == 0}}
	}
	switch k := rng.IntN(6); {
	case k == 0 || st == nil:
		o := create(cfg)
		if rng.IntN(4) == 0 {
			o.CreateStream.Restore = &Restore{ID: "1", Node: 1}
		}
		return o
	case k == 1:
		return &Op{UpdateStream: &UpdateStream{Account: "A", Config: cfg, Revision: st.Revision - uint64(rng.IntN(5)/4), Limits: NoLimits}}
	case k == 2 && rng.IntN(4) == 0:
		return &Op{DeleteStream: &DeleteStream{Account: "A", Stream: name}}
	case k == 3:
		if c := st.Consumer(consumer.Name); c != nil {
			return &Op{UpdateConsumer: &UpdateConsumer{Account: "A", Stream: name, Config: consumer, Revision: c.Revision}}
		}
	case k == 4:
		return &Op{DeleteConsumer: &DeleteConsumer{Account: "A", Stream: name, Consumer: consumer.Name}}
	}
	return consume(st, consumer)
}

func FuzzDecodeOp(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := &State{}
	for range 40 {
		o := randomPeersOp(rng, s)
		f.Add(o.Append(nil))
		s.Apply(o, 1)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := DecodeOp(b)
		if err != nil {
			if !errors.Is(err, ErrUnknownOp) {
				t.Error(err)
			}
			return
		}
		s := &State{}
		s.Apply(create(streamConfig("a", "a")), 1)
		s.Apply(join(1), 1)
		s.Apply(join(2), 1)
		s.Apply(place("b", 1, 2), 1)
		s.Apply(o, 1)
		s.Apply(o, 2)
		if _, err := Decode(s.Append(nil)); err != nil {
			t.Errorf("%s leads to a state that cannot be read: %v", b, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 1))
	s := &State{}
	for range 200 {
		s.Apply(randomPeersOp(rng, s), 1)
	}
	f.Add(s.Append(nil))
	f.Add([]byte("\x01{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(s.Append(nil))
		if err != nil || again.Digest() != s.Digest() {
			t.Errorf("not what it was: %v", err)
		}
	})
}
