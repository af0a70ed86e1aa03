package file

import (
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	defaultCacheBytes = 16 << 20
	defaultOpenFiles  = 256
)

// Cache keeps what was read of sealed blocks, and files open, for any number of
// stores, so that memory and file descriptors are bounded for the server and not
// for each stream. What was not used for longest goes first.
type Cache struct {
	maxBytes, maxFiles int
	// serials name blocks for as long as the process lives.
	serials atomic.Uint64

	mu      sync.Mutex
	entries map[cacheKey]*cacheEntry
	// recent is a ring whose next is the entry that was used last.
	recent cacheEntry
	bytes  int
	files  map[uint64]*openFile
	// used counts uses of files, to tell which was not used for longest.
	used uint64
}

type cacheKind uint8

const (
	cacheDirectory cacheKind = iota
	cacheSlots
	cacheSubjects
	cacheRecords
	cacheSelection
	cacheWindow
)

// cacheKey names a part of a block by what it is and its number, or by a filter.
type cacheKey struct {
	block  uint64
	kind   cacheKind
	n      int
	filter *store.Filter
}

// cacheEntry has one of the values. None of them is ever changed.
type cacheEntry struct {
	key        cacheKey
	page       []byte
	sealed     *sealedIndex
	selection  *bitmap
	size       int
	prev, next *cacheEntry
}

// entryOverhead is roughly what an entry takes besides its value.
const entryOverhead = 200

// openFile is a file that is open for reading.
type openFile struct {
	vfs.File
	block  uint64
	users  int
	used   uint64
	closed bool
}

// NewCache returns a cache of at most that many bytes, and open files; 0 is a
// default. Files that are being read do not count.
func NewCache(bytes, files int) *Cache {
	if bytes == 0 {
		bytes = defaultCacheBytes
	}
	if files == 0 {
		files = defaultOpenFiles
	}
	c := &Cache{maxBytes: bytes, maxFiles: files, entries: make(map[cacheKey]*cacheEntry), files: make(map[uint64]*openFile)}
	c.recent.prev, c.recent.next = &c.recent, &c.recent
	return c
}

func (c *Cache) get(key cacheKey) *cacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e != nil && c.recent.next != e {
		e.unlink()
		c.linkLocked(e)
	}
	return e
}

func (c *Cache) put(e *cacheEntry) {
	e.size += entryOverhead
	if e.size > c.maxBytes/4 {
		return // one large thing must not take the place of all others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.key]; old != nil {
		c.removeLocked(old)
	}
	c.entries[e.key] = e
	c.linkLocked(e)
	c.bytes += e.size
	for c.bytes > c.maxBytes {
		c.removeLocked(c.recent.prev)
	}
}

func (c *Cache) linkLocked(e *cacheEntry) {
	e.prev, e.next = &c.recent, c.recent.next
	e.prev.next, e.next.prev = e, e
}

func (e *cacheEntry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (c *Cache) removeLocked(e *cacheEntry) {
	e.unlink()
	delete(c.entries, e.key)
	c.bytes -= e.size
}

// open returns the file of a block, opened by name if it is not open. The caller
// gives it back by release.
func (c *Cache) open(block uint64, fs vfs.FS, name string) (*openFile, error) {
	if f := c.use(block); f != nil {
		return f, nil
	}
	file, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if f := c.files[block]; f != nil {
		// Somebody else was faster.
		f.users++
		c.mu.Unlock()
		return f, file.Close()
	}
	c.used++
	f := &openFile{File: file, block: block, users: 1, used: c.used}
	c.files[block] = f
	idle := c.surplusLocked()
	c.mu.Unlock()
	closeAll(idle)
	return f, nil
}

func (c *Cache) use(block uint64) *openFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[block]
	if f != nil {
		c.used++
		f.users++
		f.used = c.used
	}
	return f
}

// surplusLocked takes out files that are not in use, if there are too many. A
// few at once, so that it need not look at all of them each time.
func (c *Cache) surplusLocked() (idle []*openFile) {
	if len(c.files) <= c.maxFiles {
		return nil
	}
	limit := c.used - uint64(c.maxFiles)/2
	for block, f := range c.files {
		if f.users == 0 && f.used < limit {
			delete(c.files, block)
			idle = append(idle, f)
		}
	}
	return idle
}

func (c *Cache) release(f *openFile) {
	c.mu.Lock()
	f.users--
	last := f.users == 0 && f.closed
	c.mu.Unlock()
	if last {
		closeAll([]*openFile{f})
	}
}

// forget closes the file of a block, as soon as nobody reads it any more.
func (c *Cache) forget(block uint64) {
	c.mu.Lock()
	f := c.files[block]
	delete(c.files, block)
	idle := f != nil && f.users == 0
	if f != nil {
		f.closed = true
	}
	c.mu.Unlock()
	if idle {
		closeAll([]*openFile{f})
	}
}

// closeAll closes files that were open for reading, an error of which says
// nothing about what is on disk.
func closeAll(files []*openFile) {
	for _, f := range files {
		_ = f.Close() // as above
	}
}
