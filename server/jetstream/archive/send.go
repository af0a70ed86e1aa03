package archive

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// InterestWait is how long a backup waits for anybody to listen, in nanoseconds.
const InterestWait = int64(2 * time.Second)

// ackWait is how long it waits for chunks to be acknowledged.
const ackWait = int64(5 * time.Second)

// Why a backup ends before its end.
var (
	ErrNoInterest     = errors.New("no interest")
	ErrNoFlowResponse = errors.New("no flow response")
)

// SendFlow says when the chunks of a backup may be sent. It is told what happens, and
// asked with Ready, then and when its Deadline has come. Times are in nanoseconds
// since the Unix epoch. One goroutine at a time may use it.
//
// Nothing is sent before somebody listens. Every chunk but a short last one has a
// reply subject, on which it is to be acknowledged; as many as the window has room for
// may be without acknowledgement. The end is not waited with until the last ones are.
type SendFlow struct {
	// prefix is what the subjects of acknowledgements have in front of the index.
	prefix string
	acks   string
	chunk  int
	// window is how many chunks may be out.
	window int
	// heard is whether anybody has listened.
	heard bool
	// since is when what is waited for began: the backup, or the window being full.
	since int64
	// sent counts chunks, and numbers them from 1. out are those without
	// acknowledgement.
	sent uint64
	out  map[uint64]struct{}
	err  error
}

// NewSendFlow begins to send a backup in chunks, with sizes in bytes that were
// checked (api.StreamSnapshotRequest). The id is one that is never used again.
func NewSendFlow(stream, id string, chunk, window int, now int64) *SendFlow {
	acks := "$JS.SNAPSHOT.ACK." + stream + "." + id + "."
	return &SendFlow{
		prefix: acks + strconv.Itoa(chunk) + ".",
		acks:   acks + "*.*",
		chunk:  chunk,
		window: max(window/chunk, 1),
		since:  now,
		out:    make(map[uint64]struct{}),
	}
}

// AckSubject returns the pattern of the subjects on which acknowledgements come.
func (f *SendFlow) AckSubject() string { return f.acks }

// Interest tells whether anybody listens to what is sent. When nobody does any more
// the backup is over, as chunks may have been lost already.
func (f *SendFlow) Interest(there bool) {
	if f.heard && !there && f.err == nil {
		f.err = ErrNoInterest
	}
	f.heard = f.heard || there
}

// Ack tells of a message on a subject of acknowledgements, and reports whether it
// stands for a chunk that was without one.
func (f *SendFlow) Ack(subject string) bool {
	index, ok := strings.CutPrefix(subject, f.prefix)
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(index, 10, 64)
	if _, ok = f.out[n]; err != nil || !ok {
		return false
	}
	delete(f.out, n)
	return true
}

// Ready reports whether a chunk may be sent now. With an error nothing is to be sent
// any more but EndStatus of it.
func (f *SendFlow) Ready(now int64) (bool, error) {
	if at, ok := f.Deadline(); ok && now >= at {
		if f.err = ErrNoFlowResponse; !f.heard {
			f.err = ErrNoInterest
		}
	}
	return f.err == nil && f.heard && !f.full(), f.err
}

// Sent tells that a chunk of n bytes is sent now, and returns the reply subject that it
// goes with. It is empty for a chunk that is not full, and so is the last one.
func (f *SendFlow) Sent(now int64, n int) (reply string) {
	if n < f.chunk {
		return ""
	}
	f.sent++
	f.out[f.sent] = struct{}{}
	f.since = now
	return f.prefix + strconv.FormatUint(f.sent, 10)
}

// Deadline returns when Ready is to be called, if nothing happens before.
func (f *SendFlow) Deadline() (at int64, ok bool) {
	switch {
	case f.err != nil:
		return 0, false
	case !f.heard:
		return f.since + InterestWait, true
	case f.full():
		return f.since + ackWait, true
	default:
		return 0, false
	}
}

func (f *SendFlow) full() bool { return len(f.out) >= f.window }

// EndStatus returns the status of the empty message that ends a backup: with nil of
// one that is complete, or else of what has ended it.
func EndStatus(err error) *api.Status {
	switch {
	case err == nil:
		return api.StatusEndOfSnapshot
	case errors.Is(err, ErrNoInterest):
		return api.StatusNoInterest
	case errors.Is(err, ErrNoFlowResponse):
		return api.StatusNoFlowResponse
	default:
		s := *api.StatusInternal(err)
		s.Text = strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' ' // a line break would end the status line
			}
			return r
		}, s.Text)
		return &s
	}
}

// ChunkWriter cuts what is written to it into chunks of one size. Close gives out what
// is left, if anything.
type ChunkWriter struct {
	buf  []byte
	send func(chunk []byte) error
	err  error
}

// NewChunkWriter returns a ChunkWriter that calls send with each chunk of size bytes
// and with what is left. The chunk is valid during the call. After an error of send,
// which is returned from then on, it is not called any more.
func NewChunkWriter(size int, send func(chunk []byte) error) *ChunkWriter {
	return &ChunkWriter{buf: make([]byte, 0, size), send: send}
}

// Write implements [io.Writer].
func (w *ChunkWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		took := min(len(p), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[:took]...)
		p = p[took:]
		n += took
		if len(w.buf) == cap(w.buf) {
			w.flush()
		}
	}
	return n, w.err
}

// Close implements [io.Closer].
func (w *ChunkWriter) Close() error {
	if w.err == nil && len(w.buf) > 0 {
		w.flush()
	}
	return w.err
}

func (w *ChunkWriter) flush() {
	w.err = w.send(w.buf)
	w.buf = w.buf[:0]
}
