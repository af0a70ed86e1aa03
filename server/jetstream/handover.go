package jetstream

import (
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

const (
	// handOverTimeout bounds how long a server that stops waits for others to lead what it leads.
	handOverTimeout = 2 * time.Second
	handOverEvery   = 10 * time.Millisecond
)

// handOver has others lead the groups that are led here, before the server stops: to find out that
// it is gone, and to elect somebody, takes them longer. What nobody else can lead just now stays
// where it is.
func (e *Engine) handOver() {
	if e.founder == nil {
		return
	}
	var going []*host.Group
	for _, g := range e.cfg.Host.Groups() {
		if !g.Leading() {
			continue
		}
		status := g.Status()
		if to := heir(&status); to != 0 && g.Transfer(to) == nil {
			going = append(going, g)
		}
	}
	deadline := e.cfg.Clock.Now().Add(handOverTimeout)
	for _, g := range going {
		for g.Leading() && e.cfg.Clock.Now().Before(deadline) {
			if !e.pause(handOverEvery) {
				return
			}
		}
	}
}

// heir returns who has the most of a group's log of those that vote and keep pace, 0 if there is
// nobody.
func heir(s *host.Status) (to raft.NodeID) {
	var most raft.Index
	for _, p := range s.Conf.Voters {
		if match, ok := follows(&s.Status, p); ok && p != s.ID && (to == 0 || match > most) {
			to, most = p.Node(), match
		}
	}
	return to
}
