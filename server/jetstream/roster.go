package jetstream

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// roster is how a server sees the others of its cluster, as far as that is not agreed on: who
// can be reached, and what room each says that it has. Whoever chooses servers goes by
// that, so every server keeps one: a new leader of the assets has it at once.
type roster struct {
	e     *Engine
	began time.Time
	wake  chan struct{} // has room for one

	mu sync.Mutex
	// heard are the newest reports of others, by node.
	heard map[uint32]*heardReport
	// due is set when this server is to report, asking when the others are, too.
	due, asking bool
}

// report is what a server says of itself (docs/formats/server-report.md).
type report struct {
	Node uint32 `json:"node"`
	// Memory and File bound what may be reserved there, in bytes; -1 is no bound.
	Memory int64 `json:"memory"`
	File   int64 `json:"file"`
	// Ask wants all others to report, too.
	Ask bool `json:"ask,omitempty"`
}

type heardReport struct {
	report
	at time.Time
}

const (
	// reports is where servers report, in the system account.
	reports = "$JSL.STAT"
	// reportEvery is how often a server reports although nothing has changed. That is how
	// long it takes at the most until all know of it what was lost on its way.
	reportEvery = 10 * time.Second
	// reportAfter is how long after it sees somebody new a server reports: the other one may
	// not have said yet what it listens to.
	reportAfter = 500 * time.Millisecond
	// maxReport bounds a report, in bytes; maxReports how many servers are listened to,
	// which are more than any cluster has.
	maxReport  = 4 << 10
	maxReports = 1024
	// longAway is after what time a server that cannot be reached gets no replicas any more,
	// even if there are too few others: it is not likely to come back by itself.
	longAway = 24 * time.Hour
)

func newRoster(e *Engine) *roster {
	return &roster{e: e, began: e.cfg.Clock.Now(), heard: make(map[uint32]*heardReport), wake: make(chan struct{}, 1)}
}

// start begins to hear and to be heard, until the engine stops.
func (r *roster) start() error {
	sub := &account.Subscription{Subject: reports, Handler: r.receive}
	if err := r.e.system.account.Subscribe(sub); err != nil {
		return err
	}
	unwatch := r.e.cfg.Neighbours.Watch(r.look)
	r.e.jobs.run(func() {
		r.run()
		unwatch()
		r.e.system.account.Unsubscribe(sub)
	})
	return nil
}

// look has run look at what there is.
func (r *roster) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// ask has the others report, and this server too. There is nobody to ask if r is nil.
func (r *roster) ask() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.asking, r.due = true, true
	r.mu.Unlock()
	r.look()
}

// report has this server report.
func (r *roster) report() {
	r.mu.Lock()
	r.due = true
	r.mu.Unlock()
	r.look()
}

// run reports when there is something new, and again and again, until the engine stops.
func (r *roster) run() {
	var seen []raft.NodeID
	// greet is whether the next report, by t, is for somebody new.
	greet, t := false, r.e.cfg.Clock.NewTimer(reportEvery)
	defer func() { t.Stop() }()
	for {
		now, _ := r.e.cfg.Neighbours.Seen()
		if slices.ContainsFunc(now, func(n raft.NodeID) bool { return !slices.Contains(seen, n) }) {
			t.Stop()
			greet, t = true, r.e.cfg.Clock.NewTimer(reportAfter)
		}
		seen = now
		r.mu.Lock()
		asking, due := r.asking, r.due
		r.asking, r.due = false, false
		r.mu.Unlock()
		if due {
			r.publish(asking)
		}
		select {
		case <-r.wake:
		case <-t.C():
			if greet {
				r.ask()
			} else {
				r.report()
			}
			greet, t = false, r.e.cfg.Clock.NewTimer(reportEvery)
		case <-r.e.ctx.Done():
			return
		}
	}
}

// publish tells the others what there is to be known of this server, and may ask them for the
// same.
func (r *roster) publish(ask bool) {
	own := r.own()
	own.Ask = ask
	r.e.system.account.Publish(account.NewMessage(reports, mustJSON(&own)))
}

func (r *roster) own() report {
	l := r.e.limits.Load()
	return report{Node: uint32(r.e.cfg.Node), Memory: l.MaxMemory, File: l.MaxFile}
}

// receive takes a report.
func (r *roster) receive(m *account.Message) {
	got, ok := decodeReport(m.Payload())
	if !ok || got.Node == uint32(r.e.cfg.Node) {
		return
	}
	r.mu.Lock()
	if r.heard[got.Node] != nil || len(r.heard) < maxReports {
		r.heard[got.Node] = &heardReport{got, r.e.cfg.Clock.Now()}
	}
	r.mu.Unlock()
	if got.Ask {
		r.report()
	}
}

// decodeReport reads a report. ok is false if it is not one.
func decodeReport(b []byte) (r report, ok bool) {
	if len(b) > maxReport || json.Unmarshal(b, &r) != nil || r.Node == 0 {
		return report{}, false
	}
	r.Memory, r.File = max(r.Memory, -1), max(r.File, -1)
	return r, true
}

// online returns who can be reached, by what groups go by: a replica is of use where raft can
// get to it, and the link between two hosts is what notices first when it cannot. That a
// server is connected says less: one that is stopped, or starved, is so for minutes.
func (e *Engine) online() map[uint32]bool {
	up := map[uint32]bool{uint32(e.cfg.Node): true}
	for _, n := range e.cfg.Host.Stats().Nodes {
		up[uint32(n.Node)] = n.Up
	}
	return up
}

// isOnline reports whether a server can be reached.
func (e *Engine) isOnline(node raft.NodeID) bool { return e.online()[uint32(node)] }

// seen says how a server is.
func (r *roster) seen(node uint32, up bool) meta.Seen {
	s := meta.Seen{Node: node, Online: up}
	if node == uint32(r.e.cfg.Node) {
		own := r.own()
		s.Memory, s.File = own.Memory, own.File
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.began
	if h := r.heard[node]; h != nil {
		// Of whom nothing was heard nothing is known: no room is to be counted on.
		s.Memory, s.File, last = h.Memory, h.File, h.at
	}
	if !up {
		s.OfflineSince = last.UnixNano()
	}
	return s
}

// view is how this server sees those that there are, for choosing among them.
func (e *Engine) view() (v meta.View) {
	v.UniqueTag, v.MaxAssets = e.cfg.UniqueTag, e.limits.Load().MaxAssets
	v.NotSince = e.cfg.Clock.Now().Add(-longAway).UnixNano()
	up := e.online()
	e.meta.view(func(s *meta.State) {
		for sv := range s.Servers() {
			v.Seen = append(v.Seen, e.roster.seen(sv.Node, up[sv.Node]))
		}
	})
	return v
}

// unreachable returns the servers that cannot be reached.
func (e *Engine) unreachable() (nodes []uint32) {
	if e.founder == nil {
		return nil
	}
	up := e.online()
	e.meta.view(func(s *meta.State) {
		for sv := range s.Servers() {
			if !up[sv.Node] {
				nodes = append(nodes, sv.Node)
			}
		}
	})
	return nodes
}

// pause waits. It returns false if the engine stops meanwhile.
func (e *Engine) pause(d time.Duration) bool {
	t := e.cfg.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return true
	case <-e.ctx.Done():
		return false
	}
}
