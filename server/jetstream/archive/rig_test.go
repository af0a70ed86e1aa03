package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// backup is all that is in an archive.
type backup struct {
	time      int64
	state     api.StreamState
	consumers []*Consumer
	messages  []message
	missing   uint64
}

type message struct {
	seq                   store.Seq
	time                  int64
	subject, header, data string
}

// read reads an archive to its end, or to the first error.
func read(src io.Reader) (*backup, error) {
	r := NewReader(src)
	s, err := r.State()
	if err != nil {
		return nil, err
	}
	b := &backup{time: r.Time(), state: *s}
	for {
		c, err := r.Consumer()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b, err
		}
		b.consumers = append(b.consumers, c)
	}
	var m store.Message
	for {
		err := r.Message(&m)
		if errors.Is(err, io.EOF) {
			b.missing = r.Missing()
			return b, nil
		}
		if err != nil {
			return b, err
		}
		b.messages = append(b.messages, message{m.Seq, m.Time, string(m.Subject), string(m.Header), string(m.Data)})
	}
}

// write writes an archive.
func (b *backup) write(dst io.Writer) error {
	w := NewWriter(dst, b.time)
	if err := w.State(&b.state); err != nil {
		return err
	}
	for _, c := range b.consumers {
		if err := w.Consumer(c); err != nil {
			return err
		}
	}
	for _, m := range b.messages {
		err := w.Message(&store.Message{
			Seq: m.seq, Time: m.time, Subject: []byte(m.subject), Header: []byte(m.header), Data: []byte(m.data),
		})
		if err != nil {
			return err
		}
	}
	return w.Close()
}

func compress(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := s2.NewWriter(&b, s2.WriterConcurrency(1), s2.WriterBlockSize(16<<10))
	w.Write(plain)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func decompress(tb testing.TB, compressed []byte) []byte {
	tb.Helper()
	plain, err := io.ReadAll(s2.NewReader(bytes.NewReader(compressed)))
	if err != nil {
		tb.Fatal(err)
	}
	return plain
}

func recorded(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// entry is an entry to be made by hand.
type entry struct {
	name, header, payload string
	time                  int64
	seq                   uint64
}

func archiveOf(entries ...entry) []byte {
	b := []byte(magic)
	for _, e := range entries {
		h := head{uint64(len(e.name)), uint64(len(e.header)), uint64(len(e.payload)), e.time, e.seq}
		b = h.append(b)
		b = append(b, e.name+e.header+e.payload...)
	}
	return b
}

func stateOf(messages, first, last, consumers int) entry {
	const at = "2026-11-23T15:03:46Z"
	return entry{name: stateName, time: 9, payload: fmt.Sprintf(
		`{"messages":%d,"bytes":0,"first_seq":%d,"first_ts":%q,"last_seq":%d,"last_ts":%q,"consumer_count":%d}`,
		messages, first, at, last, at, consumers)}
}

func consumerOf(name, state string) entry {
	return entry{name: consumerPath + name, payload: `{"config":{"name":"` + name + `","ack_policy":"explicit"},"state":` + state + `}`}
}

func messageOf(seq uint64) entry {
	return entry{name: fmt.Sprint("m.", seq), seq: seq, time: int64(seq), payload: "x"}
}

// discard is where messages go that nobody looks at.
var discard store.Message

func seqOf(n uint64) store.Seq { return store.Seq(n) }

// consumersEnd is the last message that a consumer may know of.
func (b *backup) consumersEnd() store.Seq { return store.Seq(b.state.LastSeq) }

// equal reports whether two backups are the same, with pointers followed.
func (b *backup) equal(o *backup) bool {
	return b.head() == o.head() && slices.Equal(b.messages, o.messages)
}

func (b *backup) String() string { return b.head() + fmt.Sprintf("%+v", b.messages) }

// head is all but the messages.
func (b *backup) head() string {
	s := fmt.Sprintf("at %d missing %d: %+v\n", b.time, b.missing, b.state)
	for _, c := range b.consumers {
		s += fmt.Sprintf("%s: %+v %+v\n", c.Name, *c.Config, *c.State)
	}
	return s
}
