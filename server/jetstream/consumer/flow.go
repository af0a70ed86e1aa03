package consumer

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// flow is the flow control of a push consumer. Now and then the receiver is asked
// to answer when it has taken all before. What it has not answered for may be as
// large as the window, which grows with each answer.
type flow struct {
	window int
	// outstanding is how many bytes were sent and not answered for, asked how
	// many of them an answer is expected for.
	outstanding, asked int
	// subject is where the answer is expected, empty if there is no request.
	subject string
}

const (
	minWindow = maxWindow / 16
	maxWindow = 32 << 20
)

func (w *flow) reset() { *w = flow{window: minWindow} }

// blocked reports whether nothing may be sent before an answer.
func (w *flow) blocked() bool { return w.outstanding > w.window }

// stalled returns the subject whose answer delivery waits for, empty if it does not.
func (w *flow) stalled() string {
	if !w.blocked() {
		return ""
	}
	return w.subject
}

// flowAcks reports whether answers to flow control acknowledge messages.
func (e *Engine) flowAcks() bool { return e.cfg.AckPolicy == api.AckFlowControl }

// askForFlow asks the receiver for an answer, if half of what may be on its way
// is.
func (e *Engine) askForFlow(out *Effects) {
	w := &e.flow
	if w.outstanding > w.window/2 || e.flowAcks() && e.ahead.pending.live >= max(e.cfg.maxPending/2, 1) {
		e.requestFlow(out)
	}
}

// requestFlow asks the receiver for an answer, unless one is expected already.
func (e *Engine) requestFlow(out *Effects) {
	w := &e.flow
	if w.subject != "" {
		return
	}
	w.subject, w.asked = e.p.FlowPrefix+e.p.NewID(), w.outstanding
	e.sendStatus(e.cfg.DeliverSubject, Status{Status: api.StatusFlowControl, Reply: w.subject}, out)
}

// FlowAnswer takes the answer to a flow control request, on the subject that it was
// sent to. The numbers are those of the last message that the receiver has taken,
// 0 if it does not tell; with acknowledgement by flow control they settle all
// up to there.
func (e *Engine) FlowAnswer(now int64, subject string, consumer ConsumerSeq, stream store.Seq, out *Effects) {
	e.tick(now)
	if !e.created() {
		return
	}
	if w := &e.flow; w.subject == subject && subject != "" {
		w.outstanding -= w.asked
		w.window = min(2*w.window, maxWindow)
		w.subject, w.asked = "", 0
	}
	if e.flowAcks() && stream > 0 {
		e.settleTo(min(stream, e.ahead.delivered.Stream))
	}
	if e.push.bound && e.cfg.FlowControl {
		e.askForFlow(out)
	}
}
