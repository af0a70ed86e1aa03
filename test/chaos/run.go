//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/test/chaos/check"
	"github.com/nats-lite/nats-lite/test/chaos/nemesis"
	"github.com/nats-lite/nats-lite/test/chaos/servers"
)

// Config says what a run is like.
type Config struct {
	// Binary is the server program, Servers how many of them run, JetStream what is added to
	// their jetstream blocks.
	Binary    string
	Servers   int
	JetStream string
	// Replicas is how many each stream has, 0 for one on every server, but not more than 5.
	Replicas int
	// Plan is what goes wrong; its Servers are set from above. A minority is one of replicas.
	Plan nemesis.Plan
	// Settle is how long the cluster may take to be whole again, and clients to be through.
	Settle time.Duration
	// Stale allows reads of registers that are late.
	Stale bool
	// Pace is the time that each client leaves between its operations.
	Pace time.Duration
	// Say tells what happens.
	Say func(format string, args ...any)
}

func (c *Config) replicas() int {
	if c.Replicas > 0 {
		return c.Replicas
	}
	return min(c.Servers, 5)
}

// run is a run under way.
type run struct {
	config  *Config
	cluster *servers.Cluster
	begun   time.Time
	log     logLoad
	regs    registerLoad
	work    consumerLoad

	mu     sync.Mutex
	report Report
}

// Run does it all. The error says why it could not be done; what came of it is in the report.
func Run(ctx context.Context, c *Config) (*Report, error) {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return nil, err
	}
	r := &run{config: c, begun: time.Now(), report: Report{Dir: dir, Seed: c.Plan.Seed}}
	err = r.all(ctx)
	if err == nil && r.report.OK() {
		r.report.Dir = ""
		err = os.RemoveAll(dir)
	}
	return &r.report, err
}

func (r *run) now() time.Duration { return time.Since(r.begun) }

func (r *run) say(format string, args ...any) {
	r.config.Say("%8.3f %s", r.now().Seconds(), fmt.Sprintf(format, args...))
}

// violated notes that something did not happen that had to.
func (r *run) violated(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Violations = append(r.report.Violations, fmt.Sprintf(format, args...))
}

// all sets the cluster up, has it used and treated badly, and checks.
func (r *run) all(ctx context.Context) (err error) {
	c := r.config
	plan := c.Plan
	plan.Servers = c.Servers
	if plan.Most == 0 {
		if plan.Most = (c.replicas() - 1) / 2; plan.Most == 0 {
			plan.Kinds = nil // there is no minority
		}
	}
	options := &servers.Options{Binary: c.Binary, Dir: r.report.Dir, Servers: c.Servers, JetStream: c.JetStream}
	for _, k := range plan.Kinds {
		if k.Network() && options.Network == nil {
			if options.Network, err = servers.NewNetwork(c.Servers); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, options.Network.Close()) }()
		}
	}
	if r.cluster, err = servers.New(options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.cluster.Close()) }()
	for i := range c.Servers {
		if err := r.cluster.Start(i); err != nil {
			return err
		}
	}
	starting, cancel := context.WithTimeout(ctx, c.Settle)
	defer cancel()
	if err := r.cluster.Whole(starting); err != nil {
		return fmt.Errorf("the cluster does not start: %w", err)
	}
	r.say("%d servers run", c.Servers)
	schedule := nemesis.Schedule(plan)
	for _, f := range schedule {
		r.say("planned: %v", f)
	}
	if err := r.load(ctx, starting, schedule); err != nil {
		return err
	}
	r.check(ctx)
	return nil
}

