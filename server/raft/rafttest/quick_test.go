package rafttest

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/raft"
)

var (
	seeds     = flag.Int("seeds", 0, "how many seeds TestRandom plays")
	firstSeed = flag.Uint64("first-seed", 1, "the first of them")
	oneSeed   = flag.Uint64("seed", 0, "play this seed alone, and tell all of it with -v")
	steps     = flag.Int("steps", 2500, "how many steps a seed takes before everything is healed")
)

// TestRandom plays random histories: steps drawn from a seed, the invariants
// checked after each, and at the end everything healed and the group expected to
// get together again.
func TestRandom(t *testing.T) {
	if *oneSeed != 0 {
		q := newQuick(*oneSeed)
		if testing.Verbose() {
			q.env.story = &story{}
		}
		err := q.play(*steps)
		if q.env.story != nil {
			t.Log(strings.Join(q.env.story.take(), "\n"))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("trace %x, %v", q.trace, &q.seen)
		return
	}
	n := *seeds
	if n == 0 {
		n = 2000
		if race.Enabled {
			n = 150
		}
	}
	var seen tally
	for seed := *firstSeed; seed < *firstSeed+uint64(n); seed++ {
		q := newQuick(seed)
		if err := q.play(*steps); err != nil {
			t.Fatalf("seed %d, step %d: %v\nthe end of the story:\n%s\nagain: go test ./server/raft/rafttest -run TestRandom -v -seed %d -steps %d",
				seed, q.step, err, lastLines(seed, *steps), seed, *steps)
		}
		seen.add(&q.seen)
	}
	t.Logf("%d seeds: %v", n, &seen)
	// A test that never gets into trouble shows nothing.
	if n >= 40 {
		seen.check(t)
	}
}

// TestRandomIsRepeatable checks that a seed says all about a history.
func TestRandomIsRepeatable(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		a, b := newQuick(seed), newQuick(seed)
		b.env.story = &story{} // telling it must not change it
		errA, errB := a.play(800), b.play(800)
		if a.trace != b.trace || a.seen != b.seen || (errA == nil) != (errB == nil) {
			t.Errorf("seed %d: traces %x and %x, %v and %v", seed, a.trace, b.trace, errA, errB)
		}
	}
}

// lastLines plays a seed once more for its story.
func lastLines(seed uint64, steps int) string {
	q := newQuick(seed)
	q.env.story = &story{}
	_ = q.play(steps) // it is known how it ends
	lines := q.env.story.take()
	return strings.Join(lines[max(0, len(lines)-80):], "\n")
}

// quick is one random history.
type quick struct {
	env   *Env
	rng   *rand.Rand
	trace uint64
	step  int
	seen  tally
	// lockstep is whether all clocks tick together, without which no lease can be
	// promised.
	lockstep bool
	clock    raft.Instant
	// window is how many of the oldest messages the next one is chosen from.
	window int
	odds   []int // by operation
	total  int
	values int
	nodes  raft.NodeID
}

// tally counts what has happened.
type tally struct {
	ops     [numOps]int
	leaders int
	commits int
	reads   int
	doomed  int
	healed  int
	ticks   int // until all was well
}

func (s *tally) add(o *tally) {
	for n := range s.ops {
		s.ops[n] += o.ops[n]
	}
	s.leaders += o.leaders
	s.commits += o.commits
	s.reads += o.reads
	s.doomed += o.doomed
	s.healed += o.healed
	s.ticks += o.ticks
}

func (s *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d leaders, %d entries committed, %d reads answered, %d groups healed in %d ticks each, %d could not be;",
		s.leaders, s.commits, s.reads, s.healed, s.ticks/max(s.healed, 1), s.doomed)
	for n, count := range s.ops {
		fmt.Fprintf(&b, " %s %d", operations[n].name, count)
	}
	return b.String()
}

