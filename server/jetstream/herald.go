package jetstream

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// herald tells whoever listens of leaders that were elected, of groups that have none, of a disk
// that is full, and of servers that were removed. Many groups elect at a time, and the host that
// tells of them must not be held up, so that news is gathered for a moment. Each is told once.
type herald struct {
	e *Engine

	mu sync.Mutex
	// elected are the groups that this server has come to lead, with the term; lost those that
	// have no leader, with the time since when.
	elected map[raft.GroupID]raft.Term
	lost    map[raft.GroupID]time.Time
	// full is the stream for which there was no space, until there is some again; fullTold is
	// whether that was told.
	full     *stream
	fullTold bool
	// working is whether a job looks after all that.
	working bool
}

const (
	// heraldEvery is how long news is gathered.
	heraldEvery = 250 * time.Millisecond
	// lostAfter is how long a group has no leader until that is told: an election takes less,
	// if a majority is there.
	lostAfter = 10 * time.Second
)

func newHerald(e *Engine) *herald {
	return &herald{e: e, elected: make(map[raft.GroupID]raft.Term), lost: make(map[raft.GroupID]time.Time)}
}

// leader takes note of who leads a group now. It may be called by any goroutine of the host.
func (h *herald) leader(ev *host.Event) {
	if h.e.founder == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ev.Peer == raft.None {
		h.lost[ev.Group] = h.e.cfg.Clock.Now()
	} else {
		delete(h.lost, ev.Group)
	}
	if ev.Peer.Node() == h.e.cfg.Node {
		h.elected[ev.Group] = ev.Term
	}
	h.workLocked()
}

// outOfSpace takes note that there was no space for a message of a stream.
func (h *herald) outOfSpace(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.full == nil {
		h.full = s
		h.workLocked()
	}
}

// workLocked has a job look after the news, if there is any.
func (h *herald) workLocked() {
	if !h.working && h.isNewsLocked() {
		h.working = h.e.jobs.run(h.work)
	}
}

// isNewsLocked reports whether there is anything that was not told, or may be over.
func (h *herald) isNewsLocked() bool { return len(h.elected)+len(h.lost) > 0 || h.full != nil }

// work tells what there is to be told, until there is no more to come.
func (h *herald) work() {
	for h.pause() {
		elected, lost, full := h.take()
		h.tell(elected, lost)
		if full != nil {
			h.tellOutOfSpace(full)
		}
		h.mu.Lock()
		h.working = h.isNewsLocked()
		more := h.working
		h.mu.Unlock()
		if !more {
			return
		}
	}
}

// pause gathers news. It returns false if the engine stops.
func (h *herald) pause() bool {
	t := h.e.cfg.Clock.NewTimer(heraldEvery)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-h.e.ctx.Done():
		return false
	}
}

// take returns what is to be told now: groups that are led here, groups that have had no leader
// for long, in order, and the stream for which there is no space, which are nil if there are none.
func (h *herald) take() (elected map[raft.GroupID]raft.Term, lost []raft.GroupID, full *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.elected) > 0 {
		elected, h.elected = h.elected, make(map[raft.GroupID]raft.Term)
	}
	now := h.e.cfg.Clock.Now()
	for id, since := range h.lost {
		if now.Sub(since) >= lostAfter {
			lost = append(lost, id)
			delete(h.lost, id)
		}
	}
	slices.Sort(lost)
	switch {
	case h.full != nil && !h.fullTold:
		full, h.fullTold = h.full, true
	case h.full != nil && !h.e.cfg.Host.Full():
		h.full, h.fullTold = nil, false
	}
	return elected, lost, full
}

// asset is a stream, or a consumer of it.
type asset struct {
	stream   *meta.Stream
	consumer *meta.Consumer // nil if it is the stream
}

// tell tells of groups that are led here, and of those that have no leader.
func (h *herald) tell(elected map[raft.GroupID]raft.Term, lost []raft.GroupID) {
	if len(elected)+len(lost) == 0 {
		return
	}
	if term, ok := elected[metaGroupID]; ok {
		h.tellDomain(term)
	}
	assets := h.assets(func(id raft.GroupID) bool {
		_, led := elected[id]
		_, left := slices.BinarySearch(lost, id)
		return led || left
	})
	for _, id := range slices.Sorted(maps.Keys(elected)) {
		if a, ok := assets[id]; ok {
			h.tellElected(id, &a, elected[id])
		}
	}
	told := 0
	for _, id := range lost {
		if status, ok := h.status(id); ok && id == metaGroupID && status.Leader == raft.None {
			h.e.cfg.Logger.Warnf("JetStream: nobody has led the group of assets for %v: nothing can be made, changed or deleted", lostAfter)
		}
		if a, ok := assets[id]; ok && h.tellLost(id, &a) {
			told++
		}
	}
	if told > 0 {
		h.e.cfg.Logger.Warnf("JetStream: %d streams and consumers with a replica here have had no leader for %v, and stand still", told, lostAfter)
	}
}

// assets returns those with several replicas whose groups are wanted.
func (h *herald) assets(wanted func(raft.GroupID) bool) map[raft.GroupID]asset {
	list := make(map[raft.GroupID]asset)
	add := func(g *meta.Group, a asset) {
		if (len(g.Nodes) > 1 || g.Change != nil) && wanted(raft.GroupID(g.ID)) {
			list[raft.GroupID(g.ID)] = a
		}
	}
	h.e.meta.view(func(s *meta.State) {
		for st := range s.All() {
			if st.Restore != nil {
				continue // nobody gets to see it yet
			}
			add(&st.Group, asset{stream: st})
			for c := range st.Consumers() {
				if !c.Config.Direct {
					add(&c.Group, asset{st, c})
				}
			}
		}
	})
	return list
}

