// Command nats-lite runs a NATS server.
//
//	nats-lite -c FILE                  run with a configuration file
//	nats-lite -a 127.0.0.1 -p 4222     run with flags alone
//	nats-lite -t -c FILE               check a configuration file
//	nats-lite --signal reload          tell the running server to read its file again
//	nats-lite debug wal DIR            print and verify a raft log, in use or not
//	nats-lite debug store DIR          print and verify the file store of a stream
//	nats-lite --help                   list all flags
//
// If JetStream's files are encrypted, debug takes the key from the environment variable
// NATS_LITE_KEY. Without it less is shown and verified.
//
// The command turns its arguments into options, starts a server with them and
// hands it the signals that operators send; everything else is in package
// server. It exits with 0 after help, version, a successful check, a signal that
// was delivered, a log or store that is sound and an orderly shutdown, and with 1 after an error.
//
// While a server runs, these signals mean:
//
//	SIGINT, SIGTERM   shut down (SIGTERM is ignored in lame duck mode)
//	SIGHUP            reload the configuration
//	SIGUSR1           reopen the log file
//	SIGUSR2           enter lame duck mode: ask clients to leave, then shut down
package main
