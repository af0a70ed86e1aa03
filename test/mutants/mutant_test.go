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
	for _, part := range []struct {
		name    string
		mutants []Mutant
		want    int
	}{
		{"core", coreMutants, 40},
		{"log", walMutants, 50},
		{"host and transport", hostMutants, 60},
		{"stream", streamMutants, 50},
		{"consumer", consumerMutants, 50},
		{"assignments", metaMutants, 15},
		{"store", storeMutants, 20},
		{"images", imageMutants, 10},
	} {
		if len(part.mutants) < part.want {
			t.Errorf("%d mutants of the %s, want %d", len(part.mutants), part.name, part.want)
		}
	}
}
