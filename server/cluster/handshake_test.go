package cluster

import (
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/proto"
)

const testTimeout = 2 * time.Second

func server(name string) mesh.Server {
	return mesh.Server{ID: "ID-" + name, Name: name, Cluster: "C", PoolSize: 3, Accounts: []string{"$SYS"}, Addr: name + ":6222"}
}

func handshake(name string) *Handshake {
	return &Handshake{Self: server(name), Timeout: testTimeout, MaxControlLine: 4096, Clock: clock.Real()}
}

// connect makes a connection from a host to another.
func connect(t testing.TB, n *memnet.Network, from, to string) (near, far net.Conn) {
	t.Helper()
	l, err := n.Host(to).Listen("tcp", ":6222")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err = n.Host(from).Dial("tcp", to+":6222")
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// Do both ends learn of each other what the mesh has to know, and does nothing get lost that
// comes behind it?
func TestHandshake(t *testing.T) {
	for _, tc := range []struct {
		what       string
		slot       mesh.Slot
		user, pass string
		stored     string
	}{
		{what: "pool", slot: mesh.Slot{Index: 2}},
		{what: "account", slot: mesh.Slot{Account: "$SYS"}},
		{what: "password", user: "u", pass: "p", stored: "p"},
		{what: "hashed password", user: "u", pass: "p", stored: "$2a$04$h6n4/USgsVVEjV/My8OL0O3VhvRAc8SqCDEoaZbhTi5HQyN1VwzX6"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := connect(t, memnet.New(memnet.Config{Link: memnet.Link{Latency: time.Millisecond}}), "a", "b")
				ha, hb := handshake("a"), handshake("b")
				ha.Info.MaxPayload, hb.Info.ConnectURLs = 77, []string{"b:4222"}
				hb.Username, hb.Password = tc.user, tc.stored
				hb.Self.Dynamic, hb.Self.Addr = true, ""
				d := &mesh.Dial{Slot: tc.slot, Call: 7}
				met := make(chan *Meeting)
				go func() {
					m, err := hb.Accept(far, nil)
					if err != nil {
						t.Error("accept:", err)
					}
					_, _ = io.WriteString(far, "PING\r\n")
					met <- m
				}()
				a, err := ha.Dial(near, d, tc.user, tc.pass)
				b := <-met
				if err != nil || a == nil || b == nil {
					t.Fatal("dial:", err)
				}
				if !reflect.DeepEqual(a.Peer, hb.Self) || a.Slot != tc.slot || a.Dialled != d || a.Call != 7 || a.Info.ConnectURLs[0] != "b:4222" {
					t.Errorf("who dialled knows %+v", a)
				}
				if !reflect.DeepEqual(b.Peer, ha.Self) || b.Slot != tc.slot || b.Dialled != nil || b.Call != 7 || b.Info.MaxPayload != 77 {
					t.Errorf("who accepted knows %+v", b)
				}
				time.Sleep(2 * testTimeout) // the deadline has no effect any more
				_, _ = io.WriteString(far, "PONG\r\n")
				buf := make([]byte, len("PING\r\nPONG\r\n")-len(a.Rest))
				_, err = io.ReadFull(near, buf)
				if got := string(a.Rest) + string(buf); err != nil || got != "PING\r\nPONG\r\n" {
					t.Errorf("then it reads %q, %v", got, err)
				}
				_, _ = near.Close(), far.Close()
			})
		})
	}
}

