package errorfs

import (
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Injector decides what goes wrong. It is asked by every goroutine that uses
// the file system.
type Injector interface {
	Inject(op Op) Fault
}

// InjectorFunc is a function as an Injector.
type InjectorFunc func(op Op) Fault

// Inject calls f.
func (f InjectorFunc) Inject(op Op) Fault { return f(op) }

// Match selects operations.
type Match func(op Op) bool

// Every matches all operations.
func Every(Op) bool { return true }

// Changes matches the operations that change what is on disk.
func Changes(op Op) bool { return op.Kind.Changes() }

// Kinds matches operations of the kinds given.
func Kinds(kinds ...OpKind) Match {
	return func(op Op) bool {
		for _, k := range kinds {
			if op.Kind == k {
				return true
			}
		}
		return false
	}
}

// Base narrows a match to paths whose last element matches a pattern of
// filepath.Match; it panics if the pattern is malformed.
func (m Match) Base(pattern string) Match {
	if _, err := filepath.Match(pattern, ""); err != nil {
		panic("errorfs: pattern " + pattern + ": " + err.Error())
	}
	return func(op Op) bool {
		// The pattern has been checked, so that there is no error left.
		ok, _ := filepath.Match(pattern, filepath.Base(op.Path))
		return ok && m(op)
	}
}

// On gives a fault to every operation that matches.
func On(match Match, fault Fault) Injector {
	return InjectorFunc(func(op Op) Fault {
		if match(op) {
			return fault
		}
		return Fault{}
	})
}

// Randomly gives a fault to each operation that matches with the chance p.
func Randomly(rng *rand.Rand, p float64, match Match, fault Fault) Injector {
	var mu sync.Mutex
	return InjectorFunc(func(op Op) Fault {
		if !match(op) {
			return Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		if rng.Float64() < p {
			return fault
		}
		return Fault{}
	})
}

// First asks the injectors in turn and takes the first fault.
func First(injectors ...Injector) Injector {
	return InjectorFunc(func(op Op) Fault {
		for _, in := range injectors {
			if fault := in.Inject(op); !fault.none() {
				return fault
			}
		}
		return Fault{}
	})
}

// Countdown gives a fault when its turn comes among the operations that match.
type Countdown struct {
	match   Match
	fault   Fault
	n       uint64
	forever bool

	count atomic.Uint64
	op    atomic.Pointer[Op]
}

// FailNth fails the nth operation that matches, counted from 1, and no other.
// A test of all error paths is a loop over n that ends when a run is over with
// Fired still false.
func FailNth(n uint64, match Match, fault Fault) *Countdown {
	return &Countdown{match: match, fault: fault, n: n}
}

// FailFrom fails the nth operation that matches and all that match after it,
// as a disk that dies does.
func FailFrom(n uint64, match Match, fault Fault) *Countdown {
	return &Countdown{match: match, fault: fault, n: n, forever: true}
}

// Inject implements [Injector].
func (c *Countdown) Inject(op Op) Fault {
	if !c.match(op) {
		return Fault{}
	}
	switch n := c.count.Add(1); {
	case n == c.n:
		c.op.Store(&op)
		return c.fault
	case n > c.n && c.forever:
		return c.fault
	default:
		return Fault{}
	}
}

// Fired returns the first operation that was failed; ok is false while none
// was.
func (c *Countdown) Fired() (op Op, ok bool) {
	if p := c.op.Load(); p != nil {
		return *p, true
	}
	return Op{}, false
}
