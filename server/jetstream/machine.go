package jetstream

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// member is a machine's own part of its group: how far it is, and the group itself.
// It is part of each machine.
type member struct {
	at    host.Position
	group *host.Group
	// joined is closed when group is set: the machine may be called before.
	joined chan struct{}
}

// join starts this server's replica of a group.
func (p *member) join(e *Engine, cfg host.GroupConfig) (err error) {
	defer close(p.joined)
	p.group, err = e.startGroup(cfg)
	return err
}

// Applied implements host.StateMachine.
func (p *member) Applied() host.Position { return p.at }

// ApplyConf implements host.StateMachine.
func (p *member) ApplyConf(index raft.Index, term raft.Term, conf *raft.ConfState) error {
	p.at.Base = raft.Base{Index: index, Term: term, Conf: conf.Clone()}
	return nil
}

// passed notes that a batch is applied.
func (p *member) passed(b *host.Batch) {
	p.at.Base.Index, p.at.Base.Term, p.at.Time = b.Index, b.Term, b.Time
}

// errUndone is the outcome of a proposal that may have had an effect or not.
var errUndone = errors.New("jetstream: the outcome of the proposal is not known")

// errDropped is the outcome of a proposal that has no effect.
var errDropped = errors.New("jetstream: the proposal was dropped")

// failure returns why a proposal was not applied, or nil.
func failure(o *host.Outcome) error {
	switch o.Fate {
	case host.Applied:
		return nil
	case host.Dropped:
		return errors.Join(errDropped, o.Err)
	default:
		return errors.Join(errUndone, o.Err)
	}
}
