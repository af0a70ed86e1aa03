package rafttest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// View is what a Checker sees of a running replica. *raft.Raft is one.
type View interface {
	ID() raft.PeerID
	Role() raft.Role
	Term() raft.Term
	Committed() raft.Index
	LastIndex() raft.Index
	// EntryTerm returns raft.ErrCompacted for entries the log no longer has.
	EntryTerm(raft.Index) (raft.Term, error)
	Conf() *raft.ConfState
}

// Violation is a promise of raft's that was broken.
type Violation struct {
	// Invariant names the promise.
	Invariant string
	// Peer is the replica where it showed.
	Peer   raft.PeerID
	Detail string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s is violated at %s: %s", v.Invariant, Name(v.Peer), v.Detail)
}

// The invariants by name.
const (
	ElectionSafety     = "election safety (a term has one leader)"
	LeaderAppendOnly   = "leader append-only (a leader never drops its own entries)"
	LogMatching        = "log matching (same index and term, same log up to there)"
	LeaderCompleteness = "leader completeness (what is committed is in the log of every later leader)"
	StateMachineSafety = "state machine safety (same index, same entry applied everywhere)"
	CommitRule         = "commit rule (a leader commits by an entry of its own term, unless it is alone)"
	ConfRule           = "configuration rule (a leader proposes one after it has committed an entry of its own term)"
	CommittedPrefix    = "committed prefix (what is committed never changes)"
	Monotony           = "monotony (term and commit index never go back within a life)"
	QuorumDurable      = "durable quorum (what is committed is on the disks of a majority)"
	DurablePromise     = "durable promise (votes and acknowledgements leave after they are durable)"
	OneVote            = "one vote (a replica votes once in a term)"
	Admission          = "admission (a replica that may have forgotten takes part after it was admitted, as a new peer)"
	Recovery           = "recovery (a replica comes back with what was durable, all of it and nothing else)"
)

// Checker watches all replicas of one group over all of a run. Its methods are
// told what happens, in the order in which it does, and return a *Violation if
// that must not be:
//
//	Found    a disk with a replica's state before the run, if any
//	Started  the replica runs, on what its disk has
//	Step     the replica has done something
//	Handed   it has handed an Append to its disk ...
//	Stored   ... which is durable now
//	Sent     it has sent a message
//	Applied, Restored, Digest    its state machine has moved
//	Stopped  it has crashed
//	Forgotten  it has lost its disk, and is not to be heard of again
//
// The checks are cheap enough for every step: log matching, for one, is checked by
// induction on the entries that are new.
type Checker struct {
	peers    map[raft.PeerID]*record
	order    []*record
	leaders  map[raft.Term]raft.PeerID
	admitted map[raft.PeerID]bool
	votes    map[ballot]raft.PeerID // that were durable at some time
	// entries holds, for each index, all entries that some log has held there;
	// they differ in term.
	entries [][]knownEntry
	// committed and digests are by index, from 1.
	committed []commit
	digests   []digest
}

type ballot struct {
	peer raft.PeerID
	term raft.Term
}

type knownEntry struct {
	raft.Entry
	// prev is the term of the entry before, if known is set.
	prev  raft.Term
	known bool
}

// commit is the term of an entry that is committed, and the term of the leader
// that has committed it.
type commit struct {
	term, in raft.Term
}

type digest struct {
	set   bool
	value uint64
}

// record is what is known of one peer.
type record struct {
	id   raft.PeerID
	view View // nil while it is down
	gone bool
	// Of this life:
	term    raft.Term
	role    raft.Role
	last    raft.Index
	commit  raft.Index
	applied raft.Index
	conf    raft.ConfState
	// Durable:
	hard  raft.HardState
	base  raft.Base
	terms []raft.Term // of the entries behind base
}

// holds reports whether the disk has the entry. What is below the base is
// committed.
func (p *record) holds(i raft.Index, t raft.Term) bool {
	switch {
	case i <= p.base.Index:
		return true
	case i > p.lastDurable():
		return false
	}
	return p.terms[i-p.base.Index-1] == t
}

