package auth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The model knows permissions only as the words of their definition, over a
// world of few tokens in which all literal subjects can be listed. The world
// has a token that no entry names and is a token deeper than any entry, so that
// every wildcard has a witness for what it matches beyond the named.

var worldSubjects = func() []string {
	level, all := []string{""}, []string(nil)
	for range 4 {
		var next []string
		for _, prefix := range level {
			for _, token := range []string{"a", "b", "z"} {
				next = append(next, strings.TrimPrefix(prefix+"."+token, "."))
			}
		}
		all = append(all, next...)
		level = next
	}
	return all
}()

func modelMatches(literal, pattern string) bool {
	l, p := strings.Split(literal, "."), strings.Split(pattern, ".")
	for i, token := range p {
		if token == ">" {
			return len(l) > i
		}
		if i >= len(l) || token != "*" && token != l[i] {
			return false
		}
	}
	return len(l) == len(p)
}

func modelCovers(pattern, sub string) bool {
	return !slices.ContainsFunc(worldSubjects, func(s string) bool {
		return modelMatches(s, sub) && !modelMatches(s, pattern)
	})
}

// modelSplit tells the plain entries from those with a queue.
func modelSplit(list []string) (plain []string, queues [][2]string) {
	for _, entry := range list {
		if subj, queue, ok := strings.Cut(entry, " "); ok {
			queues = append(queues, [2]string{subj, queue})
		} else {
			plain = append(plain, entry)
		}
	}
	return plain, queues
}

func modelCanPublish(p *SubjectPermission, subj string) bool {
	matches := func(pattern string) bool { return modelMatches(subj, pattern) }
	return p == nil ||
		(p.Allow == nil || slices.ContainsFunc(p.Allow, matches)) && !slices.ContainsFunc(p.Deny, matches)
}

func modelCanSubscribe(p *SubjectPermission, sub, queue string) bool {
	if p == nil {
		return true
	}
	allowed := p.Allow == nil
	if p.Allow != nil {
		plain, queues := modelSplit(p.Allow)
		for _, entry := range plain {
			allowed = allowed || modelCovers(entry, sub)
		}
		var forSubject []string
		for _, q := range queues {
			if modelCovers(q[0], sub) {
				forSubject = append(forSubject, q[1])
			}
		}
		if queue != "" && len(forSubject) > 0 {
			allowed = slices.ContainsFunc(forSubject, func(q string) bool { return modelMatches(queue, q) })
		}
	}
	plain, queues := modelSplit(p.Deny)
	for _, entry := range plain {
		allowed = allowed && !modelMatches(sub, entry)
	}
	for _, q := range queues {
		allowed = allowed && !(queue != "" && modelMatches(queue, q[1]) && modelMatches(sub, q[0]))
	}
	return allowed
}

func modelCanDeliver(p *SubjectPermission, subj, queue string) bool {
	if p == nil {
		return true
	}
	plain, queues := modelSplit(p.Deny)
	for _, entry := range plain {
		if modelMatches(subj, entry) {
			return false
		}
	}
	for _, q := range queues {
		if queue != "" && modelMatches(queue, q[1]) && modelMatches(subj, q[0]) {
			return false
		}
	}
	return true
}

// modelGrants is the least that must hold for a delivery to be right.
func modelGrants(p *SubjectPermission, subj, queue string) bool {
	if p == nil || p.Allow == nil {
		return modelCanDeliver(p, subj, queue)
	}
	for _, entry := range p.Allow {
		pattern, q, _ := strings.Cut(entry, " ")
		if modelMatches(subj, pattern) && (q == "" || queue != "" && modelMatches(queue, q)) {
			return modelCanDeliver(p, subj, queue)
		}
	}
	return false
}

func randomSubject(rng *rand.Rand) string {
	tokens := make([]string, 1+rng.IntN(3))
	for i := range tokens {
		tokens[i] = []string{"a", "b", "*"}[rng.IntN(3)]
	}
	if rng.IntN(4) == 0 {
		tokens[len(tokens)-1] = ">"
	}
	return strings.Join(tokens, ".")
}

func randomPermission(rng *rand.Rand, withQueues bool) *SubjectPermission {
	if rng.IntN(10) == 0 {
		return nil
	}
	list := func() []string {
		out := make([]string, rng.IntN(4))
		for i := range out {
			out[i] = randomSubject(rng)
			if withQueues && rng.IntN(3) == 0 {
				out[i] += " " + []string{"v1", "v2", "x.v1", "*", "x.*", ">"}[rng.IntN(6)]
			}
		}
		return out
	}
	p := &SubjectPermission{Allow: list(), Deny: list()}
	if rng.IntN(3) == 0 {
		p.Allow = nil
	}
	return p
}

func TestPermissionsAgreeWithTheModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	queues := []string{"", "v1", "v2", "x.v1", "y.v3"}
	filtered := 0
	for range 2000 {
		p := &Permissions{Publish: randomPermission(rng, false), Subscribe: randomPermission(rng, true)}
		c := mustCompile(t, p)
		about := func() string { return fmt.Sprintf("publish %+v, subscribe %+v", p.Publish, p.Subscribe) }

		for range 20 {
			subj := worldSubjects[rng.IntN(len(worldSubjects))]
			if got, want := c.CanPublish([]byte(subj)), modelCanPublish(p.Publish, subj); got != want {
				t.Fatalf("%s: publish to %q: %v, want %v", about(), subj, got, want)
			}

			sub, queue := randomSubject(rng), queues[rng.IntN(len(queues))]
			may := c.CanSubscribe(sub, queue)
			if want := modelCanSubscribe(p.Subscribe, sub, queue); may != want {
				t.Fatalf("%s: subscribe to %q %q: %v, want %v", about(), sub, queue, may, want)
			}
			if !may {
				continue
			}
			withheld := false
			for _, subj := range worldSubjects {
				if !modelMatches(subj, sub) {
					continue
				}
				got := c.CanDeliver([]byte(subj), queue)
				if want := modelCanDeliver(p.Subscribe, subj, queue); got != want {
					t.Fatalf("%s: deliver %q to %q %q: %v, want %v", about(), subj, sub, queue, got, want)
				}
				if got && !modelGrants(p.Subscribe, subj, queue) {
					t.Fatalf("%s: %q reaches %q %q without being granted", about(), subj, sub, queue)
				}
				withheld = withheld || !got
			}
			if got := c.NeedsDeliveryFilter(sub, queue); got != withheld {
				t.Fatalf("%s: filter for %q %q: %v, want %v", about(), sub, queue, got, withheld)
			}
			if withheld {
				filtered++
			}
		}
	}
	if filtered < 100 {
		t.Errorf("only %d subscriptions needed a filter: the random permissions test little", filtered)
	}
}
