package api

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("x", MaxNameLength)
	for name, want := range map[string]string{
		"S": "", "é": "", "a-b_c$": "", long: "",
		long + "x": "10052 stream name is too long, maximum allowed is 255",
		"a/b":      "10128 Stream name can not contain path separators",
		`a\b`:      "10128 Stream name can not contain path separators",
		"":         `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"a b":      `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"a.b":      `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"*":        `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"a>":       `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"a\tb":     `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
		"a\vb":     `10052 stream name is required and can not contain '.', '*', '>', '\', '/'`,
	} {
		c, err := CheckStreamCreate(&StreamConfig{Name: name}, StreamLimits{}, false)
		if got := numbered(err); got != want {
			t.Errorf("stream %q: %q, want %q", name, got, want)
		}
		if err == nil && (c.Name != name || c.Subjects[0] != name) {
			t.Errorf("stream %q is %q with %q", name, c.Name, c.Subjects)
		}
		if IsName(name) != (want == "") {
			t.Errorf("IsName(%q) is %v", name, IsName(name))
		}
	}
	stream := &StreamConfig{Replicas: 1}
	const noText = ` can not contain '.', '*', '>', '\', '/'`
	for _, tc := range []struct{ durable, name, want string }{
		{"", "", ""},
		{"", "c", ""},
		{"c", "", ""},
		{"c", "c", ""},
		{"c", "d", "10132 Consumer Durable and Name have to be equal if both are provided"},
		{long, "", ""},
		{long + "x", "", "10102 consumer name is too long, maximum allowed is 255"},
		{"", long + "x", "10102 consumer name is too long, maximum allowed is 255"},
		{"a.b", "", "10052 consumer durable name" + noText},
		{"", "a b", "10052 consumer name" + noText},
		{"a/b", "", "10127 Consumer name can not contain path separators"},
	} {
		c, err := CheckConsumer(&ConsumerConfig{Durable: tc.durable, Name: tc.name}, stream, ConsumerRules{}, false)
		if got := numbered(err); got != tc.want {
			t.Errorf("consumer %q, %q: %q, want %q", tc.durable, tc.name, got, tc.want)
		}
		if err == nil && tc.durable != "" && c.Name != tc.durable {
			t.Errorf("consumer %q is called %q", tc.durable, c.Name)
		}
	}
}

func numbered(err *Error) string {
	if err == nil {
		return ""
	}
	n, jsonErr := json.Marshal(err.ErrCode)
	if jsonErr != nil {
		return jsonErr.Error()
	}
	return string(n) + " " + err.Description
}

