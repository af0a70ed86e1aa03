package reconcile

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

var (
	seedFlag  = flag.Int64("model.seed", -1, "run the model with this seed alone")
	seedsFlag = flag.Int64("model.seeds", 100, "run the model with so many seeds")
)

// world is some servers that carry out what is assigned, each by a copy of the assignments
// that may be behind; and groups that keep raft's rules, as seen from outside.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	log   []*meta.Op // committed
	truth *meta.State
	nodes []*node
	// groups are those that exist, in order.
	groups []*group
	// reports are on their way.
	reports []*meta.EndChange
	ended   int
	// lag is how seldom servers hear of what is committed: one in so many times.
	lag int
}

// node is a server, and the replicas on its disk.
type node struct {
	id    uint32
	alive bool
	state *meta.State
	at    int // how much of the log it has applied
	acted int // by how much of it it has acted
	draws uint32
	disk  map[raft.GroupID]*replica
}

func (n *node) self() raft.PeerID { return peer(n.id) }

type replica struct {
	id    raft.PeerID
	match raft.Index
	// change is the one that its server knows of.
	change uint64
}

// group is what raft makes of its replicas.
type group struct {
	id           raft.GroupID
	conf, before raft.ConfState
	confIndex    raft.Index
	beforeIndex  raft.Index
	last, commit raft.Index
	leader       raft.PeerID
	// fence is how much of the log was committed when the leader asked, -1 if it has not.
	fence int
	// from is where the change comes from that is under way, least the fewest voters that were
	// asked for since.
	from  []uint32
	least int
}

