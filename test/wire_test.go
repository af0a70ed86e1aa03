package test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is a raw connection.
type wire struct {
	net.Conn
	in *bufio.Reader
}

// dial opens a raw connection that is closed with the test. Nothing on it takes
// longer than patience.
func dial(t testing.TB, addr string) *wire {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(patience))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newWire(c)
}

func newWire(c net.Conn) *wire { return &wire{c, bufio.NewReader(c)} }

// send writes protocol text.
func (w *wire) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// line reads one line, without its end.
func (w *wire) line(t testing.TB) string {
	t.Helper()
	line, err := w.in.ReadString('\n')
	if err != nil {
		t.Fatalf("%v after %q", err, line)
	}
	return strings.TrimRight(line, "\r\n")
}

// expect reads lines up to one that begins like that, and returns it.
func (w *wire) expect(t testing.TB, prefix string) string {
	t.Helper()
	for {
		if line := w.line(t); strings.HasPrefix(line, prefix) {
			return line
		}
	}
}

// login sends CONNECT without wishes and waits until it was taken.
func (w *wire) login(t testing.TB, fields string) {
	t.Helper()
	if fields != "" {
		fields = "," + fields
	}
	w.send(t, `CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1`+fields+"}\r\nPING\r\n")
	w.expect(t, "PONG")
}

// last reads until the server has closed the connection and returns the errors
// that it sent before.
func (w *wire) last(t testing.TB) (errs string) {
	t.Helper()
	text, err := io.ReadAll(w.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the server has not closed the connection, it sent %q", text)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "-ERR") {
			errs += strings.TrimRight(line, "\r\n")
		}
	}
	return errs
}

// crowd opens n raw connections, some at a time, and does something with each.
// They are closed with the test. A failure of do is left to the caller to see in
// what the server says of the connections: servers may well refuse some.
func crowd(t testing.TB, addr string, n int, do func(i int, c net.Conn)) []net.Conn {
	t.Helper()
	const atATime = 32
	conns := make([]net.Conn, n)
	var failed error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range atATime {
		wg.Go(func() {
			for i := worker; i < n; i += atATime {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				conns[i] = c
				do(i, c)
			}
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	return conns
}
