package system

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/event"
)

// fakeHost is a server that knows one connection, number 7.
type fakeHost struct {
	mu   sync.Mutex
	logs []string
	// described counts calls of UserInfo, introduced those of ServerInfo.
	described, introduced int
}

var here = event.ServerInfo{
	Name: "one-eu", Host: "127.0.0.1", ID: "NSERVER", Cluster: "east", Domain: "hub", Version: "2.15.0",
	Tags: []string{"region:eu", "disk:ssd"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
}

const hereJSON = `{"name":"one-eu","host":"127.0.0.1","id":"NSERVER","cluster":"east","domain":"hub","ver":"2.15.0",` +
	`"tags":["region:eu","disk:ssd"],"jetstream":false,"flags":0,"seq":0,"time":"2026-01-02T03:04:05Z"}`

func (h *fakeHost) ServerInfo() event.ServerInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.introduced++
	return here
}

func (h *fakeHost) UserInfo(cid uint64) (auth.UserInfo, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.described++
	return auth.UserInfo{User: "joe", Account: "A"}, cid == 7
}

func (h *fakeHost) Errorf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs = append(h.logs, fmt.Sprintf(format, args...))
}

// client is a connection that asks and keeps the answers.
type client struct {
	account.Target
	acc *account.Account

	mu  sync.Mutex
	got []string
}

// newClient connects to an account, with a subscription to all replies.
func newClient(t *testing.T, a *account.Account, cid uint64) *client {
	t.Helper()
	c := &client{acc: a}
	c.ID, c.Receiver = cid, c
	c.SetHeaders(true)
	if err := a.Subscribe(&account.Subscription{Subject: "reply.>", SID: "1", Target: &c.Target}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) Accept(l *chunk.List, _, _ int64) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, string(l.Bytes()))
	l.Free()
	return nil
}

func (c *client) Flush()                          {}
func (c *client) Exhausted(*account.Subscription) {}
func (c *client) Name() string                    { return "client" }
func (c *client) TrackReply([]byte)               {}
func (c *client) Behind() bool                    { return false }
func (c *client) Info() event.ClientInfo          { return event.ClientInfo{} }

// ask sends a request and tells how many took it.
func (c *client) ask(subject, body string, headers ...string) int {
	m := account.NewMessage(subject, []byte(body), headers...)
	m.Reply, m.From = []byte("reply.x"), &c.Target
	f := c.acc.NewFanout(account.Config{Self: &c.Target})
	n := f.Deliver(f.Routes(m.Subject), m)
	f.Flush()
	return n
}

// answers waits until everything is answered and returns the payloads.
func (c *client) answers() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var payloads []string
	for _, msg := range c.got {
		_, payload, _ := strings.Cut(msg, "\r\n")
		payloads = append(payloads, strings.TrimSuffix(payload, "\r\n"))
	}
	c.got = nil
	return payloads
}

// answer is the one answer to a request.
func (c *client) answer(t *testing.T, subject, body string, headers ...string) string {
	t.Helper()
	if n := c.ask(subject, body, headers...); n != 1 {
		t.Fatalf("%s went to %d", subject, n)
	}
	got := c.answers()
	if len(got) != 1 {
		t.Fatalf("%s: answers %q", subject, got)
	}
	return got[0]
}

var errFull = errors.New("disk is full")

// endpoints are some that show what they were asked.
func endpoints() map[string]Endpoint {
	echo := func(name string) Endpoint {
		return func(body []byte, confined string) (any, error) {
			return []string{name, string(body), confined}, nil
		}
	}
	return map[string]Endpoint{
		"IDZ":    func([]byte, string) (any, error) { return map[string]string{"id": "NSERVER"}, nil },
		"STATSZ": echo("STATSZ"),
		"VARZ":   echo("VARZ"),
		"CONNZ":  echo("CONNZ"),
		"JSZ": func(body []byte, confined string) (any, error) {
			if string(body) == `{"leader_only":true}` {
				return nil, fmt.Errorf("jsz: %w", ErrNotAsked)
			}
			return echo("JSZ")(body, confined)
		},
		"FAILZ": func([]byte, string) (any, error) { return nil, errFull },
		"OPTZ": func(body []byte, _ string) (any, error) {
			var o struct{ Limit int }
			err := json.Unmarshal(body, &o)
			return o, err
		},
		"NANZ": func([]byte, string) (any, error) { return math.NaN(), nil },
	}
}

