package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Bounds of what a client may send and have.
func TestLimits(t *testing.T) {
	const acc = `accounts {
		A { users: [{user: a, password: a}], limits { max_payload: 5, max_subscriptions: 1 } }
		B { users: [{user: b, password: b}], limits { max_payload: 50, max_subscriptions: 10 } }
	}
	max_payload: 20
	max_subscriptions: 2`
	payload := "-ERR 'Maximum Payload Violation'\r\n"
	subs := "-ERR 'maximum subscriptions exceeded'\r\n"
	runExchanges(t, []exchange{
		{name: "payload: as much", config: "max_payload: 5", send: lines("SUB a 1", "PUB a 5", "hello"), want: lines("MSG a 1 5", "hello")},
		{name: "payload: more, known before it comes", config: "max_payload: 5", send: lines("PUB a 6"), want: payload, closed: true},
		{name: "payload: headers count", config: "max_payload: 20", connect: `"headers":true`, send: lines("HPUB a 12 21"), want: payload, closed: true},
		{name: "payload: headers count, as much", config: "max_payload: 20", connect: `"headers":true`, send: "SUB a 1\r\nHPUB " + hmsg("a", "12345678"), want: "HMSG " + hmsg("a 1", "12345678")},
		{name: "payload: the default", send: fmt.Sprintf("PUB a %d\r\n", 1<<20+1), want: payload, closed: true},
		{name: "payload: what came before is done", config: "max_payload: 5", send: lines("SUB a 1", "PUB a 2", "hi", "PUB a 6"), want: lines("MSG a 1 2", "hi") + payload, closed: true},
		{name: "payload: of the account", config: acc, connect: as("a"), send: lines("PUB a 6"), want: payload, closed: true},
		{name: "payload: of the account, as much", config: acc, connect: as("a"), send: lines("PUB a 5", "hello"), want: ""},
		{name: "payload: the account allows more than the server", config: acc, connect: as("b"), send: lines("PUB a 21"), want: payload, closed: true},

		{name: "subscriptions: one too many is not made", config: "max_subscriptions: 2", send: lines("SUB a 1", "SUB b 2", "SUB c 3", "PUB c 0", "", "PUB b 0", ""), want: subs + lines("MSG b 2 0", "")},
		{name: "subscriptions: there is room again", config: "max_subscriptions: 1", send: lines("SUB a 1", "SUB b 2", "UNSUB 1", "SUB b 2", "PUB b 0", ""), want: subs + lines("MSG b 2 0", "")},
		{name: "subscriptions: a maximum makes room", config: "max_subscriptions: 1", send: lines("SUB a 1", "UNSUB 1 1", "PUB a 0", "", "SUB b 2", "PUB b 0", ""), want: lines("MSG a 1 0", "", "MSG b 2 0", "")},
		{name: "subscriptions: a sid in use", config: "max_subscriptions: 1", send: lines("SUB a 1", "SUB b 1"), want: subs},
		{name: "subscriptions: of the account", config: acc, connect: as("a"), send: lines("SUB a 1", "SUB b 2"), want: subs},
		{name: "subscriptions: the account allows more than the server", config: acc, connect: as("b"), send: lines("SUB a 1", "SUB b 2", "SUB c 3"), want: subs},
		{name: "subscriptions: no bound", config: "max_subscriptions: 0", send: lines("SUB a 1", "SUB b 2", "SUB c 3"), want: ""},
	})
}

func TestMaxConnections(t *testing.T) {
	script(t, "max_connections: 2", func(s *site) {
		one, two := s.connect(), s.greeted()
		surplus := s.dial()
		surplus.wantInfo()
		surplus.wantErr("maximum connections exceeded")
		surplus.wantClosed()
		one.ping()
		two.close()
		s.connect().ping()
		if n := s.srv.NumClients(); n != 2 {
			t.Errorf("%d clients, want 2", n)
		}
	})
}

func TestMaxAccountConnections(t *testing.T) {
	const config = `accounts {
		A { users: [{user: a, password: a}], limits { max_connections: 1 } }
		B { users: [{user: b, password: b}] }
	}`
	script(t, config, func(s *site) {
		in := s.connect(as("a"))
		for range 3 {
			p := s.greeted()
			p.sendf("%s,%s}\r\nPING\r\n", quiet, as("a"))
			p.wantErr("maximum account active connections exceeded")
			p.wantClosed()
		}
		s.connect(as("b"))
		in.close()
		s.connect(as("a"))
	})
}

