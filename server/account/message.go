package account

import "github.com/nats-lite/nats-lite/server/proto"

// Message is what is published. It belongs to the publisher; whoever is handed
// one may read it until the call returns.
type Message struct {
	Subject, Reply []byte
	// Body is the header block of HeaderLen bytes, the payload, and CR LF.
	Body      []byte
	HeaderLen int
	// From is the target of the connection that published it, nil if the server
	// did.
	From *Target
	// Errands are the publisher's, nil if it does none.
	Errands *Errands

	// origin is the account that it was published in, nil if that is the one that
	// it is in; hops counts how often it went into another one.
	origin *Account
	hops   uint8
	// arrived is set while it is delivered after another server has sent it.
	arrived bool
}

// NewMessage makes a message of the server's own, with headers given as names
// and values in turn.
func NewMessage(subject string, payload []byte, headers ...string) *Message {
	m := &Message{Subject: []byte(subject)}
	if len(headers) > 0 {
		m.Body = append(m.Body, proto.HeaderLine...)
		for i := 0; i+1 < len(headers); i += 2 {
			m.Body = append(m.Body, headers[i]...)
			m.Body = append(m.Body, ": "...)
			m.Body = append(m.Body, headers[i+1]...)
			m.Body = append(m.Body, proto.CRLF...)
		}
		m.Body = append(m.Body, proto.CRLF...)
		m.HeaderLen = len(m.Body)
	}
	m.Body = append(m.Body, payload...)
	m.Body = append(m.Body, proto.CRLF...)
	return m
}

// Size is the number of bytes of headers and payload.
func (m *Message) Size() int { return len(m.Body) - len(proto.CRLF) }

// Header is the header block, empty if there is none.
func (m *Message) Header() []byte { return m.Body[:m.HeaderLen] }

// Payload is what follows the headers.
func (m *Message) Payload() []byte { return m.Body[m.HeaderLen:m.Size()] }
