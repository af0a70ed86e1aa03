package test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// refused checks that a client is not let in.
func refused(t testing.TB, s *instance, opts ...nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the client should be refused, got %v", err)
	}
}

// whoAmI asks the server what it makes of a connection.
func whoAmI(t testing.TB, nc *nats.Conn) (user, account string) {
	t.Helper()
	m, err := nc.Request("$SYS.REQ.USER.INFO", nil, patience)
	if err != nil {
		t.Fatal(err)
	}
	info := decode[struct {
		Data struct{ User, Account string }
	}](t, m.Data)
	return info.Data.User, info.Data.Account
}

func TestTokens(t *testing.T) {
	for _, test := range []struct{ name, token string }{
		{"plain", "s3cr3t"},
		{"bcrypt", "$2a$04$5sP5L4JKne2WoawGO7rMYuFhvfzJQAfJ67lHG1bdpThx7RTAwJE0y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := "s3cr3t"
			s := start(t, fmt.Sprintf("authorization { token: %q }", test.token))
			flush(t, s.connect(t, nats.Token(token)))
			refused(t, s)
			refused(t, s, nats.Token("guess"))
			refused(t, s, nats.Token(test.token+"x"))
			refused(t, s, nats.UserInfo("s3cr3t", "s3cr3t"))
		})
	}
}

func TestUsersAndPasswords(t *testing.T) {
	s := start(t, `authorization { users: [ {user: alice, password: a}, {user: bob, password: b} ] }`)
	for _, name := range []string{"alice", "bob"} {
		nc := s.connect(t, nats.UserInfo(name, name[:1]))
		if user, account := whoAmI(t, nc); user != name || account != "$G" {
			t.Errorf("%s is %q of %q", name, user, account)
		}
	}
	refused(t, s)
	refused(t, s, nats.UserInfo("alice", "b"))
	refused(t, s, nats.UserInfo("carol", "c"))
	refused(t, s, nats.UserInfo("alice", ""))
}

func TestNkeys(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, fmt.Sprintf("authorization { users: [ {nkey: %s} ] }", public))
	file, err := nats.NkeyOptionFromSeed(writeFile(t, t.TempDir(), "user.nk", string(seed)))
	if err != nil {
		t.Fatal(err)
	}
	if user, _ := whoAmI(t, s.connect(t, file)); user != public {
		t.Errorf("the client is %q, want %q", user, public)
	}
	other, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, s)
	refused(t, s, nats.Nkey(public, other.Sign))
	refused(t, s, nats.Nkey(public, func([]byte) ([]byte, error) { return pair.Sign([]byte("another nonce")) }))
}

// Accounts see nothing of each other, whatever they subscribe to.
func TestAccountsAreIsolated(t *testing.T) {
	s := start(t, `
		accounts {
			A { users: [ {user: a, password: a} ] }
			B { users: [ {user: b, password: b} ], limits { max_connections: 2, max_subscriptions: 3, max_payload: 1KB } }
		}
		no_auth_user: a
	`)
	hear, errs := hearing()
	a, b, anybody := s.connect(t, nats.UserInfo("a", "a")), s.connect(t, nats.UserInfo("b", "b"), hear), s.connect(t)
	if user, account := whoAmI(t, anybody); user != "a" || account != "A" {
		t.Errorf("anybody is %q of %q", user, account)
	}
	allOfB := subscribe(t, b, ">")
	if _, err := b.QueueSubscribe("secret", "workers", func(*nats.Msg) { t.Error("a message from another account") }); err != nil {
		t.Fatal(err)
	}
	inA, err := anybody.QueueSubscribeSync("secret", "workers")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, anybody)
	flush(t, b)
	for range 20 {
		publish(t, a, "secret", "of A")
		next(t, inA)
	}
	if _, err := a.Request("service.in.B", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a request without responders in the account ends with %v", err)
	}
	flush(t, b)
	if n, _, _ := allOfB.Pending(); n != 0 {
		t.Errorf("account B got %d messages", n)
	}
	if got := b.MaxPayload(); got != 1024 {
		t.Errorf("in account B the maximum payload is %d", got)
	}
	subscribe(t, b, "third")
	subscribe(t, b, "fourth")
	complaint(t, errs, "maximum subscriptions exceeded")
	s.connect(t, nats.UserInfo("b", "b"))
	if _, err := nats.Connect(s.ClientURL(), nats.UserInfo("b", "b")); !errors.Is(err, nats.ErrMaxAccountConnectionsExceeded) {
		t.Errorf("one connection too many for the account: %v", err)
	}
}

// complaint waits for an error that the server sends to a client.
func complaint(t testing.TB, errs <-chan error, text string) {
	t.Helper()
	if err := receive(t, "error", errs); !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)) {
		t.Errorf("the client is told %q, want %q", err, text)
	}
}

// hearing collects what the server complains of.
func hearing() (nats.Option, <-chan error) {
	errs := make(chan error, 100)
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }), errs
}

