package sim

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Tick is the period at which every host is ticked.
const Tick = 100 * time.Millisecond

// Config says what a run is made of. Everything else comes from the seed.
type Config struct {
	Seed uint64
	// Chaos is for how long faults are injected, in virtual time.
	Chaos time.Duration
	// JetStream has the groups be streams, consumers and their assignments.
	JetStream bool
	// Log, if set, is told what happens.
	Log func(line string)
}

// Report is the outcome of a run.
type Report struct {
	Seed uint64
	// Trace is a hash over everything that was sent and applied. Runs with the
	// same seed have the same one.
	Trace uint64
	// Virtual is how much time has passed in the simulation.
	Virtual time.Duration
	// Steps are the events that were carried out, Acked the operations that were
	// acknowledged, Checked those that went through the linearizability check.
	Steps, Acked, Checked int
	// Coverage counts which faults met which phases.
	Coverage *Coverage
}

// Sim is one run.
type Sim struct {
	cfg   Config
	rnd   *rand.Rand
	clock *clock.Virtual
	start time.Time
	nodes []*node
	// groups are in order of their ID.
	groups []*group
	net    *network
	check  *checker
	cover  *Coverage
	faults *faults
	trace  uint64
	steps  int
	acked  int
	err    error
	// interval is the SyncInterval of all logs, in some runs. In those no power is
	// cut, and processes die all the more.
	interval time.Duration
	// founding is set while the groups are made.
	founding bool
	clients  *clients
}

// Run simulates a cluster from a seed. The error tells what was violated, and
// how to see it again.
func Run(cfg Config) (*Report, error) {
	s := newSim(cfg)
	r := &Report{Seed: cfg.Seed, Coverage: s.cover}
	err := s.runSafely()
	r.Trace, r.Virtual, r.Steps, r.Acked, r.Checked = s.trace, s.elapsed(), s.steps, s.acked, s.check.linearized
	if err != nil {
		err = fmt.Errorf("seed %d, after %v: %w", cfg.Seed, s.elapsed(), err)
	}
	return r, err
}

func newSim(cfg Config) *Sim {
	s := &Sim{cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x5eed)), start: time.Unix(1_700_000_000, 0)}
	s.clock = clock.NewVirtual(s.start)
	s.cover = newCoverage()
	s.check = newChecker(s)
	s.net = newNetwork(s)
	s.faults = newFaults(s)
	s.clients = &clients{sim: s}
	if cfg.JetStream {
		s.clients.assets = &assets{sim: s}
	}
	if s.chance(0.125) {
		s.interval = s.between(50*time.Millisecond, 2*time.Second)
		s.logf("logs are synced each %v", s.interval)
	}
	return s
}

// runSafely makes an error of a panic, so that it comes with its seed.
func (s *Sim) runSafely() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.run()
}

func (s *Sim) run() error {
	s.build()
	s.clients.begin()
	s.faults.begin()
	s.until(s.cfg.Chaos, nil)
	phases := []func() error{s.healMajority, s.healAll, s.check.history}
	if a := s.clients.assets; a != nil {
		phases = []func() error{s.healMajority, s.healAll, a.settle, s.healAll, a.check}
	}
	for _, phase := range phases {
		if s.err == nil {
			s.fail(phase())
		}
	}
	return s.err
}

// build makes nodes and groups and lets them find leaders.
func (s *Sim) build() {
	count := 3 + 2*s.rnd.IntN(2)
	for id := 1; id <= count; id++ {
		s.nodes = append(s.nodes, newNode(s, raft.NodeID(id)))
	}
	for _, n := range s.nodes {
		n.boot()
	}
	s.founding = true
	kinds := []groupKind{
		{size: 3, content: newRegisters},
		{size: 3, content: newRegisters},
		{size: min(5, count), content: newRegisters},
		{size: 1, content: newRegisters},
		{size: 3, memory: true, content: newRegisters},
	}
	if s.cfg.JetStream {
		kinds = assetKinds
	}
	for n, k := range kinds {
		g := newGroup(s, raft.GroupID(n+1), k)
		s.groups = append(s.groups, g)
	}
	if s.cfg.JetStream {
		s.clients.assets.connect(s.groups)
	}
	for _, g := range s.groups {
		for _, node := range g.home {
			node.open(g)
		}
	}
	s.founding = false
	s.until(5*time.Second, nil)
}

// until runs the simulation for a time, or until done holds.
func (s *Sim) until(d time.Duration, done func() bool) bool {
	end := s.clock.Now().Add(d)
	for s.err == nil {
		if done != nil && done() {
			return true
		}
		next, ok := s.clock.Next()
		if !ok || next.After(end) {
			s.clock.AdvanceTo(end)
			break
		}
		s.clock.Step()
		s.steps++
	}
	return done != nil && s.err == nil && done()
}

// after runs f in the future.
func (s *Sim) after(d time.Duration, f func()) { s.clock.AfterFunc(max(d, 0), f) }

func (s *Sim) elapsed() time.Duration { return s.clock.Now().Sub(s.start) }

// fail ends the run with an error; the first one counts.
func (s *Sim) fail(err error) {
	if s.err == nil && err != nil {
		s.err = err
	}
}

func (s *Sim) failf(format string, args ...any) { s.fail(fmt.Errorf(format, args...)) }

func (s *Sim) logf(format string, args ...any) {
	if s.cfg.Log != nil {
		s.cfg.Log(fmt.Sprintf("%9.3f ", s.elapsed().Seconds()) + strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	}
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// note adds something that happened to the trace.
func (s *Sim) note(b []byte, words ...uint64) {
	var buf [8]byte
	for _, w := range words {
		binary.LittleEndian.PutUint64(buf[:], w)
		s.trace = crc64.Update(s.trace, crcTable, buf[:])
	}
	s.trace = crc64.Update(s.trace, crcTable, b)
}

// chance is true with a probability.
func (s *Sim) chance(p float64) bool { return s.rnd.Float64() < p }

// between returns a random duration.
func (s *Sim) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(s.rnd.Int64N(int64(hi-lo)+1))
}

// pick returns a random element.
func pick[T any](s *Sim, list []T) T { return list[s.rnd.IntN(len(list))] }
