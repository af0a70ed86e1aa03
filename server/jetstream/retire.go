package jetstream

import "errors"

// errRetired says why a server serves no more.
var errRetired = errors.New("jetstream: this server was removed from its cluster")

// removed is told that the group of assets goes on without this server's replica. If the server
// was away meanwhile, and is back now, it wants to be part of it again, and says who it is. One that
// runs was removed because nobody wants it to serve.
func (e *Engine) removed() {
	if isClosed(e.meta.ready) {
		e.jobs.run(e.retire)
	} else {
		e.founder.isOut()
	}
}

// retire has the server answer no requests any more, since it was removed from its cluster. Who
// asks here is answered by others. Its replicas go as far as others have taken over; what only
// it has stays on its disk, and is served again if it comes back, which takes a restart.
func (e *Engine) retire() {
	e.mu.Lock()
	was := e.retired
	e.retired = true
	tenants := make([]*tenant, 0, len(e.accounts))
	for _, t := range e.accounts {
		tenants = append(tenants, t)
	}
	e.mu.Unlock()
	if was {
		return
	}
	e.meta.blame(errRetired)
	e.cfg.Logger.Errorf("JetStream: this server was removed from the cluster, and answers no requests any more; it asks to be part of it again when it is restarted")
	for _, t := range tenants {
		t.close()
	}
	e.system.close()
}
