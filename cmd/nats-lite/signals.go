package main

import "os"

// lifecycle is what signals do to a running server.
type lifecycle interface {
	WaitForShutdown()
	Shutdown()
	LameDuckShutdown()
	Reload() error
	ReopenLog() error
}

// notices is where a running server writes what it does and what went wrong.
type notices interface {
	Noticef(format string, args ...any)
	Errorf(format string, args ...any)
}

// action is what a signal asks of a running server.
type action uint8

const (
	shutDown action = iota + 1
	shutDownUnlessLameDuck
	reload
	reopenLog
	lameDuck
)

// serve carries out what the received signals ask for until the server has shut
// down, by a signal or for a reason of its own.
func serve(srv lifecycle, log notices, received <-chan os.Signal) {
	down := make(chan struct{})
	go func() {
		srv.WaitForShutdown()
		close(down)
	}()
	leaving := false
	for {
		select {
		case <-down:
			return
		case sig := <-received:
			log.Noticef("Trapped %q signal", sig)
			switch actions[sig] {
			case shutDown:
				srv.Shutdown()
			case shutDownUnlessLameDuck:
				// A process manager sends SIGTERM to end the server; in lame duck
				// mode it is about to end by itself, once its clients have moved.
				if !leaving {
					srv.Shutdown()
				}
			case reload:
				if err := srv.Reload(); err != nil {
					log.Errorf("Failed to reload server configuration: %v", err)
				}
			case reopenLog:
				if err := srv.ReopenLog(); err != nil {
					log.Errorf("Failed to reopen the log file: %v", err)
				}
			case lameDuck:
				// It takes minutes, and SIGINT must be able to cut it short. The
				// goroutine needs no wait: the server is down when it returns.
				if !leaving {
					leaving = true
					go srv.LameDuckShutdown()
				}
			}
		}
	}
}
