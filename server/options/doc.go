// Package options turns what an operator says, in a configuration file and on
// the command line, into one typed value that the rest of the server reads.
//
// # The way of a setting
//
//	file ── conf ──▶ keys_*.go ──▶ Options ◀── flags.go ── command line
//	                                  │
//	                finish (what defaults depend on) and Validate
//	                                  │
//	                 start: read-only from here;  reload: a new value, Diff
//
// Each block of the file has a table, a row a key: its names, and a setter that
// checks the value and stores it. A key without a row is an error unless it is
// used as a variable. Flags are rows of a table too, from which the help text is
// made; they are kept as functions on Options, so that a reload applies them to
// the new content of the file again and they go on winning.
//
// Features that do not exist yet are rows of a table of their own
// (unsupported.go). A key that asks for one of them stops the start: a server
// that quietly did without would be worse than none. Settings that exist and are not
// carried out yet, or not together, are refused there, too, after everything else that is
// wrong.
//
// # Words
//
// A Problem is a place in a file and what is wrong there. A warning does not
// keep a server from starting, but fails a test of the configuration. A
// *ConfigError carries all of both. Validate finds what shows only across
// settings, or across file and flags; such errors have no place.
//
// An Invocation is what one command line asks for. Changes is what a reload has
// to apply; an Effect names a part of the server that must look again.
//
// # Invariants
//
//   - What FromFile and ParseArgs return without an error has its defaults
//     filled in; a caller that sets fields of New itself calls Validate.
//   - Every field of Options is in the reload table, as something that can
//     change or as something that cannot.
//   - Texts of errors name keys, accounts and users, never a secret.
//
// # What it does not do
//
// It opens no socket and starts nothing. Certificates named in a file are read
// once, only to find errors early; the server reads them again. It does not hash
// or compare passwords and does not compile permissions or mappings for use.
package options
