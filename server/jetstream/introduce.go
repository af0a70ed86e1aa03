package jetstream

import (
	"encoding/json"
	"slices"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
)

// A server that is not among those of the group of assets, or has changed, says who it is to
// whoever leads that group, again and again until its own copy of what is decided says so. It has
// assets, and is admitted to the group, only as one of these.

// introductions is where the leader of the group of assets listens to them, in the system
// account: whoever leads listens, and nobody else.
const introductions = "$JSL.META.ADD"

// maxIntroduction bounds one, in bytes.
const maxIntroduction = 64 << 10

// description is what the server says of itself.
func (e *Engine) description() *meta.Server {
	return &meta.Server{
		Node: uint32(e.cfg.Node), Name: e.cfg.Name, Incarnation: e.cfg.Log.Incarnation(),
		Cluster: e.cfg.Cluster, Domain: e.cfg.Domain, Tags: e.cfg.Tags,
	}
}

// isKnown reports whether the group of assets knows the server as it is, as far as its
// own copy tells.
func (e *Engine) isKnown() (known bool) {
	own := e.description()
	e.meta.view(func(s *meta.State) {
		if sv := s.Server(own.Node); sv != nil {
			known = sv.Name == own.Name && sv.Incarnation == own.Incarnation && sv.Cluster == own.Cluster && sv.Domain == own.Domain && slices.Equal(sv.Tags, own.Tags)
		}
	})
	return known
}

// introduce says who the server is.
func (e *Engine) introduce() {
	e.system.account.Publish(account.NewMessage(introductions, mustJSON(e.description())))
}

// listenToNewcomers has the leader of the group of assets hear introductions, or stops that.
func (e *Engine) listenToNewcomers(leading bool) {
	m := e.meta
	switch {
	case e.founder == nil || leading == (m.newcomers != nil):
	case leading:
		sub := &account.Subscription{Subject: introductions, Handler: e.newcomer}
		if err := e.system.account.Subscribe(sub); err != nil {
			e.cfg.Logger.Errorf("JetStream: listening to new servers: %v", err)
			return
		}
		m.newcomers = sub
	default:
		e.system.account.Unsubscribe(m.newcomers)
		m.newcomers = nil
	}
}

// newcomer takes an introduction.
func (e *Engine) newcomer(msg *account.Message) {
	var sv meta.Server
	if len(msg.Payload()) > maxIntroduction || json.Unmarshal(msg.Payload(), &sv) != nil {
		return
	}
	e.jobs.run(func() {
		r, err := e.meta.propose(e.ctx, &meta.Op{AddServer: &meta.AddServer{Server: sv}})
		switch {
		case err != nil || r.Err != nil: // it asks again
		case r.Changed:
			e.cfg.Logger.Noticef("JetStream: server %s may have streams and consumers", sv.Name)
			e.placeMissing()
		}
	})
}
