package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// transferEvery is how often it is looked whether leadership has been handed over.
const transferEvery = 20 * time.Millisecond

// errNotHandedOver says that a leader has gone on leading.
var errNotHandedOver = errors.New("leadership was not handed over")

// stepDown has this server, which leads a group, hand over to another one that wishes name, if
// they do, and waits until there is another leader. It returns its node; 0 if the group has no other
// server.
func (e *Engine) stepDown(ctx context.Context, group *host.Group, wishes *api.Placement) (uint32, *api.Error) {
	status := group.Status()
	switch {
	case status.State != host.Running || status.Role != raft.Leader:
		return 0, api.ErrClusterNotAvail
	case len(status.Conf.Voters) == 1:
		return 0, nil
	}
	v := e.view()
	var servers []placement.Server
	e.meta.view(func(s *meta.State) { servers = s.Candidates(&v) })
	to, err := successor(servers, &status.Status, wishes)
	if err != nil {
		return 0, api.ErrClusterNoPeers.With("err", err)
	}
	if err := group.Transfer(raft.NodeID(to)); err != nil {
		return 0, api.ErrClusterNotAvail
	}
	for {
		t := e.cfg.Clock.NewTimer(transferEvery)
		select {
		case <-t.C():
		case <-ctx.Done():
			t.Stop()
			return 0, api.ErrClusterNotAvail
		}
		if leader, _ := group.Leader(); leader != raft.None && leader != status.ID && !e.office.leads(group.ID()) {
			return uint32(leader.Node()), nil
		}
		if now := group.Status(); now.Role == raft.Leader && now.Term == status.Term && now.Transferee == raft.None {
			return 0, api.ErrRaftGeneral.With("err", errNotHandedOver)
		}
	}
}

// successor chooses who is to lead a group in place of who does, of its voters: the server
// that is preferred, or of those where wishes want it the one that has the most of the log. Of
// equals it is the one that should lead the fewest.
func successor(servers []placement.Server, status *raft.Status, wishes *api.Placement) (node uint32, err error) {
	if wishes == nil {
		wishes = &api.Placement{}
	}
	w := placement.Wish{Cluster: wishes.Cluster, Tags: wishes.Tags}
	var best *placement.Server
	var most raft.Index
	isKnown := false
	for _, p := range status.Conf.Voters {
		sv := serverOf(servers, uint32(p.Node()))
		if sv == nil || wishes.Preferred != "" && !isCalled(sv.Node, sv.Name, wishes.Preferred) {
			continue
		}
		isKnown = true
		if p == status.ID {
			if wishes.Preferred != "" {
				return 0, fmt.Errorf("preferred server %q is already leader", wishes.Preferred)
			}
			continue
		}
		match, ok := follows(status, p)
		if !ok || !sv.Online || !w.Fits(sv) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(match, most), cmp.Compare(best.Leads, sv.Leads)) > 0 {
			best, most = sv, match
		}
	}
	switch {
	case wishes.Preferred != "" && !isKnown:
		return 0, fmt.Errorf("preferred server %q not known", wishes.Preferred)
	case best == nil:
		return 0, errors.New("no replacement peer connected")
	}
	return best.Node, nil
}

// follows reports how much of the log a peer has, if it keeps pace.
func follows(status *raft.Status, p raft.PeerID) (match raft.Index, ok bool) {
	i := slices.IndexFunc(status.Peers, func(s raft.PeerStatus) bool { return s.ID == p })
	if i < 0 {
		return 0, false
	}
	s := &status.Peers[i]
	return s.Match, s.Active && s.State == raft.Replicate && !s.Forgot
}
