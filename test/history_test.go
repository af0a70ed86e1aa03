package test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/race"
)

var historySeed = flag.Uint64("history.seed", 0, "run the history of this seed alone")

// Clients of two accounts publish and listen, come and go, while the
// configuration is reloaded. Whatever the order in which it all happens, nothing
// is lost, doubled, reordered or heard by the wrong one.
func TestHistories(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if *historySeed != 0 {
		seeds = []uint64{*historySeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorkload(t, seed)
			w.run()
			said, heard := 0, 0
			for _, s := range w.history.speakers {
				said += len(s.said)
			}
			for _, l := range w.history.listeners {
				heard += len(l.heard)
			}
			t.Logf("%d messages were heard %d times by %d listeners, with %d reloads", said, heard, len(w.history.listeners), w.reloads)
			if v := w.history.violations(); len(v) > 0 {
				t.Errorf("run it again with -history.seed=%d:\n%s", seed, strings.Join(v, "\n"))
			}
		})
	}
}

// workload makes a history.
type workload struct {
	t     *testing.T
	seed  uint64
	s     *instance
	begin time.Time
	// said counts all messages so far; others go by it, as by a clock.
	said    atomic.Int64
	goal    int64
	reloads int

	mu      sync.Mutex
	history history
	failed  error
}

const (
	speakersEach = 3 // of an account
	visitorsEach = 3
)

var accounts = []string{"A", "B"}

func newWorkload(t *testing.T, seed uint64) *workload {
	each := 3000
	if race.Enabled {
		each = 1000
	}
	w := &workload{t: t, seed: seed, goal: int64(each * speakersEach * len(accounts))}
	w.s = start(t, w.config(0))
	w.begin = time.Now()
	for _, account := range accounts {
		for range speakersEach {
			w.history.speakers = append(w.history.speakers, &speaker{account: account, said: make([]saying, 0, each)})
		}
	}
	return w
}

// config is the nth configuration. They differ, but not for the clients of the
// history: these may do the same in all of them, on different grounds.
func (w *workload) config(n int) string {
	permissions := []string{
		"", `, permissions { publish: ">", subscribe: ">" }`,
		`, permissions { publish { deny: "never" }, subscribe { deny: "talk.never" } }`,
		`, permissions { publish { allow: ["talk.>", "_INBOX.>"] }, subscribe { allow: ["talk.>", "*.*"], deny: ["talk.*.never", "talk.never.>"] } }`,
	}[n%4]
	extra := []string{
		"", "debug: true\n", "max_payload: 2MB\n", "mappings { old: new }\n", "ping_interval: 60s\n", "no_fast_producer_stall: false\n",
	}[n%6]
	config := extra + "accounts {\n"
	for _, account := range accounts {
		config += fmt.Sprintf("%s { users: [ {user: %s, password: p%s} ]", account, account, permissions)
		if n%5 == 3 {
			config += `, mappings { "elsewhere.*": "talk.elsewhere" }`
		}
		config += "}\n"
	}
	if n%3 == 1 {
		config += "C { users: [ {user: c, password: c} ] }\n"
	}
	return config + "}\n"
}

func (w *workload) now() time.Duration { return time.Since(w.begin) }

// fail keeps the first error of any goroutine.
func (w *workload) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = errors.Join(w.failed, err)
}

// connect connects as a user of an account, by one of the ways there are.
func (w *workload) connect(random *rand.Rand, account string) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.UserInfo(account, "p"), nats.NoReconnect(), nats.Timeout(patience), nats.DrainTimeout(patience),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { w.fail(err) }),
	}
	if random.IntN(4) == 0 {
		opts = append(opts, nats.InProcessServer(w.s))
	}
	return nats.Connect(w.s.ClientURL(), opts...)
}

// run has everybody do their part.
func (w *workload) run() {
	t := w.t
	random := rand.New(rand.NewPCG(w.seed, 0))
	var stay []*attendance
	var conns []*nats.Conn
	for _, account := range accounts {
		for _, l := range []struct{ pattern, queue string }{
			{"talk.>", ""}, {"talk.1", ""}, {"*.*", ""}, {"talk.*.more", ""}, {"talk.>", "stable"},
		} {
			nc, err := w.connect(random, account)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, nc)
			a, err := w.attend(nc, account, l.pattern, l.queue)
			if err != nil {
				t.Fatal(err)
			}
			stay = append(stay, a)
		}
	}
	var speaking, others sync.WaitGroup
	for i, s := range w.history.speakers {
		random := rand.New(rand.NewPCG(w.seed, uint64(100+i)))
		speaking.Go(func() { w.speak(i, s, random) })
	}
	for i, account := range accounts {
		for j := range visitorsEach {
			random := rand.New(rand.NewPCG(w.seed, uint64(200+10*i+j)))
			others.Go(func() { w.visit(account, random) })
		}
	}
	others.Go(func() {
		for w.passes(w.goal / 25) {
			w.reloads++
			w.s.write(t, w.config(w.reloads))
			if err := w.s.Reload(); err != nil {
				w.fail(err)
				return
			}
		}
	})
	speaking.Wait()
	others.Wait()
	for _, a := range stay {
		if err := a.end(); err != nil {
			w.fail(err)
		}
	}
	for _, nc := range conns {
		nc.Close()
	}
	if w.failed != nil {
		t.Fatal(w.failed)
	}
}

