package account

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/event"
)

// measured is a service whose requests are measured, with a client, and what was
// reported.
type measured struct {
	service, client *Account
	server, asker   *party
	reports         []*event.ServiceLatency
}

func newMeasured(t *testing.T, sampling int) *measured {
	t.Helper()
	w := &measured{service: New("A"), client: New("B")}
	list := services(t, w.service, "svc", "svc")
	list.Services[0].Threshold = 10 * time.Second
	list.Services[0].Latency = &Latency{
		Sampling: sampling, Subject: "latency", Report: func(in *Account, subject string, l *event.ServiceLatency) {
			if in != w.service || subject != "latency" {
				t.Errorf("reported to %q in %s", subject, in.Name())
			}
			w.reports = append(w.reports, l)
		},
	}
	w.client.Import(list)
	w.server, w.asker = join(t, w.service, 1, "svc"), join(t, w.client, 2)
	w.server.rtt = 3 * time.Millisecond
	return w
}

// report returns the one report that has come.
func (w *measured) report(t *testing.T) *event.ServiceLatency {
	t.Helper()
	synctest.Wait()
	if len(w.reports) != 1 {
		t.Fatalf("%d reports", len(w.reports))
	}
	l := w.reports[0]
	w.reports = nil
	return l
}

// What is measured of a request, however it ends?
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newMeasured(t, 100)
		inbox := listen(t, w.client, w.asker.recorder, "inbox.1", "")
		began := time.Now()
		w.asker.publish("svc", "inbox.1", "")
		time.Sleep(time.Second)
		w.server.publish(w.server.next().reply, "", "done")
		l := w.report(t)
		if l.Status != 200 || l.Description != "" || l.Requestor.Account != "B" || l.Requestor.User != "" || l.Responder.User != "target-1" {
			t.Errorf("%+v", l)
		}
		rtt, theirs := w.asker.rtt, w.server.rtt
		if !l.Start.Equal(began.Add(-rtt)) || l.Service != time.Second-theirs || l.System != 0 || l.Total != time.Second+rtt || !l.Time.Equal(time.Now()) {
			t.Errorf("began at %v: %+v", began, l)
		}
		for _, tc := range []struct {
			name   string
			do     func()
			status int
			text   string
		}{
			{"no reply", func() { w.asker.publish("svc", "", "") }, 400, "Bad Request"},
			{"no answer", func() { w.asker.publish("svc", "inbox.1", ""); time.Sleep(11 * time.Second) }, 504, "Service Timeout"},
			{"the requestor leaves", func() { w.asker.publish("svc", "inbox.1", ""); w.client.Unsubscribe(inbox) }, 408, "Request Timeout"},
			{"nobody waits", func() {
				w.server.take()
				w.asker.publish("svc", "inbox.1", "")
				w.server.publish(w.server.next().reply, "", "")
			}, 408, "Request Timeout"},
			{"the service is closed", func() {
				inbox = listen(t, w.client, w.asker.recorder, "inbox.1", "")
				w.server.Close()
				w.asker.publish("svc", "inbox.1", "")
			}, 503, "Service Unavailable"},
			{"no service", func() {
				w.service.UnsubscribeAll(w.service.Subscriptions("svc"))
				w.asker.publish("svc", "inbox.1", "")
			}, 503, "Service Unavailable"},
		} {
			tc.do()
			if l := w.report(t); l.Status != tc.status || l.Description != tc.text || l.Responder != nil || l.Service != 0 || l.Requestor.Account != "B" {
				t.Errorf("%s: %+v", tc.name, l)
			}
		}
		if w.client.watchers.some.Load() {
			t.Error("somebody is still watched")
		}
	})
}

// Which requests are measured?
func TestLatencySampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			sampling int
			headers  []string
			min, max int
		}{
			{100, nil, 200, 200},
			{25, nil, 20, 80},
			{0, nil, 0, 0},
			{0, []string{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, 200, 200},
			{0, []string{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, 0, 0},
		} {
			w := newMeasured(t, tc.sampling)
			for range 200 {
				w.asker.publish("svc", "", "", tc.headers...)
			}
			if n := len(w.reports); n < tc.min || n > tc.max {
				t.Errorf("%d of 200 are measured with %d %q", n, tc.sampling, tc.headers)
			}
			if n := len(w.reports); n > 0 && tc.sampling == 0 && fmt.Sprint(w.reports[0].Header) != "map[Traceparent:["+tc.headers[1]+"]]" {
				t.Errorf("headers %v", w.reports[0].Header)
			}
		}
	})
}
