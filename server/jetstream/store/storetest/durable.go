package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Reopen opens the store that is on a file system, or makes one, and returns it
// with the extra of the checkpoint that it found, nil if there was none.
type Reopen func(t *testing.T, fs *vfs.Mem) (s store.Store, extra []byte)

// RunDurable tests that an engine comes back from crashes as the checkpoint says.
func RunDurable(t *testing.T, size Size, open Reopen) {
	d := &durable{size, open}
	t.Run("nothing committed", d.testNothing)
	for _, w := range workloads {
		t.Run("crash/"+w.name, func(t *testing.T) { d.testCrashes(t, w) })
	}
	t.Run("Close", d.testClose)
	t.Run("Delete", d.testDelete)
	t.Run("erase", d.testErase)
}

type durable struct {
	size Size
	open Reopen
}

// crash is what may be left of what was not synced.
type crash struct {
	name string
	vfs.CrashOptions
}

func crashes(rng *rand.Rand) []crash {
	return []crash{
		{"nothing survives", vfs.CrashOptions{}},
		{"everything survives", vfs.Killed},
		{"something survives", vfs.CrashOptions{Rand: rng, Page: 0.5, Torn: 0.3, Name: 0.5}},
		{"pages survive", vfs.CrashOptions{Page: 1}},
		{"names survive", vfs.CrashOptions{Rand: rng, Page: 0.2, Torn: 0.5, Name: 0.8, Journal: true}},
	}
}

// check opens the store as it is after a crash, and compares it.
func (d *durable) check(t *testing.T, where string, fs *vfs.Mem, m *model, extra []byte, rng *rand.Rand) store.Store {
	t.Helper()
	s, got := d.open(t, fs)
	if !bytes.Equal(got, extra) {
		t.Fatalf("%s: the extra is %q, want %q", where, got, extra)
	}
	compare(t, where, s, m, rng)
	return s
}

// testNothing crashes a store that was never committed: it is empty.
func (d *durable) testNothing(t *testing.T) {
	fs := vfs.NewMem()
	s, extra := d.open(t, fs)
	if extra != nil {
		t.Errorf("the extra of a new store is %q, want nil", extra)
	}
	r := newRun(t, workloads[0], 1, s, d.size)
	for range 30 {
		r.change()
	}
	for _, c := range crashes(r.rng) {
		crashed := d.check(t, c.name, fs.CrashClone(c.CrashOptions), &model{size: d.size}, nil, r.rng)
		closeStore(t, crashed)
	}
	closeStore(t, s)
}

// testCrashes cuts the power at many moments of random histories. What is opened
// goes on like the model of the checkpoint, and is itself crashed later.
func (d *durable) testCrashes(t *testing.T, w workload) {
	for seed := range uint64(2) {
		fs := vfs.NewMem()
		s, _ := d.open(t, fs)
		r := newRun(t, w, seed, s, d.size)
		saved, extra := r.m.clone(), []byte(nil)
		for range 12 {
			for range r.rng.IntN(30) {
				r.change()
				r.maintain()
			}
			saved, extra = d.checkpoint(r, fs, saved, extra)
			for range r.rng.IntN(20) {
				r.change()
				r.maintain()
			}
			for _, c := range crashes(r.rng) {
				where := r.where() + ", " + c.name
				closeStore(t, d.check(t, where, fs.CrashClone(c.CrashOptions), saved, extra, r.rng))
			}
			r.compare()
			if r.rng.IntN(3) > 0 {
				continue
			}
			closeStore(t, r.s)
			fs = fs.CrashClone(vfs.CrashOptions{Rand: r.rng, Page: 0.5, Torn: 0.3, Name: 0.5})
			r.s = d.check(t, r.where()+", crash", fs, saved, extra, r.rng)
			r.m = saved.clone()
		}
		closeStore(t, r.s)
	}
}

