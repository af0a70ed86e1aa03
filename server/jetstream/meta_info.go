package jetstream

import (
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// MetaFigures are the group of assets of a cluster, as this server sees it.
type MetaFigures struct {
	// Cluster is the name of the cluster, Leader that of the server that leads the group, and Peer
	// what it is called otherwise. They are empty as long as nobody is known to lead.
	Cluster, Leader, Peer string
	// Leading is whether this server does.
	Leading bool
	// Replicas are the servers but for the leader, which alone knows how they do.
	Replicas []*api.PeerInfo
	// Size is how many servers have a vote, Quorum how many of them it takes.
	Size, Quorum int
	// Requests and Infos are API requests that wait on this server.
	Requests, Infos int
	// Entries and Bytes were applied behind the newest checkpoint, which is of the time
	// Written and took that long.
	Entries, Bytes uint64
	Written        time.Time
	Took           time.Duration
}

// Meta describes the group of assets, nil if the server is alone.
func (e *Engine) Meta() *MetaFigures {
	if e.founder == nil {
		return nil
	}
	f := &MetaFigures{Cluster: e.cfg.Cluster, Requests: e.requests.length(), Infos: e.infos.length()}
	e.meta.unkept.describe(f)
	group, here := e.cfg.Host.Group(metaGroupID)
	if !here {
		return f
	}
	status := group.Status()
	f.Size = len(status.Conf.Voters)
	f.Quorum = f.Size/2 + 1
	if leader := status.Leader; leader != raft.None {
		f.Leader, f.Peer = e.serverName(uint32(leader.Node())), api.PeerID(uint32(leader.Node()))
	}
	if f.Leading = status.Role == raft.Leader; f.Leading {
		for _, p := range e.peersOf(nil, &status) {
			if p.node != e.cfg.Node {
				f.Replicas = append(f.Replicas, p.info)
			}
		}
	}
	return f
}

// MetaState says whether this server knows what the group of assets has decided.
type MetaState int

// The states.
const (
	// MetaCurrent: it does.
	MetaCurrent MetaState = iota
	// MetaBehind: some of it has still to come.
	MetaBehind
	// MetaLeaderless: there is nobody who could tell.
	MetaLeaderless
)

// MetaState returns how the server's replica of the group of assets does.
func (e *Engine) MetaState() MetaState {
	if e.founder == nil {
		return MetaCurrent
	}
	group, here := e.cfg.Host.Group(metaGroupID)
	if !here {
		return MetaLeaderless
	}
	switch leader, _ := group.Leader(); {
	case leader == raft.None:
		return MetaLeaderless
	case group.State() != host.Running || isBehind(group):
		return MetaBehind
	}
	return MetaCurrent
}

// isBehind reports whether a replica has not applied all that it knows to be committed. What
// is under way does not count.
func isBehind(group *host.Group) bool {
	return !group.Leading() && group.Told() > group.Applied()+underwayEntries
}

// underwayEntries is how many entries a replica may lack that does as well as it can.
const underwayEntries = 256

// unkept counts what is applied behind a checkpoint. Others may look at any time.
type unkept struct {
	entries, bytes, written, took atomic.Int64
}

// add counts an op.
func (u *unkept) add(op []byte) {
	u.entries.Add(1)
	u.bytes.Add(int64(len(op)))
}

// kept notes a checkpoint that was written.
func (u *unkept) kept(begin, end time.Time) {
	u.entries.Store(0)
	u.bytes.Store(0)
	u.written.Store(end.UnixNano())
	u.took.Store(int64(end.Sub(begin)))
}

func (u *unkept) describe(f *MetaFigures) {
	f.Entries, f.Bytes = uint64(u.entries.Load()), uint64(u.bytes.Load())
	f.Written, f.Took = moment(u.written.Load()), time.Duration(u.took.Load())
}
