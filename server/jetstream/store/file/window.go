package file

// Who reads one message after the other finds most of them in a window: a part of a
// block's file that was read as a whole. Who reads here and there pays for no more
// than what is asked for.
const (
	// windowBytes is the size of windows, of which a file is made up.
	windowBytes = 64 << 10
	// windowRecord is the length up to which records are read from windows.
	windowRecord = windowBytes / 4
	// windowGap is how far behind the record that was read last another one may begin
	// and still be the next.
	windowGap = 4 << 10
)

// readThrough fills buf with a record from a place of a pinned block whose records are
// in the file as they are.
func (s *Store) readThrough(v *view, buf []byte, at int64) error {
	b := v.b
	end := at + int64(len(buf))
	gap := at - b.readTo.Swap(end)
	if len(buf) > windowRecord {
		return s.readAt(b, buf, at)
	}
	next := gap >= 0 && gap <= windowGap
	for n := at / windowBytes; at < end; n++ {
		from := n * windowBytes
		w := s.window(v, n, min(end-from, windowBytes), next)
		if w == nil {
			// What is left is read as it is, so that an error is about the record.
			return s.readAt(b, buf, at)
		}
		copied := copy(buf, w[at-from:])
		buf, at = buf[copied:], at+int64(copied)
	}
	return nil
}

// window returns a window of the file with that many bytes at least, nil if it cannot
// be read, or is not in memory and should not be read for a single record. What was
// erased since may still be in it; of a record that is removed nobody asks for the
// content.
func (s *Store) window(v *view, n, need int64, read bool) []byte {
	key := cacheKey{block: v.b.serial, kind: cacheWindow, n: int(n)}
	if e := s.part(v, key); e != nil && int64(len(e.page)) >= need {
		return e.page
	}
	// The end of a block that grows is read again when it has.
	size := min(windowBytes, v.written-n*windowBytes)
	if !read || size < need {
		return nil
	}
	page := v.room(size)
	if s.readAt(v.b, page, n*windowBytes) != nil {
		return nil
	}
	s.keepPart(v, &cacheEntry{key: key, page: page, size: len(page)})
	return page
}
