package meta

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// clustered returns a State with so many servers, of nodes from 1, and how they are seen.
func clustered(t testing.TB, n int) (*State, View) {
	t.Helper()
	s, v := &State{}, View{}
	for node := uint32(1); node <= uint32(n); node++ {
		ok(t, s, join(node))
		v.Seen = append(v.Seen, Seen{Node: node, Online: true, Memory: -1, File: -1})
	}
	return s, v
}

func join(node uint32) *Op {
	return &Op{AddServer: &AddServer{Server{Node: node, Name: fmt.Sprintf("n%d", node), Incarnation: node * 7, Cluster: "C"}}}
}

// place is an op that creates a stream on some servers.
func place(name string, nodes ...uint32) *Op {
	c := streamConfig(name, name)
	c.Replicas = len(nodes)
	return &Op{CreateStream: &CreateStream{Account: "A", Config: c, Nodes: nodes, Limits: NoLimits}}
}

// scale is an op that gives a stream other servers, by its number of replicas or by placement.
func scale(st *Stream, tags []string, nodes ...uint32) *Op {
	c := st.Config.Clone()
	c.Replicas = len(nodes)
	if tags != nil {
		c.Placement = &api.Placement{Tags: tags}
	}
	return &Op{UpdateStream: &UpdateStream{Account: "A", Config: c, Revision: st.Revision, Limits: NoLimits, Nodes: nodes}}
}

// stale applies an op that comes too late, and must not change anything.
func stale(t *testing.T, s *State, o *Op) {
	t.Helper()
	before := s.Digest()
	if r := apply(t, s, o); !r.Stale || r.Changed || r.Err != nil {
		t.Errorf("%+v: %+v", o, r)
	}
	s.time--
	if s.Digest() != before {
		t.Error("it has changed something")
	}
	s.time++
}

// ended is the report of the leader of a stream, or of its consumer.
func ended(st *Stream, consumer string) *Op {
	g, o := st.Group, &EndChange{Account: "A", Stream: st.Name(), Consumer: consumer}
	if consumer != "" {
		g = st.Consumer(consumer).Group
	}
	o.Group = g.ID
	if g.Change != nil {
		o.Change = g.Change.ID
	}
	return &Op{EndChange: o}
}

// settle has all that is under way come to its end.
func settle(t *testing.T, s *State) {
	t.Helper()
	for st := range s.All() {
		for c := range st.Consumers() {
			if c.Group.Change != nil {
				ok(t, s, ended(st, c.Name()))
			}
		}
		if st.Group.Change != nil {
			ok(t, s, ended(st, ""))
		}
	}
}

