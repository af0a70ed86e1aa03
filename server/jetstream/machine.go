package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// member is a machine's own part of its group: how far it is, and the group itself.
// It is part of each machine.
type member struct {
	at    host.Position
	group *host.Group
	// guide takes the group to where it is to be while this replica leads, nil if it stays
	// where it is for ever.
	guide *guide
	// joined is closed when group is set: the machine may be called before.
	joined chan struct{}
	// several is whether the group has more voters than this one.
	several atomic.Bool
	// halted is set when nothing will be applied any more.
	halted atomic.Bool
	// trouble is why what is here may not be all, nil if all is well.
	trouble atomic.Pointer[error]
}

// join starts this server's replica of an asset's group, as its task says.
func (p *member) join(e *Engine, m host.StateMachine, t *reconcile.Task) (err error) {
	defer close(p.joined)
	p.noteVoters()
	p.group, err = p.startGroup(e, host.GroupConfig{
		ID: t.Group, Machine: m, Memory: t.Memory, Sole: t.Sole(), Contacts: t.Contacts, Admits: p.guide.asked, Plea: p.guide.plea,
	}, t)
	return err
}

// joinAlone starts this server's replica of the group of assets of a server that is alone.
func (p *member) joinAlone(e *Engine, m host.StateMachine) (err error) {
	defer close(p.joined)
	p.group, err = p.startGroup(e, host.GroupConfig{ID: metaGroupID, Machine: m, Sole: true}, &reconcile.Task{Found: []raft.PeerID{e.self()}})
	return err
}

// startGroup goes on with what there is of a group, or begins its part in it.
func (p *member) startGroup(e *Engine, cfg host.GroupConfig, t *reconcile.Task) (*host.Group, error) {
	lg, there := e.cfg.Log.Group(cfg.ID)
	switch {
	case there && cfg.Memory && cfg.Sole:
		// What was in memory is gone, and there is nobody else who has it: the group
		// begins anew. Nobody else has met its replica either, so that it may have the
		// same identity.
		if err := e.write(wal.Write{Group: cfg.ID, Delete: true}); err != nil {
			return nil, err
		}
	case there:
		for _, d := range lg.State().Damage {
			if cfg.Sole && d.Kind == wal.DamagedUnknown {
				p.blame(fmt.Errorf("something is lost of which it is not known what it was: %v", d))
			}
		}
		return e.cfg.Host.Open(cfg)
	case p.at.Base.Index > 0 && cfg.Sole:
		// What is in the checkpoint is there all the same.
		p.blame(fmt.Errorf("%w; what came behind entry %d is lost", errLogGone, p.at.Base.Index))
		base := p.at.Base
		err := e.write(wal.Write{Group: cfg.ID, Replica: &wal.Replica{Self: base.Conf.Voters[0]}, Base: &base})
		if err != nil {
			return nil, err
		}
		return e.cfg.Host.Open(cfg)
	}
	switch {
	case slices.Contains(t.Found, e.self()) && p.at.Base.Index == 0:
		if cfg.Sole && e.logGone && !cfg.Memory {
			p.blame(errLogGone)
		}
		cfg.Peers, cfg.Campaign = t.Found, t.Campaigns(e.self())
	case !cfg.Sole:
		// The others have what it lacks.
		return e.cfg.Host.Join(cfg)
	case cfg.Memory:
		cfg.Peers = []raft.PeerID{e.self()}
	default:
		return nil, errDiskGone
	}
	return e.cfg.Host.Create(cfg)
}

// errDiskGone says why there is nothing of an asset: an empty one in its place would take
// the chance away that the disk comes back.
var errDiskGone = errors.New("jetstream: nothing is here of its only replica: the disk is another one")

// errLogGone says that nothing is left of a group's log, though there should be.
var errLogGone = errors.New("jetstream: the log is gone")

// write has the log write something about a group that does not run.
func (e *Engine) write(w wal.Write) error {
	done := make(chan error, 1)
	w.Done = func(err error) { done <- err }
	if err := e.cfg.Log.Append(w); err != nil {
		return err
	}
	return <-done
}

// blame notes why what is here may not be all.
func (p *member) blame(err error) { p.trouble.Store(&err) }

// blamed returns what was noted, or nil.
func (p *member) blamed() error {
	if err := p.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// halt notes that nothing will be applied any more. It is called on the apply stage.
func (p *member) halt(err error) {
	<-p.joined
	p.blame(err)
	p.halted.Store(true)
}

// Applied implements host.StateMachine.
func (p *member) Applied() host.Position { return p.at }

// position returns how far the machine is, for others to keep.
func (p *member) position() host.Position {
	at := p.at
	at.Base.Conf = at.Base.Conf.Clone()
	return at
}

// ApplyConf implements host.StateMachine.
func (p *member) ApplyConf(index raft.Index, term raft.Term, conf *raft.ConfState) error {
	p.at.Base = raft.Base{Index: index, Term: term, Conf: conf.Clone()}
	p.noteVoters()
	<-p.joined
	if p.guide != nil && p.group.Leading() {
		p.guide.look()
	}
	return nil
}

// noteVoters notes whether others vote, too. It is called on the apply stage, or before there is
// one.
func (p *member) noteVoters() { p.several.Store(len(p.at.Base.Conf.Voters) > 1) }

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
