package vfs

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that remembers what was synced, so that
// CrashClone can tell what a power cut would leave. It has a root directory
// and no current one: a relative name is taken from the root. Its volume is a
// terabyte; to run out of space, wrap it with errorfs.
//
// Memory is taken per page that was written, once more for each page that is
// not synced, and for each change of a name until its directory is synced.
type Mem struct {
	mu   sync.Mutex
	root *memNode
	// changes are the changes of names that no sync of a directory has made
	// durable yet, oldest first.
	changes []nameChange
	locked  map[*memNode]bool
}

// memNode is a file or a directory, whatever its names; exactly one of dir and
// file is set.
type memNode struct {
	dir  *memDir
	file *memFile
}

// memDir holds the names in a directory: as programs see them, and as they are
// on disk.
type memDir struct {
	names   map[string]*memNode
	durable map[string]*memNode
}

// place is a name in a directory.
type place struct {
	dir  *memDir
	name string
}

// nameChange puts nodes into one or two places (nil: takes away what is there)
// in one atomic step.
type nameChange struct {
	places [2]place
	nodes  [2]*memNode
	n      int
}

const memVolume = 1 << 40

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{root: newMemDir(), locked: make(map[*memNode]bool)}
}

func newMemDir() *memNode {
	return &memNode{dir: &memDir{names: make(map[string]*memNode), durable: make(map[string]*memNode)}}
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	return m.open("open", name, openMode{create: true, truncate: true, write: true})
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) {
	return m.open("open", name, openMode{})
}

// OpenReadWrite implements [FS].
func (m *Mem) OpenReadWrite(name string) (File, error) {
	return m.open("open", name, openMode{write: true})
}

// OpenAppend implements [FS].
func (m *Mem) OpenAppend(name string) (File, error) {
	return m.open("open", name, openMode{create: true, write: true, appends: true})
}

type openMode struct{ create, truncate, write, appends bool }

func (m *Mem) open(op, name string, mode openMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.fileLocked(name, mode.create)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if mode.truncate {
		n.file.truncate(0)
	}
	return &memHandle{fs: m, file: n.file, name: name, mode: mode}, nil
}

// fileLocked finds a file, or makes it.
func (m *Mem) fileLocked(name string, create bool) (*memNode, error) {
	at, n, err := m.findLocked(name)
	switch {
	case err != nil:
		return nil, err
	case n == nil && !create:
		return nil, syscall.ENOENT
	case n == nil:
		n = &memNode{file: newMemFile()}
		m.changeLocked(set(at, n))
	case n.dir != nil:
		return nil, syscall.EISDIR
	}
	return n, nil
}

// OpenDir implements [FS].
func (m *Mem) OpenDir(name string) (Dir, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existingLocked(name)
	if err == nil && n.dir == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &memDirHandle{fs: m, dir: n.dir, name: name}, nil
}

// Rename implements [FS].
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.renameLocked(oldName, newName); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Mem) renameLocked(oldName, newName string) error {
	from, n, err := m.findLocked(oldName)
	if err != nil {
		return err
	}
	to, replaced, err := m.findLocked(newName)
	switch {
	case err != nil:
		return err
	case n == nil:
		return syscall.ENOENT
	case from == to && n.file != nil:
		return nil
	case replaced != nil && replaced.dir != nil:
		return syscall.EEXIST
	case replaced != nil && n.dir != nil:
		return syscall.ENOTDIR
	case n.dir != nil && strings.HasPrefix(clean(newName), clean(oldName)+"/"):
		return syscall.EINVAL
	}
	m.changeLocked(nameChange{
		places: [2]place{from, to},
		nodes:  [2]*memNode{nil, n},
		n:      2,
	})
	return nil
}

// Remove implements [FS].
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, n, err := m.findLocked(name)
	switch {
	case err != nil:
	case n == nil:
		err = syscall.ENOENT
	case n == m.root:
		err = syscall.EBUSY
	case n.dir != nil && len(n.dir.names) > 0:
		err = syscall.ENOTEMPTY
	default:
		m.changeLocked(set(at, nil))
		return nil
	}
	return &fs.PathError{Op: "remove", Path: name, Err: err}
}

// RemoveAll implements [FS].
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, n, err := m.findLocked(name)
	switch {
	case err == syscall.ENOENT || err == nil && n == nil:
		return nil
	case err == nil && n == m.root:
		err = syscall.EBUSY
	}
	if err != nil {
		return &fs.PathError{Op: "removeall", Path: name, Err: err}
	}
	m.removeTreeLocked(at, n)
	return nil
}