func is(t *testing.T, what string, got []uint32, want ...uint32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestServersComeAndGo(t *testing.T) {
	s, v := clustered(t, 2)
	if r := apply(t, s, join(1)); r.Changed || r.Err != nil {
		t.Errorf("as it was: %+v", r)
	}
	renewed := join(1)
	renewed.AddServer.Incarnation++
	ok(t, s, renewed)
	if s.Server(1).Incarnation != 8 {
		t.Errorf("%+v", s.Server(1))
	}
	remove := func(node uint32) *Op { return &Op{RemoveServer: &RemoveServer{Node: node, View: v}} }
	end := func(node uint32) *Op { return &Op{EndRemoval: &EndRemoval{Node: node}} }
	refused(t, s, remove(3), api.ErrClusterServerNotMember)
	stale(t, s, end(2))
	ok(t, s, remove(2))
	if s.Server(2) != nil || s.Removing() != 2 {
		t.Errorf("%+v is there, %d is being removed", s.Server(2), s.Removing())
	}
	refused(t, s, remove(1), api.ErrClusterServerMemberChangeInflight)
	refused(t, s, join(2), api.ErrClusterServerMemberChangeInflight)
	stale(t, s, end(1))
	if again, err := Decode(s.Append(nil)); err != nil || again.Removing() != 2 || again.Digest() != s.Digest() {
		t.Errorf("read again: %v", err)
	}
	ok(t, s, end(2))
	refused(t, s, remove(1), api.ErrPeerRemap) // the last one
	ok(t, s, join(2))
	refused(t, s, &Op{EvacuateServer: &EvacuateServer{Node: 3, View: v}}, api.ErrClusterServerNotMember)
}

func TestCreateOnServers(t *testing.T) {
	s, _ := clustered(t, 3)
	stale(t, s, place("a", 1, 2, 4)) // which has been removed since
	few := place("a", 1, 2)
	few.CreateStream.Config.Replicas = 3
	stale(t, s, few)
	if _, err := DecodeOp(place("a", 1, 2, 1).Append(nil)); !errors.Is(err, ErrUnknownOp) {
		t.Errorf("twice on a server: %v", err)
	}
	o := place("a", 3, 1, 2)
	o.CreateStream.Preferred = 1
	st := ok(t, s, o).Stream
	is(t, "nodes", st.Group.Nodes, 3, 1, 2)
	if g := st.Group; g.Preferred != 1 || !slices.Equal(g.Founders, []uint64{3<<32 | 21, 1<<32 | 7, 2<<32 | 14}) || g.Change != nil {
		t.Errorf("%+v", g)
	}
	refused(t, s, place("a", 1), api.ErrStreamNameExist)
	other := place("b", 1)
	other.CreateStream.Preferred = 2
	if st := ok(t, s, other).Stream; st.Group.Preferred != 0 {
		t.Errorf("who has no replica is to lead: %+v", st.Group)
	}
	// Who begins a group is told by the disks of that time.
	renewed := join(2)
	renewed.AddServer.Incarnation++
	ok(t, s, renewed)
	if st := s.Stream("A", "a"); st.Group.Founders[2] != 2<<32|14 {
		t.Errorf("%+v", st.Group)
	}
	if l := s.Load(1); l != (Load{Assets: 1, Streams: 2, Leads: 2}) {
		t.Errorf("%+v", l)
	}
}

// A create that is refused leaves what there is of that name as it is.
func TestRefusedCreateTouchesNothing(t *testing.T) {
	s, _ := clustered(t, 3)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "c", Durable: "c"})).Consumer
	refused(t, s, place("a", 1), api.ErrStreamNameExist)
	refused(t, s, consume(st, &api.ConsumerConfig{Name: "c", Durable: "c", Description: "another"}), api.ErrConsumerAlreadyExists)
	late := consume(st, &api.ConsumerConfig{Name: "c", Durable: "c", MaxDeliver: 7})
	late.CreateConsumer.Group++
	stale(t, s, late)
	if s.Stream("A", "a") != st || st.Consumer("c") != c {
		t.Error("something else is there")
	}
}

func TestScale(t *testing.T) {
	s, _ := clustered(t, 5)
	st := ok(t, s, place("a", 2)).Stream
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "as", Durable: "as"}))
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "one", Durable: "one", Replicas: 1}))

	stale(t, s, scale(st, nil, 2, 3, 6))
	refused(t, s, scale(st, []string{"x"}, 2, 3), api.ErrStreamMoveAndScale)
	three := scale(st, nil, 2, 3, 4)
	three.UpdateStream.Preferred = 3
	st = ok(t, s, three).Stream
	is(t, "nodes", st.Group.Nodes, 2, 3, 4)
	is(t, "from", st.Group.Change.From, 2)
	is(t, "leaving", st.Group.Change.Leaving)
	is(t, "consumer like its stream", st.Consumer("as").Group.Nodes, 2, 3, 4)
	is(t, "consumer with one replica", st.Consumer("one").Group.Nodes, 2)
	if st.Group.Preferred != 3 || len(st.Group.Founders) != 1 || st.Consumer("one").Group.Change != nil {
		t.Errorf("%+v", st.Group)
	}
	refused(t, s, scale(st, nil, 2), api.ErrStreamReconfigureInProgress)
	described := st.Config.Clone()
	described.Description = "meanwhile"
	st = ok(t, s, &Op{UpdateStream: &UpdateStream{Account: "A", Config: described, Revision: st.Revision, Limits: NoLimits}}).Stream
	if st.Group.Change == nil {
		t.Error("an update of something else ends the change")
	}

	stale(t, s, ended(st, "")) // its consumer is on its way still
	wrong := ended(st, "as")
	wrong.EndChange.Change--
	stale(t, s, wrong)
	ok(t, s, ended(st, "as"))
	wrong = ended(st, "")
	wrong.EndChange.Change--
	stale(t, s, wrong)
	wrong = ended(st, "")
	wrong.EndChange.Group++
	stale(t, s, wrong)
	done := ended(st, "")
	st = ok(t, s, done).Stream
	if st.Group.Change != nil || st.Group.Founders != nil || st.Consumer("as").Group.Founders != nil {
		t.Errorf("%+v", st.Group)
	}
	stale(t, s, done)

	ok(t, s, scale(st, nil, 2, 3, 4, 1, 5))
	settle(t, s)
	st = s.Stream("A", "a")
	st = ok(t, s, scale(st, nil, 4)).Stream
	is(t, "leaving", st.Group.Change.Leaving, 2, 3, 1, 5)
	is(t, "consumer with one replica", st.Consumer("one").Group.Nodes, 4)
	is(t, "where that leaves", st.Consumer("one").Group.Change.Leaving, 2)
	if st.Group.Preferred != 0 {
		t.Errorf("%d should lead, and goes", st.Group.Preferred)
	}
	settle(t, s)
	if l := s.Load(4); l != (Load{Streams: 1, Leads: 3}) || s.Load(2) != (Load{}) {
		t.Errorf("%+v, %+v", l, s.Load(2))
	}
}

