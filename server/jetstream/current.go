package jetstream

import (
	"context"
	"sync"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
)

// tide is how far something has come that others wait for.
type tide struct {
	mu      sync.Mutex
	at      raft.Index
	waiting map[chan struct{}]raft.Index
}

// rise notes how far it has come.
func (t *tide) rise(to raft.Index) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = max(t.at, to)
	for ch, index := range t.waiting {
		if index <= t.at {
			close(ch)
			delete(t.waiting, ch)
		}
	}
}

// level returns how far it has come.
func (t *tide) level() raft.Index {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at
}

// await waits until it has come as far as index. It returns false if ctx ends before.
func (t *tide) await(ctx context.Context, index raft.Index) bool {
	t.mu.Lock()
	if t.at >= index {
		t.mu.Unlock()
		return true
	}
	ch := make(chan struct{})
	if t.waiting == nil {
		t.waiting = make(map[chan struct{}]raft.Index)
	}
	t.waiting[ch] = index
	t.mu.Unlock()
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		t.mu.Lock()
		delete(t.waiting, ch)
		t.mu.Unlock()
		return false
	}
}

// applied returns how far this server's copy of the assignments is.
func (m *metaGroup) applied() raft.Index { return m.tide.level() }

// reach waits until this server's copy of the assignments can be gone by, and is as far as
// index.
func (m *metaGroup) reach(ctx context.Context, index raft.Index) *api.Error {
	select {
	case <-m.ready:
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
	if !m.tide.await(ctx, index) {
		return api.ErrClusterNotAvail
	}
	return nil
}

// current waits until this server's copy of the assignments has all that was committed when
// it was called.
func (m *metaGroup) current(ctx context.Context) *api.Error {
	select {
	case <-m.joined:
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
	for !m.halted.Load() {
		got := make(chan error, 1)
		m.group.ReadIndex(func(_ raft.Index, err error) { got <- err })
		select {
		case err := <-got:
			if err == nil {
				return nil
			}
		case <-ctx.Done():
			return api.ErrClusterNotAvail
		}
		// Nobody leads, or who does has just changed.
		if !m.e.pause(currentEvery) || ctx.Err() != nil {
			break
		}
	}
	return api.ErrClusterNotAvail
}

// confirm waits until a leader knows that nobody has taken its place, so that what it shows then is no
// older than the question (ReadIndex). One that is alone knows.
func (p *member) confirm(ctx context.Context) *api.Error {
	if !p.several.Load() {
		return nil
	}
	got := make(chan error, 1)
	p.group.ReadIndex(func(_ raft.Index, err error) { got <- err })
	select {
	case err := <-got:
		if err != nil {
			return errLeadsNoMore
		}
		return nil
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
}

// awaitCurrent waits until what is here of the stream is all that there is, or never will be.
func (s *stream) awaitCurrent() {
	for !s.isClosed() && s.err == nil && !s.halted.Load() {
		got := make(chan error, 1)
		s.group.ReadIndex(func(_ raft.Index, err error) { got <- err })
		for waiting := true; waiting; {
			turned := s.turned.wait()
			if s.isClosed() {
				return
			}
			select {
			case err := <-got:
				if err == nil {
					return
				}
				waiting = false
			case <-turned:
			case <-s.e.ctx.Done():
				return
			}
		}
		if !s.e.pause(pause) {
			return
		}
	}
}
