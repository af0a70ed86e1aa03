package server_test

import (
	"strings"
	"testing"
	"time"
)

func denyPub(s string) string {
	return `-ERR 'Permissions Violation for Publish to "` + s + `"'` + "\r\n"
}

func denySub(s string) string {
	return `-ERR 'Permissions Violation for Subscription to "` + s + `"'` + "\r\n"
}

func denyQueue(s, queue string) string {
	return `-ERR 'Permissions Violation for Subscription to "` + s + `" using queue "` + queue + `"'` + "\r\n"
}

// users is a configuration with one user, a, of the permissions.
func users(permissions string) string {
	return "authorization { users: [{user: a, password: a, permissions: {" + permissions + "}}] }"
}

// What a user may publish to. A violation costs the message and no more.
func TestPublishPermissions(t *testing.T) {
	all := lines("SUB > 1")
	msg := func(s string) string { return lines("MSG "+s+" 1 0", "") }
	pub := func(subjects ...string) string {
		text := all
		for _, s := range subjects {
			text += lines("PUB "+s+" 0", "")
		}
		return text
	}
	var xs []exchange
	for _, tc := range []struct{ name, perms, send, want string }{
		{"none configured", "subscribe: '>'", pub("x"), msg("x")},
		{"allow", "publish: 'a.*'", pub("a.b", "a", "a.b.c", "x"), msg("a.b") + denyPub("a") + denyPub("a.b.c") + denyPub("x")},
		{"allow several", "publish: {allow: [a, 'b.>']}", pub("a", "b.c.d", "b"), msg("a") + msg("b.c.d") + denyPub("b")},
		{"deny", "publish: {deny: ['a.*', b]}", pub("x", "a.b", "b"), msg("x") + denyPub("a.b") + denyPub("b")},
		{"allow and deny", "publish: {allow: 'a.>', deny: 'a.no'}", pub("a.b", "a.no", "x"), msg("a.b") + denyPub("a.no") + denyPub("x")},
		{"nothing", "publish: {deny: '>'}", pub("a"), denyPub("a")},
		{"again and again", "publish: {deny: a}", pub("a", "a", "a", "b", "b"), denyPub("a") + denyPub("a") + denyPub("a") + msg("b") + msg("b")},
		{"wildcards are literal", "publish: 'a.*'", pub("a.*", "a.>", "*"), msg("a.*") + msg("a.>") + denyPub("*")},
		{"characters that need quoting", "publish: ok", pub(`a"b`, `a\b`, "a\x01"), denyPub(`a\"b`) + denyPub(`a\\b`) + denyPub(`a\x01`)},
		{"replies are not published to", "publish: a", all + lines("PUB a elsewhere 0", ""), lines("MSG a 1 elsewhere 0", "")},
	} {
		xs = append(xs, exchange{name: tc.name, config: users(tc.perms), connect: as("a"), send: tc.send, want: tc.want})
	}
	runExchanges(t, xs)
}