func (m *Mem) removeTreeLocked(at place, n *memNode) {
	if n.dir != nil {
		for _, name := range sortedNames(n.dir.names) {
			m.removeTreeLocked(place{n.dir, name}, n.dir.names[name])
		}
	}
	m.changeLocked(set(at, nil))
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, elem := range elements(name) {
		next := n.dir.names[elem]
		if next == nil {
			next = newMemDir()
			m.changeLocked(set(place{n.dir, elem}, next))
		}
		if next.dir == nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		n = next
	}
	return nil
}

// List implements [FS].
func (m *Mem) List(name string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existingLocked(name)
	if err == nil && n.dir == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	entries := make([]Entry, 0, len(n.dir.names))
	for name, child := range n.dir.names {
		entries = append(entries, Entry{Name: name, Dir: child.dir != nil})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat implements [FS].
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existingLocked(name)
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if n.dir != nil {
		return Info{Dir: true}, nil
	}
	return Info{Size: n.file.size}, nil
}

// Space implements [FS]. It counts the lengths of the files.
func (m *Mem) Space(name string) (Space, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.existingLocked(name); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	used := min(uint64(m.root.size()), memVolume)
	return Space{Total: memVolume, Available: memVolume - used}, nil
}

func (n *memNode) size() int64 {
	if n.file != nil {
		return n.file.size
	}
	var sum int64
	for _, child := range n.dir.names {
		sum += child.size()
	}
	return sum
}

// Lock implements [FS].
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.fileLocked(name, true)
	if err == nil && m.locked[n] {
		err = ErrLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	m.locked[n] = true
	return &memLock{fs: m, node: n, name: name}, nil
}

type memLock struct {
	fs   *Mem
	node *memNode
	name string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.node == nil {
		return &fs.PathError{Op: "close", Path: l.name, Err: fs.ErrClosed}
	}
	delete(l.fs.locked, l.node)
	l.node = nil
	return nil
}

type memDirHandle struct {
	fs *Mem
	// dir is nil once the handle is closed.
	dir  *memDir
	name string
}

func (d *memDirHandle) Sync() error {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	if d.dir == nil {
		return &fs.PathError{Op: "sync", Path: d.name, Err: fs.ErrClosed}
	}
	d.fs.commitLocked(d.dir)
	return nil
}

func (d *memDirHandle) Close() error {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	if d.dir == nil {
		return &fs.PathError{Op: "close", Path: d.name, Err: fs.ErrClosed}
	}
	d.dir = nil
	return nil
}

// findLocked returns the place that a name stands for, and what is there, which
// may be nothing. The directory above must exist. The root has the zero place.
func (m *Mem) findLocked(name string) (place, *memNode, error) {
	var at place
	n := m.root
	for _, elem := range elements(name) {
		switch {
		case n == nil:
			return place{}, nil, syscall.ENOENT
		case n.dir == nil:
			return place{}, nil, syscall.ENOTDIR
		}
		at = place{n.dir, elem}
		n = n.dir.names[elem]
	}
	return at, n, nil
}

func (m *Mem) existingLocked(name string) (*memNode, error) {
	_, n, err := m.findLocked(name)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	return n, err
}

func set(at place, n *memNode) nameChange {
	return nameChange{places: [2]place{at}, nodes: [2]*memNode{n}, n: 1}
}

// changeLocked makes a change visible, and notes that it is not durable.
func (m *Mem) changeLocked(c nameChange) {
	c.apply(func(d *memDir) map[string]*memNode { return d.names })
	m.changes = append(m.changes, c)
}

func (c *nameChange) apply(names func(*memDir) map[string]*memNode) {
	for i, p := range c.places[:c.n] {
		if c.nodes[i] == nil {
			delete(names(p.dir), p.name)
		} else {
			names(p.dir)[p.name] = c.nodes[i]
		}
	}
}

// commitLocked makes the changes of a directory durable. Changes of one name
// reach the disk in order, so those that came before in the other directory of
// a rename go along.
func (m *Mem) commitLocked(dir *memDir) {
	needed := make(map[place]bool)
	commit := make([]bool, len(m.changes))
	for i := len(m.changes) - 1; i >= 0; i-- {
		places := m.changes[i].places[:m.changes[i].n]
		commit[i] = slices.ContainsFunc(places, func(p place) bool { return p.dir == dir || needed[p] })
		if commit[i] {
			for _, p := range places {
				needed[p] = true
			}
		}
	}
	kept := m.changes[:0]
	for i, c := range m.changes {
		if commit[i] {
			c.apply(func(d *memDir) map[string]*memNode { return d.durable })
		} else {
			kept = append(kept, c)
		}
	}
	clear(m.changes[len(kept):])
	m.changes = kept
}

// clean gives a name its one form: slashes, from the root.
func clean(name string) string {
	return path.Clean("/" + filepath.ToSlash(strings.TrimPrefix(name, filepath.VolumeName(name))))
}

func elements(name string) []string {
	name = clean(name)[1:]
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
