package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

// history makes ops at random for a stream.
type history struct {
	t   testing.TB
	r   *rand.Rand
	cfg *api.StreamConfig
	c   *Core
	now int64
}

// configurations are streams that differ in what their rules are.
var configurations = map[string]func(*api.StreamConfig){
	"plain": nil,
	"limits": func(c *api.StreamConfig) {
		c.MaxMsgs, c.MaxBytes, c.MaxMsgsPerSubject, c.MaxAge = 30, 900, 4, 20*time.Second
		c.DuplicateWindow = 5 * time.Second
	},
	"full": func(c *api.StreamConfig) {
		c.Discard, c.DiscardNewPerSubject, c.MaxMsgs, c.MaxMsgsPerSubject = api.DiscardNew, true, 20, 3
		c.AllowRollup = true
	},
	"everything": func(c *api.StreamConfig) {
		c.AllowRollup, c.AllowMsgTTL, c.AllowMsgSchedules, c.AllowAtomic, c.AllowBatched = true, true, true, true, true
		c.MaxMsgsPerSubject, c.MaxAge, c.SubjectDeleteMarkerTTL = 3, 15*time.Second, 5*time.Second
		c.SubjectTransform = &api.SubjectTransform{Source: "s.7", Destination: "s.{{random(3)}}"}
	},
	"interest": func(c *api.StreamConfig) {
		c.Retention, c.AllowMsgTTL, c.AllowRollup, c.AllowAtomic = api.RetainInterest, true, true, true
	},
	"work queue": func(c *api.StreamConfig) { c.Retention, c.MaxMsgs = api.RetainWorkQueue, 50 },
	"counters":   func(c *api.StreamConfig) { c.AllowMsgCounter, c.AllowAtomic, c.MaxMsgsPerSubject = true, true, 2 },
	"sources": func(c *api.StreamConfig) {
		c.Sources = []*api.StreamSource{{Name: "A"}, {Name: "B", FilterSubject: "b.>"}}
		c.DuplicateWindow, c.Discard, c.MaxMsgs = 5*time.Second, api.DiscardNew, 40
	},
	"mirror": func(c *api.StreamConfig) {
		c.Mirror = &api.StreamSource{Name: "O"}
		c.MaxAge, c.AllowMsgTTL = 20*time.Second, true
	},
}

func newHistory(t testing.TB, seed uint64, c *Core) *history {
	return &history{t: t, r: rand.New(rand.NewPCG(seed, 3)), cfg: c.Config(), c: c, now: start}
}

// next returns an op and its time.
func (h *history) next() ([]byte, int64) {
	h.now += h.r.Int64N(int64(time.Second))
	return h.op(), h.now
}

func (h *history) op() []byte {
	r, last := h.r, h.c.store.State().Last
	if at, ok := h.c.NextDue(); ok && at <= h.now || r.IntN(30) == 0 {
		op, err := h.c.AppendAdvance(nil, h.now, time.LoadLocation)
		if err != nil {
			h.t.Fatal(err)
		}
		return op
	}
	anySeq := func() store.Seq { return store.Seq(r.Uint64N(uint64(last) + 3)) }
	switch r.IntN(22) {
	case 0:
		return AppendDelete(nil, anySeq(), r.IntN(2) == 0)
	case 1:
		return AppendPurge(nil, []string{"", h.subject(), "s.*", "s.x.>"}[r.IntN(4)], anySeq()*store.Seq(r.IntN(2)), r.Uint64N(4)*r.Uint64N(2))
	case 2:
		if h.cfg.AllowAtomic {
			var b Batch
			for range 1 + r.IntN(4) {
				b.Add(h.message())
			}
			return b.AppendOp(nil)
		}
	case 3, 4:
		if h.cfg.AllowBatched {
			id := []byte(strconv.Itoa(r.IntN(3)))
			seq := uint64(1)
			for _, b := range h.c.FastBatches() {
				if b.ID == string(id) {
					seq = b.Last + 1 + r.Uint64N(2)
				}
			}
			if r.IntN(5) == 0 {
				return AppendFastEnd(nil, id, seq)
			}
			return AppendFast(nil, &FastInfo{ID: id, Seq: seq, Start: seq == 1, Commit: r.IntN(5) == 0, GapOK: r.IntN(2) == 0}, h.message())
		}
	case 5, 6, 7:
		name := string(rune('a' + r.IntN(3)))
		switch r.IntN(6) {
		case 0:
			return AppendConsumerGone(nil, name)
		case 1, 2:
			return AppendConsumer(nil, name, anySeq(), r.IntN(4) == 0, [][]string{nil, {"s.1"}, {"s.*", "s.x.1"}}[r.IntN(3)])
		}
		seq := anySeq() + 1
		return AppendAcked(nil, name, seq/2, []store.Range{{First: seq, Last: seq + store.Seq(r.IntN(40))}})
	case 8, 9, 10:
		if len(h.cfg.Sources) > 0 {
			s := h.cfg.Sources[r.IntN(len(h.cfg.Sources))]
			seq, _ := h.c.SourcePosition(s.Key())
			return AppendSource(nil, &Origin{Source: s.Key(), Identity: []string{"", "one", "two"}[r.IntN(3)], Seq: seq + store.Seq(r.IntN(3)) + 1, Subject: []byte("o.x")}, h.message())
		}
	case 11:
		if r.IntN(10) == 0 {
			return AppendReset(nil, anySeq()+1)
		}
	case 12:
		if r.IntN(5) == 0 {
			return []byte{byte(r.IntN(40)), 1, 0, 0, 0}
		}
	case 13:
		if r.IntN(4) == 0 {
			return h.update()
		}
	case 14:
		if r.IntN(5) == 0 {
			return AppendRestoreEnd(nil, last+store.Seq(r.IntN(5)), h.now-r.Int64N(second))
		}
		m := h.message()
		if len(h.cfg.Sources) > 0 {
			m.Header = block(fmt.Sprintf("Nats-Stream-Source: A %d > > o.x one", r.IntN(100)))
		}
		return AppendRestore(nil, last+store.Seq(r.IntN(3)), h.now-r.Int64N(second), m)
	}
	if h.cfg.Mirror != nil {
		if r.IntN(10) == 0 {
			return AppendSkip(nil, last+store.Seq(r.IntN(5)))
		}
		return AppendCopy(nil, last+store.Seq(r.IntN(3)), h.now-r.Int64N(second), h.message())
	}
	return AppendStore(nil, h.message())
}

