package memnet_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
)

// pair connects two hosts.
func pair(t *testing.T, n *memnet.Network) (a, b *memnet.Host, near, far *memnet.Conn) {
	t.Helper()
	a, b = n.Host("a"), n.Host("b")
	l, err := b.Listen("tcp", "b:4222")
	if err != nil {
		t.Fatal(err)
	}
	near, far = connect(t, a, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return a, b, near, far
}

func connect(t *testing.T, from *memnet.Host, l net.Listener) (near, far *memnet.Conn) {
	t.Helper()
	c, err := from.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = c.(*memnet.Conn), accepted.(*memnet.Conn)
	t.Cleanup(func() { closeAll(near, far) })
	return near, far
}

// closeAll ends what a test has left open; most tests have closed one end.
func closeAll(conns ...*memnet.Conn) {
	for _, c := range conns {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			panic(err)
		}
	}
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

func wantReadErr(t *testing.T, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 100)); n != 0 || !errors.Is(err, want) {
		t.Errorf("Read = %d, %v; want %v", n, err, want)
	}
}

// bubble runs a test on virtual time, on links that deliver at once and on slow
// ones.
func bubble(t *testing.T, test func(t *testing.T, n *memnet.Network)) {
	t.Run("instant", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, memnet.New(memnet.Config{})) })
	})
	t.Run("slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, memnet.New(memnet.Config{
				Seed: 7, Buffer: 1000,
				Link: memnet.Link{Latency: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Bandwidth: 1 << 20},
			}))
		})
	})
}

func TestBytesArriveInOrderBothWays(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, far := pair(t, n)
		var wg sync.WaitGroup
		for i, ends := range [][2]*memnet.Conn{{near, far}, {far, near}} {
			data := make([]byte, 100_000)
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for j := range data {
				data[j] = byte(rng.Uint32())
			}
			sizes := rand.New(rand.NewPCG(uint64(i), 1))
			wg.Go(func() {
				for rest := data; len(rest) > 0; {
					k := min(len(rest), 1+sizes.IntN(3000))
					if n, err := ends[0].Write(rest[:k]); n != k || err != nil {
						t.Errorf("Write = %d, %v; want %d", n, err, k)
						return
					}
					rest = rest[k:]
				}
				if err := ends[0].CloseWrite(); err != nil {
					t.Errorf("CloseWrite: %v", err)
				}
			})
			wg.Go(func() {
				got, err := io.ReadAll(ends[1])
				if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
					t.Errorf("read %d bytes, %v; want the %d written", len(got), err, len(data))
				}
			})
		}
		wg.Wait()
	})
}

func TestAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, far := pair(t, n)
		for _, tt := range []struct {
			name string
			got  net.Addr
			want string
		}{
			{"near local", near.LocalAddr(), "a:49152"},
			{"near remote", near.RemoteAddr(), "b:4222"},
			{"far local", far.LocalAddr(), "b:4222"},
			{"far remote", far.RemoteAddr(), "a:49152"},
			{"IPv6", memnet.Addr{Host: "fd00::1", Port: 1}, "[fd00::1]:1"},
		} {
			if tt.got.String() != tt.want || tt.got.Network() != "tcp" {
				t.Errorf("%s address is %s %s, want tcp %s", tt.name, tt.got.Network(), tt.got, tt.want)
			}
		}
	})
}

func TestDeadlines(t *testing.T) {
	full := bytes.Repeat([]byte("x"), 1<<20)
	read := func(c *memnet.Conn) error { _, err := c.Read(make([]byte, 1)); return err }
	writeFull := func(c *memnet.Conn) error { _, err := c.Write(full); return err }
	for _, tt := range []struct {
		name string
		set  func(*memnet.Conn, time.Time) error
		op   func(*memnet.Conn) error
	}{
		{"read", (*memnet.Conn).SetReadDeadline, read},
		{"write", (*memnet.Conn).SetWriteDeadline, writeFull},
		{"both, read", (*memnet.Conn).SetDeadline, read},
		{"both, write", (*memnet.Conn).SetDeadline, writeFull},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet.Network) {
				_, _, c, _ := pair(t, n)
				start := time.Now()
				want := func(what string, err error, after time.Duration) {
					t.Helper()
					var ne net.Error
					if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
						t.Errorf("%s: error %v, want a timeout", what, err)
					}
					if got := time.Since(start); got != after {
						t.Errorf("%s: failed after %v, want %v", what, got, after)
					}
				}
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				must(tt.set(c, start.Add(-time.Hour)))
				want("past deadline", tt.op(c), 0)
				must(tt.set(c, start.Add(time.Second)))
				want("future deadline", tt.op(c), time.Second)
				want("passed deadline", tt.op(c), time.Second)

				// A deadline set meanwhile counts for those who wait already.
				must(tt.set(c, time.Time{}))
				done := make(chan error)
				go func() { done <- tt.op(c) }()
				synctest.Wait()
				must(tt.set(c, start.Add(time.Hour)))
				must(tt.set(c, start.Add(time.Minute)))
				want("deadline set while waiting", <-done, time.Minute)
			})
		})
	}
}

func TestDeadlineThatIsLiftedDoesNotFire(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, far := pair(t, n)
		if err := near.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(500 * time.Millisecond)
			if err := near.SetReadDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
			write(t, far, "late")
		}()
		wantRead(t, near, "late")
	})
}

func TestWriteReportsWhatWentOutBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Buffer: 10})
		_, _, near, far := pair(t, n)
		if err := near.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := near.Write([]byte("0123456789abc")); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v; want 10 and a timeout", n, err)
		}
		wantRead(t, far, "0123456789")
	})
}

func TestFullBufferBlocksTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Buffer: 100})
		_, _, near, far := pair(t, n)
		done := false
		go func() {
			write(t, near, string(make([]byte, 150)))
			done = true
		}()
		synctest.Wait()
		wantRead(t, far, string(make([]byte, 49)))
		if synctest.Wait(); done {
			t.Error("a write of 150 bytes was done with 49 read and room for 100")
		}
		wantRead(t, far, string(make([]byte, 1)))
		if synctest.Wait(); !done {
			t.Error("a write of 150 bytes was not done with 50 read and room for 100")
		}
	})
}

func TestHalfClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, far := pair(t, n)
		write(t, near, "request")
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v, want EPIPE", err)
		}
		wantRead(t, far, "request")
		wantReadErr(t, far, io.EOF)
		wantReadErr(t, far, io.EOF)
		write(t, far, "answer")
		wantRead(t, near, "answer")
	})
}

func TestCloseWriteEndsAWaitingWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, _ := pair(t, n)
		done := make(chan error)
		go func() {
			_, err := near.Write(make([]byte, 1<<20))
			done <- err
		}()
		synctest.Wait()
		if err := near.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("the waiting Write got %v, want EPIPE", err)
		}
	})
}

func TestClose(t *testing.T) {
	t.Run("what was written arrives, then the end", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, far := pair(t, n)
			write(t, near, "bye")
			closeAll(near)
			wantRead(t, far, "bye")
			wantReadErr(t, far, io.EOF)
		})
	})
	t.Run("this end is unusable", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, _ := pair(t, n)
			closeAll(near)
			wantReadErr(t, near, net.ErrClosed)
			_, writeErr := near.Write([]byte("x"))
			for op, err := range map[string]error{
				"Write": writeErr, "Close": near.Close(), "CloseWrite": near.CloseWrite(),
				"SetDeadline": near.SetDeadline(time.Time{}),
			} {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s after Close: %v, want ErrClosed", op, err)
				}
			}
		})
	})
	t.Run("waiting calls return", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, _ := pair(t, n)
			var wg sync.WaitGroup
			wg.Go(func() { wantReadErr(t, near, net.ErrClosed) })
			wg.Go(func() {
				if _, err := near.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a waiting Write returned %v, want ErrClosed", err)
				}
			})
			synctest.Wait()
			closeAll(near)
			wg.Wait()
		})
	})
	t.Run("unread bytes make it a reset", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, far := pair(t, n)
			write(t, far, "unread")
			time.Sleep(time.Second)
			write(t, near, "last words")
			closeAll(near)
			wantRead(t, far, "last words")
			wantReadErr(t, far, syscall.ECONNRESET)
		})
	})
	t.Run("bytes that come too late are answered with a reset", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, far := pair(t, n)
			closeAll(near)
			wantReadErr(t, far, io.EOF)
			write(t, far, "into the void")
			time.Sleep(time.Second)
			if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Write after a reset: %v, want ECONNRESET", err)
			}
		})
	})
	t.Run("a writer that waits is reset", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet.Network) {
			_, _, near, far := pair(t, n)
			done := make(chan error)
			go func() {
				for {
					if _, err := near.Write(make([]byte, 4096)); err != nil {
						done <- err
						return
					}
				}
			}()
			time.Sleep(time.Minute)
			closeAll(far)
			if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the waiting writer got %v, want ECONNRESET", err)
			}
		})
	})
}

func TestEmptyReadAndWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, _ := pair(t, n)
		if n, err := near.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", n, err)
		}
		if n, err := near.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v", n, err)
		}
	})
}

func TestWrittenBytesAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet.Network) {
		_, _, near, far := pair(t, n)
		b := []byte("original")
		if _, err := near.Write(b); err != nil {
			t.Fatal(err)
		}
		copy(b, "SCRIBBLE")
		wantRead(t, far, "original")
	})
}

// Outside of a bubble the network works on real time; with -race this looks at
// all methods being called at once.
func TestConcurrentUseOnRealTime(t *testing.T) {
	n := memnet.New(memnet.Config{Buffer: 64, Link: memnet.Link{Latency: 50 * time.Microsecond, Jitter: 50 * time.Microsecond}})
	a, b, near, far := pair(t, n)
	var wg sync.WaitGroup
	for _, c := range []*memnet.Conn{near, far} {
		wg.Go(func() {
			for range 200 {
				if _, err := c.Write([]byte("0123456789")); err != nil {
					t.Errorf("Write: %v", err)
					return
				}
			}
		})
		wg.Go(func() {
			if _, err := io.ReadFull(c, make([]byte, 2000)); err != nil {
				t.Errorf("Read: %v", err)
			}
		})
		wg.Go(func() {
			for range 100 {
				if err := c.SetDeadline(time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
				}
				c.LocalAddr()
				c.RemoteAddr()
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			n.Block(a, b)
			b.Pause()
			n.SetLink(a, b, memnet.Link{Latency: time.Microsecond})
			n.Heal()
			b.Resume()
		}
	})
	wg.Wait()
}

func BenchmarkPingPong(b *testing.B) {
	b.ReportAllocs()
	n := memnet.New(memnet.Config{})
	l, err := n.Host("b").Listen("tcp", ":1")
	if err != nil {
		b.Fatal(err)
	}
	near, err := n.Host("a").Dial("tcp", "b:1")
	if err != nil {
		b.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := io.Copy(far, far)
		done <- err
	}()
	msg := make([]byte, 128)
	for b.Loop() {
		if _, err := near.Write(msg); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(near, msg); err != nil {
			b.Fatal(err)
		}
	}
	if err := near.Close(); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