// load has clients use the cluster while there are faults, and some time longer, until
// they are through.
func (r *run) load(ctx, starting context.Context, schedule []nemesis.Fault) error {
	c := r.config
	r.log = logLoad{publishers: 2 * c.Servers, replicas: c.replicas(), pace: c.Pace}
	r.regs = registerLoad{writers: c.Servers, replicas: c.replicas(), pace: c.Pace}
	through, isThrough := context.WithCancel(ctx)
	defer isThrough()
	r.work = consumerLoad{workers: 2, replicas: c.replicas(), through: through}
	r.work.history.Grace = c.Plan.Every + ackWait

	stop, end := context.WithCancel(ctx)
	defer end()
	limit, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var publishing, all sync.WaitGroup
	defer all.Wait()
	defer giveUp()
	for n, w := range []workload{&r.log, &r.regs, &r.work} {
		t := &tally{name: []string{"publishers", "registers", "consumer"}[n]}
		r.report.tallies = append(r.report.tallies, t)
		if err := r.prepare(starting, w); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		t.last = r.now()
		for i := range w.clients() {
			done := all.Done
			all.Add(1)
			if w == workload(&r.log) {
				publishing.Add(1)
				done = func() { publishing.Done(); all.Done() }
			}
			go func() {
				defer done()
				if err := r.client(limit, stop, w, n<<8|i, t); err != nil {
					r.violated("%s: %v", t.name, err)
				}
			}()
		}
	}

	faulty, over := context.WithTimeout(ctx, c.Plan.Time)
	defer over()
	counts, err := nemesis.Inflict(faulty, r.cluster, schedule, c.Settle, r.say)
	r.report.Faults = counts
	if err != nil {
		r.violated("%v", err)
	}
	r.say("no more faults")
	time.AfterFunc(2*c.Settle, giveUp)
	healing, cancel := context.WithTimeout(ctx, c.Settle)
	defer cancel()
	began := time.Now()
	if err := r.cluster.Whole(healing); err != nil {
		r.violated("not whole after the last fault: %v", err)
	} else {
		r.report.Healed = time.Since(began)
		r.say("whole again")
	}
	pause(ctx, ackWait) // some load on a cluster that is well; what was under way arrives
	r.work.mu.Lock()
	r.work.history.Healed = r.now()
	r.work.mu.Unlock()
	end()
	publishing.Wait()
	isThrough()
	all.Wait()
	r.say("all clients are through")
	if err := r.cluster.Died(); err != nil {
		r.violated("%v", err)
	}
	return ctx.Err()
}

// prepare creates what a workload uses.
func (r *run) prepare(ctx context.Context, w workload) error {
	nc, js, err := connect(r.urls(0))
	if err != nil {
		return err
	}
	defer nc.Close()
	return retry(ctx, func(ctx context.Context) error { return w.prepare(ctx, js) })
}

// urls are those of all servers, beginning with the nth.
func (r *run) urls(n int) (urls []string) {
	for i := range r.cluster.Servers() {
		urls = append(urls, r.cluster.URL((n+i)%r.cluster.Servers()))
	}
	return urls
}

// client runs one client of a workload.
func (r *run) client(ctx, stop context.Context, w workload, number int, t *tally) error {
	nc, js, err := connect(r.urls(number))
	if err != nil {
		return err
	}
	defer nc.Close()
	return w.run(ctx, stop, &client{
		number: number, nc: nc, js: js, random: rand.New(rand.NewPCG(r.config.Plan.Seed, uint64(number))), now: r.now, tally: t,
	})
}

// check compares what there is with what was promised.
func (r *run) check(ctx context.Context) {
	settling, cancel := context.WithTimeout(ctx, r.config.Settle)
	defer cancel()
	replicas, list := r.replicas(settling, logStream)
	have := stored(list)
	registers, values := r.replicas(settling, registerStream)
	r.report.Verdicts = []*check.Verdict{
		check.Log(r.log.sent, have), check.Consumer(&r.work.history, have), replicas,
		check.Registers(r.regs.calls, revisions(values), r.config.Stale, time.Minute), registers,
	}
}

// Report is what came of a run.
type Report struct {
	Seed uint64
	// Dir has the files of the servers if anything was wrong, "" otherwise.
	Dir    string
	Faults map[nemesis.Kind]int
	// Healed is how long it took until all was well after the last fault, 0 if it never was.
	Healed time.Duration
	// Violations are what did not happen though it had to; the rest is in verdicts.
	Violations []string
	Verdicts   []*check.Verdict
	tallies    []*tally
}

// OK tells whether everything was as promised.
func (r *Report) OK() bool {
	for _, v := range r.Verdicts {
		if !v.OK() {
			return false
		}
	}
	return len(r.Violations) == 0
}

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, faults:", r.Seed)
	for _, k := range nemesis.Kinds {
		if n := r.Faults[k]; n > 0 {
			fmt.Fprintf(&b, " %d %s", n, k)
		}
	}
	if r.Healed > 0 {
		fmt.Fprintf(&b, "; whole %v after the last", r.Healed.Round(time.Millisecond))
	}
	b.WriteString("\n")
	for _, t := range r.tallies {
		fmt.Fprintln(&b, t)
	}
	for _, v := range r.Verdicts {
		fmt.Fprintln(&b, v)
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "! %s\n", v)
	}
	if r.Dir != "" {
		fmt.Fprintf(&b, "configurations, logs and stores of the servers are in %s\n", r.Dir)
	}
	return b.String()
}
