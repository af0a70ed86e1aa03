// Package clock makes time a dependency that is handed in.
//
// Whatever waits or stamps takes a [Clock] from its constructor. Three clocks
// exist:
//
//   - [Real] is the machine's clock. Inside a testing/synctest bubble it is the
//     bubble's virtual clock, because it only forwards to package time.
//   - [Virtual] stands still until its owner moves it. It is made for
//     simulations on one goroutine: timers fire on the goroutine that advances
//     it, one after the other, in an order that depends on nothing but the
//     calls made.
//   - [Skewed] is another clock seen by a node whose clock is wrong: shifted,
//     drifting, or set by hand while timers run.
//
// # Wall time and elapsed time
//
// A [time.Time] of the real clock carries two readings: the wall time, which
// an operator or NTP may set back, and a monotonic one, which only grows.
// time.Time's Sub, Before, After and Compare use the monotonic readings when
// both operands have one. Hence two rules for users of a Clock:
//
//   - To measure elapsed time or to compare deadlines, keep the Time that Now
//     returned and use Sub or Compare. Such differences are never negative.
//   - What leaves the process (UnixNano, JSON, disk, another server) is wall
//     time, may step in either direction, and is not comparable with another
//     node's to better than the skew of their clocks.
//
// Times of a Virtual carry no monotonic reading and need none: a Virtual never
// goes back. A Skewed that is stepped does go back, and its times carry no
// monotonic reading either, so code under test sees the step in differences
// too; that is harsher than a real machine.
//
// The package does not sleep: a goroutine that wants to wait uses a timer's
// channel together with its stop signal.
package clock
