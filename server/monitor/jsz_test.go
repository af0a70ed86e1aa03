package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// newJetStream is the JetStream of the server "tester", which is alone: the account
// A has limits, two streams, consumers of both kinds and a stream that is not open
// yet, B nothing, and N may not use it.
func newJetStream(t testing.TB) *fakeJetStream {
	j := &fakeJetStream{
		t: t, state: JSReady, described: new(int),
		config: JSConfig{MaxMemory: 64 << 20, MaxStorage: 1 << 30, StoreDir: "/data/jetstream", SyncAlways: true},
		limits: JSLimits{DefaultMaxConsumers: 1000},
		overview: JSOverview{
			Stats: JSStats{
				Memory: 1, Storage: 2, ReservedMemory: 3, ReservedStorage: 4, Accounts: 2,
				API: api.Stats{Level: api.Level, Total: 19, Errors: 2},
			},
			Held:    JSHeld{Streams: 3, StreamsLed: 2, Consumers: 1, ConsumersLed: 1, Messages: 8, Bytes: 79},
			Leading: true,
		},
	}
	j.accounts = []JSAccount{
		j.account("A", 1<<20, -1, JSUsage{Memory: 1, Storage: 2, API: api.Stats{Level: api.Level, Total: 17, Errors: 2, Inflight: 1}}),
		j.account("B", -1, 10<<20, JSUsage{}),
		{Name: "N"},
	}
	east := time.FixedZone("east", 3600)
	j.streams = map[string][]JSStream{"A": {
		{
			Name: "S1", Group: "S-1", Leading: true, Consumers: slices.Values([]JSConsumer{
				{Name: "C1", Group: "C-1", Info: j.consumer("C1")},
				{Name: "SRC", Direct: true, Info: j.consumer("SRC")},
				{Name: "slow", Info: func() *api.ConsumerInfo { return nil }},
			}),
			Info: j.stream(&api.StreamInfo{
				Config: &api.StreamConfig{Name: "S1", Subjects: []string{"s1.>"}, Replicas: 1}, Created: ago(time.Hour).In(east),
				State:   api.StreamState{Msgs: 7, Bytes: 70, FirstSeq: 1, FirstTime: ago(time.Minute), LastSeq: 8, LastTime: ago(time.Second), NumSubjects: 2, NumDeleted: 1, Consumers: 1},
				Sources: []*api.StreamSourceInfo{{Name: "S2", Seq: 3, Active: time.Second}},
			}),
		},
		{
			Name: "S2", Group: "S-2", Consumers: slices.Values([]JSConsumer{}),
			Info: j.stream(&api.StreamInfo{
				Config: &api.StreamConfig{Name: "S2", Replicas: 3}, Created: ago(time.Minute),
				Cluster: &api.ClusterInfo{
					Name: "east", RaftGroup: "S-2", Leader: "n1",
					Replicas: []*api.PeerInfo{{Name: "n2", Current: true, Active: time.Second, Peer: "P2"}},
				},
				Mirror: &api.StreamSourceInfo{Name: "S1", Lag: 4, Active: -1},
			}),
		},
		{Name: "S3", Leading: true, Consumers: slices.Values([]JSConsumer{}), Info: j.stream(nil)},
	}}
	return j
}

func (j *fakeJetStream) stream(info *api.StreamInfo) func() *api.StreamInfo {
	return func() *api.StreamInfo { *j.described++; return info }
}

func (j *fakeJetStream) consumer(name string) func() *api.ConsumerInfo {
	return func() *api.ConsumerInfo {
		*j.described++
		return &api.ConsumerInfo{
			Stream: "S1", Name: name, Created: ago(time.Minute), Config: &api.ConsumerConfig{Durable: name, Name: name},
			Delivered: api.SequenceInfo{Consumer: 3, Stream: 4}, NumAckPending: 2, NumPending: 5, Time: epoch,
		}
	}
}

