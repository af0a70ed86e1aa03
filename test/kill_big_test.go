//go:build unix

package test

import (
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// bigPromise is a stream that keeps the newest of many large messages. They fill the
// log, so that there are checkpoints and the log is cut all the time.
type bigPromise struct {
	names *logPromise // names what is published

	mu sync.Mutex
	// acks are the names of the messages that were acknowledged, last the highest
	// sequence that was seen.
	acks map[uint64]string
	last uint64
}

const (
	bigStream    = "BIG"
	bigPublisher = "big"
	bigKept      = 40
)

func newBigPromise() *bigPromise {
	return &bigPromise{names: newLogPromise(), acks: make(map[uint64]string)}
}

func (b *bigPromise) prepare(s *session) error {
	_, err := s.js.CreateStream(s.ctx, jetstream.StreamConfig{
		Name: bigStream, Subjects: []string{"big"}, AllowDirect: true, MaxMsgs: bigKept,
	})
	return err
}

func (b *bigPromise) clients() []func(*session) error {
	return []func(*session) error{b.publish, b.publish, b.publish, b.publish}
}

func (b *bigPromise) publish(s *session) error {
	for s.ctx.Err() == nil {
		name, m := b.names.say(bigPublisher, nil)
		m.Subject = "big"
		ack, err := s.js.PublishMsg(s.ctx, m)
		if err != nil {
			return err
		}
		b.mu.Lock()
		if was, ok := b.acks[ack.Sequence]; ok {
			s.complain("message %d of %s is %s, it was %s", ack.Sequence, bigStream, name, was)
		}
		b.acks[ack.Sequence] = name
		b.last = max(b.last, ack.Sequence)
		b.mu.Unlock()
	}
	return nil
}

func (b *bigPromise) check(s *session) {
	list, err := readStream(s, bigStream, 1)
	if err != nil {
		s.complain("%v", err)
		return
	}
	stream, err := s.js.Stream(s.ctx, bigStream)
	if err != nil {
		s.complain("%v", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st := stream.CachedInfo().State
	first := uint64(1)
	if st.LastSeq > bigKept {
		first = st.LastSeq - bigKept + 1
	}
	if st.LastSeq < b.last || st.LastSeq > 0 && st.FirstSeq != first || st.Msgs != uint64(len(list)) || st.Msgs != st.LastSeq-first+1 {
		s.complain("%s says %+v, there are %d messages, %d was acknowledged", bigStream, st, len(list), b.last)
	}
	size := uint64(0)
	for i, m := range list {
		size += m.size
		if name, ok := b.acks[m.seq]; m.seq != first+uint64(i) || m.name == "" || ok && name != m.name {
			s.complain("message %d of %s is number %d and %q, it was %s", first+uint64(i), bigStream, m.seq, m.name, name)
		}
	}
	if st.Bytes != size {
		s.complain("%s says %+v, there are %d bytes", bigStream, st, size)
	}
	b.last = st.LastSeq
}

func (b *bigPromise) finish(*session) error { return nil }

func (b *bigPromise) sum() string {
	return fmt.Sprintf("%d large messages were acknowledged", len(b.acks))
}
