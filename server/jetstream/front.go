package jetstream

import (
	"context"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A request is taken by one server, its front, and answered by who can: by the front
// itself, or by who leads the group of assets, a stream or a consumer. What creates or changes an
// asset has two halves: the leader of the assets decides, and the asset's leader answers. A
// server that is alone leads everything, so that nothing is ever passed on.

// addressee says who answers a request.
type addressee uint8

const (
	// anybody: whoever takes it, from its copy of the assignments.
	anybody addressee = iota
	// eachServer: every server for itself.
	eachServer
	leaderOfAssets
	leaderOfStream
	leaderOfConsumer
)

// addressees says who answers what.
var addressees = [api.Ops]addressee{
	api.OpAccountInfo:             anybody,
	api.OpStreamCreate:            leaderOfAssets,
	api.OpStreamUpdate:            leaderOfAssets,
	api.OpStreamNames:             anybody,
	api.OpStreamList:              anybody,
	api.OpStreamInfo:              leaderOfStream,
	api.OpStreamDelete:            leaderOfAssets,
	api.OpStreamPurge:             leaderOfStream,
	api.OpStreamMsgGet:            leaderOfStream,
	api.OpStreamMsgDelete:         leaderOfStream,
	api.OpStreamSnapshot:          leaderOfStream,
	api.OpStreamRestore:           leaderOfAssets,
	api.OpStreamStepdown:          leaderOfStream,
	api.OpStreamPeerRemove:        leaderOfAssets,
	api.OpStreamPeerEvacuate:      leaderOfAssets,
	api.OpStreamCancelMove:        leaderOfAssets,
	api.OpConsumerCreate:          leaderOfAssets,
	api.OpConsumerDurableCreate:   leaderOfAssets,
	api.OpConsumerNames:           anybody,
	api.OpConsumerList:            anybody,
	api.OpConsumerInfo:            leaderOfConsumer,
	api.OpConsumerDelete:          leaderOfAssets,
	api.OpConsumerPause:           leaderOfConsumer,
	api.OpConsumerUnpin:           leaderOfConsumer,
	api.OpConsumerReset:           leaderOfConsumer,
	api.OpConsumerStepdown:        leaderOfConsumer,
	api.OpConsumerPeerRemove:      leaderOfAssets,
	api.OpConsumerPeerEvacuate:    leaderOfAssets,
	api.OpMetaStepdown:            leaderOfAssets,
	api.OpMetaRescue:              eachServer,
	api.OpServerRemove:            leaderOfAssets,
	api.OpServerEvacuate:          leaderOfAssets,
	api.OpAccountPurge:            leaderOfAssets,
	api.OpAccountStreamMove:       leaderOfAssets,
	api.OpAccountStreamCancelMove: leaderOfAssets,
}

// made is what came of a request in the group of assets: group is the one of the asset, whose
// leader is to answer.
type made struct {
	relay.Made
	group raft.GroupID
}

const (
	// leaderWait is how long a front waits for somebody who leads. Clients wait for five
	// seconds as a rule, and are to hear why it took so long.
	leaderWait = 4 * time.Second
	// maxPassed bounds how often a request is passed on: leadership may have changed on its way.
	maxPassed = 4
	// currentEvery is how long to wait before asking the group of assets again how far it is.
	currentEvery = 100 * time.Millisecond
)

// apiSubscriptions are what to subscribe to for requests: for those of operators, or of
// everybody else. Of several servers one takes each request.
func (t *tenant) apiSubscriptions(system bool) (subs []*account.Subscription) {
	for o := range api.Op(api.Ops) {
		// Consumers listen to some by themselves.
		if o.IsSystem() != system || o == api.OpConsumerNext || o == api.OpDirectGet || o == api.OpConsumerReset {
			continue
		}
		queue := t.e.apiQueue()
		if addressees[o] == eachServer {
			queue = ""
		}
		for _, pattern := range o.Patterns() {
			subs = append(subs, &account.Subscription{Subject: pattern, Queue: queue, Handler: t.request})
		}
	}
	return subs
}

// apiQueue is the queue group of those who take requests, "" on a server that is alone.
func (e *Engine) apiQueue() string {
	if e.office == nil {
		return ""
	}
	return apiQueue
}

// settle carries out the request, if that is for this server to do, and fills in the
// response. It returns false if somebody else answers it, or nobody.
func (r *request) settle(ctx context.Context, reply api.Reply) (mine bool, _ *api.Error) {
	if r.passed == 0 {
		// What was passed on was checked before.
		if err := api.CheckLevel(proto.HeaderValue(r.header, api.HeaderRequiredLevel)); err != nil {
			return true, err
		}
	}
	handle := handlers[r.Op]
	if handle == nil {
		return true, api.ErrClusterRequired
	}
	if err := r.tenant.e.meta.reach(ctx, r.index); err != nil {
		return r.passed == 0, err
	}
	for {
		if mine, err := r.direct(ctx); !mine || err != nil {
			return mine, err
		}
		var err *api.Error
		if r.made != nil {
			err = finishers[r.Op](ctx, r, reply)
		} else if err = handle(ctx, r, reply); err == nil && r.made != nil {
			continue // the second half is for who leads the asset
		}
		if err != errLeadsNoMore || r.tenant.e.office == nil || !r.tenant.e.pause(proposePause) || ctx.Err() != nil {
			return true, err
		}
	}
}

// errLeadsNoMore is what a handler returns that has done nothing because this server leads no
// more: whoever leads now does it. Clients are told that nobody does.
var errLeadsNoMore = api.ErrClusterNotAvail.With()

// direct finds out who is to go on with the request, and passes it on, unless that is
// this server.
func (r *request) direct(ctx context.Context) (mine bool, _ *api.Error) {
	e := r.tenant.e
	if e.office == nil {
		return true, nil
	}
	wait := ctx
	if r.made == nil {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, leaderWait)
		defer cancel()
	}
	for tried := false; ; tried = true {
		to, err := r.addressee(wait, tried)
		switch {
		case err != nil:
			return true, err
		case to.group == 0 || e.office.leads(to.group):
			return true, nil
		case r.passed >= maxPassed:
			return true, api.ErrClusterNotAvail
		}
		size := len(r.header) + len(r.body) + len(r.told)
		if size > relay.MaxBytes/2 {
			return true, api.ErrInsufficientResources
		}
		if e.office.send(to.group, r.encode(ctx), e.office.nobody()) {
			return false, nil
		}
		switch {
		case tried && to.offline != nil && e.areAway(to.nodes):
			return r.made == nil, to.offline
		case !e.office.await(wait, to.group):
			// What was done in the group of assets is done, whoever hears of it.
			return r.made == nil, api.ErrClusterNotAvail
		}
	}
}