// What a user may subscribe to.
func TestSubscribePermissions(t *testing.T) {
	var xs []exchange
	for _, tc := range []struct{ name, perms, send, want string }{
		{"none configured", "publish: '>'", lines("SUB > 1"), ""},
		{"allow", "subscribe: 'a.*'", lines("SUB a.b 1", "SUB a.* 2", "SUB a.> 3", "SUB a 4", "SUB * 5", "SUB > 6"), denySub("a.>") + denySub("a") + denySub("*") + denySub(">")},
		{"allow all below", "subscribe: 'a.>'", lines("SUB a.b.c 1", "SUB a.*.c 2", "SUB a.> 3", "SUB > 4"), denySub(">")},
		{"a literal does not allow a wildcard", "subscribe: a.b", lines("SUB a.b 1", "SUB a.* 2"), denySub("a.*")},
		{"deny", "subscribe: {deny: a.b}", lines("SUB x 1", "SUB a.b 2"), denySub("a.b")},
		{"allow and deny", "subscribe: {allow: 'a.>', deny: a.b}", lines("SUB a.x 1", "SUB a.b 2", "SUB x 3"), denySub("a.b") + denySub("x")},
		{"plain allows any queue", "subscribe: a", lines("SUB a q 1", "SUB a 2", "SUB b q 3"), denyQueue("b", "q")},
		{"a queue alone", "subscribe: 'a q'", lines("SUB a q 1", "SUB a 2", "SUB a x 3"), denySub("a") + denyQueue("a", "x")},
		{"plain and a queue", "subscribe: [a, 'a q']", lines("SUB a q 1", "SUB a 2", "SUB a x 3"), denyQueue("a", "x")},
		{"a queue with wildcards", "subscribe: 'a v.*'", lines("SUB a v.1 1", "SUB a v.2 2", "SUB a w.1 3"), denyQueue("a", "w.1")},
		{"a denied queue", "subscribe: {deny: 'a q'}", lines("SUB a q 1", "SUB a 2", "SUB a x 3"), denyQueue("a", "q")},
		{"what is denied is not made", "subscribe: {deny: a}", lines("SUB a 1", "SUB a q 2", "PUB a 0", ""), denySub("a") + denyQueue("a", "q")},
		{"characters that need quoting", "subscribe: ok", lines(`SUB a"b q\ 1`), denyQueue(`a\"b`, `q\\`)},
		{"deny inside of what is subscribed to", "subscribe: {deny: a.no}", lines("SUB a.* 1", "PUB a.no 0", "", "PUB a.yes 0", "", "PUB a.no 0", ""), lines("MSG a.yes 1 0", "")},
		{"deny with a wildcard inside of it", "subscribe: {deny: 'a.no.*'}", lines("SUB > 1", "PUB a.no.x 0", "", "PUB a.no 0", ""), lines("MSG a.no 1 0", "")},
		{"a queue denied inside of it", "subscribe: {deny: 'a.no q'}", lines("SUB a.* q 1", "SUB a.* r 2", "PUB a.no 0", ""), lines("MSG a.no 2 0", "")},
	} {
		xs = append(xs, exchange{name: tc.name, config: users(tc.perms), connect: as("a"), send: tc.send, want: tc.want})
	}
	runExchanges(t, xs)
}

// Users without permissions have those of where they are configured.
func TestDefaultPermissions(t *testing.T) {
	const config = `
		authorization {
			default_permissions: {publish: one}
			users: [{user: a, password: a}, {user: b, password: b, permissions: {publish: other}}]
		}
		accounts { X { users: [{user: c, password: c}], default_permissions: {subscribe: one} } }`
	runExchanges(t, []exchange{
		{name: "none of his own", config: config, connect: as("a"), send: lines("PUB one 0", "", "PUB other 0", ""), want: denyPub("other")},
		{name: "his own", config: config, connect: as("b"), send: lines("PUB one 0", "", "PUB other 0", ""), want: denyPub("one")},
		{name: "of the account", config: config, connect: as("c"), send: lines("PUB other 0", "", "SUB other 1"), want: denySub("other")},
	})
}

