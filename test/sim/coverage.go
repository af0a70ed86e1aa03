package sim

import (
	"fmt"
	"slices"
	"strings"
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

// Coverage counts how often a fault met a phase.
type Coverage struct {
	count map[string]map[string]int
}

func newCoverage() *Coverage { return &Coverage{count: make(map[string]map[string]int)} }

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

// Add sums up the counts of two runs.
func (c *Coverage) Add(o *Coverage) {
	for fault, row := range o.count {
		if c.count[fault] == nil {
			c.count[fault] = make(map[string]int)
		}
		for phase, n := range row {
			c.count[fault][phase] += n
		}
	}
}

// Holes returns the pairs of fault and phase that have never met.
func (c *Coverage) Holes() (holes []string) {
	for _, fault := range faultKinds {
		for _, phase := range phases {
			if c.count[fault][phase] == 0 {
				holes = append(holes, fault+" × "+phase)
			}
		}
	}
	return holes
}

// String returns the counts as a table.
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
	return b.String()
}