func TestMoveAndCancel(t *testing.T) {
	s, _ := clustered(t, 6)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	st = ok(t, s, scale(st, []string{"x"}, 1, 2, 3)).Stream
	if st.Group.Change != nil {
		t.Errorf("it is there already: %+v", st.Group)
	}
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "one", Durable: "one", Replicas: 1}))
	cancel := &Op{CancelChange: &CancelChange{Account: "A", Stream: "a", Group: st.Group.ID}}
	refused(t, s, cancel, api.ErrStreamReconfigureNotInProgress)
	st = ok(t, s, scale(st, []string{"y"}, 4, 5, 6)).Stream
	was := st.Consumer("one").Group.Change.From
	refused(t, s, scale(st, []string{"z"}, 1, 2, 3), api.ErrStreamMoveInProgress)
	// A consumer that is made now begins where the stream is.
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "new", Durable: "new"})).Consumer
	is(t, "begins", c.Group.Change.From, 1, 2, 3)
	is(t, "and goes", c.Group.Nodes, 4, 5, 6)
	if len(c.Group.Founders) != 3 || c.Group.Founders[0]>>32 != 1 {
		t.Errorf("founded by %v", c.Group.Founders)
	}

	late := ended(st, "")
	other := *cancel.CancelChange
	other.Group++
	stale(t, s, &Op{CancelChange: &other})
	st = ok(t, s, cancel).Stream
	is(t, "back", st.Group.Nodes, 1, 2, 3)
	is(t, "leaving", st.Group.Change.Leaving, 4, 5, 6)
	is(t, "the consumer", st.Consumer("one").Group.Nodes, was...)
	is(t, "the new one", st.Consumer("new").Group.Nodes, 1, 2, 3)
	if p := st.Config.Placement; p == nil || p.Tags[0] != "x" {
		t.Errorf("placement %+v", p)
	}
	refused(t, s, cancel, api.ErrStreamReconfigureNotInProgress)
	// The leader that has come to the end of the move hears of the cancel later.
	stale(t, s, late)
	settle(t, s)

	ok(t, s, scale(s.Stream("A", "a"), nil, 1))
	ok(t, s, cancel)
	if st = s.Stream("A", "a"); st.Config.Replicas != 3 || len(st.Group.Nodes) != 3 {
		t.Errorf("%+v, %+v", st.Config, st.Group)
	}
}

func TestChangePeers(t *testing.T) {
	s, _ := clustered(t, 5)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "c", Durable: "c", Replicas: 1})).Consumer
	change := func(was []uint32, nodes ...uint32) *Op {
		return &Op{ChangePeers: &ChangePeers{Account: "A", Stream: "a", Group: st.Group.ID, Was: was, Nodes: nodes, Preferred: 4}}
	}
	all := []uint32{1, 2, 3}
	stale(t, s, change([]uint32{1, 2, 4}, 1, 2, 5))
	stale(t, s, change(all, 1, 2, 7))
	refused(t, s, change(all, 1, 2), api.ErrPeerRemap)
	refused(t, s, change(all, 1, 2, 4, 5), api.ErrPeerRemap)
	if r := apply(t, s, change(all, 3, 2, 1)); r.Changed || r.Err != nil {
		t.Errorf("nothing to do: %+v", r)
	}
	of := func(nodes ...uint32) *Op {
		return &Op{ChangePeers: &ChangePeers{Account: "A", Stream: "a", Consumer: "c", Group: c.Group.ID, Was: c.Group.Nodes, Nodes: nodes}}
	}
	there := c.Group.Nodes[0]
	refused(t, s, of(4), api.ErrPeerRemap)
	refused(t, s, of(1, 2), api.ErrPeerRemap)
	stale(t, s, of(7))
	c = ok(t, s, of(there%3+1)).Consumer
	is(t, "the consumer", c.Group.Nodes, there%3+1)
	refused(t, s, of(there), api.ErrStreamReconfigureInProgress)
	ok(t, s, ended(st, "c"))

	revision := st.Revision
	st = ok(t, s, change(all, 1, 2, 4)).Stream
	is(t, "leaving", st.Group.Change.Leaving, 3)
	if st.Group.Preferred != 4 || st.Revision == revision {
		t.Errorf("%+v, was %d", st, revision)
	}
	refused(t, s, change([]uint32{1, 2, 4}, 1, 2, 5), api.ErrStreamMoveInProgress)
	missing := change(all, 1, 2, 5)
	missing.ChangePeers.Stream = "b"
	refused(t, s, missing, api.ErrStreamNotFound)
	missing = of(1)
	missing.ChangePeers.Consumer = "d"
	refused(t, s, missing, api.ErrConsumerNotFound)
}

