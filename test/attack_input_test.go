package test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// attack is bad input, and what a server makes of it.
type attack struct {
	name string
	send string
	// says is the error that the attacker is told, reason what monitoring says.
	says, reason string
}

const (
	errUnknown     = "-ERR 'Unknown Protocol Operation'"
	errControlLine = "-ERR 'maximum control line exceeded'"
	errPayload     = "-ERR 'Maximum Payload Violation'"
)

// attackers is how many try the same at a time.
const attackers = 10

// try has attackers send their input and checks that each is told so and thrown
// out for the reason.
func (a *attack) try(t *testing.T, s *instance) {
	before := s.closedFor(t)[a.reason]
	for _, c := range crowd(t, s.Addr().String(), attackers, func(_ int, c net.Conn) {
		// A server that has seen enough closes while there is more to write.
		_, _ = io.WriteString(c, a.send)
	}) {
		w := attached(t, c)
		if got := w.last(t); got != a.says {
			t.Errorf("the attacker is told %q, want %q", got, a.says)
		}
	}
	s.awaitClosed(t, a.reason, before+attackers)
}

// What is no operation of a client ends the connection that it comes from, and
// no other.
func TestGarbage(t *testing.T) {
	s := start(t, "")
	b := watch(t, s.ClientURL())
	noise := make([]byte, 4<<10)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(noise)
	noise[0] = 0xff // no verb begins like that
	for _, a := range []attack{
		{"random bytes", string(noise), errUnknown, "Parse Error"},
		{"zeros", strings.Repeat("\x00", 100), errUnknown, "Parse Error"},
		{"web browser", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", errUnknown, "Parse Error"},
		{"TLS client", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", errUnknown, "Parse Error"},
		{"empty line", "\r\n", errUnknown, "Parse Error"},
		{"message of a server", "MSG foo 1 2\r\nhi\r\n", errUnknown, "Parse Error"},
		{"message of a route", "RMSG $G foo 2\r\nhi\r\n", errUnknown, "Parse Error"},
		{"interest of a route", "RS+ $G foo\r\n", errUnknown, "Parse Error"},
		{"garbage after a good operation", "PING\r\n\xff\xff\xff\xff", errUnknown, "Parse Error"},
		{"longer payload than announced", "CONNECT {\"verbose\":false}\r\nPUB foo 2\r\nhello\r\n", errUnknown, "Parse Error"},
		{"CONNECT that is not JSON", "CONNECT {\r\n", "", "Protocol Violation"},
		{"CONNECT with another type", "CONNECT {\"verbose\":[[[[]]]]}\r\n", "", "Protocol Violation"},
		{"deep JSON", "CONNECT {\"x\":" + strings.Repeat("[", 4000) + "\r\n", "", "Protocol Violation"},
		{"unknown version of the protocol", "CONNECT {\"protocol\":7}\r\n", "-ERR 'invalid client protocol'", "Bad Client Protocol Version"},
		{"PUB without size", "PUB foo\r\n", "", "Protocol Violation"},
		{"PUB with negative size", "PUB foo -1\r\n", "", "Protocol Violation"},
		{"SUB without sid", "SUB foo\r\n", "", "Protocol Violation"},
		{"header larger than message", "CONNECT {\"headers\":true,\"verbose\":false}\r\nHPUB foo 20 10\r\n", "", "Protocol Violation"},
		{"headers unannounced", "CONNECT {\"verbose\":false}\r\nHPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "", "Message Header Violation"},
		{"account by name", "CONNECT {\"account\":\"$SYS\"}\r\n", "-ERR 'Authorization Violation'", "Authentication Failure"},
	} {
		t.Run(a.name, func(t *testing.T) { a.try(t, s) })
		b.goesOn(t)
	}
}

// Whatever has a limit is cut off there, before memory is spent on it.
func TestOversizedInput(t *testing.T) {
	s := start(t, "max_payload: 64KB")
	b := watch(t, s.ClientURL())
	long := strings.Repeat("x", 5000)
	for _, a := range []attack{
		{"endless subject", "CONNECT {\"verbose\":false}\r\nPUB " + strings.Repeat("x", 1<<20), errControlLine, "Maximum Control Line Exceeded"},
		{"endless CONNECT", "CONNECT {\"name\":\"" + strings.Repeat("x", 1<<20), errControlLine, "Maximum Control Line Exceeded"},
		{"endless white space", "CONNECT {\"verbose\":false}\r\nSUB" + strings.Repeat(" ", 1<<20), errControlLine, "Maximum Control Line Exceeded"},
		{"long subject", "CONNECT {\"verbose\":false}\r\nSUB " + long + " 1\r\n", errControlLine, "Maximum Control Line Exceeded"},
		{"long PING", "PING " + long + "\r\n", errControlLine, "Maximum Control Line Exceeded"},
		{"large message", "CONNECT {\"verbose\":false}\r\nPUB foo 65537\r\n" + strings.Repeat("x", 65537) + "\r\n", errPayload, "Maximum Message Payload Exceeded"},
		{"large message with headers", "CONNECT {\"headers\":true,\"verbose\":false}\r\nHPUB foo 12 65537\r\n", errPayload, "Maximum Message Payload Exceeded"},
		{"large header", "CONNECT {\"headers\":true,\"verbose\":false}\r\nHPUB foo 65537 65537\r\n", errPayload, "Maximum Message Payload Exceeded"},
		{"almost a gigabyte", "CONNECT {\"verbose\":false}\r\nPUB foo 999999999\r\n", errPayload, "Maximum Message Payload Exceeded"},
		{"more than a number can hold", "CONNECT {\"verbose\":false}\r\nPUB foo 99999999999999999999\r\n", "", "Protocol Violation"},
	} {
		t.Run(a.name, func(t *testing.T) { a.try(t, s) })
		b.goesOn(t)
	}
}

// attached makes a wire of a connection that crowd has opened.
func attached(t testing.TB, c net.Conn) *wire {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return newWire(c)
}
