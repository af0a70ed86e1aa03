package account

import "slices"

// Errand is something that a publisher does for a handler.
type Errand interface {
	// Run is called on the publisher's goroutine, which has nothing else to do for now
	// if it is alone: what it had read was one message with an errand.
	Run(alone bool)
}

// Errands are what a publisher does once it has worked off what it had read. They
// belong to its goroutine.
type Errands struct {
	// list has each once, count is how often any was asked for.
	list  []Errand
	count int
}

// Later has the publisher of a message do an errand when all that it had read is worked
// off. It returns how often it was asked to since it read, 0 if it does none.
func (m *Message) Later(e Errand) int {
	s := m.Errands
	if s == nil {
		return 0
	}
	s.count++
	if !slices.Contains(s.list, e) {
		s.list = append(s.list, e)
	}
	return s.count
}

// Run does all.
func (s *Errands) Run() {
	if s.count == 0 {
		return
	}
	alone := s.count == 1
	for i, e := range s.list {
		e.Run(alone)
		s.list[i] = nil
	}
	s.list, s.count = s.list[:0], 0
}
