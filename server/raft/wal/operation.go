package wal

import (
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// operation is what housekeeping has the flusher do, in the order of the queue.
type operation struct {
	// sync makes all that was written before durable, whatever SyncInterval is.
	sync bool
	// manifest writes the list of segments, without those in remove, which are
	// taken out of the set.
	manifest bool
	remove   []*segment
	// copies are records to be written once more, because their segment is to
	// go.
	copies []recordCopy
	// bury are groups that are deleted and need not be remembered.
	bury []*Group

	// done gets the outcome.
	done chan error
}

// recordCopy is a record of a group on its way forward.
type recordCopy struct {
	g    *Group
	rec  record
	data []byte
	from loc
	// to is where it went; nowhere if it is no longer needed.
	to loc
}

func (c *recordCopy) item() item {
	r := &c.rec
	it := item{kind: r.kind, flags: r.flags, meta: r.meta, group: r.group, seq: r.seq, count: 1, term: r.term, index: r.index}
	if r.kind == kindBase {
		// It was verified when it was read.
		_, last, _ := decodeBase(c.data)
		it.last = uint64(last)
	}
	return it
}

// submit has an operation done and returns its outcome.
func (l *Log) submit(op *operation) error {
	op.done = make(chan error, 1)
	r := request{op: op}
	if op.manifest {
		r.bytes += l.manifestRoom()
	}
	for i := range op.copies {
		r.bytes += op.copies[i].from.length() + l.sealing()
	}
	if err := l.enqueue(r, true); err != nil {
		return err
	}
	if l.isStarted() {
		select {
		case err := <-op.done:
			return err
		case <-l.stop:
			// Close may still carry it out.
			return ErrClosed
		}
	}
	for {
		select {
		case err := <-op.done:
			return err
		default:
			// Either it is disposed of, or the queue in front of it is.
			if l.round() == 0 && len(op.done) == 0 {
				return l.cancel(op)
			}
		}
	}
}

func (l *Log) isStarted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

// cancel takes an operation back out of the queue, which does not move.
func (l *Log) cancel(op *operation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.DeleteFunc(l.queue, func(r request) bool {
		if r.op == op {
			l.pending -= r.bytes
		}
		return r.op == op
	})
	return ErrFull
}

// liveAt reports whether the group needs the record in a place.
func (g *Group) liveAtLocked(r *record, at loc) bool {
	if !r.kind.isEntry() {
		return g.metas[r.kind.meta()].loc == at
	}
	i := raft.Index(r.index)
	return i > g.base.Index && i <= g.lastLocked() && g.locs[i-g.base.Index-1] == at
}

func (l *Log) encodeOperation(op *operation, chain uint32) uint32 {
	for i := range op.copies {
		c := &op.copies[i]
		c.to = loc{}
		c.g.mu.Lock()
		live := c.g.liveAtLocked(&c.rec, c.from)
		c.g.mu.Unlock()
		if !live {
			continue
		}
		c.rec.flags = c.rec.flags&^flagMore | flagRewrite
		c.to = makeLoc(l.active.number, l.active.end+int64(len(l.buf)), l.active.key.stored(c.rec.kind, len(c.data)))
		chain = l.put(chain, &c.rec, c.data)
	}
	return chain
}

// applyOperation makes what an operation has written count, and returns how
// many records that are.
func (l *Log) applyOperation(op *operation) (n uint64) {
	for i := range op.copies {
		c := &op.copies[i]
		if c.to.none() {
			continue
		}
		n++
		c.g.mu.Lock()
		// The batch may have a write that replaced it.
		if c.g.liveAtLocked(&c.rec, c.from) {
			l.count(c.to, 1)
			l.free(c.from)
			if c.rec.kind.isEntry() {
				c.g.locs[raft.Index(c.rec.index)-c.g.base.Index-1] = c.to
			} else {
				c.g.metas[c.rec.kind.meta()].loc = c.to
			}
		}
		c.g.mu.Unlock()
		l.mu.Lock()
		l.stats.Rewritten += uint64(c.to.length())
		l.mu.Unlock()
	}
	if len(op.remove) > 0 {
		l.segs.Store(l.segs.Load().without(op.remove))
	}
	return n
}

// bury forgets groups that the operations of the batch have marked, if they
// are not in use again. Nothing but the map refers to them then.
func (l *Log) bury() {
	for i := range l.batch {
		op := l.batch[i].op
		if op == nil {
			continue
		}
		for _, g := range op.bury {
			g.mu.Lock()
			gone := !g.exists
			if gone {
				l.free(g.metas[metaDelete].loc)
				g.metas[metaDelete] = metaRecord{}
			}
			g.mu.Unlock()
			if gone {
				l.mu.Lock()
				delete(l.groups, g.id)
				l.mu.Unlock()
			}
		}
	}
}

func (l *Log) finishOperation(op *operation, err error) { op.done <- err }

// setFull notes that there is no space, or, with nil, that there is.
func (l *Log) setFull(err error) {
	l.mu.Lock()
	before := l.full.Swap(err != nil)
	l.mu.Unlock()
	if err != nil && !before {
		l.raise(fmt.Errorf("%w: %w", ErrFull, err))
	}
}

// waitForSpace puts the batch back into the queue and takes from there what may
// be written into what is left of the active segment: writes that may win back
// space, and that do not pass an earlier one of their group unless that makes no
// difference.
func (l *Log) waitForSpace(err error) {
	l.setFull(err)
	// Housekeeping tries again, also if nothing has been written since the start.
	l.askForChores()
	room := int64(0)
	if s := l.active; s != nil && !s.closed {
		room = s.size - s.end - l.overhead()
	}
	l.mu.Lock()
	l.batch = append(l.batch, l.queue...)
	clear(l.queue)
	l.queue = l.queue[:0]
	l.resolveLocked()
	l.mu.Unlock()
	waiting := slices.Clone(l.batch)
	l.batch = l.batch[:0]
	var rest []request
	held := make(map[raft.GroupID][]int) // places in rest
	gone := make(map[int]bool)
	for _, r := range waiting {
		fits := r.bytes <= room
		own := held[r.Group]
		switch {
		case r.op != nil && (!fits || len(r.op.copies) > 0):
			l.settle(&r)
			l.finishOperation(r.op, ErrFull)
			continue
		case r.op != nil:
		case fits && r.passes() && len(own) == 0:
		case fits && r.compacts() && !slices.ContainsFunc(own, func(at int) bool { return rest[at].concerns(r.Base.Index) }):
			// It is about what is in front of all that waits.
		case fits && r.resets():
			// What waits of the group is wiped out by this one: it is done when
			// this is.
			for _, at := range own {
				w := rest[at]
				gone[at] = true
				l.settle(&w)
				l.batch = append(l.batch, request{Write: Write{Group: w.Group, Done: w.Done}, g: w.g})
			}
			delete(held, r.Group)
		default:
			held[r.Group] = append(own, len(rest))
			rest = append(rest, r)
			continue
		}
		room -= r.bytes
		l.batch = append(l.batch, r)
	}
	keep := rest[:0]
	for i, r := range rest {
		if !gone[i] {
			keep = append(keep, r)
		}
	}
	l.room.Store(room)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(keep, l.queue...)
}

// passes reports whether the write is one of those that there is always to be room for:
// who leads, and what wins space back.
func (r *request) passes() bool {
	return r.Frees || !slices.ContainsFunc(r.Entries, func(e raft.Entry) bool { return len(e.Data) > 0 })
}

// compacts reports whether the write does nothing but let the log begin later,
// within what is durable.
func (r *request) compacts() bool {
	if r.Base == nil || r.Replica != nil || r.Hard != nil || r.Delete || len(r.Entries) > 0 {
		return false
	}
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	t, ok := r.g.termLocked(r.Base.Index)
	return r.g.exists && ok && t == r.Base.Term
}

// concerns reports whether the write has to do with what a base takes away.
func (r *request) concerns(base raft.Index) bool {
	return r.Replica != nil || r.Base != nil || r.Delete || len(r.Entries) > 0 && r.Entries[0].Index <= base
}

// resets reports whether nothing of the group's past is left behind the write.
func (r *request) resets() bool {
	return r.Replica != nil && len(r.Entries) == 0 || r.Delete && r.Replica == nil && r.Base == nil && r.Hard == nil && len(r.Entries) == 0
}
