package host

import (
	"runtime"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// actor is a state that handles its mail when a worker runs it, and is run by one
// worker at a time. It is in a pool's queue, or being run, exactly while it has
// mail (or is about to find out that it has not).
type actor interface {
	// run handles all mail that has come.
	run(*worker)
	// release ends a run, after what it has sent has left. If there is more mail
	// it returns the pool that the actor is to be queued in, else nil.
	release() *pool
}

// pool is a queue of actors with mail and the workers that run them.
type pool struct {
	host *Host
	// batch is how many actors a worker takes at once, crowd how many may wait
	// for each worker that is up before another one is woken. Waking costs more
	// than most runs.
	batch, crowd int

	mu     sync.Mutex
	wakeup sync.Cond
	queue  ring[actor]
	// workers is how many there are, parked how many of them sleep and have not
	// been told to wake, away how many are writing the log.
	workers, parked, away int
	closed                bool
	wg                    sync.WaitGroup
}

func newPool(h *Host, batch, crowd int) *pool {
	p := &pool{host: h, batch: batch, crowd: crowd}
	p.wakeup.L = &p.mu
	return p
}

// push queues an actor.
func (p *pool) push(a actor) {
	p.mu.Lock()
	p.queue.push(a)
	p.unlockAndWake()
}

// pushQuietly queues an actor, and wakes nobody: whoever calls it sees to that.
func (p *pool) pushQuietly(a actor) {
	p.mu.Lock()
	p.queue.push(a)
	p.mu.Unlock()
}

// unlockAndWake wakes a worker if there are too few up for what waits.
func (p *pool) unlockAndWake() {
	up := p.workers - p.parked - p.away
	wake := p.parked > 0 && p.queue.len() > p.crowd*up
	if wake {
		p.parked--
	}
	p.mu.Unlock()
	if wake {
		p.wakeup.Signal()
	}
}

// nudge wakes a worker if something waits, in case those that are up are held up.
func (p *pool) nudge() {
	p.mu.Lock()
	wake := p.parked > 0 && p.queue.len() > 0
	if wake {
		p.parked--
	}
	p.mu.Unlock()
	if wake {
		p.wakeup.Signal()
	}
}

// take appends the next actors to dst. While there are none it waits, or, if wait
// is false, returns. It returns nothing when the pool is closed and empty.
func (p *pool) take(dst []actor, wait bool) []actor {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queue.len() == 0 && wait && !p.closed {
		p.parked++
		p.wakeup.Wait()
	}
	n := min(p.queue.len(), p.batch)
	if up := p.workers - p.parked - p.away; up > 1 {
		n = min(n, p.queue.len()/up+1)
	}
	for range n {
		dst = append(dst, p.queue.pop())
	}
	return dst
}

// start adds workers.
func (p *pool) start(n int) {
	p.mu.Lock()
	p.workers += n
	p.mu.Unlock()
	for range n {
		p.wg.Go(func() {
			w := newWorker(p.host, p)
			for w.turn(true) {
				if p.idle() {
					// Others are about to bring more, and it takes them less to
					// find this worker up than to wake it.
					runtime.Gosched()
				}
			}
		})
	}
}

// leave takes a worker off those that are up, who may be away for as long as a disk
// takes; back is the end of that.
func (p *pool) leave() {
	p.mu.Lock()
	p.away++
	p.unlockAndWake()
}

func (p *pool) back() {
	p.mu.Lock()
	p.away--
	p.mu.Unlock()
}

// join makes the caller a worker, until quit. It returns false if the pool is closed,
// or other workers are up, who can do what there is.
func (p *pool) join() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.workers > p.parked+p.away {
		return false
	}
	p.wg.Add(1)
	p.workers++
	return true
}

func (p *pool) quit() {
	p.mu.Lock()
	p.workers--
	p.unlockAndWake()
	p.wg.Done()
}

func (p *pool) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.len() == 0
}

// stop waits until all mail is handled, and ends the workers.
func (p *pool) stop() {
	p.mu.Lock()
	p.closed = true
	p.parked = 0
	p.mu.Unlock()
	p.wakeup.Broadcast()
	p.wg.Wait()
}

// worker runs actors. What it has of its own is scratch space.
type worker struct {
	host  *Host
	pool  *pool
	batch []actor
	// now and wall are read once a pass.
	now  raft.Instant
	wall time.Time
	out  outboxes
	// applying is the batch that is being applied.
	applying Batch
	// delayed is set while the log is to be written after the next pass.
	delayed bool
	// away is set while it writes the log; written ends that.
	away    bool
	written func()
}

func newWorker(h *Host, p *pool) *worker {
	w := &worker{host: h, pool: p, out: outboxes{host: h}}
	w.written = w.back
	return w
}

// pass takes some actors and runs them. It returns false if there were none.
//
// What the actors send leaves at the end in one frame for each node. Only then are
// they released: had another worker run one of them before, its messages might
// overtake.
func (w *worker) pass(wait bool) bool {
	w.batch = w.pool.take(w.batch[:0], wait)
	if len(w.batch) == 0 {
		return false
	}
	w.refresh()
	for _, a := range w.batch {
		a.run(w)
	}
	w.out.flush()
	for i, a := range w.batch {
		if p := a.release(); p != nil {
			p.push(a)
		}
		w.batch[i] = nil
	}
	return true
}

// turn is a pass, and what the log has to be given after it.
func (w *worker) turn(wait bool) bool {
	any := w.pass(wait && !w.delayed) || w.delayed
	w.writeLog()
	return any
}

// writeLog writes what the groups have for the log, unless somebody else does. To wake
// another goroutine for it, and to be woken by that when it is done, takes longer than
// all that is around a sync. What else there is to do comes first, once: mostly those
// are told there whose entries have just been written.
func (w *worker) writeLog() {
	if w.pool != w.host.groupPool || !w.host.log.Queued() {
		w.delayed = false
		return
	}
	if !w.delayed && !w.pool.idle() {
		w.delayed = true
		return
	}
	w.delayed = false
	w.pool.leave()
	w.away = true
	w.host.log.Help(w.written)
	w.back()
}

// back ends being away, if it is.
func (w *worker) back() {
	if w.away {
		w.away = false
		w.pool.back()
	}
}

func (w *worker) refresh() {
	now := w.host.cfg.Clock.Now()
	w.now = raft.Instant(now.Sub(w.host.origin)) + 1
	if w.wall = now; w.host.cfg.Wall != nil {
		w.wall = w.host.cfg.Wall()
	}
	w.host.checkLog()
}
