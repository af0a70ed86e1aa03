package jetstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/founding"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// Neighbours are the other servers of a cluster, as far as this one sees them.
type Neighbours interface {
	// Seen returns the nodes of the servers with JetStream that this one is connected to,
	// and whether there is somebody at each address that it was told of.
	Seen() (nodes []raft.NodeID, complete bool)
	// Watch has changed called when that may have become something else, by any goroutine,
	// until stop is called. It must not block.
	Watch(changed func()) (stop func())
}

// founder makes this server a member of the group of assets of its cluster: of the one
// that it founds together with others, or of the one that there is. What follows from what
// is seen and heard is decided by package founding.
type founder struct {
	e     *Engine
	rules *founding.Founding
	wake  chan struct{} // has room for one

	mu sync.Mutex
	// heard are the newest announcements that nobody has looked at.
	heard map[raft.PeerID]*founding.Announcement
	// admitted is set when this server's replica has become a member.
	admitted bool
	// out is set when the group has gone on without this server's replica.
	out bool

	// The rest belongs to run. peers are the servers by their nodes, founded the members of
	// a group that somebody else has.
	peers   map[raft.NodeID]raft.PeerID
	founded []raft.PeerID
	// member is whether this server is one, joined whether it has a replica, which may still
	// have to be admitted, known whether it is among
	// the group's servers. warned are those of whom something was said.
	member, joined, known bool
	warned                map[raft.PeerID]bool
	wg                    sync.WaitGroup
}

const (
	// foundingSubject is where servers tell each other, in the system account.
	foundingSubject = "$JSL.FOUND"
	foundingName    = "founding"
	// announceEvery is how often a server that is no member yet tells the others.
	announceEvery   = time.Second
	maxFoundingFile = 1 << 20
	// maxHeard bounds the announcements that wait: more servers than any cluster has.
	maxHeard = 1024
)

var foundingMagic = []byte("NLJSFOUN")

// openFounder reads what the server has noted. Nothing runs before start.
func openFounder(e *Engine) (*founder, error) {
	f := &founder{
		e: e, wake: make(chan struct{}, 1), heard: make(map[raft.PeerID]*founding.Announcement),
		peers: make(map[raft.NodeID]raft.PeerID), warned: make(map[raft.PeerID]bool),
	}
	if e.system == nil {
		return nil, errors.New("jetstream: servers of a cluster need a system account")
	}
	state, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	f.rules = founding.New(e.self(), state)
	f.member = state.Founded != nil
	return f, nil
}

// read reads the file. There is none before the first note.
func (f *founder) read() (founding.State, error) {
	path := f.e.path(foundingName)
	b, err := vfs.ReadFile(f.e.cfg.FS, path, maxFoundingFile)
	if errors.Is(err, fs.ErrNotExist) {
		return founding.State{}, nil
	}
	if err != nil {
		return founding.State{}, err
	}
	n := len(foundingMagic)
	if len(b) < n+4 || !bytes.HasPrefix(b, foundingMagic) || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[n+4:], castagnoli) {
		return founding.State{}, fmt.Errorf("%s: %w", path, errDamaged)
	}
	state, err := founding.DecodeState(b[n+4:])
	if err != nil {
		return founding.State{}, fmt.Errorf("%s: %w", path, err)
	}
	return state, nil
}

// save makes a note durable, however often it takes. It returns false if the engine stops
// before.
func (f *founder) save(s *founding.State) bool {
	content := s.Append(nil)
	b := binary.LittleEndian.AppendUint32(slices.Clone(foundingMagic), crc32.Checksum(content, castagnoli))
	b = append(b, content...)
	for {
		err := vfs.WriteFile(f.e.cfg.FS, f.e.path(foundingName), b)
		if err == nil {
			return true
		}
		f.e.cfg.Logger.Errorf("JetStream: noting who founds the group of assets: %v", err)
		if !f.e.pause(slowPause) {
			return false
		}
	}
}