// tellElected tells of a leader, unless there is another one by now.
func (h *herald) tellElected(id raft.GroupID, a *asset, term raft.Term) {
	event := &api.LeaderElected{Event: h.e.event(api.TypeStreamLeaderElected), Stream: a.stream.Name(), Domain: h.e.cfg.Domain}
	subject := api.EventSubject(api.EventStreamLeaderElected, a.stream.Name(), "")
	if a.consumer != nil {
		event.Type, event.Consumer = api.TypeConsumerLeaderElected, a.consumer.Name()
		subject = api.EventSubject(api.EventConsumerLeaderElected, a.stream.Name(), a.consumer.Name())
	}
	if !h.isHeard(a, subject) {
		return
	}
	status, ok := h.status(id)
	if !ok || status.Role != raft.Leader || status.Term != term {
		return
	}
	event.Leader, event.Replicas = h.e.cfg.Name, h.e.replicasOf(groupOf(a.stream, a.consumer).Nodes, status)
	h.advise(a, subject, func(account string) any { copied := *event; copied.Account = account; return &copied })
}

// tellLost tells of a group without leader, and reports whether there still is none.
func (h *herald) tellLost(id raft.GroupID, a *asset) bool {
	status, ok := h.status(id)
	if !ok || status.Leader != raft.None {
		return false
	}
	event := &api.QuorumLost{Event: h.e.event(api.TypeStreamQuorumLost), Stream: a.stream.Name(), Domain: h.e.cfg.Domain}
	subject := api.EventSubject(api.EventStreamQuorumLost, a.stream.Name(), "")
	if a.consumer != nil {
		event.Type, event.Consumer = api.TypeConsumerQuorumLost, a.consumer.Name()
		subject = api.EventSubject(api.EventConsumerQuorumLost, a.stream.Name(), a.consumer.Name())
	}
	if h.isHeard(a, subject) {
		event.Replicas = h.e.replicasOf(groupOf(a.stream, a.consumer).Nodes, status)
		h.advise(a, subject, func(account string) any { copied := *event; copied.Account = account; return &copied })
	}
	return true
}

// tellDomain tells that this server leads the group of assets.
func (h *herald) tellDomain(term raft.Term) {
	status, ok := h.status(metaGroupID)
	if !ok || status.Role != raft.Leader || status.Term != term {
		return
	}
	h.e.cfg.Logger.Noticef("JetStream: this server is the new leader of the group of assets")
	h.e.advise(h.e.cfg.System, api.EventDomainLeaderElected, &api.LeaderElected{
		Event: h.e.event(api.TypeDomainLeaderElected), Leader: h.e.cfg.Name, Replicas: h.e.replicasOf(nil, status),
		Cluster: h.e.cfg.Cluster, Domain: h.e.cfg.Domain,
	})
}

// tellOutOfSpace tells that a message of a stream was refused.
func (h *herald) tellOutOfSpace(s *stream) {
	if h.e.cfg.System == nil {
		return
	}
	h.e.advise(h.e.cfg.System, api.EventServerOutOfStorage, &api.ServerOutOfSpace{
		Event: h.e.event(api.TypeServerOutOfSpace), Server: h.e.cfg.Name, ServerID: h.e.cfg.ServerID,
		Stream: s.assigned.Load().Name(), Cluster: h.e.cfg.Cluster, Domain: h.e.cfg.Domain,
	})
}

// removed tells that a server may have no streams and consumers any more. The leader of the group
// of assets tells it, for the server itself may never hear of it. Of what the server is called
// it knows the name and the peer id.
func (h *herald) removed(node uint32, name string) {
	h.e.jobs.run(func() {
		h.e.cfg.Logger.Noticef("JetStream: server %s was removed, and has no streams and consumers any more", name)
		h.e.advise(h.e.cfg.System, api.EventServerRemoved, &api.ServerRemoved{
			Event: h.e.event(api.TypeServerRemoved), Server: name, ServerID: api.PeerID(node),
			Cluster: h.e.cfg.Cluster, Domain: h.e.cfg.Domain,
		})
	})
}

// status returns what the replica here says, false if there is none.
func (h *herald) status(id raft.GroupID) (*host.Status, bool) {
	g, here := h.e.cfg.Host.Group(id)
	if !here {
		return nil, false
	}
	status := g.Status()
	return &status, true
}

// isHeard reports whether anybody listens for what is told of an asset.
func (h *herald) isHeard(a *asset, subject string) bool {
	t := h.e.tenantOf(a.stream.Account)
	return h.e.cfg.System.HasInterest(subject) || t != nil && t.listening(subject)
}

// advise tells of an asset in its account, and in the system account with the account's name.
func (h *herald) advise(a *asset, subject string, event func(account string) any) {
	if t := h.e.tenantOf(a.stream.Account); t != nil && t.account != h.e.cfg.System {
		t.advise(subject, event(""))
	}
	h.e.advise(h.e.cfg.System, subject, event(a.stream.Account))
}

// replicasOf lists the servers of a group with the one that leads.
func (e *Engine) replicasOf(assigned []uint32, status *host.Status) (list []*api.PeerInfo) {
	for _, p := range e.peersOf(assigned, status) {
		list = append(list, p.info)
	}
	return list
}

// tenantOf returns the account of a stream as it is here, nil if it is not known.
func (e *Engine) tenantOf(name string) *tenant {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.accounts[name]
}
