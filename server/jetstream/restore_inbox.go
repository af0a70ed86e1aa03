package jetstream

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
)

// restoreInbox is what has come of a backup. It is an io.Reader of the chunks in one,
// each of which is answered when it has been read.
type restoreInbox struct {
	e      *Engine
	tenant *tenant
	// ctx is that of the restore.
	ctx context.Context
	// news has a token when something has come.
	news chan struct{}

	mu   sync.Mutex
	flow *archive.ReceiveFlow
	// chunks were not begun to be read. last is the reply subject of the request that
	// has ended it.
	chunks []restoreChunk
	last   string
	// refusal is the answer to all that comes once it is over.
	refusal []byte

	// current is being read, from the offset read on. It belongs to the reader.
	current restoreChunk
	read    int
}

type restoreChunk struct {
	data  []byte
	reply string
}

func (b *restoreInbox) init(ctx context.Context, t *tenant) {
	b.e, b.tenant, b.ctx, b.news = t.e, t, ctx, make(chan struct{}, 1)
	b.flow = archive.NewReceiveFlow(t.e.now())
}

// receive takes a chunk, on the client's goroutine.
func (b *restoreInbox) receive(m *account.Message) {
	data, reply := m.Payload(), string(m.Reply)
	b.mu.Lock()
	last, err := b.flow.Chunk(b.e.now(), len(data), len(reply) > 0)
	refusal := b.refusal
	switch {
	case err != nil && refusal == nil:
		// The job answers it too, once it knows what to say.
		b.chunks = append(b.chunks, restoreChunk{reply: reply})
	case err != nil:
	case last:
		b.last = reply
	default:
		b.chunks = append(b.chunks, restoreChunk{data: bytes.Clone(data), reply: reply})
	}
	b.mu.Unlock()
	if refusal != nil {
		b.answer(reply, refusal)
		return
	}
	b.wake()
}

func (b *restoreInbox) answer(reply string, data []byte) {
	if reply != "" {
		b.tenant.account.Publish(account.NewMessage(reply, data))
	}
}

// wake has Read look at what has come.
func (b *restoreInbox) wake() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// end answers all that was not answered: the last request with the answer, which says
// what the error is if there is one. It returns how many bytes have come.
func (b *restoreInbox) end(err error, answer []byte) (received int64) {
	b.mu.Lock()
	if err == nil {
		err = archive.ErrAtEnd
	}
	b.flow.Fail(err)
	b.refusal = answer
	open := b.chunks
	b.chunks = nil
	if b.current.reply != "" {
		open = append(open, b.current)
		b.current = restoreChunk{}
	}
	open = append(open, restoreChunk{reply: b.last})
	received = b.flow.Received()
	b.mu.Unlock()
	for _, c := range open {
		b.answer(c.reply, answer)
	}
	return received
}

// Read implements io.Reader. It waits for the client, as long as the flow does.
func (b *restoreInbox) Read(p []byte) (int, error) {
	if b.current.reply == "" {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.current.data[b.read:])
	if b.read += n; b.read == len(b.current.data) {
		b.mu.Lock()
		b.flow.Taken(b.e.now(), len(b.current.data))
		b.mu.Unlock()
		b.answer(b.current.reply, nil)
		b.current = restoreChunk{}
	}
	return n, nil
}

// next waits for a chunk. The error is io.EOF when there is none any more, or says why
// the restore is over.
func (b *restoreInbox) next() error {
	for {
		if b.ctx.Err() != nil {
			return b.e.cause(b.ctx)
		}
		now := b.e.now()
		b.mu.Lock()
		err := b.flow.Check(now)
		at, timed := b.flow.Deadline()
		switch {
		case err != nil:
		case len(b.chunks) > 0:
			b.current, b.read = b.chunks[0], 0
			b.chunks[0] = restoreChunk{}
			b.chunks = b.chunks[1:]
		case b.last != "":
			err = io.EOF
		}
		b.mu.Unlock()
		if err != nil || b.current.reply != "" {
			return err
		}
		if err := b.e.wait(b.news, at-now, timed); err != nil {
			return err
		}
	}
}
