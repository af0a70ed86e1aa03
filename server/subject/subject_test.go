package subject

import (
	"slices"
	"strings"
	"testing"
)

func TestValidity(t *testing.T) {
	for _, tc := range []struct {
		name    string
		subject string
		valid   bool
		literal bool
	}{
		{"one token", "foo", true, true},
		{"several tokens", "foo.bar.baz", true, true},
		{"one byte tokens", "a.b", true, true},
		{"star", "*", true, false},
		{"star between", "foo.*.bar", true, false},
		{"two stars", "*.*", true, false},
		{"tail", ">", true, false},
		{"tail at the end", "foo.>", true, false},
		{"star and tail", "foo.*.>", true, false},
		{"star inside a token", "foo*.b*r.*baz", true, true},
		{"tail inside a token", "fo>o.>>", true, true},
		{"two stars in a token", "**", true, true},
		{"not ASCII", "füße.日本", true, true},
		{"control byte", "a.\x00", true, true},
		{"empty", "", false, false},
		{"only a dot", ".", false, false},
		{"leading dot", ".foo", false, false},
		{"trailing dot", "foo.", false, false},
		{"empty token", "foo..bar", false, false},
		{"tail not last", "foo.>.bar", false, false},
		{"tail first of two", ">.foo", false, false},
		{"two tails", ">.>", false, false},
		{"tail and trailing dot", "foo.>.", false, false},
		{"space", "foo bar", false, false},
		{"only a space", " ", false, false},
		{"tab", "foo.\tbar", false, false},
		{"line end", "foo\r\n", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := IsValid(tc.subject); got != tc.valid {
				t.Errorf("IsValid(%q) = %v", tc.subject, got)
			}
			if got := IsLiteral(tc.subject); got != tc.literal {
				t.Errorf("IsLiteral(%q) = %v", tc.subject, got)
			}
			if got := IsLiteral([]byte(tc.subject)); got != tc.literal {
				t.Errorf("IsLiteral of the bytes of %q = %v", tc.subject, got)
			}
			if tc.valid && HasWildcard(tc.subject) == tc.literal {
				t.Errorf("HasWildcard(%q) = %v", tc.subject, tc.literal)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	for _, s := range []string{"a", "a.b", "foo.*.>", "", ".", "a..b", "a."} {
		want := strings.Split(s, ".")
		if got := slices.Collect(Tokens(s)); !slices.Equal(got, want) {
			t.Errorf("Tokens(%q) = %q, want %q", s, got, want)
		}
		var fromBytes []string
		for tok := range Tokens([]byte(s)) {
			fromBytes = append(fromBytes, string(tok))
		}
		if !slices.Equal(fromBytes, want) {
			t.Errorf("Tokens of the bytes of %q = %q, want %q", s, fromBytes, want)
		}
		if got := CountTokens(s); got != len(want) {
			t.Errorf("CountTokens(%q) = %d, want %d", s, got, len(want))
		}
	}
	for tok := range Tokens("a.b.c") {
		if tok == "b" {
			break // must not make the iterator call again
		}
	}
}

func FuzzIsValid(f *testing.F) {
	for _, s := range []string{"foo", "foo.*.>", "foo..bar", "foo.>.bar", "a b", "", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := IsValid(s), slowIsValid(s); got != want {
			t.Errorf("IsValid(%q) = %v, want %v", s, got, want)
		}
		if got, want := HasWildcard(s), slowHasWildcard(s); got != want {
			t.Errorf("HasWildcard(%q) = %v, want %v", s, got, want)
		}
		if got, want := IsLiteral([]byte(s)), slowIsValid(s) && !slowHasWildcard(s); got != want {
			t.Errorf("IsLiteral(%q) = %v, want %v", s, got, want)
		}
	})
}
