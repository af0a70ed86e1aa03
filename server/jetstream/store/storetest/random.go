package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// subjects are what messages are published to. One of them looks like a pattern,
// which is allowed and means nothing.
var subjects = []string{
	"a", "a.b", "a.c", "a.b.c", "b", "b.x.c", "b.b", "foo.bar", "foo.*", "foo.b",
	"k.0", "k.1", "k.2", "k.3", "k.4", "k.5", "k.6", "k.7", "k.8", "k.9", "k.10",
}

// workload says what a random run is like: how many subjects it uses, what the
// stream would do after each message, and the weights of operations.
type workload struct {
	name     string
	subjects int
	// limit is how many messages the store may hold, perSubject how many of one
	// subject; 0 is no limit.
	limit, perSubject uint64
	appends, removes  int
	skips, purges     int
	// stride is how far numbers may jump.
	stride uint64
}

var workloads = []workload{
	{name: "limits", subjects: 6, limit: 40, appends: 20, skips: 1, purges: 1, stride: 1},
	{name: "key value", subjects: 21, perSubject: 1, appends: 30, removes: 2, purges: 1, stride: 1},
	{name: "history", subjects: 10, limit: 60, perSubject: 4, appends: 20, removes: 1, stride: 1},
	{name: "work queue", subjects: 4, limit: 80, appends: 10, removes: 9, purges: 1, stride: 1},
	{name: "sparse", subjects: 12, limit: 50, appends: 10, removes: 4, skips: 6, purges: 1, stride: 9},
	{name: "far apart", subjects: 21, limit: 50, appends: 10, removes: 6, skips: 2, purges: 1, stride: 1 << 34},
}

// run is one history, done to a store and a model alike.
type run struct {
	workload

	t    testing.TB
	rng  *rand.Rand
	seed uint64
	step int
	// did is the last operation.
	did string
	s   store.Store
	m   *model
}

func newRun(t testing.TB, w workload, seed uint64, s store.Store, size Size) *run {
	return &run{workload: w, t: t, rng: rand.New(rand.NewPCG(seed, 1)), seed: seed, s: s, m: &model{size: size}}
}

// where tells how to find the moment again.
func (r *run) where() string {
	return fmt.Sprintf("%s, seed %d, step %d, after %s", r.name, r.seed, r.step, r.did)
}

func (r *run) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s: %s", r.where(), fmt.Sprintf(format, args...))
}

// change does one random operation.
func (r *run) change() {
	r.t.Helper()
	r.step++
	n := r.rng.IntN(r.appends + r.removes + r.skips + r.purges)
	switch {
	case n < r.appends:
		r.append()
	case n < r.appends+r.removes:
		r.remove()
	case n < r.appends+r.removes+r.skips:
		r.skip()
	default:
		r.purge()
	}
}

func (r *run) append() {
	r.t.Helper()
	e := message{
		seq:     r.m.last + 1,
		time:    r.time(),
		subject: subjects[r.rng.IntN(r.subjects)],
		data:    string(bytes.Repeat([]byte{byte('a' + r.step%26)}, r.rng.IntN(40))),
	}
	if r.rng.IntN(8) == 0 {
		e.seq += store.Seq(r.rng.Uint64N(r.stride))
	}
	if r.rng.IntN(4) == 0 {
		e.header = fmt.Sprintf("NATS/1.0\r\nStep: %d\r\n\r\n", r.step)
	}
	if r.rng.IntN(20) == 0 {
		e.data = string(bytes.Repeat([]byte(e.subject), 100))
	}
	r.did = fmt.Sprintf("Append(%d, %s)", e.seq, e.subject)
	add(r.t, r.s, r.m, e)
	for r.perSubject > 0 && r.m.subjects(">")[e.subject].Messages > r.perSubject {
		r.removeOldest(e.subject)
	}
	for r.limit > 0 && uint64(len(r.m.messages)) > r.limit {
		r.removeOldest("")
	}
}

