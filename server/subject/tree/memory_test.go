package tree

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// What does a subject cost beside its value, and does the tree know?
func TestBytesPerSubject(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has its own memory, and is slow")
	}
	const value, subjects = 24, manyKeys / 4
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			keys := load(subjects, w.key)
			before := heap()
			var tree Tree[span]
			fill(&tree, subjects, keys)
			real, estimate := float64(heap()-before), float64(tree.MemBytes())
			n := float64(tree.Len())
			if got := real/n - value; got > w.most {
				t.Errorf("%.1f bytes for a subject beside its value, want at most %v", got, w.most)
			}
			if estimate < 0.95*real || estimate > 1.05*real {
				t.Errorf("MemBytes() = %.0f, but it takes %.0f", estimate, real)
			}
			runtime.KeepAlive(keys)
		})
	}
}

// Is a stream with few subjects a small thing?
func TestSmallTree(t *testing.T) {
	var tree Tree[span]
	for i := range 100 {
		tree.Put(fmt.Appendf(nil, "orders.%d", i))
		if got, most := tree.MemBytes(), 900+250*tree.Len(); got > most {
			t.Errorf("%d subjects take %d bytes, want at most %d", tree.Len(), got, most)
		}
	}
}

// Is the memory of a hundred thousand subjects given back, when they are deleted
// one by one or all at once?
func TestMemoryIsGivenBack(t *testing.T) {
	for _, clear := range []bool{false, true} {
		keys := load(100_000, workloads[1].key)
		var tree Tree[span]
		fill(&tree, 100_000, keys)
		if clear {
			tree.Clear()
		}
		for i := range 100_000 {
			if tree.Delete(keys(i)) == clear {
				t.Fatal("it was there, or not, by mistake")
			}
		}
		if got := tree.MemBytes(); got > 1000 {
			t.Errorf("an empty tree takes %d bytes", got)
		}
	}
}

// Does each record fit its slot, with at most an eighth of it empty?
func TestClasses(t *testing.T) {
	class, stride := -1, 0
	for n := 1; n <= maxRecord; n++ {
		c, s := classOf(n)
		if s < n || s-n >= max(smallStep, s/8) {
			t.Errorf("a record of %d bytes has a slot of %d", n, s)
		}
		if n > stride {
			class++
		} else if s != stride {
			t.Errorf("a record of %d bytes has a slot of %d, those before it of %d", n, s, stride)
		}
		if c != class {
			t.Errorf("slots of %d bytes are of class %d, want %d", s, c, class)
		}
		stride = s
	}
}

// Is what old subjects have left used for new ones? A tree whose content has
// changed a hundred times must not be much larger than one that was made for
// what there is.
func TestMemoryIsUsedAgain(t *testing.T) {
	live, rounds := 3000, 100
	if race.Enabled {
		rounds = 10
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := workloads[1].key
	for _, tc := range []struct {
		name string
		key  func(i int) []byte
	}{
		{"counting", func(i int) []byte { return fmt.Appendf(nil, "orders.%d", i) }},
		{"random", func(i int) []byte { return random(i, r, nil) }},
		// Phases in which records have different sizes.
		{"growing", func(i int) []byte { return random(i, r, nil)[:4+i/live%16] }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tree Tree[span]
			var queue [][]byte
			for i := range live * rounds {
				k := tc.key(i)
				tree.Put(k)
				queue = append(queue, k)
				if len(queue) > live {
					tree.Delete(queue[0])
					queue = queue[1:]
				}
			}
			checkShape(t, &tree)
			var fresh Tree[span]
			for k := range tree.All() {
				fresh.Put(k)
			}
			if got, want := tree.MemBytes(), fresh.MemBytes(); got > 3*want/2 {
				t.Errorf("%d bytes after %d subjects, a new tree has %d", got, live*rounds, want)
			}
		})
	}
}
