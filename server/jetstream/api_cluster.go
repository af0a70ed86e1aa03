package jetstream

import (
	"context"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/raft"
)

// What only a cluster can answer: who leads, and which servers have what. All but the requests to
// step down are for the leader of the assets, who chooses servers, proposes, and answers when
// that is agreed on; how far it is carried out is in the information on the asset. Where a
// request has to wait for more it says so.

// isCalled reports whether a server goes by a name, which may be its peer id.
func isCalled(node uint32, name, text string) bool { return text == name || text == api.PeerID(node) }

// serverCalled returns the server that goes by a name, or nil.
func (e *Engine) serverCalled(name string) (found *meta.Server) {
	e.meta.view(func(s *meta.State) {
		for sv := range s.Servers() {
			if isCalled(sv.Node, sv.Name, name) {
				found = sv
			}
		}
	})
	return found
}

// clustered is a handler for a server that has others.
func clustered[R api.Reply](f func(*request, context.Context, R) *api.Error) func(context.Context, *request, api.Reply) *api.Error {
	return answer(func(r *request, ctx context.Context, out R) *api.Error {
		if r.tenant.e.founder == nil {
			return api.ErrClusterRequired
		}
		return f(r, ctx, out)
	})
}

func (r *request) streamStepdown(ctx context.Context, out *api.SuccessResponse) *api.Error {
	var q api.StepdownRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	st, _, err := r.streamOf()
	if err != nil {
		return err
	}
	return r.stepDown(ctx, &st.Group, &meta.PreferLeader{Account: st.Account, Stream: st.Name()}, &q, out)
}

func (r *request) consumerStepdown(ctx context.Context, out *api.SuccessResponse) *api.Error {
	var q api.StepdownRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	c, err := r.consumerOf()
	if err != nil {
		return err
	}
	st, assigned := c.stream.assigned.Load(), c.assigned.Load()
	return r.stepDown(ctx, &assigned.Group, &meta.PreferLeader{Account: st.Account, Stream: st.Name(), Consumer: assigned.Name()}, &q, out)
}

// stepDown hands over an asset that this server leads. Its next leader is to lead it from now on.
func (r *request) stepDown(ctx context.Context, g *meta.Group, prefer *meta.PreferLeader, q *api.StepdownRequest, out *api.SuccessResponse) *api.Error {
	e := r.tenant.e
	group, ok := e.cfg.Host.Group(raft.GroupID(g.ID))
	if !ok {
		return api.ErrClusterNotAvail
	}
	to, err := e.stepDown(ctx, group, q.Placement)
	if err != nil {
		return err
	}
	if to != 0 {
		prefer.Group, prefer.Node = g.ID, to
		e.jobs.run(func() {
			if _, err := e.meta.propose(e.ctx, &meta.Op{PreferLeader: prefer}); err != nil && e.ctx.Err() == nil {
				e.cfg.Logger.Warnf("JetStream: noting that server %d leads %s from now on: %v", to, e.groupName(group.ID()), err)
			}
		})
	}
	out.Success = true
	return nil
}

func (r *request) metaStepdown(ctx context.Context, out *api.SuccessResponse) *api.Error {
	var q api.StepdownRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if _, err := r.tenant.e.stepDown(ctx, r.tenant.e.meta.group, q.Placement); err != nil {
		return err
	}
	out.Success = true
	return nil
}

// assignedOf returns the stream that the request is about, and its consumer if it is about one.
func (r *request) assignedOf() (st *meta.Stream, c *meta.Consumer, err *api.Error) {
	acc := r.tenant.account.Name()
	if r.Account != "" {
		acc = r.Account // an operator says whose it is
	}
	r.tenant.e.meta.view(func(s *meta.State) {
		switch st = s.Stream(acc, r.Stream); {
		case st == nil:
			err = api.ErrStreamNotFound
		case r.Consumer != "":
			if c = st.Consumer(r.Consumer); c == nil {
				err = api.ErrConsumerNotFound
			}
		}
	})
	return st, c, err
}

// peerRemove takes a server out of a stream or consumer, and peerEvacuate has it go when
// another one has taken over. They are the same here: a server leaves only when the others
// have what it has. But for one that is not there nobody waits.
func (r *request) peerRemove(ctx context.Context, out *api.SuccessResponse) *api.Error {
	return r.replacePeer(ctx, out, true)
}

func (r *request) peerEvacuate(ctx context.Context, out *api.SuccessResponse) *api.Error {
	return r.replacePeer(ctx, out, false)
}

