package placement

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// lead carries transfers out.
func lead(t *testing.T, groups []Group, moves []Transfer) {
	t.Helper()
	for _, m := range moves {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.ID == m.Group })
		if g := &groups[i]; !slices.Contains(g.Able, m.To) || g.Leader == m.To {
			t.Fatalf("%v of %+v", m, *g)
		} else {
			g.Leader = m.To
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups []Group
		limit  int
		want   []Transfer
	}{
		{"nothing to do", []Group{{1, 1, []uint32{1, 2}, 0}, {2, 2, []uint32{1, 2}, 0}}, 9, nil},
		{"one too many is even", []Group{{1, 1, []uint32{1, 2}, 0}}, 9, nil},
		{"two too many", []Group{{1, 1, []uint32{1, 2}, 0}, {2, 1, []uint32{1, 2}, 0}}, 9, []Transfer{{1, 2}}},
		{"who cannot lead does not", []Group{{1, 1, []uint32{1}, 0}, {2, 1, []uint32{1, 2}, 0}}, 9, []Transfer{{2, 2}}},
		{"where it is preferred", []Group{{1, 1, []uint32{1, 2}, 2}, {2, 2, []uint32{1, 2}, 0}}, 9, []Transfer{{1, 2}, {2, 1}}},
		{"not where it cannot be", []Group{{1, 1, []uint32{1, 2}, 3}}, 9, nil},
		{"nobody leads", []Group{{1, 0, []uint32{1, 2}, 2}}, 9, nil},
		{"by way of another", []Group{{1, 1, []uint32{1, 2}, 0}, {2, 1, []uint32{1, 2}, 0}, {3, 2, []uint32{2, 3}, 0}}, 9, []Transfer{{1, 2}, {3, 3}}},
		{"the end of it first", []Group{{1, 1, []uint32{1, 2}, 0}, {2, 1, []uint32{1, 2}, 0}, {3, 2, []uint32{2, 3}, 0}}, 1, []Transfer{{3, 3}}},
		{"preferred ones count, too", []Group{{1, 1, []uint32{1, 2}, 2}, {2, 1, []uint32{1, 3}, 3}}, 1, []Transfer{{1, 2}}},
		{"no moves", []Group{{1, 1, []uint32{1, 2}, 0}, {2, 1, []uint32{1, 2}, 0}}, 0, nil},
	} {
		if got := Spread(c.groups, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Step by step it becomes as even as it can be, and then it stays.
func TestSpreadComesToAnEnd(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		nodes := 3 + rng.IntN(4)
		var groups []Group
		for id := range uint64(40) {
			g := Group{ID: id + 1}
			for _, n := range rng.Perm(nodes)[:1+rng.IntN(3)] {
				g.Able = append(g.Able, uint32(n+1))
			}
			g.Leader = g.Able[0]
			if rng.IntN(8) == 0 {
				g.Preferred = uint32(1 + rng.IntN(nodes))
			}
			groups = append(groups, g)
		}
		limit := 1 + rng.IntN(4)
		for n := 0; ; n++ {
			mixed := slices.Clone(groups)
			rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
			moves := Spread(groups, limit)
			if !slices.Equal(moves, Spread(mixed, limit)) {
				t.Fatalf("seed %d: another order leads elsewhere", seed)
			}
			if len(moves) > limit || n > 200 {
				t.Fatalf("seed %d: step %d moves %d", seed, n, len(moves))
			}
			if len(moves) == 0 {
				break
			}
			lead(t, groups, moves)
		}
		counts := make([]int, nodes+1)
		for _, g := range groups {
			counts[g.Leader]++
			if g.Preferred != 0 && slices.Contains(g.Able, g.Preferred) && g.Leader != g.Preferred {
				t.Fatalf("seed %d: %+v", seed, g)
			}
		}
		// Whom each could give a group to, by way of others too.
		reach := make([][]bool, nodes+1)
		for i := range reach {
			reach[i] = make([]bool, nodes+1)
		}
		for _, g := range groups {
			if g.Preferred == 0 || g.Preferred != g.Leader {
				for _, to := range g.Able {
					reach[g.Leader][to] = true
				}
			}
		}
		for k := range reach {
			for i := range reach {
				for j := range reach {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		for i := range reach {
			for j := range reach {
				if reach[i][j] && counts[i] > counts[j]+1 {
					t.Fatalf("seed %d: %d leads %d, and %d only %d", seed, i, counts[i], j, counts[j])
				}
			}
		}
	}
}
