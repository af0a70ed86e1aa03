package jetstream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// clusterInfo says where a stream is and how its replicas do, or a consumer of it, if that is
// not nil. The leader knows all of that; another replica knows who leads, how far it is itself,
// and which servers are there. It is nil if the server is alone. It asks the group, unless
// there is but one replica, and must not be called by what the group calls.
func (e *Engine) clusterInfo(st *meta.Stream, c *meta.Consumer) *api.ClusterInfo {
	if e.founder == nil {
		return nil
	}
	out := &api.ClusterInfo{
		Name: e.cfg.Cluster, RaftGroup: groupName(st, c), SystemAccount: true, TrafficAccount: e.cfg.System.Name(),
	}
	g := groupOf(st, c)
	group, here := e.cfg.Host.Group(raft.GroupID(g.ID))
	if here && len(g.Nodes) == 1 && g.Change == nil {
		leader, _ := group.Leader()
		e.nameLeader(out, leader, group)
		return out
	}
	var status *host.Status
	if here {
		s := group.Status()
		status = &s
		e.nameLeader(out, s.Leader, group)
	}
	leader := raft.NodeID(0)
	if here {
		leader = status.Leader.Node()
	}
	for _, p := range e.peersOf(g.Nodes, status) {
		if p.node != leader {
			out.Replicas = append(out.Replicas, p.info)
		}
	}
	out.Desired = e.desired(st, c, status)
	return out
}

// What keeps a replica from being as good as the others.
var (
	errJoining    = errors.New("has not been admitted by the other replicas yet")
	errLeaderless = errors.New("has no leader")
	errBehind     = errors.New("has not applied what is committed")
)

// groupAilment says why the replica here is not current, nil if it is. It is cheap.
func (e *Engine) groupAilment(g *meta.Group) error {
	group, here := e.cfg.Host.Group(raft.GroupID(g.ID))
	if e.founder == nil || !here {
		return nil
	}
	switch leader, _ := group.Leader(); {
	case group.State() == host.Rejoining:
		return errJoining
	case leader == raft.None:
		return errLeaderless
	case isBehind(group):
		return errBehind
	}
	return nil
}

// nameLeader fills in who leads.
func (e *Engine) nameLeader(out *api.ClusterInfo, leader raft.PeerID, group *host.Group) {
	if leader == raft.None {
		return
	}
	since := group.LeaderSince().UTC()
	out.Leader, out.LeaderSince = e.serverName(uint32(leader.Node())), &since
}

func groupOf(st *meta.Stream, c *meta.Consumer) *meta.Group {
	if c != nil {
		return &c.Group
	}
	return &st.Group
}

func groupName(st *meta.Stream, c *meta.Consumer) string {
	if c != nil {
		return api.ConsumerGroupName(c.Group.ID)
	}
	return api.StreamGroupName(st.Group.ID)
}

// shownGroup is the groupName, where groups are spoken of.
func (e *Engine) shownGroup(st *meta.Stream, c *meta.Consumer) string {
	if e.founder == nil {
		return ""
	}
	return groupName(st, c)
}

// serverName returns the name of a server by its node.
func (e *Engine) serverName(node uint32) (name string) {
	if node == uint32(e.cfg.Node) {
		return e.cfg.Name
	}
	e.meta.view(func(s *meta.State) {
		if sv := s.Server(node); sv != nil {
			name = sv.Name
		}
	})
	return cmp.Or(name, "Server name unknown at this time (peerID: "+api.PeerID(node)+")")
}

// peer is a server of a group, as clients see it.
type peer struct {
	node raft.NodeID
	info *api.PeerInfo
}

