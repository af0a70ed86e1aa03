// Package seal encrypts what a server writes to its disk. It has the ciphers, the
// keys, and what belongs to none of the formats that use them.
//
//	configured key ──HKDF──▶ key of a purpose ──wraps──▶ data key, random ──HKDF──▶ content
//	                         (Keys)                      (one for each file or store)
//
// # Words
//
// A secret is a key as it was configured: text of any length. A Ring has the secret
// of now, and those before it. Keys are what a ring becomes for one purpose, such as
// the raft log: they seal small things, data keys above all, and open what they or the
// keys before them sealed. A data key encrypts the content of one file, or of the
// files of one store. It is random, and is written down nowhere but sealed. A Scratch
// is a file that nobody reads who has not written it.
//
// # Why no nonce comes twice
//
// A nonce that is used twice under one key gives both contents away. What Keys seal
// has a random nonce of 96 bits, and is little: a data key per file, and some
// checkpoints. The content of files has either a data key that was drawn for this file,
// in this process, with the place in the file as the nonce, where no place is written
// twice; or a random nonce for each of at most 2³² frames. Neither depends on what a
// crash left of a file, on numbers of files, or on an old copy of a disk being put back:
// who writes again writes under another key or another random nonce.
//
// # What it does not do
//
// A secret is not stretched: one that a human can remember can be guessed from the files.
// Names, lengths and times of files, and what a format says is in clear, are not hidden.
// Content that was changed or moved is refused, content that was replaced by an older
// state of the same place may not be.
package seal
