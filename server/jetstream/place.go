package jetstream

import (
	"context"
	"hash/fnv"
	"reflect"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Which servers an asset gets is chosen by whoever proposes it, for who can be reached and has
// room is not agreed on. The op names them. If one of them is not there any more when it is
// applied it comes back as stale, and others are chosen.

// createStream has a stream be created for a client in a cluster, on servers that suit it. What
// is refused is in the result, as with propose.
func (e *Engine) createStream(ctx context.Context, op *meta.CreateStream, cluster string) (meta.Result, error) {
	for {
		choice, err := e.placeStream(ctx, op, cluster)
		if err != nil {
			return meta.Result{Err: err}, nil
		}
		op.Nodes, op.Preferred = choice.Nodes, choice.Leader
		res, perr := e.meta.propose(ctx, &meta.Op{CreateStream: op})
		if perr != nil || !res.Stale {
			return res, perr
		}
	}
}

// placeStream chooses the servers of a stream that begins.
func (e *Engine) placeStream(ctx context.Context, op *meta.CreateStream, cluster string) (placement.Choice, *api.Error) {
	own := uint32(e.cfg.Node)
	if e.founder == nil {
		return placement.Choice{Nodes: []uint32{own}}, nil
	}
	e.awaitServers(ctx)
	v := e.view()
	w := v.Wish(op.Config, cluster, seedOf(op.Account, op.Config.Name))
	if op.Restore != nil {
		// What is restored goes to its group here.
		w.Keep, w.Preferred = []uint32{own}, own
	}
	var choice placement.Choice
	var no *placement.NoPeers
	e.meta.view(func(s *meta.State) {
		switch st := s.Stream(op.Account, op.Config.Name); {
		case st != nil:
			choice.Nodes = st.Group.Nodes
		case s.Overlaps(op.Account, op.Config.Name, op.Config.Subjects):
			// That is what is wrong with it, and found out when it is applied.
		default:
			choice, no = placement.Choose(s.Candidates(&v), &w)
		}
	})
	if no != nil {
		return choice, no.API()
	}
	return choice, nil
}

// seedOf tells streams apart that have no group yet.
func seedOf(acc, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(acc + " " + name)) // which never fails
	return h.Sum64()
}

// awaitServers waits until the members of the group of assets are among its servers: right after
// it was founded they still have to introduce themselves. It does not wait for one that is
// dead.
func (e *Engine) awaitServers(ctx context.Context) {
	deadline := e.cfg.Clock.Now().Add(3 * announceEvery)
	for ctx.Err() == nil && e.cfg.Clock.Now().Before(deadline) {
		known := true
		conf := e.meta.group.Status().Conf
		e.meta.view(func(s *meta.State) {
			known = !slices.ContainsFunc(conf.Voters, func(p raft.PeerID) bool {
				n := uint32(p.Node())
				return s.Server(n) == nil && s.Removing() != n
			})
		})
		if known || !e.pause(100*time.Millisecond) {
			return
		}
	}
}

// updateStream has the configuration of a stream be replaced, on other servers if it says so. What
// is refused is in the result, as with propose.
func (e *Engine) updateStream(ctx context.Context, st *meta.Stream, op *meta.UpdateStream) (meta.Result, error) {
	if e.founder != nil {
		if err := e.placeUpdate(st, op); err != nil {
			return meta.Result{Err: err, Stream: st}, nil
		}
	}
	return e.meta.propose(ctx, &meta.Op{UpdateStream: op})
}

// placeUpdate chooses servers for a stream whose replicas or placement change, and otherwise
// looks whether there is room where it is.
func (e *Engine) placeUpdate(st *meta.Stream, op *meta.UpdateStream) *api.Error {
	scales := op.Config.Replicas != st.Config.Replicas
	places := !reflect.DeepEqual(op.Config.Placement, st.Config.Placement)
	v, leader := e.view(), e.leaderOf(&st.Group)
	var err *api.Error
	e.meta.view(func(s *meta.State) {
		servers := s.Candidates(&v)
		switch {
		case scales && places, (scales || places) && st.Group.Change != nil:
			// That is refused whatever is chosen, and the op says why.
		case scales || places:
			choice, no := rechoose(servers, &v, st, op.Config, e.cfg.Cluster, leader)
			if no != nil {
				err = no.API()
				return
			}
			op.Nodes, op.Preferred = choice.Nodes, choice.Leader
		case !fits(servers, st, op.Config):
			err = api.ErrInsufficientResources
		}
	})
	return err
}

// rechoose chooses the servers of a stream that gets another configuration. Who has a replica
// keeps it, if it is where the configuration wants it to be; so does who leads.
func rechoose(servers []placement.Server, v *meta.View, st *meta.Stream, cfg *api.StreamConfig, cluster string, leader uint32) (placement.Choice, *placement.NoPeers) {
	var keep []uint32
	for _, n := range st.Group.Nodes {
		sv := serverOf(servers, n)
		if sv == nil {
			continue // it was removed
		}
		if len(keep) == 0 {
			cluster = sv.Cluster // where it is, if it does not say where it is to be
		}
		keep = append(keep, n)
	}
	w := v.Wish(cfg, cluster, st.Group.ID)
	w.Keep = slices.DeleteFunc(keep, func(n uint32) bool { return !w.Fits(serverOf(servers, n)) })
	w.Preferred = leader
	return placement.Choose(servers, &w)
}

// fits reports whether there is room for a stream where it is, if it reserves more than it
// did.
func fits(servers []placement.Server, st *meta.Stream, cfg *api.StreamConfig) bool {
	more := max(cfg.MaxBytes, 0) - max(st.Config.MaxBytes, 0)
	if more <= 0 {
		return true
	}
	return !slices.ContainsFunc(st.Group.Nodes, func(n uint32) bool {
		sv := serverOf(servers, n)
		if sv == nil || !sv.Online {
			return false // it does not say
		}
		room := sv.File
		if cfg.Storage == api.MemoryStorage {
			room = sv.Memory
		}
		return room.Limit >= 0 && room.Reserved+more > room.Limit
	})
}

// serverOf returns the server of a node, or nil.
func serverOf(servers []placement.Server, node uint32) *placement.Server {
	if i := slices.IndexFunc(servers, func(sv placement.Server) bool { return sv.Node == node }); i >= 0 {
		return &servers[i]
	}
	return nil
}

// leaderOf returns who leads a group as far as this server knows: if it has no replica of it,
// who should.
func (e *Engine) leaderOf(g *meta.Group) uint32 {
	if group, ok := e.cfg.Host.Group(raft.GroupID(g.ID)); ok {
		if leader, _ := group.Leader(); leader != raft.None {
			return uint32(leader.Node())
		}
	}
	return g.Preferred
}
