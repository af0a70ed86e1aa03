package check

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
)

// Replica is what one server says of its copy of a stream.
type Replica struct {
	Messages, Bytes, First, Last uint64
	// Digest is a hash over what it has, message by message.
	Digest uint64
}

// Digest is the hash over messages in their order.
func Digest(stored []Stored) uint64 {
	h := fnv.New64a()
	for _, m := range stored {
		fmt.Fprintf(h, "%d %s %d\n", m.Seq, m.Publisher, m.Number)
	}
	return h.Sum64()
}

// Replicas checks that all servers, by their names, have the same of a stream. There must be
// so many.
func Replicas(stream string, want int, have map[string]Replica) *Verdict {
	v := &Verdict{Name: "replicas of " + stream, Checked: len(have)}
	if len(have) != want {
		v.complain("%d servers have a replica, there should be %d: %v", len(have), want, slices.Sorted(maps.Keys(have)))
	}
	// Most of them are right: the odd ones are told apart from those.
	times := make(map[Replica]int)
	for _, r := range have {
		times[r]++
	}
	if len(times) <= 1 {
		return v
	}
	usual := slices.MaxFunc(slices.Collect(maps.Keys(times)), func(a, b Replica) int {
		return cmp.Or(cmp.Compare(times[a], times[b]), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Messages, b.Messages), cmp.Compare(a.Digest, b.Digest))
	})
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if r := have[name]; r != usual {
			v.complain("%s has %+v, others have %+v", name, r, usual)
		}
	}
	return v
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
