package jetstream

import (
	"sync"
	"time"
)

// jobs is what is done in the background: assets are opened, started and removed,
// checkpoints made durable.
//
// A job may wait for others, so each has a goroutine of its own while it lasts. Few
// of them work on the disk at a time: for that a job takes a turn, and whoever has a
// turn waits for nothing that needs another.
type jobs struct {
	turns chan struct{}

	mu       sync.Mutex
	finished bool
	wg       sync.WaitGroup
}

// run has f done. It does nothing, and returns false, once the jobs are finished.
func (j *jobs) run(f func()) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.finished {
		return false
	}
	j.wg.Go(f)
	return true
}

// turn calls f when its turn comes to work on the disk.
func (j *jobs) turn(f func()) {
	j.turns <- struct{}{}
	defer func() { <-j.turns }()
	f()
}

// finish waits for all jobs, and takes no more.
func (j *jobs) finish() {
	j.mu.Lock()
	j.finished = true
	j.mu.Unlock()
	j.wg.Wait()
}

// later calls f after a while, unless the engine stops before.
func (e *Engine) later(after time.Duration, f func()) {
	e.jobs.run(func() {
		t := e.cfg.Clock.NewTimer(after)
		defer t.Stop()
		select {
		case <-t.C():
			f()
		case <-e.ctx.Done():
		}
	})
}

// signal wakes all who wait for it. The zero signal is ready to be used.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// wait returns a channel that is closed with the next tell. Whoever waits asks for it first, and
// looks then.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