func TestRemoveServer(t *testing.T) {
	s, v := clustered(t, 5)
	remove := func(node uint32) {
		t.Helper()
		ok(t, s, &Op{RemoveServer: &RemoveServer{Node: node, View: v}})
		ok(t, s, &Op{EndRemoval: &EndRemoval{Node: node}})
	}
	st := ok(t, s, place("three", 1, 2, 3)).Stream
	for i := range 8 {
		ok(t, s, consume(st, &api.ConsumerConfig{Name: fmt.Sprint(i), Durable: fmt.Sprint(i), Replicas: 1}))
	}
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "as", Durable: "as"}))
	ok(t, s, place("one", 3))
	ok(t, s, place("elsewhere", 4))
	for i := range 6 {
		ok(t, s, place(fmt.Sprint("more", i), 1, 2, 3))
	}
	elsewhere := s.Stream("A", "elsewhere")
	alone := make(map[string]bool)
	for c := range st.Consumers() {
		alone[c.Name()] = slices.Equal(c.Group.Nodes, []uint32{3})
	}
	// Each group gets a replacement, and not all of them the same one.
	remove(3)
	got := make(map[uint32]int)
	for st := range s.Streams("A") {
		switch st.Name() {
		case "one": // which nobody else has
			if s.Lacking(st) != 1 || st.Group.Change != nil || !slices.Equal(st.Group.Nodes, []uint32{3}) {
				t.Errorf("lost: %+v", st.Group)
			}
		case "elsewhere":
			if st != elsewhere {
				t.Errorf("has nothing to do with it: %+v", st)
			}
		default:
			if len(st.Group.Nodes) != 3 || slices.Contains(st.Group.Nodes, 3) || s.Lacking(st) != 0 {
				t.Errorf("%s: %+v", st.Name(), st.Group)
			}
			got[st.Group.Nodes[2]]++
		}
	}
	if got[4] < 3 || got[5] < 3 {
		t.Errorf("replacements: %v", got)
	}
	st = s.Stream("A", "three")
	for c := range st.Consumers() {
		if stays := slices.Equal(c.Group.Nodes, []uint32{3}); stays != alone[c.Name()] || stays && c.Group.Change != nil {
			t.Errorf("consumer %s: %+v", c.Name(), c.Group)
		}
	}
	is(t, "consumer like its stream", st.Consumer("as").Group.Nodes, st.Group.Nodes...)
	settle(t, s) // what is lost is waited for by nobody

	// Then there are fewer than are wanted, until there is another one.
	remove(5)
	remove(4)
	st = s.Stream("A", "three")
	is(t, "two are left", st.Group.Nodes, 1, 2)
	if s.Lacking(st) != 1 {
		t.Errorf("%d replicas are missing", s.Lacking(st))
	}
	more := &Op{PlaceMissing: &PlaceMissing{v}}
	refused(t, s, more, nil)
	ok(t, s, join(4))
	ok(t, s, more)
	st = s.Stream("A", "three")
	is(t, "three again", st.Group.Nodes, 1, 2, 4)
	// Who had the only replica comes back, with what it has.
	ok(t, s, join(3))
	if one := s.Stream("A", "one"); s.Lacking(one) != 0 || one.Group.Change != nil {
		t.Errorf("%+v", one.Group)
	}
}

