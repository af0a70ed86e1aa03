package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// The limits of one HTTP connection. Requests are short and have no body.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
)

// Server serves a handler to those who connect to a listener. It owns one
// goroutine, and those of its connections, until Close has returned.
type Server struct {
	http http.Server
	done sync.WaitGroup
}

// ServerConfig says how a Server serves. Listener, Handler and Failed are
// required.
type ServerConfig struct {
	// Listener is closed by the server.
	Listener net.Listener
	Handler  http.Handler
	// TLS is nil for plain HTTP. It brings certificates or a way to get them.
	TLS *tls.Config
	// LongAnswers allows answers that take minutes, as profiles do.
	LongAnswers bool
	// ErrorLog takes what goes wrong with single connections; nil means the
	// standard logger.
	ErrorLog *log.Logger
	// Failed is called at most once, when the listener broke and nobody is
	// served any more. It may be called before Serve has returned, and not any
	// more once Close has. It must not call Close, which waits for it.
	Failed func(error)
}

// Serve starts a server.
func Serve(cfg ServerConfig) *Server {
	s := &Server{http: http.Server{
		Handler:           cfg.Handler,
		TLSConfig:         cfg.TLS,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          cfg.ErrorLog,
	}}
	if cfg.LongAnswers {
		// The read deadline goes, too: package http takes one that passes during
		// an answer for a reader who hung up.
		s.http.ReadTimeout, s.http.WriteTimeout = 0, 0
	}
	s.done.Go(func() {
		var err error
		if cfg.TLS != nil {
			err = s.http.ServeTLS(cfg.Listener, "", "")
		} else {
			err = s.http.Serve(cfg.Listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			// It is of no use any more, whatever closing it says.
			_ = cfg.Listener.Close()
			cfg.Failed(fmt.Errorf("serving HTTP on %s: %w", cfg.Listener.Addr(), err))
		}
	})
	return s
}

// Close stops accepting, waits for requests that are being answered until ctx
// is done, and closes all connections. The error is ctx's if requests were cut
// off.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.done.Wait()
	return err
}
