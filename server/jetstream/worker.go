package jetstream

import (
	"github.com/nats-lite/nats-lite/server/account"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/proto"
)

// worker runs actors. What it has of its own is scratch space, and what they have
// sent and has not left yet.
type worker struct {
	batch []*actor
	// now is when the run began.
	now     int64
	out     senders
	effects consumercore.Effects
	msg     account.Message

	buf, to, reply, header []byte
	// followers are the consumers that are told something.
	followers []*consumer
}

func newWorker() *worker { return &worker{} }

func (w *worker) flush() { w.out.flush() }

// send delivers a message to whoever listens to its subject, and reports whether
// anybody does.
func (w *worker) send(a *account.Account, subject, reply, header, data []byte) bool {
	m := w.message(subject, reply, header, data)
	f := w.out.of(a)
	return f.Deliver(f.Routes(subject), m) > 0
}

// forward delivers a message with a subject of its own to whoever listens to
// another.
func (w *worker) forward(a *account.Account, to string, m *account.Message) bool {
	f := w.out.of(a)
	w.to = append(w.to[:0], to...)
	return f.Forward(f.Routes(w.to), m) > 0
}

// message makes a message in the worker's buffer, valid until the next.
func (w *worker) message(subject, reply, header, data []byte) *account.Message {
	w.buf = append(append(append(w.buf[:0], header...), data...), proto.CRLF...)
	w.msg = account.Message{Subject: subject, Reply: reply, Body: w.buf, HeaderLen: len(header)}
	if cap(w.buf) > maxKeptBuffer {
		w.buf = nil
	}
	return &w.msg
}

// maxKeptBuffer bounds the buffer that a worker keeps.
const maxKeptBuffer = 1 << 20

// senders are what messages are published through: one for each account.
type senders struct {
	fanouts map[*account.Account]*account.Fanout
	touched []*account.Fanout
}

// maxFanouts bounds the accounts that a worker keeps a fan-out for.
const maxFanouts = 64

// of returns the fan-out of an account. What is given to it leaves with flush.
func (s *senders) of(a *account.Account) *account.Fanout {
	f := s.fanouts[a]
	if f == nil {
		if s.fanouts == nil || len(s.fanouts) >= maxFanouts {
			s.flush()
			s.fanouts = make(map[*account.Account]*account.Fanout)
		}
		f = a.NewFanout(account.Config{})
		s.fanouts[a] = f
	}
	for _, t := range s.touched {
		if t == f {
			return f
		}
	}
	s.touched = append(s.touched, f)
	return f
}

// flush has everything written.
func (s *senders) flush() {
	for i, f := range s.touched {
		// Who is behind is not waited for: its queue is bounded.
		f.Flush()
		s.touched[i] = nil
	}
	s.touched = s.touched[:0]
}
