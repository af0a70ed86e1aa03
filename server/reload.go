package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/options"
)

// Reload reads the configuration file again and puts into force what has
// changed. If anything is wrong, or cannot be changed while the server runs, the
// error says so and nothing changes.
func (s *Server) Reload() error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if !s.isUp() {
		return ErrNotRunning
	}
	old := s.opts.Load()
	next, warnings, err := old.Reparse()
	if err != nil {
		return err
	}
	for _, w := range warnings {
		s.log.Warnf("%s", w)
	}
	changes, err := options.Diff(old, next)
	if err != nil {
		return err
	}
	p, err := s.prepare(next)
	if err != nil {
		return err
	}
	if err := s.log.Reconfigure(logConfig(next)); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	s.adopt(next, p)
	for _, c := range changes.List {
		s.log.Noticef("Reloaded: %s", c)
	}
	s.afterReload(old, next, changes, p)
	s.log.Noticef("Reloaded server configuration (%s)", next.ConfigDigest)
	return nil
}

func (s *Server) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == started || s.state == lameDuck
}

// afterReload does what new settings mean for what is there already.
func (s *Server) afterReload(old, next *options.Options, changes *options.Changes, p *parts) {
	for _, c := range s.allClients() {
		switch {
		case next.TLS != nil && !c.CheckTLS(next.TLS.CheckPinned):
			c.Disconnect(conn.TLSHandshakeFailure, "")
		case changes.Has(options.ReloadAuth | options.ReloadAccounts):
			c.Recheck()
		}
	}
	s.closeSurplus(next.MaxConn)
	s.reloadCluster(p.routes)
	if changes.Has(options.ReloadProfiling) && next.ProfPort != 0 {
		setBlockRate(next.ProfBlockRate)
	}
	errs := []error{s.startServices()}
	if changes.Has(options.ReloadJetStream | options.ReloadAccounts) {
		errs = append(errs, s.reloadJetStream(next))
	}
	if next.PidFile != old.PidFile {
		s.removePidFile()
		errs = append(errs, s.writePidFile(next.PidFile))
	}
	if next.PortsFileDir != old.PortsFileDir {
		s.removePortsFile()
		errs = append(errs, s.writePortsFile(next.PortsFileDir))
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Errorf("%v", err)
	}
}

// closeSurplus disconnects clients until there are no more than the server and
// their accounts admit.
func (s *Server) closeSurplus(limit int) {
	clients := s.allClients()
	closeOver(clients, limit, conn.MaxConnections, client.ErrMaxConnections)
	byAccount := make(map[*account.Account][]*client.Client)
	for _, c := range clients {
		if acc := c.Account(); acc != nil {
			byAccount[acc] = append(byAccount[acc], c)
		}
	}
	for acc, members := range byAccount {
		if limit := acc.Limits().MaxConn; limit >= 0 {
			closeOver(members, limit, conn.MaxAccountConnections, account.ErrMaxConnections)
		}
	}
}

// closeOver disconnects as many of the clients, drawn at random, as are too
// many.
func closeOver(clients []*client.Client, limit int, r conn.Reason, why error) {
	surplus := len(clients) - max(limit, 0)
	if surplus <= 0 {
		return
	}
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	for _, c := range clients[:surplus] {
		c.Disconnect(r, why.Error())
	}
}

// setBlockRate sets how often blocking is sampled for profiles; 0 is never.
func setBlockRate(rate int) { runtime.SetBlockProfileRate(rate) }

// ReopenLog closes the log file and opens it anew by its name, for those who
// have moved it away.
func (s *Server) ReopenLog() error {
	isFile, err := s.log.Reopen()
	switch {
	case err != nil:
		return err
	case isFile:
		s.log.Noticef("File log re-opened")
	default:
		s.log.Noticef("File log re-open ignored, not a file logger")
	}
	return nil
}
