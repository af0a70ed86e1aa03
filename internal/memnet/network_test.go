package memnet_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
)

// on runs a test on virtual time on a network of one quality.
func on(t *testing.T, link memnet.Link, test func(t *testing.T, n *memnet.Network)) {
	synctest.Test(t, func(t *testing.T) { test(t, memnet.New(memnet.Config{Link: link, Buffer: 100})) })
}

// took runs f and returns how long it took.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func TestLatency(t *testing.T) {
	on(t, memnet.Link{Latency: 10 * time.Millisecond}, func(t *testing.T, n *memnet.Network) {
		a, b := n.Host("a"), n.Host("b")
		n.SetLink(b, a, memnet.Link{Latency: 30 * time.Millisecond})
		var near, far *memnet.Conn
		if got := took(func() { _, _, near, far = pair(t, n) }); got != 40*time.Millisecond {
			t.Errorf("dialling took %v, want a round trip of 40ms", got)
		}
		write(t, near, "x")
		if got := took(func() { wantRead(t, far, "x") }); got != 10*time.Millisecond {
			t.Errorf("a byte took %v to b, want 10ms", got)
		}
		write(t, far, "y")
		if got := took(func() { wantRead(t, near, "y") }); got != 30*time.Millisecond {
			t.Errorf("a byte took %v to a, want 30ms", got)
		}
		// A faster link does not let bytes overtake.
		write(t, near, "1")
		n.SetLink(a, b, memnet.Link{})
		write(t, near, "2")
		if got := took(func() { wantRead(t, far, "12") }); got != 10*time.Millisecond {
			t.Errorf("bytes took %v, want 10ms", got)
		}
	})
}

func TestJitterIsBoundedAndRepeats(t *testing.T) {
	run := func(seed uint64) (delays []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New(memnet.Config{Seed: seed, Link: memnet.Link{Latency: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}})
			_, _, near, far := pair(t, n)
			for range 50 {
				write(t, near, "x")
				delays = append(delays, took(func() { wantRead(t, far, "x") }))
			}
		})
		return delays
	}
	first, again, other := run(1), run(1), run(2)
	same, distinct := true, make(map[time.Duration]bool)
	for i, d := range first {
		if d < 10*time.Millisecond || d >= 15*time.Millisecond {
			t.Errorf("delay %v is not within 10ms to 15ms", d)
		}
		if again[i] != d {
			t.Errorf("delay %d was %v, and %v with the same seed", i, d, again[i])
		}
		same = same && other[i] == d
		distinct[d] = true
	}
	if same || len(distinct) < 10 {
		t.Errorf("another seed gives the same delays (%v), of which %d differ", same, len(distinct))
	}
}

func TestBandwidthIsShared(t *testing.T) {
	on(t, memnet.Link{Bandwidth: 100}, func(t *testing.T, n *memnet.Network) {
		a, b := n.Host("a"), n.Host("b")
		l, err := b.Listen("tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		near1, far1 := connect(t, a, l)
		near2, far2 := connect(t, a, l)
		write(t, near1, string(make([]byte, 100)))
		write(t, near2, string(make([]byte, 50)))
		if got := took(func() { wantRead(t, far1, string(make([]byte, 100))) }); got != time.Second {
			t.Errorf("100 bytes took %v, want 1s", got)
		}
		if got := took(func() { wantRead(t, far2, string(make([]byte, 50))) }); got != time.Second/2 {
			t.Errorf("50 bytes behind them took %v more, want 500ms", got)
		}
	})
}

func TestDialErrors(t *testing.T) {
	on(t, memnet.Link{Latency: time.Millisecond}, func(t *testing.T, n *memnet.Network) {
		a := n.Host("a")
		n.Host("b")
		if _, err := a.Listen("tcp", "127.0.0.1:7"); err != nil {
			t.Fatal(err)
		}
		var dns *net.DNSError
		if _, err := a.Dial("tcp", "nowhere:1"); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("dialling an unknown host: %v, want a DNS error", err)
		}
		for _, at := range []string{"b:1", "a:1", "localhost:1"} {
			if _, err := a.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dialling %s, where nobody listens: %v, want ECONNREFUSED", at, err)
			}
		}
		if _, err := n.Host("b").Dial("tcp", "a:7"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling another host's loopback listener: %v, want ECONNREFUSED", err)
		}
		for _, at := range []string{"b", "b:x", "b:70000", "b:-1"} {
			if _, err := a.Dial("tcp", at); err == nil {
				t.Errorf("dialling %q succeeded", at)
			}
		}
		if _, err := a.Dial("udp", "b:1"); err == nil {
			t.Error("dialling udp succeeded")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.DialContext(ctx, "tcp", "b:1"); !errors.Is(err, context.Canceled) {
			t.Errorf("dialling with a cancelled context: %v", err)
		}
	})
}

