package rafttest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "record the output of the scripts in testdata anew")

// TestScripts plays the scenarios and compares what happens with what is told.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ran, err := ParseScript(string(text)).Run()
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if ran.String() == string(text) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(ran.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("%s: the output differs:\n%s", file, firstDifference(string(text), ran.String()))
		})
	}
}

// firstDifference shows where two texts part.
func firstDifference(want, have string) string {
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	n := 0
	for n < len(w) && n < len(h) && w[n] == h[n] {
		n++
	}
	around := func(lines []string, mark string) string {
		return mark + strings.Join(lines[min(n, len(lines)):min(n+5, len(lines))], "\n"+mark)
	}
	return strings.Join(w[max(n-3, 0):n], "\n") + "\n" + around(w, "- ") + "\n" + around(h, "+ ")
}

// TestScriptText checks that a script survives being parsed and printed.
func TestScriptText(t *testing.T) {
	const text = "A tale.\n\n> group 1\n\n> elect 1\n1 leads term 1\n\n> log\n1 1/1 ·  |\n\nThe end.\n"
	s := ParseScript(text)
	if have := s.String(); have != text {
		t.Errorf("%q\nbecomes\n%q", text, have)
	}
	ran, err := s.Run()
	if err != nil || ran.String() != text {
		t.Errorf("ran to %v\n%s", err, ran)
	}
	for _, bad := range []string{"> dance", "> elect 1", "> group 1\n> propose 2 a", "> group 1\n> deliver lots"} {
		if _, err := ParseScript(bad).Run(); err == nil {
			t.Errorf("%q is played", bad)
		}
	}
}
