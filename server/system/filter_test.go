package system

import (
	"testing"
	"testing/synctest"
)

var filters = []struct {
	request  string
	selected bool
}{
	{`{}`, true},
	{`{"exact_match":true}`, true},
	{`{"server_name":"","cluster":"","host":"","domain":"","tags":[]}`, true},
	{`{"server_name":"one"}`, true},
	{`{"server_name":"ONE"}`, false},
	{`{"server_name":"one-eu"}`, true},
	{`{"server_name":"one","exact_match":true}`, false},
	{`{"server_name":"one-eu","exact_match":true}`, true},
	{`{"server_name":"two"}`, false},
	{`{"cluster":"eas"}`, true},
	{`{"cluster":"eas","exact_match":true}`, false},
	{`{"cluster":"east","exact_match":true}`, true},
	{`{"cluster":"west"}`, false},
	{`{"host":"127"}`, true},
	{`{"host":"127","exact_match":true}`, false},
	{`{"host":"127.0.0.1","exact_match":true}`, true},
	{`{"domain":"hu"}`, true},
	{`{"domain":"hub","exact_match":true}`, true},
	{`{"domain":"spoke"}`, false},
	{`{"tags":["region:eu"]}`, true},
	{`{"tags":["Region:EU"]}`, true},
	{`{"tags":["region"]}`, false},
	{`{"tags":["region:eu","disk:ssd"]}`, true},
	{`{"tags":["region:eu","disk:hdd"]}`, false},
	{`{"server_name":"one","cluster":"west"}`, false},
	{`{"server_name":"one","tags":["disk:hdd"]}`, false},
	{`{"server_name":"one","cluster":"east","host":"127","domain":"hub","tags":["disk:ssd"],"acc":"A"}`, true},
}

// Is a request answered by the servers it is for, and by no others?
func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, system, ordinary := start(t, nil)
		inSystem, inOrdinary := newClient(t, system, 7), newClient(t, ordinary, 7)
		for _, tc := range filters {
			want := 0
			if tc.selected {
				want = 1
			}
			for _, q := range []struct {
				*client
				subject string
			}{
				{inSystem, "$SYS.REQ.SERVER.PING"},
				{inSystem, "$SYS.REQ.SERVER.PING.VARZ"},
				{inOrdinary, "$SYS.REQ.SERVER.PING.CONNZ"},
			} {
				q.ask(q.subject, tc.request)
				if got := q.answers(); len(got) != want {
					t.Errorf("%s %s: %d answers, want %d", q.subject, tc.request, len(got), want)
				}
			}
		}
	})
}

// Is a request that is not taken in refused by the servers it is for?
func TestSelected(t *testing.T) {
	s := New(&fakeHost{}, endpoints())
	for _, tc := range []struct {
		endpoint, body string
		want           bool
	}{
		{"VARZ", "", true},
		{"VARZ", `{"server_name":"one"}`, true},
		{"VARZ", `{"server_name":"two"}`, false},
		{"VARZ", `{bad`, true},
		{"IDZ", `{"server_name":"two"}`, true},
	} {
		if got := s.selected(&request{endpoint: tc.endpoint, body: []byte(tc.body)}); got != tc.want {
			t.Errorf("%s %s: %t", tc.endpoint, tc.body, got)
		}
	}
}

// Does whatever is sent get an answer or none, and nothing worse?
func FuzzRequest(f *testing.F) {
	for _, tc := range filters {
		f.Add(tc.request)
	}
	for _, s := range []string{"", " ", "null", "[]", "{", `{"tags":{}}`, `{"server_name":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		synctest.Test(t, func(t *testing.T) {
			_, _, system, _ := start(t, nil)
			c := newClient(t, system, 7)
			c.ask("$SYS.REQ.SERVER.PING.OPTZ", body)
			if got := c.answers(); len(got) > 1 {
				t.Errorf("%d answers", len(got))
			}
		})
	})
}
