package file

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// story is a random history of a store, with what was in it at each checkpoint.
// The extra of a checkpoint is its number.
type story struct {
	t    testing.TB
	rng  *rand.Rand
	cfg  Config
	s    *Store
	step int
	// saved are the contents at the checkpoints that were taken, durable the
	// newest one whose Commit returned nil.
	saved   []string
	durable int
	// messages are those that are there.
	messages map[store.Seq]string
	last     store.Seq
}

func newStory(t testing.TB, cfg Config, seed uint64) *story {
	empty := (&story{}).content()
	return &story{t: t, rng: rand.New(rand.NewPCG(seed, 3)), cfg: cfg, saved: []string{empty}, messages: make(map[store.Seq]string)}
}

func (st *story) open(fs vfs.FS) error {
	st.cfg.FS, st.cfg.Dir = fs, "stream"
	s, _, err := Open(st.cfg)
	st.s = s
	return err
}

// content is the messages as a text.
func (st *story) content() string {
	var b strings.Builder
	for seq := store.Seq(1); seq <= st.last; seq++ {
		if m, ok := st.messages[seq]; ok {
			fmt.Fprintf(&b, "%d %s\n", seq, m)
		}
	}
	fmt.Fprintf(&b, "last %d", st.last)
	return b.String()
}

// contentOf is content as a store tells it, with what it says of its subjects
// checked.
func contentOf(s *Store) (string, error) {
	var b strings.Builder
	var m store.Message
	subjects := make(map[string]uint64)
	n := uint64(0)
	for err := s.Next(nil, 0, &m); ; err = s.Next(nil, m.Seq+1, &m) {
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %s\n", m.Seq, short(&m))
		subjects[string(m.Subject)]++
		n++
	}
	state := s.State()
	fmt.Fprintf(&b, "last %d", state.Last)
	if state.Messages != n || int(state.Subjects) != len(subjects) {
		return "", fmt.Errorf("%d messages on %d subjects, the state says %+v", n, len(subjects), state)
	}
	for name, n := range subjects {
		if got, ok := s.Subject(name); !ok || got.Messages != n || s.Count(store.NewFilter(name), 0, false) != n {
			return "", fmt.Errorf("%d messages on %s, the index says %+v", n, name, got)
		}
	}
	return b.String(), nil
}

// short is a message as a text: of data that is one byte again and again no more
// than that and how often.
func short(m *store.Message) string {
	if n := len(m.Data); n > 0 && bytes.Count(m.Data, m.Data[:1]) == n {
		return fmt.Sprintf("%s %q %02x*%d", m.Subject, m.Header, m.Data[0], n)
	}
	return fmt.Sprintf("%s %q %x", m.Subject, m.Header, m.Data)
}

// change does something; the model follows if it succeeds.
func (st *story) change() error {
	st.step++
	switch n := st.rng.IntN(100); {
	case n < 50:
		return st.append()
	case n < 70:
		return st.remove()
	case n < 73:
		return st.purge()
	case n < 75:
		return st.replace()
	case n < 85:
		_, err := st.s.Maintain()
		return err
	case n < 87:
		_, err := st.s.Scrub()
		return err
	default:
		return st.commit()
	}
}

func (st *story) append() error {
	m := store.Message{
		Seq: st.last + 1, Time: int64(st.step), Subject: fmt.Appendf(nil, "s.%d", st.rng.IntN(7)),
		Data: bytes.Repeat([]byte{byte(st.step)}, st.rng.IntN(120)),
	}
	if st.rng.IntN(5) == 0 {
		m.Seq += store.Seq(st.rng.IntN(5))
	}
	switch st.rng.IntN(12) {
	case 0:
		m.Header = []byte("NATS/1.0\r\nA: b\r\n\r\n")
	case 1:
		m.Data = bytes.Repeat([]byte{byte(st.step)}, 700)
	}
	if err := st.s.Append(&m); err != nil {
		return err
	}
	st.messages[m.Seq] = short(&m)
	st.last = m.Seq
	return nil
}

func (st *story) remove() error {
	var removed store.Removed
	var err error
	if seq := store.Seq(st.rng.Uint64N(uint64(st.last) + 1)); st.rng.IntN(2) == 0 {
		removed, err = st.s.Remove(seq, st.rng.IntN(2) == 0)
	} else {
		removed, err = st.s.RemoveOldest([]string{"", "s.1", "s.2"}[st.rng.IntN(3)])
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		delete(st.messages, removed.Seq)
	}
	return err
}

func (st *story) purge() error {
	cut := store.Seq(st.rng.Uint64N(uint64(st.last) + 2))
	var f *store.Filter
	if st.rng.IntN(2) == 0 {
		f = store.NewFilter("s.3", "*.4")
	}
	if _, err := st.s.Purge(f, max(cut, 1), 0); err != nil {
		return err
	}
	for seq, m := range st.messages {
		if seq < cut && (f == nil || strings.HasPrefix(m, "s.3 ") || strings.HasPrefix(m, "s.4 ")) {
			delete(st.messages, seq)
		}
	}
	return nil
}

