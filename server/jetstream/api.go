package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// request is a request of a client, while it is answered.
type request struct {
	api.Call
	tenant *tenant
	// from is who asks, nil for the server itself, or if another server has passed the request
	// on: then told says who that was, as far as anybody wants to know.
	from    *account.Target
	told    json.RawMessage
	subject string
	reply   string
	header  []byte
	body    []byte
	// passed counts how often it was passed on. Then left is how long the client waits, and
	// index how far the copy of the assignments was that it was passed on by.
	passed int
	left   time.Duration
	index  raft.Index
	// made is set when the group of assets has done what it has to do.
	made *made
	// headers are names and values of the response's header.
	headers []string
	// then is done when the response has left.
	then func()
}

// handlers answer requests. Each fills in the response, or returns why it cannot.
// Requests for messages (pull requests, direct gets) do not come here.
var handlers = map[api.Op]func(context.Context, *request, api.Reply) *api.Error{
	api.OpAccountInfo:           answer((*request).accountInfo),
	api.OpStreamCreate:          answer((*request).streamCreate),
	api.OpStreamUpdate:          answer((*request).streamUpdate),
	api.OpStreamNames:           answer((*request).streamNames),
	api.OpStreamList:            answer((*request).streamList),
	api.OpStreamInfo:            answer((*request).streamInfo),
	api.OpStreamDelete:          answer((*request).streamDelete),
	api.OpStreamPurge:           answer((*request).streamPurge),
	api.OpStreamMsgGet:          answer((*request).streamMsgGet),
	api.OpStreamMsgDelete:       answer((*request).streamMsgDelete),
	api.OpStreamSnapshot:        answer((*request).streamSnapshot),
	api.OpStreamRestore:         answer((*request).streamRestore),
	api.OpConsumerCreate:        answer((*request).consumerCreate),
	api.OpConsumerDurableCreate: answer((*request).consumerCreate),
	api.OpConsumerNames:         answer((*request).consumerNames),
	api.OpConsumerList:          answer((*request).consumerList),
	api.OpConsumerInfo:          answer((*request).consumerInfo),
	api.OpConsumerDelete:        answer((*request).consumerDelete),
	api.OpConsumerPause:         answer((*request).consumerPause),
	api.OpConsumerUnpin:         answer((*request).consumerUnpin),
	api.OpConsumerReset:         answer((*request).consumerReset),
	api.OpAccountPurge:          answer((*request).accountPurge),

	api.OpStreamStepdown:          clustered((*request).streamStepdown),
	api.OpStreamPeerRemove:        clustered((*request).peerRemove),
	api.OpStreamPeerEvacuate:      clustered((*request).peerEvacuate),
	api.OpStreamCancelMove:        clustered((*request).cancelMove),
	api.OpConsumerStepdown:        clustered((*request).consumerStepdown),
	api.OpConsumerPeerRemove:      clustered((*request).peerRemove),
	api.OpConsumerPeerEvacuate:    clustered((*request).peerEvacuate),
	api.OpMetaStepdown:            clustered((*request).metaStepdown),
	api.OpServerRemove:            clustered((*request).serverRemove),
	api.OpServerEvacuate:          clustered((*request).serverEvacuate),
	api.OpAccountStreamMove:       clustered((*request).accountStreamMove),
	api.OpAccountStreamCancelMove: clustered((*request).cancelMove),
}

// answer makes a handler of one that knows the type of its response.
func answer[R api.Reply](f func(*request, context.Context, R) *api.Error) func(context.Context, *request, api.Reply) *api.Error {
	return func(ctx context.Context, r *request, reply api.Reply) *api.Error { return f(r, ctx, reply.(R)) }
}

// finishers answer requests that the group of assets has done something about, where the
// asset leads. Each fills in the response.
var finishers = map[api.Op]func(context.Context, *request, api.Reply) *api.Error{
	api.OpStreamCreate:          answer((*request).streamCreated),
	api.OpStreamUpdate:          answer((*request).streamUpdated),
	api.OpStreamRestore:         answer((*request).streamRestoring),
	api.OpConsumerCreate:        answer((*request).consumerMade),
	api.OpConsumerDurableCreate: answer((*request).consumerMade),

	api.OpStreamCancelMove:        answer((*request).streamMoves),
	api.OpAccountStreamMove:       answer((*request).streamMoves),
	api.OpAccountStreamCancelMove: answer((*request).streamMoves),
}

// requestTimeout is how long a request may wait for an asset.
const requestTimeout = 10 * time.Second

// serve implements task: it answers the request, or passes it on to who can.
func (r *request) serve() {
	t := r.tenant
	t.inflight.Add(1)
	wait := requestTimeout
	if r.passed > 0 {
		wait = min(wait, r.left)
	}
	ctx, cancel := context.WithTimeout(t.e.ctx, wait)
	defer cancel()
	reply := r.Op.NewReply()
	mine, err := r.settle(ctx, reply)
	if r.passed == 0 {
		t.requests.Add(1)
	}
	if mine && err != nil {
		t.failures.Add(1)
		reply = r.Op.Fail(err)
	}
	// Whoever has the answer may ask at once.
	t.inflight.Add(-1)
	if !mine {
		return
	}
	r.respond(reply)
	if r.then != nil {
		r.then()
	}
}

// drop implements task.
func (r *request) drop() {
	if r.passed == 0 {
		r.tenant.requests.Add(1)
	}
	r.tenant.failures.Add(1)
}

// respond sends a response, and tells those who watch the requests of the account.
func (r *request) respond(reply api.Reply) {
	b, err := json.Marshal(reply)
	if err != nil {
		r.tenant.e.cfg.Logger.Errorf("JetStream: encoding a response to %v: %v", r.Op, err)
		return
	}
	r.awaitListener()
	r.tenant.account.Publish(account.NewMessage(r.reply, b, r.headers...))
	if r.Op != api.OpStreamMsgGet || reply.Head().Error != nil {
		r.audit(b)
	}
}

// decode reads the body of the request into v.
func (r *request) decode(v any) *api.Error { return r.Op.Decode(r.body, r.tenant.e.cfg.Strict, v) }

// wrap makes an error of the API of one that came from inside.
func wrap(err error) *api.Error {
	if apiErr, ok := errors.AsType[*api.Error](err); ok {
		return apiErr
	}
	switch {
	case errors.Is(err, host.ErrLeadershipLost):
		return api.ErrClusterNotAvail
	case errors.Is(err, host.ErrNotLeader), errors.Is(err, host.ErrReplaced):
		return errLeadsNoMore
	}
	return api.ErrInsufficientResources
}

// accountPurge has all streams of an account deleted, whatever there is of it.
func (r *request) accountPurge(_ context.Context, out *api.AccountPurgeResponse) *api.Error {
	e := r.tenant.e
	var list []*meta.Stream
	e.meta.view(func(state *meta.State) { list = slices.Collect(state.Streams(r.Account)) })
	out.Initiated = e.jobs.run(func() {
		for _, st := range list {
			_, err := e.meta.propose(e.ctx, &meta.Op{DeleteStream: &meta.DeleteStream{Account: st.Account, Stream: st.Name(), Group: st.Group.ID}})
			if err != nil {
				e.cfg.Logger.Errorf("JetStream: purging account %s: stream %s: %v", st.Account, st.Name(), err)
				return
			}
		}
	})
	return nil
}
