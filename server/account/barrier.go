package account

import "sync/atomic"

// barrier lets a connection that has left a subscription wait until what
// publishers had staged for it is in its queue, so that nothing comes after the
// PONG by which its client knows that the subscription is over. Without it a
// worker that drains would lose messages that its queue group counts on.
//
// Publishers enter before they look whether a subscription is closed, and leave
// when their stage is handed over; both cost an atomic addition per target and
// batch. Whoever waits closes the subscription first. All these are sequentially
// consistent, so a publisher either sees the closed subscription or is seen by
// who waits.
//
// There are two counts, used in turn, so that waiting ends although others keep
// coming: who waits turns over to the other count and then waits for those who
// entered before. A publisher whose count was turned over while it entered tries
// again, so that the count it ends up in is waited for before it is used anew.
type barrier struct {
	turn   atomic.Uint32
	inside [2]atomic.Int32
	// woken is there while somebody waits.
	woken atomic.Pointer[chan struct{}]
}

// enter returns what leave wants.
func (b *barrier) enter() (turn uint32) {
	for {
		turn = b.turn.Load()
		b.inside[turn&1].Add(1)
		if b.turn.Load() == turn {
			return turn
		}
		b.leave(turn)
	}
}

func (b *barrier) leave(turn uint32) {
	if b.inside[turn&1].Add(-1) > 0 {
		return
	}
	if w := b.woken.Load(); w != nil {
		select {
		case *w <- struct{}{}:
		default: // it is awake already
		}
	}
}

// wait returns when all who had entered have left. Only one may wait at a time,
// and must not be inside itself.
func (b *barrier) wait() {
	before := &b.inside[(b.turn.Add(1)-1)&1]
	if before.Load() == 0 {
		return
	}
	woken := make(chan struct{}, 1)
	b.woken.Store(&woken)
	defer b.woken.Store(nil)
	for before.Load() != 0 {
		<-woken
	}
}

// Await returns when all that publishers had staged for the target is handed
// over. Subscriptions that were closed before get nothing after it. It is for
// the goroutine of the target's connection, which must have flushed its own
// Fanout: two that wait for each other would otherwise wait for ever.
func (t *Target) Await() { t.staging.wait() }