// speak publishes one share of the messages, in bursts.
func (w *workload) speak(id int, s *speaker, random *rand.Rand) {
	// Whoever goes by the messages must not wait for ever if this one fails.
	defer func() { w.said.Add(int64(cap(s.said) - len(s.said))) }()
	nc, err := w.connect(random, s.account)
	if err != nil {
		w.fail(err)
		return
	}
	defer nc.Close()
	subjects := []string{"talk.1", "talk.2", "talk.3", "talk.1.more", "talk.2.more.and.more"}
	padding := bytes.Repeat([]byte("."), 5000)
	for len(s.said) < cap(s.said) {
		burst := min(1+random.IntN(1<<random.IntN(9)), cap(s.said)-len(s.said))
		first := len(s.said)
		for range burst {
			subject := subjects[random.IntN(len(subjects))]
			text := fmt.Appendf(nil, "%d %d %s %s", id, len(s.said), subject, padding[:random.IntN(1<<random.IntN(12))])
			s.said = append(s.said, saying{subject: subject, sent: w.now()})
			if err := nc.Publish(subject, text); err != nil {
				w.fail(err)
				return
			}
		}
		if err := nc.FlushTimeout(patience); err != nil {
			w.fail(err)
			return
		}
		accepted := w.now()
		for i := first; i < len(s.said); i++ {
			s.said[i].accepted = accepted
		}
		w.said.Add(int64(burst))
	}
}

// passes waits until some more messages were said, and tells whether there are
// more to come.
func (w *workload) passes(messages int64) bool {
	until := w.said.Load() + messages
	for w.said.Load() < min(until, w.goal) {
		time.Sleep(100 * time.Microsecond)
	}
	return w.said.Load() < w.goal
}

// visit comes, listens for a while and goes, again and again.
func (w *workload) visit(account string, random *rand.Rand) {
	patterns := []string{"talk.>", "talk.1", "talk.*", "*.2", "talk.*.more", "talk.2.>", "talk.nothing"}
	queues := []string{"", "", "stable", "stable", "passing"}
	for w.passes(1 + random.Int64N(w.goal/100)) {
		nc, err := w.connect(random, account)
		if err != nil {
			w.fail(err)
			return
		}
		var stay []*attendance
		for range 1 + random.IntN(3) {
			a, err := w.attend(nc, account, patterns[random.IntN(len(patterns))], queues[random.IntN(len(queues))])
			if err != nil {
				w.fail(err)
				return
			}
			stay = append(stay, a)
		}
		for _, a := range stay {
			w.passes(random.Int64N(w.goal / 50))
			if err := a.end(); err != nil {
				w.fail(err)
			}
		}
		nc.Close()
	}
}

// attendance is a subscription that lasts.
type attendance struct {
	w      *workload
	sub    *nats.Subscription
	l      *listener
	closed chan struct{}
}

// attend subscribes and records what arrives.
func (w *workload) attend(nc *nats.Conn, account, pattern, queue string) (*attendance, error) {
	l := &listener{account: account, pattern: pattern, queue: queue}
	a := &attendance{w: w, l: l, closed: make(chan struct{})}
	note := func(m *nats.Msg) {
		h := heard{subject: m.Subject}
		var said string
		if _, err := fmt.Sscan(string(m.Data), &h.speaker, &h.n, &said); err != nil || said != m.Subject {
			l.unreadable++
			return
		}
		l.heard = append(l.heard, h)
	}
	l.begun = w.now()
	var err error
	if queue == "" {
		a.sub, err = nc.Subscribe(pattern, note)
	} else {
		a.sub, err = nc.QueueSubscribe(pattern, queue, note)
	}
	if err != nil {
		return nil, err
	}
	a.sub.SetClosedHandler(func(string) { close(a.closed) })
	if err := errors.Join(a.sub.SetPendingLimits(-1, -1), nc.FlushTimeout(patience)); err != nil {
		return nil, err
	}
	l.confirmed = w.now()
	w.mu.Lock()
	w.history.listeners = append(w.history.listeners, l)
	w.mu.Unlock()
	return a, nil
}

// end unsubscribes and waits for what was under way.
func (a *attendance) end() error {
	a.l.leaving = a.w.now()
	if err := a.sub.Drain(); err != nil {
		return err
	}
	select {
	case <-a.closed:
	case <-time.After(patience):
		return fmt.Errorf("%v: does not end", a.l)
	}
	a.l.left = a.w.now()
	return nil
}
