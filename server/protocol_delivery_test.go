package server_test

import (
	"bufio"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// Who gets a message, in which form, and in which order.
func TestDelivery(t *testing.T) {
	noEcho := `"echo":false`
	runExchanges(t, []exchange{
		{name: "a copy for each subscription", send: lines("SUB a 1", "SUB a 2", "PUB a 2", "hi"), want: lines("MSG a 1 2", "hi", "MSG a 2 2", "hi")},
		{name: "in the order of publishing", send: lines("SUB > 1", "PUB a 1", "1", "PUB b 1", "2", "PUB a 1", "3"), want: lines("MSG a 1 1", "1", "MSG b 1 1", "2", "MSG a 1 1", "3")},
		{name: "before the PONG that was asked for behind it", send: lines("SUB a 1", "PUB a 1", "1", "PING", "PUB a 1", "2"), want: lines("MSG a 1 1", "1", "PONG", "MSG a 1 1", "2")},
		{name: "before an error behind it", send: lines("SUB a 1", "PUB a 0", "", "SUB a..b 2", "PUB a 0", ""), want: lines("MSG a 1 0", "", "-ERR 'Invalid Subject'", "MSG a 1 0", "")},
		{name: "not before the subscription", send: lines("PUB a 0", "", "SUB a 1", "PUB a 0", "", "UNSUB 1", "PUB a 0", ""), want: lines("MSG a 1 0", "")},
		{name: "once to a queue of one connection", send: lines("SUB a q 1", "SUB a q 1", "PUB a 0", ""), want: lines("MSG a 1 0", "")},
		{name: "no echo", connect: noEcho, send: lines("SUB a 1", "SUB a q 2", "SUB > 3", "PUB a 0", ""), want: ""},
	})
}

// Headers go to those who understand them, as they are.
func TestHeaders(t *testing.T) {
	for _, tc := range []struct{ name, send, with, without string }{
		{"headers", "HPUB " + hmsg("a", "hi", "K: v"), "HMSG " + hmsg("a 1", "hi", "K: v"), lines("MSG a 1 2", "hi")},
		{"with reply", "HPUB " + hmsg("a r", "hi", "K: v"), "HMSG " + hmsg("a 1 r", "hi", "K: v"), lines("MSG a 1 r 2", "hi")},
		{"no payload", "HPUB " + hmsg("a", "", "K: v"), "HMSG " + hmsg("a 1", "", "K: v"), lines("MSG a 1 0", "")},
		{"several, in their order and case", "HPUB " + hmsg("a", "x", "k: 2", "K:1", "k:  1 "), "HMSG " + hmsg("a 1", "x", "k: 2", "K:1", "k:  1 "), lines("MSG a 1 1", "x")},
		{"no header in the block", "HPUB " + hmsg("a", "x"), "HMSG " + hmsg("a 1", "x"), lines("MSG a 1 1", "x")},
		{"a block that is none", lines("HPUB a 3 5", "abchi"), lines("HMSG a 1 3 5", "abchi"), lines("MSG a 1 2", "hi")},
		{"an empty block", lines("HPUB a 0 2", "hi"), lines("MSG a 1 2", "hi"), lines("MSG a 1 2", "hi")},
		{"PUB", lines("PUB a 2", "hi"), lines("MSG a 1 2", "hi"), lines("MSG a 1 2", "hi")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, "", func(s *site) {
				pub, with, without := s.connect(`"headers":true`), s.connect(`"headers":true`), s.connect()
				for _, p := range []*peer{with, without} {
					p.send("SUB a 1\r\n")
					p.ping()
				}
				// The second time, the routes are known.
				pub.send(tc.send + tc.send + tc.send)
				pub.ping()
				with.wantOnly(strings.Repeat(tc.with, 3))
				without.wantOnly(strings.Repeat(tc.without, 3))
			})
		})
	}
}

