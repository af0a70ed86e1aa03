package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func TestCounter(t *testing.T) {
	type step struct {
		subject, data, headers string
		value, err             string
	}
	for _, tc := range []struct {
		name  string
		steps []step
		want  string // the newest message on s.a
	}{
		{"counts", []step{
			{"s.a", "", "Nats-Incr: +5", "5", ""},
			{"s.a", "", "Nats-Incr: -7", "-2", ""},
			{"s.a", "", "Nats-Incr: 0", "-2", ""},
		}, `s.a|Nats-Incr: 0|{"val":"-2"}`},
		{"sources are not for clients to say", []step{{"s.a", "", `Nats-Incr: 1|Nats-Counter-Sources: {"X":{"y":"5"}}`, "1", ""}}, `s.a|Nats-Incr: 1|{"val":"1"}`},
		{"by subject", []step{{"s.a", "", "Nats-Incr: 1", "1", ""}, {"s.b", "", "Nats-Incr: 1", "1", ""}}, `s.a|Nats-Incr: 1|{"val":"1"}`},
		{"beyond 64 bits", []step{
			{"s.a", "", "Nats-Incr: 18446744073709551616", "18446744073709551616", ""},
			{"s.a", "", "Nats-Incr: 1", "18446744073709551617", ""},
		}, `s.a|Nats-Incr: 1|{"val":"18446744073709551617"}`},
		{"refusals", []step{
			{"s.a", "", "A: b", "", "message counter increment is missing (10169)"},
			{"s.a", "", "", "", "message counter increment is missing (10169)"},
			{"s.a", "x", "Nats-Incr: 1", "", "message counter has payload (10170)"},
			{"s.a", "", "Nats-Incr: one", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: +", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: 1|Nats-Rollup: sub", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: 1|Nats-Expected-Last-Sequence: 0", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: 1|Nats-Expected-Last-Subject-Sequence: 0", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: 1|Nats-Expected-Stream: S", "", "message counter increment is invalid (10171)"},
			{"s.a", "", "Nats-Incr: 1|Nats-Expected-Last-Msg-Id: x", "", "message counter increment is invalid (10171)"},
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(c *api.StreamConfig) { c.AllowMsgCounter = true })
			for _, s := range tc.steps {
				var headers []string
				if s.headers != "" {
					headers = strings.Split(s.headers, "|")
				}
				r := g.publish(s.subject, s.data, headers...)
				wantErr(t, r.Err, s.err)
				if string(r.Value) != s.value {
					t.Errorf("%s %s: value %q, want %q", s.subject, s.headers, r.Value, s.value)
				}
			}
			on, _ := g.st.Subject("s.a")
			if got := g.load(on.Last); got != tc.want {
				t.Errorf("stored as %q, want %q", got, tc.want)
			}
		})
	}
}

// TestBrokenCounter meets a message that is no counter's.
func TestBrokenCounter(t *testing.T) {
	for _, data := range []string{"x", "{}", `{"val":5}`, `{"val":"x"}`} {
		g := newRig(t, func(c *api.StreamConfig) { c.AllowMsgCounter = true })
		g.apply(AppendCopy(nil, 1, start, &Message{Subject: []byte("s.a"), Data: []byte(data)}))
		wantErr(t, g.publish("s.a", "", "Nats-Incr: 1").Err, "message counter is broken (10172)")
	}
}

// TestCounterTooLarge counts until the message is larger than allowed.
func TestCounterTooLarge(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.AllowMsgCounter, c.MaxMsgSize = true, int32(len(block("Nats-Incr: 5"))+len(`{"val":"5"}`))
	})
	wantErr(t, g.publish("s.a", "", "Nats-Incr: 5").Err, "")
	wantErr(t, g.publish("s.a", "", "Nats-Incr: 5").Err, "message size exceeds maximum allowed (10054)")
}

// TestSourcedCounter adds up the counters of two streams and an own one.
func TestSourcedCounter(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.AllowMsgCounter = true
		c.Sources = []*api.StreamSource{{Name: "EU"}, {Name: "US"}}
	})
	sourced := func(name string, seq store.Seq, value string) *Result {
		o := &Origin{Source: (&api.StreamSource{Name: name}).Key(), Seq: seq, Subject: []byte("hits")}
		return g.apply(AppendSource(nil, o, &Message{
			Subject: []byte("s.hits"), Header: block("Nats-Incr: +1"), Data: []byte(`{"val":"` + value + `"}`),
		}))
	}
	sourced("EU", 1, "10")
	sourced("US", 9, "5")
	g.publish("s.hits", "", "Nats-Incr: 100")
	// A message of EU in between was lost.
	if r := sourced("EU", 3, "12"); string(r.Value) != "117" {
		t.Errorf("value %q", r.Value)
	}
	want := `s.hits|Nats-Stream-Source: EU 3 > > hits|Nats-Incr: 2|` +
		`Nats-Counter-Sources: {"EU":{"hits":"12"},"US":{"hits":"5"}}|{"val":"117"}`
	if got := g.load(4); got != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	g.publish("s.hits", "", "Nats-Incr: 1")
	if got := g.load(5); !strings.Contains(got, `{"EU":{"hits":"12"},"US":{"hits":"5"}}`) {
		t.Errorf("the sources are lost in %q", got)
	}
}

