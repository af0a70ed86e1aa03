package sysmem

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestGroupLimit(t *testing.T) {
	for text, want := range map[string]int64{"max\n": 0, "536870912\n": 512 << 20, "": 0, "12 34": 0, "9223372036854771712\n": 9223372036854771712} {
		if got := groupLimit(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func TestLeast(t *testing.T) {
	for _, c := range [][3]int64{{5, 7, 5}, {7, 5, 5}, {0, 5, 5}, {5, 0, 5}, {0, 0, 0}, {5, -1, 5}} {
		if got := least(c[0], c[1]); got != c[2] {
			t.Errorf("of %d and %d the least is %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// The runtime's limit counts, as operators use it for what a container may take.
func TestTotalKnowsTheRuntimesLimit(t *testing.T) {
	all, ok := Total()
	if !ok || all < 1<<20 {
		t.Fatalf("the machine has %d bytes (%v)", all, ok)
	}
	before := debug.SetMemoryLimit(1 << 19)
	defer debug.SetMemoryLimit(before)
	if n, ok := Total(); n != 1<<19 || !ok {
		t.Errorf("%d bytes (%v) under a limit of %d", n, ok, 1<<19)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if n, _ := Total(); n < all {
		t.Errorf("%d bytes without a limit, %d before", n, all)
	}
}
