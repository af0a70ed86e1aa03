package jetstream

import "sync"

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