func (p *record) lastDurable() raft.Index { return p.base.Index + raft.Index(len(p.terms)) }

// NewChecker returns one for a new group.
func NewChecker() *Checker {
	return &Checker{
		peers: make(map[raft.PeerID]*record), leaders: make(map[raft.Term]raft.PeerID),
		admitted: make(map[raft.PeerID]bool), votes: make(map[ballot]raft.PeerID),
	}
}

func (c *Checker) record(id raft.PeerID) *record {
	p := c.peers[id]
	if p == nil {
		p = &record{id: id}
		c.peers[id] = p
		c.order = append(c.order, p)
	}
	return p
}

// Found tells what a replica has on its disk, before its first start. A group
// begins with one base at all its members; peers in its configuration need no
// further admission.
func (c *Checker) Found(id raft.PeerID, hard raft.HardState, base raft.Base, ents []raft.Entry) error {
	p := c.record(id)
	p.hard, p.base, p.terms = hard, base, nil
	c.admit(&base.Conf)
	prev := base.Term
	for n := range ents {
		if err := c.learn(id, &ents[n], prev, true); err != nil {
			return err
		}
		prev = ents[n].Term
		p.terms = append(p.terms, prev)
	}
	return nil
}

func (c *Checker) admit(conf *raft.ConfState) {
	for _, l := range [][]raft.PeerID{conf.Voters, conf.Outgoing, conf.Learners, conf.Joining} {
		for _, id := range l {
			c.admitted[id] = true
		}
	}
}

// Started tells that a replica runs. Its state machine stands at applied.
func (c *Checker) Started(v View, applied raft.Index) error {
	p := c.record(v.ID())
	if p.gone {
		return &Violation{Admission, p.id, "it runs again under the name that it had before it forgot"}
	}
	c.unlead(p)
	p.view, p.term, p.role, p.commit, p.applied = v, 0, raft.Follower, 0, applied
	p.last, p.conf = v.LastIndex(), *v.Conf()
	if v.Term() < p.hard.Term {
		return &Violation{Recovery, p.id, fmt.Sprintf("term %d, and %d is durable", v.Term(), p.hard.Term)}
	}
	if v.LastIndex() != p.lastDurable() {
		return &Violation{Recovery, p.id, fmt.Sprintf("its log ends at %d, and on disk at %d", v.LastIndex(), p.lastDurable())}
	}
	for i := p.base.Index + 1; i <= v.LastIndex(); i++ {
		if t, err := v.EntryTerm(i); err == nil && !p.holds(i, t) {
			return &Violation{Recovery, p.id, fmt.Sprintf("entry %d is of term %d, and not so on disk", i, t)}
		}
	}
	return c.Step(v)
}

// unlead takes back a term that a replica led in its last life, if that never
// became durable: nobody has heard of it (Sent), so it may be led once more.
func (c *Checker) unlead(p *record) {
	if p.term <= p.hard.Term || c.leaders[p.term] != p.id {
		return
	}
	delete(c.leaders, p.term)
	for i := range c.entries {
		c.entries[i] = slices.DeleteFunc(c.entries[i], func(k knownEntry) bool { return k.Term == p.term })
	}
}

// Stopped tells that a replica does not run any more.
func (c *Checker) Stopped(id raft.PeerID) { c.record(id).view = nil }

// Forgotten tells that a replica's disk is lost. It may come back under another
// PeerID. As far as raft is concerned it has stopped for ever, and keeps what it
// had.
func (c *Checker) Forgotten(id raft.PeerID) {
	p := c.record(id)
	p.view, p.gone = nil, true
}

