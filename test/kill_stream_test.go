//go:build unix

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// text is what the message of a name says: whether it is whole can be seen from itself.
func text(name string) []byte {
	h := fnv.New64a()
	h.Write([]byte(name))
	n := h.Sum64()
	size := int((n >> 8) % (1 << (n >> 32 % 12)))
	if strings.HasPrefix(name, bigPublisher) {
		size += 128 << 10
	}
	return append([]byte(name+" "), bytes.Repeat([]byte{'a' + byte(n%26)}, size)...)
}

// nameOf is the name of the message that says a text, "" if it is not whole.
func nameOf(data []byte) string {
	name, _, _ := strings.Cut(string(data), " ")
	if !bytes.Equal(data, text(name)) {
		return ""
	}
	return name
}

// stored is a message as it is in a stream.
type stored struct {
	seq     uint64
	subject string
	name    string // "" if it is not whole
	size    uint64 // as the stream counts it
}

// readStream returns the messages of a stream from a sequence on. Nobody else uses it.
func readStream(s *session, stream string, from uint64) (list []stored, err error) {
	inbox := s.nc.NewRespInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	for {
		request := fmt.Appendf(nil, `{"seq":%d,"batch":500}`, max(from, 1))
		if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
			return nil, err
		}
		for {
			m, err := sub.NextMsg(patience)
			if err != nil {
				return nil, err
			}
			switch status := m.Header.Get("Status"); status {
			case "":
			case "404":
				return list, nil
			case "204":
				if m.Header.Get("Nats-Num-Pending") == "0" {
					return list, nil
				}
			default:
				return nil, fmt.Errorf("reading %s from %d: status %s %s", stream, from, status, m.Header.Get("Description"))
			}
			if m.Header.Get("Status") != "" {
				break
			}
			is := stored{subject: m.Header.Get("Nats-Subject"), name: nameOf(m.Data)}
			if is.seq, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
				return nil, err
			}
			is.size = sizeInFile(is.subject, m)
			list = append(list, is)
			from = is.seq + 1
		}
	}
}

// sizeInFile is what a message counts in a stream in files. What a direct answer says
// of it is not part of it.
func sizeInFile(subject string, m *nats.Msg) uint64 {
	size, header := 30+len(subject)+len(m.Data), 0
	for key, values := range m.Header {
		switch key {
		case "Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence":
		default:
			for _, v := range values {
				header += len(key) + len(": ") + len(v) + len("\r\n")
			}
		}
	}
	if header > 0 {
		size += 4 + header + len("NATS/1.0\r\n\r\n")
	}
	return uint64(size)
}

// logPromise is a stream that keeps everything. It is published to in all ways there are.
type logPromise struct {
	mu sync.Mutex
	// sent are the messages of the present server. Those of which it is not known
	// whether they are stored have sequence 0.
	sent map[string]*sent
	// seen are those that were found, at their sequence less one; the rest sums
	// them up.
	seen     []string
	size     uint64
	subjects map[string]uint64
	// ordered is the number of the last message of each publisher that was found.
	ordered map[string]int
	// numbers are those of the next messages of publishers.
	numbers map[string]int
	// again are the names of messages that bear their name as ID, in their order: those
	// before sure were acknowledged.
	again []string
	sure  int
	// How many acks there were, those of duplicates, and those of batches.
	acks, duplicates, batches int
}

// sent is a message that was published.
type sent struct {
	seq uint64
	// batch is what it is part of, nil for none.
	batch *batch
}

// batch is messages that are stored together. found counts those that are.
type batch struct {
	id          string
	size, found int
}

const logStream = "LOG"

func newLogPromise() *logPromise {
	return &logPromise{
		sent: make(map[string]*sent), subjects: make(map[string]uint64), ordered: make(map[string]int), numbers: make(map[string]int),
	}
}

func (l *logPromise) prepare(s *session) error {
	_, err := s.js.CreateStream(s.ctx, jetstream.StreamConfig{
		Name: logStream, Subjects: []string{"log.>"}, AllowDirect: true, AllowAtomicPublish: true, Duplicates: time.Hour,
	})
	return err
}

