package meta

import (
	"reflect"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// suits reports whether as many servers were chosen as there are to be replicas, and all
// are there.
func (s *State) suits(nodes []uint32, replicas int) bool {
	return len(nodes) == max(replicas, 1) && s.areKnown(nodes)
}

// mayMove reports whether an update has the stream go to other servers. It changes
// nothing, and returns what comes of the op if it is refused.
func (s *State) mayMove(st *Stream, o *UpdateStream) (moves bool, refused *Result) {
	scales := o.Config.Replicas != st.Config.Replicas
	places := !reflect.DeepEqual(o.Config.Placement, st.Config.Placement)
	switch {
	case !s.IsClustered() || !scales && !places:
		return false, nil
	case scales && places:
		return false, &Result{Err: api.ErrStreamMoveAndScale, Stream: st}
	case st.Group.Change != nil:
		return false, &Result{Err: st.Group.busy(), Stream: st}
	case !s.suits(o.Nodes, o.Config.Replicas):
		return false, &Result{Stale: true, Stream: st}
	}
	return !sameNodes(o.Nodes, st.Group.Nodes), nil
}

func (s *State) changePeers(o *ChangePeers) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	if o.Consumer != "" {
		return s.changeConsumerPeers(st, o)
	}
	switch g := &st.Group; {
	case g.ID != o.Group || !sameNodes(g.Nodes, o.Was) || !s.areKnown(o.Nodes):
		return Result{Stale: true, Stream: st}
	case g.Change != nil:
		return Result{Err: g.busy(), Stream: st}
	case len(o.Nodes) < len(g.Nodes) || len(o.Nodes) > max(st.Config.Replicas, len(g.Nodes)) || len(o.Nodes) == 0:
		return Result{Err: api.ErrPeerRemap, Stream: st}
	case sameNodes(o.Nodes, g.Nodes):
		return Result{Stream: st}
	}
	prefers := *st
	prefers.Group.Preferred = o.Preferred // as far as it is among them
	return Result{Changed: true, Stream: s.send(&prefers, o.Nodes, o.Forced)}
}

// changeConsumerPeers has a consumer be on other servers of its stream.
func (s *State) changeConsumerPeers(st *Stream, o *ChangePeers) Result {
	c := st.Consumer(o.Consumer)
	if c == nil {
		return Result{Err: api.ErrConsumerNotFound, Stream: st}
	}
	switch g := &c.Group; {
	case g.ID != o.Group || !sameNodes(g.Nodes, o.Was) || !s.areKnown(o.Nodes):
		return Result{Stale: true, Stream: st, Consumer: c}
	case g.Change != nil || st.Group.Change != nil:
		return Result{Err: api.ErrStreamReconfigureInProgress, Stream: st, Consumer: c}
	case len(o.Nodes) != len(g.Nodes) || len(without(o.Nodes, st.Group.Nodes)) > 0:
		return Result{Err: api.ErrPeerRemap, Stream: st, Consumer: c}
	case sameNodes(o.Nodes, g.Nodes):
		return Result{Stream: st, Consumer: c}
	}
	next := *c
	next.Group.Preferred = o.Preferred
	next.Group = next.Group.toward(o.Nodes, s.next(), s.time)
	next.Revision = next.Group.Change.ID
	s.setConsumer(st, next.Name(), &next)
	return Result{Changed: true, Stream: st, Consumer: &next}
}

// cancelChange sends a stream back, with its consumers. Servers that are gone since are not
// waited for.
func (s *State) cancelChange(o *CancelChange) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	ch := st.Group.Change
	switch {
	case st.Group.ID != o.Group:
		return Result{Stale: true, Stream: st}
	case ch == nil || ch.Cancelled:
		return Result{Err: api.ErrStreamReconfigureNotInProgress, Stream: st}
	}
	back := s.known(ch.From)
	if len(back) == 0 {
		return Result{Err: api.ErrPeerRemap, Stream: st}
	}
	next := *st
	if ch.Origin != nil {
		next.Config = st.Config.Clone()
		next.Config.Replicas, next.Config.Placement = ch.Origin.Replicas, ch.Origin.Placement
	}
	next.Revision = s.next()
	next.Group = st.Group.toward(back, next.Revision, s.time)
	next.Group.Change.Cancelled, next.Group.Change.Forced, next.Group.Change.Origin = true, false, nil
	s.put(&next)
	s.followAll(&next)
	return Result{Changed: true, Stream: &next}
}

// preferLeader takes note of who should lead. The asset is what it was otherwise, so that its
// revision stays.
func (s *State) preferLeader(o *PreferLeader) Result {
	st := s.Stream(o.Account, o.Stream)
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	if o.Consumer == "" {
		switch {
		case st.Group.ID != o.Group || !slices.Contains(st.Group.Nodes, o.Node):
			return Result{Stale: true, Stream: st}
		case st.Group.Preferred == o.Node:
			return Result{Stream: st}
		}
		next := *st
		next.Group.Preferred = o.Node
		s.put(&next)
		return Result{Changed: true, Stream: &next}
	}
	c := st.Consumer(o.Consumer)
	switch {
	case c == nil:
		return Result{Err: api.ErrConsumerNotFound, Stream: st}
	case c.Group.ID != o.Group || !slices.Contains(c.Group.Nodes, o.Node):
		return Result{Stale: true, Stream: st, Consumer: c}
	case c.Group.Preferred == o.Node:
		return Result{Stream: st, Consumer: c}
	}
	next := *c
	next.Group.Preferred = o.Node
	s.setConsumer(st, next.Name(), &next)
	return Result{Changed: true, Stream: st, Consumer: &next}
}

// endChange takes note that a group has arrived.
func (s *State) endChange(o *EndChange) Result {
	st := s.Stream(o.Account, o.Stream)
	if being := s.restore(o.Account, o.Stream); st == nil {
		st = being
	}
	if st == nil {
		return Result{Err: api.ErrStreamNotFound}
	}
	if o.Consumer == "" {
		if ch := st.Group.Change; st.Group.ID != o.Group || ch == nil || ch.ID != o.Change || s.Waits(st) {
			return Result{Stale: true, Stream: st}
		}
		next := *st
		next.Group = st.Group.arrived()
		s.put(&next)
		return Result{Changed: true, Stream: &next}
	}
	c := st.Consumer(o.Consumer)
	if c == nil {
		return Result{Err: api.ErrConsumerNotFound, Stream: st}
	}
	if ch := c.Group.Change; c.Group.ID != o.Group || ch == nil || ch.ID != o.Change {
		return Result{Stale: true, Stream: st, Consumer: c}
	}
	next := *c
	next.Group = c.Group.arrived()
	// The stream may have gone on while it looked as if nobody was left to take this from.
	followed := s.follow(st, &next)
	s.setConsumer(st, c.Name(), followed)
	return Result{Changed: true, Stream: st, Consumer: followed}
}