// Step looks at a running replica.
func (c *Checker) Step(v View) error {
	p := c.record(v.ID())
	term, role, last, commit := v.Term(), v.Role(), v.LastIndex(), v.Committed()
	if term < p.term {
		return &Violation{Monotony, p.id, fmt.Sprintf("term %d after %d", term, p.term)}
	}
	if commit < p.commit {
		return &Violation{Monotony, p.id, fmt.Sprintf("commit index %d after %d", commit, p.commit)}
	}
	if commit > last {
		return &Violation{CommittedPrefix, p.id, fmt.Sprintf("commit index %d in a log that ends at %d", commit, last)}
	}
	if role == raft.Leader {
		if p.role == raft.Leader && p.term == term && last < p.last {
			return &Violation{LeaderAppendOnly, p.id, fmt.Sprintf("log ends at %d after %d", last, p.last)}
		}
		if err := c.leads(p, v); err != nil {
			return err
		}
	}
	if commit > p.commit {
		if err := c.commits(p, v, commit); err != nil {
			return err
		}
	}
	p.term, p.role, p.last, p.commit, p.conf = term, role, last, commit, *v.Conf()
	return nil
}

// leads checks a replica that is a leader.
func (c *Checker) leads(p *record, v View) error {
	term := v.Term()
	switch first := c.leaders[term]; first {
	case p.id:
		return nil
	case raft.None:
		c.leaders[term] = p.id
	default:
		return &Violation{ElectionSafety, p.id, fmt.Sprintf("leads term %d, and %s has led it", term, Name(first))}
	}
	if !c.admitted[p.id] {
		return &Violation{Admission, p.id, fmt.Sprintf("leads term %d and is in no configuration", term)}
	}
	// The last that was committed before; log matching answers for the others.
	for i := len(c.committed); i > 0; i-- {
		if at := c.committed[i-1]; at.in < term {
			return c.complete(v, raft.Index(i), at)
		}
	}
	return nil
}

// complete checks that a leader has an entry.
func (c *Checker) complete(v View, i raft.Index, at commit) error {
	t, err := v.EntryTerm(i)
	if err == nil && t == at.term || errors.Is(err, raft.ErrCompacted) && v.Committed() >= i {
		return nil
	}
	return &Violation{LeaderCompleteness, v.ID(), fmt.Sprintf("leads term %d without %d/%d, committed in term %d", v.Term(), i, at.term, at.in)}
}

