package monitor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener is a listener in memory, so that time can be virtual.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
	err    error // what Accept fails with at once, if not nil
}

func newPipeListener() *pipeListener {
	closed := make(chan struct{})
	return &pipeListener{conns: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if l.err != nil {
		return nil, l.err
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.close(); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{Port: 8222} }

func (l *pipeListener) dial() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

func neverFails(t *testing.T) func(error) {
	return func(err error) { t.Errorf("server failed: %v", err) }
}

func TestServeHTTPAndHTTPS(t *testing.T) {
	// The certificate of package httptest, and a client that trusts it.
	authority := httptest.NewTLSServer(http.NotFoundHandler())
	defer authority.Close()

	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg := ServerConfig{Listener: l, Handler: newHandler(""), Failed: neverFails(t)}
			if scheme == "https" {
				cfg.TLS = authority.TLS
			}
			s := Serve(cfg)
			r, err := authority.Client().Get(scheme + "://" + l.Addr().String() + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != `{"status":"ok"}` {
				t.Errorf("got %q, %v", body, err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
				t.Error("the listener is still open")
			}
		})
	}
}

// TestCloseWaitsForAnswers: what is being answered when the server closes still
// arrives.
func TestCloseWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := Serve(ServerConfig{Listener: l, Failed: neverFails(t), Handler: http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(3 * time.Second)
				writeText(w, 200, "late")
			},
		)})
		c := l.dial()
		closed := make(chan error)
		go func() {
			synctest.Wait() // until the request is being answered
			closed <- s.Close(t.Context())
		}()
		if got, err := get(c); err != nil || got != "late" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// TestCloseCutsOff: when the time to close is over, so are the answers.
func TestCloseCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		stopped := make(chan struct{})
		s := Serve(ServerConfig{Listener: l, Failed: neverFails(t), Handler: http.HandlerFunc(
			func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				close(stopped)
			},
		)})
		c := l.dial()
		closed := make(chan error)
		go func() {
			synctest.Wait() // until the request is being answered
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			closed <- s.Close(ctx)
		}()
		if got, err := get(c); err == nil {
			t.Errorf("got %q of an answer that was never given", got)
		}
		if err := <-closed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v, want that time is up", err)
		}
		<-stopped
	})
}

// TestSilentConnection: who connects and says nothing is not kept.
func TestSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := Serve(ServerConfig{Listener: l, Failed: neverFails(t), Handler: newHandler("")})
		c := l.dial()
		start := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v, want end of file", err)
		}
		if waited := time.Since(start); waited != readHeaderTimeout {
			t.Errorf("closed after %s, want %s", waited, readHeaderTimeout)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// TestLongAnswers: only the server of profiles lets an answer take its time.
func TestLongAnswers(t *testing.T) {
	for _, long := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipeListener()
			s := Serve(ServerConfig{Listener: l, LongAnswers: long, Failed: neverFails(t), Handler: http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(5 * time.Minute):
						writeText(w, 200, "done")
					}
				},
			)})
			got, err := get(l.dial())
			if arrived := err == nil && got == "done"; arrived != long {
				t.Errorf("long answers %t: got %q, %v", long, got, err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestFailedListener(t *testing.T) {
	broken := errors.New("broken")
	l := newPipeListener()
	l.err = broken
	failed := make(chan error, 1)
	s := Serve(ServerConfig{Listener: l, Handler: newHandler(""), Failed: func(err error) { failed <- err }})
	if err := <-failed; !errors.Is(err, broken) {
		t.Errorf("failed with %v, want %v", err, broken)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestTLSWithoutCertificate: the mistake is told, and the port is free again.
func TestTLSWithoutCertificate(t *testing.T) {
	l := newPipeListener()
	failed := make(chan error, 1)
	s := Serve(ServerConfig{
		Listener: l, TLS: &tls.Config{}, Handler: newHandler(""), Failed: func(err error) { failed <- err },
	})
	if err := <-failed; err == nil {
		t.Error("failed without an error")
	}
	<-l.closed
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// get asks for / on c and returns the body of the answer.
func get(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(r.Body)
	return string(body), errors.Join(err, r.Body.Close(), c.Close())
}