// start opens the server's replica if it is here, and begins to see and hear.
func (f *founder) start() error {
	if _, f.joined = f.e.cfg.Log.Group(metaGroupID); f.joined {
		group, err := f.e.cfg.Host.Open(f.config())
		if err != nil {
			return err
		}
		f.e.meta.group = group
		close(f.e.meta.joined)
	}
	sub := &account.Subscription{Subject: foundingSubject, Handler: f.receive}
	if err := f.e.system.account.Subscribe(sub); err != nil {
		return err
	}
	unwatch := f.e.cfg.Neighbours.Watch(f.look)
	f.wg.Go(func() {
		f.run()
		unwatch()
		f.e.system.account.Unsubscribe(sub)
	})
	return nil
}

// stop waits until nothing of it runs any more. The engine's context has ended.
func (f *founder) stop() { f.wg.Wait() }

func (f *founder) config() host.GroupConfig {
	return host.GroupConfig{ID: metaGroupID, Machine: f.e.meta, Admits: f.admits}
}

// admits implements host.GroupConfig.Admits: who has introduced itself becomes a member.
func (f *founder) admits(p raft.PeerID, _ uint64) (known bool) {
	f.e.meta.view(func(s *meta.State) { known = s.Server(uint32(p.Node())) != nil })
	return known
}

// look has run look at what there is.
func (f *founder) look() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// receive takes an announcement.
func (f *founder) receive(m *account.Message) {
	a, err := founding.DecodeAnnouncement(m.Payload())
	if err != nil || a.From == f.e.self() {
		return
	}
	f.mu.Lock()
	// What one server says arrives in order.
	if _, known := f.heard[a.From]; known || len(f.heard) < maxHeard {
		f.heard[a.From] = a
	}
	f.mu.Unlock()
	f.look()
}

// isAdmitted takes note that the server's replica has become a member.
func (f *founder) isAdmitted() {
	f.mu.Lock()
	f.admitted = true
	f.mu.Unlock()
	f.look()
}

// isOut takes note that the group has gone on without the server's replica, which asks to be
// admitted: the server has to be known first.
func (f *founder) isOut() {
	f.mu.Lock()
	f.out = true
	f.mu.Unlock()
	f.look()
}

// run does what follows from what is seen and heard, until the engine stops.
func (f *founder) run() {
	switch {
	case f.joined && !f.member:
		if !f.recall() {
			return
		}
	case !f.joined && f.member:
		f.beginAgain()
	}
	for {
		f.mu.Lock()
		heard, admitted, out := f.heard, f.admitted, f.out
		f.heard, f.out = make(map[raft.PeerID]*founding.Announcement), false
		f.mu.Unlock()
		asked := false
		for _, a := range heard {
			f.peers[a.From.Node()] = a.From
			asked = asked || a.Founded == nil
			f.compare(a)
		}
		others, complete := f.others()
		effects := []founding.Effects{f.rules.See(others, complete)}
		for _, a := range heard {
			effects = append(effects, f.rules.Hear(a))
		}
		if admitted && !f.member && f.founded != nil {
			effects = append(effects, f.rules.Created(f.founded))
			f.member = true
		}
		for i := range effects {
			if !f.carryOut(&effects[i]) {
				return
			}
		}
		if asked && f.member {
			f.announce()
		}
		if out {
			f.known = false
		}
		if f.joined && !f.known {
			if f.known = f.e.isMember(); !f.known {
				f.e.introduce()
			}
		}
		if !f.sleep() {
			return
		}
	}
}

// sleep waits until there is something new, or it is time to announce again. It returns
// false if the engine stops.
func (f *founder) sleep() bool {
	var again <-chan time.Time
	if !f.member || !f.known {
		t := f.e.cfg.Clock.NewTimer(announceEvery)
		defer t.Stop()
		again = t.C()
	}
	select {
	case <-f.wake:
	case <-again:
		if !f.member {
			f.announce()
		}
	case <-f.e.ctx.Done():
		return false
	}
	return true
}

