package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// blockSize is how much is compressed at a time, in bytes.
const blockSize = 256 << 10

// Writer writes an archive: the state first, then the consumers, then the messages.
// It keeps one block of it in memory. After an error, which all methods go on to
// return, the archive is of no use.
type Writer struct {
	out  *s2.Writer
	time int64
	now  phase
	have content
	// head is the room in which heads are encoded.
	head []byte
	err  error
}

// phase is what an archive is at.
type phase uint8

const (
	atState phase = iota
	atContent
	atEnd
)

// NewWriter returns a Writer to dst of an archive that is made now, in
// nanoseconds since the Unix epoch.
func NewWriter(dst io.Writer, now int64) *Writer {
	// With a concurrency of one there are no goroutines to be waited for.
	return &Writer{
		out:  s2.NewWriter(dst, s2.WriterConcurrency(1), s2.WriterBlockSize(blockSize)),
		time: now,
	}
}

// errOrder: what is to be written has no place here.
var errOrder = errors.New("archive: written out of order")

// State writes the state of the stream: that of the snapshot whose messages follow,
// with the number of consumers that follow. The details of subjects, deleted and lost
// messages are left out, as they are not bounded and nothing is restored from them.
func (w *Writer) State(s *api.StreamState) error {
	if w.err == nil && w.now != atState {
		w.err = errOrder
	}
	if w.err != nil {
		return w.err
	}
	brief := *s
	brief.Subjects, brief.Deleted, brief.Lost = nil, nil, nil
	if err := w.have.checkState(&brief); err != nil {
		return w.fail(stateName, err)
	}
	w.now = atContent
	w.write([]byte(magic))
	return w.json(stateName, &brief, maxState)
}

// Consumer writes a consumer. It does not change c.
func (w *Writer) Consumer(c *Consumer) error {
	if w.err == nil && (w.now != atContent || w.have.messages > 0) {
		w.err = errOrder
	}
	if w.err != nil {
		return w.err
	}
	cut := *c
	if err := w.have.checkConsumer(&cut); err != nil {
		return w.fail(consumerPath+c.Name, err)
	}
	return w.json(consumerPath+c.Name, &cut, maxConsumer)
}

func (w *Writer) json(name string, v any, most uint64) error {
	body, err := json.Marshal(v)
	if err != nil {
		return w.fail(name, err)
	}
	h := head{name: uint64(len(name)), time: w.time, payload: uint64(len(body))}
	if err := h.checkSizes(most); err != nil {
		return w.fail(name, err)
	}
	w.head = append(h.append(w.head[:0]), name...)
	w.write(w.head)
	w.write(body)
	return w.err
}

// Message writes a message. It does not keep it.
func (w *Writer) Message(m *store.Message) error {
	if w.err == nil && (w.now != atContent || w.have.consumersLeft() > 0) {
		w.err = errOrder
	}
	if w.err != nil {
		return w.err
	}
	h := head{
		name: uint64(len(m.Subject)), header: uint64(len(m.Header)), payload: uint64(len(m.Data)), time: m.Time, seq: uint64(m.Seq),
	}
	err := h.checkSizes(maxPayload)
	if err == nil {
		err = w.have.checkMessage(m.Seq, m.Time, m.Subject)
	}
	if err != nil {
		return w.fail(messageName(uint64(m.Seq)), err)
	}
	w.head = append(h.append(w.head[:0]), m.Subject...)
	w.write(w.head)
	w.write(m.Header)
	w.write(m.Data)
	return w.err
}

// Close writes the end. It is an error if anything is missing that the state tells
// of. It does not close what it writes to.
func (w *Writer) Close() error {
	if w.err == nil && w.now != atContent {
		w.err = errOrder
	}
	if w.err != nil {
		return w.err
	}
	if left, n := w.have.consumersLeft(), w.have.state.Msgs; left > 0 || w.have.messages < n {
		return w.fail("the end", fmt.Errorf("%d consumers and %d messages are missing", left, n-w.have.messages))
	}
	w.now = atEnd
	var end head
	w.write(end.append(w.head[:0]))
	if w.err == nil {
		w.err = w.out.Close()
	}
	return w.err
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
}

func (w *Writer) fail(entry string, err error) error {
	w.err = fmt.Errorf("archive: %s: %w", entry, err)
	return w.err
}

func messageName(seq uint64) string { return fmt.Sprintf("message %d", seq) }
