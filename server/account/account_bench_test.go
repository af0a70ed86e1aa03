package account

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/event"
)

// sink is a receiver that is always ready and forgets everything.
type sink struct{}

func (sink) Accept(l *chunk.List, _, _ int64) <-chan struct{} { l.Free(); return nil }
func (sink) Flush()                                           {}
func (sink) Exhausted(*Subscription)                          {}
func (sink) Name() string                                     { return "sink" }
func (sink) TrackReply([]byte)                                {}
func (sink) Behind() bool                                     { return false }
func (sink) Info() event.ClientInfo                           { return event.ClientInfo{Account: "A"} }

// sinks subscribes n connections to a subject.
func sinks(tb testing.TB, a *Account, n int, subject, queue string) {
	tb.Helper()
	for i := range n {
		t := &Target{ID: uint64(i), Receiver: sink{}}
		t.SetHeaders(true)
		s := &Subscription{Subject: subject, Queue: queue, SID: strconv.Itoa(i % 7), Target: t}
		if err := a.Subscribe(s); err != nil {
			tb.Fatal(err)
		}
	}
}

// benchBatch is about how many messages of a busy publisher one read brings,
// and benchStaged the bytes that are staged before they are handed over.
const (
	benchBatch  = 64
	benchStaged = 1 << 20
)

// What does one message cost, from the parsed line to the receivers' queues?
func BenchmarkFanout(b *testing.B) {
	const subj = "orders.eu-west-1.customer-4711.created"
	for _, bm := range []struct {
		name    string
		targets int
		queue   string
		// replies publishes to a subject of its own each time.
		replies bool
	}{
		{name: "1", targets: 1},
		{name: "8", targets: 8},
		{name: "1000", targets: 1000},
		{name: "queue", targets: 10, queue: "workers"},
		{name: "replies", targets: 1, replies: true},
	} {
		for _, size := range []int{16, 128, 32 << 10} {
			b.Run(fmt.Sprintf("%s/%d", bm.name, size), func(b *testing.B) {
				a := New("A")
				to := subj
				if bm.replies {
					to = "_INBOX.kx8hFGqXbJ2tRvNp3mZcWd.*"
				}
				sinks(b, a, bm.targets, to, bm.queue)
				copies := bm.targets
				if bm.queue != "" {
					copies = 1
				}
				self := &Target{Receiver: sink{}}
				f := a.NewFanout(Config{Self: self, Seed: 1})
				m := &Message{Subject: []byte(subj), Body: append(bytes.Repeat([]byte("x"), size), "\r\n"...), From: self}
				batch := max(min(benchBatch, benchStaged/(copies*size)), 1)
				inbox := append(make([]byte, 0, 64), "_INBOX.kx8hFGqXbJ2tRvNp3mZcWd."...)
				staged, n := 0, 0
				b.SetBytes(int64(size * copies))
				b.ReportAllocs()
				for b.Loop() {
					if bm.replies {
						n++
						m.Subject = strconv.AppendInt(inbox, int64(n), 36)
					}
					f.Deliver(f.Routes(m.Subject), m)
					if staged++; staged == batch {
						f.Flush()
						staged = 0
					}
				}
				f.Flush()
			})
		}
	}
}

// What does a change of interest elsewhere in the account cost a publisher
// with many receivers?
func BenchmarkFanoutChurn(b *testing.B) {
	a := New("A")
	sinks(b, a, 1000, "broadcast", "")
	f := a.NewFanout(Config{Seed: 1})
	m := NewMessage("broadcast", []byte("0123456789abcdef"))
	other := &Subscription{Subject: "other", SID: "1", Target: &Target{Receiver: sink{}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Subscribe(other); err != nil {
			b.Fatal(err)
		}
		f.Deliver(f.Routes(m.Subject), m)
		f.Flush()
		a.Interest().Remove(other.Subject, "", other)
	}
}

// What does a publisher pay that sends to many subjects in turn?
func BenchmarkFanoutManySubjects(b *testing.B) {
	for _, subjects := range []int{10, 1000, 10_000} {
		b.Run(strconv.Itoa(subjects), func(b *testing.B) {
			a := New("A")
			sinks(b, a, 1, "device.*.temperature", "")
			f := a.NewFanout(Config{Seed: 1})
			m := NewMessage("", []byte("0123456789abcdef"))
			names := make([][]byte, subjects)
			for i := range names {
				names[i] = fmt.Appendf(nil, "device.%d.temperature", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Subject = names[i]
				f.Deliver(f.Routes(m.Subject), m)
				if i++; i == len(names) {
					i = 0
				}
				if i%benchBatch == 0 {
					f.Flush()
				}
			}
		})
	}
}

// What does a message cost that goes to another account? A stream has no more to do
// than any; a request is written anew with who asks, and has its answer expected.
func BenchmarkImport(b *testing.B) {
	for _, kind := range []string{"none", "stream", "service", "request"} {
		b.Run(kind, func(b *testing.B) {
			from, to := New("A"), New("B")
			subscriber, publisher := to, from
			to.Import(streams(b, from, "orders.*", "from.orders.*"))
			subj, pattern := "orders.created", "from.orders.*"
			switch kind {
			case "none":
				subscriber, pattern = from, "orders.*"
			case "service", "request":
				to.Import(services(b, from, "orders.*", "ask.*"))
				subscriber, publisher, subj, pattern = from, to, "ask.created", "orders.*"
			}
			s := &Subscription{Subject: pattern, SID: "1", Target: &Target{Receiver: sink{}}}
			if kind == "request" {
				answers := from.NewFanout(Config{Seed: 2})
				answer := NewMessage("", []byte("answer"))
				s = &Subscription{Subject: pattern, Handler: func(m *Message) {
					answer.Subject = m.Reply
					answers.Deliver(answers.Routes(m.Reply), answer)
					answers.Flush()
				}}
				sinks(b, to, 1, "_INBOX.x.*", "")
			}
			if err := subscriber.Subscribe(s); err != nil {
				b.Fatal(err)
			}
			self := &Target{Receiver: sink{}}
			f := publisher.NewFanout(Config{Self: self, Seed: 1})
			m := NewMessage(subj, bytes.Repeat([]byte("x"), 128))
			m.From = self
			if kind == "request" {
				m.Reply = []byte("_INBOX.x.1")
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if f.Deliver(f.Routes(m.Subject), m) != 1 {
					b.Fatal("nobody got it")
				}
				if n%benchBatch == 0 {
					f.Flush()
				}
			}
		})
	}
}

// What does a message to other servers cost?
func BenchmarkFanoutRemote(b *testing.B) {
	for _, bm := range []struct{ name, queue, subject string }{
		{"plain", "", "orders.created"},
		{"queue", "q", "orders.created"},
		{"replies", "", ""},
	} {
		b.Run(bm.name, func(b *testing.B) {
			a := New("A")
			for range 2 {
				s := &Subscription{Subject: "orders.*", Queue: bm.queue, Target: &Target{Receiver: sink{}, Encoder: flatEncoder{}}}
				if err := a.Subscribe(s); err != nil {
					b.Fatal(err)
				}
			}
			f := a.NewFanout(Config{Seed: 1})
			m := NewMessage(bm.subject, bytes.Repeat([]byte("x"), 128))
			unique := append(make([]byte, 0, 64), "orders."...)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if bm.subject == "" {
					m.Subject = strconv.AppendInt(unique, int64(n), 36)
				}
				f.Deliver(f.Routes(m.Subject), m)
				if n%benchBatch == 0 {
					f.Flush()
				}
			}
		})
	}
}