func (w *world) apply(o *meta.Op) meta.Result {
	o, err := meta.DecodeOp(o.Append(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.truth.Apply(o, int64(len(w.log)))
	w.log = append(w.log, o)
	for _, g := range w.assigned() {
		if id := raft.GroupID(g.ID); w.group(id) == nil {
			var first []raft.PeerID
			for _, p := range g.Founders {
				first = append(first, raft.PeerID(p))
			}
			slices.Sort(first)
			w.groups = append(w.groups, &group{id: id, conf: raft.ConfState{Voters: first}})
		}
		of := w.group(raft.GroupID(g.ID))
		switch ch := g.Change; {
		case ch == nil:
			of.from, of.least = nil, len(g.Nodes)
		case !slices.Equal(of.from, ch.From):
			of.from, of.least = ch.From, min(len(ch.From), len(g.Nodes))
		default:
			of.least = min(of.least, len(g.Nodes))
		}
	}
	return r
}

// assigned returns all groups that there are to be.
func (w *world) assigned() (list []*meta.Group) {
	for st := range w.truth.Streams("A") {
		list = append(list, &st.Group)
		for c := range st.Consumers() {
			list = append(list, &c.Group)
		}
	}
	return list
}

func (w *world) find(id raft.GroupID) *meta.Group {
	for _, g := range w.assigned() {
		if g.ID == uint64(id) {
			return g
		}
	}
	return nil
}

func (w *world) group(id raft.GroupID) *group {
	if i := slices.IndexFunc(w.groups, func(g *group) bool { return g.id == id }); i >= 0 {
		return w.groups[i]
	}
	return nil
}

func (w *world) node(id raft.NodeID) *node { return w.nodes[id-1] }

// replica returns the one of that identity, if it is there.
func (w *world) replica(g *group, p raft.PeerID) *replica {
	if r := w.node(p.Node()).disk[g.id]; r != nil && r.id == p {
		return r
	}
	return nil
}

// runs returns it if it can be reached, too.
func (w *world) runs(g *group, p raft.PeerID) *replica {
	if !w.node(p.Node()).alive {
		return nil
	}
	return w.replica(g, p)
}

// quorum reports whether something holds for the majorities of a configuration.
func quorum(c *raft.ConfState, yes func(raft.PeerID) bool) bool {
	for _, half := range [][]raft.PeerID{c.Voters, c.Outgoing} {
		n := 0
		for _, p := range half {
			if yes(p) {
				n++
			}
		}
		if len(half) > 0 && n <= len(half)/2 {
			return false
		}
	}
	return true
}

// plan has a server do what it has to, by what it knows.
func (w *world) plan(n *node) {
	p := New(n.state, raft.Index(n.at), n.self())
	for _, task := range p.Tasks() {
		if r := n.disk[task.Group]; r != nil {
			r.change = task.Change
			continue
		}
		id := n.self()
		if task.Found == nil {
			n.draws++
			id = raft.MakePeerID(raft.NodeID(n.id), 1000+n.draws)
		}
		n.disk[task.Group] = &replica{id: id, change: task.Change}
	}
	for id, r := range n.disk {
		switch p.Fate(id, raft.Index(n.acted)) {
		case Aside:
			w.t.Fatalf("server %d has group %d, which never was", n.id, id)
		case Remove:
			delete(n.disk, id)
			if g := w.group(id); w.find(id) != nil && g.conf.IsVoter(r.id) {
				w.t.Fatalf("server %d removes a voter of %v: %+v", n.id, g.conf, w.find(id))
			}
		}
	}
	n.acted = max(n.acted, n.at)
}

// elect makes a voter leader that has all that is committed, if a majority is there.
func (w *world) elect(g *group) {
	var can []raft.PeerID
	for _, p := range slices.Concat(g.conf.Voters, g.conf.Outgoing) {
		if r := w.runs(g, p); r != nil && r.match >= g.commit {
			can = append(can, p)
		}
	}
	if len(can) == 0 || !quorum(&g.conf, func(p raft.PeerID) bool { return w.runs(g, p) != nil }) {
		return
	}
	w.reign(g, can[w.rng.IntN(len(can))])
}

// reign begins the reign of a leader, whose log is the group's from then on.
func (w *world) reign(g *group, p raft.PeerID) {
	g.leader, g.fence = p, -1
	g.last = w.replica(g, p).match
	if g.confIndex > g.last { // it was never committed
		g.conf, g.confIndex = g.before, g.beforeIndex
	}
	for _, n := range w.nodes {
		if r := n.disk[g.id]; r != nil {
			r.match = min(r.match, g.last)
		}
	}
	w.append(g)
}

// append appends something to the leader's log.
func (w *world) append(g *group) {
	g.last++
	w.replica(g, g.leader).match = g.last
}

// step lets a group go on: entries are replicated and committed, and joint configurations
// left.
func (w *world) step(g *group) {
	if g.leader == raft.None || w.runs(g, g.leader) == nil {
		g.leader = raft.None
		w.elect(g)
		return
	}
	if w.rng.IntN(3) == 0 {
		w.append(g)
	}
	for _, p := range g.conf.Peers() {
		if r := w.runs(g, p); r != nil && r.match < g.last && w.rng.IntN(2) == 0 {
			r.match += 1 + raft.Index(w.rng.Int64N(int64(g.last-r.match)))
		}
	}
	for g.commit < g.last && quorum(&g.conf, func(p raft.PeerID) bool { r := w.replica(g, p); return r != nil && r.match > g.commit }) {
		g.commit++
	}
	switch {
	case g.confIndex > g.commit:
	case g.conf.Joint():
		next := g.conf.Clone()
		next.Outgoing = nil
		w.configure(g, next)
	case !g.conf.IsVoter(g.leader):
		g.leader = raft.None
	default:
		w.admit(g)
	}
}

// admit makes a voter of who has joined, and lets a replica in that has another identity than
// the configuration knows on its server: it was to found the group, and came too late.
func (w *world) admit(g *group) {
	next := g.conf.Clone()
	for _, p := range g.conf.Joining {
		if r := w.runs(g, p); r != nil && r.match >= g.commit {
			next.Joining, next.Voters = without(next.Joining, p), append(next.Voters, p)
			if quorum(&next, func(p raft.PeerID) bool { return w.runs(g, p) != nil }) {
				w.configure(g, next)
			}
			return
		}
	}
	for _, n := range w.nodes {
		r := n.disk[g.id]
		if r == nil || !n.alive || g.conf.Contains(r.id) {
			continue
		}
		for _, old := range g.conf.Peers() {
			if old.Node() != r.id.Node() || old == g.leader {
				continue
			}
			next.Voters, next.Learners, next.Joining = without(next.Voters, old), without(next.Learners, old), without(next.Joining, old)
			if slices.Contains(g.conf.Learners, old) {
				next.Learners = append(next.Learners, r.id)
			} else {
				next.Joining = append(next.Joining, r.id)
			}
			if quorum(&next, func(p raft.PeerID) bool { return w.runs(g, p) != nil }) {
				w.configure(g, next)
			}
			return
		}
	}
}

func without(list []raft.PeerID, p raft.PeerID) []raft.PeerID {
	return slices.DeleteFunc(slices.Clone(list), func(q raft.PeerID) bool { return p == q })
}

func (w *world) configure(g *group, next raft.ConfState) {
	for _, l := range [][]raft.PeerID{next.Voters, next.Learners, next.Joining} {
		slices.Sort(l)
	}
	g.before, g.beforeIndex, g.conf = g.conf, g.confIndex, next
	w.append(g)
	g.confIndex = g.last
}

// propose changes the configuration as raft does.
func (w *world) propose(g *group, changes []raft.Change) {
	if g.conf.Joint() || g.confIndex > g.commit {
		w.t.Fatalf("a change of %v, which is not committed", g.conf)
	}
	next := g.conf.Clone()
	for _, ch := range changes {
		switch ch.Type {
		case raft.AddLearner:
			next.Learners = append(next.Learners, ch.Peer)
		case raft.AddVoter:
			if !slices.Contains(next.Learners, ch.Peer) {
				w.t.Fatalf("%v was no learner in %v", ch.Peer, g.conf)
			}
			if r := w.runs(g, ch.Peer); r == nil || r.match < g.commit {
				return // raft.ErrLagging
			}
			next.Learners, next.Voters = without(next.Learners, ch.Peer), append(next.Voters, ch.Peer)
		case raft.RemovePeer:
			if !g.conf.Contains(ch.Peer) {
				w.t.Fatalf("%v is not in %v", ch.Peer, g.conf)
			}
			next.Voters, next.Learners, next.Joining = without(next.Voters, ch.Peer), without(next.Learners, ch.Peer), without(next.Joining, ch.Peer)
		}
	}
	if !quorum(&next, func(p raft.PeerID) bool { return w.runs(g, p) != nil }) {
		return // raft.ErrUnheard
	}
	if slices.Sort(next.Voters); !slices.Equal(next.Voters, g.conf.Voters) {
		next.Outgoing = g.conf.Voters
	}
	w.configure(g, next)
}

func (w *world) status(g *group) *raft.Status {
	s := &raft.Status{ID: g.leader, Conf: g.conf.Clone(), ConfIndex: g.confIndex, Commit: g.commit}
	for _, p := range g.conf.Peers() {
		ps := raft.PeerStatus{ID: p, State: raft.Replicate, Active: w.runs(g, p) != nil}
		if r := w.replica(g, p); r != nil {
			ps.Match = r.match
		}
		s.Peers = append(s.Peers, ps)
	}
	return s
}

// lead has the leader of a group do the next step, by the assignments that its server knows.
func (w *world) lead(g *group) {
	if g.leader == raft.None || w.runs(g, g.leader) == nil {
		return
	}
	n := w.node(g.leader.Node())
	for st := range n.state.Streams("A") {
		if raft.GroupID(st.Group.ID) == g.id {
			w.carryOut(g, n, st, nil)
		}
		for c := range st.Consumers() {
			if raft.GroupID(c.Group.ID) == g.id {
				w.carryOut(g, n, st, c)
			}
		}
	}
}

func (w *world) carryOut(g *group, n *node, st *meta.Stream, c *meta.Consumer) {
	goal := GoalOf(n.state, st, c)
	goal.Fresh = g.fence >= 0 && n.at >= g.fence
	var candidates []Candidate
	for _, o := range w.nodes {
		if r := o.disk[g.id]; r != nil && o.alive && !g.conf.Contains(r.id) {
			candidates = append(candidates, Candidate{r.id, r.change})
		}
	}
	switch step := Next(&goal, w.status(g), candidates); step.Kind {
	case Refresh:
		if g.fence < 0 {
			g.fence = len(w.log)
		}
	case Change:
		w.propose(g, step.Changes)
	case Transfer:
		for _, p := range g.conf.Voters {
			if r := w.runs(g, p); r != nil && p.Node() == step.To && r.match == g.last {
				w.reign(g, p)
			}
		}
	case Report:
		o := &meta.EndChange{Account: "A", Stream: st.Name(), Group: uint64(g.id), Change: goal.Change}
		if c != nil {
			o.Consumer = c.Name()
		}
		w.reports = append(w.reports, o)
	}
}

// report has a report arrive, or be lost, or arrive twice.
func (w *world) report() {
	if len(w.reports) == 0 {
		return
	}
	i := w.rng.IntN(len(w.reports))
	o := w.reports[i]
	if w.rng.IntN(4) > 0 {
		w.reports = slices.Delete(w.reports, i, i+1)
	}
	before, g := w.find(raft.GroupID(o.Group)), w.group(raft.GroupID(o.Group))
	if r := w.apply(&meta.Op{EndChange: o}); !r.Changed {
		return
	}
	w.ended++
	// Whoever came has it all.
	for _, n := range before.Nodes {
		if slices.Contains(before.Change.From, n) {
			continue
		}
		if r := w.node(raft.NodeID(n)).disk[g.id]; r == nil || !g.conf.IsVoter(r.id) || r.match < g.confIndex {
			w.t.Fatalf("group %d has arrived on %v, and server %d has %+v of %d, %v", g.id, before.Nodes, n, r, g.commit, g.conf)
		}
	}
}

// check looks at whether each group has as many voters as it was promised at the least.
func (w *world) check() {
	for _, a := range w.assigned() {
		g := w.group(raft.GroupID(a.ID))
		if len(g.conf.Voters)+len(g.conf.Joining) < g.least {
			w.t.Fatalf("group %d has the voters %v: %+v, %+v", g.id, g.conf, a, a.Change)
		}
		for _, p := range g.conf.Voters {
			if a.Change == nil && !slices.Contains(a.Nodes, uint32(p.Node())) {
				w.t.Fatalf("group %d is not where it was: %v, %+v", g.id, g.conf, a)
			}
		}
		holds := func(p raft.PeerID) bool { r := w.replica(g, p); return r != nil && r.match >= g.commit }
		// Those that are to come have it when the joint configuration is committed. From then
		// on they are enough.
		rules := g.conf
		switch {
		case rules.Joint() && g.confIndex > g.commit:
			rules = g.before
		case rules.Joint():
			rules.Outgoing = nil
		}
		if g.commit > 0 && !quorum(&rules, holds) {
			w.t.Fatalf("what was committed in group %d is not on a majority of %v: %+v", g.id, rules, w.status(g))
		}
	}
}

// request has something asked for.
func (w *world) request() {
	var nodes, online []uint32
	v := meta.View{}
	for sv := range w.truth.Servers() {
		nodes = append(nodes, sv.Node)
		alive := w.node(raft.NodeID(sv.Node)).alive
		if alive {
			online = append(online, sv.Node)
		}
		v.Seen = append(v.Seen, meta.Seen{Node: sv.Node, Online: alive, Memory: -1, File: -1})
	}
	w.rng.Shuffle(len(online), func(i, j int) { online[i], online[j] = online[j], online[i] })
	chosen := online[:min([]int{1, 3, 3, 5}[w.rng.IntN(4)], len(online))]
	name := []string{"s", "t"}[w.rng.IntN(2)]
	st := w.truth.Stream("A", name)
	any := func(list []uint32) uint32 { return list[w.rng.IntN(len(list))] }
	switch k := w.rng.IntN(20); {
	case len(online) < 2:
	case st == nil:
		cfg := &api.StreamConfig{Name: name, Subjects: []string{name}, MaxBytes: -1, Replicas: len(chosen)}
		r := w.apply(&meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: cfg, Nodes: chosen, Limits: meta.NoLimits}})
		for i := range 2 {
			w.apply(&meta.Op{CreateConsumer: &meta.CreateConsumer{
				Account: "A", Stream: name, Group: r.Stream.Group.ID, Config: &api.ConsumerConfig{Name: fmt.Sprint(i), Durable: fmt.Sprint(i), Replicas: i}, Max: -1,
			}})
		}
	case k < 6:
		cfg := st.Config.Clone()
		cfg.Replicas = len(chosen)
		w.apply(&meta.Op{UpdateStream: &meta.UpdateStream{Account: "A", Config: cfg, Revision: st.Revision, Nodes: chosen, Limits: meta.NoLimits}})
	case k < 9:
		w.apply(&meta.Op{ChangePeers: &meta.ChangePeers{Account: "A", Stream: name, Group: st.Group.ID, Was: st.Group.Nodes, Nodes: chosen, Preferred: chosen[0], Forced: w.rng.IntN(2) == 0}})
	case k < 12:
		w.apply(&meta.Op{CancelChange: &meta.CancelChange{Account: "A", Stream: name, Group: st.Group.ID}})
	case k == 12:
		w.apply(&meta.Op{EvacuateServer: &meta.EvacuateServer{Node: any(nodes), View: v}})
	case k == 13 && len(nodes) > 4:
		gone := any(nodes)
		if w.apply(&meta.Op{RemoveServer: &meta.RemoveServer{Node: gone, View: v}}).Changed {
			w.node(raft.NodeID(gone)).alive = false
			w.apply(&meta.Op{EndRemoval: &meta.EndRemoval{Node: gone}})
		}
	case k == 14:
		w.comeBack(w.nodes[w.rng.IntN(len(w.nodes))])
		w.apply(&meta.Op{PlaceMissing: &meta.PlaceMissing{View: v}})
	case k == 15:
		w.apply(&meta.Op{DeleteStream: &meta.DeleteStream{Account: "A", Stream: name}})
	case k < 18:
		w.node(raft.NodeID(any(nodes))).alive = false
	default:
		w.comeBack(w.node(raft.NodeID(any(nodes))))
	}
}

