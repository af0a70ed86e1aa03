package server_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// The tests in protocol_*_test.go are scripts: peers that speak the protocol by
// hand, to a real server over a network in memory. Everything runs in a bubble
// of testing/synctest, so a peer can wait until nothing more will come, and time
// passes only when a script sleeps.

// site is a server and the network that it is on.
type site struct {
	t    *testing.T
	name string
	srv  *server.Server
	// host is the machine of the server, away another one.
	host, away *memnet.Host
	dir        string
	peers      []*peer
	down       bool
}

// script runs f with a server of the given configuration.
func script(t *testing.T, config string, f func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config)
		defer s.close()
		f(s)
	})
}

// open starts a server. It must be closed before the bubble ends.
func open(t *testing.T, config string) *site {
	t.Helper()
	s := &site{t: t, name: "test", dir: t.TempDir()}
	network := memnet.New(memnet.Config{})
	s.host, s.away = network.Host("10.0.0.1"), network.Host("10.0.0.2")
	s.configure(config)
	opts, _, err := options.FromFile(s.path("conf"), func(o *options.Options) {
		o.Log.File = s.path("log")
		o.Log.Time = false
	})
	if err != nil {
		t.Fatal(err)
	}
	s.srv, err = server.New(opts, server.WithListen(s.host.Listen), server.WithClock(clock.Real()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.srv.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// configure writes the configuration file.
func (s *site) configure(config string) {
	s.t.Helper()
	text := "server_name: " + s.name + "\n" + config + "\n"
	if err := os.WriteFile(s.path("conf"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// reload has the server take over another configuration.
func (s *site) reload(config string) {
	s.t.Helper()
	s.configure(config)
	if err := s.srv.Reload(); err != nil {
		s.t.Fatal(err)
	}
}

// log is what the server has logged.
func (s *site) log() string {
	s.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(s.path("log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// shutdown stops the server.
func (s *site) shutdown() {
	s.srv.Shutdown()
	s.down = true
}

// close ends all connections, stops the server, and checks that it has left
// nothing behind.
func (s *site) close() {
	for _, p := range s.peers {
		p.nc.Close()
	}
	synctest.Wait()
	if !s.down {
		s.shutdown()
	}
	synctest.Wait()
	if n := s.srv.NumClients(); n != 0 {
		s.t.Errorf("%d clients are registered after the end", n)
	}
	if n := s.host.Conns(); n != 0 {
		s.t.Errorf("%d connections are open after the end", n)
	}
}

// peer is one end of a connection, in the hands of a script.
type peer struct {
	t  *testing.T
	nc net.Conn
	// replies counts the requests.
	replies int

	mu  sync.Mutex
	got []byte // and not yet wanted
	end error  // of what can be read
}

// deaf connects a peer that does not read.
func (s *site) deaf() *peer {
	s.t.Helper()
	nc, err := s.away.Dial("tcp", s.host.Name()+":4222")
	if err != nil {
		s.t.Fatal(err)
	}
	p := &peer{t: s.t, nc: nc}
	s.peers = append(s.peers, p)
	return p
}

// dial connects a peer.
func (s *site) dial() *peer {
	s.t.Helper()
	p := s.deaf()
	p.listen()
	return p
}

// greeted connects a peer and takes the INFO that it is met with.
func (s *site) greeted() *peer {
	s.t.Helper()
	p := s.dial()
	p.wantInfo()
	return p
}

// quiet begins the CONNECT of peers that want no answer to everything.
const quiet = `CONNECT {"verbose":false,"pedantic":false`

// connect connects a peer that is neither verbose nor pedantic, with more fields
// of CONNECT, as `"headers":true`.
func (s *site) connect(fields ...string) *peer {
	s.t.Helper()
	p := s.greeted()
	p.send(strings.Join(append([]string{quiet}, fields...), ",") + "}\r\n")
	p.ping()
	return p
}

// as are the CONNECT fields of a user whose password is his name.
func as(user string) string { return fmt.Sprintf(`"user":%q,"pass":%q`, user, user) }

// listen begins to read.
func (p *peer) listen() {
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := p.nc.Read(buf)
			p.mu.Lock()
			p.got = append(p.got, buf[:n]...)
			p.end = err
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// send writes. It may be that the server closes the connection meanwhile.
func (p *peer) send(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.nc, text)
	if err != nil && !isEnd(err) {
		p.t.Fatalf("send: %v", err)
	}
}

// sendf is send with a format.
func (p *peer) sendf(format string, args ...any) {
	p.t.Helper()
	p.send(fmt.Sprintf(format, args...))
}

// pub publishes a message.
func (p *peer) pub(subject, payload string) {
	p.t.Helper()
	p.sendf("PUB %s %d\r\n%s\r\n", subject, len(payload), payload)
}

// hpub publishes a message with headers, each a whole line without its end.
// target is the subject, and the reply behind a space if there is one.
func (p *peer) hpub(target, payload string, headers ...string) {
	p.t.Helper()
	p.send("HPUB " + hmsg(target, payload, headers...))
}

// hmsg is the rest of HPUB or HMSG behind the verb.
func hmsg(target, payload string, headers ...string) string {
	block := "NATS/1.0\r\n"
	for _, h := range headers {
		block += h + "\r\n"
	}
	block += "\r\n"
	return fmt.Sprintf("%s %d %d\r\n%s%s\r\n", target, len(block), len(block)+len(payload), block, payload)
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// settle waits until nothing moves any more and returns what has come.
func (p *peer) settle() (got string, end error) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.got), p.end
}

// take removes the first n bytes of what has come.
func (p *peer) take(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = p.got[n:]
}

// want takes exactly this from the beginning of what has come.
func (p *peer) want(text string) {
	p.t.Helper()
	got, end := p.settle()
	if !strings.HasPrefix(got, text) {
		p.t.Fatalf("got %s (end: %v)\nwant %s", brief(got), end, brief(text))
	}
	p.take(len(text))
}

// brief quotes a text, no more than the ends of it if it is long.
func brief(text string) string {
	const end = 200
	if len(text) > 3*end {
		return fmt.Sprintf("%q ... %q (%d bytes)", text[:end], text[len(text)-end:], len(text))
	}
	return fmt.Sprintf("%q", text)
}

// wantOnly takes exactly this; nothing else has come.
func (p *peer) wantOnly(text string) {
	p.t.Helper()
	p.want(text)
	p.wantIdle()
}

// wantErr takes an -ERR line.
func (p *peer) wantErr(text string) {
	p.t.Helper()
	p.want("-ERR '" + text + "'\r\n")
}

// wantIdle checks that nothing has come and the connection is open.
func (p *peer) wantIdle() {
	p.t.Helper()
	if got, end := p.settle(); got != "" || end != nil {
		p.t.Fatalf("got %s (end: %v), want nothing, and the connection open", brief(got), end)
	}
}

// wantClosed checks that nothing has come but the end of the connection.
func (p *peer) wantClosed() {
	p.t.Helper()
	got, end := p.settle()
	if got != "" || !isEnd(end) {
		p.t.Fatalf("got %s (end: %v), want nothing but the end", brief(got), end)
	}
}

// ping checks that the server has done all that was sent, and that nothing has
// come besides.
func (p *peer) ping() {
	p.t.Helper()
	p.send("PING\r\n")
	p.wantOnly("PONG\r\n")
}

// close ends the connection.
func (p *peer) close() {
	p.nc.Close()
	synctest.Wait()
}

// info is INFO as it came.
type info struct {
	// keys are in the order of the wire.
	keys   []string
	fields map[string]any
}

func (i info) text(key string) string { s, _ := i.fields[key].(string); return s }
func (i info) flag(key string) bool   { b, _ := i.fields[key].(bool); return b }
func (i info) number(key string) int  { n, _ := i.fields[key].(float64); return int(n) }
func (i info) has(key string) bool    { _, ok := i.fields[key]; return ok }

// wantInfo takes an INFO line.
func (p *peer) wantInfo() info {
	p.t.Helper()
	got, end := p.settle()
	line, _, ok := strings.Cut(got, "\r\n")
	text, isInfo := strings.CutPrefix(line, "INFO ")
	if !ok || !isInfo {
		p.t.Fatalf("got %s (end: %v), want INFO", brief(got), end)
	}
	text, ok = strings.CutSuffix(text, " ")
	if !ok {
		p.t.Errorf("no space before the end of %q", line)
	}
	p.take(len(line) + 2)
	var i info
	dec := json.NewDecoder(strings.NewReader(text))
	for depth := 0; ; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '{' || tok == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 1 {
				i.keys = append(i.keys, tok)
				var skip json.RawMessage
				if err := dec.Decode(&skip); err != nil {
					p.t.Fatalf("INFO: %v", err)
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &i.fields); err != nil {
		p.t.Fatalf("INFO: %v", err)
	}
	return i
}

// secure makes the peer speak TLS from here on. What came before must have been
// wanted, and the peer must be deaf.
func (p *peer) secure(config *tls.Config) error {
	tc := tls.Client(p.nc, config)
	p.nc = tc
	if err := tc.Handshake(); err != nil {
		return err
	}
	p.listen()
	return nil
}

// readInfo reads the INFO line of a deaf peer, and nothing behind it.
func (p *peer) readInfo() info {
	p.t.Helper()
	for !bytes.HasSuffix(p.got, []byte("\r\n")) {
		var b [1]byte
		if _, err := io.ReadFull(p.nc, b[:]); err != nil {
			p.t.Fatalf("got %q and %v, want INFO", p.got, err)
		}
		p.got = append(p.got, b[0])
	}
	return p.wantInfo()
}

// exchange is a script for one connection: what is sent, and what comes back.
type exchange struct {
	name   string
	config string
	// connect are fields of CONNECT. "-" leaves CONNECT out.
	connect string
	send    string
	want    string
	closed  bool
}

func (x *exchange) run(t *testing.T) {
	t.Helper()
	script(t, x.config, func(s *site) {
		var p *peer
		switch x.connect {
		case "-":
			p = s.greeted()
		case "":
			p = s.connect()
		default:
			p = s.connect(x.connect)
		}
		p.send(x.send)
		p.want(x.want)
		if x.closed {
			p.wantClosed()
		} else {
			p.ping()
		}
	})
}

func runExchanges(t *testing.T, exchanges []exchange) {
	for _, x := range exchanges {
		t.Run(x.name, func(t *testing.T) { x.run(t) })
	}
}

// lines joins lines with the protocol's line end behind each.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n" }

// second is the unit that scripts let pass.
const second = time.Second