// A request that nobody gets is answered by the server.
func TestNoResponders(t *testing.T) {
	answer := func(reply, sid, subject string) string {
		n := 32 + len(subject)
		return fmt.Sprintf("HMSG %s %s %d %d\r\nNATS/1.0 503\r\nNats-Subject: %s\r\n\r\n\r\n", reply, sid, n, n, subject)
	}
	const on = `"headers":true,"no_responders":true`
	const perms = `authorization { users: [{user: a, password: a, permissions: {publish: [ok, there], subscribe: {deny: "there"}}}] }`
	runExchanges(t, []exchange{
		{name: "a request", connect: on, send: lines("SUB r 7", "PUB a r 0", ""), want: answer("r", "7", "a")},
		{name: "an inbox with a wildcard", connect: on, send: lines("SUB r.* 7", "PUB a r.1 0", ""), want: answer("r.1", "7", "a")},
		{name: "with headers", connect: on, send: "SUB r 7\r\nHPUB " + hmsg("a r", "x", "K: v"), want: answer("r", "7", "a")},
		{name: "every time", connect: on, send: lines("SUB r 7", "PUB a r 0", "", "PUB a r 0", "", "PUB a r 0", ""), want: strings.Repeat(answer("r", "7", "a"), 3)},
		{name: "in its order", connect: on, send: lines("SUB r 7", "SUB b 8", "PUB b 0", "", "PUB a r 0", "", "PUB b 0", ""), want: lines("MSG b 8 0", "") + answer("r", "7", "a") + lines("MSG b 8 0", "")},
		{name: "only to one subscription", connect: on, send: lines("SUB r 7", "UNSUB 7", "SUB r 8", "PUB a r 0", ""), want: answer("r", "8", "a")},
		{name: "not to a queue subscription", connect: on, send: lines("SUB r q 7", "PUB a r 0", "")},
		{name: "not without a reply", connect: on, send: lines("SUB r 7", "PUB a 0", "")},
		{name: "not without a subscription for the reply", connect: on, send: lines("SUB r.* 7", "PUB a q.1 0", "")},
		{name: "not to those who do not want it", connect: `"headers":true`, send: lines("SUB r 7", "PUB a r 0", "")},
		{name: "somebody got it", connect: on, send: lines("SUB r 7", "SUB a 8", "PUB a r 0", ""), want: lines("MSG a 8 r 0", "")},
		{name: "somebody of a queue got it", connect: on, send: lines("SUB r 7", "SUB a q 8", "PUB a r 0", ""), want: lines("MSG a 8 r 0", "")},
		{name: "the only one would have been the requester", connect: on + `,"echo":false`, send: lines("SUB r 7", "SUB a 8", "PUB a r 0", ""), want: answer("r", "7", "a")},
		{name: "a subject that matches nothing", connect: on, send: lines("SUB r 7", "SUB > 8", "PUB a..b r 0", ""), want: answer("r", "7", "a..b")},
		{name: "a mapped subject", config: "mappings { a: b }", connect: on, send: lines("SUB r 7", "PUB a r 0", ""), want: answer("r", "7", "b")},
		{name: "a mapping that drops it", config: "mappings { a: [{destination: a, weight: 0%}] }", connect: on, send: lines("SUB r 7", "PUB a r 0", ""), want: answer("r", "7", "a")},
		{name: "not on a violation", config: perms, connect: as("a") + "," + on, send: lines("SUB r 7", "PUB no r 0", ""), want: lines(`-ERR 'Permissions Violation for Publish to "no"'`)},
		{name: "denied to the only one", config: perms, connect: as("a") + "," + on, send: lines("SUB r 7", "SUB *.* 8", "SUB * 9", "PUB there r 0", ""), want: answer("r", "7", "there")},
	})
	t.Run("no message towards the maximum", func(t *testing.T) {
		x := exchange{connect: on, send: lines("SUB r 7", "UNSUB 7 1", "PUB a r 0", "", "PUB r 0", "", "PUB r 0", ""), want: answer("r", "7", "a") + lines("MSG r 7 0", "")}
		x.run(t)
	})
	t.Run("a service of the server got it", func(t *testing.T) {
		script(t, "", func(s *site) {
			p := s.connect(on)
			p.send(lines("SUB r 7", "PUB $SYS.REQ.USER.INFO r 0", ""))
			p.want("MSG r 7 ")
		})
	})
	t.Run("a responder that has gone", func(t *testing.T) {
		script(t, "", func(s *site) {
			p, responder := s.connect(on), s.connect()
			responder.send("SUB a 1\r\n")
			responder.ping()
			p.send("SUB r 7\r\nPUB a r 0\r\n\r\nPUB a r 0\r\n\r\n")
			p.ping()
			responder.close()
			p.send("PUB a r 0\r\n\r\n")
			p.wantOnly(answer("r", "7", "a"))
		})
	})
}

