package jetstream

import (
	"bytes"
	"sync"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
)

// What one call changes in a store, readers see whole or not at all. An atomic batch and
// a rollup take several calls; whoever answers a request from the store is kept away
// meanwhile by a gate. A batch or a rollup waits for those who are inside, also while
// they read files, and nothing else does.
//
// Consumers are not kept away. They take one message after the other, and what a batch
// begins with is not delivered before the batch is committed.

// gate lets many be inside, or has it closed by one, with nobody inside.
type gate struct {
	mu      sync.Mutex
	changed sync.Cond
	inside  int
	closed  bool
}

func (g *gate) init() { g.changed.L = &g.mu }

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.closed {
		g.changed.Wait()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 {
		g.changed.Broadcast()
	}
}

// close lets nobody in any more, and waits until nobody is inside. One at a time may
// have it closed.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for g.inside > 0 {
		g.changed.Wait()
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	g.changed.Broadcast()
}

// maxBeforeData is how far into an op its headers can reach, about.
const maxBeforeData = 70 << 10

// changesOften reports whether an op may change the store several times in a way that
// has to be seen as one.
func (s *stream) changesOften(op []byte) bool {
	if len(op) == 0 {
		return false
	}
	if streamcore.Kind(op[0]) == streamcore.KindBatch {
		return true
	}
	cfg := s.core.Config()
	return (cfg.AllowRollup || cfg.Mirror != nil || len(cfg.Sources) > 0) &&
		bytes.Contains(op[:min(len(op), maxBeforeData)], []byte(api.HeaderRollup))
}

// apply applies an op, out of sight of readers if it changes the store several times.
func (s *stream) apply(op []byte, now int64) error {
	if s.changesOften(op) {
		s.whole.close()
		defer s.whole.open()
	}
	return s.core.Apply(op, now, &s.result)
}

// look calls f, to which the store is as between two ops.
func (s *stream) look(f func(store.Reader)) {
	s.whole.enter()
	defer s.whole.leave()
	f(s.store)
}
