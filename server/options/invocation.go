package options

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Action is what a command line asks for.
type Action uint8

// The actions.
const (
	// Run starts a server with Invocation.Options.
	Run Action = iota
	// ShowVersion prints the version; the caller knows it.
	ShowVersion
	// ShowHelp leaves nothing to do: the text has been written, because it was
	// asked for or because a flag was wrong. Both count as success.
	ShowHelp
	// TestConfig says that the configuration file is good, which it is if
	// ParseArgs returned no error.
	TestConfig
	// SendSignal sends Invocation.Signal to a running server.
	SendSignal
)

// Invocation is one command line, understood.
type Invocation struct {
	Action Action
	// Options are set for Run, and then they are valid, and for TestConfig.
	Options *Options
	// Signal is the value of --signal: one of the names that --help lists, and
	// after a "=" a process id, the path of a file with one, or the beginning of
	// process ids and a "*". The name is checked, the rest is not.
	Signal string
}

// ParseArgs understands the arguments of a command line, without the program's
// name, and reads the configuration file that they name. Flags win over the
// file, also on a reload (see Options.Reparse). Help goes to stdout; complaints
// about flags and warnings about the file go to stderr. PrintError writes the
// error as users expect it; the program then exits with status 1, and otherwise
// with 0.
func ParseArgs(program string, args []string, stdout, stderr io.Writer) (*Invocation, error) {
	c := new(commandLine)
	flags := c.flagSet(program)
	if err := flags.Parse(args); err != nil {
		fmt.Fprintln(stderr, err)
		fmt.Fprint(stdout, Usage(program))
		return &Invocation{Action: ShowHelp}, nil
	}
	return c.invocation(program, flags.Args(), stdout, stderr)
}

// signals are the names that --signal knows.
var signals = []string{"ldm", "stop", "quit", "term", "reopen", "reload"}

// commandLine is what the flags said.
type commandLine struct {
	configFile                   string
	test, version, help, helpTLS bool
	signal                       *string
	overrides                    []func(*Options)
	givesUser, givesToken        bool
	// wrong is what is the matter with values of flags.
	wrong []error
}

// flagSet makes the flags of the table, which store what they are given in c.
func (c *commandLine) flagSet(program string) *flag.FlagSet {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	// ParseArgs says it all by itself.
	flags.SetOutput(io.Discard)
	for _, section := range flagSections {
		for _, row := range section.rows {
			for name := range strings.FieldsSeq(row.names) {
				flags.Var(row.value(c), name, row.help)
			}
		}
	}
	return flags
}

func (c *commandLine) invocation(program string, commands []string, stdout, stderr io.Writer) (*Invocation, error) {
	if len(commands) > 0 {
		switch strings.ToLower(commands[0]) {
		case "version":
			c.version = true
		case "help":
			c.help = true
		}
	}
	switch {
	case c.version:
		return &Invocation{Action: ShowVersion}, nil
	case c.help:
		fmt.Fprint(stdout, Usage(program))
		return &Invocation{Action: ShowHelp}, nil
	case c.helpTLS:
		fmt.Fprint(stdout, TLSUsage())
		return &Invocation{Action: ShowHelp}, nil
	case len(commands) > 0:
		return nil, fmt.Errorf("unrecognized command: %q", commands[0])
	case c.signal != nil:
		if err := checkSignal(*c.signal); err != nil {
			return nil, err
		}
		return &Invocation{Action: SendSignal, Signal: *c.signal}, nil
	case len(c.wrong) > 0:
		return nil, c.wrong[0]
	case c.givesUser && c.givesToken:
		return nil, errUserAndToken
	case c.test:
		return c.testConfig()
	}
	return c.run(stderr)
}

func checkSignal(command string) error {
	name, target, _ := strings.Cut(command, "=")
	if !slices.Contains(signals, name) {
		return fmt.Errorf("unknown signal %q", name)
	}
	if _, extra, more := strings.Cut(target, "="); more {
		return fmt.Errorf("invalid signal parameters: [%s]", strings.ReplaceAll(extra, "=", " "))
	}
	return nil
}

// testConfig stops before Validate, as -t always did: what it checks depends on
// the flags that a server will be started with.
func (c *commandLine) testConfig() (*Invocation, error) {
	if c.configFile == "" {
		return nil, errors.New("must specify [-c, --config] option to check configuration file syntax")
	}
	o, warnings, err := FromFile(c.configFile, c.overrides...)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		return nil, &ConfigError{Warnings: warnings}
	}
	return &Invocation{Action: TestConfig, Options: o}, nil
}

func (c *commandLine) run(stderr io.Writer) (*Invocation, error) {
	o := New()
	if c.configFile == "" {
		o.override(c.overrides)
	} else {
		read, warnings, err := FromFile(c.configFile, c.overrides...)
		if err != nil {
			return nil, err
		}
		o = read
		if len(warnings) > 0 {
			fmt.Fprintln(stderr, warnings)
		}
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Invocation{Action: Run, Options: o}, nil
}
