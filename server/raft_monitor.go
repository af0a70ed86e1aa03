package server

import (
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// RaftGroups implements monitor.JetStream.
func (v jetStreamView) RaftGroups(account string) (string, iter.Seq[monitor.RaftView]) {
	j := v.s.jetStream.Load()
	if j == nil {
		return "", nil
	}
	account, groups := j.engine.RaftGroups(account)
	if groups == nil {
		return "", nil
	}
	return account, func(yield func(monitor.RaftView) bool) {
		for name, g := range groups {
			if !yield(monitor.RaftView{Name: name, Describe: func() *monitor.RaftGroup { return v.raftGroup(j, g) }}) {
				return
			}
		}
	}
}

// raftGroup describes a group by what its replica here knows.
func (v jetStreamView) raftGroup(j *jetStream, g *host.Group) *monitor.RaftGroup {
	st := g.Status()
	size := len(st.Conf.Voters)
	out := &monitor.RaftGroup{
		ID: raftID(st.ID), State: raftState(&st), Size: size, Quorum: size/2 + 1,
		Committed: uint64(st.Commit), Applied: uint64(st.Applied), CatchingUp: st.State != host.Running || st.Told > st.Commit,
		Leader: raftID(st.Leader), EverLed: !st.LeaderSince.IsZero(), Term: uint64(st.Term), Vote: raftID(st.Vote),
		LastTerm: uint64(st.LastTerm), LastIndex: uint64(st.Last),
		SystemAccount: true, TrafficAccount: v.s.SystemAccount().Name(),
		Log:   api.StreamState{FirstSeq: uint64(st.First), LastSeq: uint64(st.Last)},
		Peers: make(map[string]monitor.RaftPeer),
	}
	if st.Last >= st.First {
		out.Log.Msgs = uint64(st.Last-st.First) + 1
	}
	if st.Leader != raft.None {
		since := st.LeaderSince.UTC()
		out.LeaderSince = &since
	}
	if st.Err != nil {
		out.Error = st.Err.Error()
	}
	for _, p := range st.Conf.Peers() {
		if p.Node() == st.ID.Node() {
			continue
		}
		_, silent := j.host.Heard(p.Node())
		peer := monitor.RaftPeer{Name: j.engine.ServerName(p.Node()), Known: st.Conf.IsVoter(p), LastSeen: silent.String()}
		for _, known := range st.Peers {
			if known.ID == p {
				peer.Replicated = uint64(known.Match)
			}
		}
		out.Peers[raftID(p)] = peer
	}
	return out
}

// raftID is how tools call the server of a replica, "" for none.
func raftID(p raft.PeerID) string {
	if p == raft.None {
		return ""
	}
	return api.PeerID(uint32(p.Node()))
}

// raftState is what a replica does, in the words that tools know.
func raftState(st *host.Status) string {
	switch {
	case st.State == host.Halted || st.State == host.Stopped:
		return "CLOSED"
	case st.Role == raft.Leader:
		return "LEADER"
	case st.Role == raft.Follower:
		return "FOLLOWER"
	default:
		return "CANDIDATE"
	}
}
