//go:build unix

package test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Clients that subscribe and never read are cut off, by bytes or by time, while
// others get every message in order.
func TestClientsThatNeverRead(t *testing.T) {
	for _, test := range []struct {
		name, config string
		pending      int64 // the bound for each
		reason       string
	}{
		{"by bytes", `max_pending: 1MB, max_payload: 64KB`, 1 << 20, "Slow Consumer (Pending Bytes)"},
		{"by time", `write_deadline: "500ms"`, 64 << 20, "Slow Consumer (Write Deadline)"},
		// What would exceed the bytes is dropped, which leaves the time.
		{"by time, with drops", `max_pending: 1MB, max_payload: 64KB, no_fast_producer_stall: true, write_deadline: "500ms"`, 1 << 20, "Slow Consumer (Write Deadline)"},
	} {
		t.Run(test.name, func(t *testing.T) { neverRead(t, test.config, test.pending, test.reason) })
	}
}

func neverRead(t *testing.T, config string, pending int64, reason string) {
	p := launch(t, config)
	b := watch(t, p.url)
	before, _ := p.memory(t)
	const n = 4
	crowd(t, p.addr, n, func(_ int, c net.Conn) {
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10) // the less fits into, the sooner
		_, _ = io.WriteString(c, `CONNECT {"verbose":false}`+"\r\nSUB flood.> 1\r\n")
	})
	await(t, func() error {
		if got := p.subsz(t, "subs=1&test=flood.x").Total; got != n {
			return fmt.Errorf("%d subscriptions", got)
		}
		return nil
	})
	sent := flood(t, p, reason, n)
	b.goesOn(t)
	if got := p.varz(t).SlowConsumers; got != n {
		t.Errorf("%d slow consumers were counted, want %d", got, n)
	}
	t.Logf("the last was closed after %d MiB", sent>>20)
	if now, known := p.memory(t); known && now-before > n*pending+64<<20 {
		t.Errorf("the server has grown by %d MiB", (now-before)>>20)
	}
}

// flood publishes messages with numbers until n clients were closed for a
// reason. A good subscriber gets all of them; the publisher never is ahead of it
// by much, so that it is not slow itself.
func flood(t *testing.T, p *process, reason string, n int) (bytes int) {
	t.Helper()
	const size, window = 8 << 10, 32
	var want uint64
	seen := make(chan error, 1)
	got := make(chan struct{}, window)
	good := connect(t, p.url)
	_, err := good.Subscribe("flood.*", func(m *nats.Msg) {
		if i := binary.BigEndian.Uint64(m.Data); i != want || len(m.Data) != size {
			select {
			case seen <- fmt.Errorf("message %d of %d bytes, want message %d of %d", i, len(m.Data), want, size):
			default:
			}
		}
		want++
		got <- struct{}{}
	})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, good)
	publisher := connect(t, p.url)
	body := make([]byte, size)
	deadline := time.Now().Add(patience)
	ahead := 0
	for i := uint64(0); ; i++ {
		binary.BigEndian.PutUint64(body, i)
		if err := publisher.Publish("flood.x", body); err != nil {
			t.Fatal(err)
		}
		bytes += size
		for ahead++; ahead == window; ahead-- {
			receive(t, "message of the flood", got)
		}
		if i%512 == 0 && p.closedFor(t)[reason] == n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v and %d MiB clients were closed for %v, want %d for %q", patience, bytes>>20, p.closedFor(t), n, reason)
		}
	}
	for ; ahead > 0; ahead-- {
		receive(t, "message of the flood", got)
	}
	select {
	case err := <-seen:
		t.Error(err)
	default:
	}
	return bytes
}

// Answers that nobody reads are bounded like messages, whatever asks for them.
func TestClientsThatNeverReadAnswers(t *testing.T) {
	p := launch(t, `max_pending: 1MB, max_payload: 64KB, authorization { timeout: "60s", users: [ {user: a, password: a, permissions: {publish: "bystander.>", subscribe: [">"]}}, {user: b, password: b} ] }`)
	b := watch(t, p.url, nats.UserInfo("b", "b"))
	before, _ := p.memory(t)
	denied := "PUB " + strings.Repeat("x", 4000) + " 0\r\n\r\n"
	for i, flood := range []string{
		strings.Repeat("PING\r\n", 10_000),
		strings.Repeat(denied, 20),
		strings.Repeat("SUB .. 1\r\n", 10_000), // an invalid subject
	} {
		c := crowd(t, p.addr, 1, func(_ int, c net.Conn) { _ = c.(*net.TCPConn).SetReadBuffer(4 << 10) })[0]
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err := io.WriteString(c, `CONNECT {"verbose":true,"pedantic":false,"user":"a","pass":"a"}`+"\r\n")
		for err == nil {
			_, err = io.WriteString(c, flood)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the server takes %.10q for ever, and answers", flood)
		}
		p.awaitClosed(t, "Slow Consumer (Pending Bytes)", i+1)
		b.goesOn(t)
	}
	if now, known := p.memory(t); known && now-before > 128<<20 {
		t.Errorf("the server has grown by %d MiB", (now-before)>>20)
	}
}
