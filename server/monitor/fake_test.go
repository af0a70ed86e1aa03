package monitor

import (
	"iter"
	"slices"
	"testing"
	"time"
)

// fakeSource is a Source that gives what it was made with. It ignores filters,
// as a Source may, but keeps the latest ones.
type fakeSource struct {
	varz     Varz
	conns    []*Conn
	subs     []Sub
	stats    map[string]SubStats
	problems []HealthProblem

	connFilter ConnFilter
	subFilter  SubFilter
	subsCalls  int
}

func (s *fakeSource) Identity() Identity {
	return Identity{ID: "NTEST", Name: "tester", Version: "2.15.0"}
}

func (s *fakeSource) Varz() *Varz {
	v := s.varz
	return &v
}

func (s *fakeSource) Conns(filter ConnFilter) []*Conn {
	s.connFilter = filter
	return slices.Clone(s.conns)
}

func (s *fakeSource) SubStats(account string) SubStats { return s.stats[account] }

func (s *fakeSource) Subs(filter SubFilter) iter.Seq[Sub] {
	s.subFilter = filter
	s.subsCalls++
	return slices.Values(s.subs)
}

func (s *fakeSource) Health(HealthzOptions) []HealthProblem { return s.problems }

// epoch is the time of all tests; the server has been up for an hour and a bit.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

func newMonitor(t testing.TB, src Source) *Monitor {
	t.Helper()
	return New(src, Config{Now: func() time.Time { return epoch }})
}

// ago is the moment d before epoch.
func ago(d time.Duration) time.Time { return epoch.Add(-d) }

func subsOf(subs ...Sub) func() []Sub { return func() []Sub { return subs } }

func cids(conns []*ConnInfo) []uint64 {
	ids := []uint64{}
	for _, c := range conns {
		ids = append(ids, c.CID)
	}
	return ids
}
