//go:build unix

package test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// certainty is something with a state that one client changes: what it is, and what it
// is if the last operation, of which nothing was heard, has been carried out.
type certainty[S comparable] struct {
	is, may S
}

// try notes that an operation begins, done that it has been carried out.
func (c *certainty[S]) try(next S) { c.may = next }
func (c *certainty[S]) done()      { c.is = c.may }

// found notes what it is. It returns false if that can not be.
func (c *certainty[S]) found(now S) bool {
	ok := now == c.is || now == c.may
	c.is, c.may = now, now
	return ok
}

// bucketPromise is a bucket, with keys that one client each writes.
type bucketPromise struct {
	mu   sync.Mutex
	keys map[string]*certainty[string]
	revs map[string]uint64
	ops  int
}

const (
	bucketName    = "bucket"
	bucketWriters = 3
	bucketKeys    = 10 // of each writer
)

func newBucketPromise() *bucketPromise {
	b := &bucketPromise{keys: make(map[string]*certainty[string]), revs: make(map[string]uint64)}
	for w := range bucketWriters {
		for k := range bucketKeys {
			b.keys[keyOf(w, k)] = &certainty[string]{}
		}
	}
	return b
}

func keyOf(writer, n int) string { return fmt.Sprintf("writer.%d.%d", writer, n) }

func (b *bucketPromise) prepare(s *session) error {
	_, err := s.js.CreateKeyValue(s.ctx, jetstream.KeyValueConfig{Bucket: bucketName, History: 3})
	return err
}

func (b *bucketPromise) clients() (list []func(*session) error) {
	for w := range bucketWriters {
		list = append(list, func(s *session) error { return b.write(s, w) })
	}
	return list
}

// write changes keys in all ways there are. The keys of a writer are its own, so that
// a condition can not fail.
func (b *bucketPromise) write(s *session, writer int) error {
	bucket, err := s.js.KeyValue(s.ctx, bucketName)
	if err != nil {
		return err
	}
	for n := 0; s.ctx.Err() == nil; n++ {
		key := keyOf(writer, s.random.IntN(bucketKeys))
		value := fmt.Sprintf("%d.%d", s.round, n)
		b.mu.Lock()
		at, rev := b.keys[key], b.revs[key]
		remove := at.is != "" && s.random.IntN(4) == 0
		if remove {
			value = ""
		}
		at.try(value)
		b.mu.Unlock()
		switch {
		case remove && rev > 0:
			err = bucket.Delete(s.ctx, key, jetstream.LastRevision(rev))
			rev = 0
		case remove:
			err = bucket.Delete(s.ctx, key)
		case at.is == "":
			rev, err = bucket.Create(s.ctx, key, []byte(value))
		case rev > 0:
			rev, err = bucket.Update(s.ctx, key, []byte(value), rev)
		default:
			rev, err = bucket.Put(s.ctx, key, []byte(value))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		b.mu.Lock()
		at.done()
		b.revs[key] = rev
		b.ops++
		b.mu.Unlock()
	}
	return nil
}

func (b *bucketPromise) check(s *session) {
	bucket, err := s.js.KeyValue(s.ctx, bucketName)
	if err != nil {
		s.complain("%v", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	listed := make(map[string]bool)
	lister, err := bucket.ListKeys(s.ctx)
	if err != nil {
		s.complain("%v", err)
		return
	}
	for key := range lister.Keys() {
		listed[key] = true
	}
	there := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(b.keys)) {
		at := b.keys[key]
		was, may := at.is, at.may
		e, err := bucket.Get(s.ctx, key)
		value, rev := "", uint64(0)
		switch {
		case err == nil:
			value, rev = string(e.Value()), e.Revision()
			there[key] = true
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			s.complain("%s: %v", key, err)
			continue
		}
		if !at.found(value) {
			s.complain("%s is %q, it was %q, and may have become %q", key, value, was, may)
		}
		if before := b.revs[key]; before > 0 && (value == was && rev != before || value != was && value != "" && rev <= before) {
			s.complain("%s is %q with revision %d, it was %q with %d", key, value, rev, was, before)
		}
		b.revs[key] = rev
	}
	if !maps.Equal(listed, there) {
		s.complain("the keys are %v, of which there are values for %v", listed, there)
	}
}

func (b *bucketPromise) finish(*session) error { return nil }

func (b *bucketPromise) sum() string { return fmt.Sprintf("%d changes of keys were confirmed", b.ops) }

// churned is how a stream is that comes and goes.
type churned struct {
	exists     bool
	msgs, last uint64
	consumers  int
}

// churnPromise is streams that are created, changed and deleted all the time.
type churnPromise struct {
	mu      sync.Mutex
	streams [2]certainty[churned]
	ops     int
}

func newChurnPromise() *churnPromise { return &churnPromise{} }

func (c *churnPromise) prepare(*session) error { return nil }

func (c *churnPromise) clients() (list []func(*session) error) {
	for i := range c.streams {
		list = append(list, func(s *session) error { return c.churn(s, i) })
	}
	return list
}

func churnName(i int) string { return "CHURN" + strconv.Itoa(i) }

// churn does something random to a stream, again and again.
func (c *churnPromise) churn(s *session, i int) error {
	name, subject := churnName(i), "churn."+strconv.Itoa(i)
	for s.ctx.Err() == nil {
		c.mu.Lock()
		at := &c.streams[i]
		next := at.is
		var op func() error
		switch what := s.random.IntN(10); {
		case !next.exists:
			next = churned{exists: true}
			op = func() error {
				_, err := s.js.CreateStream(s.ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
				return err
			}
		case what == 0:
			next = churned{}
			op = func() error { return s.js.DeleteStream(s.ctx, name) }
		case what == 1:
			next.msgs = 0
			op = func() error {
				stream, err := s.js.Stream(s.ctx, name)
				if err == nil {
					err = stream.Purge(s.ctx)
				}
				return err
			}
		case what <= 3 && next.consumers == 0:
			next.consumers = 1
			op = func() error {
				_, err := s.js.CreateConsumer(s.ctx, name, jetstream.ConsumerConfig{Durable: "c"})
				return err
			}
		case what <= 3:
			next.consumers = 0
			op = func() error { return s.js.DeleteConsumer(s.ctx, name, "c") }
		default:
			next.msgs++
			next.last++
			op = func() error {
				ack, err := s.js.Publish(s.ctx, subject, []byte("x"))
				if err == nil && ack.Sequence != next.last {
					err = fmt.Errorf("message %d of %s has sequence %d", next.last, name, ack.Sequence)
				}
				return err
			}
		}
		at.try(next)
		c.mu.Unlock()
		if err := op(); err != nil {
			return fmt.Errorf("from %+v to %+v: %w", at.is, next, err)
		}
		c.mu.Lock()
		at.done()
		c.ops++
		c.mu.Unlock()
	}
	return nil
}

func (c *churnPromise) check(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.streams {
		var now churned
		stream, err := s.js.Stream(s.ctx, churnName(i))
		switch {
		case err == nil:
			info := stream.CachedInfo()
			now = churned{true, info.State.Msgs, info.State.LastSeq, info.State.Consumers}
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			s.complain("%s: %v", churnName(i), err)
			continue
		}
		was := c.streams[i]
		if !c.streams[i].found(now) {
			s.complain("%s is %+v, it was %+v and may have become %+v", churnName(i), now, was.is, was.may)
		}
	}
}

func (c *churnPromise) finish(*session) error { return nil }

func (c *churnPromise) sum() string {
	return fmt.Sprintf("%d changes of streams were confirmed", c.ops)
}
