//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

// fakeServer records what is asked of it, and is down once Shutdown was called.
type fakeServer struct {
	mu    sync.Mutex
	calls []string // guarded by mu
	down  chan struct{}
	err   error // of Reload and ReopenLog
}

func (f *fakeServer) record(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeServer) WaitForShutdown()  { <-f.down }
func (f *fakeServer) Shutdown()         { f.record("shutdown"); close(f.down) }
func (f *fakeServer) LameDuckShutdown() { f.record("lame duck"); <-f.down }
func (f *fakeServer) Reload() error     { f.record("reload"); return f.err }
func (f *fakeServer) ReopenLog() error  { f.record("reopen"); return f.err }

func (f *fakeServer) Noticef(format string, args ...any) { f.record("INF "+format, args...) }
func (f *fakeServer) Errorf(format string, args ...any)  { f.record("ERR "+format, args...) }

func TestServeCarriesOutSignals(t *testing.T) {
	for _, test := range []struct {
		name    string
		signals []os.Signal
		err     error
		want    []string
		ends    bool
	}{
		{
			name: "interrupt", signals: []os.Signal{syscall.SIGINT}, ends: true,
			want: []string{`INF Trapped "interrupt" signal`, "shutdown"},
		},
		{
			name: "term", signals: []os.Signal{syscall.SIGTERM}, ends: true,
			want: []string{`INF Trapped "terminated" signal`, "shutdown"},
		},
		{
			name: "reload and reopen", signals: []os.Signal{syscall.SIGHUP, syscall.SIGUSR1},
			want: []string{
				`INF Trapped "hangup" signal`, "reload",
				`INF Trapped "user defined signal 1" signal`, "reopen",
			},
		},
		{
			name: "failures are logged", signals: []os.Signal{syscall.SIGHUP, syscall.SIGUSR1}, err: errors.New("no"),
			want: []string{
				`INF Trapped "hangup" signal`, "reload", "ERR Failed to reload server configuration: no",
				`INF Trapped "user defined signal 1" signal`, "reopen", "ERR Failed to reopen the log file: no",
			},
		},
		{
			name: "lame duck ignores term and another lame duck", signals: []os.Signal{syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGUSR2},
			want: []string{
				`INF Trapped "user defined signal 2" signal`, "lame duck",
				`INF Trapped "terminated" signal`, `INF Trapped "user defined signal 2" signal`,
			},
		},
		{
			name: "interrupt cuts lame duck short", signals: []os.Signal{syscall.SIGUSR2, syscall.SIGINT}, ends: true,
			want: []string{
				`INF Trapped "user defined signal 2" signal`, "lame duck",
				`INF Trapped "interrupt" signal`, "shutdown",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &fakeServer{down: make(chan struct{}), err: test.err}
				received, ended := make(chan os.Signal), make(chan struct{})
				go func() {
					serve(srv, srv, received)
					close(ended)
				}()
				for _, sig := range test.signals {
					received <- sig
					synctest.Wait()
				}
				select {
				case <-ended:
					if !test.ends {
						t.Error("serve ended")
					}
				default:
					if test.ends {
						t.Error("serve did not end")
					}
					close(srv.down)
					<-ended
				}
				if !slices.Equal(srv.calls, test.want) {
					t.Errorf("got  %q\nwant %q", srv.calls, test.want)
				}
			})
		})
	}
}

// A server that goes down by itself, as at the end of lame duck mode, ends serve.
func TestServeEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &fakeServer{down: make(chan struct{})}
		close(srv.down)
		serve(srv, srv, nil)
	})
}