func TestPermissions(t *testing.T) {
	s := start(t, `
		authorization { users: [
			{ user: boss, password: p }
			{ user: worker, password: p, permissions {
				publish { allow: ["result.>", "log"], deny: "result.secret.*" }
				subscribe { allow: ["job.* crew", "news.>", "_INBOX.>"], deny: "news.secret" }
			} }
			{ user: service, password: p, permissions { publish { deny: ">" }, subscribe: "ask", allow_responses: true } }
		] }
	`)
	hear, errs := hearing()
	boss, worker := s.connect(t, nats.UserInfo("boss", "p")), s.connect(t, nats.UserInfo("worker", "p"), hear)
	all := subscribe(t, boss, ">")
	for _, test := range []struct {
		subject string
		allowed bool
	}{
		{"result.1", true}, {"log", true}, {"result.secret.x", false}, {"log.x", false}, {"result.a.b.c", true}, {"other", false},
	} {
		publish(t, worker, test.subject, "")
		flush(t, worker)
		if test.allowed {
			if m := next(t, all); m.Subject != test.subject {
				t.Fatalf("received %s, want %s", m.Subject, test.subject)
			}
		} else {
			complaint(t, errs, fmt.Sprintf("Permissions Violation for Publish to %q", test.subject))
		}
	}
	if _, err := worker.SubscribeSync("job.new"); err != nil {
		t.Fatal(err)
	}
	complaint(t, errs, `Permissions Violation for Subscription to "job.new"`)
	if _, err := worker.QueueSubscribeSync("job.new", "others"); err != nil {
		t.Fatal(err)
	}
	complaint(t, errs, `Permissions Violation for Subscription to "job.new" using queue "others"`)
	jobs, err := worker.QueueSubscribeSync("job.new", "crew")
	if err != nil {
		t.Fatal(err)
	}
	news := subscribe(t, worker, "news.*")
	publish(t, boss, "job.new", "")
	publish(t, boss, "news.secret", "")
	publish(t, boss, "news.public", "")
	next(t, jobs)
	if m := next(t, news); m.Subject != "news.public" {
		t.Errorf("%s is delivered, although it is denied", m.Subject)
	}

	hear, errs = hearing()
	service := s.connect(t, nats.UserInfo("service", "p"), hear)
	asked := subscribe(t, service, "ask")
	answer := subscribe(t, boss, "answer.here")
	if err := boss.PublishRequest("ask", "answer.here", nil); err != nil {
		t.Fatal(err)
	}
	m := next(t, asked)
	for range 2 {
		if err := m.Respond([]byte("yes")); err != nil {
			t.Fatal(err)
		}
	}
	next(t, answer)
	complaint(t, errs, `Permissions Violation for Publish to "answer.here"`)
	if n, _, _ := answer.Pending(); n != 0 {
		t.Error("a second answer is delivered")
	}
	select {
	case err := <-errs:
		t.Errorf("a complaint too many: %v", err)
	default:
	}
}

// A reload takes away what the new configuration does not allow any more, and
// leaves everything else alone.
func TestReloadOfUsers(t *testing.T) {
	users := func(alice string) string {
		return `authorization { users: [ {user: keep, password: p}, ` + alice + ` ] }`
	}
	s := start(t, users(`{user: alice, password: p}`))
	hear, errs := hearing()
	lost := make(chan error, 1)
	keep := s.connect(t, nats.UserInfo("keep", "p"), nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
		if err != nil {
			t.Errorf("a client whose user stays is disconnected: %v", err)
		}
	}))
	alice := s.connect(t, nats.UserInfo("alice", "p"), nats.NoReconnect(), hear,
		nats.ClosedHandler(func(nc *nats.Conn) { lost <- nc.LastError() }))
	open, secret := subscribe(t, alice, "open.>"), subscribe(t, alice, "secret.>")

	s.reconfigure(t, users(`{user: alice, password: p, permissions { publish: "open.>", subscribe: "open.>" }}`))
	complaint(t, errs, `Permissions Violation for Subscription to "secret.>"`)
	publish(t, keep, "secret.x", "")
	publish(t, keep, "open.x", "")
	next(t, open)
	if n, _, _ := secret.Pending(); n != 0 {
		t.Error("a message for a subscription that is no longer allowed")
	}
	publish(t, alice, "secret.x", "")
	complaint(t, errs, `Permissions Violation for Publish to "secret.x"`)

	s.reconfigure(t, users(`{user: bob, password: p}`))
	receive(t, "end of alice's connection", lost)
	refused(t, s, nats.UserInfo("alice", "p"))
	flush(t, s.connect(t, nats.UserInfo("bob", "p")))
	flush(t, keep)
	s.awaitClosed(t, "Credentials Revoked", 1)
}

// A configuration with a mistake changes nothing, and what cannot change while
// a server runs is refused as a whole.
func TestReloadsThatAreRefused(t *testing.T) {
	s := start(t, "max_payload: 1000")
	nc := s.connect(t)
	for _, test := range []struct{ config, says string }{
		{"max_payload: 2000\nmax_pyload: 1", `:3:1: unknown field "max_pyload"`},
		{"max_payload: 2000\nmax_subs: 7", "config reload not supported for MaxSubs"},
		{"max_payload: 2000\nauthorization {", ":"},
		{"max_payload: 2000\ntls { cert_file: missing.pem, key_file: missing.pem }", "missing.pem"},
		{"max_payload: 200MB", "max_pending"},
	} {
		s.write(t, test.config)
		err := s.Reload()
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("the reload of %q ends with %v, want %q", test.config, err, test.says)
		}
		if got := s.varz(t).MaxPayload; got != 1000 {
			t.Fatalf("after the reload of %q the maximum payload is %d", test.config, got)
		}
	}
	flush(t, nc)
	s.reconfigure(t, "max_payload: 2000")
	if got := s.varz(t).MaxPayload; got != 2000 {
		t.Errorf("after a good reload the maximum payload is %d", got)
	}
	flush(t, nc)
}
