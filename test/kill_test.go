//go:build unix

package test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	killRounds = flag.Int("kill.rounds", 6, "how often the server of TestKills ends")
	killSeed   = flag.Uint64("kill.seed", 1, "what the clients of TestKills do, and how its servers end")
)

// Servers follow each other on one directory, and each ends under load: killed, killed
// while it started or stopped, paused, or stopped as it should be. Whatever was
// acknowledged to a client is kept by all that follow.
func TestKills(t *testing.T) {
	d := newDynasty(t, *killSeed)
	for d.round = 1; d.round <= *killRounds; d.round++ {
		end := ends[(d.round-1)%len(ends)]
		if !t.Run(fmt.Sprintf("%d-%s", d.round, end.name), func(t *testing.T) { d.reign(t, &end) }) {
			t.Fatalf("run it again with -kill.seed=%d -kill.rounds=%d", d.seed, d.round)
		}
	}
	t.Run("last", d.finish)
	for _, p := range d.promises {
		t.Log(p.sum())
	}
}

// promise is something that servers promise to their clients: who makes them promise
// it, and who checks that it is kept.
type promise interface {
	// prepare creates what the clients use. It is called once.
	prepare(*session) error
	// clients run until the server is gone, each in a session of its own. An error is a
	// fault of the server, unless that is ending.
	clients() []func(*session) error
	// check looks whether all is there that was promised, before the clients come.
	check(*session)
	// finish works off what is left.
	finish(*session) error
	// sum tells what was promised in all.
	sum() string
}

// session is a client's connection to one of the servers.
type session struct {
	ctx    context.Context // ends with the server
	nc     *nats.Conn
	js     jetstream.JetStream
	random *rand.Rand
	// round is the number of the server, last whether no other follows.
	round int
	last  bool
	// complain notes what should not be.
	complain func(format string, args ...any)
}

// dynasty is servers that follow each other on one directory.
type dynasty struct {
	seed     uint64
	dir      string
	random   *rand.Rand
	promises []promise
	round    int
	// ending is set when the present server is about to end.
	ending atomic.Bool

	mu         sync.Mutex
	complaints []string
}

func newDynasty(t *testing.T, seed uint64) *dynasty {
	log := newLogPromise()
	return &dynasty{
		seed: seed, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)),
		promises: []promise{
			log, newBigPromise(), newWorkPromise(), newBucketPromise(), newChurnPromise(),
			newConsumerPromise(log, "pull", jetstream.AckExplicitPolicy, false),
			newConsumerPromise(log, "push", jetstream.AckExplicitPolicy, true),
			newConsumerPromise(log, "all", jetstream.AckAllPolicy, false),
		},
	}
}

// complain notes what should not be.
func (d *dynasty) complain(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.complaints) < 20 { // the rest would be more of the same
		d.complaints = append(d.complaints, fmt.Sprintf(format, args...))
	}
}

// report fails the test if there are complaints.
func (d *dynasty) report(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.complaints) > 0 {
		t.Fatal(strings.Join(d.complaints, "\n"))
	}
}

// session connects to a server.
func (d *dynasty) session(ctx context.Context, url string, n int) (*session, error) {
	nc, err := nats.Connect(url, nats.Timeout(patience), nats.NoReconnect(), silent)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(256), jetstream.WithDefaultTimeout(patience))
	if err != nil {
		return nil, err
	}
	return &session{
		ctx: ctx, nc: nc, js: js, random: rand.New(rand.NewPCG(d.seed, uint64(d.round)<<16|uint64(n))),
		round: d.round, complain: d.complain,
	}, nil
}

// begin starts the next server. ctx ends with it.
func (d *dynasty) begin(t *testing.T) (*process, context.Context) {
	t.Helper()
	d.ending.Store(false)
	p := launch(t, "", "-js", "-sd", d.dir)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-p.ended
		cancel()
	}()
	return p, ctx
}