func (l *logPromise) clients() []func(*session) error {
	return []func(*session) error{
		func(s *session) error { return l.publishEach(s, "a") },
		func(s *session) error { return l.publishEach(s, "b") },
		func(s *session) error { return l.publishMany(s, "c") },
		func(s *session) error { return l.publishBatches(s, "d") },
		func(s *session) error { return l.publishBatches(s, "e") },
		l.publishAgain,
	}
}

// say makes the next message of a publisher.
func (l *logPromise) say(publisher string, of *batch) (string, *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbers[publisher]++
	n := l.numbers[publisher]
	name := publisher + "/" + strconv.Itoa(n)
	l.sent[name] = &sent{batch: of}
	m := nats.NewMsg("log." + publisher + "." + strconv.Itoa(n%7))
	m.Data = text(name)
	return name, m
}

// acknowledged notes that a message is stored.
func (l *logPromise) acknowledged(name string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[name].seq = seq
	l.acks++
}

// publishEach waits for the ack of each message.
func (l *logPromise) publishEach(s *session, publisher string) error {
	for s.ctx.Err() == nil {
		name, m := l.say(publisher, nil)
		ack, err := s.js.PublishMsg(s.ctx, m)
		if err != nil {
			return err
		}
		l.acknowledged(name, ack.Sequence)
	}
	return nil
}

// publishMany has many messages under way at a time.
func (l *logPromise) publishMany(s *session, publisher string) error {
	type underWay struct {
		name   string
		future jetstream.PubAckFuture
	}
	for s.ctx.Err() == nil {
		var burst []underWay
		for range 1 + s.random.IntN(100) {
			name, m := l.say(publisher, nil)
			f, err := s.js.PublishMsgAsync(m)
			if err != nil {
				return err
			}
			burst = append(burst, underWay{name, f})
		}
		for _, u := range burst {
			select {
			case ack := <-u.future.Ok():
				l.acknowledged(u.name, ack.Sequence)
			case err := <-u.future.Err():
				return err
			case <-s.ctx.Done():
			}
		}
		time.Sleep(10 * time.Millisecond) // the others are to have their turn
	}
	return nil
}

// publishBatches publishes messages that are stored together, or none of them.
func (l *logPromise) publishBatches(s *session, publisher string) error {
	for n := 1; s.ctx.Err() == nil; n++ {
		b := &batch{id: fmt.Sprintf("%s%d.%d", publisher, s.round, n), size: 1 + s.random.IntN(20)}
		size := b.size
		var names []string
		for i := range size {
			name, m := l.say(publisher, b)
			names = append(names, name)
			m.Header.Set("Nats-Batch-Id", b.id)
			m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
			if i < size-1 {
				if err := s.nc.PublishMsg(m); err != nil {
					return err
				}
				continue
			}
			m.Header.Set("Nats-Batch-Commit", "1")
			answer, err := s.nc.RequestMsgWithContext(s.ctx, m)
			if err != nil {
				return err
			}
			var ack struct {
				Sequence uint64          `json:"seq"`
				Count    int             `json:"count"`
				Error    json.RawMessage `json:"error"`
			}
			if err := json.Unmarshal(answer.Data, &ack); err != nil || ack.Error != nil || ack.Count != size {
				return fmt.Errorf("batch of %d: %q, %w", size, answer.Data, err)
			}
			for j, name := range names {
				l.acknowledged(name, ack.Sequence-uint64(size-1-j))
			}
			l.mu.Lock()
			l.batches++
			l.mu.Unlock()
		}
	}
	return nil
}

// publishAgain publishes each message until it is acknowledged, also by other servers,
// and some that were acknowledged before.
func (l *logPromise) publishAgain(s *session) error {
	const publisher = "z"
	l.mu.Lock()
	next := max(0, l.sure-10)
	l.mu.Unlock()
	for ; s.ctx.Err() == nil; next++ {
		if next == len(l.again) {
			name, _ := l.say(publisher, nil)
			l.again = append(l.again, name)
		}
		name := l.again[next]
		l.mu.Lock()
		l.sent[name] = &sent{}
		l.mu.Unlock()
		m := nats.NewMsg("log." + publisher)
		m.Data = text(name)
		ack, err := s.js.PublishMsg(s.ctx, m, jetstream.WithMsgID(name))
		if err != nil {
			return err
		}
		if next < l.sure && !ack.Duplicate {
			s.complain("%s is stored once more, with sequence %d", name, ack.Sequence)
		}
		l.acknowledged(name, ack.Sequence)
		l.mu.Lock()
		l.sure = max(l.sure, next+1)
		if ack.Duplicate {
			l.duplicates++
		}
		l.mu.Unlock()
	}
	return nil
}

