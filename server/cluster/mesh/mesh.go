package mesh

import (
	"cmp"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
)

// Mesh knows the other servers and the links to them.
type Mesh struct {
	cfg   Config
	self  Server
	rand  *rand.Rand
	links map[LinkID]*link
	peers map[string]*peer // by ID
	// targets are by address.
	targets map[string]*target
	// calls counts dials, so that of two the later one is known.
	calls uint64
	// retell is when all are told of all again.
	retell int64
}

// Config is what a Mesh is to be like.
type Config struct {
	// Self is this server. ID, Name and Cluster must not be empty.
	Self Server
	// Routes are the configured addresses of others.
	Routes []string
	// Retries is how often an address that was heard of is dialled again.
	Retries int
	// Interval is the time between two attempts in nanoseconds. With Backoff it
	// grows up to BackoffLimit.
	Interval int64
	Backoff  bool
	// Rand spreads attempts.
	Rand *rand.Rand
}

// BackoffLimit is the longest time between two attempts, in nanoseconds.
const BackoffLimit = int64(30e9)

// RetellInterval is how often all are told of all again, in nanoseconds: two that have lost
// each other, and have given up, learn that the other is still there.
const RetellInterval = int64(30e9)

// Server is what a server says of itself.
type Server struct {
	// ID is that of the process, Name that of the server.
	ID, Name string
	// Cluster is the name of the cluster; Dynamic says that it was made up.
	Cluster string
	Dynamic bool
	// PoolSize is how many links accounts share, at least 1; Accounts have one of their
	// own, if the other end has them as well.
	PoolSize int
	Accounts []string
	// Addr is where others may dial it, "" if nobody can.
	Addr string
	// Node is its number in raft groups, 0 if it has no part in any. Nothing here goes by it.
	Node uint32
}

// Slot is a place for a link: one of the pool, or that of an account.
type Slot struct {
	Index   int
	Account string
}

// mainSlot is that of the main link.
var mainSlot = Slot{}

// LinkID names a link, as long as it lasts.
type LinkID uint64

// Arrival is a link that is up, with what the other end said of itself.
type Arrival struct {
	Link LinkID
	Peer Server
	Slot Slot
	// Dialled is the dial that it came of, nil if it was accepted.
	Dialled *Dial
	// Call is the number of the dial, as who dialled counts them.
	Call uint64
}

// Dial is a link to be made.
type Dial struct {
	Addr string
	Slot Slot
	// Call is its number, which the other end has to be told.
	Call uint64
	// Attempt counts from 1; Configured says that the address is.
	Attempt    int
	Configured bool
	// peer is who has to be there, "" for anybody.
	peer string
}

// Close is a link to be closed.
type Close struct {
	Link LinkID
	Why  error
}

// Tell is a server that the other end of a link has to hear of.
type Tell struct {
	Link  LinkID
	About Server
}

// Effects are what has to be done, in this order.
type Effects struct {
	Closes []Close
	// Suspects are links whose other ends may have been gone for a while: each has to be
	// asked for a sign of life, and closed if none comes soon.
	Suspects []LinkID
	// Renamed is the name that the cluster has from now on, "" if it stays. All other ends
	// have to hear of it.
	Renamed string
	// Gone and Joined are servers whose main links have ended and begun.
	Gone, Joined []Server
	Tells        []Tell
	Dials        []Dial
}

// link is a link that is up.
type link struct {
	id   LinkID
	to   *peer
	slot Slot
	// dialled is the dial, nil if it was accepted.
	dialled *Dial
	call    uint64
}

// peer is another server, while there is a link to it.
type peer struct {
	Server
	links map[Slot]*link
}

// New returns a mesh of one. Poll has to be called.
func New(cfg Config) *Mesh {
	m := &Mesh{
		cfg: cfg, self: cfg.Self, rand: cfg.Rand,
		links: make(map[LinkID]*link), peers: make(map[string]*peer), targets: make(map[string]*target),
	}
	m.Configure(cfg.Routes)
	return m
}

// Self returns this server, whose cluster may have got another name.
func (m *Mesh) Self() Server { return m.self }

