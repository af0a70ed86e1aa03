package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/client"
)

// shutdownFlush is how long clients have to take what is queued for them when
// the server stops. Who has nothing to get is not waited for.
const shutdownFlush = time.Second

// Shutdown stops the server: it takes no more connections, lets those it has
// write what is queued, for a moment, and closes them. It returns when all is
// done; further calls wait for that, too.
func (s *Server) Shutdown() {
	s.mu.Lock()
	if s.state == stopping {
		s.mu.Unlock()
		<-s.stopped
		return
	}
	wasUp := s.state != created
	s.state = stopping
	close(s.cut)
	s.mu.Unlock()
	if wasUp {
		s.log.Noticef("Initiating Shutdown...")
	}
	s.closeListener()
	// While clients are connected, for they are told; and after a reload under way,
	// which may start it.
	s.reloading.Lock()
	s.stopJetStream()
	s.reloading.Unlock()
	clients := s.allConnections()
	for _, c := range clients {
		c.Shutdown(shutdownFlush)
	}
	s.awaitGone(clients)
	s.closeCluster()
	s.services.Close()
	s.closeWeb()
	s.running.Wait()
	s.removePidFile()
	s.removePortsFile()
	if wasUp {
		s.log.Noticef("Server Exiting..")
	}
	if err := s.log.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "closing the log: %v\n", err) // where else
	}
	close(s.stopped)
}

// awaitGone waits until the clients are gone, which their flushing bounds.
func (s *Server) awaitGone(clients []*client.Client) {
	for _, c := range clients {
		<-c.Done()
	}
}

// WaitForShutdown returns when the server has stopped.
func (s *Server) WaitForShutdown() { <-s.stopped }

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stopping
}

// closeListener takes no more clients.
func (s *Server) closeListener() net.Listener {
	s.mu.Lock()
	l := s.listener
	s.listener = nil
	s.mu.Unlock()
	if l != nil {
		_ = l.Close() // there is nothing to be done about it
	}
	return l
}

// maxLameDuckPause is the longest time between two clients that are sent away.
const maxLameDuckPause = time.Second

// LameDuckShutdown stops the server without a stampede: it takes no more
// connections and tells clients to go elsewhere, waits for the grace period,
// sends away those that stay, spread over the rest of the lame duck duration,
// and then shuts down. It returns when all is done; a Shutdown meanwhile cuts it
// short.
func (s *Server) LameDuckShutdown() {
	s.mu.Lock()
	if s.state != started {
		s.mu.Unlock()
		return
	}
	s.state = lameDuck
	s.mu.Unlock()
	opts := s.opts.Load()
	s.log.Noticef("Entering lame duck mode, stop accepting new clients")
	s.closeListener()
	s.announceLameDuck()
	if s.NumClients() == 0 || !s.pause(opts.LameDuckGracePeriod) {
		s.Shutdown()
		return
	}
	clients := s.allClients()
	if len(clients) > 0 {
		s.log.Noticef("Closing existing clients")
		s.sendAway(clients, opts.LameDuckDuration-opts.LameDuckGracePeriod)
	}
	s.Shutdown()
}

// announceLameDuck tells clients that the server is about to go.
func (s *Server) announceLameDuck() {
	s.refreshInfo()
	if c := s.cluster.Load(); c != nil {
		c.SetInfo(s.routeInfo())
	}
	for _, c := range s.allClients() {
		c.SendInfo()
	}
}

// sendAway closes the clients one after the other within d.
func (s *Server) sendAway(clients []*client.Client, d time.Duration) {
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	gap := min(d/time.Duration(len(clients)), maxLameDuckPause)
	// Pauses below the clock's worth are taken for several clients at a time.
	batch := 1
	if gap < time.Millisecond {
		batch = int(time.Millisecond/max(gap, 1)) + 1
		gap = time.Millisecond
	}
	for group := range slices.Chunk(clients, batch) {
		for _, c := range group {
			c.Shutdown(lameDuckFlush)
		}
		if !s.pause(gap/2 + rand.N(gap)) {
			return
		}
	}
}

// lameDuckFlush is how long a client that is sent away has to take what is
// queued for it.
const lameDuckFlush = 2 * time.Second

// pause waits for d and tells whether the server is still to go on.
func (s *Server) pause(d time.Duration) bool {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-s.cut:
		return false
	}
}
