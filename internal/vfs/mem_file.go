package vfs

import (
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
)

const (
	// pageSize is what the system's page cache writes back at a time,
	// sectorSize what a disk writes whole or not at all.
	pageSize   = 4096
	sectorSize = 512
)

// memFile is the content of a file: as programs see it, and as it is on disk.
// Its pages are shared with crash clones and copied when written.
//
// Invariants: pages has no page that lies wholly behind size; bytes behind size
// in the last page are zero; no page is in both unsynced and lost.
type memFile struct {
	size int64
	// pages holds the content; nil is a page of zeros.
	pages []*page

	durableSize int64
	// unsynced has, for each page changed since the last sync, what the disk
	// holds in its place. lost has the same for pages whose sync failed: no
	// later sync writes them, unless they are changed again.
	unsynced map[int]*page
	lost     map[int]*page
	// generation is that of the pages this file may write to in place.
	generation uint64
}

type page struct {
	generation uint64
	data       [pageSize]byte
}

// generations are unique in the process, for pages are shared between file
// systems.
var generations atomic.Uint64

func newMemFile() *memFile {
	return &memFile{
		unsynced:   make(map[int]*page),
		lost:       make(map[int]*page),
		generation: generations.Add(1),
	}
}

// readAt copies what lies at off and returns its length.
func (f *memFile) readAt(p []byte, off int64) int {
	if off >= f.size {
		return 0
	}
	p = p[:min(int64(len(p)), f.size-off)]
	for rest := p; len(rest) > 0; {
		i, from := int(off/pageSize), int(off%pageSize)
		n := min(len(rest), pageSize-from)
		if i < len(f.pages) && f.pages[i] != nil {
			copy(rest[:n], f.pages[i].data[from:])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+int64(n)
	}
	return len(p)
}

func (f *memFile) writeAt(p []byte, off int64) {
	f.size = max(f.size, off+int64(len(p)))
	for len(p) > 0 {
		i, from := int(off/pageSize), int(off%pageSize)
		n := copy(f.writable(i).data[from:], p)
		p, off = p[n:], off+int64(n)
	}
}

func (f *memFile) truncate(size int64) {
	if size < f.size {
		keep := pagesFor(size)
		for i := keep; i < len(f.pages); i++ {
			f.remember(i)
		}
		f.pages = f.pages[:min(keep, len(f.pages))]
		if tail := int(size % pageSize); tail > 0 && keep == len(f.pages) && f.pages[keep-1] != nil {
			clear(f.writable(keep - 1).data[tail:])
		}
	}
	f.size = size
}

// remember keeps what the disk holds of a page that is about to change.
func (f *memFile) remember(i int) {
	if _, ok := f.unsynced[i]; ok {
		return
	}
	if before, ok := f.lost[i]; ok {
		f.unsynced[i] = before
		delete(f.lost, i)
		return
	}
	f.unsynced[i] = f.page(i)
}

func (f *memFile) page(i int) *page {
	if i < len(f.pages) {
		return f.pages[i]
	}
	return nil
}

// writable returns a page that only this file has, to be changed in place.
func (f *memFile) writable(i int) *page {
	f.remember(i)
	for len(f.pages) <= i {
		f.pages = append(f.pages, nil)
	}
	p := f.pages[i]
	if p == nil || p.generation != f.generation {
		own := &page{generation: f.generation}
		if p != nil {
			own.data = p.data
		}
		f.pages[i] = own
	}
	return f.pages[i]
}

func (f *memFile) sync() {
	f.durableSize = f.size
	if len(f.unsynced) > 0 {
		clear(f.unsynced)
		f.share()
	}
}

// share makes the next write to any page copy it.
func (f *memFile) share() { f.generation = generations.Add(1) }

// loseUnsynced is a sync that fails: programs go on seeing what they wrote, but
// the system takes it for written and forgets to do it.
func (f *memFile) loseUnsynced() {
	for i, before := range f.unsynced {
		f.lost[i] = before
	}
	clear(f.unsynced)
}

// onDisk returns what the disk holds of a page, and whether programs see
// something else.
func (f *memFile) onDisk(i int) (p *page, differs bool) {
	if p, ok := f.unsynced[i]; ok {
		return p, true
	}
	if p, ok := f.lost[i]; ok {
		return p, true
	}
	return f.page(i), false
}

func pagesFor(size int64) int { return int((size + pageSize - 1) / pageSize) }

// memHandle is an open file. The file system's mutex guards everything.
type memHandle struct {
	fs   *Mem
	file *memFile
	name string
	mode openMode

	offset int64
	closed bool
}

func (h *memHandle) Name() string { return h.name }

// checkLocked returns an error if the handle is closed, or if write is set and
// the handle is not open for writing.
func (h *memHandle) checkLocked(op string, write bool) error {
	switch {
	case h.closed:
		return h.wrap(op, fs.ErrClosed)
	case write && !h.mode.write:
		return h.wrap(op, syscall.EBADF)
	}
	return nil
}

func (h *memHandle) wrap(op string, err error) error {
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

func (h *memHandle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("write", true); err != nil {
		return 0, err
	}
	if h.mode.appends {
		h.offset = h.file.size
	}
	h.file.writeAt(p, h.offset)
	h.offset += int64(len(p))
	return len(p), nil
}

func (h *memHandle) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, h.wrap("read", syscall.EINVAL)
	}
	n := h.file.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) WriteAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("write", true); err != nil {
		return 0, err
	}
	if off < 0 || h.mode.appends {
		return 0, h.wrap("write", syscall.EINVAL)
	}
	if len(p) > 0 {
		h.file.writeAt(p, off)
	}
	return len(p), nil
}

func (h *memHandle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("stat", false); err != nil {
		return 0, err
	}
	return h.file.size, nil
}

func (h *memHandle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return h.wrap("truncate", syscall.EINVAL)
	}
	h.file.truncate(size)
	return nil
}

func (h *memHandle) Preallocate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("fallocate", true); err != nil {
		return err
	}
	// Memory is not reserved: zeros are free until they are written.
	h.file.size = max(h.file.size, size)
	return nil
}

func (h *memHandle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("sync", false); err != nil {
		return err
	}
	h.file.sync()
	return nil
}

// SyncData is Sync: Mem keeps no metadata but the length.
func (h *memHandle) SyncData() error { return h.Sync() }

// LoseUnsynced does to a file what Linux does when a sync fails: what was
// written since the last sync stays visible but is never written to disk, even
// if a later sync succeeds, unless it is written again. The length becomes
// durable with the next sync. errorfs calls it when it fails a sync.
func (h *memHandle) LoseUnsynced() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("sync", false); err != nil {
		return err
	}
	h.file.loseUnsynced()
	return nil
}

func (h *memHandle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.checkLocked("close", false); err != nil {
		return err
	}
	h.closed = true
	return nil
}
