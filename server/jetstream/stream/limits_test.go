package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// TestLimits publishes 1 to 6 on s.0, s.1, s.0, s.1 and so on.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		want   string
	}{
		{"none", nil, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"messages", func(c *api.StreamConfig) { c.MaxMsgs = 3 }, "4:4 5:5 6:6"},
		{"bytes of three", func(c *api.StreamConfig) { c.MaxBytes = 3 * 20 }, "4:4 5:5 6:6"},
		{"bytes of not quite three", func(c *api.StreamConfig) { c.MaxBytes = 3*20 - 1 }, "5:5 6:6"},
		{"bytes of none", func(c *api.StreamConfig) { c.MaxBytes = 19 }, ""},
		{"per subject", func(c *api.StreamConfig) { c.MaxMsgsPerSubject = 2 }, "3:3 4:4 5:5 6:6"},
		{"per subject and messages", func(c *api.StreamConfig) { c.MaxMsgsPerSubject, c.MaxMsgs = 2, 3 }, "4:4 5:5 6:6"},
		{"new ones go", func(c *api.StreamConfig) { c.Discard, c.MaxMsgs = api.DiscardNew, 3 }, "1:1 2:2 3:3"},
		{
			"new ones go, but may replace", func(c *api.StreamConfig) { c.Discard, c.MaxMsgs, c.MaxMsgsPerSubject = api.DiscardNew, 2, 1 },
			"3:5 4:6",
		},
		{
			"new ones on a full subject go",
			func(c *api.StreamConfig) {
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = api.DiscardNew, true, 2
			},
			"1:1 2:2 3:3 4:4",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, tc.config)
			for i := range 6 {
				g.publish(fmt.Sprintf("s.%d", i%2), fmt.Sprint(i+1))
			}
			if tc.name == "new ones go, but may replace" {
				// 3 and 4 took the places of 1 and 2, and 5 and 6 theirs.
				g.wantList("5:5 6:6")
				return
			}
			g.wantList(tc.want)
		})
	}
}

func TestLimitsOfAnUpdate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*api.StreamConfig)
		want   string
	}{
		{"messages", func(c *api.StreamConfig) { c.MaxMsgs = 2 }, "5:5 6:6"},
		{"bytes", func(c *api.StreamConfig) { c.MaxBytes = 20 }, "6:6"},
		{"per subject", func(c *api.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "5:5 6:6"},
		{"nobody is discarded for new ones", func(c *api.StreamConfig) { c.MaxMsgs, c.Discard = 2, api.DiscardNew }, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{
			"nobody is discarded for new ones on a subject",
			func(c *api.StreamConfig) {
				c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = api.DiscardNew, true, 1
			},
			"1:1 2:2 3:3 4:4 5:5 6:6",
		},
		{"sealed", func(c *api.StreamConfig) { c.Sealed, c.MaxMsgs, c.MaxMsgsPerSubject = true, 2, 1 }, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"interest of nobody", func(c *api.StreamConfig) { c.Retention = api.RetainInterest }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, nil)
			for i := range 6 {
				g.publish(fmt.Sprintf("s.%d", i%2), fmt.Sprint(i+1))
			}
			if r := g.update(tc.change); !r.ConfigChanged {
				t.Error("nothing is said of the change")
			}
			g.wantList(tc.want)
		})
	}
}

func TestRemovedIsTold(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.MaxMsgs = 2 })
	g.publish("s.a", "1")
	g.publish("s.b", "2")
	r := g.publish("s.c", "3")
	want := store.Removed{Seq: 1, Size: store.MemorySize(3, 0, 1), Subject: "s.a"}
	if len(r.Removed) != 1 || r.Removed[0] != want || r.Stored != (store.Range{First: 3, Last: 3}) {
		t.Errorf("stored %v, removed %+v, want %+v", r.Stored, r.Removed, want)
	}
}

func TestRollup(t *testing.T) {
	for _, tc := range []struct{ header, want string }{
		{"Nats-Rollup: sub", "2:2 4:4 5:new"},
		{"Nats-Rollup: all", "5:new"},
	} {
		t.Run(tc.header, func(t *testing.T) {
			g := newRig(t, func(c *api.StreamConfig) { c.AllowRollup = true })
			for i := range 4 {
				g.publish(fmt.Sprintf("s.%d", i%2), fmt.Sprint(i+1))
			}
			if r := g.publish("s.0", "new", tc.header); r.Seq != 5 {
				t.Errorf("stored as %d", r.Seq)
			}
			g.wantList(tc.want)
		})
	}
}