// comeBack has a server be there, a removed one too, with what is on its disk.
func (w *world) comeBack(n *node) {
	n.alive = true
	w.apply(&meta.Op{AddServer: &meta.AddServer{Server: meta.Server{Node: n.id, Name: fmt.Sprint(n.id), Incarnation: n.self().Incarnation()}}})
}

// happen has something happen.
func (w *world) happen(calm bool) {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch k := w.rng.IntN(100); {
	case k < 3 && !calm:
		w.request()
	case k < 20:
		if n.alive && n.at < len(w.log) && (calm || w.rng.IntN(w.lag) == 0) {
			for range 1 + w.rng.IntN(len(w.log)-n.at) {
				n.state.Apply(w.log[n.at], int64(n.at))
				n.at++
			}
		}
	case k < 30 && n.alive:
		w.plan(n)
	case k < 40:
		w.report()
	case len(w.groups) == 0:
	case k < 43 && !calm:
		w.elect(w.groups[w.rng.IntN(len(w.groups))])
	case k < 80:
		w.step(w.groups[w.rng.IntN(len(w.groups))])
	default:
		w.lead(w.groups[w.rng.IntN(len(w.groups))])
	}
	w.check()
}

// unsettled says what is not as it is assigned.
func (w *world) unsettled() string {
	for _, a := range w.assigned() {
		g := w.group(raft.GroupID(a.ID))
		where := make([]uint32, 0, len(g.conf.Voters))
		for _, p := range g.conf.Voters {
			where = append(where, uint32(p.Node()))
		}
		want := slices.Sorted(slices.Values(a.Nodes))
		if a.Change != nil || !slices.Equal(where, want) || len(g.conf.Learners) > 0 || g.conf.Joint() || g.leader == raft.None {
			return fmt.Sprintf("group %d led by %v: %v, %+v %+v", g.id, g.leader, g.conf, a, a.Change)
		}
		for _, n := range w.nodes {
			if r := n.disk[g.id]; (r != nil) != slices.Contains(want, n.id) || r != nil && !g.conf.IsVoter(r.id) {
				return fmt.Sprintf("group %d: server %d has %+v, %v", g.id, n.id, r, g.conf)
			}
		}
	}
	return ""
}

