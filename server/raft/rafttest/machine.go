package rafttest

import (
	"github.com/nats-lite/nats-lite/server/raft"
)

// machine is a state machine whose state is the digest of all that it was given,
// which depends on each entry and on their order.
type machine struct {
	state image
	// saved is what is durable of it. A crash goes back to it, and the log
	// brings the rest.
	saved image
}

// image is a state of a machine, as of an index.
type image struct {
	base   raft.Base
	digest uint64
}

func (m *machine) apply(e *raft.Entry) {
	m.state.base.Index, m.state.base.Term = e.Index, e.Term
	if e.Type == raft.EntryConf {
		if conf, err := raft.DecodeConfState(e.Data); err == nil { // the core has decoded it before
			m.state.base.Conf = conf
		}
	}
	d := mix(m.state.digest, uint64(e.Index)<<32^uint64(e.Term)<<8^uint64(e.Type))
	for _, b := range e.Data {
		d = (d ^ uint64(b)) * 1099511628211
	}
	m.state.digest = d
}

// mix adds a number to a digest.
func mix(d, x uint64) uint64 {
	d = (d ^ x) * 0x9e3779b97f4a7c15
	return d ^ d>>29
}
