package stream

import (
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// restored applies the op that restores a message.
func (g *rig) restored(seq store.Seq, time int64, subject, data string, headers ...string) *Result {
	m := &Message{Subject: []byte(subject), Data: []byte(data)}
	if len(headers) > 0 {
		m.Header = block(headers...)
	}
	return g.apply(AppendRestore(nil, seq, time, m))
}

// A message of a backup is stored as it is, whatever would become of one that is
// published.
func TestRestoredAsItWas(t *testing.T) {
	for name, change := range map[string]func(*api.StreamConfig){
		"plain": nil,
		"transform": func(c *api.StreamConfig) {
			c.SubjectTransform = &api.SubjectTransform{Source: "s.>", Destination: "s.y.>"}
		},
		"republish": func(c *api.StreamConfig) { c.RePublish = &api.RePublish{Source: ">", Destination: "copy.>"} },
		"mirror": func(c *api.StreamConfig) {
			c.Mirror = &api.StreamSource{Name: "O", SubjectTransforms: []api.SubjectTransform{{Source: "s.>", Destination: "s.z.>"}}}
		},
		"interest":    func(c *api.StreamConfig) { c.Retention = api.RetainInterest },
		"discard new": func(c *api.StreamConfig) { c.Discard, c.MaxMsgs = api.DiscardNew, 1 },
	} {
		g := newRig(t, change)
		g.r.Effects = true
		g.restored(5, start-9*second, "s.x", "five", "Nats-Expected-Last-Sequence: 7", "Nats-Batch-Id: 1")
		if r := g.restored(8, start-10*second, "elsewhere", ""); r.Stored != (store.Range{First: 6, Last: 8}) || len(r.Republish) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
		if r := g.restored(8, start, "s.x", "again"); !r.Duplicate {
			t.Errorf("%s: stored twice", name)
		}
		if got, want := g.load(5), "s.x|Nats-Expected-Last-Sequence: 7|Nats-Batch-Id: 1|five"; got != want {
			t.Errorf("%s: stored %q, want %q", name, got, want)
		}
		g.apply(AppendRestoreEnd(nil, 11, start-3*second))
		if r := g.apply(AppendRestoreEnd(nil, 11, start)); !r.Duplicate {
			t.Errorf("%s: ended twice", name)
		}
		want := store.State{Messages: 2, Bytes: g.st.State().Bytes, First: 5, Last: 11, FirstTime: start - 9*second, LastTime: start - 3*second, Subjects: 2, Deleted: 5}
		if state := g.st.State(); state != want {
			t.Errorf("%s: %+v, want %+v", name, state, want)
		}
	}
}

// The limits of the stream hold for what is restored.
func TestRestoredWithinLimits(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) {
		c.MaxMsgs, c.MaxMsgsPerSubject, c.AllowMsgTTL = 3, 2, true
	})
	for seq := store.Seq(1); seq <= 5; seq++ {
		g.restored(seq, start-10*second, []string{"s.a", "s.b"}[seq%2], "x", "Nats-TTL: 11s")
	}
	g.wantList("3:x 4:x 5:x")
	g.wait(2 * time.Second)
	if n := g.st.State().Messages; n != 0 {
		t.Errorf("%d messages behind their TTL", n)
	}
}

// Restored messages keep the ids by which duplicates are found, and tell how far the
// sources are in that they came from.
func TestRestoredKnowledge(t *testing.T) {
	one := &api.StreamSource{Name: "A"}
	two := &api.StreamSource{Name: "A", FilterSubject: "b.>"}
	g := newRig(t, func(c *api.StreamConfig) {
		c.Sources, c.DuplicateWindow = []*api.StreamSource{one, two}, time.Minute
	})
	g.restored(1, start-200*second, "s.x", "", "Nats-Msg-Id: old")
	g.restored(2, start-20*second, "s.x", "", "Nats-Msg-Id: new")
	if r := g.publish("s.x", "", "Nats-Msg-Id: new"); !r.Duplicate || r.Seq != 2 {
		t.Errorf("an id within the window gives %+v", r)
	}
	if r := g.publish("s.x", "", "Nats-Msg-Id: old"); r.Duplicate {
		t.Error("an id from before the window is known")
	}
	for i, h := range []string{"A 7 > > o.x id", "A 5 b.> > b.x", "A 9 b.> > b.x id2", "B 8 > > o.x", "A 11", "A x > > o.x", "A 99999999999999999999 > > o"} {
		g.restored(store.Seq(10+i), start, "s.x", "", "Nats-Stream-Source: "+h)
	}
	for key, want := range map[string]position{one.Key(): {"id", 7}, two.Key(): {"id2", 9}} {
		if seq, identity := g.c.SourcePosition(key); seq != want.seq || identity != want.identity {
			t.Errorf("%s: %d of %q, want %+v", key, seq, identity, want)
		}
	}
}
