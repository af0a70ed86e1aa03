package meta

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Does the index find what a look at every stream finds, while streams come, change and
// go?
func TestOverlaps(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		pick := func() string {
			n := 1 + rng.IntN(3)
			tokens := make([]string, n)
			for i := range tokens {
				tokens[i] = []string{"a", "b", "c", "d", "e", "*"}[rng.IntN(6)]
			}
			if rng.IntN(5) == 0 {
				tokens[n-1] = ">"
			}
			return strings.Join(tokens, ".")
		}
		s := &State{}
		slow := func(except string, subjects []string) bool {
			for st := range s.Streams("A") {
				if st.Name() != except && api.OverlapAny(st.Config.Subjects, subjects) {
					return true
				}
			}
			return false
		}
		overlaps := 0
		for range 300 {
			name := fmt.Sprintf("S%d", rng.IntN(12))
			c := streamConfig(name, pick())
			if rng.IntN(3) == 0 {
				c.Subjects = append(c.Subjects, pick())
			}
			want := slow(name, c.Subjects)
			if got := s.Overlaps("A", name, c.Subjects); got != want {
				t.Fatalf("seed %d: %q for %s: %t, want %t", seed, c.Subjects, name, got, want)
			}
			if want {
				overlaps++
			}
			switch st := s.Stream("A", name); {
			case st == nil:
				s.Apply(&Op{CreateStream: &CreateStream{Account: "A", Config: c, Nodes: []uint32{1}, Limits: NoLimits}}, 1)
			case rng.IntN(2) == 0:
				s.Apply(&Op{UpdateStream: &UpdateStream{Account: "A", Config: c, Revision: st.Revision, Limits: NoLimits}}, 1)
			default:
				s.Apply(&Op{DeleteStream: &DeleteStream{Account: "A", Stream: name}}, 1)
			}
		}
		if overlaps < 30 || overlaps > 270 {
			t.Errorf("seed %d: %d of 300 overlap", seed, overlaps)
		}
	}
}