// destination is a group whose leader is to go on with a request.
type destination struct {
	// group is 0 for this server.
	group raft.GroupID
	// nodes are the servers of the group. offline is what to say if none of them is there, nil if
	// there is nothing to be said.
	nodes   []uint32
	offline *api.Error
}

// addressee says who is to go on with the request. What is not there by this server's copy
// of the assignments is looked for again in one that is current; so is all of it if that is asked for.
func (r *request) addressee(ctx context.Context, current bool) (to destination, err *api.Error) {
	e := r.tenant.e
	switch of := addressees[r.Op]; {
	case r.made != nil:
		return destination{group: r.made.group}, nil
	case of == leaderOfAssets:
		if e.office.leads(metaGroupID) {
			// Whoever leads may have been replaced without having heard of it.
			err = e.meta.current(ctx)
		}
		return destination{group: metaGroupID}, err
	case of == anybody:
		return destination{}, e.meta.current(ctx)
	case of == eachServer:
		return destination{}, nil
	}
	for ; ; current = true {
		if current {
			if err := e.meta.current(ctx); err != nil {
				return to, err
			}
		}
		if to, err = r.assignee(); err == nil || current {
			return to, err
		}
	}
}

// assignee finds the group that a request is about.
func (r *request) assignee() (to destination, err *api.Error) {
	e := r.tenant.e
	e.meta.view(func(state *meta.State) {
		st := state.Stream(r.tenant.account.Name(), r.Stream)
		if st == nil {
			err = api.ErrStreamNotFound
			return
		}
		if addressees[r.Op] == leaderOfStream {
			to = destination{raft.GroupID(st.Group.ID), st.Group.Nodes, api.ErrStreamOffline}
			return
		}
		c := st.Consumer(r.Consumer)
		if c == nil {
			err = api.ErrConsumerNotFound
			return
		}
		to = destination{raft.GroupID(c.Group.ID), c.Group.Nodes, api.ErrConsumerOffline}
	})
	return to, err
}

// areAway reports whether this server can reach none of some servers.
func (e *Engine) areAway(nodes []uint32) bool {
	up := e.online()
	return !slices.ContainsFunc(nodes, func(n uint32) bool { return up[n] })
}

// replyWait is how long who answers waits for interest in the answer.
const replyWait = time.Second

// awaitListener waits until somebody listens for the answer, though not for long. A request that
// was passed on may come faster than its sender's interest, which goes by another route.
func (r *request) awaitListener() {
	if r.passed > 0 {
		a := r.tenant.account
		r.tenant.e.awaitInterest(r.tenant.e.ctx, a, r.reply, replyWait, func() bool { return a.HasInterest(r.reply) })
	}
}

// encode is the request as it is passed on.
func (r *request) encode(ctx context.Context) []byte {
	e := r.tenant.e
	q := relay.Request{
		Hops: r.passed + 1, Index: uint64(e.meta.applied()), Account: r.tenant.account.Name(),
		Subject: r.subject, Reply: r.reply, Header: r.header, Body: r.body,
	}
	if end, ok := ctx.Deadline(); ok {
		q.Left = end.Sub(e.cfg.Clock.Now())
	}
	if r.tenant.listening(api.EventAPI) {
		q.Client = r.client()
	}
	if r.made != nil {
		q.Made = &r.made.Made
	}
	return q.Append(nil)
}