// Whatever is asked for, whatever fails, however late anybody hears of it: what is committed
// stays on a majority, nobody removes what counts, and when all is well everything is where it is
// assigned.
func TestModel(t *testing.T) {
	first, last := int64(0), *seedsFlag
	if *seedFlag >= 0 {
		first, last = *seedFlag, *seedFlag+1
	}
	ended := 0
	for seed := first; seed < last && !t.Failed(); seed++ {
		ended += life(t, uint64(seed))
	}
	if ended < int(last-first) && !t.Failed() {
		t.Errorf("only %d changes have come to an end", ended)
	}
	t.Logf("%d changes have come to an end", ended)
}

func life(t *testing.T, seed uint64) int {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), truth: &meta.State{}}
	defer func() {
		if t.Failed() {
			t.Logf("run it again with -model.seed=%d", seed)
		}
	}()
	w.lag = 1 + w.rng.IntN(2)*w.rng.IntN(40)
	for id := range uint32(7) {
		n := &node{id: id + 1, state: &meta.State{}, disk: make(map[raft.GroupID]*replica)}
		w.nodes = append(w.nodes, n)
		w.comeBack(n)
	}
	for range 4000 {
		w.happen(false)
	}
	for _, n := range w.nodes {
		w.comeBack(n)
	}
	for range 400 {
		for range 100 {
			w.happen(true)
		}
		if w.unsettled() == "" {
			return w.ended
		}
	}
	t.Errorf("seed %d: %s", seed, w.unsettled())
	return w.ended
}