// check reports what was too rare to be a test.
func (s *tally) check(t *testing.T) {
	for n, count := range s.ops {
		if count == 0 {
			t.Errorf("%s never happened", operations[n].name)
		}
	}
	if s.healed == 0 || s.doomed*200 > s.healed {
		t.Errorf("%d groups were healed, %d could not be", s.healed, s.doomed)
	}
	if s.leaders < 3*s.healed || s.commits < 30*s.healed || s.reads < s.healed {
		t.Errorf("too little has happened: %v", s)
	}
}

// The operations. Each reports whether it could be done.
const (
	opDeliver = iota
	opSync
	opTick
	opPropose
	opApply
	opDrop
	opDuplicate
	opRead
	opCrash
	opRestart
	opWipe
	opReplace
	opConf
	opTransfer
	opCampaign
	opLost
	opCompact
	opSave
	opInstallCrash
	opCut
	opMend
	opQuiesce
	opWake
	opUnreachable
	numOps
)

var operations [numOps]struct {
	name string
	odds int
	run  func(*quick) bool
}

func init() {
	for n, op := range map[int]struct {
		name string
		odds int
		run  func(*quick) bool
	}{
		opDeliver:      {"deliver", 3000, (*quick).deliver},
		opSync:         {"sync", 800, (*quick).sync},
		opTick:         {"tick", 400, (*quick).tick},
		opPropose:      {"propose", 150, (*quick).propose},
		opApply:        {"apply", 150, (*quick).apply},
		opDrop:         {"drop", 20, (*quick).drop},
		opDuplicate:    {"duplicate", 20, (*quick).duplicate},
		opRead:         {"read", 30, (*quick).read},
		opCrash:        {"crash", 6, (*quick).crash},
		opRestart:      {"restart", 25, (*quick).restart},
		opWipe:         {"wipe", 1, (*quick).wipe},
		opReplace:      {"replace", 20, (*quick).replace},
		opConf:         {"conf", 15, (*quick).conf},
		opTransfer:     {"transfer", 8, (*quick).transfer},
		opCampaign:     {"campaign", 8, (*quick).campaign},
		opLost:         {"lost", 12, (*quick).lost},
		opCompact:      {"compact", 10, (*quick).compact},
		opSave:         {"save", 5, (*quick).save},
		opInstallCrash: {"install+crash", 10, (*quick).installCrash},
		opCut:          {"cut", 5, (*quick).cut},
		opMend:         {"mend", 8, (*quick).mend},
		opQuiesce:      {"quiesce", 10, (*quick).quiesce},
		opWake:         {"wake", 3, (*quick).wake},
		opUnreachable:  {"unreachable", 4, (*quick).unreachable},
	} {
		operations[n] = op
	}
}

// newQuick draws a group and its limits, and how often what will happen.
func newQuick(seed uint64) *quick {
	q := &quick{rng: rand.New(rand.NewPCG(seed, 0x7261667474657374))}
	pick := func(from ...int) int { return from[q.rng.IntN(len(from))] }
	config := raft.Config{
		ElectionTicks: pick(4, 6, 10), HeartbeatTicks: pick(1, 2, 3), MaxAppendBytes: pick(1, 100, 1000), MaxInflightMsgs: pick(1, 2, 8),
		MaxInflightBytes: pick(50, 500, 5000), MaxUncommittedBytes: pick(200, 5000), MaxApplyBytes: pick(1, 100, 10000), Seed: seed,
	}
	if q.rng.IntN(4) == 0 {
		q.lockstep = true
		// Less one tick, which may come late.
		config.Lease = time.Duration(config.ElectionTicks-1) * TickTime
	}
	var conf raft.ConfState
	q.nodes = raft.NodeID(pick(1, 2, 3, 3, 3, 4, 5, 5))
	for n := range q.nodes {
		conf.Voters = append(conf.Voters, raft.MakePeerID(n+1, 1))
	}
	if q.rng.IntN(4) == 0 {
		q.nodes++
		conf.Learners = append(conf.Learners, raft.MakePeerID(q.nodes, 1))
	}
	q.window = pick(1, 3, 1000, 1000)
	for n := range operations {
		o := operations[n].odds
		switch n {
		case opDeliver, opSync, opTick, opPropose, opApply:
		case opRestart, opReplace, opMend:
			o *= pick(1, 2, 4) // or nothing would go on
		default:
			o *= pick(0, 1, 1, 4) // some histories have none of it, and some have much
		}
		q.odds = append(q.odds, o)
		q.total += o
	}
	q.env = NewEnv(config, conf)
	lazy := q.rng.IntN(3) == 0
	for _, r := range q.env.replicas {
		r.lazy = lazy
		q.env.verify(q.env.start(r))
	}
	return q
}