// Who comes to the port of routes and does not belong there is told so, and soon.
func TestAcceptRefuses(t *testing.T) {
	ours := handshake("x")
	hello := func(user, pass string) string { return string(ours.connect(user, pass).Append(nil)) }
	info := func(change func(*proto.RouteInfo)) string {
		i := ours.info(&Meeting{})
		change(i)
		return string(i.Append(nil))
	}
	good := hello("u", "p")
	for _, tc := range []struct {
		what, says string
		err        error
		answer     string
		took       time.Duration
	}{
		{"nobody", "", ErrTimeout, "-ERR 'Authentication Timeout'\r\n", testTimeout},
		{"half a line", "CONNECT {", ErrTimeout, "-ERR 'Authentication Timeout'\r\n", testTimeout},
		{"no INFO", good, ErrTimeout, "-ERR 'Authentication Timeout'\r\n", testTimeout},
		{"a client", `CONNECT {"lang":"go"}` + "\r\n", ErrClient, "-ERR 'attempted to connect to route port'\r\n", 0},
		{"a gateway", `CONNECT {"gateway":"G"}` + "\r\n", ErrGateway, "-ERR 'attempted to connect to wrong port'\r\n", 0},
		{"a stock server", `CONNECT {"user":"u","pass":"p","name":"N","cluster":"C"}` + "\r\n", ErrForeign, "-ERR 'routes are for nats-lite servers only'\r\n", 0},
		{"a stock server's INFO", good + `INFO {"server_id":"N"}` + "\r\n", ErrForeign, "-ERR 'routes are for nats-lite servers only'\r\n", 0},
		{"a wrong password", hello("u", "q"), ErrCredentials, "-ERR 'Authorization Violation'\r\n", 0},
		{"a wrong name", hello("v", "p"), ErrCredentials, "-ERR 'Authorization Violation'\r\n", 0},
		{"no credentials", hello("", ""), ErrCredentials, "-ERR 'Authorization Violation'\r\n", 0},
		{"rubbish", "GET / HTTP/1.1\r\n", ErrProtocol, "-ERR 'Unknown Protocol Operation'\r\n", 0},
		{"another operation", "PING\r\n", ErrProtocol, "-ERR 'Unknown Protocol Operation'\r\n", 0},
		{"another one behind CONNECT", good + "PING\r\n", ErrProtocol, "-ERR 'Unknown Protocol Operation'\r\n", 0},
		{"a long line", "CONNECT {" + strings.Repeat(" ", 5000), ErrProtocol, "-ERR 'Unknown Protocol Operation'\r\n", 0},
		{"a message", "RMSG A a 100000000\r\n", ErrProtocol, "-ERR 'Unknown Protocol Operation'\r\n", 0},
		{"no JSON", "CONNECT {]\r\n", ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"INFO that is no JSON", good + "INFO x\r\n", ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"no ID", good + info(func(i *proto.RouteInfo) { i.ServerID = "" }), ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"two names", good + info(func(i *proto.RouteInfo) { i.ServerName = "a b" }), ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"no cluster", good + info(func(i *proto.RouteInfo) { i.Cluster = "" }), ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"no address", good + info(func(i *proto.RouteInfo) { i.IP = "a:b:c" }), ErrIntroduction, "-ERR 'Invalid Route Introduction'\r\n", 0},
		{"one who refuses", "-ERR 'no'\r\n", &RefusedError{"no"}, "", 0},
	} {
		t.Run(tc.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := connect(t, memnet.New(memnet.Config{}), "a", "b")
				start := time.Now()
				go func() { _, _ = io.WriteString(near, tc.says) }()
				read := make(chan string)
				go func() {
					got, _ := io.ReadAll(near)
					_ = near.Close()
					read <- string(got)
				}()
				h := handshake("b")
				h.Username, h.Password = "u", "p"
				m, err := h.Accept(far, nil)
				if m != nil || !sameError(err, tc.err) {
					t.Errorf("%+v, %v", m, err)
				}
				if got := <-read; got != tc.answer {
					t.Errorf("answered with %q, want %q", got, tc.answer)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func sameError(got, want error) bool {
	if errors.Is(got, want) {
		return true
	}
	var a, b *RefusedError
	return errors.As(got, &a) && errors.As(want, &b) && *a == *b
}

// Does who dials the wrong port, or is not wanted, learn why?
func TestDialFails(t *testing.T) {
	for _, tc := range []struct {
		what, says string
		err        error
	}{
		{"a server for clients, or a stock server", `INFO {"server_id":"N","server_name":"n","cluster":"C"}` + "\r\n", ErrForeign},
		{"one who refuses", "-ERR 'Authorization Violation'\r\n", &RefusedError{"Authorization Violation"}},
		{"one who says nothing", "", ErrTimeout},
		{"one who dials as well", "CONNECT {}\r\n", ErrProtocol},
	} {
		t.Run(tc.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := connect(t, memnet.New(memnet.Config{}), "a", "b")
				go func() {
					_, _ = io.WriteString(far, tc.says)
					_, _ = io.Copy(io.Discard, far)
					_ = far.Close()
				}()
				m, err := handshake("a").Dial(near, &mesh.Dial{}, "", "")
				if m != nil || !sameError(err, tc.err) {
					t.Errorf("%+v, %v", m, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := connect(t, memnet.New(memnet.Config{}), "a", "b")
		_ = far.Close()
		if m, err := handshake("a").Dial(near, &mesh.Dial{}, "", ""); m != nil || err == nil || errors.Is(err, ErrTimeout) {
			t.Errorf("one who hangs up: %+v, %v", m, err)
		}
	})
}

// Is what comes in pieces, some of them read before, read as what comes at once?
func TestAcceptInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := connect(t, memnet.New(memnet.Config{}), "a", "b")
		a := handshake("a")
		hello := a.info(&Meeting{}).Append(a.connect("", "").Append(nil))
		go func() {
			for _, c := range hello[10:] {
				time.Sleep(100 * time.Microsecond)
				_, _ = near.Write([]byte{c})
			}
		}()
		m, err := handshake("b").Accept(far, hello[:10])
		if err != nil || m.Peer.ID != "ID-a" || len(m.Rest) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
		_, _ = near.Close(), far.Close()
	})
}

// FuzzAccept introduces somebody with any bytes: who gets in has said who he is.
func FuzzAccept(f *testing.F) {
	h := handshake("x")
	good := h.info(&Meeting{}).Append(h.connect("u", "p").Append(nil))
	for _, in := range [][]byte{good, good[:20], append(good, "PING\r\n"...), []byte("CONNECT {}\r\n"), []byte("PING\r\n")} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		synctest.Test(t, func(t *testing.T) {
			near, far := connect(t, memnet.New(memnet.Config{}), "a", "b")
			go func() {
				_, _ = near.Write(in)
				_, _ = io.Copy(io.Discard, near)
				_ = near.Close()
			}()
			h := handshake("b")
			h.Username, h.Password = "u", "p"
			m, err := h.Accept(far, nil)
			if (m == nil) == (err == nil) || m != nil && (m.Peer.ID == "" || m.Peer.PoolSize < 1 || m.Info.NatsLite < 1) {
				t.Errorf("%+v, %v", m, err)
			}
			_ = far.Close()
		})
	})
}
