package founding

import (
	"cmp"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Founding is one server's part in it. It belongs to one goroutine.
type Founding struct {
	self  raft.PeerID
	saved State
	// proposal is the newest, visible what is seen now.
	proposal, visible view
	heard             map[raft.PeerID]*Announcement
	out               Effects
}

// view is whom a server sees, itself included, in order.
type view struct {
	members []raft.PeerID
	// complete is whether there is somebody at each configured address.
	complete bool
}

func (v *view) equal(w *view) bool {
	return v.complete == w.complete && slices.Equal(v.members, w.members)
}

// State is what a server must not forget.
type State struct {
	// Attempt is that of the newest proposal.
	Attempt uint64
	// Locked is what the server has locked, nil if nothing.
	Locked Lock
	// Founded are the members with which the server has created the group, nil if it has
	// not.
	Founded []raft.PeerID
}

// Lock is a proposal that all its members have made, in the order of their IDs.
type Lock []Member

// Member is a server, and the attempt at which it made the proposal.
type Member struct {
	Peer    raft.PeerID
	Attempt uint64
}

// Announcement is what a server tells the others of itself.
type Announcement struct {
	From raft.PeerID
	// Attempt is that of the proposal of Members, which include the sender. Complete is
	// whether these are all that it was told of, and more.
	Attempt  uint64
	Members  []raft.PeerID
	Complete bool
	Locked   Lock
	// Founded are the members of the group that it has created, or is admitted to.
	Founded []raft.PeerID
}

// Effects are what has to be done, in this order.
type Effects struct {
	// Save has to be durable before anything else is done, nil if nothing has changed.
	Save *State
	// Announce says that there is something new to be told. It should also be told again
	// from time to time, and to each server that is seen anew.
	Announce bool
	// Create are the first members of the group, to be created now. Created has to be
	// called when that is durable.
	Create []raft.PeerID
	// Join says that there is a group without this server.
	Join bool
}

// New returns the part of a server with the state that it saved last. What it sees
// has to be told by See.
func New(self raft.PeerID, saved State) *Founding {
	f := &Founding{self: self, saved: saved, heard: make(map[raft.PeerID]*Announcement)}
	if saved.Locked != nil {
		f.proposal = view{saved.Locked.members(), true}
	}
	return f
}

// Announcement returns what is to be announced, once See was called. Nothing of it may be
// changed.
func (f *Founding) Announcement() Announcement {
	return Announcement{
		From: f.self, Attempt: f.saved.Attempt, Members: f.proposal.members, Complete: f.proposal.complete,
		Locked: f.saved.Locked, Founded: f.saved.Founded,
	}
}

// See takes whom the server is connected to, and whether there is somebody at each
// address that it was told of.
func (f *Founding) See(others []raft.PeerID, complete bool) Effects {
	f.visible = view{append(slices.Clone(others), f.self), complete}
	slices.Sort(f.visible.members)
	f.propose()
	return f.decide()
}

// Hear takes an announcement, and keeps it. One that is older than what was heard of its
// sender is ignored.
func (f *Founding) Hear(a *Announcement) Effects {
	if old := f.heard[a.From]; old != nil && older(a, old) {
		return Effects{}
	}
	f.heard[a.From] = a
	return f.decide()
}

// older reports whether a server said the one before the other.
func older(a, b *Announcement) bool {
	return cmp.Or(
		cmp.Compare(len(a.Founded), len(b.Founded)),
		cmp.Compare(a.Attempt, b.Attempt),
		cmp.Compare(len(a.Locked), len(b.Locked)),
	) < 0
}

// Created takes note that the group was created, or that this server was admitted to
// it.
func (f *Founding) Created(members []raft.PeerID) Effects {
	f.saved.Founded = slices.Clone(members)
	f.save()
	return f.done()
}

// Waiting returns who is seen and has not proposed the same yet.
func (f *Founding) Waiting() (list []raft.PeerID) {
	for _, peer := range f.visible.members {
		if _, ok := f.agrees(peer); !ok {
			list = append(list, peer)
		}
	}
	return list
}

// agrees reports whether a server proposes the same, at which attempt.
func (f *Founding) agrees(peer raft.PeerID) (attempt uint64, ok bool) {
	if peer == f.self {
		return f.saved.Attempt, f.proposal.complete
	}
	a := f.heard[peer]
	if a == nil || !a.Complete || !slices.Equal(a.Members, f.proposal.members) {
		return 0, false
	}
	return a.Attempt, true
}

// propose proposes what is seen, unless something is locked.
func (f *Founding) propose() {
	if f.saved.Founded != nil || f.saved.Locked != nil || f.proposal.equal(&f.visible) {
		return
	}
	f.proposal = f.visible
	f.saved.Attempt++
	f.save()
}

func (f *Founding) save() { f.out.Save, f.out.Announce = &f.saved, true }

// done returns what has come together.
func (f *Founding) done() Effects {
	out := f.out
	f.out = Effects{}
	if out.Save != nil {
		saved := *out.Save
		out.Save = &saved
	}
	return out
}

// decide does what follows from all that was seen and heard.
func (f *Founding) decide() Effects {
	if f.saved.Founded != nil {
		return f.done()
	}
	if f.saved.Locked != nil && f.isHopeless(f.saved.Locked) {
		f.saved.Locked = nil
		f.propose()
	}
	if f.saved.Locked == nil && !f.isFounded() {
		f.lock()
	}
	switch locked := f.saved.Locked; {
	case locked != nil && f.isLockedByAll(locked):
		f.out.Create = locked.members()
	case locked == nil && f.isFounded():
		f.out.Join = true
	}
	return f.done()
}

// isFounded reports whether somebody has the group.
func (f *Founding) isFounded() bool {
	for _, a := range f.heard {
		if a.Founded != nil {
			return true
		}
	}
	return false
}

// lock locks the proposal if all its members have made it.
func (f *Founding) lock() {
	var all Lock
	for _, peer := range f.proposal.members {
		attempt, ok := f.agrees(peer)
		if !ok {
			return
		}
		all = append(all, Member{peer, attempt})
	}
	f.saved.Locked = all
	f.save()
}

// isHopeless reports whether a member never will have locked it: it is past that, has a
// group of others, or is not there any more, but another one in its place.
func (f *Founding) isHopeless(l Lock) bool {
	for _, m := range l {
		if a := f.heard[m.Peer]; a != nil && (a.Founded == nil && a.Attempt > m.Attempt || a.Founded != nil && !slices.Equal(a.Founded, l.members())) {
			return true
		}
		for _, peer := range f.visible.members {
			if peer.Node() == m.Peer.Node() && peer != m.Peer {
				return true
			}
		}
	}
	return false
}

// isLockedByAll reports whether all members have locked it, or created the group by it.
func (f *Founding) isLockedByAll(l Lock) bool {
	for _, m := range l {
		if m.Peer == f.self {
			continue
		}
		a := f.heard[m.Peer]
		if a == nil || !slices.Equal(a.Locked, l) && !slices.Equal(a.Founded, l.members()) {
			return false
		}
	}
	return true
}

func (l Lock) members() (list []raft.PeerID) {
	for _, m := range l {
		list = append(list, m.Peer)
	}
	return list
}
