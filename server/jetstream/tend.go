package jetstream

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// Some things nobody asks for: replicas that lack a server get one when there is one, and leaders
// go back to where they should be after a restart has driven them away. Each server of a
// cluster looks after that now and then, for what it leads.

const (
	// tendEvery is how often that is done.
	tendEvery = 10 * time.Second
	// handedAtOnce bounds the groups that a server hands over each time: publishers wait for a
	// moment then, and are not to wait for all streams at the same time.
	handedAtOnce = 10
	// settled is how long a server has to be there before it is given leaders back: one that is
	// going up and down gets none.
	settled = time.Minute
)

// tend does so until the engine stops.
func (e *Engine) tend() {
	since := make(map[uint32]time.Time)
	for e.pause(tendEvery) {
		now := e.cfg.Clock.Now()
		for node, up := range e.online() {
			if _, was := since[node]; !up {
				delete(since, node)
			} else if !was {
				since[node] = now
			}
		}
		e.placeMissing()
		e.handBack(func(node uint32) bool {
			at, up := since[node]
			return up && now.Sub(at) >= settled
		})
	}
}

// placeMissing has replicas that lack a server get one, if this server leads the assets and
// there is one.
func (e *Engine) placeMissing() {
	if !isClosed(e.meta.ready) || e.meta.group == nil || !e.meta.group.Leading() {
		return
	}
	v, can := e.view(), false
	e.meta.view(func(s *meta.State) { can = s.CanPlaceMissing(&v) })
	if !can {
		return
	}
	r, err := e.meta.propose(e.ctx, &meta.Op{PlaceMissing: &meta.PlaceMissing{View: v}})
	if err == nil && r.Changed {
		e.cfg.Logger.Noticef("JetStream: replicas that lacked a server have got one")
	}
}

// handBack hands over a few groups that are led here to the servers that should lead them, as
// far as these are ready to.
func (e *Engine) handBack(ready func(node uint32) bool) {
	var away []*meta.Group
	e.meta.view(func(s *meta.State) {
		look := func(g *meta.Group) {
			if g.Preferred != 0 && g.Preferred != uint32(e.cfg.Node) && g.Change == nil {
				away = append(away, g)
			}
		}
		for st := range s.All() {
			look(&st.Group)
			for c := range st.Consumers() {
				look(&c.Group)
			}
		}
	})
	var groups []placement.Group
	led := make(map[uint64]*host.Group)
	for _, g := range away {
		group, ok := e.cfg.Host.Group(raft.GroupID(g.ID))
		if !ok || !group.Leading() || !ready(g.Preferred) {
			continue
		}
		status := group.Status()
		if status.Role != raft.Leader || status.Transferee != raft.None {
			continue
		}
		for _, p := range status.Conf.Voters {
			match, ok := follows(&status.Status, p)
			if ok && uint32(p.Node()) == g.Preferred && match >= status.Commit {
				groups = append(groups, placement.Group{ID: g.ID, Leader: uint32(e.cfg.Node), Able: []uint32{g.Preferred}, Preferred: g.Preferred})
				led[g.ID] = group
			}
		}
		if len(groups) == handedAtOnce {
			break
		}
	}
	for _, m := range placement.Spread(groups, handedAtOnce) {
		if err := led[m.Group].Transfer(raft.NodeID(m.To)); err != nil {
			continue // it leads no more
		}
	}
}
