package sublist

import "slices"

const (
	// manyMembers is the number of members from which on they are found by
	// hash, and manyGroups that of queue groups.
	manyMembers = 64
	manyGroups  = 16
)

// entry holds who subscribed to one subject. It must not be copied.
type entry[T comparable] struct {
	subject string
	plain   members[T]
	queues  *groups[T] // nil if there are none
}

func (e *entry[T]) add(queue string, v T) {
	if queue == "" {
		e.plain.add(v)
		return
	}
	if e.queues == nil {
		e.queues = &groups[T]{}
	}
	e.queues.get(queue).members.add(v)
}

// remove reports whether v was there.
func (e *entry[T]) remove(queue string, v T) bool {
	if queue == "" {
		return e.plain.remove(v)
	}
	if e.queues == nil {
		return false
	}
	g := e.queues.find(queue)
	if g == nil || !g.members.remove(v) {
		return false
	}
	if len(g.members.list) == 0 {
		e.queues.delete(g)
		if len(e.queues.list) == 0 {
			e.queues = nil
		}
	}
	return true
}

func (e *entry[T]) empty() bool { return len(e.plain.list) == 0 && e.queues == nil }

// appendItems appends everything that e holds.
func (e *entry[T]) appendItems(items []Item[T]) []Item[T] {
	for _, v := range e.plain.list {
		items = append(items, Item[T]{e.subject, "", v})
	}
	if e.queues == nil {
		return items
	}
	for _, g := range e.queues.list {
		for _, v := range g.members.list {
			items = append(items, Item[T]{e.subject, g.name, v})
		}
	}
	return items
}

// groups are the queue groups of one subject, none of them empty.
type groups[T comparable] struct {
	list []*group[T]
	// byName is nil as long as there are few.
	byName map[string]*group[T]
}

type group[T comparable] struct {
	name    string
	members members[T]
}

func (gs *groups[T]) find(name string) *group[T] {
	if gs.byName != nil {
		return gs.byName[name]
	}
	for _, g := range gs.list {
		if g.name == name {
			return g
		}
	}
	return nil
}

// get is find that makes the group if it is missing.
func (gs *groups[T]) get(name string) *group[T] {
	if g := gs.find(name); g != nil {
		return g
	}
	g := &group[T]{name: name}
	gs.list = append(gs.list, g)
	if gs.byName == nil && len(gs.list) > manyGroups {
		gs.byName = make(map[string]*group[T], len(gs.list))
		for _, old := range gs.list {
			gs.byName[old.name] = old
		}
	}
	if gs.byName != nil {
		gs.byName[name] = g
	}
	return g
}

func (gs *groups[T]) delete(g *group[T]) {
	gs.list = swapRemove(gs.list, slices.Index(gs.list, g))
	delete(gs.byName, g.name)
	if len(gs.list) < manyGroups/2 {
		gs.byName = nil
	}
}

// members is a bag of values in no order. It must not be copied once it has
// been used: list may point to first.
type members[T comparable] struct {
	list []T
	// first backs list as long as that has one value at the most, as nearly
	// all have.
	first [1]T
	// found is nil as long as there are few.
	found *positions[T]
}

// positions finds a member in a long list.
type positions[T comparable] struct {
	// at holds one of the places of each value.
	at map[T]int
	// hidden is the number of places in list that at does not hold: those of
	// values that are there more than once.
	hidden int
}

func (m *members[T]) add(v T) {
	if m.list == nil {
		m.list = m.first[:0]
	}
	m.list = append(m.list, v)
	if len(m.list) == 2 {
		clear(m.first[:]) // the list has moved out; keep nothing alive
	}
	switch {
	case m.found != nil:
		m.found.add(v, len(m.list)-1)
	case len(m.list) > manyMembers:
		m.found = &positions[T]{at: make(map[T]int, len(m.list))}
		for i, v := range m.list {
			m.found.add(v, i)
		}
	}
}

// remove reports whether v was there.
func (m *members[T]) remove(v T) bool {
	if m.found == nil {
		i := slices.Index(m.list, v)
		if i < 0 {
			return false
		}
		m.list = swapRemove(m.list, i)
		return true
	}
	i, ok := m.found.at[v]
	if !ok {
		return false
	}
	last := len(m.list) - 1
	if moved := m.list[last]; m.found.at[moved] == last {
		m.found.at[moved] = i
	}
	delete(m.found.at, v)
	m.list = swapRemove(m.list, i)
	switch {
	case len(m.list) < manyMembers/2:
		m.found = nil
	case m.found.hidden > 0:
		if again := slices.Index(m.list, v); again >= 0 {
			m.found.at[v] = again
			m.found.hidden--
		}
	}
	return true
}

func (p *positions[T]) add(v T, i int) {
	if _, ok := p.at[v]; ok {
		p.hidden++
		return
	}
	p.at[v] = i
}

// swapRemove removes list[i] by moving the last value to its place. A list that
// has become much too long is made anew.
func swapRemove[E any](list []E, i int) []E {
	last := len(list) - 1
	list[i] = list[last]
	clear(list[last:])
	list = list[:last]
	if cap(list) > 16 && len(list) < cap(list)/4 {
		list = append(make([]E, 0, len(list)*2), list...)
	}
	return list
}