// play runs a history and its end.
func (q *quick) play(steps int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	for q.step = range steps {
		q.once()
		if q.env.broken != nil {
			return q.env.broken
		}
	}
	q.seen.commits += int(q.env.check.Committed())
	q.seen.reads += q.env.answered
	q.seen.leaders += len(q.env.check.leaders)
	return q.heal()
}

// once does one operation that is possible, if there is any.
func (q *quick) once() {
	for done, tries := false, 0; !done && tries < 30 && q.env.broken == nil; tries++ {
		x := q.rng.IntN(q.total)
		n := 0
		for x >= q.odds[n] {
			x -= q.odds[n]
			n++
		}
		if done = operations[n].run(q); done {
			q.seen.ops[n]++
			q.note(uint64(n))
		}
	}
	// The network holds only so much.
	for len(q.env.net) > 100 {
		env := q.take(q.rng.IntN(len(q.env.net)))
		q.env.lost(&env)
	}
}

// note adds a number to the trace.
func (q *quick) note(x uint64) {
	q.trace = mix(q.trace, x)
	for _, r := range q.env.replicas {
		if r.core != nil {
			q.trace = mix(q.trace, uint64(r.core.Term())<<40^uint64(r.core.LastIndex())<<20^uint64(r.core.Committed())^uint64(r.core.Role())<<60)
		}
	}
	q.trace = mix(q.trace, uint64(len(q.env.net)))
}

// any returns a random one of the running replicas, or nil.
func (q *quick) any() *replica { return q.one(func(r *replica) bool { return r.core != nil }) }

func (q *quick) leader() *replica {
	return q.one(func(r *replica) bool { return r.core != nil && r.core.Role() == raft.Leader })
}

// one returns a random replica of which is says yes, or nil.
func (q *quick) one(is func(*replica) bool) *replica {
	n := 0
	var chosen *replica
	for _, r := range q.env.replicas {
		if is(r) {
			if n++; q.rng.IntN(n) == 0 {
				chosen = r
			}
		}
	}
	return chosen
}

func (q *quick) take(n int) envelope {
	env := q.env.net[n]
	if q.window > 100 {
		last := len(q.env.net) - 1
		q.env.net[n] = q.env.net[last]
		q.env.net = q.env.net[:last]
	} else {
		q.env.net = slices.Delete(q.env.net, n, n+1)
	}
	return env
}

// takeNext takes the next message off the network.
func (q *quick) takeNext() (envelope, bool) {
	if len(q.env.net) == 0 {
		return envelope{}, false
	}
	return q.take(q.rng.IntN(min(len(q.env.net), q.window))), true
}

func (q *quick) deliver() bool {
	env, ok := q.takeNext()
	if ok {
		q.trace = mix(q.trace, uint64(env.Type)<<32^uint64(env.From)^uint64(env.To)<<16^uint64(env.Index)<<40)
		q.env.deliver(&env)
	}
	return ok
}

func (q *quick) drop() bool {
	env, ok := q.takeNext()
	if ok {
		q.env.lost(&env)
	}
	return ok
}

