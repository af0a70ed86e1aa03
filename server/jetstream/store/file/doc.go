// Package file is the store.Store that keeps messages in files: one directory for
// each stream, with blocks of messages, which are only ever appended to, and an
// index, which says what of them counts.
//
//	Append ──▶ buffer ──▶ active block ──▶ full ──▶ sealed ──▶ written anew, smaller
//	              │        (index in memory)     Maintain     Maintain
//	              ▼
//	Checkpoint ──▶ Commit: sync blocks, write the index of the next generation,
//	               sync, rename; erase; remove what no index needs
//	Prepare ─────▶ Commit: the same, with an index that lists other blocks only
//
// # Words
//
// A record is a message in a block. Records have a place in the block's sequence
// of records, and an ordinal, which counts them. A block is active, full, or
// sealed: then it ends with a footer, from which the place of each record and the
// records of each subject can be read page by page. A slot is what the footer, or
// the index in memory, knows of a record. A frame is what is compressed or
// encrypted, and verified, as a whole: some records, or a page of a footer. An index
// file is a checkpoint: it has a generation, and lists blocks with how far they
// count and which records are removed (dead). A block that is dropped is no part
// of the store any more.
//
// The format is in docs/formats/store.md.
//
// # Invariants
//
//   - What is in front of a checkpoint is not changed by anything behind it. Blocks
//     that one of the two newest indexes lists are neither removed nor, in front of
//     where they count, written to, except to erase what was removed. What is
//     behind it is cut, or goes.
//   - No place of a block is written twice, but for attempts to write what no
//     checkpoint has seen: a block that was cut is not appended to any more.
//   - A file is removed because an index that is durable says so, by not listing
//     what one before it has listed or was about to; never because it looks wrong. What an
//     index that is damaged may have said is not guessed.
//   - Every byte is under a checksum that includes its place, and the heads of a
//     block's records are chained, the chain being in the index: what was valid
//     once, or elsewhere, is not valid here and now.
//   - Damage changes nothing but what it hit. A message that cannot be read still
//     counts, still is removed like others, and replicas stay equal; only if
//     nothing is left of it when the store is opened, not even its subject, it is taken
//     out, and told as a loss.
//   - A block with damage is left as it is.
//
// # Who does what
//
// One goroutine changes the store. Maintain works beside it on blocks that are
// full, and takes the writer's lock only to publish what it made; Commit syncs and
// writes files beside both; Scrub only reads. Readers take the reader's lock to
// look into memory, and pin a block to read its file without. A reader that finds
// its block or message gone looks again. No lock that they or the writer
// take is held during I/O, but where a whole is asked for that has to stand still: Subjects with first
// numbers that are not known any more, Deleted in blocks with gaps.
//
// # Memory
//
// For each subject an entry of 16 bytes in a tree; for each block some hundred
// bytes, a bit for each record once one is removed, and ten bits for each subject, by
// which reads with rare filters pass over blocks; for blocks that are not sealed some 30 bytes
// for each record. Everything else is read when needed, and a Cache of fixed size, shared
// by all stores, keeps the pages that were used last.
//
// # Errors
//
// If the disk is full (ENOSPC, or a quota) the call returns that, and the store is
// as it was before the call: the caller waits, and calls again. Any other error of a
// write or sync, and any error of syncing a block, stops the store: changes are refused from
// then on, reads go on, and what Open finds is the newest checkpoint that was
// committed. An error of reading is returned and changes nothing.
//
// # What it does not do
//
// It does not make anything durable but by a checkpoint, does not repair what is
// lost (replicas do), and does not lock its directory against other processes.
package file