// update changes limits.
func (h *history) update() []byte {
	cfg := h.cfg.Clone()
	cfg.MaxMsgs = int64(10 + h.r.IntN(50))
	cfg.MaxMsgsPerSubject = int64(1 + h.r.IntN(5))
	checked, apiErr := api.CheckStreamUpdate(h.cfg, cfg, api.StreamLimits{}, false)
	if apiErr != nil {
		h.t.Fatal(apiErr)
	}
	h.cfg = checked
	body, err := json.Marshal(checked)
	if err != nil {
		h.t.Fatal(err)
	}
	return AppendConfig(nil, body)
}

func (h *history) subject() string {
	return []string{"s.0", "s.1", "s.2", "s.x.1", "s.x.2", "s.7"}[h.r.IntN(6)]
}

// message has all kinds of headers, most of which are right.
func (h *history) message() *Message {
	r := h.r
	var headers []string
	add := func(oneOf int, format string, args ...any) {
		if r.IntN(oneOf) == 0 {
			headers = append(headers, fmt.Sprintf(format, args...))
		}
	}
	on, _ := h.c.store.Subject(h.subject())
	add(4, "Nats-Msg-Id: %d", r.IntN(60))
	add(12, "Nats-Expected-Last-Sequence: %d", h.c.store.State().Last-store.Seq(r.IntN(2)))
	add(12, "Nats-Expected-Last-Subject-Sequence: %d", on.Last)
	add(20, "Nats-Expected-Last-Msg-Id: %s", h.c.lastID)
	if h.cfg.AllowRollup {
		add(15, "Nats-Rollup: %s", []string{"sub", "sub", "all"}[r.IntN(3)])
	}
	if h.cfg.AllowMsgTTL {
		add(4, "Nats-TTL: %s", []string{"1", "5", "30", "never", "2s"}[r.IntN(5)])
	}
	if h.cfg.AllowMsgSchedules {
		if r.IntN(6) == 0 {
			headers = append(headers, "Nats-Schedule: "+[]string{"@every 2s", "@every 3s", "@hourly", "@at 2023-11-14T22:14:00Z"}[r.IntN(4)], "Nats-Schedule-Target: s.2")
			add(3, "Nats-Schedule-Source: s.0")
		}
		add(20, "Nats-Schedule-Next: purge\r\nNats-Scheduler: %s", h.subject())
	}
	if h.cfg.AllowMsgCounter {
		headers = append(headers, fmt.Sprintf("Nats-Incr: %d", r.IntN(100)-50))
	}
	data := strings.Repeat("x", r.IntN(20))
	if h.cfg.AllowMsgCounter {
		data = ""
	}
	m := &Message{Subject: []byte(h.subject()), Header: block(headers...), Data: []byte(data)}
	m.Plan = PlanSchedule(m.Header, h.now, time.LoadLocation)
	return m
}

func digest(t testing.TB, c *Core) string {
	t.Helper()
	d, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", d)
}

// messages returns all that is in a store.
func messages(t testing.TB, st store.Store) (all []string) {
	t.Helper()
	var m store.Message
	for seq := store.Seq(1); ; seq = m.Seq + 1 {
		if err := st.Next(nil, seq, &m); errors.Is(err, store.ErrNotFound) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d at %d: %s", m.Seq, m.Time-start, text(&m)))
	}
}

