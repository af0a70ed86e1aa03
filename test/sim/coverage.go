package sim

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

// The phases that a fault can meet. Several may hold at once.
var phases = []string{"steady", "election", "catch-up", "snapshot", "membership", "compaction", "restart", "rejoin", "transfer", "quiescent"}

// faultKinds are all faults that are injected.
var faultKinds = []string{
	"loss", "duplication", "reordering", "delay", "partition", "one-way partition",
	"crash losing all unsynced", "crash keeping some unsynced", "crash in a write", "kill", "pause", "clock drift", "clock step",
	"write error", "sync error", "read error", "full disk", "slow disk",
	"bit flip", "page zeroed", "old page back", "page misplaced", "file cut", "file lost", "state file damaged",
	"wiped disk", "add member", "remove member", "replace members", "leader transfer", "compaction",
}

// Coverage counts how often a fault met a phase, and how often one of a disk met
// an operation on a file.
type Coverage struct {
	count map[string]map[string]int
	// struck counts by operation and fault. An operation that was only seen
	// while a fault was on its way is there as well.
	struck map[string]map[string]int
}

func newCoverage() *Coverage {
	return &Coverage{count: make(map[string]map[string]int), struck: make(map[string]map[string]int)}
}

// met counts a fault that is injected now.
func (c *Coverage) met(fault string, s *Sim) {
	if !slices.Contains(faultKinds, fault) {
		panic("sim: unknown fault " + fault)
	}
	row := c.count[fault]
	if row == nil {
		row = make(map[string]int)
		c.count[fault] = row
	}
	for n, is := range s.phases() {
		if is {
			row[phases[n]]++
		}
	}
}

// diskFaults are the faults that hit an operation, and which they may hit.
var diskFaults = []struct {
	kind string
	hits func(errorfs.OpKind) bool
}{
	{"crash in a write", errorfs.OpKind.Changes},
	{"write error", func(k errorfs.OpKind) bool { return k.Changes() && !k.Syncs() }},
	{"sync error", errorfs.OpKind.Syncs},
	{"read error", func(k errorfs.OpKind) bool { return k == errorfs.OpReadAt }},
}

// operation names what is done to which kind of file.
func operation(op errorfs.Op) string {
	file := "directory"
	switch dir, name := path.Split(op.Path); {
	case op.Kind == errorfs.OpSyncDir || op.Kind == errorfs.OpMkdirAll:
	case strings.HasSuffix(name, ".wal"):
		file = "segment"
	case strings.HasSuffix(name, ".idx"):
		file = "sidecar"
	case strings.HasPrefix(name, "STORE"):
		file = "store"
	case strings.HasPrefix(dir, "snapshots"):
		file = "image"
	case strings.HasPrefix(dir, "state"):
		file = "state"
	}
	return op.Kind.String() + " " + file
}

// saw takes note of an operation that a fault may hit, and whether it did.
func (c *Coverage) saw(op errorfs.Op, fault string, hit bool) {
	name := operation(op)
	row := c.struck[name]
	if row == nil {
		row = make(map[string]int)
		c.struck[name] = row
	}
	for _, f := range diskFaults {
		if f.hits(op.Kind) {
			row[f.kind] += 0
		}
	}
	if hit {
		row[fault]++
	}
}

// watch has an injector's hits counted.
func (c *Coverage) watch(fault string, in errorfs.Injector) errorfs.Injector {
	return errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		f := in.Inject(op)
		c.saw(op, fault, f.Err != nil)
		return f
	})
}

// Add sums up the counts of two runs.
func (c *Coverage) Add(o *Coverage) {
	for _, t := range []struct{ to, from map[string]map[string]int }{{c.count, o.count}, {c.struck, o.struck}} {
		for key, row := range t.from {
			if t.to[key] == nil {
				t.to[key] = make(map[string]int)
			}
			for k, n := range row {
				t.to[key][k] += n
			}
		}
	}
}

// Holes returns the pairs of fault and phase, and of fault and operation, that
// have never met.
func (c *Coverage) Holes() (holes []string) {
	for _, fault := range faultKinds {
		for _, phase := range phases {
			if c.count[fault][phase] == 0 {
				holes = append(holes, fault+" × "+phase)
			}
		}
	}
	for _, op := range slices.Sorted(maps.Keys(c.struck)) {
		for _, f := range diskFaults {
			if n, may := c.struck[op][f.kind]; may && n == 0 {
				holes = append(holes, f.kind+" × "+op)
			}
		}
	}
	return holes
}

// String returns the counts as two tables.
func (c *Coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s", "")
	for _, p := range phases {
		fmt.Fprintf(&b, " %10s", p)
	}
	b.WriteByte('\n')
	for _, fault := range faultKinds {
		fmt.Fprintf(&b, "%-28s", fault)
		for _, p := range phases {
			fmt.Fprintf(&b, " %10d", c.count[fault][p])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n%-28s", "")
	for _, f := range diskFaults {
		fmt.Fprintf(&b, " %16s", f.kind)
	}
	b.WriteByte('\n')
	for _, op := range slices.Sorted(maps.Keys(c.struck)) {
		fmt.Fprintf(&b, "%-28s", op)
		for _, f := range diskFaults {
			if n, may := c.struck[op][f.kind]; may {
				fmt.Fprintf(&b, " %16d", n)
			} else {
				fmt.Fprintf(&b, " %16s", "")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
