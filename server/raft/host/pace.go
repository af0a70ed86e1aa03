package host

import (
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// pace says which ticks a group needs.
type pace uint8

const (
	still pace = iota
	slowly
	always
)

// tick is one tick of the group's own time.
func (g *Group) tick(w *worker) {
	if g.core == nil || g.joining {
		g.announce(w)
	}
	if g.blind {
		g.lookAgain()
	}
	if g.core == nil || g.pace != always {
		return
	}
	g.age++
	for _, p := range g.lost {
		g.core.Unreachable(p)
	}
	g.lost = g.lost[:0]
	g.countDown()
	g.core.Tick(w.now)
	g.expireReads()
	g.expireWaits()
	if g.core.Role() != raft.Leader {
		return
	}
	if g.age%slowTicks == 0 {
		g.tellForgetful(w)
		g.compact()
	}
	if g.busy || g.waits.len() > 0 || len(g.backlog) > 0 || len(g.reads) > 0 {
		g.busy, g.idle = false, 0
		return
	}
	if g.idle++; g.idle >= g.host.cfg.QuiesceTicks && !g.core.Quiescent() {
		g.core.TryQuiesce(g.host.aliveCheck())
	}
}

// unreachable is told that entries for a peer could not be sent. It waits for the
// next tick: the peer would only be tried again, in vain.
func (g *Group) unreachable(p raft.PeerID) {
	for _, q := range g.lost {
		if q == p {
			return
		}
	}
	g.lost = append(g.lost, p)
}

// settle ends a run: it finds out which ticks the group needs, and gives memory
// back if it sleeps.
func (g *Group) settle() {
	next := g.wantPace()
	if next != g.pace {
		g.host.setPace(g, next)
	}
	asleep := g.core != nil && next == still
	if asleep != g.asleep {
		g.asleep = asleep
		n := int64(-1)
		if asleep {
			n = 1
			g.idle = 0
		}
		g.host.quiescent.Add(n)
	}
	if asleep && g.writes.len() == 0 && g.waits.len() == 0 {
		g.writes.shrink()
		g.waits.shrink()
		g.backlog, g.taken, g.lost, g.reads = nil, 0, nil, nil
	}
}

func (g *Group) wantPace() pace {
	c := g.core
	switch {
	case g.State() == Stopped:
		return still
	case c == nil:
		if g.rebirth != raft.None || g.blind || g.State() == Halted {
			return slowly
		}
		return still
	case g.lostIn > 0 || len(g.reads) > 0 || g.waits.len() > 0 || len(g.backlog) > 0 || len(g.lost) > 0:
		return always
	case c.Quiescent():
		return still
	case c.Role() == raft.Leader:
		return always
	case g.joining:
		return slowly
	case !g.conf.IsVoter(c.ID()) && g.confIndex <= c.Committed() && g.age >= g.host.cfg.ElectionTicks:
		return still // it only has to listen
	case c.Leader() == raft.None && g.age >= g.host.cfg.ElectionTicks && !g.host.quorumAlive(&g.conf):
		return still // nobody could be elected; the next node that comes wakes it
	}
	return always
}

func (h *Host) setPace(g *Group, next pace) {
	lists := [...]*paceList{still: nil, slowly: &h.slow, always: &h.awake}
	if l := lists[g.pace]; l != nil {
		l.remove(g)
	}
	if l := lists[next]; l != nil {
		l.add(g)
	}
	g.pace = next
}

// paceList is a list of groups from which each can be taken.
type paceList struct {
	mu     sync.Mutex
	groups []*Group
}

func (l *paceList) add(g *Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.paceAt = len(l.groups)
	l.groups = append(l.groups, g)
}

func (l *paceList) remove(g *Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.groups) - 1
	moved := l.groups[last]
	l.groups[g.paceAt] = moved
	moved.paceAt = g.paceAt
	l.groups[last] = nil
	l.groups = l.groups[:last]
}

func (l *paceList) appendTo(dst []*Group) []*Group {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(dst, l.groups...)
}

func (l *paceList) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.groups)
}
