//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// actions says what each signal asks of a running server.
var actions = map[os.Signal]action{
	syscall.SIGINT:  shutDown,
	syscall.SIGTERM: shutDownUnlessLameDuck,
	syscall.SIGHUP:  reload,
	syscall.SIGUSR1: reopenLog,
	syscall.SIGUSR2: lameDuck,
}

// signalNames are the names that --signal takes.
var signalNames = map[string]os.Signal{
	"stop":   syscall.SIGKILL,
	"quit":   syscall.SIGINT,
	"term":   syscall.SIGTERM,
	"reload": syscall.SIGHUP,
	"reopen": syscall.SIGUSR1,
	"ldm":    syscall.SIGUSR2,
}

// trapSignals has the signals of actions delivered to the returned channel
// instead of ending the process. They are few and served at once; the channel
// holds as many as anybody sends while one of them is being carried out.
func trapSignals() <-chan os.Signal {
	received := make(chan os.Signal, 16)
	for sig := range actions {
		signal.Notify(received, sig)
	}
	return received
}

// kill sends a signal to a process.
func kill(pid int, sig os.Signal) error {
	return syscall.Kill(pid, sig.(syscall.Signal))
}
