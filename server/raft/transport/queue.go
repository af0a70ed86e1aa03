package transport

import "sync"

// frameOverhead is what a frame counts in a queue beside its bytes, so that
// small ones do not cost more than is counted.
const frameOverhead = 64

// queue holds the frames that wait for one consumer. Any number of goroutines
// put; one takes.
//
// It is bounded, in frames and bytes, by what has been put and is not yet done:
// what the consumer works on counts. At the bound put refuses, and so it does
// while nobody could be reached anyway.
type queue struct {
	maxFrames, maxBytes int

	mu      sync.Mutex
	wake    sync.Cond // for the consumer
	waiting [][]byte
	// frames and bytes (with overhead) are those waiting and those taken.
	frames, bytes int
	// asleep says that the consumer waits for wake. Whoever wakes it clears it,
	// so that a burst wakes once.
	asleep bool
	// stirred makes the consumer come back although nothing may wait.
	stirred bool
	// refusing says that put accepts nothing for now; closed, that it never
	// will.
	refusing, closed bool
	// dropped are the frames that were refused or thrown away.
	droppedFrames, droppedBytes uint64
}

func newQueue(l Limits) *queue {
	q := &queue{maxFrames: l.QueueFrames, maxBytes: l.QueueBytes}
	q.wake.L = &q.mu
	return q
}

// put accepts a frame, or reports that it is dropped. A frame that is alone is
// not too large.
func (q *queue) put(frame []byte) bool {
	size := len(frame) + frameOverhead
	q.mu.Lock()
	full := q.frames >= q.maxFrames || q.frames > 0 && q.bytes+size > q.maxBytes
	if full || q.refusing || q.closed {
		q.dropLocked(frame)
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, frame)
	q.frames++
	q.bytes += size
	wake := q.asleep
	q.asleep = false
	q.mu.Unlock()
	if wake {
		q.wake.Signal()
	}
	return true
}

func (q *queue) dropLocked(frame []byte) {
	q.droppedFrames++
	q.droppedBytes += uint64(len(frame))
}

// waitLocked waits until frames wait, or stir or close is called.
func (q *queue) waitLocked() {
	for len(q.waiting) == 0 && !q.stirred && !q.closed {
		q.asleep = true
		q.wake.Wait()
	}
	q.asleep = false
	q.stirred = false
}

// await waits for a frame and leaves it. It reports false once the queue is
// closed.
func (q *queue) await() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.waitLocked()
	}
	return !q.closed
}

// take waits for frames, or a stir, and returns all that there is, for which
// the caller owes a call of done. In exchange it gives a slice, from an earlier
// take, which is used for the next frames. It reports false once the queue is
// closed.
func (q *queue) take(spare [][]byte) ([][]byte, bool) {
	// A slice that was made for a burst is let go of when the burst is over.
	const large = 1024
	if cap(spare) > large && len(spare) < cap(spare)/4 {
		spare = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waitLocked()
	if q.closed {
		return nil, false
	}
	taken := q.waiting
	q.waiting = spare[:0]
	return taken, true
}

// done gives back the room of frames that were taken, and forgets them. Those
// that were not sent count as dropped.
func (q *queue) done(frames [][]byte, sent bool) {
	size := 0
	for _, f := range frames {
		size += len(f) + frameOverhead
	}
	q.mu.Lock()
	q.frames -= len(frames)
	q.bytes -= size
	if !sent {
		for _, f := range frames {
			q.dropLocked(f)
		}
	}
	q.mu.Unlock()
	clear(frames)
}

// stir makes the consumer return from take.
func (q *queue) stir() {
	q.mu.Lock()
	q.stirred = true
	q.asleep = false
	q.mu.Unlock()
	q.wake.Signal()
}

// discard throws away what waits and returns the number of frames.
func (q *queue) discard() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.discardLocked()
}

func (q *queue) discardLocked() int {
	n := len(q.waiting)
	for _, f := range q.waiting {
		q.frames--
		q.bytes -= len(f) + frameOverhead
		q.dropLocked(f)
	}
	clear(q.waiting)
	q.waiting = q.waiting[:0]
	return n
}

// refuse makes put refuse, and throws away what waits; accept undoes it.
func (q *queue) refuse() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusing = true
	return q.discardLocked()
}

func (q *queue) accept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusing = false
}

// close ends the queue: it holds and accepts nothing any more, and the consumer
// returns.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.discardLocked()
	q.asleep = false
	q.mu.Unlock()
	q.wake.Broadcast()
}

// count returns what the queue holds, and what it has dropped so far.
func (q *queue) count() (frames, bytes int, droppedFrames, droppedBytes uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.frames, q.bytes - q.frames*frameOverhead, q.droppedFrames, q.droppedBytes
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
