// Package errorfs wraps a file system and makes its operations go wrong.
//
// An [Injector] is asked before each operation and answers with a [Fault]: an
// error, a part of a write and then an error, a delay, wrong bytes in what was
// read. It may also do something of its own at that moment, such as taking a
// crash clone of the vfs.Mem underneath; no lock is held while it runs.
//
// What the tests that stand on it usually do:
//
//   - Run every error path: fail the first operation, then the second, and so
//     on, until a run is over before its fault is due ([FailNth]).
//   - Cut the power at each sync: an injector that clones on [OpSync],
//     [OpSyncData] and [OpSyncDir], each clone reopened and checked.
//   - Let the disk fill up and be freed again ([FS.LimitSpace]).
//   - Let a disk die ([FailFrom]), be slow, or lie in reads ([FlipBit]).
//   - Damage what lies on disk ([FlipStoredBit]).
//
// A sync that is failed here behaves as on Linux if the wrapped file system is
// a vfs.Mem (directly or below another FS of this package): what it should have
// written stays visible, later syncs succeed, and a crash loses it. Over the
// machine's file system the sync is just not done.
//
// The package decides nothing at random by itself: chance comes from a source
// that the test hands in.
package errorfs