// The members of a queue group, and which of them gets a message.
func TestQueues(t *testing.T) {
	const n = 200
	// each publishes n messages to subject and returns how many came to each of
	// the peers by sid.
	each := func(t *testing.T, from *peer, subject string, peers ...*peer) []map[string]int {
		t.Helper()
		from.send(strings.Repeat(lines("PUB "+subject+" 0", ""), n))
		from.ping()
		var all []map[string]int
		for _, p := range peers {
			got, _ := p.settle()
			p.take(len(got))
			count := make(map[string]int)
			for line := range strings.SplitSeq(got, "\r\n") {
				if f := strings.Fields(line); len(f) > 0 {
					if f[1] != subject {
						t.Fatalf("got %q, want messages to %s", line, subject)
					}
					count[f[2]]++
				}
			}
			all = append(all, count)
		}
		return all
	}
	sub := func(s *site, sub string, fields ...string) *peer {
		p := s.connect(fields...)
		p.send("SUB " + sub + "\r\n")
		p.ping()
		return p
	}
	t.Run("one of them, at random", func(t *testing.T) {
		script(t, "", func(s *site) {
			p := s.connect()
			got := each(t, p, "a", sub(s, "a q 1"), sub(s, "a q 2"), sub(s, "a q 3"), sub(s, "a other 4"), sub(s, "a 5"))
			one, two, three := got[0]["1"], got[1]["2"], got[2]["3"]
			if one+two+three != n || min(one, two, three) < n/10 {
				t.Errorf("shares %d, %d and %d of %d", one, two, three, n)
			}
			if got[3]["4"] != n || got[4]["5"] != n {
				t.Errorf("%d to the only one of another queue, %d to a plain subscription, want %d", got[3]["4"], got[4]["5"], n)
			}
		})
	})
	t.Run("one group, whatever the subjects", func(t *testing.T) {
		script(t, "", func(s *site) {
			p := s.connect()
			got := each(t, p, "a.b", sub(s, "a.* q 1"), sub(s, "a.b q 2"), sub(s, "> q 3"))
			one, two, three := got[0]["1"], got[1]["2"], got[2]["3"]
			if one+two+three != n || min(one, two, three) < n/10 {
				t.Errorf("shares %d, %d and %d of %d", one, two, three, n)
			}
		})
	})
	t.Run("members of one connection", func(t *testing.T) {
		script(t, "", func(s *site) {
			m := sub(s, "a q 1")
			m.send("SUB a q 2\r\nSUB > q 3\r\n")
			m.ping()
			got := each(t, s.connect(), "a", m)[0]
			if got["1"]+got["2"]+got["3"] != n || min(got["1"], got["2"], got["3"]) < n/10 {
				t.Errorf("shares %v of %d", got, n)
			}
		})
	})
	t.Run("not the publisher without echo", func(t *testing.T) {
		script(t, "", func(s *site) {
			p := sub(s, "a q 1", `"echo":false`)
			if got := each(t, p, "a", sub(s, "a q 2")); got[0]["2"] != n {
				t.Errorf("%d to the other, want all of %d", got[0]["2"], n)
			}
		})
	})
	t.Run("not one who may not have it", func(t *testing.T) {
		script(t, `authorization { users: [{user: a, password: a}, {user: b, password: b, permissions: {subscribe: {deny: "x.no"}}}] }`, func(s *site) {
			p, b := s.connect(as("a")), sub(s, "x.* q 1", as("b"))
			other := sub(s, "x.* q 2", as("a"))
			if got := each(t, p, "x.no", b, other); got[0]["1"] != 0 || got[1]["2"] != n {
				t.Errorf("%v and %v, want all for the second", got[0], got[1])
			}
			if got := each(t, p, "x.yes", b, other); got[0]["1"]+got[1]["2"] != n || min(got[0]["1"], got[1]["2"]) < n/10 {
				t.Errorf("%v and %v, want shares of %d", got[0], got[1], n)
			}
		})
	})
	t.Run("not one who has had its maximum", func(t *testing.T) {
		script(t, "", func(s *site) {
			m, other := sub(s, "a q 1"), sub(s, "a q 2")
			m.send("UNSUB 1 3\r\n")
			m.ping()
			if got := each(t, s.connect(), "a", m, other); got[0]["1"] != 3 || got[1]["2"] != n-3 {
				t.Errorf("%v and %v, want 3 for the first", got[0], got[1])
			}
		})
	})
	t.Run("not one who has gone", func(t *testing.T) {
		script(t, "", func(s *site) {
			p, m, other := s.connect(), sub(s, "a q 1"), sub(s, "a q 2")
			each(t, p, "a", m, other)
			m.close()
			if got := each(t, p, "a", other); got[0]["2"] != n {
				t.Errorf("%v, want all of %d", got, n)
			}
		})
	})
	t.Run("not across accounts", func(t *testing.T) {
		script(t, "accounts { A { users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }", func(s *site) {
			got := each(t, s.connect(as("a")), "a", sub(s, "a q 1", as("a")), sub(s, "a q 2", as("b")))
			if got[0]["1"] != n || got[1]["2"] != 0 {
				t.Errorf("%v and %v, want all of %d for the first", got[0], got[1], n)
			}
		})
	})
}