// replacePeer has another server take over from the one that the request names. If it is forced a
// server that cannot be reached is not waited for.
func (r *request) replacePeer(ctx context.Context, out *api.SuccessResponse, forced bool) *api.Error {
	var q api.PeerRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if q.Peer == "" {
		return api.ErrBadRequest
	}
	e := r.tenant.e
	for {
		st, c, err := r.assignedOf()
		if err != nil {
			return err
		}
		g := &st.Group
		if c != nil {
			g = &c.Group
		}
		gone := r.memberCalled(g, q.Peer)
		if gone == 0 {
			return api.ErrClusterPeerNotMember
		}
		v := e.view()
		away := !e.isOnline(raft.NodeID(gone))
		choice, no := e.replacement(&v, st, c, gone)
		if no != nil || away && len(g.Nodes) == 1 {
			return api.ErrPeerRemap // nobody, or nobody who has what is there
		}
		op := &meta.ChangePeers{
			Account: st.Account, Stream: st.Name(), Group: g.ID, Was: g.Nodes, Nodes: choice.Nodes, Preferred: choice.Leader, Forced: forced && away,
		}
		if c != nil {
			op.Consumer = c.Name()
		}
		switch res, perr := e.meta.propose(ctx, &meta.Op{ChangePeers: op}); {
		case perr != nil:
			return wrap(perr)
		case res.Err != nil:
			return res.Err
		case res.Stale:
			continue // somebody was faster
		}
		out.Success = true
		return nil
	}
}

// memberCalled returns the server of a group that goes by a name, 0 if there is none. One that
// was removed has no name any more, and goes by its peer id.
func (r *request) memberCalled(g *meta.Group, name string) (node uint32) {
	r.tenant.e.meta.view(func(s *meta.State) {
		for _, n := range g.Nodes {
			called := ""
			if sv := s.Server(n); sv != nil {
				called = sv.Name
			}
			if isCalled(n, called, name) {
				node = n
			}
		}
	})
	return node
}

// replacement chooses who takes over from a server: for a consumer, if c is not nil, another
// one of those of its stream.
func (e *Engine) replacement(v *meta.View, st *meta.Stream, c *meta.Consumer, gone uint32) (choice placement.Choice, no *placement.NoPeers) {
	leader := e.leaderOf(&st.Group)
	if c != nil {
		leader = e.leaderOf(&c.Group)
	}
	e.meta.view(func(s *meta.State) {
		servers := s.Candidates(v)
		if c != nil {
			servers = slices.DeleteFunc(servers, func(sv placement.Server) bool { return !slices.Contains(st.Group.Nodes, sv.Node) })
			w := placement.Wish{Replicas: len(c.Group.Nodes), NotSince: v.NotSince, Preferred: leader, Seed: c.Group.ID}
			choice, no = placement.Replace(servers, &w, c.Group.Nodes, gone)
			return
		}
		w := v.Wish(st.Config, e.clusterOf(s, &st.Group), st.Group.ID)
		w.Replicas, w.Preferred = len(st.Group.Nodes), leader
		choice, no = placement.Replace(servers, &w, st.Group.Nodes, gone)
	})
	return choice, no
}

// clusterOf returns the cluster where a group is.
func (e *Engine) clusterOf(s *meta.State, g *meta.Group) string {
	for _, n := range g.Nodes {
		if sv := s.Server(n); sv != nil {
			return sv.Cluster
		}
	}
	return e.cfg.Cluster
}

// cancelMove has a stream go back to where it was. It answers requests of users and of operators.
func (r *request) cancelMove(ctx context.Context, _ *api.StreamUpdateResponse) *api.Error {
	e := r.tenant.e
	for {
		st, _, err := r.assignedOf()
		if err != nil {
			return err
		}
		res, perr := e.meta.propose(ctx, &meta.Op{CancelChange: &meta.CancelChange{Account: st.Account, Stream: st.Name(), Group: st.Group.ID}})
		switch {
		case perr != nil:
			return wrap(perr)
		case res.Err != nil:
			return res.Err
		case res.Stale:
			continue
		}
		return r.has(res.Stream, nil, relay.Made{Updated: res.Changed})
	}
}

// streamMoves is the second half of what has a stream go elsewhere: it says what the stream is like.
func (r *request) streamMoves(ctx context.Context, out *api.StreamUpdateResponse) *api.Error {
	st, _, err := r.assignedOf()
	if err != nil {
		return err
	}
	s := r.tenant.e.stream(st.Group.ID)
	if s == nil || s.id != r.made.group {
		return api.ErrStreamNotFound // there is another one by now
	}
	if err := s.leads(ctx); err != nil {
		return err
	}
	out.StreamInfo = s.info()
	return nil
}