// Peers returns the servers with a main link, by name.
func (m *Mesh) Peers() []Server {
	var list []Server
	for _, p := range m.peers {
		if p.links[mainSlot] != nil {
			list = append(list, p.Server)
		}
	}
	slices.SortFunc(list, func(a, b Server) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Peer returns a server that there is a link to, by its ID.
func (m *Mesh) Peer(id string) (Server, bool) {
	if p := m.peers[id]; p != nil {
		return p.Server, true
	}
	return Server{}, false
}

// Complete reports whether somebody is there at each configured address. Where this server
// itself listens, nobody else is to be.
func (m *Mesh) Complete() bool {
	for _, t := range m.targets {
		if t.configured && !t.self && !m.isTogether(t.server) {
			return false
		}
	}
	return true
}

// LinkFor returns the link for what an account has for a server, if it is up.
func (m *Mesh) LinkFor(id, account string) (LinkID, bool) {
	if p := m.peers[id]; p != nil {
		if l := p.links[m.slotFor(&p.Server, account)]; l != nil {
			return l.id, true
		}
	}
	return 0, false
}

// slotFor returns where the messages of an account go.
func (m *Mesh) slotFor(s *Server, account string) Slot { return SlotFor(&m.self, s, account) }

// SlotFor returns where the messages of an account go between two servers. Both come to
// the same.
func SlotFor(a, b *Server, account string) Slot {
	if slices.Contains(a.Accounts, account) && slices.Contains(b.Accounts, account) {
		return Slot{Account: account}
	}
	h := fnv.New32a()
	h.Write([]byte(account))
	return Slot{Index: int(h.Sum32() % uint32(poolSize(a, b)))}
}

func (m *Mesh) poolSize(s *Server) int { return poolSize(&m.self, s) }

func poolSize(a, b *Server) int { return max(1, min(a.PoolSize, b.PoolSize)) }

// isUsed reports whether there may be a link for a slot.
func (m *Mesh) isUsed(s *Server, slot Slot) bool {
	if slot.Account != "" {
		return slot.Index == 0 && slices.Contains(m.self.Accounts, slot.Account) && slices.Contains(s.Accounts, slot.Account)
	}
	return slot.Index >= 0 && slot.Index < m.poolSize(s)
}

// Arrived takes a link that is up. If it must not stay it is among the effects' Closes.
func (m *Mesh) Arrived(a *Arrival, now int64) (e Effects) {
	if err := m.admit(a, &e); err != nil {
		m.refused(a, err, now)
		e.Closes = append(e.Closes, Close{a.Link, err})
		return e
	}
	p := m.peers[a.Peer.ID]
	if p == nil {
		p = &peer{links: make(map[Slot]*link)}
		m.peers[a.Peer.ID] = p
	}
	l := &link{id: a.Link, to: p, slot: a.Slot, dialled: a.Dialled, call: a.Call}
	old := p.links[a.Slot]
	if old != nil && !m.replaces(l, old) {
		m.reached(l)
		e.Closes = append(e.Closes, Close{a.Link, ErrDuplicate})
		return e
	}
	if a.Slot == mainSlot || p.links[mainSlot] == nil {
		p.Server = a.Peer // else there may have been news by the main link meanwhile
	}
	p.links[a.Slot], m.links[a.Link] = l, l
	m.reached(l)
	if old != nil {
		delete(m.links, old.id)
		e.Closes = append(e.Closes, Close{old.id, ErrDuplicate})
	}
	if a.Slot != mainSlot {
		return e
	}
	if old == nil {
		e.Joined = append(e.Joined, p.Server)
		m.introduce(l, &e)
	}
	m.dialOthers(p, now, &e)
	return e
}

// replaces reports whether a link takes the place of another one to the same server and
// for the same slot.
func (m *Mesh) replaces(fresh, old *link) bool {
	ours, theirs := fresh.dialled != nil, old.dialled != nil
	if ours == theirs {
		return fresh.call > old.call
	}
	return ours == (m.self.ID < fresh.to.ID)
}

// introduce tells a server that has joined of all others, and those of it.
func (m *Mesh) introduce(l *link, e *Effects) {
	for _, other := range m.mainLinks() {
		if other != l {
			e.tell(other, l.to)
			e.tell(l, other.to)
		}
	}
}

// retellAll tells all of all.
func (m *Mesh) retellAll(e *Effects) {
	mains := m.mainLinks()
	for _, l := range mains {
		for _, other := range mains {
			if other != l {
				e.tell(l, other.to)
			}
		}
	}
}

func (e *Effects) tell(l *link, about *peer) {
	if about.Addr != "" {
		e.Tells = append(e.Tells, Tell{l.id, about.Server})
	}
}

func (m *Mesh) mainLinks() (list []*link) {
	for _, id := range slices.Sorted(maps.Keys(m.peers)) {
		if l := m.peers[id].links[mainSlot]; l != nil {
			list = append(list, l)
		}
	}
	return list
}

// Changed takes what the other end of a link says of itself anew.
func (m *Mesh) Changed(id LinkID, s *Server) (e Effects) {
	l := m.links[id]
	if l == nil || s.ID != l.to.ID {
		return e
	}
	if err := m.agree(s, &e); err != nil {
		e.Closes = append(e.Closes, Close{id, err})
		return e
	}
	l.to.Server = *s
	return e
}

// Left takes note that a link has ended, also one that was to be closed.
func (m *Mesh) Left(id LinkID, now int64) (e Effects) {
	l := m.links[id]
	if l == nil {
		return e
	}
	delete(m.links, id)
	p := l.to
	delete(p.links, l.slot)
	if len(p.links) == 0 {
		delete(m.peers, p.ID)
	}
	if l.slot != mainSlot {
		if main := p.links[mainSlot]; main != nil {
			m.redial(main, l.slot, now)
		}
		return e
	}
	e.Gone = append(e.Gone, p.Server)
	m.lost(p, now)
	return e
}
