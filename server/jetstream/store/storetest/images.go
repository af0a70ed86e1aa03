package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/image"
)

// Engine is a kind of store, for tests of several.
type Engine struct {
	Name string
	Size Size
	// Open returns a new and empty store, which the tests close.
	Open func(t *testing.T) store.Store
}

// RunImages tests that a store that is made from the image of another one is like that,
// whatever engines they are of.
func RunImages(t *testing.T, engines []Engine) {
	for i, from := range engines {
		for j, to := range engines {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				t.Parallel()
				testImages(t, from, to, uint64(i*len(engines)+j))
			})
		}
	}
}

func testImages(t *testing.T, from, to Engine, seed uint64) {
	for _, w := range workloads {
		r := newRun(t, w, seed, from.Open(t), from.Size)
		copied := &run{workload: w, t: t, rng: r.rng, seed: seed, s: to.Open(t)}
		for round := range 4 {
			for n := r.rng.IntN(120); n > 0; n-- {
				r.change()
				r.maintain()
			}
			if round == 0 {
				// The other store has something of its own.
				copied.m = &model{size: to.Size}
				copied.change()
			}
			s, err := r.s.Snapshot()
			if err != nil {
				r.fail("Snapshot(): %v", err)
			}
			moment := r.where()
			wr := image.New(s, []byte(moment))
			then := r.m.clone()
			then.size = to.Size
			b := make([]byte, 0, wr.Size())
			for int64(len(b)) < wr.Size() {
				// It is read in pieces, some of them twice, while the store goes on. What is
				// erased meanwhile would be missing.
				piece := make([]byte, min(1+r.rng.Int64N(500), wr.Size()-int64(len(b))))
				if r.rng.IntN(4) == 0 {
					again := r.rng.Int64N(int64(len(b)) + 1)
					old := b[again:min(len(b), int(again)+100)]
					got := make([]byte, len(old))
					if _, err := wr.ReadAt(got, again); err != nil || !bytes.Equal(got, old) {
						r.fail("ReadAt(%d) once more gives other bytes: %v", again, err)
					}
				}
				if _, err := wr.ReadAt(piece, int64(len(b))); err != nil {
					r.fail("ReadAt(%d): %v", len(b), err)
				}
				b = append(b, piece...)
				if r.rng.IntN(5) == 0 {
					r.append()
					r.maintain()
				}
			}
			if n, err := wr.ReadAt(make([]byte, 1), wr.Size()); n != 0 || !errors.Is(err, io.EOF) {
				r.fail("ReadAt behind the end = %d, %v", n, err)
			}
			digest, err := wr.Digest()
			if err != nil || digest != [sha256.Size]byte(b[len(b)-sha256.Size:]) {
				r.fail("Digest() = %x, %v, and the image ends with %x", digest, err, b[len(b)-sha256.Size:])
			}
			if err := wr.Close(); err != nil {
				r.fail("Close(): %v", err)
			}
			copied.take(b, moment, then)
			copied.sameImage(b, moment)
			for range 20 {
				copied.change()
				copied.maintain()
			}
			copied.compare()
		}
		closeStore(t, r.s)
		closeStore(t, copied.s)
	}
}

// take has the store be as an image says, which is as the model is.
func (r *run) take(b []byte, extra string, m *model) {
	r.t.Helper()
	c, err := image.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		r.fail("image.Open(): %v", err)
	}
	if string(c.Extra()) != extra {
		r.fail("the extra is %q, want %q", c.Extra(), extra)
	}
	p, err := r.s.Prepare(c)
	if err != nil {
		r.fail("Prepare(): %v", err)
	}
	if got, want := p.State(), m.state(); got != want {
		r.fail("State() of the replacement = %+v, want %+v", got, want)
	}
	r.compare() // nothing is to be seen of it
	if err := p.Commit([]byte(extra)); err != nil {
		r.fail("Commit(): %v", err)
	}
	r.m, r.did = m, "Commit of a replacement"
	r.compare()
}

// sameImage compares the image of a store with that which it was made from.
func (r *run) sameImage(want []byte, extra string) {
	r.t.Helper()
	s, err := r.s.Snapshot()
	if err != nil {
		r.fail("Snapshot(): %v", err)
	}
	w := image.New(s, []byte(extra))
	got, err := io.ReadAll(io.NewSectionReader(w, 0, w.Size()))
	if err := errors.Join(err, w.Close()); err != nil || !bytes.Equal(got, want) {
		r.fail("the image of what was made from an image is another one: %v", err)
	}
}

// nothing is the content of a store that nothing was done to.
type nothing struct{}

func (*nothing) State() store.State { return store.State{} }
func (*nothing) Lost() []store.Loss { return nil }

func (*nothing) Messages(store.Seq) iter.Seq2[*store.Message, error] {
	return func(func(*store.Message, error) bool) {}
}