// The server asks for a PONG soon after CONNECT, to measure the round trip, and
// then in intervals.
func TestPing(t *testing.T) {
	const config = "ping_interval: 30s\nping_max: 3"
	t.Run("first", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := s.connect()
			time.Sleep(2*second - time.Millisecond)
			p.wantIdle()
			time.Sleep(2*second/5 + time.Millisecond)
			p.wantOnly("PING\r\n")
		})
	})
	t.Run("first, of those who come together", func(t *testing.T) {
		script(t, config, func(s *site) {
			var peers []*peer
			for range 40 {
				peers = append(peers, s.connect())
			}
			time.Sleep(2*second + 2*second/10)
			early := 0
			for _, p := range peers {
				if got, _ := p.settle(); got != "" {
					early++
				}
			}
			if early < 5 || early > 35 {
				t.Errorf("%d of 40 are asked in the first half of the time", early)
			}
		})
	})
	t.Run("before CONNECT", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := s.greeted()
			time.Sleep(30*second - time.Millisecond)
			p.wantIdle()
			time.Sleep(time.Millisecond)
			p.wantOnly("PING\r\n")
		})
	})
	t.Run("not later than the interval", func(t *testing.T) {
		script(t, "ping_interval: 1s", func(s *site) {
			p := s.connect()
			time.Sleep(second)
			p.wantOnly("PING\r\n")
		})
	})
	// answered brings a peer past its first PING, which it answers.
	answered := func(s *site) *peer {
		p := s.connect()
		time.Sleep(2*second + 2*second/5)
		p.wantOnly("PING\r\n")
		p.send("PONG\r\n")
		return p
	}
	t.Run("in intervals, for as long as there are answers", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := answered(s)
			for range 20 {
				time.Sleep(31 * second)
				p.want("PING\r\n")
				p.send("PONG\r\n")
				p.wantIdle()
			}
		})
	})
	t.Run("not of those who send something", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := answered(s)
			for range 20 {
				time.Sleep(20 * second)
				p.ping()
			}
		})
	})
	t.Run("of those who send something, after an hour", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := answered(s)
			for range 3 * 59 {
				time.Sleep(20 * second)
				p.ping()
			}
			asked := false
			for i := 0; i < 6 && !asked; i++ {
				time.Sleep(20 * second)
				p.pub("a", "")
				got, _ := p.settle()
				asked = got != ""
			}
			p.wantOnly("PING\r\n")
			p.send("PONG\r\n")
			for range 20 {
				time.Sleep(20 * second)
				p.ping()
			}
		})
	})
	t.Run("too many without answer", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := s.connect()
			time.Sleep(3 * second)
			for range 3 {
				p.wantOnly("PING\r\n")
				time.Sleep(30 * second)
			}
			p.wantErr("Stale Connection")
			p.wantClosed()
		})
	})
	t.Run("one answer is enough for several", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := answered(s)
			for range 5 {
				time.Sleep(90 * second)
				p.wantOnly("PING\r\nPING\r\nPING\r\n")
				p.send("PONG\r\n")
			}
		})
	})
	t.Run("without answer, but something is sent", func(t *testing.T) {
		script(t, config, func(s *site) {
			p := answered(s)
			time.Sleep(90 * second)
			p.wantOnly("PING\r\nPING\r\nPING\r\n")
			for range 20 {
				p.pub("a", "")
				time.Sleep(20 * second)
			}
			p.wantIdle()
			time.Sleep(30 * second)
			p.wantErr("Stale Connection")
			p.wantClosed()
		})
	})
}

// A subscriber that does not read is cut off when too much waits for it, and
// nobody else is harmed.
func TestSlowConsumerByBytes(t *testing.T) {
	script(t, "max_pending: 100000\nmax_payload: 50000\nno_fast_producer_stall: false", func(s *site) {
		slow, fast, pub := s.deaf(), s.connect(), s.connect()
		slow.send(quiet + "}\r\nSUB a 1\r\n")
		fast.send("SUB a 1\r\n")
		fast.ping()
		synctest.Wait()
		before := s.srv.NumSubscriptions()
		payload := strings.Repeat("x", 10_000)
		msg := lines("MSG a 1 10000", payload)
		for i := range 40 {
			pub.pub("a", payload)
			time.Sleep(10 * time.Millisecond) // for which publishers may be held up
			fast.want(msg)
			if i == 5 && s.srv.NumSubscriptions() != before {
				t.Error("cut off although it could have been sent")
			}
		}
		if n := s.srv.NumSubscriptions(); n != before-1 {
			t.Errorf("%d subscriptions, want %d", n, before-1)
		}
		slow.listen()
		slow.wantInfo()
		got, end := slow.settle()
		if !isEnd(end) || strings.Contains(got, "-ERR") || !strings.HasPrefix(got, msg) {
			t.Errorf("got %s (end: %v), want messages and the end", brief(got), end)
		}
		if log := s.log(); !strings.Contains(log, "Slow Consumer Detected: MaxPending of 100000 Exceeded") {
			t.Errorf("log:\n%s", log)
		}
		fast.ping()
	})
}

