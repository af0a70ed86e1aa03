package conn

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

const lastWords = "-ERR 'Unknown Protocol Operation'\r\n"

// Is all that is queued written before a connection that has time to flush is
// closed, and is the handler told once?
func TestCloseFlushes(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for _, started := range []bool{true, false} {
			f := newFixture(t, tr, nil)
			if started {
				f.Start(nil)
			}
			sent := pattern(8 << 20)
			f.accept(sent, 1)
			f.Close(Kicked, time.Hour)
			f.Close(ServerShutdown, 0) // comes too late
			if got := f.rec.closed(t); got != Kicked {
				t.Errorf("handler was told %q, want %q", got, Kicked)
			}
			f.Append([]byte("too late"))
			f.accept([]byte("too late"), 1)
			f.Flush()
			if got := f.readAll(t); !bytes.Equal(got, sent) {
				t.Errorf("got %d bytes, want %d", len(got), len(sent))
			}
			f.client.Close()
			f.awaitDone(t)
			if got := f.rec.closed(t); got != Kicked || f.Reason() != Kicked {
				t.Errorf("handler was told %q, reason is %q", got, f.Reason())
			}
		}
	})
}

// Is a client that takes nothing cut off when the time to flush is up?
func TestCloseFlushIsBounded(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for _, writing := range []bool{false, true} {
			const flush = 100 * time.Millisecond
			// A deadline that is later does not put it off.
			f := newFixture(t, tr, func(c *Config) { c.WriteDeadline = time.Hour })
			f.Start(nil)
			f.accept(pattern(plenty), 1)
			if writing {
				f.Flush()
			}
			start := time.Now()
			f.Close(Kicked, flush)
			f.awaitDone(t)
			if took := time.Since(start); took < flush || tr.virtual && took != flush {
				t.Errorf("gone after %v, want %v", took, flush)
			}
			waitFor(t, "the queue is dropped", func() bool { return f.Pending() == 0 })
		}
	})
}

// Is the queue written in spite of deadlines that have passed, as a failed TLS
// handshake leaves them?
func TestCloseFlushIgnoresOldDeadlines(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		f.NetConn().SetDeadline(time.Now().Add(-time.Second))
		f.Append([]byte(lastWords))
		f.Close(TLSHandshakeFailure, time.Hour)
		if got := f.readAll(t); string(got) != lastWords {
			t.Errorf("got %q", got)
		}
	})
}

// Does a write deadline end a connection that has more time than that to flush?
func TestCloseFlushMeetsWriteDeadline(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, func(c *Config) { c.WriteDeadline = 50 * time.Millisecond })
		f.accept(pattern(plenty), 1)
		f.Close(Kicked, time.Hour)
		f.awaitDone(t)
		if got := f.rec.closed(t); got != Kicked {
			t.Errorf("closed for %q", got)
		}
	})
}

// Is a connection closed at once if there is no time to flush, also in the
// middle of a write?
func TestCloseAtOnce(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for _, writing := range []bool{false, true} {
			f := newFixture(t, tr, nil)
			f.Start(nil)
			f.accept(pattern(plenty), 1)
			if writing {
				f.Flush()
			}
			start := time.Now()
			f.Close(Kicked, 0)
			f.awaitDone(t)
			if took := time.Since(start); tr.virtual && took != 0 {
				t.Errorf("gone after %v", took)
			}
			waitFor(t, "the queue is dropped", func() bool { return f.Pending() == 0 })
			if b, _ := io.ReadAll(f.client); len(b) >= plenty {
				t.Error("all was written")
			}
		}
	})
}

// Can a blocked write be given time to go on when the connection is closed?
func TestCloseFlushesBlockedWrite(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, func(c *Config) { c.WriteDeadline = time.Hour })
		sent := pattern(plenty)
		f.accept(sent, 1)
		f.Flush()
		f.Close(Kicked, time.Hour)
		if got := f.readAll(t); !bytes.Equal(got, sent) {
			t.Errorf("got %d bytes, want %d", len(got), len(sent))
		}
	})
}

// May a client end its half while the rest is written to it?
func TestCloseFlushesToHalfClosed(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		f.Start(nil)
		sent := pattern(plenty)
		f.accept(sent, 1)
		f.Close(Kicked, time.Hour)
		closeWrite(t, f.client)
		waitFor(t, "that has been noticed", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.input == inputEnded
		})
		if got := f.readAll(t); !bytes.Equal(got, sent) {
			t.Errorf("got %d bytes, want %d", len(got), len(sent))
		}
		f.awaitDone(t)
	})
}