func TestBatch(t *testing.T) {
	all := func(c *api.StreamConfig) { c.AllowAtomic, c.AllowRollup = true, true }
	counters := func(c *api.StreamConfig) { c.AllowAtomic, c.AllowMsgCounter = true, true }
	type pub struct{ subject, headers string }
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		pubs   []pub
		err    string
		want   string // numbers and subjects
	}{
		{"stored", all, []pub{{"s.a", ""}, {"s.b", ""}, {"s.a", ""}}, "", "1:s.x 2:s.a 3:s.b 4:s.a"},
		{"not allowed", nil, []pub{{"s.a", ""}}, "atomic publish is disabled (10174)", "1:s.x"},
		{"one is refused", all, []pub{{"s.a", ""}, {"s.b", "Nats-Expected-Stream: T"}}, "expected stream does not match (10060)", "1:s.x"},
		{"expects the last", all, []pub{{"s.a", "Nats-Expected-Last-Sequence: 1"}, {"s.b", ""}}, "", "1:s.x 2:s.a 3:s.b"},
		{"expects another last", all, []pub{{"s.a", "Nats-Expected-Last-Sequence: 2"}, {"s.b", ""}}, "wrong last sequence: 1 (10071)", "1:s.x"},
		{"expects too late", all, []pub{{"s.a", ""}, {"s.b", "Nats-Expected-Last-Sequence: 2"}}, "atomic publish unsupported header used: Nats-Expected-Last-Sequence (10177)", "1:s.x"},
		{"expects the last id", all, []pub{{"s.a", "Nats-Expected-Last-Msg-Id: id"}}, "atomic publish unsupported header used: Nats-Expected-Last-Msg-Id (10177)", "1:s.x"},
		{"expects of a subject", all, []pub{{"s.x", "Nats-Expected-Last-Subject-Sequence: 1"}, {"s.x", ""}}, "", "1:s.x 2:s.x 3:s.x"},
		{"expects of a subject that is written", all, []pub{{"s.x", ""}, {"s.x", "Nats-Expected-Last-Subject-Sequence: 1"}}, "wrong last sequence (10164)", "1:s.x"},
		{"expects of a pattern that is written", all, []pub{{"s.x", ""}, {"s.y", "Nats-Expected-Last-Subject-Sequence: 1|Nats-Expected-Last-Subject-Sequence-Subject: s.*"}}, "wrong last sequence (10164)", "1:s.x"},
		{"ids", all, []pub{{"s.a", "Nats-Msg-Id: 1"}, {"s.b", "Nats-Msg-Id: 2"}}, "", "1:s.x 2:s.a 3:s.b"},
		{"the same id twice", all, []pub{{"s.a", "Nats-Msg-Id: 1"}, {"s.b", "Nats-Msg-Id: 1"}}, "atomic publish batch contains duplicate message id (10201)", "1:s.x"},
		{"an id that was there", all, []pub{{"s.a", "Nats-Msg-Id: id"}}, "atomic publish batch contains duplicate message id (10201)", "1:s.x"},
		{"forged source", all, []pub{{"s.a", "Nats-Stream-Source: T 1 > > t"}}, "message stream source header is not allowed (10227)", "1:s.x"},
		{"rollup of a subject", all, []pub{{"s.x", "Nats-Rollup: sub"}, {"s.x", ""}}, "", "2:s.x 3:s.x"},
		{"rollup of what is written", all, []pub{{"s.x", ""}, {"s.x", "Nats-Rollup: sub"}}, "batch rollup sub invalid (10111)", "1:s.x"},
		{"rollup of all", all, []pub{{"s.a", "Nats-Rollup: all"}, {"s.b", ""}}, "", "2:s.a 3:s.b"},
		{"rollup of all too late", all, []pub{{"s.a", ""}, {"s.b", "Nats-Rollup: all"}}, "batch rollup all invalid (10111)", "1:s.x"},
		{
			"too many", func(c *api.StreamConfig) { all(c); c.Discard, c.MaxMsgs = api.DiscardNew, 2 },
			[]pub{{"s.a", ""}, {"s.b", ""}},
			"maximum messages exceeded (10077)", "1:s.x",
		},
		{
			"too many bytes", func(c *api.StreamConfig) { all(c); c.Discard, c.MaxBytes = api.DiscardNew, 100 },
			[]pub{{"s.a", ""}, {"s.b", ""}, {"s.c", ""}},
			"maximum bytes exceeded (10077)", "1:s.x",
		},
		{
			"too many on a subject",
			func(c *api.StreamConfig) {
				all(c)
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = api.DiscardNew, true, 2
			},
			[]pub{{"s.x", ""}, {"s.x", ""}},
			"maximum messages per subject exceeded (10077)", "1:s.x",
		},
		{"counters add up", counters, []pub{{"s.a", "Nats-Incr: 2"}, {"s.b", "Nats-Incr: 1"}, {"s.a", "Nats-Incr: 3"}}, "", "1:s.x 2:s.a 3:s.b 4:s.a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, tc.config)
			if g.c.rules.counter {
				g.publish("s.x", "", "Nats-Incr: 1")
			} else {
				g.publish("s.x", "", "Nats-Msg-Id: id")
			}
			var messages []*Message
			for _, p := range tc.pubs {
				var headers []string
				if p.headers != "" {
					headers = strings.Split(p.headers, "|")
				}
				messages = append(messages, g.message(p.subject, "", headers...))
			}
			r := g.apply(batchOp(messages...))
			wantErr(t, r.Err, tc.err)
			if tc.err == "" && (r.Count != uint64(len(tc.pubs)) || r.Seq != g.st.State().Last) {
				t.Errorf("%d messages up to %d", r.Count, r.Seq)
			}
			var got []string
			times := make(map[int64]bool)
			var m store.Message
			for seq := store.Seq(1); g.st.Next(nil, seq, &m) == nil; seq = m.Seq + 1 {
				got = append(got, seqText(uint64(m.Seq))+":"+string(m.Subject))
				if m.Seq > 1 {
					times[m.Time] = true
				}
			}
			if list := strings.Join(got, " "); list != tc.want {
				t.Errorf("there is %q, want %q", list, tc.want)
			}
			if tc.err == "" && len(times) != 1 {
				t.Errorf("the messages have %d times", len(times))
			}
			if tc.name == "counters add up" && g.load(4) != `s.a|Nats-Incr: 3|{"val":"5"}` {
				t.Errorf("the counter is %q", g.load(4))
			}
		})
	}
}

