// Package pack puts numbers and bytes behind each other, and takes them apart again:
// the grain of what is in logs, in files and between servers.
//
//	dst = pack.AppendUvarints(dst, index, term)
//	dst = pack.AppendBytes(dst, name)
//
//	in := pack.NewReader(b)
//	index, term, name := in.Uvarint(), in.Uvarint(), in.Bytes()
//	if !in.End() {
//		return errMalformed
//	}
//
// What can be taken for granted of a [Reader], whatever it is given:
//
//   - it does not panic, and reads nothing twice;
//   - it allocates nothing, and no number that it gives as a [Reader.Count] is higher
//     than what the input has room for;
//   - once it is bad it stays so, has nothing left, and gives zeros.
//
// Numbers are varints as encoding/binary has them, or little endian. Of a varint that
// is longer than it need be the number counts. What the numbers mean, and which of them
// make no sense, is for the formats to say; docs/formats has them.
package pack
