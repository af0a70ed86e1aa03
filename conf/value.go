package conf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is a parsed file with everything it includes.
type Config struct {
	// Root holds the statements at the top level.
	Root *Map
	// File is the path or name that the configuration was read from.
	File string
}

// Map is the content of a pair of braces, or of a file. It is read-only once
// parsed, and a variable makes one Map appear in several places.
type Map struct {
	// entries are in file order. While the map is being parsed they may contain
	// entries that a later one has replaced; seal removes those.
	entries []*Entry
	// index has the valid entry of each key, as spelled.
	index map[string]*Entry
}

// Entry is one key of a map with its value.
type Entry struct {
	// Key is spelled as in the file.
	Key   string
	Pos   Pos
	Value *Value
	// UsedAsVariable says that some $Key refers to this entry, so that a key
	// without a meaning of its own is not a mistake.
	UsedAsVariable bool
}

// Value is one value of any kind. It is read-only.
type Value struct {
	Kind Kind
	// One of these is set, according to Kind.
	Bool  bool
	Int   int64
	Float float64
	Str   string
	Time  time.Time
	List  []*Value
	Map   *Map

	// Pos is that of the key the value belongs to; an element of an array has
	// its own.
	Pos Pos
	// Text is the source of a scalar, for error messages. Strings are without
	// their quotes.
	Text string

	// size is what the value counts towards maxExpanded.
	size int
}

// Kind is the type of a Value.
type Kind uint8

// The kinds.
const (
	KindBool Kind = iota + 1
	KindInt
	KindFloat
	KindString
	KindTime
	KindArray
	KindMap
)

// String returns the name of the kind as error messages show it.
func (k Kind) String() string {
	switch k {
	case KindBool:
		return "bool"
	case KindInt:
		return "int64"
	case KindFloat:
		return "float64"
	case KindString:
		return "string"
	case KindTime:
		return "time.Time"
	case KindArray:
		return "[]interface {}"
	case KindMap:
		return "map[string]interface {}"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Pos is a place in a file. Line counts from 1. Col counts bytes, from 1, except
// on the first line of a file where it counts from 0: operators' tools know
// positions in this form.
type Pos struct {
	File string
	Line int
	Col  int
}

// String returns "file:line:col".
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Entries returns the entries in file order. A key that was given more than
// once has its last entry only, at that one's place. The slice belongs to m.
func (m *Map) Entries() []*Entry { return m.entries }

// Get returns the entry of a key, whatever its case, or nil. Where keys differ
// in case only, the last one counts. Get walks the entries.
func (m *Map) Get(key string) *Entry {
	for _, e := range slices.Backward(m.entries) {
		if strings.EqualFold(e.Key, key) {
			return e
		}
	}
	return nil
}

// set appends e, which replaces an entry of the same key.
func (m *Map) set(e *Entry) {
	if m.index == nil {
		m.index = make(map[string]*Entry)
	}
	m.index[e.Key] = e
	m.entries = append(m.entries, e)
}

// seal removes entries that were replaced. It removes all of them at once
// because doing so one by one is quadratic.
func (m *Map) seal() {
	if len(m.entries) > len(m.index) {
		m.entries = slices.DeleteFunc(m.entries, func(e *Entry) bool { return m.index[e.Key] != e })
	}
}
