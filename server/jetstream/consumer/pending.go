package consumer

import (
	"cmp"
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// ConsumerSeq counts the deliveries of a consumer, from 1. 0 is none.
type ConsumerSeq uint64

// delivery is a message that was delivered and is not settled.
type delivery struct {
	stream store.Seq
	// consumer is the number of the first delivery, which the ack floor goes by.
	consumer ConsumerSeq
	// time is when it was last delivered.
	time int64
	// due is when it is to be delivered again, if that was said; 0 leaves it to
	// the ack wait.
	due int64
	// count is how often it was delivered. 0 marks a hole.
	count uint32
}

// pending is the deliveries that are not settled, in the order of their stream
// seqs. As messages are delivered for the first time in that order, and mostly
// settled in it too, it is a slice that grows at the end and is eaten from the
// front. What is settled in between leaves a hole, and the holes are swept out
// when there is no room left and they are the larger part.
//
// Invariant: list[head], if there is one, is no hole.
type pending struct {
	list []delivery
	head int
	// live is how many are no holes.
	live int
	// repeated is how many of them were delivered more than once.
	repeated int
}

// keptPending is how many deliveries a table keeps room for that has few.
const keptPending = 1 << 10

// add appends a delivery, whose stream seq is the highest.
func (p *pending) add(d delivery) {
	if len(p.list) == cap(p.list) && len(p.list) > 2*p.live {
		p.sweep()
	}
	p.list = append(p.list, d)
	p.live++
	if d.count > 1 {
		p.repeated++
	}
}

// find returns the delivery of a message, nil if it is not pending. It is valid
// until the next change.
func (p *pending) find(seq store.Seq) *delivery {
	list := p.list[p.head:]
	if len(list) == 0 || seq < list[0].stream {
		return nil
	}
	// Without filter and holes the place follows from the number.
	i := uint64(seq - list[0].stream)
	if i >= uint64(len(list)) || list[i].stream != seq {
		at, ok := slices.BinarySearchFunc(list, seq, func(d delivery, s store.Seq) int { return cmp.Compare(d.stream, s) })
		if !ok {
			return nil
		}
		i = uint64(at)
	}
	if list[i].count == 0 {
		return nil
	}
	return &list[i]
}

// remove takes out a delivery that find returned, and reports whether it was the
// lowest.
func (p *pending) remove(d *delivery) (lowest bool) {
	lowest = d == &p.list[p.head]
	if d.count > 1 {
		p.repeated--
	}
	d.count = 0
	p.live--
	if lowest {
		p.skipHoles()
	}
	return lowest
}

// removeTo takes out all up to seq.
func (p *pending) removeTo(seq store.Seq) (any bool) {
	for d := p.first(); d != nil && d.stream <= seq; d = p.first() {
		p.remove(d)
		any = true
	}
	return any
}

// removeFrom takes out all from seq on. What is added then may have these numbers.
func (p *pending) removeFrom(seq store.Seq) {
	kept := pending{}
	for d := range p.all() {
		if d.stream < seq {
			kept.add(*d)
		}
	}
	*p = kept
}

func (p *pending) skipHoles() {
	for p.head < len(p.list) && p.list[p.head].count == 0 {
		p.head++
	}
	if p.head < len(p.list) {
		return
	}
	p.list, p.head = p.list[:0], 0
	if cap(p.list) > keptPending {
		p.list = nil
	}
}

// sweep moves the deliveries together, to where there is less room if they do not
// need it.
func (p *pending) sweep() {
	kept := p.list[:0]
	if cap(p.list) > keptPending && cap(p.list) > 8*p.live {
		kept = make([]delivery, 0, 2*p.live)
	}
	for _, d := range p.list[p.head:] {
		if d.count > 0 {
			kept = append(kept, d)
		}
	}
	p.list, p.head = kept, 0
}

func (p *pending) clear() { *p = pending{} }

// first returns the lowest, nil if there is none.
func (p *pending) first() *delivery {
	if p.live == 0 {
		return nil
	}
	return &p.list[p.head]
}

// all goes over them in order. They may be changed but for their numbers, and
// may be removed.
func (p *pending) all() iter.Seq[*delivery] {
	return func(yield func(*delivery) bool) {
		list := p.list[p.head:]
		for i := range list {
			if list[i].count > 0 && !yield(&list[i]) {
				return
			}
		}
	}
}

func (p *pending) clone() pending {
	c := pending{live: p.live, repeated: p.repeated}
	for d := range p.all() {
		c.list = append(c.list, *d)
	}
	return c
}