// fullEvery is how often all of a long stream is read, and not only what is new.
const fullEvery = 10

func (l *logPromise) check(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := uint64(1)
	if s.round%fullEvery != 0 && !s.last {
		from = uint64(max(1, len(l.seen)-100))
	}
	list, err := readStream(s, logStream, from)
	if err != nil {
		s.complain("%v", err)
		return
	}
	for _, m := range list {
		if m.seq != from {
			s.complain("message %d of %s is followed by %d", from-1, logStream, m.seq)
			return
		}
		from++
		if m.seq <= uint64(len(l.seen)) {
			if was := l.seen[m.seq-1]; was != m.name {
				s.complain("message %d of %s was %s and is %q", m.seq, logStream, was, m.name)
			}
			continue
		}
		l.found(s, &m)
	}
	if n := uint64(len(l.seen)); from != n+1 {
		s.complain("%s ends at %d, it had %d messages", logStream, from-1, n)
		return
	}
	for name, m := range l.sent {
		if m.seq > 0 && (m.seq > uint64(len(l.seen)) || l.seen[m.seq-1] != name) {
			s.complain("%s was acknowledged as number %d of %s and is not there", name, m.seq, logStream)
		}
		if b := m.batch; b != nil && b.found != 0 && b.found != b.size {
			s.complain("%d of the %d messages of batch %s are there", b.found, b.size, b.id)
		}
	}
	clear(l.sent)
	l.recount(s)
}

// found takes note of a message that was not there before.
func (l *logPromise) found(s *session, m *stored) {
	l.seen = append(l.seen, m.name)
	l.size += m.size
	l.subjects[m.subject]++
	was := l.sent[m.name]
	if was == nil {
		s.complain("message %d of %s is %q, which nobody has sent by now", m.seq, logStream, m.name)
		return
	}
	if was.batch != nil {
		was.batch.found++
	}
	publisher, number, _ := strings.Cut(m.name, "/")
	n, err := strconv.Atoi(number)
	if before := l.ordered[publisher]; err != nil || n <= before || publisher == "z" && n != before+1 {
		s.complain("message %d of %s is %s, after number %d", m.seq, logStream, m.name, before)
	}
	l.ordered[publisher] = n
}

// recount compares what the stream counts with what was found.
func (l *logPromise) recount(s *session) {
	stream, err := s.js.Stream(s.ctx, logStream)
	if err != nil {
		s.complain("%v", err)
		return
	}
	info, err := stream.Info(s.ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		s.complain("%v", err)
		return
	}
	st, n := &info.State, uint64(len(l.seen))
	if st.Msgs != n || st.LastSeq != n || st.FirstSeq != min(n, 1) || st.Bytes != l.size || st.NumDeleted != 0 {
		s.complain("%s says %+v, there are %d messages of %d bytes", logStream, *st, n, l.size)
	}
	if !maps.Equal(st.Subjects, l.subjects) && len(l.subjects) > 0 {
		s.complain("%s says that of each subject there are %v, there are %v", logStream, st.Subjects, l.subjects)
	}
}

func (l *logPromise) finish(*session) error { return nil }

func (l *logPromise) sum() string {
	return fmt.Sprintf("%d messages are stored, %d were acknowledged, %d as duplicates, %d batches", len(l.seen), l.acks, l.duplicates, l.batches)
}

// at is the name of the message with a sequence, "" if there is none.
func (l *logPromise) at(seq uint64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq == 0 || seq > uint64(len(l.seen)) {
		return ""
	}
	return l.seen[seq-1]
}

// end is the sequence of the last message.
func (l *logPromise) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.seen))
}
