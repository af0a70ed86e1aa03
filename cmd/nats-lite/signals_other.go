//go:build !unix

package main

import (
	"errors"
	"os"
	"os/signal"
)

// actions says what each signal asks of a running server. Where there are no
// Unix signals, that is Ctrl-C alone; the other requests come through the system
// account.
var actions = map[os.Signal]action{os.Interrupt: shutDown}

// signalNames are the names that --signal takes.
var signalNames = map[string]os.Signal{"stop": os.Kill}

// trapSignals has the signals of actions delivered to the returned channel
// instead of ending the process.
func trapSignals() <-chan os.Signal {
	received := make(chan os.Signal, 16)
	signal.Notify(received, os.Interrupt)
	return received
}

// kill sends a signal to a process.
func kill(pid int, sig os.Signal) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return errors.Join(process.Signal(sig), process.Release())
}
