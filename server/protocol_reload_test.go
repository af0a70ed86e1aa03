package server_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What a new configuration means for clients that are there.
func TestReloadUsers(t *testing.T) {
	const (
		two    = "authorization { users: [{user: a, password: a}, {user: b, password: b}] }"
		open   = "max_payload: 1000"
		silent = "" // closed without a word
	)
	violation := "-ERR 'Authorization Violation'\r\n"
	for _, tc := range []struct {
		name, before, connect, after string
		stays                        bool
		told, reason                 string
	}{
		{name: "as before", before: two, connect: as("a"), after: two + "\nmax_payload: 1000", stays: true},
		{name: "another user is gone", before: two, connect: as("a"), after: "authorization { users: [{user: a, password: a}] }", stays: true},
		{name: "the user is gone", before: two, connect: as("a"), after: "authorization { users: [{user: b, password: b}] }", told: silent},
		{name: "another password", before: two, connect: as("a"), after: "authorization { users: [{user: a, password: x}] }", told: violation},
		{name: "another way to come", before: two, connect: as("a"), after: "authorization { users: [{user: a, password: a, allowed_connection_types: [WEBSOCKET]}] }", told: violation},
		{name: "another token", before: "authorization { token: x }", connect: `"auth_token":"x"`, after: "authorization { token: y }", told: violation},
		{name: "one of many becomes the only one", before: two, connect: as("a"), after: "authorization { user: a, password: a }", stays: true},
		{name: "nobody asks any more", before: two, connect: as("a"), after: open, stays: true},
		{name: "somebody asks now", before: open, connect: `"name":"x"`, after: two, told: violation},
		{name: "somebody asks now, of one who has said it", before: open, connect: as("a"), after: two, stays: true},
		{name: "the user has moved to another account", before: two, connect: as("a"), after: "accounts { A { users: [{user: a, password: a}] } }", told: silent},
		{name: "the account is gone", before: "accounts { A { users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }", connect: as("a"), after: "accounts { B { users: [{user: b, password: b}] } }", told: silent},
		{name: "the user that anybody was", before: two + "\nno_auth_user: a", connect: `"name":"x"`, after: "authorization { users: [{user: b, password: b}] }", told: silent},
		{name: "fewer subscriptions", before: "accounts { A { users: [{user: a, password: a}] } }", connect: as("a"), after: "accounts { A { users: [{user: a, password: a}], limits { max_subscriptions: 1 } } }", told: "-ERR 'maximum subscriptions exceeded'\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.before, func(s *site) {
				p := s.connect(tc.connect)
				p.send("SUB x 1\r\nSUB y 2\r\n")
				p.ping()
				s.reload(tc.after)
				if tc.stays {
					p.send(lines("PUB x 0", ""))
					p.wantOnly(lines("MSG x 1 0", ""))
					return
				}
				p.want(tc.told)
				p.wantClosed()
			})
		})
	}
}

