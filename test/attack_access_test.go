package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// Who guesses passwords gets nowhere, and in nobody's way.
func TestWrongCredentials(t *testing.T) {
	s := start(t, `authorization { users: [ {user: alice, password: secret, permissions: {publish: ">", subscribe: ">"}} ] }`)
	b := watch(t, s.ClientURL(), nats.UserInfo("alice", "secret"))
	const n = 300
	guesses := []string{
		`CONNECT {"user":"alice","pass":"guess"}`, `CONNECT {"user":"bob","pass":"secret"}`, `CONNECT {"user":"alice"}`,
		`CONNECT {"auth_token":"secret"}`, `CONNECT {"nkey":"UAXBGOSNL7WGM4DK23OMBFBF6KLF2P6YCQQD5UZW4WJIQFCYPCTEPS3M","sig":"eA"}`,
		`CONNECT {"jwt":"eyJ.e.e"}`, `CONNECT {}`, "SUB > 1", "PUB bystander.echo 0\r\n", "PING",
	}
	for i, c := range crowd(t, s.Addr().String(), n, func(i int, c net.Conn) {
		_, _ = io.WriteString(c, guesses[i%len(guesses)]+"\r\n") // the server will tell what came of it
	}) {
		if got, want := attached(t, c).last(t), "-ERR 'Authorization Violation'"; got != want {
			t.Errorf("%q is told %q, want %q", guesses[i%len(guesses)], got, want)
		}
	}
	s.awaitClosed(t, "Authentication Failure", n)
	b.goesOn(t)
}

// When there are too many connections, those who are in stay in, and others get
// in when there is room again.
func TestTooManyConnections(t *testing.T) {
	const room = 20
	s := start(t, fmt.Sprintf(`
		max_connections: %d
		authorization { user: alice, password: secret, timeout: "1s" }
	`, room+2))
	alice := nats.UserInfo("alice", "secret")
	b := watch(t, s.ClientURL(), alice)
	const n = room + 30
	conns := crowd(t, s.Addr().String(), n, func(int, net.Conn) {})
	s.awaitClosed(t, "Maximum Connections Exceeded", n-room)
	if _, err := nats.Connect(s.ClientURL(), alice); err == nil || !strings.Contains(err.Error(), "maximum connections exceeded") {
		t.Errorf("a client that is too many is told %v", err)
	}
	b.goesOn(t)
	told := make(map[string]int)
	for _, c := range conns {
		told[attached(t, c).last(t)]++
	}
	if told["-ERR 'maximum connections exceeded'"] != n-room || told["-ERR 'Authentication Timeout'"] != room {
		t.Errorf("connections are told %v", told)
	}
	flush(t, s.connect(t, alice))
}

// Handshakes that stop half-way are given up, and do not hold up others.
func TestHalfHandshakes(t *testing.T) {
	ca := testcert.NewCA(t, "authority")
	cert, key := ca.Server(t, "127.0.0.1").WriteFiles(t, t.TempDir())
	s := start(t, fmt.Sprintf(`tls { cert_file: %q, key_file: %q, timeout: "1s" }`, cert, key))
	trust := nats.RootCAs(ca.WriteFile(t, t.TempDir()))
	b := watch(t, s.ClientURL(), trust)
	const n = 200
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	silent := crowd(t, s.Addr().String(), n/2, func(int, net.Conn) {})
	crowd(t, s.Addr().String(), n/2, func(i int, c net.Conn) {
		_, _ = io.WriteString(c, []string{hello, "CONNECT {}\r\nPING\r\n"}[i%2])
	})
	b.goesOn(t)
	flush(t, s.connect(t, trust))
	s.awaitClosed(t, "TLS Handshake Failure", n)
	b.goesOn(t)
	for _, c := range silent {
		if got, want := attached(t, c).last(t), "-ERR 'Secure Connection - TLS Required'"; got != want {
			t.Fatalf("a silent client is told %q, want %q", got, want)
		}
	}
}

// Subscriptions that come and go all the time, of every form, do not disturb
// those that stay, and leave nothing behind.
func TestInterestChurn(t *testing.T) {
	s := start(t, "")
	b := watch(t, s.ClientURL())
	idle := s.subsz(t, "")
	tokens := []string{"a", "b", "bystander", "echo", "*", "*", "_INBOX"}
	const n, rounds = 4, 200
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range n {
		w := dial(t, s.Addr().String())
		w.login(t, "")
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for round := range rounds {
				var lines strings.Builder
				for sid := range 20 {
					subject := tokens[random.IntN(len(tokens))]
					for range random.IntN(8) {
						subject += "." + tokens[random.IntN(len(tokens))]
					}
					if random.IntN(4) == 0 {
						subject += ".>"
					}
					queue := []string{"", "q1", "q2"}[random.IntN(3)]
					fmt.Fprintf(&lines, "SUB %s %s %d\r\nPUB %s 1\r\nx\r\n", subject, queue, sid, subject)
				}
				for sid := range 20 {
					fmt.Fprintf(&lines, "UNSUB %d %s\r\n", sid, []string{"", "1"}[random.IntN(2)])
				}
				for sid := range 20 {
					fmt.Fprintf(&lines, "UNSUB %d\r\n", sid)
				}
				if _, err := io.WriteString(w, lines.String()+"PING\r\n"); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				for line := ""; line != "PONG\r\n"; {
					var err error
					if line, err = w.in.ReadString('\n'); err != nil || strings.HasPrefix(line, "-ERR") {
						t.Errorf("round %d: %v, %q", round, err, line)
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
			b.goesOn(t)
		}
	}
	if got := s.subsz(t, "").NumSubs; got != idle.NumSubs {
		t.Errorf("%d subscriptions, before it was %d", got, idle.NumSubs)
	}
}

// A message to thousands of subscriptions, which somebody makes on purpose, is
// delivered to all of them, and others do not wait for it.
func TestFanoutBomb(t *testing.T) {
	s := start(t, "")
	b := watch(t, s.ClientURL())
	w := dial(t, s.Addr().String())
	w.login(t, "")
	// All 4096 patterns of literals and wildcards that match the one subject.
	const tokens, messages = 12, 20
	var subs strings.Builder
	for pattern := range 1 << tokens {
		subject := make([]string, tokens)
		for i := range subject {
			subject[i] = string([]byte{"ab*"[2*(pattern>>i&1)]})
		}
		fmt.Fprintf(&subs, "SUB %s %d\r\n", strings.Join(subject, "."), pattern)
	}
	w.send(t, subs.String()+"PING\r\n")
	w.expect(t, "PONG")
	begin := time.Now()
	for i := range messages {
		fmt.Fprintf(w, "PUB %s 8\r\nnumber%2d\r\n", strings.Join(strings.Split(strings.Repeat("a", tokens), ""), "."), i)
	}
	w.send(t, "PING\r\n")
	got := make(map[string]int)
	for line := ""; line != "PONG"; {
		if line = w.line(t); strings.HasPrefix(line, "number") {
			got[line]++
		}
	}
	t.Logf("%d deliveries took %v", messages<<tokens, time.Since(begin).Round(time.Millisecond))
	for i := range messages {
		if n := got[fmt.Sprintf("number%2d", i)]; n != 1<<tokens {
			t.Errorf("message %d arrived %d times, want %d", i, n, 1<<tokens)
		}
	}
	b.goesOn(t)
}