// checkpoint commits what is there while the store goes on. A crash in front of
// the commit finds what was saved before.
func (d *durable) checkpoint(r *run, fs *vfs.Mem, saved *model, extra []byte) (*model, []byte) {
	now, nowExtra := r.m.clone(), fmt.Appendf(nil, "%s: state at %d", r.where(), r.m.last)
	given := bytes.Clone(nowExtra)
	c, err := r.s.Checkpoint(given)
	if err != nil {
		r.fail("Checkpoint(): %v", err)
	}
	clear(given)
	r.change()
	t := r.t.(*testing.T)
	crashed := fs.CrashClone(vfs.CrashOptions{Rand: r.rng, Page: 0.5, Name: 0.5})
	closeStore(t, d.check(t, r.where()+", crash before Commit()", crashed, saved, extra, r.rng))

	committed := make(chan error, 1)
	go func() { committed <- c.Commit() }()
	for range 5 {
		r.change()
	}
	r.compare()
	if err := <-committed; err != nil {
		r.fail("Commit(): %v", err)
	}
	return now, nowExtra
}

// testClose closes a store behind its checkpoint: nothing more is kept.
func (d *durable) testClose(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := d.open(t, fs)
	r := newRun(t, workloads[0], 5, s, d.size)
	for range 50 {
		r.change()
	}
	saved, extra := d.checkpoint(r, fs, &model{size: d.size}, nil)
	closeStore(t, s)
	closeStore(t, d.check(t, "opened again", fs, saved, extra, r.rng))
	closeStore(t, d.check(t, "opened once more", fs, saved, extra, r.rng))
}

func (d *durable) testDelete(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := d.open(t, fs)
	r := newRun(t, workloads[0], 3, s, d.size)
	for range 50 {
		r.change()
	}
	d.checkpoint(r, fs, &model{size: d.size}, nil)
	if err := s.Delete(); err != nil {
		t.Fatalf("Delete(): %v", err)
	}
	if err := s.Append(&store.Message{Seq: r.m.last + 1, Subject: []byte("a")}); err == nil {
		t.Error("Append after Delete gives no error")
	}
	closeStore(t, d.check(t, "opened after Delete", fs, &model{size: d.size}, nil, r.rng))
}

// testErase looks for what was erased in the files. Engines that do not write
// payloads as they are have nothing to be found, and must test this themselves.
func (d *durable) testErase(t *testing.T) {
	secret := []byte("the launch code is 0000")
	fs := vfs.NewMem()
	s, _ := d.open(t, fs)
	defer closeStore(t, s)
	commit := func() {
		t.Helper()
		c, err := s.Checkpoint(nil)
		if err == nil {
			err = c.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m := &model{size: d.size}
	for seq := range store.Seq(9) {
		add(t, s, m, message{seq: seq + 1, subject: "a", data: fmt.Sprintf("%s, I am %d", secret, seq+1)})
	}
	commit()
	for _, e := range m.messages {
		if found(t, fs, "", []byte(e.data)) == "" {
			t.Skip("payloads cannot be found in the files")
		}
	}
	remove := func(seq store.Seq) {
		t.Helper()
		if _, err := s.Remove(seq, true); err != nil {
			t.Fatal(err)
		}
		m.remove(seq)
	}
	for _, seq := range []store.Seq{1, 5, 9} {
		e, _ := m.load(seq)
		remove(seq)
		commit()
		// Nor does it come back when the power is cut.
		if file := found(t, fs.CrashClone(vfs.CrashOptions{}), "", []byte(e.data)); file != "" {
			t.Errorf("erased message %d is still in %s", seq, file)
		}
	}
	// What is erased while a checkpoint is on its way is erased by the next one.
	e, _ := m.load(7)
	remove(3)
	c, err := s.Checkpoint(nil)
	if err != nil {
		t.Fatal(err)
	}
	remove(7)
	if err := c.Commit(); err != nil {
		t.Fatal(err)
	}
	commit()
	if file := found(t, fs, "", []byte(e.data)); file != "" {
		t.Errorf("message 7, erased behind a checkpoint, is still in %s", file)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	compare(t, "after erasing", s, m, rng)
}

// found returns the first file below dir that holds some bytes.
func found(t *testing.T, fs *vfs.Mem, dir string, what []byte) string {
	t.Helper()
	entries, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		if e.Dir {
			if file := found(t, fs, name, what); file != "" {
				return file
			}
			continue
		}
		content, err := vfs.ReadFile(fs, name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, what) {
			return name
		}
	}
	return ""
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close(): %v", err)
	}
}
