package consumer

import "github.com/nats-lite/nats-lite/server/jetstream/store"

// EffectKind says what is to be done.
type EffectKind uint8

const (
	// Deliver sends Message to To, with the reply and headers of Delivery.
	Deliver EffectKind = iota + 1
	// SendStatus sends Status to To.
	SendStatus
	// Answer sends an empty message to To: an acknowledgement is safe.
	Answer
	// Propose proposes Frame in the term of the engine. Proposals must keep their
	// order. When some are applied, Committed is to be called; when one is not,
	// the engine is to be thrown away.
	Propose
	// Advise publishes Advice, if anybody listens.
	Advise
	// Delete asks for the consumer to be deleted, because nobody used it.
	Delete
	// Fault reports Err: the store could not be read. Delivery goes on behind a
	// damaged message; after another error it is tried again later.
	Fault
)

// Effect is something that an engine wants to be done. Which members are set
// depends on the kind.
type Effect struct {
	Kind EffectKind
	// To is the subject to send to.
	To       string
	Message  *store.Message
	Delivery Delivery
	Status   Status
	Advice   Advice
	// Frame must not be changed. It stays valid until its commit is told to the
	// engine, or the engine is thrown away.
	Frame []byte
	Err   error
}

// Effects collects what engines want to be done, in order. It also owns the
// messages that they read. One Effects may serve many engines in turn.
type Effects struct {
	List []Effect
	free []*store.Message
}

const (
	// keptMessages is how many messages are kept for reuse, keptMessageSize how
	// large they may be.
	keptMessages    = 512
	keptMessageSize = 16 << 10
)

// Reset forgets the effects, which have been carried out, and takes back their
// messages.
func (o *Effects) Reset() {
	for i := range o.List {
		if m := o.List[i].Message; m != nil {
			o.giveBack(m)
		}
	}
	clear(o.List)
	o.List = o.List[:0]
}

func (o *Effects) add(f Effect) { o.List = append(o.List, f) }

// take returns a message to be filled.
func (o *Effects) take() *store.Message {
	n := len(o.free)
	if n == 0 {
		return new(store.Message)
	}
	m := o.free[n-1]
	o.free = o.free[:n-1]
	return m
}

// giveBack takes a message that nobody uses any more.
func (o *Effects) giveBack(m *store.Message) {
	if len(o.free) < keptMessages && size(m) <= keptMessageSize {
		o.free = append(o.free, m)
	}
}

// size is the number of bytes of a message's content.
func size(m *store.Message) int { return len(m.Subject) + len(m.Header) + len(m.Data) }
