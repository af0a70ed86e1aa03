package file

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Recovered tells what Open has found.
type Recovered struct {
	// Extra is what the caller kept in the checkpoint; nil in a new store.
	Extra []byte
	// Generation is that of the checkpoint, 0 in a new store.
	Generation uint64
	// Older is set if the newest index was damaged and the one before it was
	// used.
	Older bool
	// Losses is what is damaged, as Lost tells it.
	Losses []store.Loss
	// Repaired says what was damaged without loss.
	Repaired []error
	// Exposed is set if there may be files in clear although the store is to be
	// encrypted. When Maintain has nothing more to do they go with the second
	// checkpoint after that, but for blocks with damage.
	Exposed bool
	// PutAside are the files that were moved to the directory "lost", for it is not
	// known what they are. Unknown are those whose names say nothing; they are
	// left alone.
	PutAside, Unknown []string
}

// IndexError is what Open returns if it cannot tell what belongs to the store.
// Nothing was changed.
type IndexError struct {
	Dir string
	// Generation is that of the newest index, 0 if there is none.
	Generation uint64
	// Older is that of the index that could be used if what came after it can be
	// applied once more, and Extra what the caller kept in it. It is 0 if there
	// is none.
	Older uint64
	Extra []byte
	Err   error
}

func (e *IndexError) Error() string {
	return fmt.Sprintf("store: %s: index %x: %v", e.Dir, e.Generation, e.Err)
}

// Unwrap makes the error a store.ErrDamaged.
func (e *IndexError) Unwrap() []error { return []error{store.ErrDamaged, e.Err} }

var errNoIndex = errors.New("there are blocks and no index")

// lockedReader lets several goroutines read random bytes.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// Open opens the store in a directory, or makes one. It is as it was at the
// newest checkpoint. The error is an *IndexError if that cannot be said, which
// nothing but another replica or a backup can make up for, or
// seal.ErrKey.
func Open(cfg Config) (*Store, Recovered, error) {
	if err := cfg.fill(); err != nil {
		return nil, Recovered{}, err
	}
	cfg.Rand = &lockedReader{r: cfg.Rand}
	s := &Store{cfg: cfg, cache: cfg.Cache}
	o := &opener{Store: s}
	if err := o.open(); err != nil {
		return nil, Recovered{}, errors.Join(err, s.Close())
	}
	return s, o.rec, nil
}

// opener is what is known while a store is opened.
type opener struct {
	*Store
	rec Recovered
	// names are what is in the directory: indexes, the newest first, and blocks.
	indexes []uint64
	files   map[uint64]bool
	// temporary are indexes that were never in effect.
	temporary []string
	// stale is whether the data key is wrapped by an old key.
	stale bool
}

func (o *opener) open() error {
	if err := o.list(); err != nil {
		return err
	}
	for _, name := range o.temporary {
		if err := o.removeFile(filepath.Join(o.cfg.Dir, name)); err != nil {
			return err
		}
	}
	if len(o.indexes) == 0 {
		if len(o.files) > 0 {
			return o.beginAnew(&IndexError{Dir: o.cfg.Dir, Err: errNoIndex})
		}
		return o.create()
	}
	body, err := o.chooseIndex()
	if damage, ok := errors.AsType[*IndexError](err); ok && damage.Older == 0 {
		return o.beginAnew(damage)
	}
	if err != nil {
		return err
	}
	o.adopt(body)
	if o.rec.Older {
		if err := o.putAside(body); err != nil {
			return err
		}
	}
	if err := o.load(body); err != nil {
		return err
	}
	return o.rewrap()
}

func (o *opener) list() error {
	o.files = make(map[uint64]bool)
	entries, err := o.cfg.FS.List(o.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name
		if n, ok := parseName(name, indexSuffix); ok && !e.Dir {
			o.indexes = append(o.indexes, n)
		} else if n, ok := parseName(name, blockSuffix); ok && !e.Dir {
			o.files[n] = true
		} else if strings.HasSuffix(name, indexSuffix+vfs.TempSuffix) {
			o.temporary = append(o.temporary, name)
		} else if name != lostDir {
			o.rec.Unknown = append(o.rec.Unknown, name)
		}
	}
	slices.SortFunc(o.indexes, func(a, b uint64) int { return cmp.Compare(b, a) })
	return nil
}

// beginAnew makes a store that is empty in the place of one of which nobody can say how
// it was, if all can be replayed.
func (o *opener) beginAnew(damage *IndexError) error {
	if !o.canReplay(nil) {
		return damage
	}
	o.rec.Repaired = append(o.rec.Repaired, damage)
	if err := o.putAside(&indexBody{}); err != nil {
		return err
	}
	return o.create()
}

func (o *opener) canReplay(extra []byte) bool {
	return o.cfg.CanReplay != nil && o.cfg.CanReplay(extra)
}

// create makes a store that is empty. Its index is durable before there is any
// block, so that blocks without index are damage.
func (o *opener) create() error {
	if err := o.cfg.FS.MkdirAll(o.cfg.Dir); err != nil {
		return err
	}
	if err := vfs.SyncDir(o.cfg.FS, filepath.Dir(o.cfg.Dir)); err != nil {
		return err
	}
	var id [8]byte
	if _, err := io.ReadFull(o.cfg.Rand, id[:]); err != nil {
		return err
	}
	o.id = binary.LittleEndian.Uint64(id[:])
	if o.cfg.Cipher != seal.Plain {
		if err := o.newKey(); err != nil {
			return err
		}
	}
	o.nextBlock, o.generation = 1, 1
	if err := o.writeIndex(1, &indexBody{nextBlock: 1}); err != nil {
		return err
	}
	o.committing.kept = []uint64{1}
	return nil
}