func (q *quick) duplicate() bool {
	if len(q.env.net) == 0 {
		return false
	}
	q.env.net = append(q.env.net, q.env.net[q.rng.IntN(len(q.env.net))])
	return true
}

func (q *quick) sync() bool {
	r := q.one(func(r *replica) bool { return r.core != nil && len(r.disk.pending) > 0 })
	if r != nil {
		q.env.sync(r)
	}
	return r != nil
}

func (q *quick) tick() bool {
	if !q.lockstep {
		r := q.any()
		if r != nil {
			q.env.tick(r)
		}
		return r != nil
	}
	if q.rng.IntN(3) > 0 { // else there is one tick for each single one of the others
		return false
	}
	q.clock += raft.Instant(TickTime)
	for _, r := range q.env.replicas {
		r.now = q.clock - raft.Instant(TickTime)
		if r.core != nil && q.rng.IntN(8) > 0 { // a process may miss it
			q.env.tick(r)
		}
		r.now = q.clock
	}
	return true
}

func (q *quick) propose() bool {
	r := q.leader()
	if r == nil {
		return false
	}
	var data [][]byte
	for range 1 + q.rng.IntN(3) {
		q.values++
		data = append(data, fmt.Appendf(nil, "%d%s", q.values, strings.Repeat(".", q.rng.IntN(40))))
	}
	_, _, err := q.env.propose(r, data...)
	return err == nil
}

func (q *quick) apply() bool {
	r := q.one(func(r *replica) bool { return r.core != nil && len(r.toApply) > 0 })
	if r == nil {
		return false
	}
	q.env.apply(r, 1+q.rng.IntN(len(r.toApply)))
	q.env.settle(r)
	return true
}

func (q *quick) read() bool {
	r := q.any()
	if r == nil {
		return false
	}
	_, err := q.env.read(r)
	return err == nil
}

func (q *quick) crash() bool {
	r := q.any()
	if r == nil {
		return false
	}
	q.env.tell("> crash %s", Name(r.id))
	q.env.crash(r)
	if q.rng.IntN(2) == 0 {
		q.env.leaderLost(r.id, q.env.replicas...)
	}
	return true
}

func (q *quick) restart() bool {
	r := q.one(func(r *replica) bool { return r.core == nil && !r.gone })
	if r == nil {
		return false
	}
	q.env.tell("> restart %s", Name(r.id))
	q.env.verify(q.env.start(r))
	return true
}

// wipe loses a disk, if those that are left can go on.
func (q *quick) wipe() bool {
	r := q.one(func(r *replica) bool { return !r.gone && r.id.Incarnation() < 20 })
	if r == nil || !q.canLose(r) {
		return false
	}
	q.env.tell("> wipe %s", Name(r.id))
	_, err := q.env.wipe(r)
	q.env.verify(err)
	return true
}

// canLose reports whether all configurations that may rule keep a majority without
// a replica and those that are gone already.
func (q *quick) canLose(lost *replica) bool {
	for _, r := range q.env.replicas {
		for _, c := range q.confs(r) {
			if !q.alive(&c, lost) {
				return false
			}
		}
	}
	return true
}

// alive reports whether a configuration has majorities of replicas that are not
// gone, without one more.
func (q *quick) alive(c *raft.ConfState, lost *replica) bool {
	for _, voters := range [][]raft.PeerID{c.Voters, c.Outgoing} {
		n := 0
		for _, id := range voters {
			if r := q.env.find(id); r == nil || r.gone || r == lost {
				n++
			}
		}
		if len(voters) > 0 && 2*n >= len(voters) {
			return false
		}
	}
	return true
}

