package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func TestExpiry(t *testing.T) {
	ttl := func(c *api.StreamConfig) { c.AllowMsgTTL = true }
	aged := func(c *api.StreamConfig) { c.AllowMsgTTL, c.MaxAge = true, 10*time.Second }
	marked := func(c *api.StreamConfig) {
		c.AllowMsgTTL, c.MaxAge, c.SubjectDeleteMarkerTTL = true, 10*time.Second, 5*time.Second
	}
	type pub struct {
		after   time.Duration
		subject string
		headers string
	}
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		pubs   []pub
		wait   time.Duration
		want   string
	}{
		{"not yet", ttl, []pub{{0, "s.a", "Nats-TTL: 5"}}, 5*time.Second - 1, "1:s.a"},
		{"now", ttl, []pub{{0, "s.a", "Nats-TTL: 5"}}, 5 * time.Second, ""},
		{"others stay", ttl, []pub{{0, "s.a", ""}, {0, "s.b", "Nats-TTL: 5"}, {0, "s.c", "Nats-TTL: 7"}}, 6 * time.Second, "1:s.a 3:s.c"},
		{"fractions do not count", ttl, []pub{{0, "s.a", "Nats-TTL: 1900ms"}}, time.Second, ""},

		{"age, not yet", aged, []pub{{0, "s.a", ""}}, 10*time.Second - 1, "1:s.a"},
		{"age, now", aged, []pub{{0, "s.a", ""}, {time.Second, "s.b", ""}}, 9 * time.Second, "2:s.b"},
		{"never", aged, []pub{{0, "s.a", "Nats-TTL: never"}, {0, "s.b", ""}, {0, "s.c", "Nats-TTL: never"}}, time.Hour, "1:s.a 3:s.c"},
		{"behind those that never end", aged, []pub{{0, "s.a", "Nats-TTL: never"}, {time.Hour, "s.b", ""}}, 10 * time.Second, "1:s.a"},
		{"behind those that never end, not yet", aged, []pub{{0, "s.a", "Nats-TTL: never"}, {time.Hour, "s.b", ""}}, 9 * time.Second, "1:s.a 2:s.b"},
		{"the sooner of both", aged, []pub{{0, "s.a", "Nats-TTL: 2"}, {0, "s.b", "Nats-TTL: 1h"}}, 10 * time.Second, ""},

		{"a marker by age", marked, []pub{{0, "s.a", ""}}, 10 * time.Second, "2:s.a|Nats-Marker-Reason: MaxAge|Nats-TTL: 5s|Nats-Rollup: sub|"},
		{"a marker by ttl", marked, []pub{{0, "s.a", "Nats-TTL: 7"}}, 7 * time.Second, "2:s.a|Nats-Marker-Reason: MaxAge|Nats-TTL: 5s|Nats-Rollup: sub|"},
		{"markers end without a trace", marked, []pub{{0, "s.a", ""}}, 15 * time.Second, ""},
		{"no marker while there are others", marked, []pub{{0, "s.a", ""}, {3 * time.Second, "s.a", ""}}, 8 * time.Second, "2:s.a"},
		{"no marker for what was purged", marked, []pub{{0, "s.a", "KV-Operation: PURGE"}}, 10 * time.Second, ""},
		{"a marker for what was deleted", marked, []pub{{0, "s.a", "KV-Operation: DEL"}}, 10 * time.Second, "2:s.a|Nats-Marker-Reason: MaxAge|Nats-TTL: 5s|Nats-Rollup: sub|"},
		{"a marker takes the place of all", marked, []pub{{0, "s.a", ""}, {0, "s.a", "Nats-TTL: 7"}}, 7 * time.Second, "3:s.a|Nats-Marker-Reason: MaxAge|Nats-TTL: 5s|Nats-Rollup: sub|"},
		{"a ttl shorter than that of markers", marked, []pub{{0, "s.a", "Nats-TTL: 2"}}, 3 * time.Second, "1:s.a|Nats-TTL: 5|"},
		{
			"a short ttl where there is one a subject", func(c *api.StreamConfig) { marked(c); c.MaxMsgsPerSubject = 1 },
			[]pub{{0, "s.a", "Nats-TTL: 2"}},
			time.Second, "1:s.a|Nats-TTL: 2|",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, tc.config)
			for _, p := range tc.pubs {
				g.wait(p.after)
				var headers []string
				if p.headers != "" {
					headers = strings.Split(p.headers, "|")
				}
				if r := g.publish(p.subject, "", headers...); r.Err != nil {
					t.Fatal(r.Err)
				}
				g.now--
			}
			g.now++
			g.wait(tc.wait)
			var all []string
			for seq := g.st.State().First; seq <= g.st.State().Last; seq++ {
				if m := g.load(seq); m != "" {
					if !strings.Contains(tc.want, "|") {
						m, _, _ = strings.Cut(m, "|")
					}
					all = append(all, seqText(uint64(seq))+":"+m)
				}
			}
			if got := strings.Join(all, " "); got != tc.want {
				t.Errorf("there is %q, want %q", got, tc.want)
			}
		})
	}
}