// TestReplicasAgree runs a history on two replicas, one of which leads, and on many that
// join at each point of it with the state of the first.
func TestReplicasAgree(t *testing.T) {
	steps := 250
	if testing.Short() {
		steps = 100
	}
	for name, change := range configurations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				leader := newRig(t, change)
				follower := newRig(t, change)
				// Bounds are met often.
				leader.c.maxDue, follower.c.maxDue = 3, 3
				h := newHistory(t, seed, leader.c)
				followerResult := Result{}
				var joined *Core
				refused, stored := 0, 0
				for step := range steps {
					op, now := h.next()
					if err := leader.c.Apply(op, now, &leader.r); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					if err := follower.c.Apply(bytes.Clone(op), now, &followerResult); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					if leader.r.Err != nil {
						refused++
					}
					if leader.r.Stored.First > 0 {
						stored++
					}
					if joined != nil {
						if err := joined.Apply(op, now, &Result{}); err != nil {
							t.Fatalf("seed %d, step %d: restored: %v", seed, step, err)
						}
					}
					want := digest(t, leader.c)
					if got := digest(t, follower.c); got != want {
						t.Fatalf("seed %d, step %d (%v): the follower differs", seed, step, leader.r.Kind)
					}
					if joined != nil {
						if got := digest(t, joined); got != want {
							t.Fatalf("seed %d, step %d (%v): the one restored before differs", seed, step, leader.r.Kind)
						}
					}
					state, err := leader.c.AppendState(nil)
					if err != nil {
						t.Fatal(err)
					}
					restored, err := Restore(state, copyStore(t, leader.st))
					if err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					restored.maxDue = leader.c.maxDue
					if got := digest(t, restored); got != want {
						t.Fatalf("seed %d, step %d (%v): the one restored differs", seed, step, leader.r.Kind)
					}
					// One goes on for a while, then the next takes its place.
					if joined == nil || step%23 == 0 {
						joined = restored
					}
				}
				if a, b := messages(t, leader.st), messages(t, joined.store); !slices.Equal(a, b) {
					t.Fatalf("seed %d: the leader has %q, the restored %q", seed, a, b)
				}
				if stored < steps/5 {
					t.Errorf("seed %d: of %d ops %d stored something, %d were refused", seed, steps, stored, refused)
				}
			}
		})
	}
}

// TestSkippedOps says that what is not understood does nothing, and is counted.
func TestSkippedOps(t *testing.T) {
	g := newRig(t, nil)
	g.publish("s.a", "1")
	before := g.st.State()
	for name, op := range map[string][]byte{
		"nothing":              {},
		"a kind alone":         {1},
		"no kind":              {0, 1},
		"the kind behind all":  {byte(KindRestoreEnd) + 1, 1},
		"a kind far behind":    {255, 1, 2, 3},
		"another version":      {byte(KindStore), 2, 0, 1, 0, 0, 'x'},
		"a message too short":  {byte(KindStore), 1, 0, 3, 0, 0, 'x'},
		"without a subject":    {byte(KindStore), 1, 0, 0, 0, 0},
		"an unknown verdict":   {byte(KindStore), 1, 9, 1, 0, 0, 'x'},
		"bytes behind the end": {byte(KindStore), 1, 0, 1, 0, 0, 'x', 'y'},
		"an empty batch":       {byte(KindBatch), 1, 0},
		"a config of nothing":  AppendConfig(nil, nil),
		"no number to reset":   AppendReset(nil, 0),
		"too high a number":    AppendSkip(nil, 1<<63),
		"a wild pattern":       AppendPurge(nil, "a..b", 0, 0),
	} {
		if r := g.apply(op); !r.Skipped || r.Err != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if g.st.State() != before {
		t.Error("something was done")
	}
	unknown, malformed := g.c.Skipped()
	if unknown != 4 || malformed != 11 {
		t.Errorf("%d unknown, %d malformed", unknown, malformed)
	}
}

// TestRestoreRefusesOthers cuts a state at each place, and changes each byte of it.
func TestRestoreRefusesOthers(t *testing.T) {
	g := newRig(t, configurations["everything"])
	h := newHistory(t, 9, g.c)
	for range 60 {
		op, now := h.next()
		if err := g.c.Apply(op, now, &g.r); err != nil {
			t.Fatal(err)
		}
	}
	state, err := g.c.AppendState(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range state {
		if _, err := Restore(state[:i], mem.New()); err == nil {
			t.Fatalf("a state of %d bytes is taken for one of %d", i, len(state))
		}
	}
	if _, err := Restore(append(bytes.Clone(state), 0), mem.New()); !errors.Is(err, errState) {
		t.Errorf("with a byte more: %v", err)
	}
	state[0]++
	if _, err := Restore(state, mem.New()); !errors.Is(err, errState) {
		t.Errorf("another version: %v", err)
	}
}
