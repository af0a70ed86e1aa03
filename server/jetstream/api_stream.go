package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
)

// streamOf returns the stream that the request is about.
func (r *request) streamOf() (*meta.Stream, *stream, *api.Error) {
	st := r.tenant.e.assigned(r.tenant.account.Name(), r.Stream)
	if st == nil {
		return nil, nil, api.ErrStreamNotFound
	}
	s := r.tenant.e.stream(st.Group.ID)
	if s == nil {
		return nil, nil, api.ErrStreamNotFound
	}
	return st, s, nil
}

// leads waits until the stream serves here.
func (s *stream) leads(ctx context.Context) *api.Error {
	for {
		turned := s.turned.wait()
		switch {
		case s.isClosed():
			return api.ErrStreamNotFound // maybe it was never opened
		case isClosed(s.opened) && s.err != nil:
			return api.ErrStreamOffline
		case s.answers():
			return nil
		case isClosed(s.opened) && !s.e.office.leads(s.id):
			return errLeadsNoMore
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return api.ErrClusterNotAvail
		}
	}
}

func (e *Engine) streamLimits() api.StreamLimits {
	return api.StreamLimits{MaxDuplicateWindow: e.limits.Load().DuplicateWindow, Clustered: e.founder != nil}
}

// streamCreate has a stream assigned.
func (r *request) streamCreate(ctx context.Context, _ *api.StreamCreateResponse) *api.Error {
	var q api.StreamConfigRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if q.Name != r.Stream {
		return api.ErrStreamMismatch
	}
	e := r.tenant.e
	cfg, err := api.CheckStreamCreate(&q.StreamConfig, e.streamLimits(), q.Pedantic)
	if err == nil {
		err = r.tenant.checkStream(cfg)
	}
	if err == nil {
		r.tenant.followOrigin(cfg)
	}
	if err != nil {
		return err
	}
	res, perr := e.createStream(ctx, &meta.CreateStream{
		Account: r.tenant.account.Name(), Config: cfg, Limits: r.tenant.metaLimits(),
	}, e.cfg.Cluster)
	switch {
	case perr != nil:
		return wrap(perr)
	case res.Err != nil:
		return res.Err
	}
	return r.has(res.Stream, nil, relay.Made{Created: res.Changed})
}

// has takes note that the group of assets has what is asked for.
func (r *request) has(st *meta.Stream, c *meta.Consumer, m relay.Made) *api.Error {
	switch {
	case st == nil:
		return api.ErrStreamNotFound // deleted at once
	case c != nil:
		m.Consumer = c.Name()
		r.made = &made{m, raft.GroupID(c.Group.ID)}
	default:
		r.made = &made{m, raft.GroupID(st.Group.ID)}
	}
	return nil
}

// streamMade returns the stream that was created or changed, once it leads.
func (r *request) streamMade(ctx context.Context) (*stream, *api.Error) {
	_, s, err := r.streamOf()
	switch {
	case err != nil:
		return nil, err
	case s.id != r.made.group:
		return nil, api.ErrStreamNotFound // there is another one by now
	}
	return s, s.leads(ctx)
}

// streamCreated is the second half of streamCreate.
func (r *request) streamCreated(ctx context.Context, out *api.StreamCreateResponse) *api.Error {
	s, err := r.streamMade(ctx)
	if err != nil {
		return err
	}
	out.StreamInfo, out.DidCreate = s.info(), r.made.Created
	if r.made.Created {
		r.tenant.streamAdvisory(r.Stream, api.ActionEventCreate)
	}
	return nil
}

