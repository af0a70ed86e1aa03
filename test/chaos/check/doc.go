// Package check says whether what clients saw of a cluster is what was promised to
// them. It knows histories only: what was sent, answered, stored and delivered, and
// when. Who made them it does not know, so that tests can hand it forged ones, which it
// has to refuse.
//
//	Log        acknowledged messages are there, once, in order
//	Registers  compare-and-set and reads are linearizable (judged by porcupine)
//	Consumer   what was confirmed does not come again, and everything comes
//	Replicas   all servers have the same
//
// Times are counted from the beginning of a history. The clock is that of the process
// whose clients made it.
package check
