package nemesis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Target is the cluster that faults are brought upon. Servers are known by their numbers,
// counted from 0.
type Target interface {
	Kill(server int) error
	Start(server int) error
	Pause(server int) error
	Resume(server int) error
	// Cut has one server not hear the other any more, Mend has all hear all again.
	Cut(from, to int) error
	Mend() error
	// Store is the directory that a server keeps its data in.
	Store(server int) string
	// Servers is how many there are.
	Servers() int
	// Whole waits until the cluster has all its data in all places again, or the context ends.
	Whole(ctx context.Context) error
}

// Inflict brings the faults of a schedule upon a cluster until the context ends, and makes
// the last of them good in any case. It says what it does, and returns how many there were
// of each kind. Settle is how long the cluster is waited for after a fault that takes data:
// if it is not whole by then, the schedule ends with an error.
func Inflict(ctx context.Context, t Target, schedule []Fault, settle time.Duration, say func(format string, args ...any)) (counts map[Kind]int, err error) {
	counts = make(map[Kind]int)
	for _, f := range schedule {
		if pass(ctx, f.Wait); ctx.Err() != nil {
			return counts, nil
		}
		say("%s of %v for %v", f.Kind, f.Victims, f.Lasts)
		counts[f.Kind]++
		err := begin(t, &f, say)
		if err == nil {
			pass(ctx, f.Lasts)
		}
		if err := errors.Join(err, end(t, &f)); err != nil {
			return counts, fmt.Errorf("%v: %w", f, err)
		}
		say("%s of %v is over", f.Kind, f.Victims)
		if !f.Kind.Disk() {
			continue
		}
		// Whether it heals is to be known also if the time is over.
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
		err = t.Whole(waiting)
		cancel()
		if err != nil {
			return counts, fmt.Errorf("not whole again after %s of %v: %w", f.Kind, f.Victims, err)
		}
		say("the cluster is whole")
	}
	pass(ctx, time.Duration(1<<63-1))
	return counts, nil
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// begin has a fault happen.
func begin(t Target, f *Fault, say func(string, ...any)) error {
	if f.Kind.Network() {
		return cut(t, f)
	}
	for _, s := range f.Victims {
		if f.Kind == Pause {
			if err := t.Pause(s); err != nil {
				return err
			}
			continue
		}
		if err := t.Kill(s); err != nil {
			return err
		}
		done, err := harm(f.Kind, t.Store(s), f.Seed+uint64(s))
		if err != nil {
			return err
		}
		for _, what := range done {
			say("server %d: %s", s, what)
		}
	}
	return nil
}

// harm does what a fault does to the files of a server.
func harm(k Kind, dir string, seed uint64) ([]string, error) {
	switch k {
	case Wipe:
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
		return nil, err
	case Flip:
		return FlipBits(dir, seed)
	case Truncate:
		return CutFiles(dir, seed)
	default:
		return nil, nil
	}
}

// cut takes the victims and the others apart.
func cut(t Target, f *Fault) error {
	victim := make(map[int]bool)
	for _, s := range f.Victims {
		victim[s] = true
	}
	for from := range t.Servers() {
		for to := range t.Servers() {
			// What victims send is not heard, what others send is not heard by victims.
			silent, deaf := f.Kind == Partition || !f.Deaf, f.Kind == Partition || f.Deaf
			if victim[from] && !victim[to] && silent || !victim[from] && victim[to] && deaf {
				if err := t.Cut(from, to); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// end makes a fault good.
func end(t Target, f *Fault) error {
	if f.Kind.Network() {
		return t.Mend()
	}
	var errs []error
	for _, s := range f.Victims {
		if f.Kind == Pause {
			errs = append(errs, t.Resume(s))
		} else {
			errs = append(errs, t.Start(s))
		}
	}
	return errors.Join(errs...)
}
