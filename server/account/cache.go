package account

import (
	"hash/maphash"
	"math/rand/v2"

	"github.com/nats-lite/nats-lite/server/sublist"
)

const (
	// maxKept bounds the subjects, maxWeight the routes that a cache keeps.
	maxKept   = 4096
	maxWeight = 16384
	// seenSlots is how many subjects can be remembered as seen once, more or
	// less.
	seenSlots = 256
)

// cache keeps the routes of subjects that were published to more than once.
// Subjects that are used for one message only, as those of replies, never get
// in: they would push out the others and cost an allocation each.
type cache struct {
	last *Routes
	kept map[string]*Routes
	// seen holds a part of the hash of subjects that were looked up once.
	seen *[seenSlots]uint32
	// weight is the number of kept routes.
	weight int
	// swept is the generation of the interest at the last sweep.
	swept   uint64
	scratch Routes
	result  sublist.Result[*Subscription]
	remote  foundRemote
}

var hashSeed = maphash.MakeSeed()

// find returns the kept routes of a subject, current or not, or nil.
func (c *cache) find(subject []byte) *Routes {
	if c.last != nil && c.last.subject == string(subject) {
		return c.last
	}
	if r := c.kept[string(subject)]; r != nil {
		c.last = r
		return r
	}
	return nil
}

// again tells whether a subject that is not kept was looked up before, as far
// as that is remembered.
func (c *cache) again(subject []byte, rng *rand.PCG) bool {
	if c.seen == nil {
		c.seen = new([seenSlots]uint32)
	}
	h := maphash.Bytes(hashSeed, subject)
	slot, tag := &c.seen[h%seenSlots], uint32(h>>32)|1
	if *slot == tag {
		return true
	}
	// What is in the slot stays a while, or else subjects that take turns would
	// only ever push out each other.
	if *slot == 0 || rng.Uint64()%8 == 0 {
		*slot = tag
	}
	return false
}

// keep returns routes to fill for a subject, which are kept from now on.
func (c *cache) keep(subject []byte) *Routes {
	if len(c.kept) >= maxKept || c.weight > maxWeight {
		c.evict()
	}
	if c.kept == nil {
		c.kept = make(map[string]*Routes)
	}
	r := &Routes{subject: string(subject)}
	c.kept[r.subject] = r
	c.last = r
	return r
}

// evict forgets some of the kept routes, whichever, until there is room. Those
// that somebody still holds stay usable.
func (c *cache) evict() {
	for subject, r := range c.kept {
		c.drop(subject, r)
		if len(c.kept) < maxKept && c.weight <= maxWeight {
			return
		}
	}
}

func (c *cache) drop(subject string, r *Routes) {
	delete(c.kept, subject)
	c.weight -= r.weight()
	if c.last == r {
		c.last = nil
	}
}

// clear forgets all kept routes.
func (c *cache) clear() {
	c.last, c.kept, c.weight = nil, nil, 0
}

// sweep forgets kept routes that have been out of date since before the last
// sweep, for nobody has asked for them since. gen is the generation of the
// interest.
func (c *cache) sweep(gen uint64) {
	for subject, r := range c.kept {
		if r.gen < c.swept {
			c.drop(subject, r)
		}
	}
	c.swept = gen
}
