package event

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// Which headers say that a request is followed?
func TestTracingHeaders(t *testing.T) {
	const span = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1"
	for _, tc := range []struct {
		headers []string
		want    string
	}{
		{nil, "map[]"},
		{[]string{"Other", "1"}, "map[]"},
		{[]string{"Uber-Trace-Id", "1:2:3:1"}, "map[Uber-Trace-Id:[1:2:3:1]]"},
		{[]string{"uber-trace-id", "1:2:3:3"}, "map[Uber-Trace-Id:[1:2:3:3]]"},
		{[]string{"Uber-Trace-Id", "1:2:3:0"}, "map[]"},
		{[]string{"Uber-Trace-Id", "1:2:3:"}, "map[]"},
		{[]string{"Uber-Trace-Id", "1:2:3:x"}, "map[]"},
		{[]string{"Uber-Trace-Id", "1"}, "map[]"},
		{[]string{"X-B3-Sampled", "1", "X-B3-TraceId", "a", "Other", "b"}, "map[X-B3-Sampled:[1] X-B3-Traceid:[a]]"},
		{[]string{"X-B3-Sampled", "true"}, "map[X-B3-Sampled:[true]]"},
		{[]string{"X-B3-Sampled", "0", "X-B3-TraceId", "a"}, "map[]"},
		{[]string{"X-B3-TraceId", "a"}, "map[X-B3-Traceid:[a]]"},
		{[]string{"X-B3-Flags", "1"}, "map[X-B3-Flags:[1]]"},
		{[]string{"X-B3-Flags", "0"}, "map[]"},
		{[]string{"b3", "1"}, "map[B3:[1]]"},
		{[]string{"b3", "d"}, "map[B3:[d]]"},
		{[]string{"b3", "0"}, "map[]"},
		{[]string{"b3", span}, "map[B3:[" + span + "]]"},
		{[]string{"b3", span + "-1"}, "map[B3:[" + span + "-1]]"},
		{[]string{"b3", span + "-d-05e3ac9a4f6e3b90"}, "map[B3:[" + span + "-d-05e3ac9a4f6e3b90]]"},
		{[]string{"b3", span + "-0"}, "map[]"},
		{
			[]string{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate", "x=y"},
			"map[Traceparent:[00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01] Tracestate:[x=y]]",
		},
		{[]string{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, "map[]"},
	} {
		got := TracingHeaders(func(f func(name, value []byte) bool) {
			for i := 0; i < len(tc.headers); i += 2 {
				f([]byte(tc.headers[i]), []byte(tc.headers[i+1]))
			}
		})
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%q: %v, want %s", tc.headers, got, tc.want)
		}
	}
}

// The JSON of what services are told, as others read it.
func TestServiceJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	who := ClientInfo{
		Start: &at, Host: "h", ID: 1, Account: "B", Service: "C", User: "u", Name: "n", Lang: "go", Version: "1", RTT: 5,
		Server: "s", Kind: "Client", ClientType: "nats",
	}
	brief := who.Brief()
	for _, tc := range []struct {
		v    any
		want string
	}{
		{who, `{"start":"2026-01-02T03:04:05.000000006Z","host":"h","id":1,"acc":"B","svc":"C","user":"u","name":"n","lang":"go","ver":"1","rtt":5,"server":"s","kind":"Client","client_type":"nats"}`},
		{brief, `{"acc":"B","svc":"C","rtt":5}`},
		{
			ServiceLatency{Type: ServiceLatencyType, ID: "x", Time: at, Status: 503, Description: LatencyText(503), Requestor: &ClientInfo{Account: "B"}, Start: at},
			`{"type":"io.nats.server.metric.v1.service_latency","id":"x","timestamp":"2026-01-02T03:04:05.000000006Z","status":503,"description":"Service Unavailable","requestor":{"acc":"B"},"start":"2026-01-02T03:04:05.000000006Z","service":0,"system":0,"total":0}`,
		},
	} {
		got, err := json.Marshal(tc.v)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s, %v", got, err)
		}
	}
}

// No header makes it fail, and what is found asks to be followed.
func FuzzTracingHeaders(f *testing.F) {
	for _, s := range []string{"1:2:3:1", "1", "0", "d", "a-b-1", "00-a-b-01", "", ":::", "---"} {
		for _, name := range []string{"Uber-Trace-Id", "X-B3-Sampled", "b3", "traceparent", "X-B3-"} {
			f.Add(name, s)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		got := TracingHeaders(func(f func(name, value []byte) bool) { f([]byte(name), []byte(value)) })
		if got != nil && (len(got) != 1 || !followed(got)) {
			t.Errorf("%v", got)
		}
	})
}
