package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Reader reads an archive, of which it keeps one entry and one compressed block in
// memory. What is not read of the state and the consumers is passed over when what
// is behind is asked for, but checked all the same.
//
// Errors are of the type *FormatError if the archive is to blame, or ErrOldFormat,
// or else wrap that of the source. All methods go on to return them.
type Reader struct {
	in   input
	now  phase
	have content
	time int64
	// at is where the entry begins that is being read.
	at int64
	// entry says which one it is; empty stands for message seq.
	entry string
	head  head
	err   error
}

// NewReader returns a Reader of the compressed archive that src has. It reads up to
// the end of src.
func NewReader(src io.Reader) *Reader {
	r := &Reader{}
	r.in.open(src)
	return r
}

// State returns the state of the stream when the backup was made, of which Consumers
// is the number of consumers in it. It must not be changed.
func (r *Reader) State() (*api.StreamState, error) {
	if r.err == nil && r.now == atState {
		r.err = r.readState()
	}
	if r.now == atState {
		return nil, r.err
	}
	return &r.have.state, nil
}

// Time returns when the backup was made, in nanoseconds since the Unix epoch. It is
// known when State was called.
func (r *Reader) Time() int64 { return r.time }

func (r *Reader) readState() error {
	if err := r.readMagic(); err != nil {
		return err
	}
	name, body, err := r.next(maxState)
	if err != nil {
		return err
	}
	r.entry = stateName
	if string(name) != stateName || r.head.seq != 0 || r.head.header != 0 {
		return r.blame(fmt.Errorf("found %.64q", name))
	}
	var s api.StreamState
	if err := json.Unmarshal(body, &s); err != nil {
		return r.blame(err)
	}
	if err := r.have.checkState(&s); err != nil {
		return r.blame(err)
	}
	r.time, r.now = r.head.time, atContent
	return nil
}

// What older backups are recognised by: the first block of a tar archive.
const (
	tarBlock   = 512
	tarMark    = "ustar"
	tarMarkPos = 257
)

func (r *Reader) readMagic() error {
	r.entry = "the beginning"
	b, err := r.in.body(len(magic))
	if err != nil {
		return r.blame(err)
	}
	if string(b) == magic {
		return nil
	}
	wrong := fmt.Errorf("found %q, not %q", b, magic)
	if b, err := r.in.body(tarBlock - len(magic)); err == nil && strings.HasPrefix(string(b[tarMarkPos-len(magic):]), tarMark) {
		return ErrOldFormat
	}
	return r.blame(wrong)
}

// Consumer returns the next consumer. Behind the last one the error is io.EOF.
func (r *Reader) Consumer() (*Consumer, error) {
	if _, err := r.State(); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.have.consumersLeft() == 0 {
		return nil, io.EOF
	}
	c, err := r.readConsumer()
	r.err = err
	return c, err
}

func (r *Reader) readConsumer() (*Consumer, error) {
	r.entry = fmt.Sprintf("consumer %d of %d", len(r.have.consumers)+1, r.have.state.Consumers)
	full, body, err := r.next(maxConsumer)
	if err != nil {
		return nil, err
	}
	name, ok := strings.CutPrefix(string(full), consumerPath)
	if !ok || r.head.seq != 0 || r.head.header != 0 {
		return nil, r.blame(fmt.Errorf("found %.64q", full))
	}
	r.entry = fmt.Sprintf("consumer %.255q", name)
	c := &Consumer{Name: name}
	if err := json.Unmarshal(body, c); err != nil {
		return nil, r.blame(err)
	}
	if err := r.have.checkConsumer(c); err != nil {
		return nil, r.blame(err)
	}
	c.Config.Name = name
	return c, nil
}

// Message fills in the next message, whose slices are valid until the next call of r.
// Behind the last one the error is io.EOF; the archive was read to its end then, and
// nothing is wrong with it.
func (r *Reader) Message(m *store.Message) error {
	for {
		_, err := r.Consumer()
		if errors.Is(err, io.EOF) && r.err == nil {
			break
		}
		if err != nil {
			return err
		}
	}
	if r.now == atEnd {
		return io.EOF
	}
	err := r.readMessage(m)
	if r.now != atEnd {
		r.err = err
	}
	return err
}

func (r *Reader) readMessage(m *store.Message) error {
	r.entry = "the next message"
	name, payload, err := r.next(maxPayload)
	if err != nil {
		return err
	}
	if len(name) == 0 {
		return r.readEnd()
	}
	r.entry = ""
	if err := r.have.checkMessage(store.Seq(r.head.seq), r.head.time, name); err != nil {
		return r.blame(err)
	}
	h := r.head.header
	m.Seq, m.Time = store.Seq(r.head.seq), r.head.time
	m.Subject, m.Header, m.Data = name, payload[:h:h], payload[h:]
	return nil
}

// Missing returns how many messages the state tells of that did not come. It is
// final when Message has returned io.EOF.
func (r *Reader) Missing() uint64 { return r.have.state.Msgs - r.have.messages }

func (r *Reader) readEnd() error {
	r.entry = "the end"
	if r.head != (head{}) {
		return r.blame(errors.New("an entry without name"))
	}
	if err := r.in.atEnd(); err != nil {
		return r.blame(err)
	}
	r.now = atEnd
	return io.EOF
}

// next reads an entry whose payload has a limit: its name, and its header and payload
// in one. They are valid until the next one is read.
func (r *Reader) next(most uint64) (name, body []byte, err error) {
	r.at = r.in.n
	if err := r.in.head(&r.head); err != nil {
		return nil, nil, r.blame(err)
	}
	if err := r.head.checkSizes(most); err != nil {
		return nil, nil, r.blame(err)
	}
	b, err := r.in.body(int(r.head.name + r.head.header + r.head.payload))
	if err != nil {
		return nil, nil, r.blame(err)
	}
	n := r.head.name
	return b[:n:n], b[n:], nil
}

// blame returns the error for an entry that is not as it has to be.
func (r *Reader) blame(err error) error {
	if own, ok := errors.AsType[*sourceError](err); ok {
		return own
	}
	entry := r.entry
	if entry == "" {
		entry = messageName(r.head.seq)
	}
	return &FormatError{Offset: r.at, Entry: entry, Err: err}
}
