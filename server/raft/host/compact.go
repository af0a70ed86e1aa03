package host

import (
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// compact lets the log begin at the machine's checkpoint, or somewhat before it if
// followers still need what is there.
func (g *Group) compact() {
	if g.core == nil {
		return
	}
	to := min(g.checkpoint, g.appliedTo)
	if g.core.Role() == raft.Leader && to >= g.reader.First() {
		to = g.keepFor(to)
	}
	if to < g.reader.First() || to <= g.compactedTo {
		return
	}
	base, err := g.core.Compact(to)
	if err != nil {
		return // an image has taken the place of what was there
	}
	g.compactedTo = to
	if g.memory {
		g.entries.compact(base)
		return
	}
	if err := g.write(write{}, wal.Write{Base: &base}); err != nil {
		g.writeFailed(err)
	}
}

// keepFor returns how far a leader may compact, up to an index, for the sake of
// followers that are alive and lag by not too much.
func (g *Group) keepFor(to raft.Index) raft.Index {
	keep := uint64(g.host.cfg.KeepEntries)
	if g.appended.entries > 0 {
		mean := max(1, g.appended.bytes/g.appended.entries)
		keep = min(keep, uint64(g.host.cfg.KeepBytes)/mean)
	}
	floor := to - min(to, raft.Index(keep))
	for _, p := range g.core.Status().Peers {
		if p.ID == g.core.ID() || p.Forgot || p.State == raft.Snapshot || p.Match < floor || !g.host.alive(p.ID.Node()) {
			continue
		}
		to = min(to, p.Match)
	}
	return to
}
