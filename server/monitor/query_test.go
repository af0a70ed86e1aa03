package monitor

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestConnzQuery(t *testing.T) {
	for _, test := range []struct {
		query string
		want  ConnzOptions
		err   string
	}{
		{query: ""},
		{query: "limit=&auth=&cid=&state=&sort=&subs="},
		{query: "callback=f&filter_subject=x"},
		{query: "auth=1", want: ConnzOptions{Auth: true}},
		{query: "auth=t&subs=TRUE", want: ConnzOptions{Auth: true, Subscriptions: true}},
		{query: "auth=0&subs=f"},
		{query: "subs=detail", want: ConnzOptions{Subscriptions: true, SubscriptionsDetail: true}},
		{query: "subs=DETAIL", want: ConnzOptions{Subscriptions: true, SubscriptionsDetail: true}},
		{query: "offset=-2&limit=7", want: ConnzOptions{Offset: -2, Limit: 7}},
		{query: "limit=1&limit=x", want: ConnzOptions{Limit: 1}},
		{query: "cid=18446744073709551615", want: ConnzOptions{CID: 1<<64 - 1}},
		{query: "state=open"},
		{query: "state=Closed", want: ConnzOptions{State: ConnClosed}},
		{query: "state=any", want: ConnzOptions{State: ConnAny}},
		{query: "state=ALL", want: ConnzOptions{State: ConnAny}},
		{query: "user=joe&acc=A&mqtt_client=m&sort=rtt", want: ConnzOptions{User: "joe", Account: "A", MQTTClient: "m", Sort: SortByRTT}},
		{query: "limit=x", err: `Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax`},
		{query: "offset=99999999999999999999", err: `Error decoding int for 'offset': strconv.Atoi: parsing "99999999999999999999": value out of range`},
		{query: "cid=-1", err: `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax`},
		{query: "auth=yes", err: `Error decoding boolean for 'auth': strconv.ParseBool: parsing "yes": invalid syntax`},
		{query: "subs=details", err: `Error decoding boolean for 'subs': strconv.ParseBool: parsing "details": invalid syntax`},
		{query: "state=1", err: "Error decoding state for 1"},
		{query: "state=x&limit=y", err: `Error decoding int for 'limit': strconv.Atoi: parsing "y": invalid syntax`},
	} {
		t.Run(test.query, func(t *testing.T) {
			checkQuery(t, test.query, ConnzQuery, test.want, test.err)
		})
	}
}

func TestSubszQuery(t *testing.T) {
	for _, test := range []struct {
		query string
		want  SubszOptions
		err   string
	}{
		{query: ""},
		{
			query: "subs=1&offset=1&limit=2&acc=A&test=foo",
			want:  SubszOptions{Subscriptions: true, Offset: 1, Limit: 2, Account: "A", Test: "foo"},
		},
		{query: "subs=detail", err: `Error decoding boolean for 'subs': strconv.ParseBool: parsing "detail": invalid syntax`},
		{query: "offset=1.5", err: `Error decoding int for 'offset': strconv.Atoi: parsing "1.5": invalid syntax`},
	} {
		t.Run(test.query, func(t *testing.T) {
			checkQuery(t, test.query, SubszQuery, test.want, test.err)
		})
	}
}

func TestJszQuery(t *testing.T) {
	for _, test := range []struct {
		query string
		want  JszOptions
		err   string
	}{
		{query: ""},
		{query: "account=A&consumer=1&direct_consumer=1&leader_only=1&stream_leader_only=1"},
		{query: "acc=A&accounts=1", want: JszOptions{Account: "A", Accounts: true}},
		{query: "streams=1", want: JszOptions{Streams: true}},
		{query: "consumers=1", want: JszOptions{Consumers: true}},
		{query: "direct-consumers=1", want: JszOptions{DirectConsumers: true}},
		{query: "config=1", want: JszOptions{Config: true}},
		{query: "leader-only=1", want: JszOptions{LeaderOnly: true}},
		{query: "stream-leader-only=1", want: JszOptions{StreamLeaderOnly: true}},
		{query: "raft=1", want: JszOptions{RaftGroups: true}},
		{query: "offset=3&limit=4", want: JszOptions{Offset: 3, Limit: 4}},
		{query: "accounts=x", err: `Error decoding boolean for 'accounts': strconv.ParseBool: parsing "x": invalid syntax`},
		{query: "limit=x", err: `Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax`},
	} {
		t.Run(test.query, func(t *testing.T) {
			checkQuery(t, test.query, JszQuery, test.want, test.err)
		})
	}
}