// Who may answer requests may publish to their replies, so often and so long.
func TestAllowResponses(t *testing.T) {
	const config = `ping_interval: 24h
	authorization { users: [
		{user: a, password: a}
		{user: r, password: r, permissions: {subscribe: req, allow_responses: true}}
		{user: s, password: s, permissions: {subscribe: req, publish: free, allow_responses: {max: 2, expires: 10s}}}
		{user: d, password: d, permissions: {subscribe: req, publish: {deny: x}, allow_responses: {max: -1, expires: -1s}}}
	] }`
	begin := func(s *site, user string) (client, service *peer) {
		client, service = s.connect(as("a")), s.connect(as(user))
		client.send("SUB inbox.* 1\r\n")
		client.ping()
		service.send("SUB req 1\r\n")
		service.ping()
		time.Sleep(3 * second)
		for _, p := range []*peer{client, service} {
			p.wantOnly("PING\r\n")
			p.send("PONG\r\n")
		}
		return client, service
	}
	ask := func(client, service *peer, reply string) {
		client.sendf("PUB req %s 0\r\n\r\n", reply)
		client.ping()
		service.wantOnly(lines("MSG req 1 "+reply+" 0", ""))
	}
	t.Run("one reply within two minutes by default", func(t *testing.T) {
		script(t, config, func(s *site) {
			client, service := begin(s, "r")
			service.pub("inbox.1", "not asked")
			service.wantOnly(denyPub("inbox.1"))
			ask(client, service, "inbox.1")
			service.pub("inbox.2", "another's")
			service.wantOnly(denyPub("inbox.2"))
			service.pub("inbox.1", "1")
			service.pub("inbox.1", "2")
			service.wantOnly(denyPub("inbox.1"))
			client.wantOnly(lines("MSG inbox.1 1 1", "1"))

			ask(client, service, "inbox.1")
			time.Sleep(2*time.Minute - time.Millisecond)
			service.pub("inbox.1", "in time")
			client.wantOnly(lines("MSG inbox.1 1 7", "in time"))
			ask(client, service, "inbox.1")
			time.Sleep(2 * time.Minute)
			service.pub("inbox.1", "late")
			service.wantOnly(denyPub("inbox.1"))
		})
	})
	t.Run("as many and as long as configured", func(t *testing.T) {
		script(t, config, func(s *site) {
			client, service := begin(s, "s")
			service.pub("free", "")
			service.wantIdle()
			service.pub("other", "")
			service.wantOnly(denyPub("other"))
			ask(client, service, "inbox.1")
			service.pub("inbox.1", "1")
			service.pub("inbox.1", "2")
			service.wantIdle()
			service.pub("inbox.1", "3")
			service.wantOnly(denyPub("inbox.1"))
			client.wantOnly(lines("MSG inbox.1 1 1", "1", "MSG inbox.1 1 1", "2"))

			ask(client, service, "inbox.1")
			time.Sleep(10 * second)
			service.pub("inbox.1", "late")
			service.wantOnly(denyPub("inbox.1"))
		})
	})
	t.Run("without bounds", func(t *testing.T) {
		script(t, config, func(s *site) {
			client, service := begin(s, "d")
			ask(client, service, "inbox.1")
			time.Sleep(time.Hour)
			for range 10 {
				service.pub("inbox.1", "")
			}
			service.ping()
			client.wantOnly(strings.Repeat(lines("MSG inbox.1 1 0", ""), 10))
		})
	})
	t.Run("of a request to a queue", func(t *testing.T) {
		script(t, config, func(s *site) {
			client, service := s.connect(as("a")), s.connect(as("r"))
			client.send("SUB inbox.* 1\r\n")
			service.send("SUB req q 1\r\n")
			service.ping()
			ask(client, service, "inbox.1")
			service.pub("inbox.1", "1")
			client.wantOnly(lines("MSG inbox.1 1 1", "1"))
		})
	})
}

// mustGet is what has come and is not wanted yet.
func (p *peer) mustGet() string {
	p.t.Helper()
	got, end := p.settle()
	if end != nil {
		p.t.Fatalf("got %s (end: %v), want the connection open", brief(got), end)
	}
	return got
}

// Accounts are worlds of their own.
func TestAccounts(t *testing.T) {
	const config = `
		accounts {
			A { users: [{user: a, password: a}] }
			B { users: [{user: b, password: b}] }
		}
		authorization { users: [{user: g, password: g}] }`
	script(t, config, func(s *site) {
		peers := make(map[string]*peer)
		for _, u := range []string{"a", "b", "g"} {
			peers[u] = s.connect(as(u))
			peers[u].send("SUB > 1\r\nSUB x q 2\r\n")
			peers[u].ping()
		}
		another := s.connect(as("a"))
		for _, u := range []string{"a", "b", "g"} {
			peers[u].pub("x", u)
			peers[u].ping2(lines("MSG x 1 1", u, "MSG x 2 1", u))
		}
		another.ping()
		another.pub("x", "z")
		peers["a"].wantOnly(lines("MSG x 1 1", "z", "MSG x 2 1", "z"))
		peers["b"].ping()
		peers["g"].ping()
	})
	runExchanges(t, []exchange{{
		name: "no responders in the own account", config: config, connect: as("a") + `,"headers":true,"no_responders":true`,
		send: lines("SUB r 1", "PUB x r 0", ""), want: lines("HMSG r 1 33 33", "NATS/1.0 503", "Nats-Subject: x", "", ""),
	}})
}

// ping2 is ping where something else comes first.
func (p *peer) ping2(first string) {
	p.t.Helper()
	p.send("PING\r\n")
	p.wantOnly(first + "PONG\r\n")
}

