package api

import (
	"strings"
	"testing"
	"time"
)

func TestParsePull(t *testing.T) {
	for body, want := range map[string]PullRequest{
		"":                        {Batch: 1, Bare: true},
		"5":                       {Batch: 5, Bare: true},
		" 5 ":                     {Batch: 5, Bare: true},
		"0":                       {Batch: 1, Bare: true},
		"-1":                      {Batch: 1, Bare: true},
		"1.5":                     {Batch: 1, Bare: true},
		"5 6":                     {Batch: 1, Bare: true},
		"foo":                     {Batch: 1, Bare: true},
		"[]":                      {Batch: 1, Bare: true},
		"99999999999999999999999": {Batch: 1, Bare: true},
		"{}":                      {Batch: 1},
		`{"batch":7,"expires":5000000000,"max_bytes":100,"no_wait":true,"idle_heartbeat":1000}`: {
			Batch: 7, Expires: 5 * time.Second, MaxBytes: 100, NoWait: true, Heartbeat: 1000,
		},
		`{"group":"a","min_pending":1,"min_ack_pending":2,"id":"x","priority":3}`: {
			Batch: 1, Group: "a", MinPending: 1, MinAckPending: 2, ID: "x", Priority: 3,
		},
		`{"batch":-1,"max_bytes":-5,"idle_heartbeat":-5,"expires":-5}`: {Batch: 1, Expires: -5},
		`{"x":1,"failover":true}`:                                      {Batch: 1},
	} {
		if got, err := ParsePull([]byte(body)); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		`{"batch":"x"}`:    "400 Bad Request - json: cannot unmarshal string into Go struct field PullRequest.batch of type int",
		`{"batch":1`:       "400 Bad Request - unexpected end of JSON input",
		`{"priority":1.5}`: "400 Bad Request - json: cannot unmarshal number 1.5 into Go struct field PullRequest.priority of type int",
	} {
		_, err := ParsePull([]byte(body))
		if got := line(err); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// line is what a client sees of a status.
func line(s *Status) string {
	if s == nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(s.AppendBlock(nil)), "NATS/1.0 "), "\r\n\r\n")
}

func TestPullCheck(t *testing.T) {
	plain := &ConsumerConfig{}
	capped := &ConsumerConfig{MaxRequestBatch: 5, MaxRequestExpires: 5 * time.Second, MaxRequestMaxBytes: 100}
	priority := func(p PriorityPolicy) *ConsumerConfig {
		return &ConsumerConfig{PriorityPolicy: p, PriorityGroups: []string{"a"}}
	}
	for _, tc := range []struct {
		cfg        *ConsumerConfig
		body, want string
	}{
		{&ConsumerConfig{DeliverSubject: "d"}, "1", "409 Consumer is push based"},
		{plain, `{"idle_heartbeat":1000000000,"expires":1000000000}`, "400 Bad Request - heartbeat value too large"},
		{plain, `{"idle_heartbeat":500000000,"expires":1000000000}`, ""},
		{plain, `{"idle_heartbeat":1}`, "400 Bad Request - heartbeat value too large"},
		{plain, `{"idle_heartbeat":9223372036854775807,"expires":9223372036854775807}`, "400 Bad Request - heartbeat value too large"},
		{plain, `{"min_pending":5}`, "400 Bad Request - Not a Overflow Priority consumer"},
		{plain, `{"min_ack_pending":5}`, "400 Bad Request - Not a Overflow Priority consumer"},
		{plain, `{"id":"5"}`, "400 Bad Request - Not a Pinned Client Priority consumer"},
		{plain, `{"group":"a"}`, ""},
		{plain, `{"priority":5}`, ""},
		{plain, `{"priority":50}`, "400 Bad Request - Priority must be between 0 and 9"},
		{plain, `{"priority":-1}`, "400 Bad Request - Priority must be between 0 and 9"},
		{priority(PriorityOverflow), `{}`, "400 Bad Request - Priority Group missing"},
		{priority(PriorityOverflow), `{"group":"b"}`, "400 Bad Request - Invalid Priority Group"},
		{priority(PriorityOverflow), `{"group":"a","min_pending":5,"min_ack_pending":5}`, ""},
		{priority(PriorityOverflow), `{"group":"a","id":"x"}`, "400 Bad Request - Not a Pinned Client Priority consumer"},
		{priority(PriorityOverflow), `7`, ""},
		{priority(PriorityOverflow), ``, ""},
		{priority(PriorityPinnedClient), `{"group":"a","min_pending":5}`, "400 Bad Request - Not a Overflow Priority consumer"},
		{priority(PriorityPinnedClient), `{"group":"a","id":"x"}`, ""},
		{priority(PriorityPrioritized), `{"group":"a","priority":9}`, ""},
		{priority(PriorityPrioritized), `{"group":"a","priority":10}`, "400 Bad Request - Priority must be between 0 and 9"},
		{capped, `6`, "409 Exceeded MaxRequestBatch of 5"},
		{capped, `5`, ""},
		{capped, `{"batch":5,"expires":6000000000}`, "409 Exceeded MaxRequestExpires of 5s"},
		{capped, `{"batch":5,"expires":5000000000,"max_bytes":101}`, "409 Exceeded MaxRequestMaxBytes of 100"},
		{capped, `{"batch":5,"expires":5000000000,"max_bytes":100}`, ""},
	} {
		r, err := ParsePull([]byte(tc.body))
		if err != nil {
			t.Fatal(tc.body, err)
		}
		if got := line(r.Check(tc.cfg)); got != tc.want {
			t.Errorf("%s for %v: %q, want %q", tc.body, tc.cfg.PriorityPolicy, got, tc.want)
		}
	}
}