// streamUpdate has another configuration assigned to a stream.
func (r *request) streamUpdate(ctx context.Context, _ *api.StreamUpdateResponse) *api.Error {
	var q api.StreamConfigRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if q.Name != r.Stream {
		return api.ErrStreamMismatch
	}
	e := r.tenant.e
	for {
		st := e.assigned(r.tenant.account.Name(), r.Stream)
		if st == nil {
			return api.ErrStreamNotFound
		}
		if s := e.stream(st.Group.ID); s != nil && isClosed(s.opened) && s.err != nil {
			return api.ErrStreamOffline
		}
		cfg, err := api.CheckStreamUpdate(st.Config, &q.StreamConfig, e.streamLimits(), q.Pedantic)
		if err == nil {
			err = r.tenant.checkStream(cfg)
		}
		if err != nil {
			return err
		}
		res, perr := e.updateStream(ctx, st, &meta.UpdateStream{
			Account: r.tenant.account.Name(), Config: cfg, Revision: st.Revision, Limits: r.tenant.metaLimits(),
		})
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

// streamUpdated is the second half of streamUpdate.
func (r *request) streamUpdated(ctx context.Context, out *api.StreamUpdateResponse) *api.Error {
	s, err := r.streamMade(ctx)
	if err == nil {
		err = s.configured(ctx)
	}
	if err != nil {
		return err
	}
	out.StreamInfo = s.info()
	if r.made.Updated {
		r.tenant.streamAdvisory(r.Stream, api.ActionEventModify)
	}
	return nil
}

func (r *request) streamNames(_ context.Context, out *api.StreamNamesResponse) *api.Error {
	var q api.StreamsRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	list := r.selected(&q)
	var from, to int
	out.Page, from, to = api.Turn(len(list), q.Offset, api.NamesPage)
	for _, st := range list[from:to] {
		out.Streams = append(out.Streams, st.Name())
	}
	return nil
}

// selected returns the streams that are asked for.
func (r *request) selected(q *api.StreamsRequest) (list []*meta.Stream) {
	r.tenant.e.meta.view(func(state *meta.State) {
		for st := range state.Streams(r.tenant.account.Name()) {
			if q.Selects(st.Config) {
				list = append(list, st)
			}
		}
	})
	return list
}

func (r *request) streamInfo(ctx context.Context, out *api.StreamInfoResponse) *api.Error {
	var q api.StreamInfoRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	_, s, err := r.streamOf()
	if err == nil {
		err = s.leads(ctx)
	}
	if err == nil {
		err = s.confirm(ctx)
	}
	if err != nil {
		return err
	}
	out.StreamInfo = s.info()
	state := &out.StreamInfo.State
	if q.DeletedDetails {
		s.look(func(st store.Reader) {
			for d := range st.Deleted() {
				for seq := d.First; seq <= d.Last && len(state.Deleted) < maxDeletedDetails; seq++ {
					state.Deleted = append(state.Deleted, uint64(seq))
				}
			}
		})
	}
	if q.SubjectsFilter != "" {
		out.Page = s.subjects(&q, state)
	}
	if s.isClosed() {
		// It has ended meanwhile, and what it said may be nothing.
		if r.tenant.e.stream(uint64(s.id)) != nil {
			return api.ErrClusterNotAvail
		}
		return api.ErrStreamNotFound
	}
	return nil
}

// maxDeletedDetails bounds the numbers of deleted messages in a response.
const maxDeletedDetails = 1 << 20

// subjects fills in a page of the subjects that match the filter.
func (s *stream) subjects(q *api.StreamInfoRequest, state *api.StreamState) api.Page {
	n, offset := 0, max(q.Offset, 0)
	state.Subjects = make(map[string]uint64)
	s.look(func(st store.Reader) {
		for subj, of := range st.Subjects(q.SubjectsFilter) {
			if n >= offset && len(state.Subjects) < api.SubjectsPage {
				state.Subjects[string(subj)] = of.Messages
			}
			n++
		}
	})
	return api.Page{Total: n, Offset: min(offset, n), Limit: api.SubjectsPage}
}

func (r *request) streamDelete(ctx context.Context, out *api.SuccessResponse) *api.Error {
	if err := r.decode(nil); err != nil {
		return err
	}
	res, err := r.tenant.e.meta.propose(ctx, &meta.Op{DeleteStream: &meta.DeleteStream{Account: r.tenant.account.Name(), Stream: r.Stream}})
	switch {
	case err != nil:
		return wrap(err)
	case res.Err != nil:
		return res.Err
	}
	if res.Stream != nil {
		r.tenant.e.office.awaitGone(ctx, raft.GroupID(res.Stream.Group.ID))
	}
	r.tenant.streamAdvisory(r.Stream, api.ActionEventDelete)
	out.Success = true
	return nil
}

func (r *request) streamPurge(ctx context.Context, out *api.StreamPurgeResponse) *api.Error {
	var q api.StreamPurgeRequest
	err := r.decode(&q)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		return err
	}
	st, s, err := r.streamOf()
	switch {
	case err != nil:
		return err
	case st.Config.Sealed:
		return api.ErrStreamSealed
	case st.Config.DenyPurge:
		return api.ErrStreamPurgeFailed.With("err", "stream purge not permitted")
	}
	done, err := s.carryOut(ctx, streamcore.AppendPurge(nil, q.Subject, store.Seq(q.Sequence), q.Keep))
	if err != nil {
		return err
	}
	out.Success, out.Purged = true, done.Count
	return nil
}

func (r *request) streamMsgGet(ctx context.Context, out *api.StreamMsgGetResponse) *api.Error {
	var q api.MsgGetRequest
	err := r.decode(&q)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		return err
	}
	_, s, err := r.streamOf()
	if err == nil {
		err = s.leads(ctx)
	}
	if err == nil {
		err = s.confirm(ctx)
	}
	if err != nil {
		return err
	}
	var m store.Message
	switch gerr := s.get(&q, &m); {
	case errors.Is(gerr, store.ErrNotFound):
		return api.ErrNoMessageFound
	case gerr != nil:
		return api.ErrStreamMsgDeleteFailed.With("err", gerr)
	}
	out.Message = &api.StoredMsg{
		Subject: string(m.Subject), Sequence: uint64(m.Seq), Data: m.Data, Time: time.Unix(0, m.Time).UTC(),
	}
	if !q.NoHeaders {
		out.Message.Header = m.Header
	}
	return nil
}

