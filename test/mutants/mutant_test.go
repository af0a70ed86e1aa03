package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"
)

// A change of the source may not silently leave a mutant without its place.
func TestMutantsFitTheSource(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, m := range table {
		if names[m.Name] {
			t.Errorf("%s: there are two of this name", m.Name)
		}
		names[m.Name] = true
		if m.Why == "" {
			t.Errorf("%s: no reason given", m.Name)
		}
		src, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Error(err)
			continue
		}
		changed, err := m.Apply(src)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.File, changed, 0); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	if len(table) < 40 {
		t.Errorf("%d mutants, want 40", len(table))
	}
}
