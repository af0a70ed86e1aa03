package server

import "github.com/nats-lite/nats-lite/server/raft"

// MetaGroup returns what the server knows of the group that all assets are assigned by; ok is false
// if it has no replica of it.
func (s *Server) MetaGroup() (self, leader raft.PeerID, conf raft.ConfState, ok bool) {
	j := s.jetStream.Load()
	if j == nil {
		return 0, 0, raft.ConfState{}, false
	}
	g, ok := j.host.Group(metaGroup)
	if !ok {
		return 0, 0, raft.ConfState{}, false
	}
	st := g.Status()
	return g.Self(), st.Leader, st.Conf, true
}
