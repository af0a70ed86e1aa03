package monitor

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ailing is a JetStream in which the stream A > broken and the consumers
// A > fine > late and B > other > late are in trouble.
func ailing(t testing.TB) *fakeJetStream {
	behind, full := errors.New("behind by 3 entries"), errors.New("disk is full")
	j := newJetStream(t)
	j.streams = map[string][]JSStream{
		"A": {
			{Name: "broken", Trouble: full, Consumers: slices.Values([]JSConsumer{{Name: "victim", Trouble: full}})},
			{Name: "fine", Consumers: slices.Values([]JSConsumer{{Name: "good"}, {Name: "late", Trouble: behind}, {Name: "mirror", Direct: true}})},
			{Name: "idle", Consumers: slices.Values([]JSConsumer{})},
		},
		"B": {{Name: "other", Consumers: slices.Values([]JSConsumer{{Name: "late", Trouble: behind}})}},
		"N": {{Name: "hidden", Trouble: full, Consumers: slices.Values([]JSConsumer{})}},
	}
	return j
}

// Does healthz answer over HTTP as probes know it?
func TestJetStreamHealth(t *testing.T) {
	const (
		ok       = `200 {"status":"ok"}`
		disabled = `JetStream not enabled (10076)`
		broken   = `JetStream stream 'A > broken' is not current: disk is full`
		late     = `JetStream consumer 'A > fine > late' is not current: behind by 3 entries`
		other    = `JetStream consumer 'B > other > late' is not current: behind by 3 entries`
	)
	unavailable := func(text string) string { return `503 {"status":"unavailable","error":"` + text + `"}` }
	notFound := func(text string) string { return `404 {"status":"unavailable","error":"` + text + `"}` }
	details := func(problems string) string { return `503 {"status":"error","errors":[` + problems + `]}` }
	brokenDetail := `{"type":"STREAM","account":"A","stream":"broken","error":"` + broken + `"}`
	lateDetail := `{"type":"CONSUMER","account":"A","stream":"fine","consumer":"late","error":"` + late + `"}`
	otherDetail := `{"type":"CONSUMER","account":"B","stream":"other","consumer":"late","error":"` + other + `"}`

	for _, test := range []struct {
		state JSState
		query string
		want  string
	}{
		{JSNone, "", ok},
		{JSNone, "js-enabled-only=1", ok},
		{JSNone, "account=A&stream=S", ok},
		{JSDisabled, "", unavailable(disabled)},
		{JSDisabled, "js-enabled-only=1", unavailable(disabled)},
		{JSDisabled, "js-enabled=1", unavailable(disabled)},
		{JSDisabled, "js-meta-only=1", unavailable(disabled)},
		{JSDisabled, "account=Z", unavailable(disabled)},
		{JSDisabled, "js-server-only=1", ok},
		{JSDisabled, "details=1", details(`{"type":"JETSTREAM","error":"` + disabled + `"}`)},
		{JSRecovering, "", unavailable("JetStream is still recovering meta layer")},
		{JSRecovering, "js-meta-only=1", unavailable("JetStream is still recovering meta layer")},
		{JSRecovering, "js-enabled-only=1", ok},
		{JSRecovering, "js-enabled=1", ok},
		{JSRecovering, "js-server-only=1", ok},
		{JSNoLeader, "", unavailable("JetStream has not established contact with a meta leader")},
		{JSBehind, "account=A&stream=fine", unavailable("JetStream is not current with the meta leader")},
		{JSBehind, "details=1", details(`{"type":"JETSTREAM","error":"JetStream is not current with the meta leader"}`)},
		{JSReady, "js-meta-only=1", ok},
		{JSReady, "js-enabled-only=1", ok},
		{JSReady, "js-server-only=1", ok},
		{JSReady, "account=A", unavailable(broken)},
		{JSReady, "details=1&account=A", details(brokenDetail + "," + lateDetail)},
		{JSReady, "account=B", unavailable(other)},
		{JSReady, "account=N", notFound(`JetStream account \"N\" not found`)},
		{JSReady, "account=Z", notFound(`JetStream account \"Z\" not found`)},
		{JSReady, "account=Z&js-meta-only=1", ok},
		{JSReady, "account=Z&stream=fine", notFound(`JetStream account \"Z\" not found`)},
		{JSReady, "account=A&stream=broken", unavailable(broken)},
		{JSReady, "account=A&stream=broken&consumer=victim&details=1", details(brokenDetail)},
		{JSReady, "account=A&stream=idle", ok},
		{JSReady, "account=A&stream=fine", unavailable(late)},
		{JSReady, "account=A&stream=fine&consumer=late", unavailable(late)},
		{JSReady, "account=A&stream=fine&consumer=good", ok},
		{JSReady, "account=A&stream=fine&consumer=mirror", ok},
		{JSReady, "account=A&stream=nope", notFound(`JetStream stream \"nope\" not found on account \"A\"`)},
		{JSReady, "account=A&stream=nope&consumer=good", notFound(`JetStream stream \"nope\" not found on account \"A\"`)},
		{JSReady, "account=A&stream=fine&consumer=nope", notFound(`JetStream consumer \"nope\" not found for stream \"fine\" on account \"A\"`)},
		{
			JSReady, "account=A&stream=fine&consumer=nope&details=1",
			`404 {"status":"error","errors":[{"type":"CONSUMER","account":"A","stream":"fine","consumer":"nope",` +
				`"error":"JetStream consumer \"nope\" not found for stream \"fine\" on account \"A\""}]}`,
		},
		{
			JSReady, "account=A&stream=nope&details=1",
			`404 {"status":"error","errors":[{"type":"STREAM","account":"A","stream":"nope","error":"JetStream stream \"nope\" not found on account \"A\""}]}`,
		},
		{
			JSReady, "account=Z&details=1",
			`404 {"status":"error","errors":[{"type":"ACCOUNT","account":"Z","error":"JetStream account \"Z\" not found"}]}`,
		},
		{JSReady, "stream=fine", `400 {"status":"error","error":"\"account\" must not be empty when checking stream health"}`},
		{JSReady, "", unavailable(broken)},
		{JSReady, "details=1", details(brokenDetail + "," + lateDetail + "," + otherDetail)},
	} {
		j := ailing(t)
		j.state = test.state
		if got := probe(j.monitor(), test.query); got != test.want {
			t.Errorf("state %d, %s:\n%s, want\n%s", test.state, test.query, got, test.want)
		}
	}
}

