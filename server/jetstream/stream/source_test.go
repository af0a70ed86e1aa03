package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func TestMirror(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Mirror = &api.StreamSource{Name: "O"} })
	take := func(seq store.Seq, time int64, data string, headers ...string) *Result {
		return g.apply(AppendCopy(nil, seq, time, &Message{Subject: []byte("o.x"), Header: block(headers...), Data: []byte(data)}))
	}
	take(5, start-9, "five")
	if r := take(8, start-7, "eight", "A: b", "Nats-Expected-Last-Sequence: 7", "Nats-Batch-Id: 1", "Nats-Msg-Id: m", "Nats-Stream-Source: T 1 > > t"); r.Stored != (store.Range{First: 6, Last: 8}) {
		t.Errorf("stored as %v", r.Stored)
	}
	if r := take(8, start-7, "again"); !r.Duplicate {
		t.Error("stored twice")
	}
	take(9, start-8, "nine", "Nats-Msg-Id: m", "Nats-TTL: 1")
	if r := g.apply(AppendSkip(nil, 20)); r.Stored != (store.Range{First: 10, Last: 20}) {
		t.Errorf("skipped %v", r.Stored)
	}
	if r := g.apply(AppendSkip(nil, 20)); !r.Duplicate || r.Stored.Last != 0 {
		t.Errorf("skipped twice: %+v", r)
	}
	take(21, start+3600*second, "last")
	g.wantList("5:five 8:eight 9:nine 21:last")
	if got, want := g.load(8), "o.x|A: b|Nats-Msg-Id: m|Nats-Stream-Source: T 1 > > t|eight"; got != want {
		t.Errorf("stored %q, want %q", got, want)
	}
	var m store.Message
	if err := g.st.Load(9, &m); err != nil || m.Time != start-7 {
		t.Errorf("time %d, which would go back, err %v", m.Time-start, err)
	}
	if r := g.publish("o.x", "mine"); r.Err != api.ErrStreamInvalid {
		t.Errorf("a publish to a mirror gives %v", r.Err)
	}

	// Promoted, it goes on by itself.
	g.update(func(c *api.StreamConfig) {
		c.Mirror, c.Subjects = nil, []string{"o.>"}
	})
	if r := g.publish("o.x", "mine"); r.Err != nil || r.Seq != 22 {
		t.Errorf("after the promotion %v, as %d", r.Err, r.Seq)
	}
	// The clocks of the origin were ahead.
	if state := g.st.State(); state.LastTime != start+3600*second {
		t.Errorf("time %d", state.LastTime-start)
	}
}

// TestMirrorWithTransform has a mirror give what it copies its own subjects.
func TestMirrorWithTransform(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.Mirror = &api.StreamSource{Name: "O"}
		c.SubjectTransform = &api.SubjectTransform{Source: "o.*", Destination: "mine.$1"}
	})
	g.apply(AppendCopy(nil, 1, start, &Message{Subject: []byte("o.x")}))
	if got, want := g.load(1), "mine.x|"; got != want {
		t.Errorf("stored %q, want %q", got, want)
	}
}

// TestCopiedSchedules has schedules come to where they are not for: they fire in the
// stream that they were published to.
func TestCopiedSchedules(t *testing.T) {
	from := &api.StreamSource{Name: "A"}
	mirror := func(c *api.StreamConfig) { c.Mirror = from }
	sources := func(c *api.StreamConfig) { c.Sources = []*api.StreamSource{from} }
	for _, tc := range []struct {
		name   string
		config func(*api.StreamConfig)
		op     func(*Message) []byte
	}{
		{"copied", mirror, func(m *Message) []byte { return AppendCopy(nil, 1, start, m) }},
		{"from a source", sources, func(m *Message) []byte {
			return AppendSource(nil, &Origin{Source: from.Key(), Seq: 1, Subject: m.Subject}, m)
		}},
		{"restored", sources, func(m *Message) []byte { return AppendRestore(nil, 1, start, m) }},
	} {
		g := newRig(t, tc.config)
		r := g.apply(tc.op(g.message("s.x", "", "Nats-Schedule: @every 5s", "Nats-Schedule-Target: s.y")))
		if at, ok := g.c.NextDue(); ok || r.Seq != 1 {
			t.Errorf("%s: stored as %d, due at %d", tc.name, r.Seq, at-start)
		}
	}
}

