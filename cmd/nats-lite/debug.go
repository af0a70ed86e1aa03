package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/nats-lite/nats-lite/server"
)

// debugCommand begins the arguments that look at a server's files.
const debugCommand = "debug"

const debugUsage = "usage: " + program + " debug wal DIR | " + program + " debug store DIR"

// debug looks at files, without a server.
func debug(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "wal":
		return server.DebugWAL(stdout, args[1])
	case len(args) == 2 && args[0] == "store":
		return server.DebugStore(stdout, args[1])
	case len(args) == 0 || args[0] == "wal" || args[0] == "store":
		return fmt.Errorf("%s", debugUsage)
	default:
		return fmt.Errorf("unrecognized command: %q (%s)", strings.Join(append([]string{debugCommand}, args...), " "), debugUsage)
	}
}