func (o *opener) newKey() (err error) {
	key := make([]byte, seal.KeySize)
	if _, err := io.ReadFull(o.cfg.Rand, key); err != nil {
		return err
	}
	o.keys.wrapped = o.cfg.Keys.Seal(key, wrapContext(o.id))
	return o.useKey(key)
}

func (o *opener) useKey(key []byte) (err error) {
	o.keys.data = key
	for _, c := range []seal.Cipher{seal.AES, seal.ChaCha} {
		if o.keys.aeads[c], err = c.AEAD(key, Purpose); err != nil {
			return err
		}
	}
	return nil
}

// chooseIndex reads the newest index, or the one before it.
func (o *opener) chooseIndex() (*indexBody, error) {
	newest := o.indexes[0]
	body, head, err := o.readIndex(newest)
	if err == nil {
		return body, o.useHead(head)
	}
	if errors.Is(err, seal.ErrKey) {
		return nil, fmt.Errorf("store: %s: %w", o.cfg.Dir, seal.ErrKey)
	}
	damage := &IndexError{Dir: o.cfg.Dir, Generation: newest, Err: err}
	for _, g := range o.indexes[1:] {
		body, head, err := o.readIndex(g)
		if err != nil {
			continue // the newest one's error is told
		}
		damage.Older, damage.Extra = g, body.extra
		if !o.canReplay(body.extra) {
			return nil, damage
		}
		o.rec.Older = true
		o.rec.Repaired = append(o.rec.Repaired, damage)
		return body, o.useHead(head)
	}
	return nil, damage
}

func (o *opener) useHead(h *indexHead) error {
	o.id, o.rec.Generation = h.store, h.generation
	o.rec.Exposed = h.cipher == seal.Plain && o.cfg.Cipher != seal.Plain
	if o.cfg.Cipher != seal.Plain && o.keys.data == nil {
		return o.newKey()
	}
	return nil
}

// readIndex reads and verifies an index.
func (o *opener) readIndex(generation uint64) (*indexBody, *indexHead, error) {
	content, err := vfs.ReadFile(o.cfg.FS, o.indexPath(generation), maxIndex)
	if err != nil {
		return nil, nil, err
	}
	h, rest, err := decodeIndexHead(content)
	if err != nil {
		return nil, nil, err
	}
	if h.generation != generation {
		return nil, nil, fmt.Errorf("it is index %x", h.generation)
	}
	if len(h.wrapped) > 0 {
		key, old, err := o.cfg.Keys.Open(h.wrapped, wrapContext(h.store))
		if err != nil {
			return nil, nil, err
		}
		if err := o.useKey(key); err != nil {
			return nil, nil, err
		}
		o.keys.wrapped, o.stale = h.wrapped, old
	}
	codec, err := o.codec(false, h.cipher)
	if err != nil {
		return nil, nil, err
	}
	raw, f, err := codec.open(rest, h.place(), frameIndex)
	if err != nil {
		return nil, nil, err
	}
	if f.length() != len(rest) {
		return nil, nil, errIndex
	}
	body, err := decodeIndexBody(raw)
	return body, &h, err
}

// adopt takes over the blocks of an index, and notes which files are not among
// them: they are left from before it, or were made after it, and go with the next
// checkpoint.
func (o *opener) adopt(body *indexBody) {
	o.state = body.state
	o.generation = o.indexes[0]
	o.nextBlock = body.nextBlock
	o.losses = body.losses
	listed := make(map[uint64]bool)
	for i := range body.blocks {
		st := &body.blocks[i]
		b := o.newBlock(st.id)
		st.b = b
		b.framed, b.compress, b.cipher = st.framed, st.compress, st.cipher
		b.base, b.last, b.n, b.firstTime, b.lastTime = st.base, st.last, st.n, st.firstTime, st.lastTime
		b.end, b.sum, b.dead, b.live, b.liveBytes = st.end, st.sum, st.dead, st.live, st.liveBytes
		b.written, b.synced, b.foot, b.renew, b.damaged = st.written, st.written, st.foot, st.renew, st.damaged
		if b.cipher == seal.Plain && o.cfg.Cipher != seal.Plain {
			// What is in clear is not to stay so, nor to go on.
			b.renew, o.rec.Exposed = true, true
		}
		b.full = true
		listed[b.id] = true
		o.blocks = append(o.blocks, b)
	}
	for _, g := range slices.Backward(o.indexes) {
		if g <= o.rec.Generation {
			o.committing.kept = append(o.committing.kept, g)
		}
	}
	for id := range o.files {
		o.nextBlock = max(o.nextBlock, id+1)
		if listed[id] || o.rec.Older {
			continue
		}
		b := o.newBlock(id)
		b.gone, b.written = true, 1
		o.rec.Exposed = o.rec.Exposed || o.cfg.Cipher != seal.Plain
		if id < body.nextBlock {
			// The index before may need it.
			b.dropped = o.committing.kept[0]
		}
		o.dropped = append(o.dropped, b)
	}
	slices.SortFunc(o.dropped, func(a, b *block) int { return cmp.Compare(a.id, b.id) })
}