func TestHealthzQuery(t *testing.T) {
	for _, test := range []struct {
		query string
		want  HealthzOptions
		err   string
	}{
		{query: ""},
		{query: "js-enabled=1", want: HealthzOptions{JSEnabled: true}},
		{query: "js-enabled-only=1", want: HealthzOptions{JSEnabledOnly: true}},
		{query: "js-server-only=1", want: HealthzOptions{JSServerOnly: true}},
		{query: "js-meta-only=1", want: HealthzOptions{JSMetaOnly: true}},
		{
			query: "account=A&stream=S&consumer=C&details=true",
			want:  HealthzOptions{Account: "A", Stream: "S", Consumer: "C", Details: true},
		},
		{query: "js-enabled=x", err: `Error decoding boolean for 'js-enabled': strconv.ParseBool: parsing "x": invalid syntax`},
		{query: "details=x", err: `Error decoding boolean for 'details': strconv.ParseBool: parsing "x": invalid syntax`},
	} {
		t.Run(test.query, func(t *testing.T) {
			checkQuery(t, test.query, HealthzQuery, test.want, test.err)
		})
	}
}

func checkQuery[O comparable](t *testing.T, text string, parse func(url.Values) (O, error), want O, wantErr string) {
	t.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(values)
	switch {
	case wantErr != "" && (err == nil || err.Error() != wantErr):
		t.Errorf("got %+v, %v; want error %q", got, err, wantErr)
	case wantErr == "" && (err != nil || got != want):
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestOptionsJSON pins the names in the JSON form.
func TestOptionsJSON(t *testing.T) {
	for _, test := range []struct {
		name string
		opts any
		want string
	}{
		{
			"connz",
			ConnzOptions{"cid", true, true, true, 1, 2, 3, "m", ConnAny, "u", "A", "f"},
			`{"sort":"cid","auth":true,"subscriptions":true,"subscriptions_detail":true,"offset":1,"limit":2,"cid":3,` +
				`"mqtt_client":"m","state":2,"user":"u","acc":"A","filter_subject":"f"}`,
		},
		{
			"subsz",
			SubszOptions{1, 2, true, "A", "t"},
			`{"offset":1,"limit":2,"subscriptions":true,"account":"A","test":"t"}`,
		},
		{
			"healthz",
			HealthzOptions{true, true, true, true, "A", "S", "C", true},
			`{"js-enabled":true,"js-enabled-only":true,"js-server-only":true,"js-meta-only":true,` +
				`"account":"A","stream":"S","consumer":"C","details":true}`,
		},
	} {
		got, err := json.Marshal(test.opts)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, got, err, test.want)
		}
	}
}

// FuzzQuery: whatever the query string, there is an answer within the bounds of
// its page or a complaint that says so.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=1&offset=1", "state=closed&sort=stop", "subs=detail&auth=1", "cid=2", "limit=x", "state=%00", "%zz", "a;b",
		"limit=9223372036854775807&offset=9223372036854775807", "test=foo.bar&subs=1", "test=..", "sort=nope", "stream=S", "details=maybe",
	} {
		f.Add(seed)
	}
	src := &fakeSource{
		conns: []*Conn{{CID: 1, Account: "A"}, {CID: 2, Stop: ago(1)}, {CID: 3, Subs: subsOf(Sub{Subject: "foo"})}},
		subs:  []Sub{{Account: "A", Subject: "foo.*"}, {Subject: "bar"}},
	}
	m := newMonitor(f, src)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		complaint := func(err error) {
			if !strings.HasPrefix(err.Error(), "Error decoding ") {
				t.Errorf("error %q", err)
			}
		}
		if opts, err := ConnzQuery(values); err != nil {
			complaint(err)
		} else if answer, err := m.Connz(opts); err == nil {
			if n := len(answer.Conns); n != answer.NumConns || n > answer.Limit || n > answer.Total || answer.Total > len(src.conns) {
				t.Errorf("answer %+v", answer)
			}
		}
		if opts, err := SubszQuery(values); err != nil {
			complaint(err)
		} else if answer, err := m.Subsz(opts); err == nil {
			if n := len(answer.Subs); n > answer.Limit || n > answer.Total || answer.Total > len(src.subs) {
				t.Errorf("answer %+v", answer)
			}
		}
		if opts, err := HealthzQuery(values); err != nil {
			complaint(err)
		} else if answer := m.Healthz(opts); answer.StatusCode != 200 && answer.StatusCode != 400 {
			t.Errorf("answer %+v", answer)
		}
	})
}
