package mesh

import (
	"errors"
	"fmt"
	"slices"
)

// Why a link is closed.
var (
	// ErrSelf: it leads to this server itself.
	ErrSelf = errors.New("the route leads to this server itself")
	// ErrDuplicate: there is another one for its slot.
	ErrDuplicate = errors.New("duplicate route")
	// ErrSlot: it is for a place that there is not.
	ErrSlot = errors.New("the route is for a connection that there is not")
	// ErrStranger: another server has answered than was dialled.
	ErrStranger = errors.New("another server listens at that address now")
)

// NameError says that two servers are of different clusters.
type NameError struct{ Theirs, Ours string }

func (e *NameError) Error() string {
	return fmt.Sprintf("Rejecting connection, cluster name %q does not match %q", e.Theirs, e.Ours)
}

// DuplicateNameError says that two servers have the same name.
type DuplicateNameError struct{ Name string }

func (e *DuplicateNameError) Error() string {
	return fmt.Sprintf("Remote server has a duplicate name: %q", e.Name)
}

// admit says why a link must not stay, if so.
func (m *Mesh) admit(a *Arrival, e *Effects) error {
	s := &a.Peer
	if s.ID == m.self.ID {
		return ErrSelf
	}
	if a.Dialled != nil && a.Dialled.peer != "" && a.Dialled.peer != s.ID {
		return ErrStranger
	}
	if err := m.agree(s, e); err != nil {
		return err
	}
	if s.Name == m.self.Name {
		return &DuplicateNameError{s.Name}
	}
	for _, p := range m.peers {
		if p.Name == s.Name && p.ID != s.ID {
			// It may be what the server was before it was started anew, without its
			// end having been noticed.
			for _, l := range p.links {
				e.Suspects = append(e.Suspects, l.id)
			}
			slices.Sort(e.Suspects)
			return &DuplicateNameError{s.Name}
		}
	}
	if !m.isUsed(s, a.Slot) {
		return ErrSlot
	}
	return nil
}

// agree settles the name of the cluster with another server.
func (m *Mesh) agree(s *Server, e *Effects) error {
	switch {
	case s.Cluster == m.self.Cluster:
		m.self.Dynamic = m.self.Dynamic && s.Dynamic
	case !s.Dynamic && !m.self.Dynamic:
		return &NameError{s.Cluster, m.self.Cluster}
	case m.self.Dynamic && (!s.Dynamic || s.Cluster > m.self.Cluster):
		m.self.Cluster, m.self.Dynamic = s.Cluster, s.Dynamic
		e.Renamed = s.Cluster
	}
	return nil
}