// A server that is dead is taken out of a stream. A consumer of which it has the only replica
// keeps nobody waiting.
func TestForcedChange(t *testing.T) {
	for _, forced := range []bool{false, true} {
		s, _ := clustered(t, 4)
		st := ok(t, s, place("a", 1, 2, 3)).Stream
		for i := range 9 {
			ok(t, s, consume(st, &api.ConsumerConfig{Name: fmt.Sprint(i), Durable: fmt.Sprint(i), Replicas: 1}))
		}
		st = ok(t, s, &Op{ChangePeers: &ChangePeers{
			Account: "A", Stream: "a", Group: st.Group.ID, Was: []uint32{1, 2, 3}, Nodes: []uint32{1, 2, 4}, Forced: forced,
		}}).Stream
		if s.Waits(st) == forced {
			t.Errorf("forced %v: waits %v", forced, s.Waits(st))
		}
		if !forced {
			stale(t, s, ended(st, ""))
			continue
		}
		st = ok(t, s, ended(st, "")).Stream
		for c := range st.Consumers() {
			if ch := c.Group.Change; (ch != nil) != slices.Contains(c.Group.holders(), 3) || ch != nil && !slices.Equal(ch.Leaving, []uint32{3}) {
				t.Errorf("%+v, %+v", c.Group, ch)
			}
		}
		settle(t, s)
	}
}

// One server alone has everything, whatever node it was when that was made.
func TestAloneUnderAnotherName(t *testing.T) {
	s := &State{}
	st := ok(t, s, create(streamConfig("s", "s"))).Stream
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "c", Durable: "c"})).Consumer
	c.Group.Nodes = []uint32{2} // as version 1 wrote it
	next := ok(t, s, &Op{UpdateConsumer: &UpdateConsumer{Account: "A", Stream: "s", Config: &api.ConsumerConfig{Name: "c", Durable: "c", MaxDeliver: 2}, Revision: c.Revision}}).Consumer
	if next.Group.Change != nil {
		t.Errorf("%+v", next.Group.Change)
	}
}

// A server goes that a move comes from, or leads to.
func TestRemoveServerDuringMove(t *testing.T) {
	s, v := clustered(t, 6)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	st = ok(t, s, scale(st, []string{"x"}, 4, 5, 6)).Stream
	late := ended(st, "")
	clear(v.Seen) // nobody is known to be there: nobody replaces it
	ok(t, s, &Op{RemoveServer: &RemoveServer{Node: 6, View: v}})
	ok(t, s, &Op{EndRemoval: &EndRemoval{Node: 6}})
	st = s.Stream("A", "a")
	is(t, "goes to", st.Group.Nodes, 4, 5)
	is(t, "from", st.Group.Change.From, 1, 2, 3)
	is(t, "leaving", st.Group.Change.Leaving, 6, 1, 2, 3)
	stale(t, s, late)
	ok(t, s, &Op{RemoveServer: &RemoveServer{Node: 1, View: v}})
	ok(t, s, &Op{EndRemoval: &EndRemoval{Node: 1}})
	ok(t, s, &Op{CancelChange: &CancelChange{Account: "A", Stream: "a", Group: st.Group.ID}})
	st = s.Stream("A", "a")
	is(t, "back", st.Group.Nodes, 2, 3)
	if st.Config.Placement != nil || s.Lacking(st) != 1 {
		t.Errorf("%+v, lacking %d", st.Config.Placement, s.Lacking(st))
	}
	// The only one that has it goes while it moves.
	one := ok(t, s, place("one", 2)).Stream
	ok(t, s, &Op{ChangePeers: &ChangePeers{Account: "A", Stream: "one", Group: one.Group.ID, Was: []uint32{2}, Nodes: []uint32{4}}})
	ok(t, s, &Op{RemoveServer: &RemoveServer{Node: 2, View: v}})
	if one = s.Stream("A", "one"); s.Lacking(one) != 1 || s.isHeld(&one.Group) {
		t.Errorf("%+v", one.Group)
	}
	refused(t, s, &Op{CancelChange: &CancelChange{Account: "A", Stream: "one", Group: one.Group.ID}}, api.ErrPeerRemap)
	ok(t, s, &Op{EndRemoval: &EndRemoval{Node: 2}})
	grows := ok(t, s, scale(ok(t, s, place("grows", 3)).Stream, nil, 3, 4, 5)).Stream
	ok(t, s, &Op{RemoveServer: &RemoveServer{Node: 3, View: v}})
	if now := s.Stream("A", "grows"); now != grows || s.Lacking(now) != 3 {
		t.Errorf("%+v", now.Group)
	}
}

