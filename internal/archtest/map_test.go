package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Is every package on the map, and everything on the map there? A map that leaves out
// what was built last misleads those who need it most.
func TestMapIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## The map\n\n```\n")
	drawn, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no map")
	}
	on := make(map[string]bool)
	var path []string
	for line := range strings.Lines(drawn) {
		// A level of the tree is four characters wide: a line, or a branch.
		name := strings.TrimLeft(line, "│├└─ ")
		depth := len([]rune(line[:len(line)-len(name)])) / 4
		name, isDir := strings.CutSuffix(strings.Fields(name)[0], "/")
		if !isDir || depth > len(path) {
			t.Fatalf("not understood: %q", line)
		}
		path = append(path[:depth], name)
		on[strings.Join(path, "/")] = true
	}
	there := make(map[string]bool)
	err = filepath.WalkDir("../..", func(file string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != ".") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil && d.IsDir() && file != "../.." {
			return filepath.SkipDir // another module
		}
		if !d.IsDir() && strings.HasSuffix(file, ".go") {
			there[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../../")] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range slices.Sorted(maps.Keys(there)) {
		if !on[dir] {
			t.Errorf("%s is not on the map", dir)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(on)) {
		if _, err := os.Stat(filepath.Join("../..", dir)); err != nil {
			t.Errorf("on the map: %v", err)
		}
	}
}