// A subscriber that takes nothing for a while is cut off.
func TestSlowConsumerByTime(t *testing.T) {
	const config = "write_deadline: 3s\nmax_pending: 1000000\nmax_payload: 50000"
	payload := strings.Repeat("x", 10_000)
	begin := func(s *site) (slow, pub *peer) {
		slow, pub = s.deaf(), s.connect()
		slow.send(quiet + "}\r\nSUB a 1\r\n")
		synctest.Wait()
		for range 20 {
			pub.pub("a", payload)
		}
		pub.ping()
		return slow, pub
	}
	t.Run("by default", func(t *testing.T) {
		script(t, config, func(s *site) {
			slow, pub := begin(s)
			time.Sleep(3*second - time.Millisecond)
			pub.want("PING\r\n")
			if n := s.srv.NumClients(); n != 2 {
				t.Fatalf("%d clients before the deadline, want 2", n)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if n := s.srv.NumClients(); n != 1 {
				t.Fatalf("%d clients, want 1", n)
			}
			log := s.log()
			_, rest, ok := strings.Cut(log, "Slow Consumer Detected: WriteDeadline of 3s exceeded with ")
			var chunks, bytes int
			if n, _ := fmt.Sscanf(rest, "%d chunks of %d total bytes.", &chunks, &bytes); !ok || n != 2 || chunks == 0 || bytes < 100_000 {
				t.Errorf("log:\n%s", log)
			}
			slow.listen()
			slow.wantInfo()
			if got, end := slow.settle(); !isEnd(end) || strings.Contains(got, "-ERR") {
				t.Errorf("got %s (end: %v)", brief(got), end)
			}
			pub.ping()
		})
	})
	t.Run("not who takes something, if so configured", func(t *testing.T) {
		script(t, config+"\nwrite_timeout: retry", func(s *site) {
			slow, _ := begin(s)
			// The first bytes went into the buffers of the network.
			time.Sleep(4 * second)
			synctest.Wait()
			if n := s.srv.NumClients(); n != 2 {
				t.Fatalf("%d clients, want 2", n)
			}
			slow.listen()
			slow.wantInfo()
			slow.want(strings.Repeat(lines("MSG a 1 10000", payload), 20))
		})
	})
	t.Run("who takes nothing at all, even then", func(t *testing.T) {
		script(t, config+"\nwrite_timeout: retry", func(s *site) {
			begin(s)
			time.Sleep(7 * second)
			synctest.Wait()
			if n := s.srv.NumClients(); n != 1 {
				t.Fatalf("%d clients, want 1", n)
			}
		})
	})
}

// Publishers wait a moment for a subscriber that is far behind, or its messages
// are dropped.
func TestFastProducer(t *testing.T) {
	const limits = "max_pending: 100000\nmax_payload: 50000\n"
	payload := strings.Repeat("x", 10_000)
	msg := lines("MSG a 1 10000", payload)
	begin := func(s *site) (slow, pub *peer) {
		slow, pub = s.deaf(), s.connect()
		slow.send(quiet + "}\r\nSUB a 1\r\n")
		synctest.Wait()
		// What the network holds, and then three quarters of what the server
		// does.
		for range 6 + 8 {
			start := time.Now()
			pub.pub("a", payload)
			pub.ping()
			if d := time.Since(start); d != 0 {
				t.Fatalf("held up for %v", d)
			}
		}
		return slow, pub
	}
	t.Run("stalled", func(t *testing.T) {
		script(t, limits, func(s *site) {
			slow, pub := begin(s)
			start := time.Now()
			pub.pub("a", "1")
			synctest.Wait()
			pub.send("PING\r\n")
			pub.wantIdle() // it is not even read
			time.Sleep(10 * time.Millisecond)
			pub.wantOnly("PONG\r\n")
			if d := time.Since(start); d != 10*time.Millisecond {
				t.Errorf("held up for %v", d)
			}

			pub.pub("b", "nobody gets it") // and nobody is waited for
			pub.ping()

			pub.pub("a", "2")
			synctest.Wait()
			pub.send("PING\r\n")
			pub.wantIdle()
			slow.listen() // before the time is up
			pub.wantOnly("PONG\r\n")
			if d := time.Since(start); d != 10*time.Millisecond {
				t.Errorf("held up for %v after the subscriber had caught up", d-10*time.Millisecond)
			}
			slow.wantInfo()
			slow.wantOnly(strings.Repeat(msg, 14) + lines("MSG a 1 1", "1", "MSG a 1 1", "2"))
		})
	})
	t.Run("not stalled", func(t *testing.T) {
		script(t, limits+"no_fast_producer_stall: true", func(s *site) {
			slow, pub := begin(s)
			for range 20 {
				pub.pub("a", payload)
				pub.ping()
			}
			slow.listen()
			slow.wantInfo()
			slow.wantOnly(strings.Repeat(msg, 14))
			pub.pub("a", payload)
			pub.ping()
			slow.wantOnly(msg)
		})
	})
}