func TestListen(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		a := n.Host("10.0.0.1")
		for _, tt := range []struct {
			address, want string
			err           error
		}{
			{"10.0.0.1:4222", "10.0.0.1:4222", nil},
			{":4222", "", syscall.EADDRINUSE},
			{"0.0.0.0:4223", "10.0.0.1:4223", nil},
			{"[::]:4224", "10.0.0.1:4224", nil},
			{"localhost:4225", "localhost:4225", nil},
			{":0", "10.0.0.1:49152", nil},
			{":0", "10.0.0.1:49153", nil},
			{"10.0.0.2:1", "", syscall.EADDRNOTAVAIL},
		} {
			l, err := a.Listen("tcp", tt.address)
			if !errors.Is(err, tt.err) {
				t.Errorf("Listen(%s): %v, want %v", tt.address, err, tt.err)
			} else if err == nil && l.Addr().String() != tt.want {
				t.Errorf("Listen(%s) is at %s, want %s", tt.address, l.Addr(), tt.want)
			}
		}
		c, err := a.Dial("tcp", "127.0.0.1:4225")
		if err != nil {
			t.Fatalf("dialling an own loopback listener: %v", err)
		}
		if got := c.RemoteAddr().String(); got != "127.0.0.1:4225" {
			t.Errorf("remote address is %s", got)
		}
		closeAll(c.(*memnet.Conn))
	})
}

func TestListenerClose(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		a, b := n.Host("a"), n.Host("b")
		l, err := b.Listen("tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Dial("tcp", "b:1")
		if err != nil {
			t.Fatal(err)
		}
		idle, err := b.Listen("tcp", ":2")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := idle.Accept()
			done <- err
		}()
		synctest.Wait()
		for _, l := range []net.Listener{l, idle} {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a waiting Accept returned %v, want ErrClosed", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v, want ErrClosed", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v, want ErrClosed", err)
		}
		wantReadErr(t, c, syscall.ECONNRESET)
		closeAll(c.(*memnet.Conn))
		if a.Conns() != 0 || b.Conns() != 0 {
			t.Errorf("%d and %d connections left", a.Conns(), b.Conns())
		}
		if _, err := b.Listen("tcp", ":1"); err != nil {
			t.Errorf("listening again: %v", err)
		}
	})
}

func TestFullAcceptQueueMakesDialsWait(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		a, b := n.Host("a"), n.Host("b")
		l, err := b.Listen("tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		for range 128 {
			if _, err := a.Dial("tcp", "b:1"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.DialContext(ctx, "tcp", "b:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling a full listener: %v, want a timeout", err)
		}
		go func() {
			if _, err := l.Accept(); err != nil {
				t.Error(err)
			}
		}()
		if _, err := a.Dial("tcp", "b:1"); err != nil {
			t.Errorf("dialling when there is room again: %v", err)
		}
	})
}

func TestBlockedLinkDelaysBytes(t *testing.T) {
	for _, latency := range []time.Duration{0, 10 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			on(t, memnet.Link{Latency: latency}, func(t *testing.T, n *memnet.Network) {
				a, b, near, far := pair(t, n)
				write(t, near, "arrived")
				time.Sleep(latency)
				write(t, near, ", in flight")
				n.Block(a, b)
				write(t, near, ", behind")
				if latency == 0 {
					wantRead(t, far, "arrived, in flight")
				} else {
					wantRead(t, far, "arrived")
				}
				time.AfterFunc(time.Minute, func() { n.Unblock(a, b) })
				rest := ", in flight, behind"
				if latency == 0 {
					rest = ", behind"
				}
				if got := took(func() { wantRead(t, far, rest) }); got != time.Minute+latency {
					t.Errorf("the rest came after %v, want a latency after the link opened", got)
				}
			})
		})
	}
}

func TestOneWayPartition(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		a, b, near, far := pair(t, n)
		n.Block(b, a)
		// The open direction delivers, but without acknowledgements no more
		// than one buffer of 100 bytes.
		write(t, near, string(make([]byte, 60)))
		wantRead(t, far, string(make([]byte, 60)))
		done := false
		go func() {
			write(t, near, string(make([]byte, 60)))
			done = true
		}()
		wantRead(t, far, string(make([]byte, 40)))
		time.Sleep(time.Hour)
		if done {
			t.Error("120 bytes were written without any acknowledgement")
		}
		write(t, far, "stuck")
		n.Unblock(b, a)
		wantRead(t, far, string(make([]byte, 20)))
		wantRead(t, near, "stuck")
		if synctest.Wait(); !done {
			t.Error("the writer still waits after the link opened")
		}
	})
}

