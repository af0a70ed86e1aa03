package vfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashOptions say what survives a power cut of what was not synced. The zero
// value is the harshest: nothing does. Chances are between 0 and 1.
type CrashOptions struct {
	// Rand decides; it may be nil if every chance is 0 or 1. The same source
	// and the same history of the file system give the same result.
	Rand *rand.Rand
	// Page is the chance of each unsynced page of 4 KiB to be on the disk. It
	// is also that of a file's changed length; when the length is left to
	// chance it may also be one between the old and the new.
	Page float64
	// Torn is the chance of an unsynced page that made it to be torn: only a
	// random part of its sectors of 512 bytes did.
	Torn float64
	// Name is the chance of each change of a name (create, remove, rename) to
	// be on the disk. Changes of one name survive in order: one can only be
	// there if all earlier ones of its names are.
	Name float64
	// Journal makes changes of names survive in the order in which they were
	// made throughout, as they do on file systems with a journal, such as ext4
	// and XFS. Without it changes of different names are independent, as POSIX
	// allows.
	Journal bool
}

// Killed are the options for a process that dies while its machine goes on:
// everything that was written is still there.
var Killed = CrashOptions{Page: 1, Name: 1}

// CrashClone returns the file system as it may be found after a power cut at
// this moment: what was synced, and of the rest what the options let survive.
// Everything in the clone is durable, and nothing is locked or open. The
// original stays as it is and in use, so that one history can be cut at many
// moments. Pages are shared until written, hence a clone is cheap.
//
// A page that a truncation has cut off counts as a changed one: without a sync
// it may come back even though the file was extended again since.
func (m *Mem) CrashClone(opts CrashOptions) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{opts: opts, names: make(map[*memDir]map[string]*memNode)}
	c.replay(m.changes)
	clone := NewMem()
	clone.root = c.node(m.root)
	return clone
}

// crash makes one clone.
type crash struct {
	opts CrashOptions
	// names are those that survive, per directory where they differ from the
	// durable ones.
	names map[*memDir]map[string]*memNode
}

func (c *crash) chance(p float64) bool {
	return p >= 1 || p > 0 && c.opts.Rand.Float64() < p
}

// replay applies the changes of names that survive.
func (c *crash) replay(changes []nameChange) {
	dropped := make(map[place]bool)
	for _, change := range changes {
		places := change.places[:change.n]
		keep := c.chance(c.opts.Name) &&
			!slices.ContainsFunc(places, func(p place) bool { return dropped[p] })
		switch {
		case keep:
			change.apply(c.surviving)
		case c.opts.Journal:
			return
		default:
			for _, p := range places {
				dropped[p] = true
			}
		}
	}
}

func (c *crash) surviving(d *memDir) map[string]*memNode {
	names, ok := c.names[d]
	if !ok {
		names = maps.Clone(d.durable)
		c.names[d] = names
	}
	return names
}

// node copies what survives of a file, or of a directory and all below it.
// Names are visited in order, so that the source of chance alone decides.
func (c *crash) node(n *memNode) *memNode {
	if n.file != nil {
		return &memNode{file: c.file(n.file)}
	}
	names, ok := c.names[n.dir]
	if !ok {
		names = n.dir.durable
	}
	d := newMemDir()
	for _, name := range sortedNames(names) {
		child := c.node(names[name])
		d.dir.names[name] = child
		d.dir.durable[name] = child
	}
	return d
}

func (c *crash) file(f *memFile) *memFile {
	after := newMemFile()
	after.size = c.length(f)
	after.durableSize = after.size
	after.pages = make([]*page, pagesFor(after.size))
	for i := range after.pages {
		after.pages[i] = c.page(f, i)
	}
	if tail := int(after.size % pageSize); tail > 0 {
		last := len(after.pages) - 1
		after.pages[last] = cutPage(after.pages[last], tail)
	}
	// Both files refer to the same pages now.
	f.share()
	return after
}

func (c *crash) length(f *memFile) int64 {
	if f.size == f.durableSize {
		return f.size
	}
	p := c.opts.Page
	if p > 0 && p < 1 && c.opts.Rand.IntN(4) == 0 {
		low, high := min(f.size, f.durableSize), max(f.size, f.durableSize)
		return low + c.opts.Rand.Int64N(high-low+1)
	}
	if c.chance(p) {
		return f.size
	}
	return f.durableSize
}

func (c *crash) page(f *memFile, i int) *page {
	before, differs := f.onDisk(i)
	if !differs || !c.chance(c.opts.Page) {
		return before
	}
	now := f.page(i)
	if !c.chance(c.opts.Torn) {
		return now
	}
	torn := &page{generation: generations.Add(1)}
	for at := 0; at < pageSize; at += sectorSize {
		from := before
		if c.opts.Rand.IntN(2) == 0 {
			from = now
		}
		if from != nil {
			copy(torn.data[at:at+sectorSize], from.data[at:])
		}
	}
	return torn
}

var zeros [pageSize]byte

// cutPage returns a page with zeros from tail on, as behind the end of a file.
func cutPage(p *page, tail int) *page {
	if p == nil || bytes.Equal(p.data[tail:], zeros[tail:]) {
		return p
	}
	cut := &page{generation: generations.Add(1)}
	copy(cut.data[:tail], p.data[:tail])
	return cut
}