// others returns whom the server sees, as far as they have said who they are.
func (f *founder) others() (peers []raft.PeerID, complete bool) {
	nodes, complete := f.e.cfg.Neighbours.Seen()
	for _, n := range nodes {
		p, ok := f.peers[n]
		if !ok {
			complete = false
			continue
		}
		peers = append(peers, p)
	}
	return peers, complete
}

// beginAgain begins the part in a group of which the server knows and has nothing. If it has
// founded it with the log that there is, nothing of that was durable before a crash, so that the
// server has promised nobody anything. Otherwise the log is a new one, and the server
// somebody else to the group.
func (f *founder) beginAgain() {
	founded, cfg := f.rules.Announcement().Founded, f.config()
	if slices.Contains(founded, f.e.self()) {
		cfg.Peers = founded
		f.joined = f.begin(f.e.cfg.Host.Create, cfg)
		return
	}
	for _, p := range founded {
		cfg.Contacts = append(cfg.Contacts, p.Node())
	}
	f.joined = f.begin(f.e.cfg.Host.Join, cfg)
}

// recall finds out with whom the group was founded whose replica is here, if that was not
// noted any more, or was not by a server that was alone. It returns false if the engine
// stops.
func (f *founder) recall() bool {
	st := f.e.meta.group.Status()
	members := slices.Clone(st.Conf.Voters)
	if !slices.Contains(members, f.e.meta.group.Self()) {
		return true // it has asked to be admitted
	}
	slices.Sort(members)
	f.member = true
	out := f.rules.Created(members)
	return f.save(out.Save)
}

// compare looks at the group that another server has.
func (f *founder) compare(a *founding.Announcement) {
	own := f.rules.Announcement().Founded
	if a.Founded == nil {
		return
	}
	if own == nil {
		f.founded = a.Founded
		return
	}
	common := slices.ContainsFunc(own, func(p raft.PeerID) bool { return slices.Contains(a.Founded, p) })
	if !common && !f.warned[a.From] {
		f.warned[a.From] = true
		f.e.cfg.Logger.Errorf("JetStream: server %d belongs to another group of assets: their streams stay apart until one of them is emptied", a.From.Node())
		f.announce() // that one need not have heard of this server's
	}
}

// carryOut does what was decided. It returns false if the engine stops.
func (f *founder) carryOut(out *founding.Effects) bool {
	if out.Save != nil && !f.save(out.Save) {
		return false
	}
	if out.Announce {
		f.announce()
	}
	cfg := f.config()
	switch {
	case f.joined:
		return true
	case out.Create != nil:
		cfg.Peers, cfg.Campaign = out.Create, slices.Min(out.Create) == f.e.self()
		if f.joined = f.begin(f.e.cfg.Host.Create, cfg); !f.joined {
			return true
		}
		f.e.cfg.Logger.Noticef("JetStream: the group of assets is founded by %d servers", len(out.Create))
		created := f.rules.Created(out.Create)
		f.member = true
		return f.carryOut(&created)
	case out.Join:
		for _, p := range f.founded {
			cfg.Contacts = append(cfg.Contacts, p.Node())
		}
		for n := range f.peers {
			cfg.Contacts = append(cfg.Contacts, n)
		}
		slices.Sort(cfg.Contacts)
		cfg.Contacts = slices.Compact(cfg.Contacts)
		f.joined = f.begin(f.e.cfg.Host.Join, cfg)
	}
	return true
}

// begin begins the server's part in the group. It may be tried again if that fails.
func (f *founder) begin(how func(host.GroupConfig) (*host.Group, error), cfg host.GroupConfig) bool {
	group, err := how(cfg)
	if err != nil {
		f.e.cfg.Logger.Errorf("JetStream: beginning a part in the group of assets: %v", err)
		return false
	}
	f.e.meta.group = group
	close(f.e.meta.joined)
	return true
}

// announce tells the others.
func (f *founder) announce() {
	a := f.rules.Announcement()
	f.e.system.account.Publish(account.NewMessage(foundingSubject, a.Append(nil)))
}
