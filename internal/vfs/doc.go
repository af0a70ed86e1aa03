// Package vfs is the file system as the server sees it. Everything that is
// kept on disk goes through [FS], so that a test can cut the power at any
// moment, fail any single operation, and reopen what is left.
//
// There are three implementations: [OS] is the machine's, [NewMem] is a memory
// file system that can crash, and package errorfs wraps either and injects
// faults. Package vfstest holds the tests that all of them pass.
//
// # What is durable
//
// A write, a truncation and a preallocation are durable once a later Sync or
// SyncData of the same file has succeeded. A name (from Create, OpenAppend,
// Lock, MkdirAll, Rename, Remove) is durable once the directory that holds it
// has been synced; syncing the file does not do that. Until then a power cut
// may undo it, or not, name by name; the renaming of one file is atomic in
// either case. So the way to replace a file is: write a new one, sync it, close
// it, rename it over the old one, sync the directory ([WriteFile] does that).
//
// # Failed syncs
//
// When Sync or SyncData returns an error, nothing is known of the data written
// since the last successful one: Linux marks such pages clean, so that the next
// sync succeeds without having written them, and a read may return them until
// the machine restarts. A caller must not retry the sync; it closes the file,
// trusts only what was synced before, and reports the loss.
//
// # Words and errors
//
// Names are paths in the form of package path/filepath. Errors satisfy
// errors.Is with fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, syscall.ENOSPC and
// so on, and carry the path.
//
// The package does no caching, no buffering and no locking of byte ranges, and
// knows neither links, permissions nor modification times: what the server
// decides must not depend on them. On disk, files are made with mode 0640 and
// directories with 0750, less the umask.
package vfs