// start returns a service for a system account and an ordinary one.
func start(t *testing.T, more map[string]Endpoint) (s *Service, host *fakeHost, system, ordinary *account.Account) {
	t.Helper()
	host = &fakeHost{}
	e := endpoints()
	for name, f := range more {
		e[name] = f
	}
	s = New(host, e)
	system, ordinary = account.New("SYS"), account.New("A")
	if err := s.Serve([]*account.Account{system, ordinary}, system); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, host, system, ordinary
}

// What is answered to whom, and how does the answer look?
func TestAnswers(t *testing.T) {
	envelope := func(rest string) string { return `{"server":` + hereJSON + `,` + rest + `}` }
	synctest.Test(t, func(t *testing.T) {
		_, host, system, ordinary := start(t, nil)
		for _, tc := range []struct {
			name    string
			account *account.Account
			subject string
			body    string
			want    string // "" if nobody is there
		}{
			{"all servers", system, "$SYS.REQ.SERVER.PING", "", `{"server":` + hereJSON + `,"statsz":["STATSZ","",""]}`},
			{"all servers, statsz", system, "$SYS.REQ.SERVER.PING.STATSZ", "{}", `{"server":` + hereJSON + `,"statsz":["STATSZ","{}",""]}`},
			{"one server, statsz", system, "$SYS.REQ.SERVER.NSERVER.STATSZ", "", `{"server":` + hereJSON + `,"statsz":["STATSZ","",""]}`},
			{"all servers, varz", system, "$SYS.REQ.SERVER.PING.VARZ", "", envelope(`"data":["VARZ","",""]`)},
			{"one server, varz", system, "$SYS.REQ.SERVER.NSERVER.VARZ", `{"a":1}`, envelope(`"data":["VARZ","{\"a\":1}",""]`)},
			{"another server", system, "$SYS.REQ.SERVER.NOTHER.VARZ", "", ""},
			{"unknown endpoint", system, "$SYS.REQ.SERVER.PING.NOPEZ", "", ""},
			{"id", system, "$SYS.REQ.SERVER.PING.IDZ", "", `{"id":"NSERVER"}`},
			{"id, whatever is in the request", system, "$SYS.REQ.SERVER.PING.IDZ", `{"server_name":"other`, `{"id":"NSERVER"}`},
			{"connections of all accounts", system, "$SYS.REQ.SERVER.PING.CONNZ", "", envelope(`"data":["CONNZ","",""]`)},
			{"own connections", ordinary, "$SYS.REQ.SERVER.PING.CONNZ", `{"acc":"SYS"}`, envelope(`"data":["CONNZ","{\"acc\":\"SYS\"}","A"]`)},
			{"own connections, by account", ordinary, "$SYS.REQ.ACCOUNT.PING.CONNZ", "", envelope(`"data":["CONNZ","","A"]`)},
			{"connections of an account", system, "$SYS.REQ.ACCOUNT.A.CONNZ", `{"acc":"SYS"}`, envelope(`"data":["CONNZ","{\"acc\":\"SYS\"}","A"]`)},
			{"an account of any name", system, "$SYS.REQ.ACCOUNT.PING.JSZ", "", envelope(`"data":["JSZ","","PING"]`)},
			{"what no account can be asked about", system, "$SYS.REQ.ACCOUNT.A.VARZ", "", ""},
			{"another account", ordinary, "$SYS.REQ.ACCOUNT.B.JSZ", "", ""},
			{"not even the own account", ordinary, "$SYS.REQ.ACCOUNT.A.JSZ", "", ""},
			{"not for everybody", ordinary, "$SYS.REQ.SERVER.PING.VARZ", "", ""},
			{"not for everybody, statsz", ordinary, "$SYS.REQ.SERVER.PING", "", ""},
			{"not for everybody, one server", ordinary, "$SYS.REQ.SERVER.NSERVER.CONNZ", "", ""},
			{"user", ordinary, "$SYS.REQ.USER.INFO", "", envelope(`"data":{"user":"joe","account":"A"}`)},
			{"user, whatever is in the request", ordinary, "$SYS.REQ.USER.INFO", "{bad", envelope(`"data":{"user":"joe","account":"A"}`)},
			{"user in the system account", system, "$SYS.REQ.USER.INFO", "", envelope(`"data":{"user":"joe","account":"A"}`)},

			{"malformed", system, "$SYS.REQ.SERVER.PING.VARZ", "{bad", envelope(`"error":{"code":400,"description":"invalid character 'b' looking for beginning of object key string"}`)},
			{"malformed, statsz", system, "$SYS.REQ.SERVER.PING", "{", envelope(`"error":{"code":400,"description":"unexpected end of JSON input"}`)},
			{"malformed, own connections", ordinary, "$SYS.REQ.ACCOUNT.PING.CONNZ", " ", envelope(`"error":{"code":400,"description":"unexpected end of JSON input"}`)},
			{"no object", system, "$SYS.REQ.SERVER.PING.VARZ", "[1]", envelope(`"error":{"code":400,"description":"json: cannot unmarshal array into Go value of type system.filter"}`)},
			{"bad filter", system, "$SYS.REQ.SERVER.PING.VARZ", `{"tags":1}`, envelope(`"error":{"code":400,"description":"json: cannot unmarshal number into Go struct field filter.tags of type []string"}`)},
			{"bad option", system, "$SYS.REQ.SERVER.PING.OPTZ", `{"limit":"x"}`, envelope(`"error":{"code":400,"description":"json: cannot unmarshal string into Go struct field .Limit of type int"}`)},
			{"option", system, "$SYS.REQ.SERVER.PING.OPTZ", `{"limit":3}`, envelope(`"data":{"Limit":3}`)},
			{"null", system, "$SYS.REQ.SERVER.PING.VARZ", "null", envelope(`"data":["VARZ","null",""]`)},
			{"failure", system, "$SYS.REQ.SERVER.PING.FAILZ", "", envelope(`"error":{"code":500,"description":"disk is full"}`)},
			{"too large", system, "$SYS.REQ.SERVER.PING.VARZ", strings.Repeat(" ", maxRequest+1), envelope(`"error":{"code":400,"description":"request exceeds 16384 bytes"}`)},
		} {
			c := newClient(t, tc.account, 7)
			host.introduced = 0
			n := c.ask(tc.subject, tc.body)
			got := c.answers()
			if host.introduced != n {
				// They are numbered, and a gap looks like an answer that was lost.
				t.Errorf("%s: %d server infos for %d answers", tc.name, host.introduced, n)
			}
			switch {
			case tc.want == "" && (n != 0 || len(got) != 0):
				t.Errorf("%s: went to %d, answers %q", tc.name, n, got)
			case tc.want != "" && (n != 1 || len(got) != 1 || got[0] != tc.want):
				t.Errorf("%s: went to %d, answers\n%q, want\n%q", tc.name, n, got, tc.want)
			}
			c.Close()
		}
	})
}