func TestDialWaitsForABlockedLink(t *testing.T) {
	for _, direction := range []string{"there", "back"} {
		t.Run(direction, func(t *testing.T) {
			on(t, memnet.Link{Latency: time.Millisecond}, func(t *testing.T, n *memnet.Network) {
				a, b := n.Host("a"), n.Host("b")
				l, err := b.Listen("tcp", ":1")
				if err != nil {
					t.Fatal(err)
				}
				if direction == "there" {
					n.Block(a, b)
				} else {
					n.Block(b, a)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var ne net.Error
				got := took(func() { _, err = a.DialContext(ctx, "tcp", "b:1") })
				if !errors.As(err, &ne) || !ne.Timeout() || got != 5*time.Second {
					t.Errorf("dialling over a blocked link: %v after %v, want a timeout after 5s", err, got)
				}
				time.AfterFunc(time.Minute, n.Heal)
				got = took(func() {
					near, far := connect(t, a, l)
					closeAll(near, far)
				})
				if got < time.Minute || got > time.Minute+2*time.Millisecond {
					t.Errorf("dialling took %v, want a minute and a round trip at most", got)
				}
			})
		})
	}
}

func TestPartitionSeparatesGroups(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		hosts := []*memnet.Host{n.Host("a"), n.Host("b"), n.Host("c"), n.Host("d")}
		for _, h := range hosts {
			if _, err := h.Listen("tcp", ":1"); err != nil {
				t.Fatal(err)
			}
		}
		reach := func() (s string) {
			for _, from := range hosts {
				for _, to := range hosts {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if _, err := from.DialContext(ctx, "tcp", to.Name()+":1"); err == nil {
						s += from.Name() + to.Name() + " "
					}
					cancel()
				}
			}
			return s
		}
		n.Partition(hosts[:2], hosts[2:3])
		if got, want := reach(), "aa ab ad ba bb bd cc cd da db dc dd "; got != want {
			t.Errorf("with ab and c apart, these reach each other: %s; want %s", got, want)
		}
		n.Heal()
		if got, want := reach(), "aa ab ac ad ba bb bc bd ca cb cc cd da db dc dd "; got != want {
			t.Errorf("healed, these reach each other: %s", got)
		}
	})
}

func TestCutResetsBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		a, b, near, far := pair(t, n)
		l, err := b.Listen("tcp", ":2")
		if err != nil {
			t.Fatal(err)
		}
		other, otherFar := connect(t, n.Host("c"), l)
		done := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		write(t, near, "lost")
		n.Cut(a, b)
		if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a waiting Read got %v, want ECONNRESET", err)
		}
		wantReadErr(t, far, syscall.ECONNRESET)
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write: %v, want ECONNRESET", err)
		}
		write(t, other, "still there")
		wantRead(t, otherFar, "still there")
	})
}

func TestCrash(t *testing.T) {
	on(t, memnet.Link{Latency: time.Second}, func(t *testing.T, n *memnet.Network) {
		a, b, near, far := pair(t, n)
		l, err := b.Listen("tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a waiting Accept returned %v, want ErrClosed", err)
			}
		}()
		synctest.Wait()
		b.Crash()
		wantReadErr(t, far, net.ErrClosed)
		if got := took(func() { wantReadErr(t, near, syscall.ECONNRESET) }); got != time.Second {
			t.Errorf("the other end heard of it after %v, want 1s", got)
		}
		if _, err := a.Dial("tcp", "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling the crashed host: %v, want ECONNREFUSED", err)
		}
		if b.Conns() != 0 {
			t.Errorf("%d connections left", b.Conns())
		}
		l, err = b.Listen("tcp", ":1")
		if err != nil {
			t.Fatalf("listening again: %v", err)
		}
		connect(t, a, l)
	})
}

