package stream

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func configOp(t testing.TB, cfg *api.StreamConfig) []byte {
	t.Helper()
	body, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return AppendConfig(nil, body)
}

// TestRefusals asks each rule about publishes for its error. Each case begins with two
// messages on s.x, the second with the id "two".
func TestRefusals(t *testing.T) {
	allow := func(c *api.StreamConfig) {
		c.AllowRollup, c.AllowMsgTTL, c.AllowMsgSchedules = true, true, true
	}
	for _, tc := range []struct {
		name    string
		config  func(*api.StreamConfig)
		subject string // s.x if empty
		data    string
		headers string // separated by "|"
		want    string
	}{
		{name: "plain"},
		{name: "with a header", headers: "A: b"},

		{name: "as large as allowed", config: func(c *api.StreamConfig) { c.MaxMsgSize = 31 }, data: strings.Repeat("x", 31)},
		{name: "larger than allowed", config: func(c *api.StreamConfig) { c.MaxMsgSize = 31 }, data: strings.Repeat("x", 32), want: "message size exceeds maximum allowed (10054)"},
		{name: "headers count as well", config: func(c *api.StreamConfig) { c.MaxMsgSize = 31 }, data: "0123456789", headers: "A: 0123456789", want: "message size exceeds maximum allowed (10054)"},
		{name: "headers of 64 KiB", headers: "A: " + strings.Repeat("x", 1<<16), want: "header size exceeds maximum allowed of 64k (10097)"},
		{name: "a record of 32 MiB", data: strings.Repeat("x", 32<<20), want: "message too large (10077)"},

		{name: "this stream", headers: "Nats-Expected-Stream: S"},
		{name: "a header that comes twice", headers: "Nats-Expected-Stream: S|Nats-Expected-Stream: T"},
		{name: "another stream", headers: "Nats-Expected-Stream: T", want: "expected stream does not match (10060)"},
		{name: "last sequence", headers: "Nats-Expected-Last-Sequence: 2"},
		{name: "an old last sequence", headers: "Nats-Expected-Last-Sequence: 1", want: "wrong last sequence: 2 (10071)"},
		{name: "a last sequence that is no number", headers: "Nats-Expected-Last-Sequence: x", want: "wrong last sequence: 2 (10071)"},
		{name: "an empty expectation is none", headers: "Nats-Expected-Last-Sequence: "},
		{name: "last on the subject", headers: "Nats-Expected-Last-Subject-Sequence: 2"},
		{name: "an old one", headers: "Nats-Expected-Last-Subject-Sequence: 1", want: "wrong last sequence: 2 (10071)"},
		{name: "none expected, but there is one", headers: "Nats-Expected-Last-Subject-Sequence: 0", want: "wrong last sequence: 2 (10071)"},
		{name: "none expected, and there is none", subject: "s.new", headers: "Nats-Expected-Last-Subject-Sequence: 0"},
		{name: "one expected, but there is none", subject: "s.new", headers: "Nats-Expected-Last-Subject-Sequence: 2", want: "wrong last sequence: 0 (10071)"},
		{name: "last on another subject", subject: "s.new", headers: "Nats-Expected-Last-Subject-Sequence: 2|Nats-Expected-Last-Subject-Sequence-Subject: s.x"},
		{name: "not last on another subject", headers: "Nats-Expected-Last-Subject-Sequence: 2|Nats-Expected-Last-Subject-Sequence-Subject: s.y", want: "wrong last sequence: 0 (10071)"},
		{name: "last of a pattern", subject: "s.new", headers: "Nats-Expected-Last-Subject-Sequence: 2|Nats-Expected-Last-Subject-Sequence-Subject: s.*"},
		{name: "not last of a pattern", subject: "s.new", headers: "Nats-Expected-Last-Subject-Sequence: 1|Nats-Expected-Last-Subject-Sequence-Subject: s.>", want: "wrong last sequence: 2 (10071)"},
		{name: "nothing matches the pattern", headers: "Nats-Expected-Last-Subject-Sequence: 0|Nats-Expected-Last-Subject-Sequence-Subject: t.*"},
		{name: "a pattern that is none", headers: "Nats-Expected-Last-Subject-Sequence: 0|Nats-Expected-Last-Subject-Sequence-Subject: s..x"},
		{name: "another subject alone", headers: "Nats-Expected-Last-Subject-Sequence-Subject: s.x", want: "missing sequence for expected last sequence per subject (10193)"},
		{name: "last message id", headers: "Nats-Expected-Last-Msg-Id: two"},
		{name: "another last message id", headers: "Nats-Expected-Last-Msg-Id: one", want: "wrong last msg ID: two (10070)"},
		{name: "duplicates come before expectations", headers: "Nats-Msg-Id: two|Nats-Expected-Last-Sequence: 77"},

		{name: "rollup not allowed", headers: "Nats-Rollup: sub", want: "rollup not permitted (10111)"},
		{name: "rollup allowed", config: allow, headers: "Nats-Rollup: sub"},
		{name: "rollup in capitals", config: allow, headers: "Nats-Rollup: ALL"},
		{name: "another rollup", config: allow, headers: "Nats-Rollup: some", want: `rollup value invalid: "some" (10111)`},

		{name: "ttl not allowed", headers: "Nats-TTL: 5", want: "per-message TTL is disabled (10166)"},
		{name: "bad ttl not allowed", headers: "Nats-TTL: x", want: "per-message TTL is disabled (10166)"},
		{name: "ttl in seconds", config: allow, headers: "Nats-TTL: 5"},
		{name: "ttl as a duration", config: allow, headers: "Nats-TTL: 5m"},
		{name: "no ttl", config: allow, headers: "Nats-TTL: never"},
		{name: "ttl of 0", config: allow, headers: "Nats-TTL: 0", want: "invalid per-message TTL (10165)"},
		{name: "ttl too short", config: allow, headers: "Nats-TTL: 500ms", want: "invalid per-message TTL (10165)"},

		{name: "forged source", headers: "Nats-Stream-Source: T 1 > > t", want: "message stream source header is not allowed (10227)"},
		{name: "increment of no counter", headers: "Nats-Incr: 1", want: "message counters is disabled (10168)"},
		{name: "bad increment of no counter", headers: "Nats-Incr: x", want: "message counter increment is invalid (10171)"},

		{name: "schedules not allowed", headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y", want: "message schedules is disabled (10188)"},
		{name: "bad schedules not allowed", headers: "Nats-Schedule: x", want: "message schedules is disabled (10188)"},
		{name: "schedule", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y"},
		{name: "schedule by cron in a zone", config: allow, headers: "Nats-Schedule: 0 0 9 * * *|Nats-Schedule-Time-Zone: Europe/Berlin|Nats-Schedule-Target: s.y"},
		{name: "schedule with rollup", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Rollup: sub"},
		{name: "schedule with another rollup", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Rollup: all", want: "message schedules invalid rollup (10192)"},
		{name: "schedule with rollup of its messages", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Rollup: sub"},
		{name: "schedule with another rollup of its messages", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Rollup: all", want: "message schedules invalid rollup (10192)"},
		{name: "no pattern", config: allow, headers: "Nats-Schedule: x|Nats-Schedule-Target: s.y", want: "message schedules pattern is invalid (10189)"},
		{name: "zone without cron", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Time-Zone: UTC|Nats-Schedule-Target: s.y", want: "message schedules pattern is invalid (10189)"},
		{name: "unknown zone", config: allow, headers: "Nats-Schedule: @daily|Nats-Schedule-Time-Zone: Nowhere|Nats-Schedule-Target: s.y", want: "message schedules time zone is invalid (10223)"},
		{name: "empty zone", config: allow, headers: "Nats-Schedule: @daily|Nats-Schedule-Time-Zone: |Nats-Schedule-Target: s.y", want: "message schedules time zone is invalid (10223)"},
		{name: "no target", config: allow, headers: "Nats-Schedule: @every 5s", want: "message schedules target is invalid (10190)"},
		{name: "target elsewhere", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: t.y", want: "message schedules target is invalid (10190)"},
		{name: "target is a pattern", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.*", want: "message schedules target is invalid (10190)"},
		{name: "target is the schedule", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.x", want: "message schedules target is invalid (10190)"},
		{name: "schedule with source", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Source: s.z"},
		{name: "source is the target", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Source: s.y", want: "message schedules source is invalid (10203)"},
		{name: "source is the schedule", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Source: s.x", want: "message schedules source is invalid (10203)"},
		{name: "source elsewhere", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Source: t.z", want: "message schedules source is invalid (10203)"},
		{name: "source is a pattern", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-Source: s.*", want: "message schedules source is invalid (10203)"},
		{name: "schedule with ttl", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-TTL: 5m"},
		{name: "schedule with bad ttl", config: allow, headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-TTL: x", want: "message schedules invalid per-message TTL (10191)"},
		{
			name: "schedule with ttl, which is not allowed", config: func(c *api.StreamConfig) { c.AllowMsgSchedules = true },
			headers: "Nats-Schedule: @every 5s|Nats-Schedule-Target: s.y|Nats-Schedule-TTL: 5m", want: "per-message TTL is disabled (10166)",
		},
		{name: "end of no schedule", config: allow, headers: "Nats-Schedule-Next: purge|Nats-Scheduler: s.y", want: "message schedules invalid scheduler (10212)"},
		{name: "end of what is no schedule", config: allow, subject: "s.y", headers: "Nats-Schedule-Next: purge|Nats-Scheduler: s.x", want: "message schedules invalid scheduler (10212)"},
		{name: "end of itself", config: allow, headers: "Nats-Schedule-Next: purge|Nats-Scheduler: s.x", want: "message schedules invalid scheduler (10212)"},
		{name: "end without a scheduler", config: allow, headers: "Nats-Schedule-Next: purge", want: "message schedules invalid scheduler (10212)"},
		{name: "what comes from a scheduler elsewhere", headers: "Nats-Schedule-Next: purge|Nats-Scheduler: t.y"},

		{
			name: "full by messages", config: func(c *api.StreamConfig) { c.Discard, c.MaxMsgs = api.DiscardNew, 2 },
			want: "maximum messages exceeded (10077)",
		},
		{
			name: "full by bytes", config: func(c *api.StreamConfig) { c.Discard, c.MaxBytes = api.DiscardNew, 90 }, data: "12345678",
			want: "maximum bytes exceeded (10077)",
		},
		{
			name: "room for this message", config: func(c *api.StreamConfig) { c.Discard, c.MaxBytes = api.DiscardNew, 110 }, data: "12345678",
		},
		{
			name: "takes the place of another on its subject",
			config: func(c *api.StreamConfig) {
				c.Discard, c.MaxMsgs, c.MaxMsgsPerSubject = api.DiscardNew, 2, 2
			},
		},
		{
			name: "has no other to take the place of", subject: "s.y",
			config: func(c *api.StreamConfig) {
				c.Discard, c.MaxMsgs, c.MaxMsgsPerSubject = api.DiscardNew, 2, 2
			},
			want: "maximum messages exceeded (10077)",
		},
		{
			name: "takes the place of one as large", data: "1",
			config: func(c *api.StreamConfig) {
				c.Discard, c.MaxBytes, c.MaxMsgsPerSubject = api.DiscardNew, 75, 2
			},
		},
		{
			name: "takes the place of a smaller one", data: "12345",
			config: func(c *api.StreamConfig) {
				c.Discard, c.MaxBytes, c.MaxMsgsPerSubject = api.DiscardNew, 75, 2
			},
			want: "maximum bytes exceeded (10077)",
		},
		{
			name: "the subject is full",
			config: func(c *api.StreamConfig) {
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = api.DiscardNew, true, 2
			},
			want: "maximum messages per subject exceeded (10077)",
		},
		{
			name: "the subject is full, but will be rolled up", headers: "Nats-Rollup: sub",
			config: func(c *api.StreamConfig) {
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject, c.AllowRollup = api.DiscardNew, true, 2, true
			},
		},
		{
			name: "another subject has room", subject: "s.y",
			config: func(c *api.StreamConfig) {
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = api.DiscardNew, true, 2
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, tc.config)
			g.publish("s.x", "a")
			g.publish("s.x", "b", "Nats-Msg-Id: two")
			before := g.st.State()
			var headers []string
			if tc.headers != "" {
				headers = strings.Split(tc.headers, "|")
			}
			subject := tc.subject
			if subject == "" {
				subject = "s.x"
			}
			r := g.publish(subject, tc.data, headers...)
			wantErr(t, r.Err, tc.want)
			switch state := g.st.State(); {
			case tc.want != "" && state != before:
				t.Errorf("the store was %+v, is %+v", before, state)
			case tc.want == "" && !r.Duplicate && (state.Last != 3 || r.Seq != 3):
				t.Errorf("stored as %d, last is %d", r.Seq, state.Last)
			}
		})
	}
}

func TestDuplicates(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.DuplicateWindow = 10_000_000_000 })
	g.publish("s.a", "1", "Nats-Msg-Id: x")
	if r := g.publish("s.b", "2", "Nats-Msg-Id: x"); !r.Duplicate || r.Seq != 1 || r.Stored.Last != 0 {
		t.Errorf("the same id gives %+v", r)
	}
	g.apply(AppendPurge(nil, "", 0, 0))
	if r := g.publish("s.b", "2", "Nats-Msg-Id: x"); !r.Duplicate || r.Seq != 1 {
		t.Errorf("after a purge the same id gives %+v", r)
	}
	g.now = start + 1 + 10*second - 2
	if r := g.publish("s.b", "2", "Nats-Msg-Id: x"); !r.Duplicate {
		t.Errorf("just before the end of the window the same id gives %+v", r)
	}
	if r := g.publish("s.b", "3", "Nats-Msg-Id: x"); r.Duplicate || r.Seq != 2 {
		t.Errorf("at the end of the window the same id gives %+v", r)
	}
	g.wantList("2:3")
	g.update(func(c *api.StreamConfig) { c.DuplicateWindow = 100_000_000 })
	g.now += second
	if r := g.publish("s.b", "4", "Nats-Msg-Id: x"); r.Duplicate {
		t.Error("a shorter window does not count at once")
	}
}

// TestTimeDoesNotGoBack has the clock of another leader be behind.
func TestTimeDoesNotGoBack(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.DuplicateWindow = 10 * time.Second })
	g.publish("s.a", "1", "Nats-Msg-Id: x")
	g.now += 10 * second
	g.publish("s.a", "2")
	g.now -= 5 * second
	if r := g.publish("s.a", "3", "Nats-Msg-Id: x"); r.Duplicate {
		t.Error("an id is known again")
	}
}

// TestTransform has a subject rewritten before anything else looks at it.
func TestTransform(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.Subjects = []string{"s.>", "t.>"}
		c.SubjectTransform = &api.SubjectTransform{Source: "s.*", Destination: "t.$1.{{random(4)}}.{{partition(3,1)}}"}
	})
	g.publish("s.a", "1")
	g.publish("other.x", "2")
	first := g.load(1)
	if !strings.HasPrefix(first, "t.a.") || strings.Count(first, ".") != 3 {
		t.Errorf("stored as %q", first)
	}
	if got := g.load(2); got != "other.x|2" {
		t.Errorf("what does not match is stored as %q", got)
	}
	g.update(func(c *api.StreamConfig) { c.AllowAtomic = true })
	var batch []*Message
	for range 20 {
		batch = append(batch, g.message("s.b", ""))
	}
	g.apply(batchOp(batch...))
	if n := g.st.State().Subjects; n != 6 {
		t.Errorf("%d subjects: chance gives the messages of a batch the same", n)
	}
	subject, _, _ := strings.Cut(first, "|")
	wantErr(t, g.publish("u", "3", "Nats-Expected-Last-Subject-Sequence: 1", "Nats-Expected-Last-Subject-Sequence-Subject: "+subject).Err, "")
}

func TestRepublish(t *testing.T) {
	for _, tc := range []struct {
		name        string
		republish   api.RePublish
		wantSubject string
		want        string
	}{
		{
			"all of it",
			api.RePublish{Source: "s.>", Destination: "out.>"},
			"out.x",
			"A: b|Nats-Stream: S|Nats-Subject: s.x|Nats-Sequence: 2|Nats-Time-Stamp: 2023-11-14T22:13:20.000000002Z|Nats-Last-Sequence: 1|two",
		},
		{
			"headers only",
			api.RePublish{Source: "s.*", Destination: "out.$1", HeadersOnly: true},
			"out.x",
			"A: b|Nats-Stream: S|Nats-Subject: s.x|Nats-Sequence: 2|Nats-Time-Stamp: 2023-11-14T22:13:20.000000002Z|Nats-Last-Sequence: 1|Nats-Msg-Size: 3|",
		},
		{"something else", api.RePublish{Source: "s.y", Destination: "out.y"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(c *api.StreamConfig) { c.RePublish = &tc.republish })
			g.publish("s.x", "one")
			r := g.publish("s.x", "two", "A: b")
			if tc.want == "" {
				if len(r.Republish) != 0 {
					t.Errorf("republished %q", r.Republish)
				}
				return
			}
			if len(r.Republish) != 1 {
				t.Fatalf("republished %d messages", len(r.Republish))
			}
			p := r.Republish[0]
			got := strings.TrimPrefix(strings.ReplaceAll(string(p.Header), "\r\n", "|"), "NATS/1.0|")
			got = strings.Replace(got, "||", "|", 1) + string(p.Data)
			if string(p.Subject) != tc.wantSubject || got != tc.want {
				t.Errorf("republished to %q: %q, want %q", p.Subject, got, tc.want)
			}
			g.r.Effects = false
			if r := g.publish("s.x", "three"); len(r.Republish) != 0 {
				t.Error("republished though it does not lead")
			}
		})
	}
}