// Does the first of many that close at the same time decide, and is the handler
// told once?
func TestCloseOnce(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for range 20 {
			f := newFixture(t, tr, nil)
			f.Start(nil)
			f.Append([]byte("x"))
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() { f.Close(Reason(1+i), time.Duration(i%3)*time.Millisecond) })
			}
			wg.Go(func() { f.client.Close() })
			wg.Wait()
			f.awaitDone(t)
			if got := f.rec.closed(t); got != f.Reason() || got == None {
				t.Errorf("handler was told %q, reason is %q", got, f.Reason())
			}
		}
	})
}

// Does Done tell also those who ask late, and not before the handler knows?
func TestDone(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		early := f.Done()
		select {
		case <-early:
			t.Error("done while it is open")
		default:
		}
		go f.Close(Kicked, 0)
		<-early
		if got := f.rec.closed(t); got != Kicked {
			t.Errorf("done, but the handler was told %q", got)
		}
		<-f.Done()
	})
}

// Does a client that is sent away in the middle of a large message read why,
// whole, and may it finish its message first?
func TestLinger(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for name, who := range map[string]struct {
			// start begins; the connection is closed when the client sends.
			start func(f *fixture)
		}{
			"closed by the handler": {func(f *fixture) {
				f.rec.on = func([]byte) {
					f.Append([]byte(lastWords))
					f.Close(ParseError, time.Hour)
				}
				f.Start(nil)
			}},
			"closed by somebody else": {func(f *fixture) {
				f.Start(nil)
				go func() {
					f.Append([]byte(lastWords))
					f.Close(StaleConnection, time.Hour)
				}()
			}},
			"said before it is closed": {func(f *fixture) {
				f.rec.on = func([]byte) {
					f.Append([]byte(lastWords))
					f.Flush()
					f.Close(ParseError, time.Hour)
				}
				f.Start(nil)
			}},
			"never started": {func(f *fixture) {
				f.Append([]byte(lastWords))
				f.Close(MaxConnections, time.Hour)
			}},
		} {
			f := newFixture(t, tr, nil)
			who.start(f)
			if tr.halves {
				f.write(t, frame("bad"))
				f.write(t, make([]byte, 8<<20))
			} else {
				// A pipe has no buffer: the client is not stopped in
				// writing, but by the end of the connection.
				go f.client.Write(append(frame("bad"), make([]byte, 8<<20)...))
			}
			if got := f.readAll(t); string(got) != lastWords {
				t.Errorf("%s: the client got %q", name, got)
			}
			f.client.Close()
			f.awaitDone(t)
		}
	})
}

// Does a closed connection go as soon as the client does, or when its time is
// up?
func TestLingerEnds(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		if !tr.halves {
			t.Skip("there is nothing to wait for")
		}
		const flush = 100 * time.Millisecond
		for name, tc := range map[string]struct {
			flush time.Duration
			leave func(net.Conn)
			took  time.Duration
		}{
			"client closes":       {time.Hour, func(nc net.Conn) { nc.Close() }, 0},
			"client half closes":  {time.Hour, func(nc net.Conn) { nc.(interface{ CloseWrite() error }).CloseWrite() }, 0},
			"client says nothing": {flush, func(net.Conn) {}, flush},
			"client sends a little": {flush, func(nc net.Conn) {
				for {
					if _, err := nc.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(flush / 10)
				}
			}, flush},
		} {
			f := newFixture(t, tr, nil)
			f.Start(nil)
			start := time.Now()
			f.Append([]byte(lastWords))
			f.Close(ParseError, tc.flush)
			if got := f.readAll(t); string(got) != lastWords {
				t.Errorf("%s: the client got %q", name, got)
			}
			var left sync.WaitGroup
			left.Go(func() { tc.leave(f.client) })
			f.awaitDone(t)
			took := time.Since(start)
			left.Wait()
			if took < tc.took || tr.virtual && took != tc.took {
				t.Errorf("%s: gone after %v, want %v", name, took, tc.took)
			}
			f.client.Close()
		}
	})
}

// Is a client cut off that sends and sends although it was told to go?
func TestLingerIsBounded(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		if !tr.halves {
			t.Skip("nothing is read for nothing")
		}
		f := newFixture(t, tr, nil)
		f.Start(nil)
		f.Append([]byte(lastWords))
		f.Close(ParseError, time.Hour)
		block := make([]byte, 64<<10)
		total := 0
		for {
			n, err := f.client.Write(block)
			total += n
			if err != nil {
				break
			}
		}
		if total < maxDiscard {
			t.Errorf("cut off after %d bytes, want at least %d", total, maxDiscard)
		}
		f.awaitDone(t)
	})
}

// Has each reason a name of its own?
func TestReasonNames(t *testing.T) {
	seen := map[string]Reason{}
	for r := None + 1; int(r) < len(reasonNames); r++ {
		name := r.String()
		if other, ok := seen[name]; ok || name == "" {
			t.Errorf("reason %d is called %q, as is %d", r, name, other)
		}
		seen[name] = r
	}
	if None.String() != "" {
		t.Errorf("an open connection has reason %q", None)
	}
}
