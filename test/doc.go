// Package test asks of whole servers whether a user would notice. It knows them
// from outside only: the wire, the monitoring port, the process and its files. The
// official Go client stands for users, raw sockets for those who mean no good.
//
// A server runs in the test's process (instance) where the race detector is to
// see it, and as a process of its own (process) where memory, signals, exit codes
// or thousands of descriptors matter.
//
//	attack_*_test.go     bad input, with a bystander whom it must not hurt
//	client_*_test.go     what users do, with the official client
//	history_*_test.go    random concurrent use, checked against a model
//	kill_*_test.go       servers that are killed in a loop, and what they have promised
//	full_*_test.go       a disk that is full
//	process_*_test.go    signals, files, exit codes, the sample configurations
//
// Only here does real time pass. Tests wait for conditions, each with a deadline
// that is far beyond what a busy machine needs.
package test
