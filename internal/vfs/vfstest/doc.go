// Package vfstest holds the tests that every vfs.FS passes, so that what is
// tested over memory holds on a disk.
//
// [Run] checks the rules of the interface one by one; [RunAgainst] has two file
// systems do the same random operations and compares all they answer. What
// survives a crash is not covered: only vfs.Mem can crash, and its own tests
// look at that.
package vfstest
