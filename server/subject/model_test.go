package subject

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// The grammar and the relations once more, as their definitions read: on split
// strings, and by trying every literal of a small universe.

func slowIsValid(s string) bool {
	tokens := strings.Split(s, ".")
	for i, tok := range tokens {
		if tok == "" || strings.ContainsAny(tok, " \t\n\v\f\r") || tok == ">" && i != len(tokens)-1 {
			return false
		}
	}
	return true
}

func slowHasWildcard(s string) bool {
	tokens := strings.Split(s, ".")
	return slices.Contains(tokens, "*") || slices.Contains(tokens, ">")
}

func slowMatches(literal, pattern string) bool {
	lits, pats := strings.Split(literal, "."), strings.Split(pattern, ".")
	if slices.Contains(lits, "") {
		return false
	}
	if last := len(pats) - 1; pats[last] == ">" {
		if len(lits) <= last {
			return false
		}
		lits, pats = lits[:last], pats[:last]
	}
	return slices.EqualFunc(lits, pats, func(l, p string) bool { return p == "*" || l == p })
}

// universe holds every literal of up to 4 tokens out of those that the random
// patterns use and one more, which only wildcards can match. Patterns have up
// to 3 tokens, so it tells any two apart that differ at all.
var universe = func() []string {
	var all []string
	level := []string{""}
	for range 4 {
		var next []string
		for _, prefix := range level {
			for _, tok := range []string{"a", "b", "other"} {
				next = append(next, strings.TrimPrefix(prefix+"."+tok, "."))
			}
		}
		all = append(all, next...)
		level = next
	}
	return all
}()

func slowCovers(pattern, sub string) bool {
	return !slices.ContainsFunc(universe, func(l string) bool {
		return slowMatches(l, sub) && !slowMatches(l, pattern)
	})
}

func slowOverlaps(a, b string) bool {
	return slices.ContainsFunc(universe, func(l string) bool {
		return slowMatches(l, a) && slowMatches(l, b)
	})
}

// randomPattern is a valid pattern of up to 3 tokens.
func randomPattern(r *rand.Rand) string {
	tokens := make([]string, 1+r.IntN(3))
	for i := range tokens {
		tokens[i] = []string{"a", "b", "*"}[r.IntN(3)]
	}
	if r.IntN(3) == 0 {
		tokens[len(tokens)-1] = ">"
	}
	return strings.Join(tokens, ".")
}
