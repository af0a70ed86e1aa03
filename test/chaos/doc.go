// Package chaos runs a cluster of real server processes under load and faults, and checks
// what was promised to clients.
//
//	nemesis    what goes wrong, drawn from a seed
//	servers    the processes, which can be killed, paused and cut off
//	workloads  publishers (log.go), registers (registers.go), a consumer (consumer.go): here
//	check      the histories of these against the promises
//
// A run has four parts: load with faults; load without, once the cluster is whole again;
// clients finish what they have begun, and the consumer gets what is left; everything is
// read from every server and checked. What takes longer than Config.Settle after the last fault
// is a violation as well: a cluster that loses nothing because it does not answer is
// of no use.
//
// A fault hits no more than a minority of the replicas at once, unless -chaos.most says so; to see
// that losses are noticed, wipe them all:
//
//	-chaos.faults=wipe -chaos.most=3 -chaos.seed=2 -chaos.time=12s
//
// The seed decides which faults come when and what clients do, not how these meet: a
// run is told by what it prints, and repeated with the same probability of the same.
//
//	make chaos CHAOS_TIME=10m CHAOS_SEED=7
//	go test ./test/chaos -run TestChaos -v -chaos.binary=/path/to/nats-server -chaos.time=1m
package chaos
