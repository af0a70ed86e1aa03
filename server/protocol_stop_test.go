package server_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server"
)

// A server that stops lets clients have what is queued for them, and says
// nothing else.
func TestShutdown(t *testing.T) {
	script(t, "max_payload: 400000", func(s *site) {
		sub, pub, silent := s.deaf(), s.connect(), s.dial()
		sub.send(quiet + "}\r\nSUB a 1\r\n")
		silent.wantInfo()
		synctest.Wait()
		// More than the network holds.
		payload := strings.Repeat("x", 300_000)
		go pub.pub("a", payload)
		synctest.Wait()
		sub.listen()
		s.shutdown()
		sub.wantInfo()
		sub.want(lines("MSG a 1 300000", payload))
		for _, p := range []*peer{sub, pub, silent} {
			p.wantClosed()
		}
		if _, err := s.away.Dial("tcp", "10.0.0.1:4222"); err == nil {
			t.Error("one can still connect")
		}
	})
}

// A client that takes nothing does not hold up the end for long.
func TestShutdownWithDeafClient(t *testing.T) {
	script(t, "max_payload: 400000", func(s *site) {
		sub, pub := s.deaf(), s.connect()
		sub.send(quiet + "}\r\nSUB a 1\r\n")
		synctest.Wait()
		go pub.pub("a", strings.Repeat("x", 300_000))
		synctest.Wait()
		start := time.Now()
		s.shutdown()
		if d := time.Since(start); d > 2*second {
			t.Errorf("it took %v", d)
		}
		pub.wantClosed()
	})
}

// Clients that have not come in yet do not hold it up either, and are cut off.
func TestShutdownBeforeConnect(t *testing.T) {
	script(t, "proxy_protocol: true", func(s *site) {
		waiting := s.greeted()
		start := time.Now()
		s.shutdown()
		waiting.wantClosed()
		if d := time.Since(start); d > 2*second {
			t.Errorf("it took %v", d)
		}
	})
}

// Clients that come while the server stops are either cut off or not let in.
func TestShutdownWhileClientsCome(t *testing.T) {
	for range 20 {
		script(t, "", func(s *site) {
			came := make(chan net.Conn, 50)
			go func() {
				defer close(came)
				for range cap(came) {
					nc, err := s.away.Dial("tcp", "10.0.0.1:4222")
					if err != nil {
						return
					}
					came <- nc
					// It is cut off, or not: both are as they should be.
					_, _ = io.WriteString(nc, quiet+"}\r\nSUB a 1\r\nPING\r\n")
				}
			}()
			s.shutdown()
			synctest.Wait()
			if n := s.srv.NumClients(); n != 0 {
				t.Errorf("%d clients are registered", n)
			}
			for nc := range came {
				nc.Close()
			}
		})
	}
}

// A server in lame duck mode takes nobody in, tells those who know of it, and
// sends its clients away bit by bit.
func TestLameDuck(t *testing.T) {
	const config = `
		lame_duck_duration: 40s
		lame_duck_grace_period: 10s
		ping_interval: 1h
		accounts { A { users: [{user: a, password: a}], limits { max_payload: 50 } } }`
	script(t, config, func(s *site) {
		modern, old, late := s.greeted(), s.connect(as("a")), s.greeted()
		modern.sendf(`%s,"protocol":1,%s}`+"\r\nPING\r\n", quiet, as("a"))
		modern.want("PONG\r\n")
		modern.wantInfo()
		// It has not seen a PONG yet.
		late.sendf(`%s,"protocol":1,%s}`+"\r\n", quiet, as("a"))
		more := make([]*peer, 17)
		for i := range more {
			more[i] = s.connect(as("a"))
		}
		all := append([]*peer{modern, old, late}, more...)
		time.Sleep(3 * second)
		for _, p := range all {
			p.wantOnly("PING\r\n")
		}

		start := time.Now()
		done := make(chan time.Time)
		go func() {
			s.srv.LameDuckShutdown()
			done <- time.Now()
		}()
		i := modern.wantInfo()
		if !i.flag("ldm") || i.has("connect_urls") || i.number("max_payload") != 50 {
			t.Errorf("INFO %v", i.fields)
		}
		for _, p := range all {
			p.wantIdle()
		}
		if _, err := s.away.Dial("tcp", "10.0.0.1:4222"); err == nil {
			t.Error("one can still connect")
		}
		s.reload(config + "\nmax_control_line: 100")
		late.send("PING\r\n")
		late.want("PONG\r\n")
		if i := late.wantInfo(); !i.flag("ldm") || i.number("port") != 4222 {
			t.Errorf("INFO after a reload %v", i.fields)
		}

		time.Sleep(10*second - time.Millisecond)
		if n := s.srv.NumClients(); n != len(all) {
			t.Errorf("%d clients at the end of the grace period, want %d", n, len(all))
		}
		last, left := len(all), len(all)
		for left > 0 {
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			if left = s.srv.NumClients(); left >= last || last-left > 3 {
				t.Errorf("%d clients after %d, want one or two less", left, last)
			}
			last = left
			if time.Since(start) > time.Minute {
				t.Fatal("it takes too long")
			}
		}
		for _, p := range all {
			p.wantClosed()
		}
		end := <-done
		if d := end.Sub(start); d < 20*second || d > 42*second {
			t.Errorf("it took %v", d)
		}
		s.srv.WaitForShutdown()
		s.down = true
	})
}

