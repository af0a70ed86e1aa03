package storetest

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// Size is the function by which an engine counts the size of a message, from the
// lengths of its parts: store.FileSize or store.MemorySize.
type Size func(subject, header, data int) uint64

// message is a message of the model.
type message struct {
	seq                   store.Seq
	time                  int64
	subject, header, data string
}

// model is the obvious store.
type model struct {
	size Size
	// messages are in the order of their numbers.
	messages []message
	// first counts if there is no message.
	first, last store.Seq
	lastTime    int64
}

func (m *model) clone() *model {
	c := *m
	c.messages = slices.Clone(m.messages)
	return &c
}

// index returns where the first message at or behind seq is.
func (m *model) index(seq store.Seq) int {
	i, _ := slices.BinarySearchFunc(m.messages, seq, func(e message, s store.Seq) int { return cmp.Compare(e.seq, s) })
	return i
}

func (m *model) append(e message) {
	m.messages = append(m.messages, e)
	m.last, m.lastTime = e.seq, e.time
}

func (m *model) skip(seq store.Seq, now int64) {
	if seq > m.last {
		m.last, m.lastTime = seq, now
		m.first = seq + 1
	}
}

// removeAll removes what drop selects.
func (m *model) removeAll(drop func(message) bool) (removed []store.Removed) {
	kept := make([]message, 0, len(m.messages))
	for _, e := range m.messages {
		if drop(e) {
			removed = append(removed, store.Removed{Seq: e.seq, Size: m.sizeOf(e), Subject: e.subject})
		} else {
			kept = append(kept, e)
		}
	}
	m.messages = kept
	if len(removed) > 0 && len(kept) == 0 {
		m.first = m.last + 1
	}
	return removed
}

func (m *model) remove(seq store.Seq) (store.Removed, bool) {
	removed := m.removeAll(func(e message) bool { return e.seq == seq })
	if removed == nil {
		return store.Removed{}, false
	}
	return removed[0], true
}

func (m *model) removeOldest(on string) (store.Removed, bool) {
	for _, e := range m.messages {
		if on == "" || e.subject == on {
			return m.remove(e.seq)
		}
	}
	return store.Removed{}, false
}

func (m *model) compact(seq store.Seq) uint64 {
	removed := m.removeAll(func(e message) bool { return e.seq < seq })
	if seq > m.last+1 {
		m.last = seq - 1
	}
	if len(m.messages) == 0 {
		m.first = max(m.first, seq)
	}
	return uint64(len(removed))
}

func (m *model) purge(f *store.Filter, before store.Seq, keep uint64) uint64 {
	selected := func(e message) bool { return (before == 0 || e.seq < before) && m.selects(f, e) }
	var left uint64
	for _, e := range m.messages {
		if selected(e) {
			left++
		}
	}
	removed := m.removeAll(func(e message) bool {
		if !selected(e) || left <= keep {
			return false
		}
		left--
		return true
	})
	if f == nil && before == 0 && keep == 0 {
		m.first = m.last + 1
	}
	return uint64(len(removed))
}

func (m *model) reset(first store.Seq) {
	*m = model{size: m.size, first: first, last: first - 1}
}

func (m *model) sizeOf(e message) uint64 { return m.size(len(e.subject), len(e.header), len(e.data)) }

// selects does not ask the filter, only for its patterns.
func (m *model) selects(f *store.Filter, e message) bool {
	return slices.ContainsFunc(f.Patterns(), func(p string) bool { return subject.Matches(e.subject, p) })
}

func (m *model) state() store.State {
	s := store.State{First: m.first, Last: m.last, LastTime: m.lastTime}
	subjects := make(map[string]bool)
	for _, e := range m.messages {
		s.Messages++
		s.Bytes += m.sizeOf(e)
		subjects[e.subject] = true
	}
	s.Subjects = uint64(len(subjects))
	if len(m.messages) > 0 {
		s.First, s.FirstTime = m.messages[0].seq, m.messages[0].time
		s.Deleted = uint64(m.last-s.First) + 1 - s.Messages
	}
	return s
}

func (m *model) load(seq store.Seq) (message, bool) {
	i := m.index(seq)
	if i == len(m.messages) || m.messages[i].seq != seq {
		return message{}, false
	}
	return m.messages[i], true
}

func (m *model) next(f *store.Filter, from store.Seq) (message, bool) {
	for _, e := range m.messages {
		if e.seq >= from && m.selects(f, e) {
			return e, true
		}
	}
	return message{}, false
}

func (m *model) lastAt(f *store.Filter, upTo store.Seq) (message, bool) {
	for _, e := range slices.Backward(m.messages) {
		if (upTo == 0 || e.seq <= upTo) && m.selects(f, e) {
			return e, true
		}
	}
	return message{}, false
}

func (m *model) lastOf(f *store.Filter, upTo store.Seq) []store.Seq {
	last := make(map[string]store.Seq)
	for _, e := range m.messages {
		if (upTo == 0 || e.seq <= upTo) && m.selects(f, e) {
			last[e.subject] = e.seq
		}
	}
	return slices.Sorted(maps.Values(last))
}

func (m *model) count(f *store.Filter, from store.Seq, lastOnly bool) (n uint64) {
	for i, e := range m.messages {
		newer := func(o message) bool { return o.subject == e.subject }
		if e.seq >= from && m.selects(f, e) && !(lastOnly && slices.ContainsFunc(m.messages[i+1:], newer)) {
			n++
		}
	}
	return n
}

// subjects maps each subject that a pattern matches to its state.
func (m *model) subjects(pattern string) map[string]store.SubjectState {
	states := make(map[string]store.SubjectState)
	for _, e := range m.messages {
		if !subject.Matches(e.subject, pattern) {
			continue
		}
		s, ok := states[e.subject]
		if !ok {
			s.First = e.seq
		}
		s.Last = e.seq
		s.Messages++
		states[e.subject] = s
	}
	return states
}

func (m *model) at(time int64) store.Seq {
	for _, e := range m.messages {
		if e.time >= time {
			return e.seq
		}
	}
	return m.last + 1
}

func (m *model) deleted() iter.Seq[store.Range] {
	return func(yield func(store.Range) bool) {
		if len(m.messages) == 0 {
			return
		}
		free := m.messages[0].seq
		for _, e := range m.messages {
			if e.seq > free && !yield(store.Range{First: free, Last: e.seq - 1}) {
				return
			}
			free = e.seq + 1
		}
		if free <= m.last {
			yield(store.Range{First: free, Last: m.last})
		}
	}
}
