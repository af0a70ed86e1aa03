package transport

import "time"

// Flush waits until what Send has accepted is written or lost, for as long as d at the
// most. Who is about to Stop calls it, so that its last words go out.
func (t *TCP) Flush(d time.Duration) {
	timer := t.config.Clock.NewTimer(d)
	defer timer.Stop()
	for _, p := range *t.peers.Load() {
		for _, l := range p.lanes {
			select {
			case <-l.queue.emptied():
			case <-timer.C():
				return
			}
		}
	}
}

// emptied is closed when the queue holds nothing, neither waiting nor taken.
func (q *queue) emptied() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.empty == nil {
		q.empty = make(chan struct{})
	}
	empty := q.empty
	q.tellEmptyLocked()
	return empty
}

// tellEmptyLocked tells whoever waits for it that the queue holds nothing, if so.
func (q *queue) tellEmptyLocked() {
	if q.frames == 0 && q.empty != nil {
		close(q.empty)
		q.empty = nil
	}
}