// Is an answer that cannot be encoded reported to both sides?
func TestUnencodableAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, host, system, _ := start(t, nil)
		got := newClient(t, system, 7).answer(t, "$SYS.REQ.SERVER.PING.NANZ", "")
		if !strings.Contains(got, `"error":{"code":500,`) || len(host.logs) != 1 || !strings.Contains(host.logs[0], "NaN") {
			t.Errorf("answer %s, log %q", got, host.logs)
		}
	})
}

// Is nothing done for requests that nobody waits for, or that come from nowhere?
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		called := false
		_, host, system, _ := start(t, map[string]Endpoint{
			"VARZ": func([]byte, string) (any, error) { called = true; return nil, nil },
		})
		c := newClient(t, system, 8)
		if n := c.ask("$SYS.REQ.USER.INFO", ""); n != 1 || len(c.answers()) != 0 {
			t.Error("a connection that is gone is described")
		}
		host.described = 0
		for _, subject := range []string{"$SYS.REQ.SERVER.PING.JSZ", "$SYS.REQ.SERVER.NSERVER.JSZ", "$SYS.REQ.ACCOUNT.A.JSZ"} {
			if n := c.ask(subject, `{"leader_only":true}`); n != 1 || len(c.answers()) != 0 {
				t.Errorf("%s: a request for others is answered", subject)
			}
			c.answer(t, subject, `{"leader_only":false}`)
		}
		for _, subject := range []string{"$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.PING.VARZ"} {
			m := account.NewMessage(subject, nil)
			m.From = &c.Target
			system.Publish(m)
		}
		m := account.NewMessage("$SYS.REQ.USER.INFO", nil)
		m.Reply = []byte("reply.x")
		system.Publish(m) // by the server itself
		if got := c.answers(); len(got) != 0 || called || host.described != 0 {
			t.Errorf("answers %q", got)
		}
	})
}

