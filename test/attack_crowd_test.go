//go:build unix

package test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/race"
)

// crowdSize is how many connections a crowd has. The detector slows the test's
// side of them down, and there is nothing for it to see on the server's.
func crowdSize(t *testing.T) int {
	n := descriptors(t, 10_000)
	if race.Enabled {
		n = min(n, 2000)
	}
	return n
}

// awaitConnections waits until n connections besides those of a bystander were
// accepted. Some may have been closed again.
func (p *process) awaitConnections(t *testing.T, n int) {
	t.Helper()
	await(t, func() error {
		if got := p.varz(t).TotalConnections; got < uint64(n)+2 {
			return fmt.Errorf("%d connections were accepted", got)
		}
		return nil
	})
}

// Connections that say nothing of themselves cost little and are gone in time,
// and meanwhile others can connect.
func TestConnectionsThatNeverAuthenticate(t *testing.T) {
	p := launch(t, `
		authorization { user: alice, password: secret, timeout: "3s" }
		max_closed_clients: 20000
	`)
	alice := nats.UserInfo("alice", "secret")
	b := watch(t, p.url, alice)
	before, _ := p.memory(t)
	n := crowdSize(t)
	conns := crowd(t, p.addr, n, func(i int, c net.Conn) {
		// Most of them are silent, and some begin to speak.
		text := []string{"", "", "CONN", `CONNECT {"user":"alice","pass":"`}[i%4]
		_, _ = io.WriteString(c, text) // what came of it, the server will tell
	})
	p.awaitConnections(t, n)
	p.grewBy(t, before, n, 32<<10)
	b.goesOn(t)
	nc := connect(t, p.url, alice)
	flush(t, nc)
	p.awaitClosed(t, "Authentication Timeout", n)
	b.goesOn(t)
	for _, c := range conns[:100] {
		if got, want := attached(t, c).last(t), "-ERR 'Authentication Timeout'"; got != want {
			t.Fatalf("a connection is told %q, want %q", got, want)
		}
	}
	if got := p.varz(t).Connections; got != 3 {
		t.Errorf("%d connections are left, want those of the bystander and one more", got)
	}
}

// Operations that stop half-way hold what was sent of them and no buffer for
// what was not. Their senders go stale.
func TestHalfFrames(t *testing.T) {
	p := launch(t, `
		ping_interval: "2s"
		ping_max: 1
		max_closed_clients: 20000
	`)
	b := watch(t, p.url)
	before, _ := p.memory(t)
	n := crowdSize(t)
	halves := []string{
		"PU", "PUB half.fra", "SUB foo", "PUB foo 1000\r\nhello",
		"HPUB foo 12 1000\r\nNATS/1.0\r\n", "PUB foo 1000000\r\n" + strings.Repeat("x", 1000),
	}
	crowd(t, p.addr, n, func(i int, c net.Conn) {
		_, _ = io.WriteString(c, `CONNECT {"verbose":false}`+"\r\n"+halves[i%len(halves)])
	})
	p.awaitConnections(t, n)
	p.grewBy(t, before, n, 32<<10)
	b.goesOn(t)
	p.awaitClosed(t, "Stale Connection", n)
	b.goesOn(t)
	if got := p.varz(t).Stale; got != int64(n) {
		t.Errorf("%d stale connections were counted, want %d", got, n)
	}
}

// Clients that trickle in large messages hold no more than a small multiple of
// what they sent.
func TestHalfLargeMessages(t *testing.T) {
	p := launch(t, "")
	b := watch(t, p.url)
	before, _ := p.memory(t)
	const n, sent = 300, 40 << 10
	crowd(t, p.addr, n, func(_ int, c net.Conn) {
		_, _ = io.WriteString(c, `CONNECT {"verbose":false}`+"\r\nPUB foo 1048576\r\n"+strings.Repeat("x", sent))
	})
	p.awaitConnections(t, n)
	b.goesOn(t)
	p.grewBy(t, before, n, 4*sent)
}

// Clients that are there without end, in and out, leave nothing behind.
func TestConnectionChurn(t *testing.T) {
	p := launch(t, "max_closed_clients: 100")
	b := watch(t, p.url)
	idle := p.varz(t)
	stacks := p.goroutines(t)
	rounds, each := 10, 500
	if race.Enabled {
		each = 100
	}
	for range rounds {
		for i, c := range crowd(t, p.addr, each, func(i int, c net.Conn) {
			texts := []string{
				"", "CONNECT {\"verbose\":false}\r\nSUB churn.> 1\r\n", "PUB churn.x 5\r\nhello\r\nPING\r\n", "SUB a q 1\r\nPUB a 1000\r\n",
			}
			_, _ = io.WriteString(c, texts[i%len(texts)])
		}) {
			if i%2 == 0 {
				_ = c.(*net.TCPConn).SetLinger(0) // a reset instead of an orderly end
			}
			c.Close()
		}
		b.goesOn(t)
	}
	await(t, func() error {
		v := p.varz(t)
		if v.Connections != idle.Connections || v.Subscriptions != idle.Subscriptions {
			return fmt.Errorf("%d connections and %d subscriptions, want %d and %d",
				v.Connections, v.Subscriptions, idle.Connections, idle.Subscriptions)
		}
		return nil
	})
	await(t, func() error {
		// A few come and go with requests to monitoring.
		if n := p.goroutines(t); n > stacks+10 {
			return fmt.Errorf("%d goroutines, %d before", n, stacks)
		}
		return nil
	})
	if got, want := p.varz(t).TotalConnections, idle.TotalConnections+uint64(rounds*each); got != want {
		t.Errorf("%d connections in all, want %d", got, want)
	}
}

// goroutines counts those of the process.
func (p *process) goroutines(t testing.TB) int {
	t.Helper()
	status, stacks := p.text(t, "/stacksz")
	if status != 200 {
		t.Fatalf("/stacksz: status %d", status)
	}
	return strings.Count("\n"+stacks, "\ngoroutine ")
}

// Requests to the monitoring port that never end do not keep others from it,
// nor clients from the server.
func TestHalfMonitoringRequests(t *testing.T) {
	p := launch(t, "")
	b := watch(t, p.url)
	addr := strings.TrimPrefix(string(p.monitor), "http://")
	crowd(t, addr, 300, func(i int, c net.Conn) {
		texts := []string{"", "GET /varz HTTP/1.1\r\nHost: x\r\nX-Slow: ", "\x00\x01\x02", "GET /" + strings.Repeat("x", 1<<16)}
		_ = c.SetWriteDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, texts[i%len(texts)])
	})
	b.goesOn(t)
	if got := p.varz(t).Connections; got != 2 {
		t.Errorf("%d connections, want those of the bystander", got)
	}
	status, _ := p.text(t, "/connz?limit=no-number")
	if status != 400 {
		t.Errorf("a query that is no number has status %d", status)
	}
}