func TestPauseIsSilence(t *testing.T) {
	on(t, memnet.Link{Latency: time.Millisecond}, func(t *testing.T, n *memnet.Network) {
		_, b, near, far := pair(t, n)
		self, err := b.Listen("tcp", "localhost:9")
		if err != nil {
			t.Fatal(err)
		}
		b.Pause()
		write(t, near, "in")
		write(t, far, "out")
		for _, c := range []*memnet.Conn{near, far} {
			if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			var ne net.Error
			if _, err := c.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("Read on a paused connection: %v, want a timeout", err)
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		connect(t, b, self)
		// Healing the links does not wake the host.
		n.Heal()
		time.AfterFunc(time.Hour, b.Resume)
		if got := took(func() { wantRead(t, far, "in") }); got != time.Hour+time.Millisecond {
			t.Errorf("bytes came in after %v, want 1h and the latency", got)
		}
		wantRead(t, near, "out")
	})
}

// The end of a connection travels as its bytes do.
func TestEndOfConnectionIsHeldByABlockedLink(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(b *memnet.Host, far *memnet.Conn)
		want error
	}{
		{"finished", func(_ *memnet.Host, far *memnet.Conn) { closeAll(far) }, io.EOF},
		{"reset", func(b *memnet.Host, _ *memnet.Conn) { b.Crash() }, syscall.ECONNRESET},
	} {
		for _, blocked := range []string{"before", "in flight"} {
			t.Run(tt.name+" "+blocked, func(t *testing.T) {
				on(t, memnet.Link{Latency: time.Second}, func(t *testing.T, n *memnet.Network) {
					a, b, near, far := pair(t, n)
					if blocked == "before" {
						n.Block(b, a)
					}
					tt.end(b, far)
					n.Block(b, a)
					time.AfterFunc(time.Minute, func() { n.Unblock(b, a) })
					if got := took(func() { wantReadErr(t, near, tt.want) }); got != time.Minute+time.Second {
						t.Errorf("the end arrived after %v, want 1m and the latency", got)
					}
				})
			})
		}
	}
}

func TestResetDoesNotOvertakeBytes(t *testing.T) {
	on(t, memnet.Link{Latency: time.Second}, func(t *testing.T, n *memnet.Network) {
		a, b, near, far := pair(t, n)
		write(t, far, "last words")
		n.SetLink(b, a, memnet.Link{})
		b.Crash()
		wantRead(t, near, "last words")
		wantReadErr(t, near, syscall.ECONNRESET)
	})
}

func TestPortsAreUsedAgain(t *testing.T) {
	on(t, memnet.Link{}, func(t *testing.T, n *memnet.Network) {
		a := n.Host("a")
		l, err := n.Host("b").Listen("tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		for range 20_000 {
			c, err := a.Dial("tcp", "b:1")
			if err != nil {
				t.Fatal(err)
			}
			far, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			closeAll(c.(*memnet.Conn), far.(*memnet.Conn))
		}
	})
}

// A power cut is a pause, then a crash; the others learn of it when the machine
// is back.
func TestPowerCut(t *testing.T) {
	on(t, memnet.Link{Latency: time.Millisecond}, func(t *testing.T, n *memnet.Network) {
		_, b, near, far := pair(t, n)
		write(t, near, "unread")
		b.Pause()
		b.Crash()
		wantReadErr(t, far, net.ErrClosed)
		write(t, near, "nobody home")
		time.AfterFunc(time.Minute, b.Resume)
		if got := took(func() { wantReadErr(t, near, syscall.ECONNRESET) }); got != time.Minute+time.Millisecond {
			t.Errorf("the reset came after %v, want 1m and the latency", got)
		}
	})
}

// Bytes written over a blocked link to an end that has closed are answered once
// they get there.
func TestLateBytesAreAnsweredAfterHealing(t *testing.T) {
	on(t, memnet.Link{Latency: time.Millisecond}, func(t *testing.T, n *memnet.Network) {
		a, b, near, far := pair(t, n)
		n.Block(a, b)
		closeAll(far)
		wantReadErr(t, near, io.EOF)
		write(t, near, "late")
		time.Sleep(time.Minute)
		write(t, near, "later")
		n.Unblock(a, b)
		time.Sleep(2 * time.Millisecond)
		if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write a round trip after healing: %v, want ECONNRESET", err)
		}
	})
}

func TestHostNames(t *testing.T) {
	n := memnet.New(memnet.Config{})
	first := n.Host("n1")
	if again := n.Host("n1"); again != first || n.Host("fd00::1") == first {
		t.Error("Host does not return one host for each name")
	}
	for _, name := range []string{"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "a:1", "a b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a host named %q was made", name)
				}
			}()
			n.Host(name)
		}()
	}
}

func TestTLS(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		// The bubble's clock starts in 2000; the certificate is for all time.
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"b"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(nil, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(cert)

		_, _, near, far := pair(t, n)
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}})
		client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "b"})
		go func() {
			if _, err := io.Copy(server, server); err != nil {
				t.Errorf("echo: %v", err)
			}
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		write(t, client, "over TLS")
		wantRead(t, client, "over TLS")
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantReadErr(t, client, io.EOF)
	})
}
