package options

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nats-lite/nats-lite/conf"
)

// ConfigError says everything that is wrong with a configuration file. With
// Warnings alone a server can start; only a test of the file fails.
type ConfigError struct {
	// Warnings and Errors are in the order in which they were found, which is
	// mostly that of the file.
	Warnings Problems
	Errors   Problems
}

// Error has a line per problem, warnings first.
func (e *ConfigError) Error() string {
	return append(e.Warnings[:len(e.Warnings):len(e.Warnings)], e.Errors...).String()
}

// Problem is something wrong at a place in a configuration file.
type Problem struct {
	Pos conf.Pos
	Msg string
}

// String returns "file:line:col: message".
func (p Problem) String() string { return p.Pos.String() + ": " + p.Msg }

// Problems are lines for an operator.
type Problems []Problem

// String has a line per problem and no newline at the end.
func (ps Problems) String() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// placed puts the place of a syntax error in front of its text, which by itself
// names a line but no file: with includes that is not enough.
func placed(err error) error {
	e, ok := errors.AsType[*conf.Error](err)
	if !ok || strings.Contains(e.Msg, e.Pos.String()) {
		return err
	}
	return fmt.Errorf("%v: %w", e.Pos, err)
}

// PrintError writes an error of this package the way operators of NATS servers
// know it: after the name of the program, and with an empty line after the
// problems of a file.
func PrintError(w io.Writer, program string, err error) {
	end := "\n"
	if _, ok := errors.AsType[*ConfigError](err); ok {
		end = "\n\n"
	}
	fmt.Fprintf(w, "%s: %v%s", program, err, end)
}

// ErrNoConfigFile is why a server without a configuration file cannot reload.
var ErrNoConfigFile = errors.New("can only reload config when a file is provided using -c or --config")
