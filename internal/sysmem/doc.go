// Package sysmem tells how much memory a process has to itself: that of the machine,
// or less if a control group or the Go runtime has a limit.
//
// It answers once, at a start; nothing here follows what happens later.
package sysmem

import (
	"math"
	"runtime/debug"
)

// Total is how many bytes there are for this process; false if nobody can tell.
func Total() (int64, bool) {
	total := machine()
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		total = least(total, limit)
	}
	return total, total > 0
}

// least returns the smaller of two numbers, of which those that are not positive are
// unknown.
func least(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