func TestEvacuateServer(t *testing.T) {
	s, v := clustered(t, 4)
	ok(t, s, place("a", 1, 2, 3))
	ok(t, s, place("b", 3))
	ok(t, s, place("c", 1, 2, 3, 4))
	ok(t, s, place("d", 1, 2))
	evacuate := &Op{EvacuateServer: &EvacuateServer{Node: 3, View: v}}
	ok(t, s, evacuate)
	is(t, "replaced", s.Stream("A", "a").Group.Nodes, 1, 2, 4)
	is(t, "nobody else", s.Stream("A", "c").Group.Nodes, 1, 2, 3, 4)
	if b := s.Stream("A", "b"); slices.Contains(b.Group.Nodes, 3) || s.Lacking(b) != 0 {
		t.Errorf("moved: %+v", b.Group)
	}
	if s.Server(3) == nil || s.Stream("A", "d").Group.Change != nil {
		t.Error("more than that was done")
	}
	refused(t, s, evacuate, nil)
}

// Consumers with fewer replicas than their stream spread over its servers, and none is given
// to one that cannot be reached.
func TestConsumersSpread(t *testing.T) {
	s, _ := clustered(t, 3)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	got := make(map[uint32]int)
	for i := range 300 {
		o := consume(st, &api.ConsumerConfig{Name: fmt.Sprint(i)}) // an ephemeral one has one replica
		if i%2 == 0 {
			o.CreateConsumer.Avoid = []uint32{2}
		}
		for _, n := range ok(t, s, o).Consumer.Group.Nodes {
			got[n]++
		}
	}
	if got[1] < 90 || got[3] < 90 || got[2] < 30 || got[2] > 70 || got[1]+got[2]+got[3] != 300 {
		t.Errorf("%v", got)
	}
	wide := &api.ConsumerConfig{Name: "w", Durable: "w", Replicas: 1}
	c := ok(t, s, consume(st, wide)).Consumer
	more := *wide
	more.Replicas = 3
	next := ok(t, s, &Op{UpdateConsumer: &UpdateConsumer{Account: "A", Stream: "a", Config: &more, Revision: c.Revision}}).Consumer
	if len(next.Group.Nodes) != 3 || next.Group.Change == nil || !slices.Equal(next.Group.Change.From, c.Group.Nodes) {
		t.Errorf("%+v, was %+v", next.Group, c.Group)
	}
}

// Who is to lead is told by a user, of an asset and a server that are there.
func TestPreferLeader(t *testing.T) {
	s, _ := clustered(t, 3)
	st := ok(t, s, place("a", 1, 2)).Stream
	c := ok(t, s, consume(st, &api.ConsumerConfig{Name: "c", Replicas: 2})).Consumer
	prefer := func(consumer string, group uint64, node uint32) *Op {
		return &Op{PreferLeader: &PreferLeader{Account: "A", Stream: "a", Consumer: consumer, Group: group, Node: node}}
	}
	next := ok(t, s, prefer("", st.Group.ID, 2)).Stream
	if next.Group.Preferred != 2 || next.Revision != st.Revision || s.Load(2).Leads != 1 {
		t.Errorf("%+v", next)
	}
	nextC := ok(t, s, prefer("c", c.Group.ID, 1)).Consumer
	if nextC.Group.Preferred != 1 || nextC.Revision != c.Revision || s.Load(1).Leads != 1 {
		t.Errorf("%+v", nextC)
	}
	for _, o := range []*Op{prefer("", st.Group.ID, 2), prefer("c", c.Group.ID, 1)} {
		if r := apply(t, s, o); r.Changed || r.Stale || r.Err != nil {
			t.Errorf("once more: %+v", r)
		}
	}
	stale(t, s, prefer("", st.Group.ID, 3))
	stale(t, s, prefer("", c.Group.ID, 1))
	stale(t, s, prefer("c", c.Group.ID, 3))
	stale(t, s, prefer("c", st.Group.ID, 1))
	refused(t, s, prefer("d", c.Group.ID, 1), api.ErrConsumerNotFound)
	ok(t, s, &Op{DeleteStream: &DeleteStream{Account: "A", Stream: "a"}})
	refused(t, s, prefer("", st.Group.ID, 1), api.ErrStreamNotFound)
}
