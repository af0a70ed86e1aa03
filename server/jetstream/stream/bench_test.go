package stream

import (
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// TestPlainMessagesDoNotAllocate counts what Apply allocates beside the store.
func TestPlainMessagesDoNotAllocate(t *testing.T) {
	g := newRig(t, nil)
	op := AppendStore(nil, &Message{Subject: []byte("s.some.subject"), Data: make([]byte, 128)})
	for range 20_000 {
		g.apply(op)
	}
	if n := testing.AllocsPerRun(2000, func() { g.apply(op) }); n > 0.1 {
		t.Errorf("%v allocations for a message", n)
	}
}

// TestIdsDoNotAllocate does the same for messages with an id, when the window has
// been as full before.
func TestIdsDoNotAllocate(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.DuplicateWindow = 100_000_000 })
	ops := make([][]byte, 5000)
	for i := range ops {
		ops[i] = AppendStore(nil, g.message("s.some.subject", "", fmt.Sprintf("Nats-Msg-Id: %d", i)))
	}
	i := 0
	publish := func() {
		g.now += 100_000
		g.apply(ops[i%len(ops)])
		i++
	}
	for range 20_000 {
		publish()
	}
	if n := testing.AllocsPerRun(2000, publish); n > 0.1 {
		t.Errorf("%v allocations for a message", n)
	}
}

func BenchmarkApply(b *testing.B) {
	message := func(i int, subjects int, headers ...string) []byte {
		return AppendStore(nil, &Message{
			Subject: fmt.Appendf(nil, "$KV.bucket.key-%07d", i%subjects), Header: block(headers...), Data: make([]byte, 128),
		})
	}
	kv := func(c *api.StreamConfig) { c.MaxMsgsPerSubject, c.AllowRollup, c.AllowMsgTTL = 1, true, true }
	for _, bc := range []struct {
		name     string
		config   func(*api.StreamConfig)
		subjects int
		headers  func(i int, g *rig) []string
	}{
		{"plain", func(c *api.StreamConfig) { c.MaxMsgs = 100_000 }, 1, nil},
		{"plain, 100000 subjects", func(c *api.StreamConfig) { c.MaxMsgs = 100_000 }, 100_000, nil},
		{"with an id", func(c *api.StreamConfig) { c.MaxMsgs, c.DuplicateWindow = 100_000, 100_000_000 }, 1, func(i int, _ *rig) []string {
			return []string{fmt.Sprintf("Nats-Msg-Id: %d", i)}
		}},
		{"one a subject", kv, 100_000, nil},
		{"one a subject, expected to be the last", kv, 100_000, func(i int, g *rig) []string {
			on, _ := g.st.Subject(fmt.Sprintf("$KV.bucket.key-%07d", i%100_000))
			return []string{fmt.Sprintf("Nats-Expected-Last-Subject-Sequence: %d", on.Last)}
		}},
		{"rollup", kv, 100_000, func(int, *rig) []string { return []string{"Nats-Rollup: sub"} }},
		{"ttl", kv, 100_000, func(int, *rig) []string { return []string{"Nats-TTL: 1h"} }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			g := newRig(b, func(c *api.StreamConfig) {
				c.Subjects = []string{"$KV.bucket.>"}
				bc.config(c)
			})
			for i := range 100_000 {
				g.apply(message(i, bc.subjects))
			}
			ops := make([][]byte, 0, 1<<16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%cap(ops) == 0 {
					b.StopTimer()
					ops = ops[:0]
					for j := range cap(ops) {
						var headers []string
						if bc.headers != nil {
							headers = bc.headers(i+j, g)
						}
						ops = append(ops, message(i+j, bc.subjects, headers...))
					}
					b.StartTimer()
				}
				g.now += 1000
				g.apply(ops[i%cap(ops)])
				if g.r.Err != nil {
					b.Fatal(g.r.Err)
				}
			}
		})
	}
}

// BenchmarkState is what a checkpoint costs of a stream with a million TTLs.
func BenchmarkState(b *testing.B) {
	g := newRig(b, func(c *api.StreamConfig) { c.AllowMsgTTL = true })
	for i := range 1_000_000 {
		g.apply(AppendStore(nil, g.message("s.x", "", fmt.Sprintf("Nats-TTL: %d", 3600+i%7))))
	}
	var state []byte
	for b.Loop() {
		var err error
		if state, err = g.c.AppendState(state[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(state))/1_000_000, "bytes/message")
}