func TestLameDuckWithoutClients(t *testing.T) {
	script(t, "", func(s *site) {
		start := time.Now()
		s.srv.LameDuckShutdown()
		s.down = true
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}

// Shutdown cuts lame duck mode short; another lame duck does not.
func TestShutdownInLameDuck(t *testing.T) {
	script(t, "", func(s *site) {
		p := s.connect()
		go s.srv.LameDuckShutdown()
		time.Sleep(second)
		s.srv.LameDuckShutdown() // returns at once
		p.ping()
		start := time.Now()
		s.shutdown()
		p.wantClosed()
		if d := time.Since(start); d > 2*second {
			t.Errorf("it took %v", d)
		}
	})
}

// inside connects a peer within the process, and takes the INFO.
func (s *site) inside() (*peer, info) {
	s.t.Helper()
	nc, err := s.srv.InProcessConn()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &peer{t: s.t, nc: nc}
	s.peers = append(s.peers, p)
	return p, p.readInfo()
}

// A client that is in the process of the server speaks the same protocol.
func TestInProcess(t *testing.T) {
	const config = `authorization { users: [
		{user: a, password: a, allowed_connection_types: [IN_PROCESS]}
		{user: b, password: b, allowed_connection_types: [STANDARD]}
	] }`
	script(t, config, func(s *site) {
		p, i := s.inside()
		if i.has("client_ip") || !i.flag("auth_required") {
			t.Errorf("INFO %v", i.fields)
		}
		p.listen()
		p.sendf("%s,%s}\r\nSUB x 1\r\n", quiet, as("a"))
		p.ping()
		out := s.connect(as("b"))
		out.pub("x", "hi")
		p.wantOnly(lines("MSG x 1 2", "hi"))
		q, _ := s.inside()
		q.listen()
		q.sendf("%s,%s}\r\n", quiet, as("b"))
		q.wantErr("Authorization Violation")
		q.wantClosed()
		s.shutdown()
		if _, err := s.srv.InProcessConn(); !errors.Is(err, server.ErrNotRunning) {
			t.Errorf("InProcessConn of a stopped server: %v", err)
		}
	})
}

// TLS is up to clients in the process, whatever others have to do.
func TestInProcessTLS(t *testing.T) {
	pk := newPKI(t)
	for _, mode := range []string{"", "handshake_first: true", "handshake_first: auto"} {
		script(t, pk.block(mode), func(s *site) {
			for _, secure := range []bool{false, true} {
				p, i := s.inside()
				if i.has("tls_required") || !i.flag("tls_available") {
					t.Errorf("INFO %v", i.fields)
				}
				if !secure {
					p.listen()
				} else if err := p.secure(pk.config(nil)); err != nil {
					t.Fatal(err)
				}
				p.send(quiet + "}\r\n")
				p.ping()
			}
		})
	}
}