// New permissions are in force at once, for what is there and for what comes.
func TestReloadPermissions(t *testing.T) {
	const before = `authorization { users: [{user: a, password: a, permissions: {publish: {deny: later}}}, {user: b, password: b}] }`
	const after = `authorization { users: [{user: a, password: a, permissions: {
		publish: {deny: now}
		subscribe: {allow: [ok, "w.*", "s q"], deny: w.no}
	}}, {user: b, password: b}] }`
	script(t, before, func(s *site) {
		p, b := s.connect(as("a")), s.connect(as("b"))
		p.send(lines("SUB ok 1", "SUB gone 2", "SUB gone q 3", "SUB w.* 4", "SUB w.> 5", "SUB s q 6", "SUB s r 7", "SUB w.* q 8", "UNSUB 4 5"))
		// It is known that the one is allowed and the other not.
		p.send(strings.Repeat(lines("PUB now 0", "", "PUB later 0", ""), 3))
		p.wantOnly(strings.Repeat(denyPub("later"), 3))
		b.send(strings.Repeat(lines("PUB w.no 0", "", "PUB gone 0", ""), 2))
		b.ping()
		p.take(len(p.mustGet()))
		subs := s.srv.NumSubscriptions()

		s.reload(after)
		got := p.mustGet()
		p.take(len(got))
		want := []string{
			`-ERR 'Permissions Violation for Subscription to "gone" (sid "2")'`,
			`-ERR 'Permissions Violation for Subscription to "gone" using queue "q" (sid "3")'`,
			`-ERR 'Permissions Violation for Subscription to "w.>" (sid "5")'`,
			`-ERR 'Permissions Violation for Subscription to "s" using queue "r" (sid "7")'`,
		}
		for _, line := range want {
			if !strings.Contains(got, line+"\r\n") {
				t.Errorf("no %s in %q", line, got)
			}
		}
		if n := strings.Count(got, "\r\n"); n != len(want) {
			t.Errorf("got %q, want %d lines", got, len(want))
		}
		if n := subs - s.srv.NumSubscriptions(); n != len(want) {
			t.Errorf("%d subscriptions are gone, want %d", n, len(want))
		}

		p.send(lines("PUB now 0", "", "PUB later 0", ""))
		p.wantOnly(denyPub("now"))
		b.send(lines("PUB ok 0", "", "PUB gone 0", "", "PUB w.no 0", "", "PUB s 0", ""))
		b.ping()
		p.wantOnly(lines("MSG ok 1 0", "", "MSG s 6 0", ""))
		// Two were delivered before: the maximum of the subscription is the same.
		b.send(strings.Repeat(lines("PUB w.yes 0", ""), 5))
		b.ping()
		if got := p.mustGet(); strings.Count(got, "MSG w.yes 4 ") != 3 || strings.Count(got, "MSG w.yes 8 ") != 5 {
			t.Errorf("got %q, want 3 for sid 4 and 5 for sid 8", got)
		}
		p.take(len(p.mustGet()))

		s.reload(before)
		b.send(lines("PUB w.no 0", ""))
		b.ping()
		p.wantOnly(lines("MSG w.no 8 0", ""))
		p.send(lines("SUB gone 2", "PUB now 0", "", "PUB gone 0", ""))
		p.wantOnly(lines("MSG gone 2 0", ""))
	})
}

// Messages that are on their way while permissions change are neither lost nor
// doubled where both allow them.
func TestReloadUnderTraffic(t *testing.T) {
	const before = `authorization { users: [{user: a, password: a}] }`
	const after = `authorization { users: [{user: a, password: a, permissions: {subscribe: {deny: x.no}}}] }`
	script(t, before, func(s *site) {
		const n = 4000
		sub, pub := s.connect(as("a")), s.connect(as("a"))
		sub.send("SUB x.* 1\r\n")
		sub.ping()
		var wg sync.WaitGroup
		wg.Go(func() {
			for range n {
				pub.send("PUB x.yes 0\r\n\r\n")
			}
		})
		for range 10 {
			s.reload(after)
			s.reload(before)
		}
		wg.Wait()
		sub.wantOnly(strings.Repeat(lines("MSG x.yes 1 0", ""), n))
	})
}