// listed is a store.Content.
type listed struct {
	state    store.State
	messages []store.Message
}

func (l *listed) State() store.State { return l.state }
func (l *listed) Lost() []store.Loss { return nil }
func (l *listed) Messages(store.Seq) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		for i := range l.messages {
			if !yield(&l.messages[i], nil) {
				return
			}
		}
	}
}

// replace has some of the messages, and a new one, take the place of all.
func (st *story) replace() error {
	sn, err := st.s.Snapshot()
	if err != nil {
		return err
	}
	next := &story{messages: make(map[store.Seq]string), last: st.last + 3}
	c := &listed{}
	take := func(m *store.Message) {
		c.messages = append(c.messages, store.Message{
			Seq: m.Seq, Time: m.Time, Subject: bytes.Clone(m.Subject), Header: bytes.Clone(m.Header), Data: bytes.Clone(m.Data),
		})
		next.messages[m.Seq] = short(m)
	}
	for m, readErr := range sn.Messages(0) {
		if err = readErr; err != nil {
			break
		}
		if st.rng.IntN(3) > 0 {
			take(m)
		}
	}
	if err := errors.Join(err, sn.Close()); err != nil {
		return err
	}
	take(&store.Message{Seq: st.last + 1, Time: int64(st.step), Subject: []byte("s.1"), Data: bytes.Repeat([]byte{byte(st.step)}, 900)})
	c.state = store.State{Messages: uint64(len(c.messages)), First: c.messages[0].Seq, Last: next.last, LastTime: int64(st.step)}
	r, err := st.s.Prepare(c)
	if err != nil {
		return err
	}
	if st.rng.IntN(4) == 0 {
		return r.Discard()
	}
	n := len(st.saved)
	st.saved = append(st.saved, next.content())
	if err := r.Commit([]byte(strconv.Itoa(n))); err != nil {
		return err
	}
	st.messages, st.last, st.durable = next.messages, next.last, n
	return nil
}

func (st *story) commit() error {
	c, err := st.s.Checkpoint([]byte(strconv.Itoa(len(st.saved))))
	if err != nil {
		return err
	}
	n := len(st.saved)
	st.saved = append(st.saved, st.content())
	if err := c.Commit(); err != nil {
		return err
	}
	st.durable = n
	return nil
}

// check compares a store that was opened after a crash with the checkpoint that
// it says it has, which must be at least the one that was durable.
func (st *story) check(s *Store, rec Recovered, least, most int) (int, error) {
	n := 0
	if rec.Extra != nil {
		var err error
		if n, err = strconv.Atoi(string(rec.Extra)); err != nil {
			return 0, err
		}
	}
	if n < least || n > most {
		return n, fmt.Errorf("checkpoint %d, want one of %d to %d", n, least, most)
	}
	if len(rec.Losses) > 0 || len(rec.Repaired) > 0 || len(rec.PutAside) > 0 || len(rec.Unknown) > 0 {
		return n, fmt.Errorf("opened with %+v", rec)
	}
	got, err := contentOf(s)
	if err == nil && got != st.saved[n] {
		err = fmt.Errorf("not as of checkpoint %d:\n%s\nwant\n%s", n, got, st.saved[n])
	}
	return n, err
}

// reopen opens what is on a file system, checks it, and goes on with it for a
// while.
func (st *story) reopen(fs vfs.FS, least, most int) (int, error) {
	cfg := st.cfg
	cfg.FS = fs
	s, rec, err := Open(cfg)
	if err != nil {
		return 0, err
	}
	n, err := st.check(s, rec, least, most)
	return n, errors.Join(err, s.Close())
}

// goOn opens what is on a file system and lives on for a while, with a crash at
// the end.
func (st *story) goOn(fs *vfs.Mem, seed uint64) error {
	next := newStory(st.t, st.cfg, seed)
	if err := next.open(fs); err != nil {
		return err
	}
	// What was found counts as the first checkpoint.
	next.last = next.s.State().Last
	var m store.Message
	for err := next.s.Next(nil, 0, &m); err == nil; err = next.s.Next(nil, m.Seq+1, &m) {
		next.messages[m.Seq] = short(&m)
	}
	next.step = 1 << 20
	if err := next.commit(); err != nil {
		return err
	}
	for range 30 {
		if err := next.change(); err != nil {
			return err
		}
	}
	if got, err := contentOf(next.s); err != nil || got != next.content() {
		return fmt.Errorf("gone on: %w\n%s\nwant\n%s", err, got, next.content())
	}
	crashed := fs.CrashClone(vfs.CrashOptions{})
	if err := next.s.Close(); err != nil {
		return err
	}
	_, err := next.reopen(crashed, next.durable, next.durable)
	return err
}