// confs returns the configurations that a replica holds, from the last one that
// it knows to be committed.
func (q *quick) confs(r *replica) []raft.ConfState {
	if r.gone {
		return nil
	}
	committed := r.machine.saved.base.Index
	if r.core != nil {
		committed = r.core.Committed()
	}
	confs := []raft.ConfState{r.disk.base.Conf}
	take := func(ents []raft.Entry) {
		for n := range ents {
			if ents[n].Type != raft.EntryConf {
				continue
			}
			c, err := raft.DecodeConfState(ents[n].Data)
			q.env.verify(err)
			if ents[n].Index <= committed {
				confs = confs[:0]
			}
			confs = append(confs, c)
		}
	}
	take(r.disk.ents)
	for n := range r.disk.pending {
		if b := r.disk.pending[n].append.Base; b != nil {
			confs = append(confs, b.Conf)
		}
		take(r.disk.pending[n].append.Entries)
	}
	return confs
}

// replace does what hosts do for a replica that has forgotten: the leader removes
// it and adds its successor.
func (q *quick) replace() bool {
	r := q.leader()
	return r != nil && q.replaceAt(r)
}

func (q *quick) replaceAt(leader *replica) bool {
	conf := leader.core.Conf()
	for _, id := range conf.Peers() {
		old := q.env.find(id)
		if !old.gone {
			continue
		}
		next := q.env.replicas[len(q.env.replicas)-1]
		for _, r := range q.env.replicas {
			if r.id.Node() == id.Node() && !r.gone {
				next = r
			}
		}
		kind := raft.AddVoter
		if slices.Contains(conf.Learners, id) {
			kind = raft.AddLearner
		}
		changes := []raft.Change{{Type: raft.RemovePeer, Peer: id}}
		if !conf.Contains(next.id) {
			changes = append(changes, raft.Change{Type: kind, Peer: next.id})
		}
		return q.env.proposeConf(leader, changes...) == nil
	}
	return false
}

// conf proposes a random change.
func (q *quick) conf() bool {
	leader := q.leader()
	if leader == nil || slices.ContainsFunc(leader.core.Conf().Peers(), func(id raft.PeerID) bool { return q.env.find(id).gone }) {
		return false // who is gone is replaced first
	}
	if q.nodes < 7 && q.rng.IntN(4) == 0 {
		q.nodes++
		r := q.env.add(raft.MakePeerID(q.nodes, 1), raft.Base{})
		r.now, r.lazy = q.clock, q.env.replicas[0].lazy
		q.env.verify(q.env.start(r))
	}
	var changes []raft.Change
	for range 1 + q.rng.IntN(3) {
		r := q.one(func(r *replica) bool { return !r.gone })
		changes = append(changes, raft.Change{Type: raft.ChangeType(q.rng.IntN(3)), Peer: r.id})
	}
	return q.env.proposeConf(leader, changes...) == nil
}

func (q *quick) transfer() bool {
	leader := q.leader()
	if leader == nil {
		return false
	}
	to := q.one(func(r *replica) bool { return !r.gone && r != leader })
	if to == nil {
		return false
	}
	var err error
	q.env.do(leader, func(core *raft.Raft) { err = core.Transfer(to.id) })
	return err == nil
}

// campaign and lost break the promise that a lease rests on.
func (q *quick) campaign() bool {
	r := q.any()
	if r == nil || q.lockstep {
		return false
	}
	q.env.do(r, (*raft.Raft).Campaign)
	return true
}

func (q *quick) lost() bool {
	r := q.any()
	if r == nil || r.core.Leader() == raft.None {
		return false
	}
	leader := q.env.find(r.core.Leader())
	switch {
	case q.lockstep && leader.core != nil:
		return false
	case q.rng.IntN(2) == 0:
		q.env.leaderLost(leader.id, q.env.replicas...)
	default:
		q.env.leaderLost(leader.id, r)
	}
	return true
}

func (q *quick) compact() bool {
	r := q.one(func(r *replica) bool { return r.core != nil && r.machine.state.base.Index > r.disk.base.Index })
	if r == nil {
		return false
	}
	span := int(r.machine.state.base.Index - r.disk.base.Index)
	return q.env.compact(r, r.disk.base.Index+1+raft.Index(q.rng.IntN(span))) == nil
}

