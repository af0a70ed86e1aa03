// Package nemesis says what goes wrong in a cluster, and makes it go wrong. A schedule
// is drawn from a seed before anything runs, so that it can be printed and repeated;
// what the faults meet is for real time to decide.
//
// Faults follow each other. Each hits some servers at once, for a while, and is made
// good again; before the next one the cluster is given time to be whole, if the fault
// has taken data, since otherwise two faults in a row could take more than a minority's.
//
//	kill        SIGKILL, and a start later
//	pause       SIGSTOP, SIGCONT
//	partition   the victims and the others do not hear each other
//	one-way     the others do not hear the victims, or the victims not the others
//	wipe        killed, the disk emptied
//	flip        killed, about two bits in each file changed
//	truncate    killed, files cut short
//
// Invariant: no fault has more victims than Plan.Most, by default a minority.
package nemesis