func FuzzParsePull(f *testing.F) {
	for _, s := range []string{"", "5", `{"batch":7,"expires":5000000000,"idle_heartbeat":1000}`, `{"group":"a","priority":9,"id":"x"}`} {
		f.Add([]byte(s))
	}
	cfg := &ConsumerConfig{PriorityPolicy: PriorityPrioritized, PriorityGroups: []string{"a"}, MaxRequestBatch: 100}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParsePull(body)
		if err != nil {
			return
		}
		if r.Batch < 1 || r.MaxBytes < 0 || r.Heartbeat < 0 {
			t.Fatalf("%q is %+v", body, r)
		}
		if r.Check(cfg) == nil && (r.Batch > 100 || r.Priority < 0 || r.Priority > MaxPriority || !r.Bare && r.Group != "a") {
			t.Fatalf("%q, %+v, is let through", body, r)
		}
	})
}

func TestStatuses(t *testing.T) {
	for _, tc := range []struct {
		status *Status
		want   string
	}{
		{StatusNoMessages, "NATS/1.0 404 No Messages\r\n\r\n"},
		{StatusEndOfSnapshot, "NATS/1.0 204\r\n\r\n"},
		{StatusInternal(ErrStreamNotFound), "NATS/1.0 500 stream not found (10059)\r\n\r\n"},
	} {
		if got := string(tc.status.AppendBlock(nil)); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if got, want := string(StatusIdleHeartbeat.AppendLine([]byte("x"))), "xNATS/1.0 100 Idle Heartbeat\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMsgGet(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"seq":1}`: true, `{"last_by_subj":"a.>"}`: true, `{"next_by_subj":"a"}`: true, `{"seq":1,"next_by_subj":"a"}`: true,
		`{"start_time":"2020-01-01T00:00:00Z"}`: true, `{"start_time":"2020-01-01T00:00:00Z","next_by_subj":"a"}`: true,
		`{"no_hdr":true}`: false, `{"seq":1,"last_by_subj":"a"}`: false, `{"seq":1,"start_time":"2020-01-01T00:00:00Z"}`: false,
		`{"start_time":"2020-01-01T00:00:00Z","last_by_subj":"a"}`: false, `{"last_by_subj":"a","next_by_subj":"a"}`: false,
		`{"seq":1,"batch":1}`: false, `{"seq":1,"max_bytes":1}`: false, `{"multi_last":["a"]}`: false,
	} {
		var r MsgGetRequest
		if err := Decode([]byte(body), true, &r); err != nil {
			t.Fatal(body, err)
		}
		if err := r.Check(); (err == nil) != ok || err != nil && err != ErrBadRequest {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDirectGet(t *testing.T) {
	for _, tc := range []struct{ filter, body, want string }{
		{"", "", "408 Empty Request"},
		{"", "{}", "408 Empty Request"},
		{"", `{"x":1}`, "408 Empty Request"},
		{"", `{"batch":1}`, "408 Empty Request"},
		{"", "foo", "408 Malformed Request"},
		{"", `{"seq":1}`, ""},
		{"", `{"seq":1,"batch":5,"max_bytes":100}`, ""},
		{"", `{"next_by_subj":"a","seq":3,"batch":2}`, ""},
		{"", `{"start_time":"2020-01-01T00:00:00Z","batch":2}`, ""},
		{"", `{"multi_last":["a","b"]}`, ""},
		{"", `{"multi_last":["a"],"up_to_seq":5}`, ""},
		{"", `{"multi_last":["a"],"up_to_seq":5,"up_to_time":"2020-01-01T00:00:00Z"}`, "408 Bad Request"},
		{"", `{"multi_last":["a"],"last_by_subj":"a"}`, "408 Bad Request"},
		{"", `{"multi_last":["a"],"next_by_subj":"a"}`, "408 Bad Request"},
		{"", `{"seq":1,"last_by_subj":"a"}`, "408 Bad Request"},
		{"", `{"seq":1,"start_time":"2020-01-01T00:00:00Z"}`, "408 Bad Request"},
		{"", `{"start_time":"2020-01-01T00:00:00Z","last_by_subj":"a"}`, "408 Bad Request"},
		{"", `{"last_by_subj":"a","next_by_subj":"b"}`, "408 Bad Request"},
		{"", `{"last_by_subj":"a","batch":2}`, "408 Bad Request"},
		{"", `{"seq":1,"batch":-1}`, "408 Bad Request"},
		{"t.a", "", ""},
		{"t.a", `{"no_hdr":true,"max_bytes":5}`, ""},
		{"t.a", `{"x":true}`, ""},
		{"t.a", `{"seq":1}`, "408 Bad Request"},
		{"t.a", `{"batch":1}`, "408 Bad Request"},
		{"t.a", "foo", "408 Malformed Request"},
	} {
		r, status := ParseDirectGet(tc.filter, []byte(tc.body))
		if got := line(status); got != tc.want {
			t.Errorf("%s on %q: %q, want %q", tc.body, tc.filter, got, tc.want)
		}
		if status == nil && tc.filter != "" && r.LastFor != tc.filter {
			t.Errorf("%s on %q asks for %q", tc.body, tc.filter, r.LastFor)
		}
	}
}
