package monitor

import (
	"cmp"
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
	routes   Routes

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

func (s *fakeSource) Routes() *Routes { return &s.routes }

func (s *fakeSource) SubStats(account string) SubStats { return s.stats[account] }

func (s *fakeSource) Accounts() Accounts {
	return Accounts{System: "SYS", Names: []string{"SYS", "A", "$G"}}
}

func (s *fakeSource) Account(name string) (AccountDetail, bool) {
	if !slices.Contains(s.Accounts().Names, name) {
		return AccountDetail{}, false
	}
	return AccountDetail{
		Name: name, Updated: ago(time.Hour).In(time.FixedZone("east", 3600)), IsSystem: name == "SYS", Complete: true, Leafs: 1, Clients: 2, Subscriptions: 3,
	}, true
}

func (s *fakeSource) Subs(filter SubFilter) iter.Seq[Sub] {
	s.subFilter = filter
	s.subsCalls++
	return slices.Values(s.subs)
}

func (s *fakeSource) Health(HealthzOptions) []HealthProblem { return s.problems }

// epoch is the time of all tests; the server has been up for an hour and a bit.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)

// fakeJetStream is a JetStream that gives what it was made with, in no order where
// none is promised, and more than is asked for where that is allowed. It fails
// the test if it is asked what may not be asked.
type fakeJetStream struct {
	t        testing.TB
	state    JSState
	config   JSConfig
	limits   JSLimits
	overview JSOverview
	accounts []JSAccount
	streams  map[string][]JSStream
	groups   map[string][]RaftView
	// described counts the calls of Info and Usage.
	described *int
}

func (j *fakeJetStream) State() JSState { return j.state }

func (j *fakeJetStream) Settings() (JSConfig, JSLimits) {
	if j.state == JSNone {
		j.t.Error("settings are asked for, and there are none")
	}
	return j.config, j.limits
}

func (j *fakeJetStream) Overview() JSOverview {
	j.mustRun()
	return j.overview
}

func (j *fakeJetStream) Accounts() (enabled []JSAccount) {
	j.mustRun()
	for _, a := range slices.Backward(j.accounts) {
		if a.Enabled {
			enabled = append(enabled, a)
		}
	}
	return enabled
}

func (j *fakeJetStream) Account(name string) (JSAccount, bool) {
	j.mustRun()
	i := slices.IndexFunc(j.accounts, func(a JSAccount) bool { return a.Name == name })
	if i < 0 {
		return JSAccount{}, false
	}
	return j.accounts[i], true
}

func (j *fakeJetStream) Streams(account, _ string) iter.Seq[JSStream] {
	j.mustRun()
	return slices.Values(j.streams[account])
}

func (j *fakeJetStream) RaftGroups(account string) (string, iter.Seq[RaftView]) {
	j.mustRun()
	if j.overview.Meta == nil {
		return "", nil
	}
	account = cmp.Or(account, "SYS")
	return account, slices.Values(j.groups[account])
}

func (j *fakeJetStream) mustRun() {
	j.t.Helper()
	if j.state <= JSDisabled {
		j.t.Error("JetStream is asked while it does not run")
	}
}

func (j *fakeJetStream) account(name string, maxMemory, maxStorage int64, u JSUsage) JSAccount {
	return JSAccount{
		Name: name, ID: name, Enabled: true, MaxMemory: maxMemory, MaxStorage: maxStorage,
		Usage: func() JSUsage { *j.described++; return u },
	}
}

// monitor returns a Monitor of it.
func (j *fakeJetStream) monitor() *Monitor {
	return New(&fakeSource{}, Config{JetStream: j, Now: func() time.Time { return epoch }})
}

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