// save makes a state machine durable and leaves the log as it is.
func (q *quick) save() bool {
	r := q.any()
	if r != nil {
		r.machine.saved = r.machine.state
	}
	return r != nil
}

// installCrash crashes a replica when its state machine has taken a snapshot
// and the core has not heard of it.
func (q *quick) installCrash() bool {
	for n := range q.env.net {
		env := q.env.net[n]
		if env.Type != raft.MsgSnap {
			continue
		}
		r := q.env.find(env.To)
		if r == nil || r.core == nil {
			return false
		}
		q.take(n)
		q.env.restore(r, env.image)
		q.env.crash(r)
		q.env.lost(&env)
		return true
	}
	return false
}

// cut cuts the way from one node to another, or between one and all others.
func (q *quick) cut() bool {
	a, b := q.node(), q.node()
	if q.rng.IntN(2) == 0 {
		q.env.setCut(a, b, true)
		return true
	}
	for n := range q.nodes {
		q.env.setCut(a, n+1, true)
		q.env.setCut(n+1, a, true)
	}
	return true
}

func (q *quick) node() raft.NodeID { return raft.NodeID(1 + q.rng.IntN(int(q.nodes))) }

func (q *quick) mend() bool {
	clear(q.env.cut)
	return true
}

func (q *quick) quiesce() bool {
	leader := q.leader()
	return leader != nil && q.quiesceAt(leader)
}

func (q *quick) quiesceAt(leader *replica) bool {
	done := false
	q.env.do(leader, func(core *raft.Raft) {
		done = core.TryQuiesce(func(id raft.PeerID) bool {
			r := q.env.find(id)
			return r != nil && r.core != nil && !q.env.cut[[2]raft.NodeID{leader.id.Node(), id.Node()}]
		})
	})
	return done
}

func (q *quick) wake() bool {
	r := q.any()
	if r != nil {
		q.env.do(r, (*raft.Raft).Wake)
	}
	return r != nil
}

func (q *quick) unreachable() bool {
	leader := q.leader()
	if leader == nil {
		return false
	}
	to := q.one(func(r *replica) bool { return r != leader })
	if to == nil {
		return false
	}
	q.env.do(leader, func(core *raft.Raft) { core.Unreachable(to.id) })
	return true
}

// maxHealing is how many ticks a group may take to get together: a few tens of elections.
const maxHealing = 600

// heal ends all faults and expects a leader, equal logs, and progress.
func (q *quick) heal() error {
	e := q.env
	e.tell("> heal")
	clear(e.cut)
	old := e.net
	e.net = nil
	for n := range old {
		e.lost(&old[n])
	}
	for _, r := range e.replicas {
		r.lazy = false
		if r.core == nil && !r.gone {
			if err := e.start(r); err != nil {
				return fmt.Errorf("%s does not start: %w", Name(r.id), err)
			}
		}
		if r.core != nil {
			e.apply(r, len(r.toApply))
		}
	}
	// Hosts tell their groups what they see of each other's nodes.
	for _, r := range e.replicas {
		if r.core == nil {
			continue
		}
		if l := e.find(r.core.Leader()); l != nil && (l.gone || l.core.Role() != raft.Leader) {
			e.do(r, (*raft.Raft).LeaderLost)
		}
		if r.core.Role() == raft.Leader {
			e.do(r, (*raft.Raft).Wake)
		}
	}
	for n := range maxHealing {
		if err := q.round(); err != nil {
			return err
		}
		leader := q.together()
		if leader == nil {
			continue
		}
		q.seen.healed++
		q.seen.ticks += n
		return q.progress(leader)
	}
	// The wipe of a replica whose promotion was under way can cost a group its
	// majority, as that of any other voter would.
	for _, r := range e.replicas {
		for _, c := range q.confs(r) {
			if !q.alive(&c, nil) {
				q.seen.doomed++
				return nil
			}
		}
	}
	var b strings.Builder
	for _, r := range e.replicas {
		if r.core != nil {
			fmt.Fprintf(&b, "\n%s %+v", Name(r.id), r.core.Status())
		}
	}
	return fmt.Errorf("the group has not got together within %d ticks:%s", maxHealing, b.String())
}

