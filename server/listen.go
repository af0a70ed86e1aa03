package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/options"
)

// Start opens the listeners and returns when clients can connect, or with what
// went wrong. A server can be started once.
func (s *Server) Start() error {
	s.mu.Lock()
	if s.state != created {
		s.mu.Unlock()
		return errors.New("server was started before")
	}
	s.state = started
	s.start = s.clock.Now()
	s.mu.Unlock()

	opts := s.opts.Load()
	s.banner(opts)
	if err := s.open(opts); err != nil {
		s.log.Fatalf("%v", err)
		s.Shutdown()
		return err
	}
	s.log.Noticef("Server is ready")
	return nil
}

// banner logs what is being started.
func (s *Server) banner(opts *options.Options) {
	s.log.Noticef("Starting nats-lite")
	s.log.Noticef("  Version:  %s", Version)
	if c := Commit(); c != "" {
		s.log.Noticef("  Git:      [%s]", c)
	}
	s.log.Noticef("  Name:     %s", s.name)
	s.log.Noticef("  ID:       %s", s.id)
	if opts.ConfigFile != "" {
		s.log.Noticef("Using configuration file: %s (%s)", opts.ConfigFile, opts.ConfigDigest)
	}
	if s.authn.Load().HasPlaintextPasswords() {
		s.log.Warnf("Plaintext passwords detected, use nkeys or bcrypt")
	}
	if opts.MaxPayload > largePayload {
		s.log.Warnf("Maximum payloads over %d bytes are generally discouraged and could lead to poor performance", largePayload)
	}
}

// largePayload is the maximum payload from which on there is a warning.
const largePayload = 8 << 20

// open opens what opts ask for: all listeners, then the files that tell of them,
// so that a server that finds a port taken leaves the files of the one that has
// it alone. Clients are taken last, which tells others that the server is up.
func (s *Server) open(opts *options.Options) error {
	if err := s.openMonitoring(opts); err != nil {
		return err
	}
	if err := s.startJetStream(opts); err != nil {
		return err
	}
	if err := s.listenToClients(opts); err != nil {
		return err
	}
	if err := s.openCluster(opts); err != nil {
		return err
	}
	if err := s.writePidFile(opts.PidFile); err != nil {
		return err
	}
	if err := s.writePortsFile(opts.PortsFileDir); err != nil {
		return err
	}
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		s.running.Go(func() { s.accept(l, auth.ConnStandard) })
	}
	return nil
}

// listenToClients opens their port. They are not taken yet.
func (s *Server) listenToClients(opts *options.Options) error {
	if opts.DontListen {
		return nil
	}
	l, err := s.listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(listenPort(opts.Port))))
	if err != nil {
		return fmt.Errorf("error listening on port %s: %w", net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)), err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.refreshInfo() // which now knows the port
	s.log.Noticef("Listening for client connections on %s", l.Addr())
	if opts.TLS != nil {
		s.log.Noticef("TLS required for client connections")
	}
	return nil
}

// listenPort is the port to ask the system for: 0, which is any, for -1.
func listenPort(port int) int {
	if port < 0 {
		return 0
	}
	return port
}

// The pauses after a failed accept, as when there are no descriptors left.
const (
	minAcceptPause = 10 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept takes connections until the listener is closed.
func (s *Server) accept(l net.Listener, kind auth.ConnectionType) {
	pause := minAcceptPause
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Errorf("Temporary accept error: %v; trying again in %v", err, pause)
			if !s.pause(pause) {
				return
			}
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = minAcceptPause
		s.serve(nc, kind)
	}
}

// serve makes a client of a connection.
func (s *Server) serve(nc net.Conn, kind auth.ConnectionType) {
	s.mu.Lock()
	if s.state >= lameDuck {
		s.mu.Unlock()
		_ = nc.Close() // nothing was said yet
		return
	}
	s.lastID++
	c := client.New(s, s.lastID, nc, kind)
	s.opening[c.ID] = c
	s.mu.Unlock()
	s.log.Debugf("%s - Client connection created", c)
	// The goroutine ends with the handshake, which has a time limit.
	s.running.Go(func() {
		c.Serve()
		s.mu.Lock()
		delete(s.opening, c.ID)
		s.mu.Unlock()
	})
}

// InProcessConn connects to the server without a network; nats.InProcessServer
// takes the server for it.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	up := s.state == started
	s.mu.Unlock()
	if !up {
		return nil, ErrNotRunning
	}
	near, far := net.Pipe()
	s.serve(far, auth.ConnInProcess)
	return near, nil
}

// openMonitoring opens the HTTP ports.
func (s *Server) openMonitoring(opts *options.Options) error {
	for _, p := range []struct {
		what   string
		port   int
		secure bool
		addr   *net.Addr
	}{{"http", opts.HTTPPort, false, &s.httpAddr}, {"https", opts.HTTPSPort, true, &s.httpsAddr}} {
		if p.port == 0 {
			continue
		}
		cfg := monitor.ServerConfig{Handler: s.monitor.Handler()}
		if p.secure {
			cfg.TLS = s.httpsConfig()
		}
		if err := s.openWeb(p.what+" monitoring", opts.HTTPHost, p.port, cfg, p.addr); err != nil {
			return err
		}
	}
	if opts.ProfPort != 0 {
		cfg := monitor.ServerConfig{Handler: monitor.ProfileHandler(os.Args), LongAnswers: true}
		setBlockRate(opts.ProfBlockRate)
		return s.openWeb("profiling", opts.Host, opts.ProfPort, cfg, &s.profAddr)
	}
	return nil
}

func (s *Server) openWeb(what, host string, port int, cfg monitor.ServerConfig, addr *net.Addr) error {
	l, err := s.listen("tcp", net.JoinHostPort(host, strconv.Itoa(listenPort(port))))
	if err != nil {
		return fmt.Errorf("can't listen to the %s port: %w", what, err)
	}
	cfg.Listener = l
	cfg.ErrorLog = s.log.StandardLogger()
	cfg.Failed = func(err error) { s.log.Errorf("%s: %v", what, err) }
	s.mu.Lock()
	defer s.mu.Unlock()
	*addr = l.Addr()
	s.web = append(s.web, monitor.Serve(cfg))
	s.log.Noticef("Starting %s on %s", what, l.Addr())
	return nil
}

// closeWeb stops monitoring.
func (s *Server) closeWeb() {
	s.mu.Lock()
	web := s.web
	s.web = nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	for _, w := range web {
		if err := w.Close(ctx); err != nil {
			s.log.Debugf("Monitoring: %v", err)
		}
	}
}

// lastAnswers is how long requests to the monitoring port may take when the
// server stops.
const lastAnswers = 500 * time.Millisecond
