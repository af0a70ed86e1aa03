package placement

import (
	"cmp"
	"slices"
)

// Group is a group of several replicas, and who leads it.
type Group struct {
	ID uint64
	// Leader leads it; 0 is nobody, who is not counted and gives nothing away.
	Leader uint32
	// Able are those that could lead it now, who are voters that can be reached and have
	// all of the log.
	Able []uint32
	// Preferred is who should, 0 if it makes no difference.
	Preferred uint32
}

// Transfer has the leadership of a group go to another node.
type Transfer struct {
	Group uint64
	To    uint32
}

// Spread returns what has to be handed over, at most so many groups, to have leaders where they
// are preferred and otherwise spread evenly. When it returns nothing no sequence of
// transfers would make it more even: no server leads two groups more than another to
// which it could hand one, be it by way of others.
func Spread(groups []Group, limit int) (moves []Transfer) {
	b := balance{leads: make(map[uint32]int)}
	ordered := slices.Clone(groups)
	slices.SortFunc(ordered, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	for i := range ordered {
		g := &ordered[i]
		if g.Leader == 0 {
			continue
		}
		if g.Preferred != 0 && (g.Preferred == g.Leader || slices.Contains(g.Able, g.Preferred)) {
			if g.Preferred != g.Leader && len(moves) < limit {
				moves = append(moves, Transfer{g.ID, g.Preferred})
			}
			b.add(g.Preferred, 1)
			continue // it stays there
		}
		b.add(g.Leader, 1)
		for _, node := range g.Able {
			b.add(node, 0)
		}
		b.free = append(b.free, g)
	}
	for {
		path := b.path()
		if len(path) == 0 || len(moves) >= limit {
			return moves
		}
		// If there is not room for all of it the end comes first: what is left is shorter then.
		for _, s := range path[max(len(path)-(limit-len(moves)), 0):] {
			moves = append(moves, Transfer{s.group.ID, s.to})
			b.add(s.group.Leader, -1)
			b.add(s.to, 1)
			b.free = slices.DeleteFunc(b.free, func(g *Group) bool { return g == s.group })
		}
	}
}

// balance is how leaders are spread.
type balance struct {
	nodes []uint32 // in order
	leads map[uint32]int
	// free are the groups that anybody may lead.
	free []*Group
}

func (b *balance) add(node uint32, n int) {
	if _, ok := b.leads[node]; !ok {
		i, _ := slices.BinarySearch(b.nodes, node)
		b.nodes = slices.Insert(b.nodes, i, node)
	}
	b.leads[node] += n
}

// step is a group that is handed over.
type step struct {
	group *Group
	to    uint32
}

// path returns the shortest sequence of steps by which the server that leads the most
// groups, of those that can, gives one to a server that leads two less. Those in between
// get one and give one.
func (b *balance) path() []step {
	starts := slices.Clone(b.nodes)
	slices.SortStableFunc(starts, func(x, y uint32) int { return b.leads[y] - b.leads[x] })
	for _, start := range starts {
		if path := b.from(start); path != nil {
			return path
		}
	}
	return nil
}

func (b *balance) from(start uint32) []step {
	came := map[uint32]step{start: {}}
	for queue := []uint32{start}; len(queue) > 0; {
		var next []uint32
		best := start
		for _, g := range b.free {
			if !slices.Contains(queue, g.Leader) {
				continue
			}
			for _, node := range g.Able {
				if _, seen := came[node]; seen {
					continue
				}
				came[node] = step{g, node}
				next = append(next, node)
				if b.leads[node] < b.leads[best]-1 || best != start && b.leads[node] < b.leads[best] {
					best = node
				}
			}
		}
		if best != start {
			var path []step
			for at := best; at != start; {
				s := came[at]
				path = append(path, s)
				at = s.group.Leader
			}
			slices.Reverse(path)
			return path
		}
		queue = next
	}
	return nil
}