// accountStreamMove has a stream of any account go elsewhere: off a server, or to servers of a
// cluster, a domain, or with tags.
func (r *request) accountStreamMove(ctx context.Context, _ *api.StreamUpdateResponse) *api.Error {
	var q api.MoveRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	e := r.tenant.e
	for {
		st, _, err := r.assignedOf()
		if err != nil {
			return err
		}
		gone := uint32(0)
		if q.Server != "" {
			if gone = r.memberCalled(&st.Group, q.Server); gone == 0 {
				return api.ErrClusterPeerNotMember
			}
		}
		choice, no := e.elsewhere(st, &q, gone)
		if no != nil {
			return no.API()
		}
		res, perr := e.meta.propose(ctx, &meta.Op{ChangePeers: &meta.ChangePeers{
			Account: st.Account, Stream: st.Name(), Group: st.Group.ID, Was: st.Group.Nodes, Nodes: choice.Nodes, Preferred: choice.Leader,
		}})
		switch {
		case perr != nil:
			return wrap(perr)
		case res.Err != nil:
			return res.Err
		case res.Stale:
			continue
		}
		return r.has(res.Stream, nil, relay.Made{Updated: res.Changed})
	}
}

// elsewhere chooses the servers of a stream that is to move off a server, unless that is 0, and
// to where the request says. Who has a replica and is there already keeps it.
func (e *Engine) elsewhere(st *meta.Stream, q *api.MoveRequest, gone uint32) (choice placement.Choice, no *placement.NoPeers) {
	v, leader := e.view(), e.leaderOf(&st.Group)
	e.meta.view(func(s *meta.State) {
		servers := slices.DeleteFunc(s.Candidates(&v), func(sv placement.Server) bool { return q.Domain != "" && sv.Domain != q.Domain })
		w := v.Wish(st.Config, e.clusterOf(s, &st.Group), st.Group.ID)
		if q.Cluster != "" {
			w.Cluster = q.Cluster
		}
		w.Tags = append(slices.Clone(w.Tags), q.Tags...)
		w.Replicas, w.Preferred = len(st.Group.Nodes), leader
		for _, n := range st.Group.Nodes {
			if sv := serverOf(servers, n); n != gone && sv != nil && w.Fits(sv) {
				w.Keep = append(w.Keep, n)
			}
		}
		if gone != 0 {
			w.Avoid = []uint32{gone}
		}
		choice, no = placement.Choose(servers, &w)
	})
	return choice, no
}

// server returns the server that a request of an operator is about.
func (r *request) server() (*meta.Server, *api.Error) {
	var q api.ServerRequest
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	if q.PeerID != "" {
		q.Server = q.PeerID
	}
	if q.Server == "" {
		return nil, api.ErrBadRequest
	}
	sv := r.tenant.e.serverCalled(q.Server)
	if sv == nil {
		return nil, api.ErrClusterServerNotMember
	}
	return sv, nil
}

func (r *request) serverEvacuate(ctx context.Context, out *api.SuccessResponse) *api.Error {
	sv, err := r.server()
	if err != nil {
		return err
	}
	e := r.tenant.e
	res, perr := e.meta.propose(ctx, &meta.Op{EvacuateServer: &meta.EvacuateServer{Node: sv.Node, View: e.view()}})
	switch {
	case perr != nil:
		return wrap(perr)
	case res.Err != nil:
		return res.Err
	}
	e.cfg.Logger.Noticef("JetStream: streams and consumers leave server %s", sv.Name)
	out.Success = true
	return nil
}

// serverRemove takes a server away for good. It is answered when that is over: when the group of
// all servers goes on without it, so that it does not count for a majority any more.
func (r *request) serverRemove(ctx context.Context, out *api.SuccessResponse) *api.Error {
	sv, err := r.server()
	if err != nil {
		return err
	}
	e := r.tenant.e
	if raft.NodeID(sv.Node) == e.cfg.Node {
		// Who is removed does not hear of the end. Whoever leads next does.
		switch to, err := e.stepDown(ctx, e.meta.group, nil); {
		case err != nil:
			return err
		case to != 0:
			return errLeadsNoMore
		}
	}
	res, perr := e.meta.propose(ctx, &meta.Op{RemoveServer: &meta.RemoveServer{Node: sv.Node, View: e.view()}})
	switch {
	case perr != nil:
		return wrap(perr)
	case res.Err != nil:
		return res.Err
	}
	e.cfg.Logger.Noticef("JetStream: server %s is removed from the cluster", sv.Name)
	if !e.awaitRemoval(ctx, sv.Node) {
		return api.ErrClusterServerMemberChangeInflight
	}
	out.Success = true
	return nil
}

// awaitRemoval waits until a server that is being removed is gone. It returns false if that is
// not so when ctx ends.
func (e *Engine) awaitRemoval(ctx context.Context, node uint32) bool {
	for {
		over := false
		e.meta.view(func(s *meta.State) { over = s.Removing() != node })
		if over {
			return true
		}
		t := e.cfg.Clock.NewTimer(transferEvery)
		select {
		case <-t.C():
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}
