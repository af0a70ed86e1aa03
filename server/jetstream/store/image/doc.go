// Package image writes what a store holds at one moment as bytes, which another store can
// be made from: that of a replica which is new, or was away for so long that the log has
// no longer what it lacks.
//
//	store ──Snapshot──▶ Writer ──ReadAt──▶ bytes ──▶ Open ──Content──▶ Prepare ──▶ store
//
// An image has the messages that are there, and of the others nothing but their numbers.
// It is the same whatever the engine, and however it keeps them: images of stores that
// readers can not tell from each other are the same bytes, and so their digest is one of
// what is stored. That is why blocks do not travel as they are. They hold what was removed,
// their checksums and keys are those of one store and one place, and a replica that has
// compressed or sealed something earlier than another is no other replica.
//
// A Writer makes bytes as they are read, and knows how many they will be: a record takes
// as many as its message counts for (store.FileSize), which engines know of each part. It
// may be read again from any place in front of where it is; then the messages are read again
// from the beginning of the part.
//
// The bytes are in docs/formats/store-image.md.
//
// # Invariants
//
//   - What is read is checked before it is used: a content is given out up to the first byte
//     that is not what was written, and then there is an error.
//   - Neither end has more in memory than the head, a part of the records, and one message.
//
// # What it does not do
//
// A message that the store can not read is in no image: making it fails. What was
// erased while the image is made has a content of zeros, or the image is refused. Images are not
// encrypted; who puts one on a disk does that.
package image
