package stream

import (
	"bytes"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

// FuzzApply applies whatever there may be in a log, behind a history with a bit of
// everything, to two replicas and to one that is restored.
func FuzzApply(f *testing.F) {
	for _, name := range []string{"everything", "interest", "sources", "mirror", "counters"} {
		g := newRig(f, configurations[name])
		h := newHistory(f, 5, g.c)
		for range 60 {
			op, now := h.next()
			f.Add(op)
			if err := g.c.Apply(op, now, &g.r); err != nil {
				f.Fatal(err)
			}
		}
	}
	kinds := []string{"everything", "interest", "sources", "mirror", "counters"}
	f.Fuzz(func(t *testing.T, op []byte) {
		if len(op) > 1<<16 {
			return
		}
		for _, name := range kinds {
			a, b := newRig(t, configurations[name]), newRig(t, configurations[name])
			h := newHistory(t, 6, a.c)
			for range 12 {
				op, now := h.next()
				for _, g := range []*rig{a, b} {
					if err := g.c.Apply(op, now, &g.r); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 2 {
				h.now++
				before := bytes.Clone(op)
				for _, g := range []*rig{a, b} {
					if err := g.c.Apply(op, h.now, &g.r); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				}
				if !bytes.Equal(op, before) {
					t.Fatal("the op was changed")
				}
			}
			if digest(t, a.c) != digest(t, b.c) {
				t.Fatalf("%s: replicas differ", name)
			}
			state, err := a.c.AppendState(nil)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Restore(state, copyStore(t, a.st))
			if err != nil {
				t.Fatalf("%s: its own state is refused: %v", name, err)
			}
			if digest(t, a.c) != digest(t, c) {
				t.Fatalf("%s: the restored differs", name)
			}
		}
	})
}

// FuzzRestore reads states. One that is taken has to be usable, and to come out as
// another state that is taken.
func FuzzRestore(f *testing.F) {
	for _, name := range []string{"everything", "interest", "sources", "counters"} {
		g := newRig(f, configurations[name])
		h := newHistory(f, 7, g.c)
		for range 80 {
			op, now := h.next()
			if err := g.c.Apply(op, now, &g.r); err != nil {
				f.Fatal(err)
			}
		}
		state, err := g.c.AppendState(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state)
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		c, err := Restore(state, mem.New())
		if err != nil {
			return
		}
		again, err := c.AppendState(nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Restore(again, mem.New())
		if err != nil {
			t.Fatalf("the state of a restored core is refused: %v", err)
		}
		if digest(t, c) != digest(t, d) {
			t.Fatal("restored twice it differs")
		}
		c.NextDue()
		if c.time > 1<<60 {
			return
		}
		if err := c.Apply(AppendStore(nil, &Message{Subject: []byte("s.x"), Header: block("Nats-Msg-Id: x")}), c.time+1, &Result{}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzIngest publishes whatever a client may send.
func FuzzIngest(f *testing.F) {
	f.Add([]byte("NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\n\r\n"), []byte("r"))
	f.Add([]byte("NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\nNats-Batch-Commit: eob\r\n\r\n"), []byte("r"))
	f.Add([]byte("NATS/1.0 100 Idle\r\nNats-Schedule: 0 0 9 * * *\r\nNats-Schedule-Target: s.y\r\nNats-Schedule-Time-Zone: UTC\r\n\r\n"), []byte(""))
	f.Add([]byte("NATS/1.0\r\nNats-TTL: 5m\r\nNats-Rollup: all\r\nNats-Msg-Id: x\r\n\r\n"), []byte("in.b.10.ok.1.0.$FI"))
	f.Add([]byte("NATS/1.0\r\nNats-Incr: 5\r\n"), []byte("in.b.10.fail.2.2.$FI"))
	f.Add([]byte("\r\n\r\n"), []byte("in.b.10.ok.1.4.$FI"))
	f.Fuzz(func(t *testing.T, header, reply []byte) {
		l := newLeader(t, func(c *api.StreamConfig) {
			c.AllowAtomic, c.AllowBatched, c.AllowMsgSchedules, c.AllowMsgTTL, c.AllowRollup = true, true, true, true, true
		}, IngestConfig{})
		l.pub("s.a", "", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1", "x")
		l.pub("s.a", "in.b.10.ok.1.0.$FI", "", "x")
		for range 2 {
			l.now++
			l.g.Publish(&Publication{Subject: []byte("s.x"), Reply: reply, Header: header}, l.now, &l.out)
			l.carryOut()
		}
		_, malformed := l.c.Skipped()
		if malformed > 0 {
			t.Fatal("an op that was made is malformed")
		}
		l.g.Close()
		if l.g.staged != 0 {
			t.Fatalf("%d bytes are staged by nobody", l.g.staged)
		}
	})
}