// TestExpiryDoesNotPileUp replaces messages that would have lived for long: what is
// known of them has to go with them, however they went.
func TestExpiryDoesNotPileUp(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		remove func(*rig)
	}{
		{"by a limit", func(c *api.StreamConfig) { c.MaxMsgsPerSubject = 1 }, func(*rig) {}},
		{"by deletion", nil, func(g *rig) { g.apply(AppendDelete(nil, g.st.State().Last, false)) }},
		{"by purges of a subject", nil, func(g *rig) { g.apply(AppendPurge(nil, "s.a", 0, 0)) }},
		{"by purges that keep one", nil, func(g *rig) { g.apply(AppendPurge(nil, "", 0, 1)) }},
		{"by rollups", func(c *api.StreamConfig) { c.AllowRollup = true }, func(g *rig) { g.publish("s.b", "", "Nats-Rollup: all") }},
		{"by purges", nil, func(g *rig) { g.apply(AppendPurge(nil, "", 0, 0)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(c *api.StreamConfig) {
				c.AllowMsgTTL = true
				if tc.config != nil {
					tc.config(c)
				}
			})
			g.publish("s.keep", "", "Nats-TTL: 1h")
			for range 5000 {
				g.publish("s.a", "", "Nats-TTL: 2h")
				tc.remove(g)
			}
			if n := g.c.expiry.moments.n; n > 2500 {
				t.Errorf("%d moments for %d messages", n, g.st.State().Messages)
			}
			state, err := g.c.AppendState(nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(state) > 20_000 {
				t.Errorf("a state of %d bytes", len(state))
			}
		})
	}
}

// TestMuchIsDue has more end at once than one advance takes.
func TestMuchIsDue(t *testing.T) {
	for name, change := range map[string]func(*api.StreamConfig){
		"age":             func(c *api.StreamConfig) { c.MaxAge = time.Second },
		"age and markers": func(c *api.StreamConfig) { c.MaxAge, c.SubjectDeleteMarkerTTL = time.Second, time.Second },
		"ttl":             func(c *api.StreamConfig) { c.AllowMsgTTL = true },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, change)
			var headers []string
			if name == "ttl" {
				headers = []string{"Nats-TTL: 1"}
			}
			op := AppendStore(nil, g.message("s.a", "", headers...))
			for range g.c.maxDue + 10 {
				g.apply(op)
			}
			g.now += second
			if r := g.advance(); !r.More {
				t.Error("all at once")
			}
			if at, ok := g.c.NextDue(); !ok || at > g.now {
				t.Errorf("due at %d, %v, now is %d", at, ok, g.now)
			}
			if r := g.advance(); r.More {
				t.Error("not done in two")
			}
		})
	}
}

// TestNothingIsDue says when an idle stream need not be woken.
func TestNothingIsDue(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.MaxAge, c.AllowMsgTTL = time.Hour, true })
	if at, ok := g.c.NextDue(); ok {
		t.Errorf("an empty stream is due at %d", at)
	}
	g.publish("s.a", "", "Nats-TTL: never", "Nats-Msg-Id: x")
	g.wait(2 * time.Hour)
	if at, ok := g.c.NextDue(); ok {
		t.Errorf("a stream in which nothing ends is due at %d", at-start)
	}
	g.publish("s.b", "")
	if at, ok := g.c.NextDue(); !ok || at <= g.now {
		t.Errorf("the new message is due at %d, %v", at-g.now, ok)
	}
	g.wait(time.Hour)
	g.wantList("1:")
}

// TestLongWayToTheAged has an advance stop amid messages that never end, and one that
// was restored then go on from there.
func TestLongWayToTheAged(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.MaxAge, c.AllowMsgTTL = time.Second, true })
	g.c.maxDue = 3
	for range 10 {
		g.publish("s.a", "", "Nats-TTL: never")
	}
	g.publish("s.a", "")
	g.now += 2 * second
	g.advance()
	g.advance()
	state, err := g.c.AppendState(nil)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(state, copyStore(t, g.st))
	if err != nil {
		t.Fatal(err)
	}
	restored.maxDue = 3
	for round := 3; g.r.More; round++ {
		g.advance()
		if err := restored.Apply(appendOp(nil, KindAdvance), g.now, &Result{}); err != nil {
			t.Fatal(err)
		}
		if digest(t, g.c) != digest(t, restored) {
			t.Fatalf("the restored differs after advance %d", round)
		}
	}
	if n := g.st.State().Messages; n != 10 {
		t.Errorf("%d messages are left", n)
	}
}