// probe returns the status and the body of an answer, as a reader of JSON sees it.
func probe(m *Monitor, query string) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz?"+query, nil))
	body := strings.ReplaceAll(w.Body.String(), `\u003e`, ">")
	return strconv.Itoa(w.Code) + " " + body
}

// Is a sick server not asked about its JetStream, and a well one without
// JetStream well?
func TestHealthOfServerComesFirst(t *testing.T) {
	j := ailing(t)
	sick := &fakeSource{problems: []HealthProblem{{Code: 500, Area: HealthConnection, Error: "not accepting"}}}
	got := New(sick, Config{JetStream: j, Now: time.Now}).Healthz(HealthzOptions{Details: true})
	if len(got.Errors) != 1 || got.StatusCode != 500 {
		t.Errorf("sick: %+v", got)
	}
	if got := newMonitor(t, &fakeSource{}).Healthz(HealthzOptions{Account: "Z"}); got.StatusCode != 200 {
		t.Errorf("without JetStream: %+v", got)
	}
}

// Are streams and consumers left undescribed by probes, which come every few
// seconds?
func TestHealthDescribesNothing(t *testing.T) {
	j := newJetStream(t)
	if got := j.monitor().Healthz(HealthzOptions{Details: true}); got.StatusCode != 200 || *j.described != 0 {
		t.Errorf("%+v, %d descriptions", got, *j.described)
	}
}

// Does a server that takes no clients yet say that it waits for JetStream, and one
// that takes none for another reason say that?
func TestHealthWhileStarting(t *testing.T) {
	broken := HealthProblem{Code: http.StatusInternalServerError, Area: HealthConnection, Error: "not accepting"}
	deaf := HealthProblem{Code: http.StatusServiceUnavailable, Area: HealthConnection, Error: "not accepting"}
	meta := HealthProblem{Code: http.StatusServiceUnavailable, Area: HealthJetStream, Error: "JetStream is still recovering meta layer"}
	opening := HealthProblem{
		Code: http.StatusServiceUnavailable, Area: HealthStream, Account: "A", Stream: "S",
		Error: "JetStream stream 'A > S' is not current: is not open yet",
	}
	slow := JSStream{Name: "S", Trouble: errors.New("is not open yet"), Consumers: slices.Values([]JSConsumer{})}
	for _, test := range []struct {
		name    string
		state   JSState
		server  HealthProblem
		streams []JSStream
		opts    HealthzOptions
		want    []HealthProblem
	}{
		{"broken", JSRecovering, broken, nil, HealthzOptions{}, []HealthProblem{broken}},
		{"recovering", JSRecovering, deaf, nil, HealthzOptions{}, []HealthProblem{meta, deaf}},
		{"recovering a stream", JSReady, deaf, []JSStream{slow}, HealthzOptions{}, []HealthProblem{opening, deaf}},
		{"recovering, server only", JSRecovering, deaf, nil, HealthzOptions{JSServerOnly: true}, []HealthProblem{deaf}},
		{"all recovered", JSReady, deaf, nil, HealthzOptions{}, []HealthProblem{deaf}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newJetStream(t)
			j.state, j.streams = test.state, map[string][]JSStream{"A": test.streams}
			m := New(&fakeSource{problems: []HealthProblem{test.server}}, Config{Now: func() time.Time { return epoch }, JetStream: j})
			first := m.Healthz(test.opts)
			if first.StatusCode != test.want[0].Code || first.Error != test.want[0].Error {
				t.Errorf("got %+v", first)
			}
			test.opts.Details = true
			if got := m.Healthz(test.opts).Errors; !slices.Equal(got, test.want) {
				t.Errorf("in detail %+v, want %+v", got, test.want)
			}
		})
	}
}
