package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

var errDisk = errors.New("disk")

// failing is a store of which the nth call that can fail does so.
type failing struct {
	store.Store
	left int
}

func (s *failing) fails() bool {
	s.left--
	return s.left == 0
}

func (s *failing) Append(m *store.Message) error {
	if s.fails() {
		return errDisk
	}
	return s.Store.Append(m)
}

func (s *failing) Skip(seq store.Seq, now int64) error {
	if s.fails() {
		return errDisk
	}
	return s.Store.Skip(seq, now)
}

func (s *failing) Remove(seq store.Seq, erase bool) (store.Removed, error) {
	if s.fails() {
		return store.Removed{}, errDisk
	}
	return s.Store.Remove(seq, erase)
}

func (s *failing) RemoveOldest(subject string) (store.Removed, error) {
	if s.fails() {
		return store.Removed{}, errDisk
	}
	return s.Store.RemoveOldest(subject)
}

func (s *failing) Compact(seq store.Seq) (uint64, error) {
	if s.fails() {
		return 0, errDisk
	}
	return s.Store.Compact(seq)
}

func (s *failing) Purge(f *store.Filter, before store.Seq, keep uint64) (uint64, error) {
	if s.fails() {
		return 0, errDisk
	}
	return s.Store.Purge(f, before, keep)
}

func (s *failing) Load(seq store.Seq, m *store.Message) error {
	if s.fails() {
		return errDisk
	}
	return s.Store.Load(seq, m)
}

func (s *failing) Next(f *store.Filter, from store.Seq, m *store.Message) error {
	if s.fails() {
		return errDisk
	}
	return s.Store.Next(f, from, m)
}

// TestEveryFailureIsTold has the store fail at its first call, its second, and so on,
// until a history gets through.
func TestEveryFailureIsTold(t *testing.T) {
	for _, name := range []string{"limits", "everything", "interest", "counters", "mirror"} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n += 1 + n/20 {
				st := &failing{mem.New(), n}
				c, err := New(config(t, configurations[name]), st)
				if err != nil {
					t.Fatal(err)
				}
				h := newHistory(t, 8, c)
				failed := false
				for range 150 {
					h.now += h.r.Int64N(int64(time.Second))
					// What the history looks at is not to fail.
					left := st.left
					st.left = 0
					op := h.op()
					st.left = left
					err := c.Apply(op, h.now, &Result{})
					if failed = st.left <= 0; failed != (err != nil) {
						t.Fatalf("call %d failed: %v, and the error is %v", n, failed, err)
					}
					if failed {
						if !errors.Is(err, errDisk) {
							t.Fatalf("call %d: error %v", n, err)
						}
						break
					}
				}
				if !failed {
					if n < 50 {
						t.Errorf("only %d calls", n)
					}
					return
				}
			}
		})
	}
}

// TestWrongConfigurations are refused, rather than half in force.
func TestWrongConfigurations(t *testing.T) {
	for name, change := range map[string]func(*api.StreamConfig){
		"transform": func(c *api.StreamConfig) {
			c.SubjectTransform = &api.SubjectTransform{Source: "a", Destination: "b.{{wildcard(1)}}"}
		},
		"republish": func(c *api.StreamConfig) {
			c.RePublish = &api.RePublish{Source: "a", Destination: "b.{{wildcard(1)}}"}
		},
		"source": func(c *api.StreamConfig) { c.Sources = []*api.StreamSource{nil} },
	} {
		cfg := config(t, nil)
		change(cfg)
		if _, err := New(cfg, mem.New()); err == nil {
			t.Errorf("%s: a new stream takes it", name)
		}
		g := newRig(t, nil)
		before := g.c.Config()
		if r := g.apply(configOp(t, cfg)); !r.Skipped || r.ConfigChanged || g.c.Config() != before {
			t.Errorf("%s: an update gives %+v", name, r)
		}
	}
}
