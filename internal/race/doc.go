// Package race tells whether the race detector is on, so that tests which
// count allocations can stand aside: the detector makes sync.Pool forgetful on
// purpose.
package race