// each calls f for every promise, in a session.
func (d *dynasty) each(t *testing.T, ctx context.Context, url string, f func(promise, *session) error) {
	t.Helper()
	s, err := d.session(ctx, url, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.nc.Close()
	for _, p := range d.promises {
		if err := f(p, s); err != nil {
			t.Fatalf("%T: %v", p, err)
		}
	}
	d.report(t)
}

// reign runs one server from its start to its end.
func (d *dynasty) reign(t *testing.T, end *ending) {
	p, ctx := d.begin(t)
	if d.round == 1 {
		d.each(t, ctx, p.url, promise.prepare)
	}
	d.each(t, ctx, p.url, func(p promise, s *session) error { p.check(s); return nil })

	var clients sync.WaitGroup
	n := 0
	for _, pr := range d.promises {
		for _, run := range pr.clients() {
			n++
			s, err := d.session(ctx, p.url, n)
			if err != nil {
				t.Fatal(err)
			}
			clients.Go(func() {
				defer s.nc.Close()
				if err := run(s); err != nil && !d.ending.Load() {
					d.complain("%T: %v", pr, err)
				}
			})
		}
	}
	d.wait(300 * time.Millisecond)
	end.bring(t, d, p)
	receive(t, "end of the process", p.ended)
	clients.Wait()
	d.report(t)
	checkLog(t, p)
}

// wait waits for a random time.
func (d *dynasty) wait(most time.Duration) { time.Sleep(rand.N(most)) }

// ending is a way in which a server ends.
type ending struct {
	name string
	// bring has the server end, soon. It sets d.ending before anybody can notice.
	bring func(*testing.T, *dynasty, *process)
}

var ends = []ending{
	{"killed", func(t *testing.T, d *dynasty, p *process) {
		d.ending.Store(true)
		p.signal(t, syscall.SIGKILL)
	}},
	{"killed when it started", func(t *testing.T, d *dynasty, p *process) {
		d.ending.Store(true)
		p.signal(t, syscall.SIGKILL)
		<-p.ended
		// Those that come now are killed before they have told anybody that they are there.
		for range 3 {
			next := spawn(t, "", "-js", "-sd", d.dir)
			d.wait(100 * time.Millisecond)
			next.signal(t, syscall.SIGKILL)
			<-next.ended
			checkLog(t, next)
		}
	}},
	{"stopped", func(t *testing.T, d *dynasty, p *process) {
		d.ending.Store(true)
		p.signal(t, syscall.SIGTERM)
		if status := p.exit(t); status != 0 {
			t.Errorf("exit status %d", status)
		}
		for _, path := range []string{p.pidFile, p.portsFile} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", path, err)
			}
		}
	}},
	{"killed", func(t *testing.T, d *dynasty, p *process) {
		d.ending.Store(true)
		p.signal(t, syscall.SIGKILL)
	}},
	{"killed when it stopped", func(t *testing.T, d *dynasty, p *process) {
		d.ending.Store(true)
		p.signal(t, syscall.SIGTERM)
		d.wait(50 * time.Millisecond)
		// It may have been faster.
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	}},
	{"paused, killed", func(t *testing.T, d *dynasty, p *process) {
		// A pause is nothing that a client should have to know of, but for the time.
		p.signal(t, syscall.SIGSTOP)
		time.Sleep(ackWait + 200*time.Millisecond)
		p.signal(t, syscall.SIGCONT)
		d.wait(200 * time.Millisecond)
		d.ending.Store(true)
		p.signal(t, syscall.SIGKILL)
	}},
}

// finish starts the last server, works off what is left, and checks that all of it was
// there.
func (d *dynasty) finish(t *testing.T) {
	p, ctx := d.begin(t)
	check := func(p promise, s *session) error {
		s.last = true
		p.check(s)
		return nil
	}
	d.each(t, ctx, p.url, check)
	d.each(t, ctx, p.url, func(p promise, s *session) error {
		s.last = true
		return p.finish(s)
	})
	d.each(t, ctx, p.url, check)
	d.ending.Store(true)
	p.signal(t, syscall.SIGTERM)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	checkLog(t, p)
}

// checkLog checks that a server had nothing to complain about: none of its ends is
// damage.
func checkLog(t *testing.T, p *process) {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been killed before
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "[ERR]") || strings.Contains(line, "[FTL]") || strings.Contains(line, "[WRN]") {
			t.Errorf("in the log: %s", line)
		}
	}
}