// Where mappings send messages.
func TestMappings(t *testing.T) {
	const config = `mappings {
		a: b
		"w.*": "x.$1"
		"two.*.*": "{{wildcard(2)}}.{{wildcard(1)}}"
		"part.*": "p.{{partition(3,1)}}"
		first: one
		"firs*": two
		"rest.>": "r.>"
		none: [{destination: none, weight: 0%}]
		half: [{destination: left, weight: 50%}, {destination: right, weight: 50%}]
		some: [{destination: elsewhere, weight: 20%}]
		chain: a
	}`
	msg := func(s string) string { return lines("MSG "+s+" 1 0", "") }
	pub := func(s string) string { return lines("SUB > 1", "PUB "+s+" 0", "") }
	runExchanges(t, []exchange{
		{name: "a subject", config: config, send: pub("a"), want: msg("b")},
		{name: "another", config: config, send: pub("b"), want: msg("b")},
		{name: "a wildcard", config: config, send: pub("w.1"), want: msg("x.1")},
		{name: "wildcards in another order", config: config, send: pub("two.a.b"), want: msg("b.a")},
		{name: "not that subject", config: config, send: pub("w.1.2"), want: msg("w.1.2")},
		{name: "a partition", config: config, send: pub("part.k"), want: msg("p.0")},
		{name: "the rest", config: config, send: pub("rest.x.y"), want: msg("r.x.y")},
		{name: "the first one counts", config: config, send: pub("first"), want: msg("one")},
		{name: "not twice", config: config, send: pub("chain"), want: msg("a")},
		{name: "dropped", config: config, send: pub("none"), want: ""},
		{name: "dropped, verbose", config: config, connect: "-", send: lines("CONNECT {}", "PUB none 0", ""), want: "+OK\r\n+OK\r\n"},
		{name: "subscriptions are not mapped", config: config, send: lines("SUB a 1", "SUB b 2", "PUB a 0", ""), want: lines("MSG b 2 0", "")},
		{name: "the reply is not mapped", config: config, send: lines("SUB b 1", "PUB a w.1 0", ""), want: lines("MSG b 1 w.1 0", "")},
	})
	t.Run("by weight", func(t *testing.T) {
		script(t, config, func(s *site) {
			const n = 400
			p := s.connect()
			p.send("SUB * 1\r\n" + strings.Repeat(lines("PUB half 0", "", "PUB some 0", ""), n) + "PING\r\n")
			got := p.mustGet()
			p.take(len(got))
			count := func(s string) int { return strings.Count(got, "MSG "+s+" ") }
			if l, r := count("left"), count("right"); l+r != n || min(l, r) < n/3 {
				t.Errorf("%d and %d of %d", l, r, n)
			}
			// Where the source is not among the destinations, the rest stays.
			if e, stay := count("elsewhere"), count("some"); e+stay != n || e < n/10 || e > n/3 {
				t.Errorf("%d mapped and %d not, of %d", e, stay, n)
			}
		})
	})
	const perms = `
		mappings { a: b, b: c, c: d }
		authorization { users: [{user: a, password: a, permissions: {publish: [a, b]}}] }`
	runExchanges(t, []exchange{
		{name: "permission is for the mapped subject", config: perms, connect: as("a"), send: pub("a") + lines("PUB b 0", ""), want: msg("b") + denyPub("c")},
		{name: "permission of the mapped subject is enough", config: "mappings { x: b }" + perms[strings.Index(perms, "\n\t\tauth"):], connect: as("a"), send: pub("x"), want: msg("b")},
		{name: "pedantic about what was published", config: config, connect: `"pedantic":true`, send: pub("w.*"), want: "-ERR 'Invalid Publish Subject'\r\n" + msg("x.*")},
		{name: "of an account", config: "accounts { A { users: [{user: a, password: a}], mappings { x: y } } }", connect: as("a"), send: pub("x"), want: msg("y")},
		{name: "with headers", config: config, connect: `"headers":true`, send: "SUB b 1\r\nHPUB " + hmsg("a", "hi", "K: v"), want: "HMSG " + hmsg("b 1", "hi", "K: v")},
	})
}
