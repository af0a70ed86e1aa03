package account

import (
	"slices"
	"testing"
)

// told is an errand that writes down how it was run.
type told struct{ runs *[]bool }

func (e told) Run(alone bool) { *e.runs = append(*e.runs, alone) }

// An errand is done once, however often it was asked for, and knows whether it was once.
func TestErrands(t *testing.T) {
	var first, second []bool
	a, b := told{&first}, told{&second}
	if n := (&Message{}).Later(a); n != 0 {
		t.Errorf("a publisher without errands is at %d", n)
	}
	var s Errands
	m := &Message{Errands: &s}
	s.Run()
	m.Later(a)
	s.Run()
	for n, e := range []told{a, a, b, a} {
		if got := m.Later(e); got != n+1 {
			t.Errorf("asked for %d, want %d", got, n+1)
		}
	}
	s.Run()
	s.Run()
	if want := []bool{true, false}; !slices.Equal(first, want) {
		t.Errorf("the first: %v, want %v", first, want)
	}
	if want := []bool{false}; !slices.Equal(second, want) {
		t.Errorf("the second: %v, want %v", second, want)
	}
}
