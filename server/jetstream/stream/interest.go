package stream

import (
	"errors"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// interest knows what the consumers of a stream want, and what they are done with.
// It is what decides over the messages of a stream that retains by interest, or is
// a work queue; other streams keep the table, but not who is done with what.
type interest struct {
	consumers map[string]*wants
	// names are those of the consumers in order, so that they are asked in the same
	// order everywhere.
	names []string
	// any selects what at least one wants, if there are some.
	any *store.Filter
}

// wants is what a consumer wants.
type wants struct {
	patterns []string
	filter   *store.Filter
	// It is done with all messages up to floor, and with those in done.
	floor store.Seq
	done  seqset.Set
}

// needs reports whether the consumer is not done with a message, provided that it
// matches the filter.
func (w *wants) needs(seq store.Seq) bool { return seq > w.floor && !have(&w.done, seq) }

// settle raises the floor as far as it goes, up to which first is the oldest message
// that there is.
func (w *wants) settle(first store.Seq) {
	if first > 0 {
		w.floor = max(w.floor, first-1)
	}
	w.done.RemoveBelow(uint64(w.floor) + 1)
	for a, b := range w.done.Ranges() {
		if a == uint64(w.floor)+1 {
			w.floor = store.Seq(b)
		}
		break
	}
	w.done.RemoveBelow(uint64(w.floor) + 1)
}

// wanted reports whether some consumer wants the messages on a subject.
func (t *interest) wanted(literal []byte) bool {
	return len(t.names) > 0 && t.any.Matches(literal)
}

// changed brings names and any up to date.
func (t *interest) changed() {
	t.names = slices.Sorted(maps.Keys(t.consumers))
	var patterns []string
	for _, name := range t.names {
		w := t.consumers[name]
		if w.filter == nil {
			t.any = nil
			return
		}
		patterns = append(patterns, w.patterns...)
	}
	t.any = store.NewFilter(patterns...)
}

// restart has all consumers begin anew behind floor.
func (t *interest) restart(floor store.Seq) {
	for _, w := range t.consumers {
		w.floor, w.done = floor, seqset.Set{}
	}
}

// Consumer tells what is known of the interest of a consumer: up to where it is done
// with all messages.
func (c *Core) Consumer(name string) (floor store.Seq, ok bool) {
	w := c.interest.consumers[name]
	if w == nil {
		return 0, false
	}
	return w.floor, true
}

// Consumers returns the names of the consumers whose interest is known, in order.
// The slice must not be changed.
func (c *Core) Consumers() []string { return c.interest.names }

// retains reports whether consumers decide what goes.
func (c *Core) retains() bool { return c.rules.interest || c.rules.workQueue }

// applyAcked takes note of what a consumer is done with, and removes what no other
// needs.
func (c *Core) applyAcked(in *reader, _ int64, r *Result) error {
	name, floor := in.Bytes(), in.seq()
	n := in.Count(2)
	ranges := *in
	last := floor
	for range n {
		skip, length := in.seq(), in.seq()
		last += skip + length
		if skip == 0 || last > maxSeq {
			return errMalformed
		}
	}
	if !in.End() {
		return errMalformed
	}
	w := c.interest.consumers[string(name)]
	if w == nil || !c.retains() || c.rules.sealed {
		return nil
	}
	if floor > w.floor {
		if err := c.done(w, store.Range{First: w.floor + 1, Last: floor}, r); err != nil {
			return err
		}
		w.floor = min(floor, c.store.State().Last)
	}
	last = floor
	for range n {
		first := last + store.Seq(ranges.Uvarint())
		last = first + store.Seq(ranges.Uvarint())
		if err := c.done(w, store.Range{First: first, Last: last}, r); err != nil {
			return err
		}
	}
	w.settle(c.store.State().First)
	return nil
}

// fewMessages is up to how many numbers are tried one by one, rather than to look for
// the messages among them.
const fewMessages = 16

// done notes that a consumer is done with some messages.
func (c *Core) done(w *wants, span store.Range, r *Result) error {
	state := c.store.State()
	span.First, span.Last = max(span.First, state.First, w.floor+1), min(span.Last, state.Last)
	if span.First > span.Last {
		return nil
	}
	if !c.rules.workQueue {
		w.done.AddRange(uint64(span.First), uint64(span.Last))
	}
	// One number alone was acknowledged, whatever the consumer selects by now. Among
	// several there may be some that it has passed over, and that a work queue keeps
	// for others.
	mixed := span.First < span.Last && c.rules.workQueue && w.filter != nil
	if !mixed && span.Last-span.First < fewMessages {
		for seq := span.First; seq <= span.Last; seq++ {
			if err := c.release(seq, nil, r); err != nil {
				return err
			}
		}
		return nil
	}
	m := &c.due
	for seq := span.First; seq <= span.Last; seq = m.Seq + 1 {
		err := c.store.Next(w.filter, seq, m)
		if errors.Is(err, store.ErrNotFound) || err == nil && m.Seq > span.Last {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.release(m.Seq, m.Subject, r); err != nil {
			return err
		}
	}
	return nil
}

// release removes a message that a consumer is done with, if no other needs it. name
// is its subject, nil if that is not known.
func (c *Core) release(seq store.Seq, name []byte, r *Result) error {
	if !c.rules.workQueue {
		needed, err := c.needed(seq, name)
		if needed || err != nil {
			return err
		}
	}
	before := len(r.Removed)
	err := c.remove(seq, r)
	r.Count += uint64(len(r.Removed) - before)
	return err
}

// needed reports whether some consumer is not done with a message.
func (c *Core) needed(seq store.Seq, name []byte) (bool, error) {
	for _, n := range c.interest.names {
		w := c.interest.consumers[n]
		if !w.needs(seq) {
			continue
		}
		if w.filter == nil {
			return true, nil
		}
		if name == nil {
			err := c.store.Load(seq, &c.loaded)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			name = c.loaded.Subject
		}
		if w.filter.Matches(name) {
			return true, nil
		}
	}
	return false, nil
}

// applyConsumer takes note of a consumer, or of what it wants now.
func (c *Core) applyConsumer(in *reader, _ int64, r *Result) error {
	name, floor, anew := string(in.Bytes()), in.seq(), in.Bool()
	patterns := in.patterns()
	if !in.End() || name == "" {
		return errMalformed
	}
	w := c.interest.consumers[name]
	var before *wants
	if w != nil {
		copied := *w
		before = &copied
	}
	if w == nil || anew {
		w = &wants{floor: min(floor, c.store.State().Last)}
		if c.interest.consumers == nil {
			c.interest.consumers = make(map[string]*wants)
		}
		c.interest.consumers[name] = w
	}
	w.patterns, w.filter = patterns, store.NewFilter(patterns...)
	c.interest.changed()
	if before == nil || !c.rules.interest || slices.Equal(before.patterns, patterns) {
		return nil
	}
	return c.dropUnwanted(before, before.filter, r)
}

// patterns reads a list of valid patterns.
func (r *reader) patterns() []string {
	n := r.Count(2)
	patterns := make([]string, 0, n)
	for range n {
		p := string(r.Bytes())
		if !subject.IsValid(p) {
			r.Fail()
			return nil
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// applyConsumerGone forgets a consumer, and removes what nobody else needs.
func (c *Core) applyConsumerGone(in *reader, _ int64, r *Result) error {
	name := string(in.Bytes())
	if !in.End() {
		return errMalformed
	}
	w := c.interest.consumers[name]
	if w == nil {
		return nil
	}
	delete(c.interest.consumers, name)
	c.interest.changed()
	if !c.rules.interest {
		return nil
	}
	return c.dropUnwanted(w, w.filter, r)
}

// dropUnwanted removes the messages that no consumer needs, of those that one who
// wants them no longer did (nil: of all).
func (c *Core) dropUnwanted(w *wants, f *store.Filter, r *Result) error {
	if c.rules.sealed {
		return nil
	}
	if len(c.interest.names) == 0 {
		return c.purge(nil, 0, 0, r)
	}
	from := store.Seq(1)
	if w != nil {
		from = w.floor + 1
	}
	m := &c.due
	for {
		err := c.store.Next(f, from, m)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		from = m.Seq + 1
		needed, err := c.needed(m.Seq, m.Subject)
		if err != nil {
			return err
		}
		if needed {
			continue
		}
		if err := c.remove(m.Seq, r); err != nil {
			return err
		}
		r.Count++
	}
}