// TestTTLsOfSources has messages come with a TTL that a client could not give them.
func TestTTLsOfSources(t *testing.T) {
	from := &api.StreamSource{Name: "A"}
	for _, tc := range []struct {
		allowed bool
		ttl     string
		ends    bool
	}{{false, "1s", false}, {true, "soon", false}, {true, "1s", true}} {
		g := newRig(t, func(c *api.StreamConfig) { c.AllowMsgTTL, c.Sources = tc.allowed, []*api.StreamSource{from} })
		r := g.apply(AppendSource(nil, &Origin{Source: from.Key(), Seq: 1, Subject: []byte("o")}, g.message("s.x", "", "Nats-TTL: "+tc.ttl)))
		wantErr(t, r.Err, "")
		if !strings.Contains(g.load(1), "|Nats-TTL: "+tc.ttl+"|") {
			t.Errorf("stored as %q", g.load(1))
		}
		g.wait(time.Second)
		if gone := g.load(1) == ""; gone != tc.ends {
			t.Errorf("TTL %q, which is allowed: %v: the message has ended: %v", tc.ttl, tc.allowed, gone)
		}
	}
}

func TestSources(t *testing.T) {
	plain := &api.StreamSource{Name: "A"}
	other := &api.StreamSource{
		Name: "B", External: &api.ExternalStream{APIPrefix: "$JS.hub.API"},
		SubjectTransforms: []api.SubjectTransform{{Source: "b.>", Destination: "s.>"}, {Source: "c.*"}},
		Consumer:          nil,
	}
	g := newRig(t, func(c *api.StreamConfig) {
		c.Sources, c.DuplicateWindow = []*api.StreamSource{plain, other}, time.Minute
	})
	take := func(from *api.StreamSource, identity string, seq store.Seq, data string, headers ...string) *Result {
		return g.apply(AppendSource(nil, &Origin{Source: from.Key(), Identity: identity, Seq: seq, Subject: []byte("orig")},
			&Message{Subject: []byte("s.x"), Header: block(headers...), Data: []byte(data)}))
	}
	take(plain, "", 3, "a3", "Nats-Expected-Last-Sequence: 2", "Nats-Stream-Source: Z 1 > > z", "C: d")
	take(other, "id1", 7, "b7")
	for seq, want := range map[store.Seq]string{
		1: "s.x|C: d|Nats-Stream-Source: A 3 > > orig|a3",
		2: "s.x|Nats-Stream-Source: B:" + shortHash("$JS.hub.API") + " 7 b.>\fc.* s.>\f> orig id1|b7",
	} {
		if got := g.load(seq); got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	}

	if r := take(plain, "", 3, "again"); !r.Duplicate {
		t.Error("stored twice")
	}
	take(plain, "", 4, "a4", "Nats-Msg-Id: m")
	if r := take(plain, "", 5, "a5", "Nats-Msg-Id: m"); !r.Duplicate || r.Seq != 3 {
		t.Errorf("an id that is known gives %+v", r)
	}
	if r := take(plain, "", 6, "a6", "Nats-Rollup: all"); r.Err != nil {
		t.Errorf("a rollup that a client could not do: %v", r.Err)
	}
	g.wantList("4:a6")
	if seq, _ := g.c.SourcePosition(plain.Key()); seq != 6 {
		t.Errorf("position %d", seq)
	}

	// The origin was created anew.
	take(other, "id2", 1, "b1")
	if seq, id := g.c.SourcePosition(other.Key()); seq != 1 || id != "id2" {
		t.Errorf("position %d of %q", seq, id)
	}

	// What is not a source any more is passed over.
	g.update(func(c *api.StreamConfig) { c.Sources = c.Sources[:1] })
	take(other, "id2", 2, "b2")
	g.wantList("4:a6 5:b1")
	if seq, _ := g.c.SourcePosition(other.Key()); seq != 0 {
		t.Errorf("position %d of what is no source", seq)
	}
}

// TestSourceOfAFullStream comes back to a message that there was no room for.
func TestSourceOfAFullStream(t *testing.T) {
	from := &api.StreamSource{Name: "A"}
	g := newRig(t, func(c *api.StreamConfig) {
		c.Sources = []*api.StreamSource{from}
		c.Discard, c.MaxMsgs, c.MaxMsgSize = api.DiscardNew, 1, 100
	})
	take := func(seq store.Seq, data string) *Result {
		return g.apply(AppendSource(nil, &Origin{Source: from.Key(), Seq: seq, Subject: []byte("o")}, &Message{Subject: []byte("s.x"), Data: []byte(data)}))
	}
	take(1, "1")
	wantErr(t, take(2, "2").Err, "maximum messages exceeded (10077)")
	if seq, _ := g.c.SourcePosition(from.Key()); seq != 1 {
		t.Errorf("position %d", seq)
	}
	g.apply(AppendPurge(nil, "", 0, 0))
	wantErr(t, take(2, "2").Err, "")
	// What can never be stored is left behind.
	g.apply(AppendPurge(nil, "", 0, 0))
	wantErr(t, take(3, string(make([]byte, 100))).Err, "message size exceeds maximum allowed (10054)")
	if seq, _ := g.c.SourcePosition(from.Key()); seq != 3 {
		t.Errorf("position %d", seq)
	}
}
