// Package conf reads the configuration language of NATS servers into a tree of
// values that remember where they were written.
//
// # The language
//
// A file is a list of statements. A statement is a key and a value; the
// separator between them may be left out, and a statement ends with a newline,
// a comma or a semicolon:
//
//	port: 4222                      # key : value
//	host = "0.0.0.0"                // key = value
//	cluster { name c1, port 6222 }  # a map
//	routes [ nats://a:6222          # an array, by newline or comma
//	         nats://b:6222 ]
//
// The whole file may stand in one pair of braces, so that JSON is accepted.
// Values are booleans (true, on, yes and their opposites), integers with an
// optional size suffix (k is 1000, kb and kib are 1024, and so on), floats,
// times, strings, arrays and maps. A bare word is the most specific of these
// that it is in full, and otherwise a string: 10 is an integer, 10s a string.
// Strings are bare, 'raw', "with escapes", or a block from "(" to a line that
// consists of ")".
//
// A value $NAME is a variable: it stands for the value of the key NAME that was
// defined earlier in the same map or in one around it, or else for the
// environment variable NAME, whose content is itself parsed as a value.
//
// "include file" puts the statements of another file here; its path is relative
// to the file it is written in. An included file sees its own variables only,
// but defines them for what comes after it.
//
// # Words
//
// An Entry is a key with its Value; a Map is a list of entries; a Pos is a place
// in a file. Keys keep their case, and Get looks them up without regard to it.
//
// # Invariants
//
//   - Every entry and value has the position of what a user would change: the
//     key, or the element of an array. A value that came through a variable has
//     the position of where the variable is used.
//   - The last of several equal keys wins, and only that one is an entry.
//   - Parsing is bounded in the depth of nesting, in the bytes of all files
//     together, and in the size of the tree after variables are replaced, so
//     that no input can exhaust memory or stack.
//
// # Where it differs
//
// The package accepts every file that the servers in use accept and that means
// something, and gives it the same values and digest. It also accepts what only
// by accident is an error there, such as [1,2]}, and it rejects what there is
// silently dropped or wrapped around: an integer whose suffix overflows, a key
// without a value inside a map, a file that ends inside its outer braces.
//
// The package knows nothing of what keys mean; that is the business of
// server/options.
package conf
