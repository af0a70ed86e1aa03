package jetstream

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// startTimeout bounds how long Start waits for what there is. Whoever connects
	// before an asset serves finds it as one without a leader: requests wait for a
	// while, messages have no responders. That is better than a server that a slow
	// disk, or one large stream, keeps from answering anybody.
	startTimeout = 10 * time.Second
	// progressEvery is how often a long recovery is logged. While nothing changes it
	// is logged ever more rarely, down to once in progressRarely.
	progressEvery  = 5 * time.Second
	progressRarely = time.Minute
)

// progress is how far a recovery is.
type progress struct {
	// streams counts those that there are, serving those that serve, failed those
	// that never will; messages and bytes are of those that are open.
	streams, serving, failed  int
	consumers, consumersReady int
	messages, bytes           uint64
}

// progress counts what serves by now.
func (e *Engine) progress() (p progress) {
	for _, s := range e.streamList() {
		if s.isRestoring() {
			continue
		}
		p.streams++
		switch {
		case s.halted.Load(), isClosed(s.opened) && s.err != nil:
			p.failed++
			continue // and so are its consumers
		case isClosed(s.settled):
			p.serving++
		}
		if s.isOpen() {
			at := s.store.State()
			p.messages += at.Messages
			p.bytes += at.Bytes
		}
		for _, c := range s.consumerList() {
			p.consumers++
			if isClosed(c.settled) {
				p.consumersReady++
			}
		}
	}
	return p
}

// done reports whether all serves that will.
func (p *progress) done() bool {
	return p.serving+p.failed == p.streams && p.consumersReady == p.consumers
}

func (p *progress) String() string {
	text := fmt.Sprintf("%d of %d streams and %d of %d consumers serve, with %d messages of %d bytes",
		p.serving, p.streams, p.consumersReady, p.consumers, p.messages, p.bytes)
	if p.failed > 0 {
		text += fmt.Sprintf("; %d streams can not be served", p.failed)
	}
	return text
}

// report logs how the recovery goes on, in the background, until settled is closed or
// the engine stops.
func (e *Engine) report(settled <-chan struct{}) {
	begin := e.cfg.Clock.Now()
	e.jobs.run(func() {
		pause, last := progressEvery, progress{}
		for {
			t := e.cfg.Clock.NewTimer(pause)
			over := false
			select {
			case <-settled:
				over = true
			case <-e.ctx.Done():
			case <-t.C():
			}
			t.Stop()
			if e.ctx.Err() != nil {
				return
			}
			p, took := e.progress(), e.cfg.Clock.Now().Sub(begin).Round(time.Millisecond)
			// Whoever waits for a stream that stands still, waits for ever.
			over = over || isClosed(e.meta.ready) && p.done()
			switch {
			case over && p.streams == 0:
			case over:
				e.cfg.Logger.Noticef("JetStream: recovered in %v: %v", took, &p)
			case !isClosed(e.meta.ready):
				e.cfg.Logger.Noticef("JetStream: recovering since %v: it is not known yet which streams there are", took)
			default:
				e.cfg.Logger.Noticef("JetStream: recovering since %v: %v", took, &p)
			}
			if over {
				return
			}
			if p != last {
				pause, last = progressEvery, p
			} else {
				pause = min(2*pause, progressRarely)
			}
		}
	})
}

// settle waits until all that there is at the start serves, or never will. It returns
// early when the engine stops.
func (e *Engine) settle() {
	select {
	case <-e.meta.ready:
	case <-e.ctx.Done():
		return
	}
	for _, s := range e.streamList() {
		// It may lead before it is noted that it is open.
		if s.isRestoring() || !e.await(s.settled) || !e.await(s.opened) || s.err != nil {
			continue
		}
		for _, c := range s.consumerList() {
			if !e.await(c.settled) || !e.await(c.started) {
				return
			}
		}
	}
}

// await waits until a channel is closed. It returns false if the engine stops before.
func (e *Engine) await(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-e.ctx.Done():
		return false
	}
}

// streamList returns the streams that there are, in any order.
func (e *Engine) streamList() []*stream {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Collect(maps.Values(e.streams))
}

// What there is, and does not serve yet.
var (
	errNotOpen  = errors.New("is not open yet")
	errApplying = errors.New("is applying its log")
	errNoSpace  = errors.New("the disk is full: it can be read, and takes nothing but what wins space back")
)

// spaceTrouble says that the disk is full, if it is.
func (e *Engine) spaceTrouble() error {
	if e.cfg.Host.Full() {
		return errNoSpace
	}
	return nil
}

// ailment says why the stream does not serve, or not all that it should, nil if all is
// well.
func (s *stream) ailment() error {
	switch {
	case !isClosed(s.opened):
		return errNotOpen
	case !isClosed(s.settled):
		return cmp.Or(s.blamed(), errApplying)
	}
	return cmp.Or(s.err, s.blamed(), s.e.meta.blamed(), s.e.spaceTrouble())
}

// isClosed reports whether a channel on which nothing is sent is closed.
func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
