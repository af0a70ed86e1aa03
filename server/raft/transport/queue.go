package transport

import (
	"sync"
	"time"
)

// frameOverhead is what a frame counts in a queue beside its bytes, so that
// small ones do not cost more than is counted.
const frameOverhead = 64

const (
	// smallFrame is how long a frame may be that is accepted for longer than others, so
	// that a group with little to send is not kept out by those with much.
	smallFrame = 16<<10 + frameOverhead
	// batchBytes is about how much is taken at a time: what is behind it then has a
	// place in the queue, and it is known how long it waits.
	batchBytes = 1 << 20
	// leastRoom is what a queue has for entries at first, in bytes, and at least.
	leastRoom = 256 << 10
	// A slice with room for more than this was made for a burst, and is let go of
	// when the burst is over.
	large = 1024
)

// queue holds the frames that wait for one consumer. Any number of goroutines
// put; one takes.
//
// It is bounded, in frames and bytes, by what has been put and is not yet done:
// what the consumer works on counts. At the bound put refuses, and so it does
// while nobody could be reached anyway.
//
// Entries it refuses earlier, so that what is put behind them does not wait for long. How
// many bytes that is depends on how fast the consumer is, which nobody knows: the room for
// entries grows when the consumer has nothing to do although some were refused, and
// shrinks when a frame has waited for longer than maxDelay.
type queue struct {
	maxFrames, maxBytes int
	maxDelay            time.Duration
	now                 func() time.Duration

	mu      sync.Mutex
	wake    sync.Cond // for the consumer
	waiting [][]byte
	// frames and bytes (with overhead) are those waiting and those taken.
	frames, bytes int
	// room is how many bytes there may be when entries are put. refused says that some
	// were, for want of room, since the consumer had nothing to do; waited is the longest
	// that a frame has waited since.
	room    int
	refused bool
	waited  time.Duration
	// since has, from next on, when each of frames was put.
	since []time.Duration
	next  int
	// asleep says that the consumer waits for wake. Whoever wakes it clears it,
	// so that a burst wakes once.
	asleep bool
	// stirred makes the consumer come back although nothing may wait.
	stirred bool
	// refusing says that put accepts nothing for now; closed, that it never
	// will.
	refusing, closed bool
	// empty is closed when frames is 0, nil if nobody waits for that.
	empty chan struct{}
	// dropped are the frames that were refused or thrown away.
	droppedFrames, droppedBytes uint64
}

func newQueue(l Limits, now func() time.Duration) *queue {
	q := &queue{maxFrames: l.QueueFrames, maxBytes: l.QueueBytes, maxDelay: l.QueueDelay, now: now, room: leastRoom}
	q.wake.L = &q.mu
	return q
}

// put accepts a frame, or reports that it is dropped. A frame that is alone is
// not too large, nor too late.
func (q *queue) put(frame []byte, entries bool) bool {
	size := len(frame) + frameOverhead
	now := q.now()
	q.mu.Lock()
	full := q.frames >= q.maxFrames || q.frames > 0 && q.bytes+size > q.maxBytes
	if full || q.refusing || q.closed || entries && !q.roomLocked(now, size) {
		q.dropLocked(frame)
		q.mu.Unlock()
		return false
	}
	q.waiting = append(q.waiting, frame)
	q.since = append(q.since, now)
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

// roomLocked reports whether there is room for a frame with entries. For a small one
// there is twice as much.
func (q *queue) roomLocked(now time.Duration, size int) bool {
	room, delay := q.room, q.maxDelay
	if size <= smallFrame {
		room, delay = 2*room, 2*delay
	}
	if q.frames == 0 || q.bytes+size <= room && now-q.since[q.next] <= delay {
		return true
	}
	q.refused = true
	return false
}

// growLocked makes more room, as the consumer has nothing to do although entries were
// refused: twice as much while frames wait for a short time only, and then little by
// little, for what is too much holds up a heartbeat before it is noticed.
func (q *queue) growLocked() {
	more := leastRoom / 4
	if q.waited < q.maxDelay/4 {
		more = q.room
	}
	q.room, q.refused, q.waited = min(q.room+more, max(q.maxBytes, leastRoom)), false, 0
}

// fitLocked makes room fit to what the consumer has done: the last frame of it had
// waited for a time.
func (q *queue) fitLocked(waited time.Duration) {
	q.waited = max(q.waited, waited)
	if waited > q.maxDelay {
		q.room = max(int(float64(q.room)*float64(q.maxDelay)/float64(waited)), leastRoom)
	}
}

func (q *queue) dropLocked(frame []byte) {
	q.droppedFrames++
	q.droppedBytes += uint64(len(frame))
}

// waitLocked waits until frames wait, or stir or close is called.
func (q *queue) waitLocked() {
	for len(q.waiting) == 0 && !q.stirred && !q.closed {
		if q.refused {
			q.growLocked()
		}
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

// take waits for frames, or a stir, and returns the next ones, for which
// the caller owes a call of done. In exchange it gives a slice, from an earlier
// take, which is used for the next frames. It reports false once the queue is
// closed.
func (q *queue) take(spare [][]byte) ([][]byte, bool) {
	if cap(spare) > large && len(spare) < cap(spare)/4 {
		spare = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waitLocked()
	if q.closed {
		return nil, false
	}
	taken, size := q.waiting, 0
	q.waiting = spare[:0]
	for i, f := range taken {
		if size += len(f); size > batchBytes && i > 0 {
			q.waiting = append(q.waiting, taken[i:]...)
			clear(taken[i:])
			return taken[:i], true
		}
	}
	return taken, true
}

// done gives back the room of frames that were taken, and forgets them. Those
// that were not sent count as dropped.
func (q *queue) done(frames [][]byte, sent bool) {
	size := 0
	for _, f := range frames {
		size += len(f) + frameOverhead
	}
	now := q.now()
	q.mu.Lock()
	q.frames -= len(frames)
	q.bytes -= size
	q.tellEmptyLocked()
	if q.next += len(frames); sent && len(frames) > 0 {
		q.fitLocked(now - q.since[q.next-1])
	}
	if q.next >= len(q.since)/2 {
		left := q.since[q.next:]
		if cap(q.since) > large && len(left) < cap(q.since)/4 {
			q.since = nil
		}
		q.since, q.next = append(q.since[:0], left...), 0
	}
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
	q.tellEmptyLocked()
	clear(q.waiting)
	q.waiting = q.waiting[:0]
	q.since = q.since[:len(q.since)-n]
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