// add appends to both, from memory that is overwritten afterwards.
func add(t testing.TB, s store.Store, m *model, e message) {
	t.Helper()
	subject, header, data := []byte(e.subject), []byte(e.header), []byte(e.data)
	if err := s.Append(&store.Message{Seq: e.seq, Time: e.time, Subject: subject, Header: header, Data: data}); err != nil {
		t.Fatalf("Append(%d): %v", e.seq, err)
	}
	clear(subject)
	clear(header)
	clear(data)
	m.append(e)
}

// time is that of the next message: often the same as that of the one before.
func (r *run) time() int64 { return r.m.lastTime + int64(r.rng.IntN(3)) }

// seq returns a number that is likely to be there.
func (r *run) seq() store.Seq {
	if len(r.m.messages) == 0 || r.rng.IntN(8) == 0 {
		return store.Seq(r.rng.Uint64N(uint64(r.m.last + 3)))
	}
	return r.m.messages[r.rng.IntN(len(r.m.messages))].seq
}

func (r *run) remove() {
	r.t.Helper()
	if r.rng.IntN(4) == 0 {
		subject := subjects[r.rng.IntN(r.subjects)]
		if r.rng.IntN(3) == 0 {
			subject = ""
		}
		r.removeOldest(subject)
		return
	}
	seq, erase := r.seq(), r.rng.IntN(2) == 0
	r.did = fmt.Sprintf("Remove(%d, %v)", seq, erase)
	got, err := r.s.Remove(seq, erase)
	want, ok := r.m.remove(seq)
	r.removed(got, err, want, ok)
}

func (r *run) removeOldest(subject string) {
	r.t.Helper()
	r.did = fmt.Sprintf("RemoveOldest(%q)", subject)
	got, err := r.s.RemoveOldest(subject)
	want, ok := r.m.removeOldest(subject)
	r.removed(got, err, want, ok)
}

func (r *run) removed(got store.Removed, err error, want store.Removed, ok bool) {
	r.t.Helper()
	if ok && err != nil || !ok && !errors.Is(err, store.ErrNotFound) || got != want {
		r.fail("= %+v, %v, want %+v, found: %v", got, err, want, ok)
	}
}

func (r *run) skip() {
	r.t.Helper()
	seq, now := r.m.last+store.Seq(r.rng.Uint64N(2*r.stride)), r.time()
	r.did = fmt.Sprintf("Skip(%d)", seq)
	if err := r.s.Skip(seq, now); err != nil {
		r.fail("%v", err)
	}
	r.m.skip(seq, now)
}

// purge removes many. A Reset is rare, for not much is left to look at then.
func (r *run) purge() {
	r.t.Helper()
	switch r.rng.IntN(16) {
	case 0:
		first := r.seq() + 1
		r.did = fmt.Sprintf("Reset(%d)", first)
		if err := r.s.Reset(first); err != nil {
			r.fail("%v", err)
		}
		r.m.reset(first)
	case 1, 2, 3, 4, 5:
		seq := r.seq()
		r.did = fmt.Sprintf("Compact(%d)", seq)
		got, err := r.s.Compact(seq)
		if want := r.m.compact(seq); got != want || err != nil {
			r.fail("= %d, %v, want %d", got, err, want)
		}
	default:
		f, before, keep := filters[r.rng.IntN(len(filters))], store.Seq(0), uint64(0)
		if r.rng.IntN(3) == 0 {
			before = r.seq()
		}
		if r.rng.IntN(2) == 0 {
			keep = 1 + r.rng.Uint64N(4)
		}
		r.did = fmt.Sprintf("Purge(%q, %d, %d)", f.Patterns(), before, keep)
		got, err := r.s.Purge(f, before, keep)
		if want := r.m.purge(f, before, keep); got != want || err != nil {
			r.fail("= %d, %v, want %d", got, err, want)
		}
	}
}

func (r *run) compare() {
	r.t.Helper()
	compare(r.t, r.where(), r.s, r.m, r.rng)
}

// maintain has an engine that has work in the background do some of it. None of
// it may be seen.
func (r *run) maintain() {
	r.t.Helper()
	s, ok := r.s.(interface{ Maintain() (more bool, err error) })
	if !ok {
		return
	}
	if _, err := s.Maintain(); err != nil {
		r.fail("Maintain(): %v", err)
	}
}
