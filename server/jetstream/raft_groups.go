package jetstream

import (
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// RaftGroups gives the names of the raft groups of an account's streams and consumers of which
// this server has replicas, and these. The system account, which "" stands for, has the group of
// assets. Groups are nil if the server is alone.
func (e *Engine) RaftGroups(acc string) (account string, groups iter.Seq2[string, *host.Group]) {
	if e.founder == nil {
		return "", nil
	}
	system := e.cfg.System.Name()
	type named struct {
		id   uint64
		name string
	}
	var list []named
	if acc == "" || acc == system {
		acc = system
		list = append(list, named{uint64(metaGroupID), api.MetaGroupName})
	}
	e.meta.view(func(s *meta.State) {
		for _, streams := range []iter.Seq[*meta.Stream]{s.Streams(acc), s.Restores(acc)} {
			for st := range streams {
				list = append(list, named{st.Group.ID, groupName(st, nil)})
				for c := range st.Consumers() {
					list = append(list, named{c.Group.ID, groupName(st, c)})
				}
			}
		}
	})
	return acc, func(yield func(string, *host.Group) bool) {
		for _, n := range list {
			if g, here := e.cfg.Host.Group(raft.GroupID(n.id)); here && !yield(n.name, g) {
				return
			}
		}
	}
}

// ServerName returns the name of a server by its node, and what stands for it as long as
// that is not known.
func (e *Engine) ServerName(node raft.NodeID) string { return e.serverName(uint32(node)) }
