package file

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Config says where a store is and what it is like. What it says of blocks holds
// for those that are made from now on.
type Config struct {
	FS vfs.FS
	// Dir is the directory of the store, which nobody else uses; the one above it
	// must exist.
	Dir string
	// BlockBytes is how long a block gets, about. 0 is 8 MiB.
	BlockBytes int64
	// Compression has blocks compressed by S2.
	Compression bool
	// Cipher has blocks and indexes encrypted, by a key that Keys wraps. Keys is
	// also needed as long as there is anything encrypted.
	Cipher seal.Cipher
	Keys   *seal.Keys
	// Workers is how many goroutines Open reads with. 0 is one for each processor.
	Workers int
	// Cache is shared with other stores. nil is one of its own.
	Cache *Cache
	// Rand gives ids, keys and nonces; nil is crypto/rand. It is used by one
	// goroutine at a time.
	Rand io.Reader
	// CanReplay is asked when the newest index is damaged, with what the caller
	// kept in the one before: can its log be applied from there on? If so, that
	// index is used; otherwise, and if it is nil, Open fails with an *IndexError.
	// Extra is empty of a store without checkpoint, and if there is no index at all:
	// can everything be applied from the beginning?
	CanReplay func(extra []byte) bool
}

const (
	defaultBlockBytes = 8 << 20
	minBlockBytes     = 256
	// maxUnsealed is how many full blocks may wait for Maintain to seal them;
	// their indexes are in memory.
	maxUnsealed = 4
)

// Store is a store.Store in files.
//
// Two locks: write belongs to whoever changes the store, which is the caller's
// one goroutine, or Maintain for the moment in which it publishes what it did.
// mu guards the same fields for those who only look, and is held without any
// I/O. Order: maintaining or committing, write, mu. All fields below mu are
// changed under both.
type Store struct {
	cfg   Config
	cache *Cache
	id    uint64

	// maintaining is held by a step of Maintain, committing by a Commit.
	maintaining sync.Mutex
	committing  commitState
	scrubbing   scrubState

	// noReads is set by Close. It is closed, for those who must not take mu.
	noReads atomic.Bool

	write  sync.Mutex
	writer writer

	mu sync.RWMutex
	// blocks are in the order of their numbers; the slice is replaced, not
	// changed, except that blocks are added behind those it has.
	blocks []*block
	// active is the last block, as long as it is not full; nil is none.
	active *block
	// buf is what of the active block is not written yet; it begins at place
	// bufAt. In front of the first record is the header, if bufAt is 0.
	buf   []byte
	bufAt int64
	// first is the oldest message, the last number if there is none.
	state    store.State
	subjects subjects
	// epoch counts Resets, after which numbers may begin anew.
	epoch uint64
	// nextBlock is the id of the next block.
	nextBlock uint64
	// generation is that of the newest checkpoint that was taken.
	generation uint64
	// dropped are blocks that are no part of the store any more and whose files
	// are still there.
	dropped []*block
	losses  []store.Loss
	erase   []erasure
	keys    keyState
	closed  bool
	// err is what the store stopped at: a write or sync that failed.
	err error
}

// scrubState is how far Scrub is.
type scrubState struct {
	sync.Mutex
	at store.Seq
}

// keyState is the data key of an encrypted store. It does not change once it is
// there.
type keyState struct {
	data    []byte
	wrapped []byte
	aeads   [3]cipher.AEAD
}

// erasure is a record whose content is to be overwritten.
type erasure struct {
	b       *block
	at      int64
	size    int
	ordinal int
}

func (c *Config) fill() error {
	if c.FS == nil || c.Dir == "" {
		return errors.New("store: no file system or no directory")
	}
	if c.BlockBytes == 0 {
		c.BlockBytes = defaultBlockBytes
	}
	c.BlockBytes = min(max(c.BlockBytes, minBlockBytes), maxBlockEnd/4)
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Cache == nil {
		c.Cache = NewCache(0, 0)
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Cipher != seal.Plain && c.Keys == nil {
		return fmt.Errorf("store: %v without keys", c.Cipher)
	}
	return nil
}

// noSpace tells the only error of a write after which a store goes on.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// fail has the store take no more changes, unless the disk is just full. It
// returns err.
func (s *Store) fail(err error) error {
	if err == nil || noSpace(err) {
		return err
	}
	return s.poison(err)
}

// poison has the store take no more changes.
func (s *Store) poison(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.closed {
		s.err = err
	}
	return err
}

// beginWrite takes the writer's lock; the error is that the store takes no
// changes. Without an error the caller unlocks it.
func (s *Store) beginWrite() error {
	s.write.Lock()
	if err := s.unusable(); err != nil {
		s.write.Unlock()
		return err
	}
	return nil
}

// unusable returns why the store takes no changes. The caller holds a lock.
func (s *Store) unusable() error {
	switch {
	case s.closed:
		return store.ErrClosed
	case s.err != nil:
		return fmt.Errorf("store: stopped by an earlier error: %w", s.err)
	}
	return nil
}

// State implements store.Reader.
func (s *Store) State() store.State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stateLocked()
}

func (s *Store) stateLocked() store.State {
	st := s.state
	st.Subjects = uint64(s.subjects.len())
	if st.Messages > 0 {
		st.Deleted = uint64(st.Last-st.First) + 1 - st.Messages
	}
	return st
}

// Lost implements store.Reader.
func (s *Store) Lost() []store.Loss {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.losses)
}

// Err returns the error that the store stopped at, nil if it has not.
func (s *Store) Err() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.err
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.maintaining.Lock()
	defer s.maintaining.Unlock()
	s.committing.Lock()
	defer s.committing.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	blocks := append(slices.Clone(s.blocks), s.dropped...)
	s.closed = true
	s.noReads.Store(true)
	s.blocks, s.dropped, s.active, s.buf, s.losses = nil, nil, nil, nil, nil
	s.state = store.State{}
	s.subjects.clear()
	s.mu.Unlock()
	var err error
	for _, b := range blocks {
		err = errors.Join(err, s.letGo(b))
	}
	return err
}

// letGo closes the files of a block.
func (s *Store) letGo(b *block) error {
	s.cache.forget(b.serial)
	if b.w == nil {
		return nil
	}
	err := b.w.Close()
	b.w = nil
	return err
}

// codecFor returns the codec of a block's frames.
func (s *Store) codecFor(b *block) (*codec, error) {
	return s.codec(b.compress, b.cipher)
}

func (s *Store) codec(compress bool, c seal.Cipher) (*codec, error) {
	if c != seal.Plain && s.keys.aeads[c] == nil {
		return nil, errNoKey
	}
	return &codec{compress: compress, aead: s.keys.aeads[c], rand: s.cfg.Rand}, nil
}
