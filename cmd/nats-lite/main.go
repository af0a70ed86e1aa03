package main

import (
	"fmt"
	"io"
	"os"

	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// program is what the command calls itself, and the name of its processes.
const program = "nats-lite"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the arguments ask for and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if err := execute(args, stdout, stderr); err != nil {
		options.PrintError(stderr, program, err)
		return 1
	}
	return 0
}

func execute(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == debugCommand {
		return debug(args[1:], stdout)
	}
	asked, err := options.ParseArgs(program, args, stdout, stderr)
	if err != nil {
		return err
	}
	switch asked.Action {
	case options.ShowHelp:
		return nil
	case options.ShowVersion:
		fmt.Fprintf(stdout, "%s: v%s\n", program, server.Version)
		return nil
	case options.TestConfig:
		fmt.Fprintf(stderr, "%s: configuration file %s is valid (%s)\n", program, asked.Options.ConfigFile, asked.Options.ConfigDigest)
		return nil
	case options.SendSignal:
		return newSender().send(asked.Signal)
	default:
		return runServer(asked.Options)
	}
}

// runServer runs a server until it has shut down.
func runServer(opts *options.Options) error {
	srv, err := server.New(opts)
	if err != nil {
		return err
	}
	// From here on a signal cannot end the process half-way through the start.
	received := trapSignals()
	if err := srv.Start(); err != nil {
		return err
	}
	serve(srv, srv.Logger(), received)
	return nil
}
