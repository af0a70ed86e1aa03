package raft

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
)

// Configurations rule from the moment that their entry is appended (Raft,
// section 6), and the entry holds all of the new configuration, not a difference. That
// leaves little to go wrong: the configuration in force is the one of the last
// EntryConf in the log, or the base's if there is none, and cutting the log brings back
// the one before.
//
// A leader appends one only if the one before is committed, and if it has
// committed an entry of its own term (without that, two leaders in turn could each
// change one voter and end up with majorities that do not meet; Ongaro on raft-dev,
// 2015). One that changes more than one voter goes through a joint
// configuration, which the leader leaves by itself once it is committed.

// Errors of ProposeConf.
var (
	// ErrConfPending: an earlier change is not committed yet, or its joint
	// configuration not left.
	ErrConfPending = errors.New("raft: a change of configuration is pending")
	// ErrNotReady: the leader has not committed an entry of its term yet.
	ErrNotReady = errors.New("raft: the leader has not committed in its term yet")
	// ErrLagging: a learner or joining peer is to become a voter and has not
	// caught up. A joining one will be made a voter when it has.
	ErrLagging = errors.New("raft: the new voter has not caught up yet")
	// ErrUnheard: of the voters that there would be no majority was heard
	// lately. The change might never be committed, and the group would be stuck
	// with it.
	ErrUnheard = errors.New("raft: the new configuration would have no majority that is heard")
	// ErrConfInvalid: the change cannot be made.
	ErrConfInvalid = errors.New("raft: invalid change of configuration")
)

// confAt is a configuration and the index of its entry.
type confAt struct {
	index Index
	state ConfState
}

// conf returns the configuration in force.
func (r *Raft) conf() *ConfState { return &r.confs[len(r.confs)-1].state }

func (r *Raft) confIndex() Index { return r.confs[len(r.confs)-1].index }

// confAsOf returns the configuration that ruled as of an index not before the
// base's.
func (r *Raft) confAsOf(i Index) *ConfState {
	n := len(r.confs) - 1
	for n > 0 && r.confs[n].index > i {
		n--
	}
	return &r.confs[n].state
}

// pushConf puts a configuration in force.
func (r *Raft) pushConf(i Index, c ConfState) {
	r.confs = append(r.confs, confAt{i, c})
	r.confChanged()
}

// cutConfs takes back the configurations of entries from index i.
func (r *Raft) cutConfs(i Index) {
	n := len(r.confs)
	for n > 1 && r.confs[n-1].index >= i {
		n--
	}
	if n < len(r.confs) {
		r.confs = slices.Clone(r.confs[:n])
		r.confChanged()
	}
}

// confChanged fits what a leader keeps of its peers to the configuration.
func (r *Raft) confChanged() {
	if r.role != Leader {
		return
	}
	// A leader keeps track of itself even while it is leaving.
	peers := append(r.conf().Peers(), r.id)
	r.peers = slices.DeleteFunc(r.peers, func(p *progress) bool { return !slices.Contains(peers, p.id) })
	for _, id := range peers {
		if r.progress(id) == nil {
			r.peers = append(r.peers, &progress{id: id, next: r.log.lastIndex() + 1, active: true})
		}
	}
	slices.SortFunc(r.peers, func(a, b *progress) int { return cmp.Compare(a.id, b.id) })
	if r.transferee != None && !r.conf().IsVoter(r.transferee) {
		r.transferee = None
	}
}

// ProposeConf appends a configuration that differs from the one in force by
// the given changes, and returns where it stands. Besides the errors above there
// are those of Propose.
func (r *Raft) ProposeConf(changes ...Change) (Index, Term, error) {
	if err := r.mayPropose(); err != nil {
		return 0, 0, err
	}
	if err := r.mayChangeConf(); err != nil {
		return 0, 0, err
	}
	next, err := changeConf(r.conf(), changes)
	if err != nil {
		return 0, 0, err
	}
	for _, id := range next.Voters {
		if !r.conf().IsVoter(id) && !r.caughtUp(id) {
			return 0, 0, ErrLagging
		}
	}
	if !slices.Equal(next.Voters, r.conf().Voters) && !quorumOf(&next, r.hears) {
		return 0, 0, ErrUnheard
	}
	return r.appendConf(next), r.term, nil
}

// mayChangeConf says why the leader may not append a configuration, if so.
func (r *Raft) mayChangeConf() error {
	switch {
	case r.confIndex() > r.log.committed || r.conf().Joint():
		return ErrConfPending
	case !r.committedInTerm():
		return ErrNotReady
	}
	return nil
}

func (r *Raft) appendConf(c ConfState) Index {
	e := Entry{Index: r.log.lastIndex() + 1, Term: r.term, Type: EntryConf, Data: c.Append(nil)}
	r.appendOwn(e)
	r.pushConf(e.Index, c)
	return e.Index
}