// commits checks a commit index that has risen.
func (c *Checker) commits(p *record, v View, to raft.Index) error {
	known := raft.Index(len(c.committed))
	for i := p.commit + 1; i <= to; i++ {
		t, err := v.EntryTerm(i)
		switch {
		case errors.Is(err, raft.ErrCompacted):
			if i > known {
				return &Violation{CommittedPrefix, p.id, fmt.Sprintf("entry %d is dropped and nobody has committed it", i)}
			}
		case err != nil:
			return fmt.Errorf("%s: committed entry %d: %w", Name(p.id), i, err)
		case i <= known:
			if was := c.committed[i-1].term; was != t {
				return &Violation{CommittedPrefix, p.id, fmt.Sprintf("commits %d/%d, and %d/%d is committed", i, t, i, was)}
			}
		default:
			c.committed = append(c.committed, commit{t, v.Term()})
		}
	}
	if to <= known {
		return nil
	}
	at := c.committed[to-1]
	if !c.onQuorum(&p.conf, to, at.term) && !c.onQuorum(v.Conf(), to, at.term) {
		return &Violation{QuorumDurable, p.id, fmt.Sprintf("commits %d/%d, which no majority of %s has on disk", to, at.term, confName(v.Conf()))}
	}
	if peers := v.Conf().Peers(); v.Role() == raft.Leader && at.term != v.Term() && (len(peers) > 1 || peers[0] != v.ID()) {
		return &Violation{CommitRule, p.id, fmt.Sprintf("leads term %d, and commits up to %d/%d", v.Term(), to, at.term)}
	}
	for _, o := range c.order {
		if o.view != nil && o.view.Role() == raft.Leader && o.view.Term() > at.in {
			if err := c.complete(o.view, to, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// onQuorum reports whether the disks of a majority, of both if there are two,
// have an entry. Disks that were lost meanwhile count: they had it when it was
// acknowledged.
func (c *Checker) onQuorum(conf *raft.ConfState, i raft.Index, t raft.Term) bool {
	majority := func(voters []raft.PeerID) bool {
		n := 0
		for _, id := range voters {
			if c.record(id).holds(i, t) {
				n++
			}
		}
		return 2*n > len(voters)
	}
	return majority(conf.Voters) && (len(conf.Outgoing) == 0 || majority(conf.Outgoing))
}

// learn takes note of an entry in a peer's log, behind one of term prev.
func (c *Checker) learn(id raft.PeerID, e *raft.Entry, prev raft.Term, known bool) error {
	for raft.Index(len(c.entries)) <= e.Index {
		c.entries = append(c.entries, nil)
	}
	for n := range c.entries[e.Index] {
		k := &c.entries[e.Index][n]
		if k.Term != e.Term {
			continue
		}
		if k.Type != e.Type || !bytes.Equal(k.Data, e.Data) {
			return &Violation{LogMatching, id, fmt.Sprintf("holds %s, and another holds %s", entryName(e), entryName(&k.Entry))}
		}
		if known && k.known && k.prev != prev {
			return &Violation{LogMatching, id, fmt.Sprintf("holds %s behind an entry of term %d, and another behind one of term %d", entryName(e), prev, k.prev)}
		}
		if known {
			k.prev, k.known = prev, true
		}
		return nil
	}
	if e.Type == raft.EntryConf {
		conf, err := raft.DecodeConfState(e.Data)
		if err != nil {
			return fmt.Errorf("%s: entry %d: %w", Name(id), e.Index, err)
		}
		c.admit(&conf)
	}
	c.entries[e.Index] = append(c.entries[e.Index], knownEntry{*e, prev, known})
	return nil
}

// Handed tells that a replica has handed an Append to its disk.
func (c *Checker) Handed(v View, a *raft.Append) error {
	if len(a.Entries) == 0 {
		return nil
	}
	p := c.record(v.ID())
	first := a.Entries[0].Index
	if first <= p.applied {
		return &Violation{CommittedPrefix, p.id, fmt.Sprintf("replaces %d, and %d is applied", first, p.applied)}
	}
	prev, err := v.EntryTerm(first - 1)
	known := err == nil
	for n := range a.Entries {
		if e := &a.Entries[n]; e.Type == raft.EntryConf && v.Role() == raft.Leader && e.Term == v.Term() {
			if t, err := v.EntryTerm(v.Committed()); err == nil && t != e.Term {
				return &Violation{ConfRule, p.id, fmt.Sprintf("leads term %d, has committed %d/%d, and proposes %s", e.Term, v.Committed(), t, entryName(e))}
			}
		}
		if err := c.learn(p.id, &a.Entries[n], prev, known); err != nil {
			return err
		}
		prev, known = a.Entries[n].Term, true
	}
	return nil
}

// Stored tells that an Append is durable. A host that makes a new beginning of a
// log whose state machine is ahead of it tells so in the same way.
func (c *Checker) Stored(id raft.PeerID, a *raft.Append) error {
	p := c.record(id)
	if h := a.Hard; h != nil {
		if h.Term < p.hard.Term {
			return &Violation{Monotony, id, fmt.Sprintf("makes term %d durable after %d", h.Term, p.hard.Term)}
		}
		if h.Vote != raft.None {
			b := ballot{id, h.Term}
			if was := c.votes[b]; was != raft.None && was != h.Vote {
				return &Violation{OneVote, id, fmt.Sprintf("votes in term %d for %s and for %s", h.Term, Name(was), Name(h.Vote))}
			}
			c.votes[b] = h.Vote
		}
		p.hard = *h
	}
	if a.Base != nil {
		p.base, p.terms = *a.Base, nil
	}
	for n := range a.Entries {
		e := &a.Entries[n]
		if e.Index <= p.base.Index || e.Index > p.lastDurable()+1 {
			return fmt.Errorf("%s: entry %d does not fit a disk with entries from %d to %d", Name(id), e.Index, p.base.Index+1, p.lastDurable())
		}
		p.terms = append(p.terms[:e.Index-p.base.Index-1], e.Term)
	}
	return nil
}

// Sent tells that a message leaves its sender.
func (c *Checker) Sent(m *raft.Message) error {
	p := c.record(m.From)
	if p.gone {
		return &Violation{Admission, p.id, fmt.Sprintf("sends %v after it has forgotten", m.Type)}
	}
	promise := false
	switch m.Type {
	case raft.MsgVote:
		promise = true
		if c.votes[ballot{m.From, m.Term}] != m.From {
			return &Violation{DurablePromise, p.id, fmt.Sprintf("asks for votes in term %d before its own is durable", m.Term)}
		}
	case raft.MsgApp, raft.MsgHeartbeat, raft.MsgQuiesce, raft.MsgTimeoutNow:
		if c.votes[ballot{m.From, m.Term}] != m.From {
			return &Violation{DurablePromise, p.id, fmt.Sprintf("leads term %d aloud before its own vote is durable", m.Term)}
		}
	case raft.MsgPreVoteResp:
		promise = !m.Reject
	case raft.MsgVoteResp:
		promise = !m.Reject
		if promise && c.votes[ballot{m.From, m.Term}] != m.To {
			return &Violation{DurablePromise, p.id, fmt.Sprintf("votes for %s in term %d before that is durable", Name(m.To), m.Term)}
		}
	case raft.MsgAppResp:
		promise = !m.Reject
		if promise && p.lastDurable() < m.Index {
			return &Violation{DurablePromise, p.id, fmt.Sprintf("acknowledges %d, and %d is durable", m.Index, p.lastDurable())}
		}
		if promise && p.hard.Term < m.Term {
			return &Violation{DurablePromise, p.id, fmt.Sprintf("acknowledges an entry in term %d, and term %d is durable", m.Term, p.hard.Term)}
		}
	}
	if promise && !c.admitted[m.From] {
		return &Violation{Admission, p.id, fmt.Sprintf("sends %v and is in no configuration", m.Type)}
	}
	return nil
}

// Applied tells that a replica's state machine has applied an entry.
func (c *Checker) Applied(id raft.PeerID, e *raft.Entry) error {
	p := c.record(id)
	if e.Index != p.applied+1 {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("applies %d behind %d", e.Index, p.applied)}
	}
	if e.Index > p.commit {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("applies %d, and has committed %d", e.Index, p.commit)}
	}
	if t := c.committed[e.Index-1].term; t != e.Term {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("applies %s, and %d/%d is committed", entryName(e), e.Index, t)}
	}
	// What it holds, as opposed to where, is compared with everybody's.
	if err := c.learn(id, e, 0, false); err != nil {
		return err
	}
	p.applied = e.Index
	return nil
}

// Restored tells that a state machine has been given the state as of a base.
func (c *Checker) Restored(id raft.PeerID, base raft.Base) error {
	p := c.record(id)
	if base.Index <= p.applied {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("goes back from %d to %d", p.applied, base.Index)}
	}
	if base.Index > raft.Index(len(c.committed)) {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("is given a state at %d, and %d is committed", base.Index, len(c.committed))}
	}
	if t := c.committed[base.Index-1].term; t != base.Term {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("is given a state at %d/%d, and %d/%d is committed", base.Index, base.Term, base.Index, t)}
	}
	p.applied = base.Index
	return nil
}

// Digest tells the digest of a state machine's state after it has applied an
// index.
func (c *Checker) Digest(id raft.PeerID, i raft.Index, value uint64) error {
	for raft.Index(len(c.digests)) <= i {
		c.digests = append(c.digests, digest{})
	}
	d := &c.digests[i]
	if d.set && d.value != value {
		return &Violation{StateMachineSafety, id, fmt.Sprintf("its state after %d is %x, and another's is %x", i, value, d.value)}
	}
	*d = digest{true, value}
	return nil
}

// Committed returns the highest index that some replica has committed.
func (c *Checker) Committed() raft.Index { return raft.Index(len(c.committed)) }

// CommittedTerm returns the term of an entry up to Committed.
func (c *Checker) CommittedTerm(i raft.Index) raft.Term { return c.committed[i-1].term }

// Admitted reports whether a peer is or was in a configuration.
func (c *Checker) Admitted(id raft.PeerID) bool { return c.admitted[id] }
