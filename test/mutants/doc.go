// Command mutants shows that the tests would notice. It puts one fault at a time
// into the source, of a kind that servers like this one had in the field, and
// runs the tests until one of them fails.
//
// A mutant (table.go) is a text that occurs once in a file, and what takes its
// place. Nothing is written into the source tree: the compiler is told to read the
// changed file instead of the original one (go build -overlay).
//
// Stages are run in order, the fast ones first: the tests of the package that is
// changed, then those that see it at work. For raft that is the scripted scenarios and
// random histories of rafttest, the tests of the host, the simulator; for JetStream
// the tests of its engine, with a few lives, and what of it is replicated in the simulator. The first that fails has killed the mutant. A
// mutant that survives them all is a hole in the tests, and makes the command
// fail. Or it shows code that makes no difference, and can go.
//
//	go run ./test/mutants             all mutants
//	go run ./test/mutants -run vote   those whose name or file matches
//	go run ./test/mutants -all        every stage for every mutant, as a table
package main
