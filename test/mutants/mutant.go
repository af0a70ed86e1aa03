package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

// Mutant is a fault that can be put into the source.
type Mutant struct {
	// Name says what the faulty server does.
	Name string
	// File is relative to the root of the module.
	File string
	// Old occurs once in the file; New takes its place.
	Old, New string
	// Why says where such a fault has been seen, or which rule it breaks.
	Why string
}

// Apply returns the source with the fault in it.
func (m *Mutant) Apply(src []byte) ([]byte, error) {
	if n := bytes.Count(src, []byte(m.Old)); n != 1 {
		return nil, fmt.Errorf("%s: the text occurs %d times in %s", m.Name, n, m.File)
	}
	if m.Old == m.New {
		return nil, fmt.Errorf("%s: it changes nothing", m.Name)
	}
	return bytes.Replace(src, []byte(m.Old), []byte(m.New), 1), nil
}

// stage is one run of tests.
type stage struct {
	name string
	args []string
}

// stages returns what is run against a mutant, in order, with so many seeds of the
// simulator.
func stages(m Mutant, seeds int) []stage {
	own := "./" + filepath.ToSlash(filepath.Dir(m.File))
	list := []stage{{filepath.Base(own), []string{own}}}
	for _, s := range wholes(own, seeds) {
		if s.args[0] != own {
			list = append(list, s)
		}
	}
	return list
}

// wholes returns the stages that see a package at work with others.
func wholes(own string, seeds int) []stage {
	simulated := func(test string, seeds int) stage {
		return stage{"sim", []string{"./test/sim", "-run=^" + test + "$", fmt.Sprintf("-sim.seeds=%d", seeds)}}
	}
	switch {
	case own == "./server", strings.HasPrefix(own+"/", "./server/cluster/"):
		return []stage{{"server", []string{"./server", "-run=^TestMesh"}}}
	case replicated(own):
		// A seed of these takes longer.
		return []stage{{"jetstream", []string{"./server/jetstream"}}, simulated("TestJetStream", max(1, seeds/4))}
	case strings.HasPrefix(own+"/", "./server/jetstream/"):
		return []stage{{"jetstream", []string{"./server/jetstream"}}}
	}
	return []stage{
		{"rafttest", []string{"./server/raft/rafttest"}},
		{"host", []string{"./server/raft/host"}},
		simulated("TestSeeds", seeds),
	}
}

// replicated reports whether a package of JetStream is in the simulator.
func replicated(own string) bool {
	switch strings.TrimPrefix(own, "./server/jetstream/") {
	case "meta", "stream", "consumer", "store", "store/image", "store/mem":
		return true
	}
	return false
}
