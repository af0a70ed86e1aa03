package jetstream

import (
	"encoding/json"
	"slices"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft/host"
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

// isKnown reports whether the group of assets knows a server as it is, as far as the own
// copy tells.
func (e *Engine) isKnown(as *meta.Server) (known bool) {
	e.meta.view(func(s *meta.State) {
		if sv := s.Server(as.Node); sv != nil {
			known = sv.Name == as.Name && sv.Incarnation == as.Incarnation && sv.Cluster == as.Cluster && sv.Domain == as.Domain && slices.Equal(sv.Tags, as.Tags)
		}
	})
	return known
}

// isMember reports whether this server is known to the group of assets, and part of it: what
// the copy of one says that is still to be admitted may be old.
func (e *Engine) isMember() bool {
	return e.isKnown(e.description()) && e.meta.group.State() != host.Rejoining
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
	if e.isKnown(&sv) {
		return // it does not know yet
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
