package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

// second is a second in the times of ops.
const second = int64(time.Second)

// start is the time of the first op of most tests.
const start = 1_700_000_000 * second

// rig is a stream with messages in memory, and the shortest words for what tests do
// with it.
type rig struct {
	t   testing.TB
	st  store.Store
	c   *Core
	now int64
	r   Result
}

// config returns a configuration that is in force, of a stream in memory on "s.>".
func config(t testing.TB, change func(*api.StreamConfig)) *api.StreamConfig {
	t.Helper()
	cfg := &api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: api.MemoryStorage}
	if change != nil {
		change(cfg)
	}
	if cfg.Mirror != nil {
		cfg.Subjects = nil
	}
	checked, err := api.CheckStreamCreate(cfg, api.StreamLimits{}, false)
	if err != nil {
		t.Fatal(err)
	}
	return checked
}

func newRig(t testing.TB, change func(*api.StreamConfig)) *rig {
	t.Helper()
	st := mem.New()
	c, err := New(config(t, change), st)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, st: st, c: c, now: start, r: Result{Effects: true}}
}

// apply applies an op a nanosecond after the one before.
func (g *rig) apply(op []byte) *Result {
	g.t.Helper()
	g.now++
	if err := g.c.Apply(op, g.now, &g.r); err != nil {
		g.t.Fatal(err)
	}
	return &g.r
}

// publish publishes a message, headers as in "Name: value".
func (g *rig) publish(subject, data string, headers ...string) *Result {
	g.t.Helper()
	return g.apply(AppendStore(nil, g.message(subject, data, headers...)))
}

func (g *rig) message(subject, data string, headers ...string) *Message {
	m := &Message{Subject: []byte(subject), Header: block(headers...), Data: []byte(data)}
	m.Plan = PlanSchedule(m.Header, g.now, time.LoadLocation)
	return m
}

// batchOp is the op of an atomic batch.
func batchOp(messages ...*Message) []byte {
	var b Batch
	for _, m := range messages {
		b.Add(m)
	}
	return b.AppendOp(nil)
}

// wait lets time pass, and has the leader advance the stream as often as it is due.
func (g *rig) wait(d time.Duration) {
	g.t.Helper()
	end := g.now + int64(d)
	for rounds := 0; ; rounds++ {
		at, ok := g.c.NextDue()
		if !ok || at > end {
			break
		}
		if rounds > 10_000 {
			g.t.Fatalf("the stream is always due, now at %d", at)
		}
		g.now = max(g.now, at)
		g.advance()
	}
	g.now = end
}

// advance has the leader advance the stream.
func (g *rig) advance() *Result {
	g.t.Helper()
	op, err := g.c.AppendAdvance(nil, g.now, time.LoadLocation)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.c.Apply(op, g.now, &g.r); err != nil {
		g.t.Fatal(err)
	}
	return &g.r
}

// update changes the configuration.
func (g *rig) update(change func(*api.StreamConfig)) *Result {
	g.t.Helper()
	cfg := g.c.Config().Clone()
	change(cfg)
	checked, apiErr := api.CheckStreamUpdate(g.c.Config(), cfg, api.StreamLimits{}, false)
	if apiErr != nil {
		g.t.Fatal(apiErr)
	}
	return g.apply(configOp(g.t, checked))
}

// load returns a message as text: subject, headers without their first line, data.
func (g *rig) load(seq store.Seq) string {
	g.t.Helper()
	var m store.Message
	if err := g.st.Load(seq, &m); errors.Is(err, store.ErrNotFound) {
		return ""
	} else if err != nil {
		g.t.Fatal(err)
	}
	return text(&m)
}

func text(m *store.Message) string {
	lines := []string{string(m.Subject)}
	for line := range strings.SplitSeq(string(m.Header), "\r\n") {
		if line != "" && line != "NATS/1.0" {
			lines = append(lines, line)
		}
	}
	return strings.Join(append(lines, string(m.Data)), "|")
}

// list returns the messages that there are, each as number and data.
func (g *rig) list() string {
	g.t.Helper()
	var all []string
	var m store.Message
	for seq := store.Seq(1); ; seq = m.Seq + 1 {
		if err := g.st.Next(nil, seq, &m); errors.Is(err, store.ErrNotFound) {
			return strings.Join(all, " ")
		} else if err != nil {
			g.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d:%s", m.Seq, m.Data))
	}
}

func (g *rig) wantList(want string) {
	g.t.Helper()
	if got := g.list(); got != want {
		g.t.Errorf("the stream has %q, want %q", got, want)
	}
}

// block makes a header block.
func block(headers ...string) []byte {
	if len(headers) == 0 {
		return nil
	}
	return []byte("NATS/1.0\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n")
}

// wantErr checks an error by its text, which has its number; "" is none.
func wantErr(t testing.TB, got *api.Error, want string) {
	t.Helper()
	text := ""
	if got != nil {
		text = got.Error()
	}
	if text != want {
		t.Errorf("error %q, want %q", text, want)
	}
}

// copyStore makes a store in memory that has what another has.
func copyStore(t testing.TB, from store.Store) store.Store {
	t.Helper()
	to := mem.New()
	s := from.State()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	last := store.Seq(0)
	var m store.Message
	for seq := store.Seq(1); ; seq = m.Seq + 1 {
		err := from.Next(nil, seq, &m)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		check(err)
		check(to.Append(&m))
		last = m.Seq
	}
	switch {
	case s.Messages == 0 && s.LastTime == 0 && s.First > 0:
		check(to.Reset(s.First))
	case last < s.Last:
		check(to.Skip(s.Last, s.LastTime))
	}
	if got := to.State(); got != s {
		t.Fatalf("the copy of a store is %+v, want %+v", got, s)
	}
	return to
}

func seqText(seq uint64) string { return fmt.Sprint(seq) }
