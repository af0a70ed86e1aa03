package sim

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"

	"github.com/nats-lite/nats-lite/server/raft"
)

// call is one operation of a client on one group.
type call struct {
	client int
	group  raft.GroupID
	kind   byte // opWrite, opAppend, or opRead for both of them
	value  uint64
	// begin and end are virtual time. An operation whose outcome was not known
	// to its client takes effect at any time after its begin, or never.
	begin, end int64
	outcome    outcome
	// result is what apply returned. A read has the register, and the length of
	// the log with the hash over it.
	result  uint64
	logLen  int
	logHash uint64
}

const opRead = 'r'

// outcome is what a client knows of its operation.
type outcome uint8

const (
	unknown outcome = iota
	done
	// never is an operation that was refused, or dropped, for certain.
	never
)

// registerModel is a register whose writes return the value before.
var registerModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) {
		c := input.(*call)
		now := state.(uint64)
		if c.kind == opRead {
			return c.result == now, now
		}
		return c.result == now, c.value
	},
	DescribeOperation: func(input, _ any) string { return input.(*call).String() },
}

// logSoFar is a log as its length and a hash over its values.
type logSoFar struct {
	n    int
	hash uint64
}

func (l logSoFar) append(v uint64) logSoFar {
	// FNV-1a over whole words: enough to tell two short logs apart.
	return logSoFar{l.n + 1, (l.hash ^ v) * 1099511628211}
}

// logModel is a log whose appends return the position of the value.
var logModel = porcupine.Model{
	Init: func() any { return logSoFar{} },
	Step: func(state, input, _ any) (bool, any) {
		c := input.(*call)
		now := state.(logSoFar)
		if c.kind == opRead {
			return now == logSoFar{c.logLen, c.logHash}, now
		}
		next := now.append(c.value)
		return c.result == uint64(next.n), next
	},
	DescribeOperation: func(input, _ any) string { return input.(*call).String() },
}

func (c *call) String() string {
	return fmt.Sprintf("%c %d -> %d (%d), outcome %d", c.kind, c.value, c.result, c.logLen, c.outcome)
}

// resolve finds out from the state that all replicas have in the end what became
// of the calls whose clients do not know it: they have had their effect, and where,
// or never will. Without that the search for an order would have to try all
// subsets of them.
func resolve(calls []*call, final *registers) {
	result := make(map[uint64]uint64) // by value, which are all different
	before := uint64(0)
	for _, v := range final.writes {
		result[v], before = before, v
	}
	for n, v := range final.log {
		result[v] = uint64(n) + 1
	}
	for _, c := range calls {
		if c.outcome != unknown {
			continue
		}
		if r, ok := result[c.value]; ok && c.kind != opRead {
			c.outcome, c.result, c.end = done, r, math.MaxInt64
		} else {
			c.outcome = never
		}
	}
}

// checkLinearizable checks the calls on one group, which are resolved. It returns
// how many took part.
func checkLinearizable(g raft.GroupID, calls []*call) (int, error) {
	count := 0
	for _, m := range []struct {
		name  string
		kind  byte
		model porcupine.Model
	}{{"register", opWrite, registerModel}, {"log", opAppend, logModel}} {
		var ops []porcupine.Operation
		for _, c := range calls {
			if c.outcome == done && (c.kind == m.kind || c.kind == opRead) {
				ops = append(ops, porcupine.Operation{ClientId: c.client, Input: c, Call: c.begin, Return: c.end})
			}
		}
		if !porcupine.CheckOperations(m.model, ops) {
			return count, fmt.Errorf("group %d: the history of its %s (%d operations) is not linearizable", g, m.name, len(ops))
		}
		count += len(ops)
	}
	return count, nil
}
