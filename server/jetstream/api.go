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
	"github.com/nats-lite/nats-lite/server/proto"
)

// request is a request of a client, while it is answered.
type request struct {
	api.Call
	tenant *tenant
	// from is who asks, nil for the server itself.
	from    *account.Target
	subject string
	reply   string
	header  []byte
	body    []byte
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

// apiPatterns are what to subscribe to for the requests that have a handler, and for
// those that only a cluster can answer: for those of operators, or of everybody else.
func apiPatterns(system bool) (patterns []string) {
	for o := range api.Op(api.Ops) {
		if o.IsSystem() != system || o == api.OpConsumerNext || o == api.OpDirectGet || o == api.OpConsumerReset {
			continue
		}
		patterns = append(patterns, o.Patterns()...)
	}
	return patterns
}

// requestTimeout is how long a request may wait for an asset.
const requestTimeout = 10 * time.Second

// serve answers the request.
func (r *request) serve(ctx context.Context) {
	t := r.tenant
	t.inflight.Add(1)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	reply := r.Op.NewReply()
	err := api.CheckLevel(proto.HeaderValue(r.header, api.HeaderRequiredLevel))
	if handle := handlers[r.Op]; err == nil && handle == nil {
		err = api.ErrClusterRequired
	} else if err == nil {
		select {
		case <-t.e.meta.ready:
			err = handle(ctx, r, reply)
		case <-ctx.Done():
			err = api.ErrClusterNotAvail
		}
	}
	if t.requests.Add(1); err != nil {
		t.failures.Add(1)
		reply = r.Op.Fail(err)
	}
	// Whoever has the answer may ask at once.
	t.inflight.Add(-1)
	r.respond(reply)
	if r.then != nil {
		r.then()
	}
}

// respond sends a response, and tells those who watch the requests of the account.
func (r *request) respond(reply api.Reply) {
	b, err := json.Marshal(reply)
	if err != nil {
		r.tenant.e.cfg.Logger.Errorf("JetStream: encoding a response to %v: %v", r.Op, err)
		return
	}
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
	return api.ErrInsufficientResources
}

func (r *request) accountInfo(_ context.Context, out *api.AccountInfoResponse) *api.Error {
	t := r.tenant
	u := t.e.meta.usage(t.account.Name())
	out.AccountStats = &api.AccountStats{
		AccountUsage: api.AccountUsage{
			Memory: uint64(t.usage.of(api.MemoryStorage)), Storage: uint64(t.usage.of(api.FileStorage)), ReservedMemory: uint64(u.ReservedMemory), ReservedStorage: uint64(u.ReservedFile),
			Streams: u.Streams, Consumers: u.Consumers, Limits: *t.limits.Load(),
		},
		Domain: t.e.cfg.Domain,
		API: api.Stats{
			Level: api.Level, Total: t.requests.Load(), Errors: t.failures.Load(), Inflight: uint64(max(t.inflight.Load()-1, 0)),
		},
	}
	return nil
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