// advanceConf takes the next step of a change that goes on by itself: out of a
// joint configuration, or from Joining to voter. The leader calls it when the
// commit index or a peer's match has moved.
func (r *Raft) advanceConf() {
	if r.confIndex() > r.log.committed || !r.committedInTerm() {
		return
	}
	c := r.conf()
	if c.Joint() {
		next := c.Clone()
		next.Outgoing = nil
		r.appendConf(next)
		return
	}
	if r.transferee != None {
		return
	}
	for _, id := range c.Joining {
		if r.caughtUp(id) {
			next, err := changeConf(c, []Change{{AddVoter, id}})
			if err != nil {
				panic(fmt.Sprintf("raft: cannot promote %v in %v: %v", id, *c, err))
			}
			if quorumOf(&next, r.hears) {
				r.appendConf(next)
				return
			}
		}
	}
}

// caughtUp reports whether a peer may become a voter: its log has the
// configuration by which it was added, and all that is known to be committed. An
// empty voter would be one that the others have to wait for.
func (r *Raft) caughtUp(id PeerID) bool {
	p := r.progress(id)
	return p != nil && p.state == Replicate && !p.forgot && p.match >= r.log.committed
}

// changeConf returns c with changes made. A result that differs by more than one
// voter is a joint one.
func changeConf(c *ConfState, changes []Change) (ConfState, error) {
	next := c.Clone()
	remove := func(list []PeerID, p PeerID) []PeerID {
		return slices.DeleteFunc(list, func(q PeerID) bool { return q == p })
	}
	for _, ch := range changes {
		p := ch.Peer
		if p == None {
			return next, fmt.Errorf("%w: no peer given", ErrConfInvalid)
		}
		member := slices.Contains(next.Learners, p) || slices.Contains(next.Joining, p)
		switch ch.Type {
		case AddVoter:
			switch {
			case slices.Contains(next.Voters, p):
			case member:
				next.Voters = append(next.Voters, p)
				next.Learners, next.Joining = remove(next.Learners, p), remove(next.Joining, p)
			default:
				next.Joining = append(next.Joining, p)
			}
		case AddLearner:
			if !slices.Contains(next.Learners, p) {
				next.Learners = append(next.Learners, p)
			}
			next.Voters, next.Joining = remove(next.Voters, p), remove(next.Joining, p)
		case RemovePeer:
			if !member && !slices.Contains(next.Voters, p) {
				return next, fmt.Errorf("%w: %v is not in it", ErrConfInvalid, p)
			}
			next.Voters, next.Learners, next.Joining = remove(next.Voters, p), remove(next.Learners, p), remove(next.Joining, p)
		default:
			return next, fmt.Errorf("%w: unknown type %d", ErrConfInvalid, ch.Type)
		}
	}
	for _, l := range [][]PeerID{next.Voters, next.Learners, next.Joining} {
		slices.Sort(l)
	}
	switch {
	case len(next.Voters) == 0:
		return next, fmt.Errorf("%w: no voter would be left", ErrConfInvalid)
	case len(next.Voters) > maxConfPeers/4 || len(next.Learners)+len(next.Joining) > maxConfPeers/4:
		return next, fmt.Errorf("%w: too many peers", ErrConfInvalid)
	case next.Equal(c):
		return next, fmt.Errorf("%w: it changes nothing", ErrConfInvalid)
	}
	if votersApart(c.Voters, next.Voters) > 1 {
		next.Outgoing = slices.Clone(c.Voters)
	}
	return next, nil
}

// votersApart counts who is in only one of the lists.
func votersApart(a, b []PeerID) (n int) {
	for _, p := range a {
		if !slices.Contains(b, p) {
			n++
		}
	}
	for _, p := range b {
		if !slices.Contains(a, p) {
			n++
		}
	}
	return n
}

// maxConfPeers bounds the members of a decoded configuration.
const maxConfPeers = 256

// Append encodes c behind dst: four lists, voters, outgoing, learners and
// joining, each a varint length and then the peers in 8 bytes, little endian.
func (c *ConfState) Append(dst []byte) []byte {
	for _, l := range [][]PeerID{c.Voters, c.Outgoing, c.Learners, c.Joining} {
		dst = binary.AppendUvarint(dst, uint64(len(l)))
		for _, p := range l {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(p))
		}
	}
	return dst
}

// DecodeConfState decodes what Append has encoded, which is all of b. Lists that
// are not sorted or hold None are an error.
func DecodeConfState(b []byte) (c ConfState, err error) {
	in, total := pack.NewReader(b), 0
	for _, l := range []*[]PeerID{&c.Voters, &c.Outgoing, &c.Learners, &c.Joining} {
		n := in.Count(8)
		if total += n; in.Bad() || total > maxConfPeers {
			return ConfState{}, fmt.Errorf("raft: configuration with a bad length")
		}
		if n > 0 {
			*l = make([]PeerID, n)
		}
		prev := None
		for i := range *l {
			p := PeerID(in.Uint64())
			if p <= prev {
				return ConfState{}, fmt.Errorf("raft: configuration out of order")
			}
			(*l)[i], prev = p, p
		}
	}
	if !in.End() {
		return ConfState{}, fmt.Errorf("raft: configuration with %d bytes too many", in.Len())
	}
	return c, nil
}
