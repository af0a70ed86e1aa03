package client

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// host is a server of as many accounts as there are users.
type host struct {
	settings Settings
	authn    atomic.Pointer[auth.Authenticator]
	accounts map[string]*account.Account
	counters Counters
	lastID   uint64
	// looked is called when a client looks for its account, which it does when it
	// knows who it is and nobody else does.
	looked func()
}

// newHost makes a host. Without users nobody is asked who he is, and everybody
// is in the global account.
func newHost(tb testing.TB, users ...*auth.User) *host {
	tb.Helper()
	h := &host{
		settings: Settings{
			Conn:           &conn.Config{MaxPending: 64 << 20, Clock: clock.Real()},
			MaxPayload:     1 << 20,
			MaxControlLine: 4096,
			Headers:        true,
			PingInterval:   1 << 40,
			PingMax:        2,
			AuthTimeout:    1 << 40,
		},
		accounts: map[string]*account.Account{account.GlobalName: account.New(account.GlobalName)},
	}
	h.configure(tb, users...)
	return h
}

// configure puts other users into force.
func (h *host) configure(tb testing.TB, users ...*auth.User) {
	tb.Helper()
	a, err := auth.New(auth.Config{Users: users})
	if err != nil {
		tb.Fatal(err)
	}
	for _, u := range users {
		if u.Account != "" && h.accounts[u.Account] == nil {
			h.accounts[u.Account] = account.New(u.Account)
		}
	}
	h.authn.Store(a)
}

func (h *host) Settings() *Settings                { return &h.settings }
func (h *host) Authenticator() *auth.Authenticator { return h.authn.Load() }
func (h *host) Account(name string) *account.Account {
	if f := h.looked; f != nil {
		h.looked = nil
		f()
	}
	return h.accounts[name]
}
func (h *host) SystemAccount() *account.Account { return nil }
func (h *host) ServerInfo() event.ServerInfo    { return event.ServerInfo{Name: "test"} }
func (h *host) Info() proto.Info                { return proto.Info{MaxPayload: h.settings.MaxPayload} }
func (h *host) Admit(*Client) error             { return nil }
func (h *host) Gone(*Client)                    {}
func (h *host) Counters() *Counters             { return &h.counters }
func (h *host) Log() Logger                     { return quietLog{} }
func (h *host) Clock() clock.Clock              { return clock.Real() }

type quietLog struct{}

func (quietLog) Errorf(string, ...any)  {}
func (quietLog) Warnf(string, ...any)   {}
func (quietLog) Noticef(string, ...any) {}
func (quietLog) Debugf(string, ...any)  {}
func (quietLog) Tracef(string, ...any)  {}
func (quietLog) DebugEnabled() bool     { return false }
func (quietLog) TraceEnabled() bool     { return false }

// client makes a client over a real socket whose other end throws everything
// away. It is not started: the test calls Consume.
func (h *host) client(tb testing.TB, connect string) *Client {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, far) // until it ends, in whichever way
		far.Close()
	}()
	h.lastID++
	c := New(h, h.lastID, near, auth.ConnStandard)
	tb.Cleanup(func() { c.Shutdown(0) })
	c.feed(tb, "CONNECT "+connect+"\r\n")
	return c
}

// feed works off operations that are complete.
func (c *Client) feed(tb testing.TB, ops string) {
	tb.Helper()
	if n, _, _ := c.Consume([]byte(ops)); n != len(ops) {
		tb.Fatalf("%d bytes of %q are worked off", n, ops)
	}
}
