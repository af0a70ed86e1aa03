package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-lite/nats-lite/server"
)

// debugCommand begins the arguments that look at a server's files.
const debugCommand = "debug"

const debugUsage = "usage: " + program + " debug wal DIR | " + program + " debug store DIR (the key of encrypted files in " + debugKey + ")"

// debugKey is the environment variable with the key of JetStream's files. Arguments
// can be seen by others on the machine.
const debugKey = "NATS_LITE_KEY"

// debug looks at files, without a server.
func debug(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "wal":
		return server.DebugWAL(stdout, args[1], os.Getenv(debugKey))
	case len(args) == 2 && args[0] == "store":
		return server.DebugStore(stdout, args[1], os.Getenv(debugKey))
	case len(args) == 0 || args[0] == "wal" || args[0] == "store":
		return fmt.Errorf("%s", debugUsage)
	default:
		return fmt.Errorf("unrecognized command: %q (%s)", strings.Join(append([]string{debugCommand}, args...), " "), debugUsage)
	}
}