// inCluster makes the server one of three.
func (j *fakeJetStream) inCluster(leading bool) *fakeJetStream {
	j.config = JSConfig{
		MaxMemory: 1, MaxStorage: 2, StoreDir: "/data/jetstream", SyncInterval: 2 * time.Minute, Domain: "hub", CompressOK: true,
		UniqueTag: "az", Strict: true,
	}
	j.limits = JSLimits{
		MaxRequestBatch: 1, MaxAckPending: 2, MaxHAAssets: 3, DuplicateWindow: 4, MaxBatchInflightPerStream: 5,
		MaxBatchInflightTotal: 6, MaxBatchSize: 7, MaxBatchTimeout: 8, DefaultMaxConsumers: 9,
	}
	j.overview.Leading = leading
	j.overview.Stats.HAAssets = 5
	j.overview.Stats.API.Inflight = 6
	j.overview.Meta = &JSMeta{
		Name: "east", Leader: "n1", Peer: "P1",
		Replicas: []*api.PeerInfo{{Name: "n2", Current: true, Active: time.Second, Peer: "P2"}, {Name: "n3", Offline: true, Lag: 5, Peer: "P3", Pending: 6}},
		Size:     3, Quorum: 2, Pending: 1, PendingRequests: 2, PendingInfos: 3,
		Snapshot: JSMetaSnapshot{PendingEntries: 4, PendingSize: 5, LastTime: ago(time.Hour).In(time.FixedZone("east", 3600)), LastDuration: 7},
	}
	since := ago(time.Hour)
	j.groups = map[string][]RaftView{
		"SYS": {{Name: "_meta_", Describe: func() *RaftGroup {
			*j.described++
			return &RaftGroup{
				ID: "P2", State: "FOLLOWER", Size: 3, Quorum: 2, Committed: 7, Applied: 6, CatchingUp: true, Leader: "P1", LeaderSince: &since,
				EverLed: true, Term: 4, Vote: "P1", LastTerm: 3, LastIndex: 8, SystemAccount: true, TrafficAccount: "SYS",
				Log: api.StreamState{Msgs: 5, FirstSeq: 4, LastSeq: 8}, Error: "broken",
				Peers: map[string]RaftPeer{"P1": {Name: "n1", Known: true, Replicated: 8, LastSeen: "1s"}, "P3": {Name: "n3"}},
			}
		}}},
		"A": {{Name: "S-1", Describe: j.group}, {Name: "C-1", Describe: j.group}},
	}
	return j
}

func (j *fakeJetStream) group() *RaftGroup {
	*j.described++
	return &RaftGroup{ID: "P1", State: "LEADER", Peers: map[string]RaftPeer{}}
}

// Which raft groups does raftz show, and does it describe no others?
func TestRaftzSelection(t *testing.T) {
	for _, test := range []struct {
		opts      RaftzOptions
		want      string
		described int
	}{
		{RaftzOptions{}, "SYS/_meta_", 1},
		{RaftzOptions{Account: "SYS"}, "SYS/_meta_", 1},
		{RaftzOptions{Group: "S-1"}, "", 0},
		{RaftzOptions{Account: "A"}, "A/C-1 A/S-1", 2},
		{RaftzOptions{Account: "A", Group: "C-1"}, "A/C-1", 1},
		{RaftzOptions{Account: "none"}, "", 0},
	} {
		j := newJetStream(t).inCluster(false)
		got, err := j.monitor().Raftz(test.opts)
		var shown []string
		for account, groups := range got {
			for name := range groups {
				shown = append(shown, account+"/"+name)
			}
		}
		slices.Sort(shown)
		if s := strings.Join(shown, " "); err != nil || s != test.want || *j.described != test.described {
			t.Errorf("%+v: %q, %v, %d described, want %q", test.opts, s, err, *j.described, test.want)
		}
	}
	j := newJetStream(t)
	if _, err := j.monitor().Raftz(RaftzOptions{}); !errors.Is(err, ErrNoRaft) {
		t.Errorf("alone: %v", err)
	}
	j.state = JSDisabled
	if _, err := j.monitor().Raftz(RaftzOptions{}); !errors.Is(err, ErrNoRaft) {
		t.Errorf("not running: %v", err)
	}
}

