package sublist

// Result is what a message goes to: every member of Plain, and one member of
// each group. It belongs to its caller, who uses it again and again: Match
// replaces its content and reuses its memory. The zero value is ready. One
// goroutine uses it at a time.
type Result[T comparable] struct {
	Plain  []T
	Queues []Group[T]

	// byName finds groups when there are many; it holds the first named of
	// Queues and is empty as long as nobody had to look.
	byName map[string]int
	named  int
}

// Group is a queue group; it has at least one member.
type Group[T comparable] struct {
	Name    string
	Members []T
}

// Empty reports whether the message goes nowhere.
func (r *Result[T]) Empty() bool { return len(r.Plain) == 0 && len(r.Queues) == 0 }

// Release empties r and lets go of all that its reused memory still refers to.
// A caller that keeps r but has no use for it for a while calls it, so that
// values removed from the list can be collected.
func (r *Result[T]) Release() { *r = Result[T]{} }

// begin empties r and keeps its memory.
func (r *Result[T]) begin() {
	r.Plain = r.Plain[:0]
	r.Queues = r.Queues[:0]
	if r.named > 0 {
		clear(r.byName)
		r.named = 0
	}
}

// add adds the members of e.
func (r *Result[T]) add(e *entry[T]) {
	r.Plain = append(r.Plain, e.plain.list...)
	if e.queues == nil {
		return
	}
	// The groups of one entry have different names, so that only those of
	// earlier entries can be met again.
	earlier := len(r.Queues)
	for _, g := range e.queues.list {
		i := r.find(g.name, earlier)
		if i < 0 {
			i = r.newGroup(g.name)
		}
		r.Queues[i].Members = append(r.Queues[i].Members, g.members.list...)
	}
}

// find is the place of a name among the first n groups, or -1.
func (r *Result[T]) find(name string, n int) int {
	if n <= manyGroups {
		for i := range n {
			if r.Queues[i].Name == name {
				return i
			}
		}
		return -1
	}
	if r.byName == nil {
		r.byName = make(map[string]int, n)
	}
	for ; r.named < n; r.named++ {
		r.byName[r.Queues[r.named].Name] = r.named
	}
	if i, ok := r.byName[name]; ok {
		return i
	}
	return -1
}

// newGroup adds an empty group, with the memory of one that was there before
// if possible, and gives its place.
func (r *Result[T]) newGroup(name string) int {
	i := len(r.Queues)
	if i < cap(r.Queues) {
		r.Queues = r.Queues[:i+1]
		r.Queues[i].Name = name
		r.Queues[i].Members = r.Queues[i].Members[:0]
	} else {
		r.Queues = append(r.Queues, Group[T]{Name: name})
	}
	return i
}