// get fills in the message that is asked for.
func (s *stream) get(q *api.MsgGetRequest, m *store.Message) (err error) {
	s.look(func(st store.Reader) {
		from := store.Seq(q.Seq)
		if q.StartTime != nil {
			from = st.At(q.StartTime.UnixNano())
		}
		switch {
		case q.LastFor != "":
			err = st.Last(store.NewFilter(q.LastFor), 0, m)
		case q.NextFor != "":
			err = st.Next(store.NewFilter(q.NextFor), max(from, 1), m)
		case q.StartTime != nil:
			err = st.Next(nil, max(from, 1), m)
		default:
			err = st.Load(from, m)
		}
	})
	return err
}

func (r *request) streamMsgDelete(ctx context.Context, out *api.SuccessResponse) *api.Error {
	var q api.StreamMsgDeleteRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	st, s, err := r.streamOf()
	switch {
	case err != nil:
		return err
	case st.Config.Sealed:
		return api.ErrStreamSealed
	case st.Config.DenyDelete:
		return api.ErrStreamMsgDeleteFailed.With("err", "message delete not permitted")
	}
	if _, err := s.carryOut(ctx, streamcore.AppendDelete(nil, store.Seq(q.Seq), !q.NoErase)); err != nil {
		return err
	}
	out.Success = true
	return nil
}

// carryOut has an op applied, and returns what it came to.
func (s *stream) carryOut(ctx context.Context, op []byte) (*outcome, *api.Error) {
	if err := s.leads(ctx); err != nil {
		return nil, err
	}
	type answer struct {
		o   *outcome
		err error
	}
	got := make(chan answer, 1)
	if err := s.propose(op, func(o *outcome, err error) { got <- answer{o, err} }); err != nil {
		return nil, wrap(err)
	}
	select {
	case a := <-got:
		switch {
		case a.err != nil:
			return nil, wrap(a.err)
		case a.o.Err != nil:
			return nil, a.o.Err
		}
		return a.o, nil
	case <-ctx.Done():
		return nil, api.ErrClusterNotAvail
	}
}

// configured waits until the configuration that is assigned is in force.
func (s *stream) configured(ctx context.Context) *api.Error {
	got := make(chan error, 1)
	// Only the actor proposes it, so that of two changes the last one is the last.
	s.tell(func(d *driver) {
		d.changed, d.reconfigure = true, true
		d.waiters = append(d.waiters, got)
	})
	select {
	case err := <-got:
		if err != nil {
			return wrap(err)
		}
		s.openSubjects()
		return nil
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
}