// A maximum counts from the subscription on, and is exact.
func TestAutoUnsubscribe(t *testing.T) {
	msg := lines("MSG a 1 0", "")
	pub := lines("PUB a 0", "")
	runExchanges(t, []exchange{
		{name: "before the messages", send: "SUB a 1\r\nUNSUB 1 2\r\n" + strings.Repeat(pub, 4), want: msg + msg},
		{name: "between the messages", send: "SUB a 1\r\n" + pub + "UNSUB 1 2\r\n" + strings.Repeat(pub, 4), want: msg + msg},
		{name: "when there were as many", send: "SUB a 1\r\n" + pub + pub + "UNSUB 1 2\r\n" + pub, want: msg + msg},
		{name: "when there were more", send: "SUB a 1\r\n" + pub + pub + pub + "UNSUB 1 2\r\n" + pub, want: msg + msg + msg},
		{name: "raised", send: "SUB a 1\r\nUNSUB 1 1\r\nUNSUB 1 3\r\n" + strings.Repeat(pub, 5), want: msg + msg + msg},
		{name: "lowered", send: "SUB a 1\r\nUNSUB 1 4\r\n" + pub + "UNSUB 1 2\r\n" + strings.Repeat(pub, 5), want: msg + msg},
		{name: "the sid is free then", send: "SUB a 1\r\nUNSUB 1 1\r\n" + pub + "SUB b 1\r\n" + pub + lines("PUB b 0", ""), want: msg + lines("MSG b 1 0", "")},
		{name: "in a queue", send: "SUB a q 1\r\nUNSUB 1 2\r\n" + strings.Repeat(pub, 4), want: msg + msg},
	})
	t.Run("by several publishers at once", func(t *testing.T) {
		script(t, "", func(s *site) {
			const publishers, each, max = 8, 100, 317
			before := s.srv.NumSubscriptions()
			p := s.connect()
			p.sendf("SUB a 1\r\nUNSUB 1 %d\r\n", max)
			p.ping()
			if n := s.srv.NumSubscriptions() - before; n != 1 {
				t.Errorf("%d subscriptions, want 1", n)
			}
			var wg sync.WaitGroup
			for range publishers {
				from := s.connect()
				wg.Go(func() { from.send(strings.Repeat(pub, each)) })
			}
			wg.Wait()
			p.wantOnly(strings.Repeat(msg, max))
			if n := s.srv.NumSubscriptions() - before; n != 0 {
				t.Errorf("%d subscriptions at the end, want none", n)
			}
		})
	})
}