// Limits bind those who are there. They are not told by a new INFO.
func TestReloadLimits(t *testing.T) {
	t.Run("payload", func(t *testing.T) {
		script(t, "max_payload: 100", func(s *site) {
			p := s.greeted()
			p.send(quiet + `,"protocol":1}` + "\r\nPING\r\n")
			p.want("PONG\r\n")
			p.wantInfo()
			s.reload("max_payload: 5")
			p.pub("a", "hello")
			p.ping()
			if i := s.dial().wantInfo(); i.number("max_payload") != 5 {
				t.Errorf("max_payload %d in new INFO", i.number("max_payload"))
			}
			p.send("PUB a 6\r\n")
			p.wantErr("Maximum Payload Violation")
			p.wantClosed()
		})
	})
	t.Run("payload of the account", func(t *testing.T) {
		const config = "accounts { A { users: [{user: a, password: a}], limits { max_payload: 50 } } }"
		script(t, config, func(s *site) {
			p := s.connect(as("a"))
			s.reload(strings.Replace(config, "50", "5", 1))
			p.pub("a", "hello")
			p.ping()
			p.send("PUB a 6\r\n")
			p.wantErr("Maximum Payload Violation")
			p.wantClosed()
		})
	})
	t.Run("control line", func(t *testing.T) {
		script(t, "max_control_line: 1000", func(s *site) {
			p := s.connect()
			s.reload("max_control_line: 50")
			p.send("SUB " + strings.Repeat("a", 60) + " 1\r\n")
			p.wantErr("maximum control line exceeded")
			p.wantClosed()
		})
	})
	t.Run("connections", func(t *testing.T) {
		script(t, "max_connections: 5", func(s *site) {
			var peers []*peer
			for range 5 {
				peers = append(peers, s.connect())
			}
			s.reload("max_connections: 2")
			synctest.Wait()
			if n := s.srv.NumClients(); n != 2 {
				t.Errorf("%d clients, want 2", n)
			}
			cut := 0
			for _, p := range peers {
				if got, _ := p.settle(); got != "" {
					p.wantErr("maximum connections exceeded")
					p.wantClosed()
					cut++
				} else {
					p.ping()
				}
			}
			if cut != 3 {
				t.Errorf("%d are cut off, want 3", cut)
			}
		})
	})
	t.Run("connections of an account", func(t *testing.T) {
		const config = "accounts { A { users: [{user: a, password: a}], limits { max_connections: 3 } }, B { users: [{user: b, password: b}] } }"
		script(t, config, func(s *site) {
			one, two, other := s.connect(as("a")), s.connect(as("a")), s.connect(as("b"))
			s.reload(strings.Replace(config, "3", "1", 1))
			cut := 0
			for _, p := range []*peer{one, two} {
				if got, _ := p.settle(); got != "" {
					p.wantErr("maximum account active connections exceeded")
					p.wantClosed()
					cut++
				}
			}
			if cut != 1 {
				t.Errorf("%d are cut off, want 1", cut)
			}
			other.ping()
		})
	})
	t.Run("PING interval at the next PING", func(t *testing.T) {
		script(t, "ping_interval: 100s", func(s *site) {
			p := s.connect()
			time.Sleep(3 * second)
			p.wantOnly("PING\r\n")
			p.send("PONG\r\n")
			s.reload("ping_interval: 10s")
			time.Sleep(94 * second)
			p.wantIdle()
			time.Sleep(6 * second)
			p.wantOnly("PING\r\n")
			p.send("PONG\r\n")
			time.Sleep(10 * second)
			p.wantOnly("PING\r\n")
		})
	})
}

func TestReloadMappings(t *testing.T) {
	script(t, "mappings { a: b }", func(s *site) {
		p := s.connect()
		p.send("SUB > 1\r\n" + lines("PUB a 0", "", "PUB a 0", ""))
		p.wantOnly(lines("MSG b 1 0", "", "MSG b 1 0", ""))
		s.reload("mappings { a: c }")
		p.send(lines("PUB a 0", ""))
		p.wantOnly(lines("MSG c 1 0", ""))
		s.reload("port: 4222")
		p.send(lines("PUB a 0", ""))
		p.wantOnly(lines("MSG a 1 0", ""))
	})
}

// Another address is for those who come.
func TestReloadAdvertise(t *testing.T) {
	script(t, "client_advertise: one.example", func(s *site) {
		p := s.greeted()
		p.send(quiet + `,"protocol":1}` + "\r\nPING\r\n")
		p.want("PONG\r\n")
		if i := p.wantInfo(); i.text("host") != "one.example" {
			t.Errorf("host %q", i.text("host"))
		}
		s.reload("client_advertise: 'two.example:99'")
		p.ping()
		if i := s.dial().wantInfo(); i.text("host") != "two.example" || i.number("port") != 99 {
			t.Errorf("INFO %v", i.fields)
		}
	})
}

// A configuration that cannot be taken over changes nothing.
func TestReloadRefused(t *testing.T) {
	script(t, "max_payload: 100", func(s *site) {
		p := s.connect()
		for _, config := range []string{"max_payload: 5\nport: 4333", "max_payload: 5\nnonsense: 1", "max_payload: 5\n{"} {
			s.configure(config)
			if err := s.srv.Reload(); err == nil {
				t.Errorf("%q is taken over", config)
			}
			p.pub("a", "more than five")
			p.ping()
		}
	})
}