// TestGoldenJetStream pins the members of what is told of JetStream, as TestGolden
// does for the rest.
func TestGoldenJetStream(t *testing.T) {
	disabled := newJetStream(t)
	disabled.state = JSDisabled
	alone, member := newJetStream(t), newJetStream(t).inCluster(false)
	for _, test := range []struct {
		file, url string
		js        *fakeJetStream
		status    int
	}{
		{"jsz_disabled", "/jsz?acc=A&consumers=1", disabled, 200},
		{"jsz_sums", "/jsz", alone, 200},
		{"jsz_accounts", "/jsz?accounts=1", alone, 200},
		{"jsz_account", "/jsz?acc=B", alone, 200},
		{"jsz_streams", "/jsz?streams=1&acc=A", alone, 200},
		{"jsz_consumers", "/jsz?consumers=1", alone, 200},
		{"jsz_everything", "/jsz?acc=A&consumers=1&direct-consumers=1&config=1&raft=1", member, 200},
		{"accountz", "/accountz", alone, 200},
		{"accountz_detail", "/accountz?acc=A", alone, 200},
		{"accountz_system", "/accountz?acc=SYS", disabled, 200},
		{"raftz", "/raftz", member, 200},
		{"raftz_none", "/raftz?acc=A&group=X", member, 200},
		{"raftz_alone", "/raftz", alone, 404},
		{"jsz_not_leader", "/jsz?leader-only=1", member, 400},
		{"varz_jetstream", "/varz", member, 200},
		{"varz_jetstream_alone", "/varz", alone, 200},
		{"varz_jetstream_disabled", "/varz", disabled, 200},
	} {
		t.Run(test.file, func(t *testing.T) {
			checkGolden(t, test.js.monitor(), test.file, test.url, test.status)
		})
	}
}

// Which accounts, streams and consumers does jsz show, and does it describe no
// others?
func TestJszSelection(t *testing.T) {
	for _, test := range []struct {
		options   string // as in a request
		want      string
		described int
	}{
		{`{}`, "", 0},
		{`{"config":true,"raft":true,"direct_consumer":true}`, "", 0},
		{`{"accounts":true}`, "A[] B[]", 2},
		{`{"accounts":true,"offset":1}`, "B[]", 1},
		{`{"accounts":true,"offset":2}`, "", 0},
		{`{"accounts":true,"offset":9}`, "", 0},
		{`{"accounts":true,"offset":-1,"limit":1}`, "A[]", 1},
		{`{"accounts":true,"limit":-1}`, "A[] B[]", 2},
		{`{"account":"A"}`, "A[]", 1},
		{`{"account":"B","accounts":true,"offset":1}`, "B[]", 1},
		{`{"account":"N"}`, "", 0},
		{`{"account":"none","consumer":true}`, "", 0},
		{`{"streams":true}`, "A[S1() S2()] B[]", 5},
		{`{"streams":true,"limit":1}`, "A[S1() S2()]", 4},
		{`{"account":"A","streams":true,"direct_consumer":true}`, "A[S1() S2()]", 4},
		{`{"account":"A","streams":true,"stream_leader_only":true}`, "A[S1()]", 3},
		{`{"account":"A","consumer":true}`, "A[S1(C1) S2()]", 5},
		{`{"account":"A","consumer":true,"direct_consumer":true}`, "A[S1(C1 / SRC) S2()]", 6},
	} {
		t.Run(test.options, func(t *testing.T) {
			var opts JszOptions
			if err := json.Unmarshal([]byte(test.options), &opts); err != nil {
				t.Fatal(err)
			}
			j := newJetStream(t)
			got, err := j.monitor().Jsz(opts)
			if err != nil {
				t.Fatal(err)
			}
			var shown []string
			for _, a := range got.AccountDetails {
				shown = append(shown, outline(a))
			}
			if s := strings.Join(shown, " "); s != test.want || got.Total != 2 {
				t.Errorf("shows %s of %d accounts, want %s of 2", s, got.Total, test.want)
			}
			if *j.described != test.described {
				t.Errorf("%d things were described, want %d", *j.described, test.described)
			}
		})
	}
}