// await reads a peer's messages until a line, on the caller's goroutine. The
// peer must be deaf.
func await(t *testing.T, r *bufio.Reader, line string) (before []string) {
	t.Helper()
	for {
		got, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got = strings.TrimRight(got, "\r\n")
		if got == line {
			return before
		}
		before = append(before, got)
	}
}

// What a client has published before a PONG that it has seen, is before a PONG
// that anybody asks for afterwards.
func TestPongIsABarrierForAll(t *testing.T) {
	script(t, "", func(s *site) {
		pub, sub := s.deaf(), s.deaf()
		fromPub, fromSub := bufio.NewReader(pub.nc), bufio.NewReader(sub.nc)
		pub.send(quiet + "}\r\n")
		sub.send(quiet + "}\r\nSUB a 1\r\nPING\r\n")
		await(t, fromSub, "PONG")
		for i := range 500 {
			// Messages to others come between.
			pub.sendf("PUB b 1\r\nx\r\nPUB a 4\r\n%04d\r\nPING\r\n", i)
			await(t, fromPub, "PONG")
			sub.send("PING\r\n")
			if got := await(t, fromSub, "PONG"); len(got) != 2 || got[1] != fmt.Sprintf("%04d", i) {
				t.Fatalf("round %d: got %q before the PONG", i, got)
			}
		}
	})
}

// Messages of one publisher come in their order to each subscription, whoever
// else publishes.
func TestOrderUnderManyPublishers(t *testing.T) {
	script(t, "", func(s *site) {
		const publishers, each = 6, 300
		subs := []*peer{s.connect(), s.connect(), s.connect()}
		for _, p := range subs {
			p.send("SUB from.> 1\r\n")
			p.ping()
		}
		var wg sync.WaitGroup
		for i := range publishers {
			from := s.connect()
			wg.Go(func() {
				for k := range each {
					from.sendf("PUB from.%d 4\r\n%04d\r\n", i, k)
				}
			})
		}
		wg.Wait()
		for _, p := range subs {
			got, _ := p.settle()
			next := make(map[string]int)
			all := strings.Split(strings.TrimSuffix(got, "\r\n"), "\r\n")
			if len(all) != 2*publishers*each {
				t.Fatalf("%d lines, want %d", len(all), 2*publishers*each)
			}
			for i := 0; i < len(all); i += 2 {
				if want := fmt.Sprintf("%04d", next[all[i]]); all[i+1] != want {
					t.Fatalf("%s: %s, want %s", all[i], all[i+1], want)
				}
				next[all[i]]++
			}
			p.take(len(got))
		}
	})
}

// A message to many is not all kept in memory until the next.
func TestLargeMessagesToMany(t *testing.T) {
	script(t, "", func(s *site) {
		const size, n = 1 << 20, 20
		pub := s.connect()
		var subs []*peer
		for range n {
			p := s.connect()
			p.send("SUB a 1\r\n")
			p.ping()
			subs = append(subs, p)
		}
		payload := strings.Repeat("x", size)
		for range 3 {
			pub.pub("a", payload)
		}
		pub.ping()
		want := strings.Repeat(lines(fmt.Sprintf("MSG a 1 %d", size), payload), 3)
		for _, p := range subs {
			p.wantOnly(want)
		}
	})
}

// Subscriptions come and go with their connections.
func TestSubscriptionsEndWithTheConnection(t *testing.T) {
	script(t, "", func(s *site) {
		before := s.srv.NumSubscriptions()
		for _, end := range []func(*peer){
			func(p *peer) { p.close() },
			func(p *peer) { p.send("nonsense\r\n") },
			func(p *peer) { p.send("-ERR 'x'\r\n") },
			func(p *peer) { p.send("SUB late 99\r\nPUB a\r\nSUB later 100\r\n") },
		} {
			p := s.connect()
			for i := range 20 {
				p.sendf("SUB a.%d %d\r\nSUB > q %d\r\n", i, i, 100+i)
			}
			p.ping()
			if n := s.srv.NumSubscriptions() - before; n != 40 {
				t.Errorf("%d subscriptions, want 40", n)
			}
			end(p)
			synctest.Wait()
			if n := s.srv.NumSubscriptions() - before; n != 0 {
				t.Errorf("%d subscriptions are left", n)
			}
		}
	})
}