// round is one tick for all, and what follows from it.
func (q *quick) round() error {
	e := q.env
	q.clock += raft.Instant(TickTime)
	for _, r := range e.replicas {
		if r.core == nil {
			continue
		}
		if q.lockstep {
			r.now = q.clock - raft.Instant(TickTime)
		}
		e.tick(r)
	}
	if !e.stabilize(func(raft.PeerID) bool { return true }, func(*raft.Message) bool { return false }) {
		return fmt.Errorf("the group does not come to rest")
	}
	for _, r := range e.replicas {
		if r.core != nil && r.core.Role() == raft.Leader {
			q.replaceAt(r)
		}
	}
	q.note(numOps)
	return e.broken
}

// together returns the leader of a group all of whose members have the same, or
// nil.
func (q *quick) together() *replica {
	var leader *replica
	for _, r := range q.env.replicas {
		if r.core != nil && r.core.Role() == raft.Leader && (leader == nil || leader.core.Term() < r.core.Term()) {
			leader = r
		}
	}
	if leader == nil {
		return nil
	}
	conf := leader.core.Conf()
	if conf.Joint() || len(conf.Joining) > 0 {
		return nil
	}
	last := leader.core.LastIndex()
	for _, id := range conf.Peers() {
		r := q.env.find(id)
		if r.gone || r.core.Term() != leader.core.Term() || r.core.LastIndex() != last || r.core.Committed() != last ||
			r.machine.state.base.Index != last || r.machine.state.digest != leader.machine.state.digest {
			return nil
		}
	}
	return leader
}

// progress expects a group without faults to commit, to answer reads, and to go
// to sleep.
func (q *quick) progress(leader *replica) error {
	e := q.env
	i, term, err := e.propose(leader, []byte("the end"))
	for n := 0; errors.Is(err, raft.ErrTransferring) && n < 20; n++ {
		if err := q.round(); err != nil {
			return err
		}
		if leader = q.together(); leader == nil {
			return fmt.Errorf("a transfer among healthy replicas fails")
		}
		i, term, err = e.propose(leader, []byte("the end"))
	}
	if err != nil {
		return fmt.Errorf("the leader refuses: %w", err)
	}
	answered := e.answered
	members := leader.core.Conf().Peers()
	for _, id := range members {
		if _, err := e.read(e.find(id)); err != nil {
			return fmt.Errorf("%s has all, and refuses a read: %w", Name(id), err)
		}
	}
	for range 3 {
		if err := q.round(); err != nil {
			return err
		}
	}
	if q.together() != leader || e.check.Committed() < i || e.check.CommittedTerm(i) != term {
		return fmt.Errorf("entry %d is not committed everywhere", i)
	}
	if n := e.answered - answered; n != len(members) {
		return fmt.Errorf("%d of %d reads are answered", n, len(members))
	}
	if !q.quiesceAt(leader) {
		return fmt.Errorf("the leader does not go to sleep: %+v", leader.core.Status())
	}
	if err := q.round(); err != nil {
		return err
	}
	for _, id := range members {
		if !e.find(id).core.Quiescent() {
			return fmt.Errorf("%s does not sleep", Name(id))
		}
	}
	for _, p := range leader.core.Status().Peers {
		if p.Forgot {
			return fmt.Errorf("%s is said to have forgotten", Name(p.ID))
		}
	}
	return nil
}

// BenchmarkRandom tells how long a history takes.
func BenchmarkRandom(b *testing.B) {
	start := time.Now()
	n := 0
	for b.Loop() {
		n++
		if err := newQuick(uint64(n)).play(2500); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "seeds/s")
}