func TestTooLong(t *testing.T) {
	stream := func(c StreamConfig) *Error {
		c.Name = "S"
		_, err := CheckStreamCreate(&c, StreamLimits{}, false)
		return err
	}
	consumer := func(c ConsumerConfig) *Error {
		_, err := CheckConsumer(&c, &StreamConfig{Replicas: 1}, ConsumerRules{}, false)
		return err
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	meta := func(n int) map[string]string {
		return map[string]string{"a": text(n - 2), "b": "", MetaRequiredLevel: text(9), MetaServerVersion: text(9)}
	}
	for _, tc := range []struct {
		name string
		err  *Error
		want string
	}{
		{"description", stream(StreamConfig{Description: text(4096)}), ""},
		{"description", stream(StreamConfig{Description: text(4097)}), "10052 stream description is too long, maximum allowed is 4096"},
		{"metadata", stream(StreamConfig{Metadata: meta(131072)}), ""},
		{"metadata", stream(StreamConfig{Metadata: meta(131073)}), "10052 stream metadata exceeds maximum size of 131072 bytes"},
		{"description", consumer(ConsumerConfig{Description: text(4096)}), ""},
		{"description", consumer(ConsumerConfig{Description: text(4097)}), "10107 consumer description is too long, maximum allowed is 4096"},
		{"metadata", consumer(ConsumerConfig{Metadata: meta(131072)}), ""},
		{"metadata", consumer(ConsumerConfig{Metadata: meta(131073)}), "10135 consumer metadata exceeds maximum size of 128KB"},
	} {
		if got := numbered(tc.err); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Values that only newer servers know must not be taken for others.
func TestUnknownEnums(t *testing.T) {
	for want, c := range map[string]StreamConfig{
		"10052 invalid retention":            {Retention: 9},
		"10052 invalid discard policy":       {Discard: 9},
		"10052 invalid compression":          {Compression: 9},
		"10052 invalid storage type":         {Storage: 9},
		"10052 stream configuration invalid": {PersistMode: 9},
	} {
		c.Name = "S"
		if _, err := CheckStreamCreate(&c, StreamLimits{}, false); numbered(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, c := range map[string]ConsumerConfig{
		"10181 consumer ack policy invalid":      {AckPolicy: 9},
		"10182 consumer replay policy invalid":   {ReplayPolicy: 9},
		"10094 consumer delivery policy invalid": {DeliverPolicy: 9},
		"10094 consumer priority policy invalid": {PriorityPolicy: 9},
	} {
		if _, err := CheckConsumer(&c, &StreamConfig{Replicas: 1}, ConsumerRules{}, false); numbered(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := CheckConsumer(nil, &StreamConfig{}, ConsumerRules{}, false); err != ErrConsumerConfigRequired {
		t.Errorf("no configuration: %v", err)
	}
	if _, err := CheckConsumerUpdate(&ConsumerConfig{}, nil, &StreamConfig{}, ConsumerRules{}, false); err != ErrConsumerConfigRequired {
		t.Errorf("no configuration to replace another by: %v", err)
	}
}

func TestUpdateOfAnotherStream(t *testing.T) {
	old, err := CheckStreamCreate(&StreamConfig{Name: "A"}, StreamLimits{}, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = CheckStreamUpdate(old, &StreamConfig{Name: "B"}, StreamLimits{}, false)
	if want := "10052 stream configuration name must match original"; numbered(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTimesAreUTC(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	at := time.Date(2026, 1, 1, 1, 0, 0, 0, berlin)
	s, err := CheckStreamCreate(&StreamConfig{Name: "S", Mirror: &StreamSource{Name: "O", OptStartTime: &at}}, StreamLimits{}, false)
	if err != nil || s.Mirror.OptStartTime.Location() != time.UTC {
		t.Errorf("%v, %v", s, err)
	}
	c, err := CheckConsumer(&ConsumerConfig{DeliverPolicy: DeliverByStartTime, OptStartTime: &at, PauseUntil: &at}, s, ConsumerRules{}, false)
	if err != nil || c.OptStartTime.Location() != time.UTC || c.PauseUntil.Location() != time.UTC {
		t.Errorf("%v, %v", c, err)
	}
	if at.Location() != berlin {
		t.Error("the time that was given has changed")
	}
	c, err = CheckConsumer(&ConsumerConfig{PauseUntil: new(time.Time)}, s, ConsumerRules{}, false)
	if err != nil || c.PauseUntil != nil || c.Metadata[MetaRequiredLevel] != "0" {
		t.Errorf("a pause until no time: %+v, %v", c, err)
	}
}

func TestEqual(t *testing.T) {
	check := func(c StreamConfig) *StreamConfig {
		c.Name = "S"
		d, err := CheckStreamCreate(&c, StreamLimits{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := check(StreamConfig{})
	for name, c := range map[string]*StreamConfig{
		"defaults spelled out": check(StreamConfig{Subjects: []string{"S"}, MaxMsgs: -1, Replicas: 1, DuplicateWindow: 2 * time.Minute}),
		"empty instead of nil": check(StreamConfig{Sources: []*StreamSource{}, Metadata: map[string]string{}, Placement: &Placement{}}),
		"with a level":         check(StreamConfig{Metadata: map[string]string{MetaServerVersion: "x", MetaRequiredLevel: "9"}}),
	} {
		if !plain.Equal(c) || !c.Equal(plain) {
			t.Errorf("%s: not equal", name)
		}
	}
	for name, c := range map[string]*StreamConfig{
		"another limit": check(StreamConfig{MaxMsgs: 1}),
		"metadata":      check(StreamConfig{Metadata: map[string]string{"a": "b"}}),
		"a mirror":      check(StreamConfig{Mirror: &StreamSource{Name: "O"}}),
	} {
		if plain.Equal(c) || c.Equal(plain) {
			t.Errorf("%s: equal", name)
		}
	}
	a, b := &ConsumerConfig{Metadata: map[string]string{MetaRequiredLevel: "0"}}, &ConsumerConfig{FilterSubjects: []string{}}
	if !a.Equal(b) || a.Equal(&ConsumerConfig{FilterSubject: "a"}) {
		t.Error("consumers are not compared well")
	}
}

func TestMetadata(t *testing.T) {
	stored := map[string]string{"a": "b", MetaRequiredLevel: "2"}
	before := maps.Clone(stored)
	want := map[string]string{"a": "b", MetaRequiredLevel: "2", MetaServerVersion: "1.2.3", MetaServerLevel: "5"}
	if got := WithServer(stored, "1.2.3"); !maps.Equal(got, want) {
		t.Errorf("shown as %v", got)
	}
	if got := WithServer(nil, "1.2.3"); len(got) != 2 {
		t.Errorf("nothing is shown as %v", got)
	}
	if !maps.Equal(stored, before) {
		t.Error("what is stored has changed")
	}
}

func TestReplicasOn(t *testing.T) {
	limits, queue := &StreamConfig{Replicas: 3}, &StreamConfig{Replicas: 3, Retention: RetainWorkQueue}
	for _, tc := range []struct {
		name string
		c    ConsumerConfig
		s    *StreamConfig
		want int
	}{
		{"ephemeral", ConsumerConfig{}, limits, 1},
		{"durable", ConsumerConfig{Durable: "c"}, limits, 3},
		{"ephemeral on a queue", ConsumerConfig{}, queue, 3},
		{"as asked for", ConsumerConfig{Durable: "c", Replicas: 2}, limits, 2},
		{"more than there are", ConsumerConfig{Durable: "c", Replicas: 5}, limits, 3},
	} {
		if got := tc.c.ReplicasOn(tc.s); got != tc.want {
			t.Errorf("%s: %d", tc.name, got)
		}
	}
	if c := (&ConsumerConfig{MemoryStorage: true}); c.StorageOn(limits) != MemoryStorage {
		t.Error("a consumer in memory is not")
	}
	if c := (&ConsumerConfig{}); c.StorageOn(limits) != FileStorage {
		t.Error("a consumer is not where its stream is")
	}
}

func TestLimitsViolatedBy(t *testing.T) {
	for _, tc := range []struct {
		limits ConsumerLimits
		c      ConsumerConfig
		want   bool
	}{
		{ConsumerLimits{}, ConsumerConfig{MaxAckPending: 100, InactiveThreshold: 100}, false},
		{ConsumerLimits{100, 100}, ConsumerConfig{MaxAckPending: 100, InactiveThreshold: 100}, false},
		{ConsumerLimits{99, 100}, ConsumerConfig{MaxAckPending: 100, InactiveThreshold: 100}, true},
		{ConsumerLimits{100, 99}, ConsumerConfig{MaxAckPending: 100, InactiveThreshold: 100}, true},
		{ConsumerLimits{0, 99}, ConsumerConfig{MaxAckPending: 99, InactiveThreshold: 100}, false},
	} {
		if got := tc.limits.ViolatedBy(&tc.c); got != tc.want {
			t.Errorf("%+v by %+v: %v", tc.limits, tc.c, got)
		}
	}
}

func TestSettle(t *testing.T) {
	for _, tc := range []struct {
		subject, body, want string
		name                string
	}{
		{"CREATE.T", `{"stream_name":"T"}`, "", ""},
		{"CREATE.T", `{"stream_name":"T","config":{"name":"c"}}`, "", "c"},
		{"CREATE.T", `{}`, "10056 stream name in subject does not match request", ""},
		{"CREATE.T", `{"stream_name":"T","config":{"durable_name":"c"}}`, "10020 consumer expected to be ephemeral but a durable name was set in request", ""},
		{"CREATE.T", `{"stream_name":"T","config":{"name":"a/b"}}`, "10127 Consumer name can not contain path separators", ""},
		{"CREATE.T.a/b", `{"stream_name":"T"}`, "10127 Consumer name can not contain path separators", ""},
		{"CREATE.T.c", `{"stream_name":"U"}`, "10056 stream name in subject does not match request", ""},
		{"CREATE.T.c", `{"stream_name":"T"}`, "", "c"},
		{"CREATE.T.c", `{"stream_name":"T","config":{"name":"x"}}`, "", "c"},
		{"CREATE.T.c", `{"stream_name":"T","config":{"durable_name":"c"}}`, "", "c"},
		{"CREATE.T.c", `{"stream_name":"T","config":{"durable_name":"x"}}`, "10017 consumer name in subject does not match durable name in request", ""},
		{"CREATE.T.c.t.a", `{"stream_name":"T","config":{"filter_subject":"t.a"}}`, "", "c"},
		{"CREATE.T.c.t.a", `{"stream_name":"T"}`, "10131 Consumer create request did not match filtered subject from create subject", ""},
		{"CREATE.T.c.t.a", `{"stream_name":"T","config":{"filter_subject":"t.b"}}`, "10131 Consumer create request did not match filtered subject from create subject", ""},
		{"CREATE.T.c.t.a", `{"stream_name":"T","config":{"filter_subjects":["t.a"]}}`, "10137 consumer with multiple subject filters cannot use subject based API", ""},
		{"DURABLE.CREATE.T.c", `{"stream_name":"T"}`, "10018 consumer expected to be durable but a durable name was not set", ""},
		{"DURABLE.CREATE.T.c", `{"stream_name":"T","config":{"durable_name":"x"}}`, "10017 consumer name in subject does not match durable name in request", ""},
		{"DURABLE.CREATE.T.c", `{"stream_name":"T","config":{"durable_name":"c","filter_subjects":["a"]}}`, "", "c"},
	} {
		call, ok := Parse("$JS.API.CONSUMER." + tc.subject)
		var r CreateConsumerRequest
		if err := Decode([]byte(tc.body), true, &r); err != nil || !ok {
			t.Fatal(tc.subject, tc.body, err)
		}
		err := r.Settle(call)
		if got := numbered(err); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.subject, tc.body, got, tc.want)
		}
		if err == nil && r.Config.Name != tc.name {
			t.Errorf("%s %s makes %q", tc.subject, tc.body, r.Config.Name)
		}
	}
}

func TestRequestChecks(t *testing.T) {
	if err := (&StreamPurgeRequest{Sequence: 1, Keep: 2}).Check(); err != ErrBadRequest {
		t.Errorf("a purge of both kinds: %v", err)
	}
	if err := (&StreamPurgeRequest{Sequence: 1, Subject: "a"}).Check(); err != nil {
		t.Errorf("a purge: %v", err)
	}
	for group, want := range map[string]string{
		"":    "10025 invalid JSON: consumer group not specified",
		"a b": "10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters",
		"a":   "",
	} {
		if got := numbered((&ConsumerUnpinRequest{Group: group}).Check()); got != want {
			t.Errorf("unpinning %q: %q", group, got)
		}
	}
	for _, tc := range []struct{ chunk, window, wantChunk, wantWindow int }{
		{0, 0, 128 << 10, 8 << 20},
		{-5, -5, 128 << 10, 8 << 20},
		{1, 1, 1 << 10, 1 << 10},
		{1 << 30, 1 << 30, 1 << 20, 32 << 20},
		{64 << 10, 1 << 10, 64 << 10, 64 << 10},
	} {
		r := StreamSnapshotRequest{DeliverSubject: "d", ChunkSize: tc.chunk, WindowSize: tc.window}
		if err := r.Check(); err != nil || r.ChunkSize != tc.wantChunk || r.WindowSize != tc.wantWindow {
			t.Errorf("%+v becomes %+v, %v", tc, r, err)
		}
	}
	for _, s := range []string{"", "a.*", "a b"} {
		if err := (&StreamSnapshotRequest{DeliverSubject: s}).Check(); err != ErrSnapshotDeliverSubjectInvalid {
			t.Errorf("a snapshot to %q: %v", s, err)
		}
	}
}

func TestSelects(t *testing.T) {
	stream, mirror := &StreamConfig{Name: "S", Subjects: []string{"a.*", "b"}}, &StreamConfig{Name: "M"}
	for _, tc := range []struct {
		subject        string
		stream, mirror bool
	}{
		{"", true, true},
		{"a.x", true, false},
		{"*.x", true, false},
		{"b", true, false},
		{"c", false, false},
		{">", true, true},
		{"M", false, true},
		{"a b", false, false},
	} {
		r := StreamsRequest{Subject: tc.subject}
		if r.Selects(stream) != tc.stream || r.Selects(mirror) != tc.mirror {
			t.Errorf("%q selects %v, %v", tc.subject, r.Selects(stream), r.Selects(mirror))
		}
	}
}

func TestFirstClashAgainstTheObvious(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 5000 {
		patterns := make([]string, r.IntN(6))
		for i := range patterns {
			toks := make([]string, 1+r.IntN(3))
			for j := range toks {
				toks[j] = []string{"a", "b", "c", "d", "*"}[r.IntN(5)]
			}
			if r.IntN(6) == 0 {
				toks = append(toks, ">")
			}
			patterns[i] = strings.Join(toks, ".")
		}
		want := ""
		for i, p := range patterns {
			for _, q := range patterns[:i] {
				if want == "" && subject.Overlaps(q, p) {
					want = p
				}
			}
		}
		earlier, later, ok := firstClash(patterns, subject.Overlaps[string, string])
		if later != want || ok != (want != "") || ok && !subject.Overlaps(earlier, later) {
			t.Fatalf("%q: %q clashes with %q, want %q", patterns, later, earlier, want)
		}
		if ok {
			found++
		}
	}
	if found < 500 {
		t.Errorf("only %d clashes", found)
	}
}

func TestParseSampling(t *testing.T) {
	for text, want := range map[string]int{"": 0, "0": 0, "50": 50, "50%": 50, "100": 100, "1000%": 100} {
		if got, err := ParseSampling(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}

func FuzzStreamConfig(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"max_age":1000000000,"subjects":["a.*","b.>"],"num_replicas":3,"pedantic":true}`,
		`{"mirror":{"name":"M","external":{"api":"$JS.x.API","deliver":"d"},"subject_transforms":[{"src":"a.*","dest":"b.$1"}]}}`,
		`{"sources":[{"name":"A","filter_subject":"a"},{"name":"B","consumer":{"name":"c","deliver_subject":"d"}}]}`,
		`{"republish":{"src":">","dest":">"},"subject_transform":{"src":"T","dest":"x.{{partition(3,1)}}"}}`,
		`{"subject_delete_marker_ttl":1000000000,"metadata":{"a":"b","_nats.ver":"x"},"placement":{"tags":["a"]},"retention":"workqueue"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := StreamConfigRequest{StreamConfig: StreamConfig{Name: "T"}}
		if Decode(body, true, &r) != nil {
			return
		}
		for _, pedantic := range []bool{true, false} {
			c, err := CheckStreamCreate(&r.StreamConfig, StreamLimits{Clustered: true}, pedantic)
			if err != nil {
				continue
			}
			again, err := CheckStreamUpdate(c, c, StreamLimits{Clustered: true}, false)
			if err != nil || !again.Equal(c) {
				t.Fatalf("%s becomes %+v, that %+v, %v", body, c, again, err)
			}
			data, jsonErr := json.Marshal(c)
			var back StreamConfig
			if err := Decode(data, true, &back); jsonErr != nil || err != nil || !back.Equal(c) {
				t.Fatalf("%s is read back as %+v, %v, %v", data, back, jsonErr, err)
			}
		}
	})
}

func FuzzConsumerConfig(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"config":{"durable_name":"c","ack_policy":"explicit","backoff":[1000,2000],"max_deliver":3},"pedantic":true}`,
		`{"config":{"deliver_subject":"d","flow_control":true,"idle_heartbeat":1000000000,"deliver_policy":"by_start_time","opt_start_time":"2020-01-01T00:00:00+01:00"}}`,
		`{"config":{"ack_policy":"flow_control","deliver_subject":"d"}}`,
		`{"config":{"priority_policy":"pinned_client","priority_groups":["a"],"filter_subjects":["a.*","b.>"],"sample_freq":"50%"}}`,
	} {
		f.Add([]byte(s))
	}
	stream := &StreamConfig{Name: "T", Subjects: []string{"t.>"}, Replicas: 3, ConsumerLimits: ConsumerLimits{time.Hour, 500}}
	rules := ConsumerRules{MaxAckPending: 2000, MaxRequestBatch: 100, Clustered: true}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r CreateConsumerRequest
		if Decode(body, true, &r) != nil {
			return
		}
		for _, pedantic := range []bool{true, false} {
			before := r.Config.Clone()
			c, err := CheckConsumer(&r.Config, stream, rules, pedantic)
			if !reflect.DeepEqual(before, &r.Config) {
				t.Fatalf("checking %s has changed it", body)
			}
			if err != nil {
				continue
			}
			again, err := CheckConsumerUpdate(c, c, stream, rules, false)
			if err != nil || !again.Equal(c) {
				t.Fatalf("%s becomes %+v, that %+v, %v", body, c, again, err)
			}
			if stream.ConsumerLimits.ViolatedBy(c) {
				t.Fatalf("%s becomes %+v, which violates the limits", body, c)
			}
			data, jsonErr := json.Marshal(c)
			var back ConsumerConfig
			if err := Decode(data, true, &back); jsonErr != nil || err != nil || !back.Equal(c) {
				t.Fatalf("%s is read back as %+v, %v, %v", data, back, jsonErr, err)
			}
		}
	})
}
