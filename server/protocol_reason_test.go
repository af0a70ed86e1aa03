package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/conn"
)

const withMonitoring = "http: '10.0.0.1:8222'\n"

// monitor asks the monitoring port.
func (s *site) monitor(path string, answer any) {
	s.t.Helper()
	synctest.Wait()
	transport := &http.Transport{DialContext: s.away.DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport}
	resp, err := c.Get("http://" + s.host.Name() + ":8222/" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
}

// Connections that were closed are remembered with the reason.
func TestClosedReasons(t *testing.T) {
	const one = "authorization { users: [{user: a, password: a}] }\n"
	wait := func(d time.Duration) func(*site, *peer) { return func(*site, *peer) { time.Sleep(d) } }
	for _, tc := range []struct {
		reason conn.Reason
		config string
		login  string // of a peer that comes so far
		send   string
		then   func(s *site, p *peer)
	}{
		{reason: conn.ClientClosed, then: func(_ *site, p *peer) { p.close() }},
		{reason: conn.ClientClosed, send: "-ERR 'x'\r\n"},
		{reason: conn.AuthenticationTimeout, config: one, then: wait(2 * second)},
		{reason: conn.AuthenticationFailure, config: one, send: "CONNECT {}\r\n"},
		{reason: conn.AuthenticationFailure, send: `CONNECT {"account":"A"}` + "\r\n"},
		{reason: conn.ParseError, send: "nonsense\r\n"},
		{reason: conn.StaleConnection, config: "ping_interval: 1s\nping_max: 1", send: quiet + "}\r\n", then: wait(3 * second)},
		{reason: conn.ProtocolViolation, send: "PUB a b c d e\r\n"},
		{reason: conn.ProtocolViolation, send: "CONNECT x\r\n"},
		{reason: conn.BadProtocolVersion, send: `CONNECT {"protocol":9}` + "\r\n"},
		{reason: conn.MaxConnections, config: "max_connections: 0"},
		{reason: conn.MaxAccountConnections, config: "accounts { A { users: [{user: a, password: a}], limits { max_connections: 0 } } }", send: "CONNECT {" + as("a") + "}\r\n"},
		{reason: conn.MaxPayload, send: "PUB a 9999999\r\n"},
		{reason: conn.MaxControlLine, send: strings.Repeat("SUB ", 2000)},
		{reason: conn.HeaderViolation, send: "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n"},
		{reason: conn.NoRespondersRequiresHeaders, send: `CONNECT {"no_responders":true}` + "\r\n"},
		{reason: conn.CredentialsRevoked, config: one, send: "CONNECT {" + as("a") + "}\r\n", then: func(s *site, _ *peer) {
			s.reload(withMonitoring + "authorization { users: [{user: b, password: b}] }")
		}},
		{reason: conn.MaxSubscriptions, config: "accounts { A { users: [{user: a, password: a}] } }", send: "CONNECT {" + as("a") + "}\r\nSUB a 1\r\nSUB b 2\r\n", then: func(s *site, _ *peer) {
			s.reload(withMonitoring + "accounts { A { users: [{user: a, password: a}], limits { max_subscriptions: 1 } } }")
		}},
	} {
		t.Run(fmt.Sprintf("%s by %s", tc.reason, brief(tc.send)), func(t *testing.T) {
			script(t, withMonitoring+tc.config, func(s *site) {
				p := s.dial()
				p.send(tc.send)
				synctest.Wait()
				if tc.then != nil {
					tc.then(s, p)
				}
				var z struct {
					Connections []struct {
						Reason string
						CID    int
					}
				}
				s.monitor("connz?state=closed", &z)
				if len(z.Connections) != 1 || z.Connections[0].Reason != tc.reason.String() || z.Connections[0].CID != 1 {
					t.Errorf("closed connections %v, want one with %s", z.Connections, tc.reason)
				}
			})
		})
	}
}

// What the server counts of slow and stale clients, and of publishers that were
// held up.
func TestCounters(t *testing.T) {
	script(t, withMonitoring+"max_pending: 100000\nmax_payload: 50000\nping_interval: 10s\nping_max: 1\nwrite_deadline: 1h", func(s *site) {
		slow, pub := s.deaf(), s.connect()
		slow.send(quiet + "}\r\nSUB a 1\r\n")
		synctest.Wait()
		for range 40 {
			pub.pub("a", strings.Repeat("x", 10_000))
			time.Sleep(10 * time.Millisecond)
		}
		s.connect()
		time.Sleep(30 * second) // and pub does not answer either
		var v struct {
			SlowConsumers  int `json:"slow_consumers"`
			Stale          int `json:"stale_connections"`
			StalledClients int `json:"stalled_clients"`
			InMsgs         int `json:"in_msgs"`
			InBytes        int `json:"in_bytes"`
			Total          int `json:"total_connections"`
			Connections    int
		}
		s.monitor("varz", &v)
		if v.SlowConsumers != 1 || v.Stale != 2 || v.StalledClients == 0 || v.StalledClients > 5 {
			t.Errorf("%+v", v)
		}
		if v.InMsgs != 40 || v.InBytes != 400_000 || v.Total != 3 || v.Connections != 0 {
			t.Errorf("%+v", v)
		}
	})
}