func TestFastBatchOps(t *testing.T) {
	fast := func(g *rig, seq uint64, gaps, commit bool, headers ...string) *Result {
		return g.apply(AppendFast(nil, &FastInfo{ID: []byte("b"), Seq: seq, Start: seq == 1, Commit: commit, GapOK: gaps}, g.message("s.a", seqText(seq), headers...)))
	}
	open := func(t *testing.T) *rig {
		return newRig(t, func(c *api.StreamConfig) { c.AllowBatched = true })
	}
	t.Run("to its end", func(t *testing.T) {
		g := open(t)
		fast(g, 1, false, false)
		fast(g, 2, false, false)
		if b := g.c.FastBatches(); len(b) != 1 || b[0] != (FastBatch{ID: "b", Last: 2, Seq: 2}) {
			t.Errorf("under way: %+v", b)
		}
		if r := fast(g, 3, false, true); r.Fast != (FastProgress{Last: 3, Seq: 3, Ended: true}) || len(g.c.FastBatches()) != 0 {
			t.Errorf("at the end: %+v", r.Fast)
		}
	})
	t.Run("ended by somebody who does not know how far it is", func(t *testing.T) {
		g := open(t)
		fast(g, 1, false, false)
		fast(g, 2, false, false)
		if r := g.apply(AppendFastEnd(nil, []byte("b"), 0)); r.Fast != (FastProgress{Last: 2, Seq: 2, Ended: true}) || r.Seq != 2 || r.Count != 2 {
			t.Errorf("at the end: %+v", r)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		g := open(t)
		wantErr(t, fast(g, 2, true, false).Err, "batch publish ID unknown (10208)")
		wantErr(t, g.apply(AppendFastEnd(nil, []byte("b"), 0)).Err, "batch publish ID unknown (10208)")
	})
	t.Run("an error ends it", func(t *testing.T) {
		g := open(t)
		fast(g, 1, false, false)
		r := fast(g, 2, false, false, "Nats-Expected-Stream: T")
		if r.Err == nil || r.Fast != (FastProgress{Last: 1, Seq: 1, Ended: true}) {
			t.Errorf("%v, %+v", r.Err, r.Fast)
		}
		wantErr(t, fast(g, 3, false, false).Err, "batch publish ID unknown (10208)")
		g.wantList("1:1")
	})
	t.Run("an error is passed over", func(t *testing.T) {
		g := open(t)
		fast(g, 1, true, false)
		if r := fast(g, 2, true, false, "Nats-Expected-Stream: T"); r.Err == nil || r.Fast != (FastProgress{Last: 2, Seq: 1}) {
			t.Errorf("%v, %+v", r.Err, r.Fast)
		}
		fast(g, 3, true, false)
		if r := g.apply(AppendFastEnd(nil, []byte("b"), 3)); r.Fast != (FastProgress{Last: 3, Seq: 2, Ended: true}) {
			t.Errorf("at the end: %+v", r.Fast)
		}
		g.wantList("1:1 2:3")
	})
	t.Run("a lost proposal is a gap", func(t *testing.T) {
		g := open(t)
		fast(g, 1, false, false)
		if r := fast(g, 3, false, false); r.Err == nil || r.Fast != (FastProgress{Last: 1, Seq: 1, Ended: true, Gap: true}) {
			t.Errorf("%v, %+v", r.Err, r.Fast)
		}
	})
	t.Run("not allowed any more", func(t *testing.T) {
		g := open(t)
		fast(g, 1, true, false)
		g.update(func(c *api.StreamConfig) { c.AllowBatched = false })
		wantErr(t, fast(g, 2, true, false).Err, "batch publish is disabled (10205)")
		g.update(func(c *api.StreamConfig) { c.AllowBatched = true })
		wantErr(t, fast(g, 2, true, false).Err, "batch publish ID unknown (10208)")
	})
	t.Run("too many", func(t *testing.T) {
		g := open(t)
		begin := func(id int, commit bool) *api.Error {
			return g.apply(AppendFast(nil, &FastInfo{ID: []byte(seqText(uint64(id))), Seq: 1, Start: true, Commit: commit}, g.message("s.a", ""))).Err
		}
		for id := range maxFastBatches {
			wantErr(t, begin(id, false), "")
		}
		wantErr(t, begin(maxFastBatches, false), api.ErrBatchPublishTooManyInflight.Error())
		wantErr(t, begin(maxFastBatches, true), "")
		g.apply(AppendFastEnd(nil, []byte("7"), 0))
		wantErr(t, begin(maxFastBatches, false), "")
	})
}

func TestSchedule(t *testing.T) {
	allow := func(c *api.StreamConfig) { c.AllowMsgSchedules, c.AllowMsgTTL = true, true }
	at := time.Unix(0, start).Add(30 * time.Second).UTC().Format(time.RFC3339)
	for _, tc := range []struct {
		name    string
		headers string
		before  func(*rig)
		after   func(*rig)
		wait    time.Duration
		want    string // messages, each as text, with " + " between
	}{
		{
			name: "not yet", headers: "Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t", wait: 29 * time.Second,
			want: "s.x|Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Rollup: sub|body",
		},
		{
			name: "once", headers: "A: b|Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Msg-Id: i|Nats-TTL: 1h|Nats-Rollup: sub|Nats-Expected-Last-Sequence: 0",
			wait: time.Minute,
			want: "s.t|A: b|Nats-Scheduler: s.x|Nats-Schedule-Next: purge|body",
		},
		{
			name: "long ago", headers: "Nats-Schedule: @at 2009-11-10T23:00:00Z|Nats-Schedule-Target: s.t", wait: 1,
			want: "s.t|Nats-Scheduler: s.x|Nats-Schedule-Next: purge|body",
		},
		{
			name: "with ttl and rollup", headers: "Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Schedule-TTL: 5m|Nats-Schedule-Rollup: sub",
			before: func(g *rig) { g.publish("s.t", "old") }, wait: time.Minute,
			want: "s.t|Nats-Scheduler: s.x|Nats-Schedule-Next: purge|Nats-TTL: 5m|Nats-Rollup: sub|body",
		},
		{
			name: "the body of another", headers: "A: b|Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Schedule-Source: s.from",
			before: func(g *rig) { g.publish("s.from", "other", "C: d", "Nats-Msg-Id: 7") }, wait: time.Minute,
			want: "s.from|C: d|Nats-Msg-Id: 7|other + s.t|C: d|Nats-Scheduler: s.x|Nats-Schedule-Next: purge|other",
		},
		{
			name: "there is no other", headers: "A: b|Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Schedule-Source: s.from", wait: time.Minute,
			want: "s.t|A: b|Nats-Scheduler: s.x|Nats-Schedule-Next: purge|body",
		},
		{
			name: "again and again", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			want: "s.x|Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t|Nats-Rollup: sub|body + " +
				"s.t|Nats-Scheduler: s.x|Nats-Schedule-Next: 2023-11-14T22:13:40Z|body + " +
				"s.t|Nats-Scheduler: s.x|Nats-Schedule-Next: 2023-11-14T22:13:50Z|body",
		},
		{
			name: "replaced by another schedule", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			after: func(g *rig) { g.publish("s.x", "new", "Nats-Schedule: @at "+at, "Nats-Schedule-Target: s.t") },
			want:  "s.x|Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t|Nats-Rollup: sub|new",
		},
		{
			name: "replaced by a message", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			after: func(g *rig) { g.publish("s.x", "plain") },
			want:  "s.x|Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t|Nats-Rollup: sub|body + s.x|plain",
		},
		{
			name: "too large when it fires", headers: "Nats-Schedule: @at " + at + "|Nats-Schedule-Target: s.t", wait: time.Minute,
			after: func(g *rig) { g.update(func(c *api.StreamConfig) { c.MaxMsgSize = 10 }) },
		},
		{
			name: "deleted", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			after: func(g *rig) { g.apply(AppendDelete(nil, 1, false)) },
		},
		{
			name: "purged", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			after: func(g *rig) { g.apply(AppendPurge(nil, "s.x", 0, 0)) },
		},
		{
			name: "expired", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t|Nats-TTL: 5", wait: 25 * time.Second,
		},
		{
			name: "ended by a message", headers: "Nats-Schedule: @every 10s|Nats-Schedule-Target: s.t", wait: 25 * time.Second,
			after: func(g *rig) {
				wantErr(g.t, g.publish("s.y", "instead", "Nats-Schedule-Next: purge", "Nats-Scheduler: s.x").Err, "")
			},
			want: "s.y|Nats-Schedule-Next: purge|Nats-Scheduler: s.x|instead",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, allow)
			if tc.before != nil {
				tc.before(g)
				g.now = start
			}
			if r := g.publish("s.x", "body", strings.Split(tc.headers, "|")...); r.Err != nil {
				t.Fatal(r.Err)
			}
			if tc.after != nil {
				tc.after(g)
			}
			if tc.name == "deleted" && g.c.plans.moments.n != 0 {
				t.Error("the schedule is known still")
			}
			g.wait(tc.wait)
			var got []string
			var m store.Message
			for seq := store.Seq(1); g.st.Next(nil, seq, &m) == nil; seq = m.Seq + 1 {
				got = append(got, text(&m))
			}
			if all := strings.Join(got, " + "); all != tc.want {
				t.Errorf("there is\n%s\nwant\n%s", all, tc.want)
			}
			ends := !strings.Contains(tc.want, "Nats-Schedule:") || tc.name == "replaced by a message"
			if n := len(g.c.plans.due); ends && n != 0 || !ends && n != 1 || n != g.c.plans.moments.n {
				t.Errorf("%d schedules are known, due at %d times", n, g.c.plans.moments.n)
			}
		})
	}
}

// TestFiringProposedTwice has a leader propose what is due once more before the first
// time is applied.
func TestFiringProposedTwice(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.AllowMsgSchedules = true })
	g.publish("s.x", "", "Nats-Schedule: @every 1m", "Nats-Schedule-Target: s.t")
	g.now += int64(time.Minute)
	op, err := g.c.AppendAdvance(nil, g.now, time.LoadLocation)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []store.Seq{2, 0} {
		if r := g.apply(op); r.Stored.Last != want {
			t.Errorf("advance %d stored up to %d, want %d", i+1, r.Stored.Last, want)
		}
	}
}

// TestMissedFiringsAreOne stops the clock for an hour.
func TestMissedFiringsAreOne(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.AllowMsgSchedules = true })
	g.publish("s.x", "", "Nats-Schedule: @every 1m", "Nats-Schedule-Target: s.t")
	g.now += int64(time.Hour)
	if r := g.advance(); r.Stored != (store.Range{First: 2, Last: 2}) {
		t.Errorf("fired as %v", r.Stored)
	}
	if at, ok := g.c.NextDue(); !ok || at <= g.now || at > g.now+int64(time.Minute) {
		t.Errorf("due again in %v", time.Duration(at-g.now))
	}
}
