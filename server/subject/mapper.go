package subject

import (
	"errors"
	"fmt"
)

// Mapping sends messages published to Source elsewhere: each message to one of
// the destinations, drawn by weight.
type Mapping struct {
	// Source is a pattern.
	Source       string
	Destinations []MapDestination
}

// MapDestination is one place a mapped message can go to.
type MapDestination struct {
	// Subject is the destination of a Transform.
	Subject string
	// Weight is in percent, 0 to 100.
	Weight uint8
	// Cluster limits the destination to servers of a cluster; "" is all
	// servers whose cluster has no destinations of its own.
	Cluster string
}

// ErrTotalWeight says that the weights of a mapping's destinations add up to
// more than 100.
var ErrTotalWeight = errors.New("total weight needs to be <= 100")

// Validate reports the first mistake in m, without naming its source: whoever
// read it knows best how to. The error is ErrTotalWeight, ErrInvalidSubject, a
// [*TransformError], or one about a destination listed twice.
func (m *Mapping) Validate() error {
	if !IsValid(m.Source) {
		return ErrInvalidSubject
	}
	type key struct{ subject, cluster string }
	seen := make(map[key]bool)
	total := make(map[string]int)
	for _, d := range m.Destinations {
		k := key{d.Subject, d.Cluster}
		if seen[k] {
			return fmt.Errorf("duplicate entry for %q", d.Subject)
		}
		seen[k] = true
		total[d.Cluster] += int(d.Weight)
		if total[d.Cluster] > 100 {
			return ErrTotalWeight
		}
		if _, err := newMapTransform(m.Source, d.Subject); err != nil {
			return err
		}
	}
	return nil
}

func newMapTransform(source, dest string) (*Transform, error) {
	if !validDestination(dest) {
		return nil, &TransformError{Err: ErrInvalidTransform}
	}
	return NewTransform(source, dest)
}

// Mapper is an ordered list of mappings as one server, that is one cluster,
// sees them. The first whose source matches decides, whatever it decides. A
// Mapper does not change; any number of goroutines may use it. A nil Mapper has
// no mappings.
type Mapper struct {
	entries []mapEntry
	// literals finds the entry of a source without wildcards, so that only
	// those with have to be tried one by one; wild holds the latter in order.
	literals map[string]int
	wild     []int
}

// mapEntry is a mapping reduced to the destinations of the own cluster.
type mapEntry struct {
	source string
	dests  []weighted
	// drop is what becomes of a message that draws no destination.
	drop bool
}

type weighted struct {
	// upTo is the sum of the weights up to and with this destination.
	upTo uint32
	// transform is nil if the destination is the source itself.
	transform *Transform
}

// Outcome is what a Mapper decided.
type Outcome uint8

const (
	// Unmapped: the message goes where it was published to.
	Unmapped Outcome = iota
	// Mapped: it goes to the subject given.
	Mapped
	// Dropped: it is lost, as a mapping that lists its own source and less
	// than 100 percent asks for.
	Dropped
)

// NewMapper makes a Mapper for a server of cluster, "" if it has none. If a
// source comes twice, the later mapping replaces the earlier in its place. The
// error names the source and wraps that of [Mapping.Validate].
func NewMapper(mappings []Mapping, cluster string) (*Mapper, error) {
	m := &Mapper{literals: make(map[string]int)}
	place := make(map[string]int)
	for i := range mappings {
		e, err := newMapEntry(&mappings[i], cluster)
		if err != nil {
			return nil, fmt.Errorf("mapping for %q: %w", mappings[i].Source, err)
		}
		if n, ok := place[e.source]; ok {
			m.entries[n] = e
			continue
		}
		n := len(m.entries)
		m.entries = append(m.entries, e)
		place[e.source] = n
		if HasWildcard(e.source) {
			m.wild = append(m.wild, n)
		} else {
			m.literals[e.source] = n
		}
	}
	return m, nil
}

func newMapEntry(m *Mapping, cluster string) (mapEntry, error) {
	if err := m.Validate(); err != nil {
		return mapEntry{}, err
	}
	scope := "" // falls back to the unscoped destinations
	for _, d := range m.Destinations {
		if d.Cluster == cluster {
			scope = cluster
		}
	}
	e := mapEntry{source: m.Source}
	sum := uint32(0)
	for _, d := range m.Destinations {
		if d.Cluster != scope {
			continue
		}
		sum += uint32(d.Weight)
		w := weighted{upTo: sum}
		if d.Subject == m.Source {
			e.drop = true
		} else {
			t, err := newMapTransform(m.Source, d.Subject)
			if err != nil {
				return mapEntry{}, err
			}
			w.transform = t
		}
		e.dests = append(e.dests, w)
	}
	return e, nil
}

// Map decides where a message published to subject goes. If it is Mapped, the
// new subject is appended to dst; otherwise dst comes back as it was. rand
// gives a number below n, which is not 0. See [Transform.Apply] for when the
// new subject can be invalid.
func (m *Mapper) Map(dst, subject []byte, rand func(n uint32) uint32) ([]byte, Outcome) {
	e := m.find(subject)
	if e == nil || len(e.dests) == 0 {
		return dst, Unmapped
	}
	draw := uint32(0)
	if e.dests[0].upTo < 100 { // else the first takes all
		draw = rand(100)
	}
	for i := range e.dests {
		switch d := &e.dests[i]; {
		case draw >= d.upTo:
		case d.transform == nil:
			return dst, Unmapped
		default:
			return d.transform.Apply(dst, subject, rand), Mapped
		}
	}
	if e.drop {
		return dst, Dropped
	}
	return dst, Unmapped
}

// find is the first entry whose source matches subject, nil if there is none.
func (m *Mapper) find(subject []byte) *mapEntry {
	if m == nil {
		return nil
	}
	first, ok := m.literals[string(subject)]
	if !ok {
		first = len(m.entries)
	}
	for _, n := range m.wild {
		if n > first {
			break
		}
		if Matches(subject, m.entries[n].source) {
			first = n
			break
		}
	}
	if first == len(m.entries) {
		return nil
	}
	return &m.entries[first]
}
