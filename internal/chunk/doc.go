// Package chunk holds outbound bytes in pooled buffers that are filled by one
// goroutine and then handed over, whole, to another.
//
// A publisher fills a List per receiver without any lock, and gives it to the
// receiver's queue by linking it in: the bytes are copied once, when they are
// appended, and never moved again until the kernel takes them.
//
// A List has one owner at a time. Handing over (Take, Concat) leaves the source
// empty. Buffers return to their pools when they are consumed or freed.
package chunk
