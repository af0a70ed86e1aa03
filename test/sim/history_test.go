package sim

import (
	"slices"
	"testing"
)

// Would the check notice a history that no single copy could have had?
func TestLinearizabilityCheckNotices(t *testing.T) {
	final := &registers{writes: []uint64{1, 3, 7}, log: []uint64{2, 4}}
	hash := func(values ...uint64) uint64 {
		var l logSoFar
		for _, v := range values {
			l = l.append(v)
		}
		return l.hash
	}
	// What five clients have seen; the write of 7 has had no answer.
	history := func() []*call {
		return []*call{
			{client: 0, kind: opWrite, value: 1, begin: 0, end: 10, outcome: done, result: 0},
			{client: 1, kind: opAppend, value: 2, begin: 5, end: 15, outcome: done, result: 1},
			{client: 2, kind: opRead, begin: 12, end: 20, outcome: done, result: 1, logLen: 1, logHash: hash(2)},
			{client: 0, kind: opWrite, value: 3, begin: 21, end: 30, outcome: done, result: 1},
			{client: 1, kind: opAppend, value: 4, begin: 22, end: 31, outcome: done, result: 2},
			{client: 3, kind: opAppend, value: 5, begin: 23, end: 32, outcome: never},
			{client: 4, kind: opWrite, value: 6, begin: 24, end: 34, outcome: unknown},
			{client: 3, kind: opWrite, value: 7, begin: 33, end: 40, outcome: unknown},
			{client: 2, kind: opRead, begin: 60, end: 70, outcome: done, result: 7, logLen: 2, logHash: hash(2, 4)},
		}
	}
	for _, c := range []struct {
		name string
		edit func([]*call)
		ok   bool
	}{
		{"as it was", func([]*call) {}, true},
		{"a read of what is not written yet", func(h []*call) { h[2].result = 3 }, false},
		{"a read that is stale", func(h []*call) {
			h[7].outcome, h[7].result = done, 3
			h[8].result = 3
		}, false},
		{"a read of what was there in between", func(h []*call) { h[8].result, h[8].begin = 3, 35 }, true},
		{"two writes that replace the same value", func(h []*call) { h[3].result = 0 }, false},
		{"two appends in the same place", func(h []*call) { h[4].result = 1 }, false},
		{"a log with another content", func(h []*call) { h[8].logHash = hash(4, 2) }, false},
		{"an append after its answer", func(h []*call) { h[1].begin, h[1].end = 40, 50 }, false},
	} {
		calls := history()
		c.edit(calls)
		resolve(calls, final)
		_, err := checkLinearizable(1, calls)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if slices.ContainsFunc(calls, func(c *call) bool { return c.outcome == unknown }) {
			t.Errorf("%s: an outcome is left open", c.name)
		}
	}
}