// outline names what is shown of an account.
func outline(a *JSAccountDetail) string {
	var streams []string
	for _, s := range a.Streams {
		var names []string
		for _, c := range s.Consumers {
			names = append(names, c.Name)
		}
		for _, c := range s.DirectConsumers {
			names = append(names, "/ "+c.Name)
		}
		streams = append(streams, fmt.Sprintf("%s(%s)", s.Name, strings.Join(names, " ")))
	}
	return fmt.Sprintf("%s[%s]", a.Name, strings.Join(streams, " "))
}

// Is what a JetStream gives left as it was, when less is shown?
func TestJszChangesNothing(t *testing.T) {
	j := newJetStream(t).inCluster(false)
	info := j.streams["A"][0].Info()
	m := j.monitor()
	if _, err := m.Jsz(JszOptions{Consumers: true}); err != nil {
		t.Fatal(err)
	}
	m.JetStreamStatsz()
	if info.Config == nil || info.Cluster != nil || len(j.overview.Meta.Replicas) != 2 {
		t.Errorf("changed: %+v, %+v", info, j.overview.Meta)
	}
}

// Who answers, if only the leader is to?
func TestJszLeaderOnly(t *testing.T) {
	for _, test := range []struct {
		name    string
		state   JSState
		leading bool
		err     error
	}{
		{"none", JSNone, true, ErrNotLeader},
		{"disabled", JSDisabled, true, ErrNotLeader},
		{"leader", JSReady, true, nil},
		{"follower", JSReady, false, ErrNotLeader},
	} {
		j := newJetStream(t)
		j.state, j.overview.Leading = test.state, test.leading
		if _, err := j.monitor().Jsz(JszOptions{LeaderOnly: true}); !errors.Is(err, test.err) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.err)
		}
	}
	if _, err := newMonitor(t, &fakeSource{}).Jsz(JszOptions{LeaderOnly: true}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("no JetStream: error %v", err)
	}
}

// What is answered to questions about one account?
func TestJszAccount(t *testing.T) {
	for _, test := range []struct {
		account string
		state   JSState
		opts    JszOptions
		want    string
		err     string
	}{
		{"A", JSReady, JszOptions{}, "A[]", ""},
		{"A", JSReady, JszOptions{Consumers: true}, "A[S1(C1) S2()]", ""},
		{"B", JSReady, JszOptions{Account: "A", Offset: 5, LeaderOnly: true}, "B[]", ""},
		{"N", JSReady, JszOptions{}, "", `account "N" not jetstream enabled`},
		{"Z", JSReady, JszOptions{}, "", `account "Z" not found`},
		{"A", JSDisabled, JszOptions{}, "", "jetstream not enabled"},
		{"A", JSNone, JszOptions{}, "", "jetstream not enabled"},
	} {
		j := newJetStream(t)
		j.state, j.overview.Leading = test.state, false
		got, err := j.monitor().JszAccount(test.account, test.opts)
		switch {
		case test.err != "":
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: %+v, error %v, want %s", test.account, got, err, test.err)
			}
		case err != nil || outline(got) != test.want:
			t.Errorf("%s: %+v, error %v, want %s", test.account, got, err, test.want)
		}
	}
}

// What does statsz have of JetStream?
func TestJetStreamStatsz(t *testing.T) {
	if got := newMonitor(t, &fakeSource{}).JetStreamStatsz(); got != nil {
		t.Errorf("no JetStream: %+v", got)
	}
	for _, test := range []struct {
		name     string
		js       *fakeJetStream
		replicas int // -1 if there is no group
	}{
		{"alone", newJetStream(t), -1},
		{"leader", newJetStream(t).inCluster(true), 2},
		{"follower", newJetStream(t).inCluster(false), 0},
	} {
		got := test.js.monitor().JetStreamStatsz()
		if got.Config.StoreDir != "" || got.Config.MaxStorage != test.js.config.MaxStorage || got.Stats.Storage != 2 || *got.Limits != test.js.limits {
			t.Errorf("%s: %+v", test.name, got)
		}
		if replicas := -1; got.Meta != nil {
			if replicas = len(got.Meta.Replicas); replicas != test.replicas {
				t.Errorf("%s: %d replicas, want %d", test.name, replicas, test.replicas)
			}
		} else if replicas != test.replicas {
			t.Errorf("%s: no group", test.name)
		}
	}
}