// peersOf describes the servers that a group is to be on, and those that it is on, by name.
// Status is what the replica here says, nil if there is none.
func (e *Engine) peersOf(assigned []uint32, status *host.Status) (list []peer) {
	var nodes []raft.NodeID
	for _, n := range assigned {
		nodes = append(nodes, raft.NodeID(n))
	}
	if status != nil {
		for _, p := range status.Conf.Peers() {
			nodes = append(nodes, p.Node())
		}
	}
	slices.Sort(nodes)
	for _, n := range slices.Compact(nodes) {
		up, silent := e.cfg.Host.Heard(n)
		p := &api.PeerInfo{Name: e.serverName(uint32(n)), Peer: api.PeerID(uint32(n)), Offline: !up, Active: silent}
		switch {
		case status == nil:
		case n == e.cfg.Node:
			p.Lag = uint64(status.Told - min(status.Applied, status.Told))
			p.Current = status.State == host.Running && status.Leader != raft.None && p.Lag == 0
		default:
			p.Lag, p.Current = progressOf(status, n)
			p.Current = p.Current && up
		}
		list = append(list, peer{n, p})
	}
	slices.SortFunc(list, func(a, b peer) int { return cmp.Compare(a.info.Name, b.info.Name) })
	return list
}

// progressOf returns how many of the entries that are committed a node lacks, and whether it
// has them all, as the leader knows it. Others know nothing.
func progressOf(status *host.Status, n raft.NodeID) (lag uint64, current bool) {
	var best *raft.PeerStatus
	for i := range status.Peers {
		p := &status.Peers[i]
		// One that has lost its disk may be there twice for a while.
		if p.ID.Node() == n && (best == nil || p.Match > best.Match) {
			best = p
		}
	}
	if best == nil {
		return 0, false
	}
	lag = uint64(status.Commit - min(best.Match, status.Commit))
	return lag, lag == 0 && !best.Forgot && status.Conf.Contains(best.ID)
}

// desired says where a stream or consumer is on its way to, nil if it is where it is to be.
func (e *Engine) desired(st *meta.Stream, c *meta.Consumer, status *host.Status) *api.Desired {
	change := groupOf(st, c).Change
	if change == nil {
		return nil
	}
	out := &api.Desired{Created: moment(change.Began)}
	for _, n := range groupOf(st, c).Nodes {
		up, _ := e.cfg.Host.Heard(raft.NodeID(n))
		out.Replicas = append(out.Replicas, &api.DesiredPeer{Name: e.serverName(n), Peer: api.PeerID(n), Offline: !up})
		e.meta.view(func(s *meta.State) {
			if sv := s.Server(n); sv != nil && out.Name == "" {
				out.Name = sv.Cluster
			}
		})
	}
	if o := change.Origin; o != nil && !change.Cancelled {
		out.Origin = &api.DesiredOrigin{Replicas: o.Replicas, Placement: o.Placement}
	}
	switch {
	case status == nil:
	case status.Leader == raft.None:
		out.Status = &api.DesiredStatus{Type: api.DesiredQuorum, Description: "waiting for a leader to be elected"}
	case status.Role == raft.Leader:
		var goal reconcile.Goal
		e.meta.view(func(s *meta.State) { goal = reconcile.GoalOf(s, st, c) })
		goal.Fresh = true
		out.Status = e.explain(reconcile.Next(&goal, &status.Status, nil))
	}
	return out
}

// explain says what a change waits for, by the next step of who leads it.
func (e *Engine) explain(step reconcile.Step) *api.DesiredStatus {
	out := &api.DesiredStatus{Type: step.Why}
	on := ""
	if step.Node != 0 {
		on = e.serverName(uint32(step.Node))
	}
	switch {
	case step.Kind == reconcile.Report || step.Kind == reconcile.Rest:
		out.Type, out.Description = api.DesiredMeta, "telling the meta leader that the change is over"
	case step.Kind != reconcile.Wait:
		out.Type, out.Description = api.DesiredMembership, "changing the members of the group"
	case step.Why == api.DesiredMembership:
		out.Description = "waiting for a change of the members of the group"
	case step.Why == api.DesiredBlocked:
		out.Description = "waiting for the consumers to have gone first"
	case step.Why == api.DesiredSnapshot:
		out.Description = fmt.Sprintf("sending a snapshot to %s", on)
	case step.Why == api.DesiredCatchup:
		out.Description = fmt.Sprintf("waiting for %s to catch up", on)
	default:
		out.Description = fmt.Sprintf("waiting for %s", on)
	}
	return out
}