// Is an answer compressed for those who ask for it?
func TestCompressedAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, system, _ := start(t, nil)
		c := newClient(t, system, 7)
		plain := c.answer(t, "$SYS.REQ.SERVER.PING.VARZ", "")
		for accept, encoding := range map[string]string{"gzip": "gzip", "snappy": "snappy", "s2": "snappy", "br": "identity"} {
			got := c.answer(t, "$SYS.REQ.SERVER.PING.VARZ", "", "Accept-Encoding", accept)
			header, payload, _ := strings.Cut(got, "\r\n\r\n")
			if header != "NATS/1.0\r\nContent-Encoding: "+encoding {
				t.Errorf("%s: header %q", accept, header)
			}
			want, _ := event.Compress(accept, []byte(plain))
			if payload != string(want) {
				t.Errorf("%s: payload %q", accept, payload)
			}
		}
	})
}

// Does Serve, called again, add and remove services, and nothing twice?
func TestServeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, system, ordinary := start(t, nil)
		count := func(a *account.Account) int { return a.Interest().Len() }
		inSystem, inOrdinary := count(system), count(ordinary)
		if want := 2 + 2*len(endpoints()) + len(aboutAccounts); inSystem != want || inOrdinary != 3 {
			t.Errorf("%d and %d services, want %d and 3", inSystem, inOrdinary, want)
		}
		serve := func(system *account.Account, accounts ...*account.Account) {
			t.Helper()
			if err := s.Serve(accounts, system); err != nil {
				t.Fatal(err)
			}
		}
		before := system.Subscriptions("")
		serve(system, system, ordinary)
		for _, sub := range system.Subscriptions("") {
			if !slices.Contains(before, sub) {
				t.Error("services were made anew")
			}
		}
		third := account.New("B")
		serve(system, third, system)
		if count(system) != inSystem || count(ordinary) != 0 || count(third) != inOrdinary {
			t.Errorf("%d, %d and %d services", count(system), count(ordinary), count(third))
		}
		serve(third, third, system) // now another one is the system account
		if count(system) != inOrdinary || count(third) != inSystem {
			t.Errorf("%d and %d services", count(system), count(third))
		}
		serve(nil, system, third)
		if count(system) != inOrdinary || count(third) != inOrdinary {
			t.Errorf("%d and %d services", count(system), count(third))
		}
		s.Close()
		serve(system, system)
		if count(system) != 0 || count(third) != 0 {
			t.Errorf("%d and %d services after Close", count(system), count(third))
		}
		s.Close()
	})
}

// Is an account served in full or not at all, and others nevertheless?
func TestServeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(&fakeHost{}, map[string]Endpoint{"..": nil, "CONNZ": endpoints()["CONNZ"]})
		system, ordinary := account.New("SYS"), account.New("A")
		for range 2 {
			err := s.Serve([]*account.Account{system, ordinary}, system)
			if err == nil || !strings.Contains(err.Error(), `account "SYS"`) {
				t.Errorf("error %v", err)
			}
			if system.Interest().Len() != 0 || ordinary.Interest().Len() != 3 {
				t.Errorf("%d and %d services", system.Interest().Len(), ordinary.Interest().Len())
			}
		}
		s.Close()
	})
}

// Are services that need an endpoint there only if it is?
func TestFewEndpoints(t *testing.T) {
	s := New(&fakeHost{}, nil)
	defer s.Close()
	system, ordinary := account.New("SYS"), account.New("A")
	if err := s.Serve([]*account.Account{system, ordinary}, system); err != nil {
		t.Fatal(err)
	}
	if system.Interest().Len() != 1 || ordinary.Interest().Len() != 1 {
		t.Errorf("%d and %d services", system.Interest().Len(), ordinary.Interest().Len())
	}
}
