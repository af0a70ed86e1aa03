package account

import (
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// measurement is that of one request, which is reported once. A nil one is that of a
// request that is not measured.
type measurement struct {
	im        *ServiceImport
	requestor event.ClientInfo
	header    map[string][]string
	began     time.Time

	mu sync.Mutex
	// ended is set when it was reported.
	ended bool
	// unwatch ends looking after the requestor, nil if that is not done.
	unwatch func()
}

// measure begins to measure a request, if it is one of those.
func (im *ServiceImport) measure(g *abroad, m *Message, who *event.ClientInfo) *measurement {
	l := im.Latency
	if l == nil {
		return nil
	}
	out := &measurement{im: im, requestor: *who}
	if l.Sampling == 0 {
		out.header = event.TracingHeaders(func(f func(name, value []byte) bool) { proto.Headers(m.Header(), f) })
		if out.header == nil {
			return nil
		}
	} else if l.Sampling < 100 && int(g.Random(100)) >= l.Sampling {
		return nil
	}
	out.began = im.To.clock.Now()
	return out
}

// watch has the record of a request dropped when the requestor no longer listens.
func (ms *measurement) watch(rs *responses, r *response) {
	if ms == nil {
		return
	}
	unwatch := r.to.Watch(r.reply, func() {
		if !r.to.HasInterest(r.reply) {
			rs.drop(r, event.LatencyGone)
		}
	})
	ms.mu.Lock()
	ended := ms.ended
	ms.unwatch = unwatch
	ms.mu.Unlock()
	if ended {
		unwatch()
	}
}

// answered reports a response that came at a time and was delivered now.
func (ms *measurement) answered(at time.Time, responder *event.ClientInfo) {
	now := ms.im.To.clock.Now()
	ms.report(&event.ServiceLatency{
		Status: event.LatencyOK, Responder: responder,
		Service: max(at.Sub(ms.began)-responder.RTT, 0), System: now.Sub(at),
		Total: max(now.Sub(ms.began), responder.RTT) + ms.requestor.RTT,
	}, now)
}

// end reports a request without response.
func (ms *measurement) end(status int) {
	if ms != nil {
		ms.report(&event.ServiceLatency{Status: status, Description: event.LatencyText(status)}, ms.im.To.clock.Now())
	}
}

func (ms *measurement) report(l *event.ServiceLatency, now time.Time) {
	ms.mu.Lock()
	ended, unwatch := ms.ended, ms.unwatch
	ms.ended = true
	ms.mu.Unlock()
	if ended {
		return
	}
	if unwatch != nil {
		unwatch()
	}
	l.Time, l.Start = now.UTC(), ms.began.Add(-ms.requestor.RTT).UTC()
	l.Requestor, l.Header = &ms.requestor, ms.header
	ms.im.Latency.Report(ms.im.To, ms.im.Latency.Subject, l)
}
