package mesh

import (
	"errors"
	"maps"
	"slices"
)

// ErrReconfigured: what the ends have agreed on does not hold any more.
var ErrReconfigured = errors.New("the configuration of the cluster has changed")

// Reconfigure begins anew as somebody else, or with other terms: all links are closed, and the
// servers at their ends are dialled again like those that are configured.
func (m *Mesh) Reconfigure(cfg Config, now int64) (e Effects) {
	for _, id := range slices.Sorted(maps.Keys(m.links)) {
		e.Closes = append(e.Closes, Close{id, ErrReconfigured})
	}
	e.Gone = m.Peers()
	m.cfg, m.self, m.rand = cfg, cfg.Self, cfg.Rand
	m.links, m.peers, m.targets = make(map[LinkID]*link), make(map[string]*peer), make(map[string]*target)
	for i := range e.Gone {
		if p := &e.Gone[i]; p.Addr != "" {
			t := m.target(p.Addr)
			t.server, t.next = p.ID, now+m.pause(1)
		}
	}
	m.Configure(cfg.Routes)
	return e
}

// Retry changes how often addresses are dialled again, and how fast.
func (m *Mesh) Retry(retries int, backoff bool) { m.cfg.Retries, m.cfg.Backoff = retries, backoff }