func TestRemoval(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		op     []byte
		err    string
		count  uint64
		want   string
	}{
		{"delete", nil, AppendDelete(nil, 3, true), "", 1, "1:1 2:2 4:4 5:5 6:6"},
		{"delete what is not there", nil, AppendDelete(nil, 7, true), "no message found (10057)", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"delete what is gone", func(c *api.StreamConfig) { c.MaxMsgs = 5 }, AppendDelete(nil, 1, true), "sequence 1 not found (10043)", 0, "2:2 3:3 4:4 5:5 6:6"},
		{"delete denied", func(c *api.StreamConfig) { c.DenyDelete = true }, AppendDelete(nil, 3, false), "message delete not permitted (10057)", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"erasure denied", func(c *api.StreamConfig) { c.DenyDelete = true }, AppendDelete(nil, 3, true), "message delete not permitted (10057)", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"purge", nil, AppendPurge(nil, "", 0, 0), "", 6, ""},
		{"purge denied", func(c *api.StreamConfig) { c.DenyPurge = true }, AppendPurge(nil, "", 0, 0), "stream purge not permitted (10110)", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"purge in front", nil, AppendPurge(nil, "", 3, 0), "", 2, "3:3 4:4 5:5 6:6"},
		{"purge in front of the first", nil, AppendPurge(nil, "", 1, 0), "", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"purge far behind", nil, AppendPurge(nil, "", 99, 0), "", 6, ""},
		{"purge all but two", nil, AppendPurge(nil, "", 0, 2), "", 4, "5:5 6:6"},
		{"purge a subject", nil, AppendPurge(nil, "s.0", 0, 0), "", 3, "2:2 4:4 6:6"},
		{"purge a pattern in front", nil, AppendPurge(nil, "s.*", 4, 0), "", 3, "4:4 5:5 6:6"},
		{"purge all but one of a subject", nil, AppendPurge(nil, "s.1", 0, 1), "", 2, "1:1 3:3 5:5 6:6"},
		{"purge in front and keep", nil, AppendPurge(nil, "", 3, 2), "bad request (10003)", 0, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"reset", nil, AppendReset(nil, 50), "", 6, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, tc.config)
			for i := range 6 {
				g.publish(fmt.Sprintf("s.%d", i%2), fmt.Sprint(i+1))
			}
			r := g.apply(tc.op)
			wantErr(t, r.Err, tc.err)
			if r.Count != tc.count {
				t.Errorf("%d messages, want %d", r.Count, tc.count)
			}
			if told := uint64(len(r.Removed)) + r.Swept; told != tc.count {
				t.Errorf("of %d messages is told that they are gone, want %d", told, tc.count)
			}
			g.wantList(tc.want)
		})
	}
}

func TestSealed(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.AllowMsgTTL, c.MaxAge = true, time.Hour
	})
	g.publish("s.a", "1", "Nats-TTL: 1")
	g.update(func(c *api.StreamConfig) { c.Sealed = true })
	for _, op := range [][]byte{
		AppendStore(nil, g.message("s.a", "2")), AppendDelete(nil, 1, false), AppendPurge(nil, "", 0, 0),
	} {
		if r := g.apply(op); r.Err != api.ErrStreamSealed {
			t.Errorf("%v: %v", r.Kind, r.Err)
		}
	}
	g.wait(2 * time.Hour)
	g.advance()
	g.wantList("1:1")
}

// TestSealedKeepsWhatIsDoneWith has the consumers of a sealed stream go on.
func TestSealedKeepsWhatIsDoneWith(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainInterest, api.RetainWorkQueue} {
		g := newRig(t, func(c *api.StreamConfig) { c.Retention = retention })
		g.apply(AppendConsumer(nil, "a", 0, false, nil))
		g.publish("s.a", "1")
		g.publish("s.b", "2")
		g.update(func(c *api.StreamConfig) { c.Sealed = true })
		g.apply(AppendAcked(nil, "a", 1, nil))
		g.apply(AppendConsumer(nil, "a", 0, false, []string{"s.a"}))
		g.apply(AppendConsumerGone(nil, "a"))
		g.wantList("1:1 2:2")
	}
}

// TestResetForgets compares a stream that was reset with one that never had anything.
func TestResetForgets(t *testing.T) {
	g, fresh := newRig(t, configurations["everything"]), newRig(t, configurations["everything"])
	g.publish("s.a", "", "Nats-Msg-Id: x", "Nats-TTL: 60")
	g.publish("s.b", "", "Nats-Msg-Id: y", "Nats-TTL: never")
	g.publish("s.c", "", "Nats-Msg-Id: z", "Nats-Schedule: @every 1m", "Nats-Schedule-Target: s.t")
	g.apply(AppendReset(nil, 5))
	fresh.now = g.now - 1
	fresh.apply(AppendReset(nil, 5))
	if digest(t, g.c) != digest(t, fresh.c) {
		t.Error("something is left")
	}
}

func TestFirstSequence(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.FirstSeq = 100 })
	wantErr(t, g.publish("s.a", "x", "Nats-Expected-Last-Sequence: 0").Err, "wrong last sequence: 99 (10071)")
	g.publish("s.a", "x", "Nats-Expected-Last-Sequence: 99")
	g.wantList("100:x")

	g.apply(AppendReset(nil, 7))
	g.publish("s.a", "y")
	g.wantList("7:y")
}
