package wal

import (
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/raft"
)

// cache bounds the newest entries that all groups together keep in memory. What
// is kept of a group is the end of its log; what came first goes first,
// whosever it is.
//
// It belongs to whoever flushes, but for the counters.
type cache struct {
	limit int64
	bytes atomic.Int64
	// order is a queue: those in front of head are gone.
	order []cached
	head  int

	hits, misses atomic.Uint64
}

// maxCached bounds order, for entries also leave when they are compacted.
const maxCached = 1 << 16

// cached says that a group got entries up to last.
type cached struct {
	g    *Group
	last raft.Index
}

// cacheLocked keeps entries that were appended to g.
func (g *Group) cacheLocked(ents []raft.Entry) {
	c := &g.log.cache
	if c.limit <= 0 {
		return
	}
	size := int64(0)
	for i := range ents {
		size += int64(ents[i].Size())
	}
	if size > c.limit {
		g.cutCacheLocked(0)
		return
	}
	if n := len(g.cache); n > 0 && g.cache[n-1].Index+1 != ents[0].Index {
		g.cutCacheLocked(0)
	}
	g.cache = append(g.cache, ents...)
	c.bytes.Add(size)
	c.order = append(c.order, cached{g, ents[len(ents)-1].Index})
}

// shrink lets go of the oldest until the limit is kept. No lock of a group is
// held.
func (c *cache) shrink() {
	for c.head < len(c.order) && (c.bytes.Load() > c.limit || len(c.order)-c.head > maxCached) {
		oldest := c.order[c.head]
		c.order[c.head] = cached{}
		c.head++
		oldest.g.mu.Lock()
		oldest.g.dropCacheLocked(oldest.last)
		oldest.g.mu.Unlock()
	}
	if c.head > len(c.order)/2 {
		n := copy(c.order, c.order[c.head:])
		clear(c.order[n:])
		c.order, c.head = c.order[:n], 0
	}
}

// dropCacheLocked lets go of entries up to index i.
func (g *Group) dropCacheLocked(i raft.Index) {
	if len(g.cache) == 0 {
		return
	}
	n, size := 0, int64(0)
	for n < len(g.cache) && g.cache[n].Index <= i {
		size += int64(g.cache[n].Size())
		g.cache[n] = raft.Entry{}
		n++
	}
	g.log.cache.bytes.Add(-size)
	if g.cache = g.cache[n:]; len(g.cache) == 0 {
		g.cache = nil
	}
}

// cutCacheLocked lets go of entries from index i on.
func (g *Group) cutCacheLocked(i raft.Index) {
	if len(g.cache) == 0 {
		return
	}
	n, size := len(g.cache), int64(0)
	for n > 0 && g.cache[n-1].Index >= i {
		n--
		size += int64(g.cache[n].Size())
		g.cache[n] = raft.Entry{}
	}
	g.log.cache.bytes.Add(-size)
	if g.cache = g.cache[:n]; n == 0 {
		g.cache = nil
	}
}
