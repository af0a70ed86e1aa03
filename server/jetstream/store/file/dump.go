package file

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// ErrDamaged is what Dump returns if a store is not what was written.
var ErrDamaged = errors.New("the store is damaged")

// maxLooks is how often Dump looks at a store that seems to be damaged.
const maxLooks = 3

// Dump prints what a store holds, and verifies all of it. It changes nothing. A
// server may have the store open: what is seen in the middle of a change is
// looked at again. Keys open an encrypted store; without
// those that fit checksums are verified, and not more is known. It returns ErrDamaged if anything is wrong.
func Dump(w io.Writer, fs vfs.FS, dir string, keys *seal.Keys) error {
	var p *printer
	for range maxLooks {
		p = &printer{}
		if err := p.dump(fs, dir, keys); err != nil {
			return err
		}
		if !p.damaged {
			p.line("the store is sound")
			break
		}
	}
	if _, err := w.Write(p.out); err != nil {
		return err
	}
	if p.damaged {
		return ErrDamaged
	}
	return nil
}

type printer struct {
	out     []byte
	damaged bool
}

func (p *printer) line(format string, args ...any) {
	p.out = fmt.Appendf(p.out, format+"\n", args...)
}

func (p *printer) wrong(format string, args ...any) {
	p.damaged = true
	p.line("DAMAGE: "+format, args...)
}

func (p *printer) dump(fs vfs.FS, dir string, keys *seal.Keys) error {
	cfg := Config{FS: fs, Dir: dir, Keys: keys}
	if err := cfg.fill(); err != nil {
		return err
	}
	if _, err := fs.Stat(dir); err != nil {
		return err
	}
	s := &Store{cfg: cfg, cache: cfg.Cache}
	o := &opener{Store: s}
	if err := o.list(); err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // nothing was written
	if len(o.indexes) == 0 {
		p.line("%s holds no store", dir)
		if len(o.files) > 0 {
			p.wrong("there are %d blocks and no index", len(o.files))
		}
		return nil
	}
	body := p.indexes(o)
	if body == nil {
		return p.sealedBlocks(o)
	}
	o.adopt(body)
	p.state(o, body)
	for _, b := range o.blocks {
		p.block(o, b)
	}
	for _, b := range o.dropped {
		p.line("%s is left over", blockName(b.id))
	}
	for _, name := range append(o.temporary, o.rec.Unknown...) {
		p.line("%s is not part of it", name)
	}
	return nil
}

// indexes prints the indexes, and returns the newest one that can be read.
func (p *printer) indexes(o *opener) (newest *indexBody) {
	for _, g := range o.indexes {
		body, h, err := o.readIndex(g)
		switch {
		case errors.Is(err, seal.ErrKey):
			p.line("%s is encrypted", indexName(g))
		case err != nil:
			p.wrong("%s: %v", indexName(g), err)
		case newest == nil:
			encrypted := ""
			if h.cipher != seal.Plain {
				encrypted = fmt.Sprintf(", encrypted by %v", h.cipher)
			}
			p.line("store %016x, generation %d in %s%s", h.store, h.generation, indexName(g), encrypted)
			o.id, o.rec.Generation = h.store, h.generation
			newest = body
		default:
			p.line("%s: generation %d, last %d", indexName(g), h.generation, body.state.Last)
		}
	}
	return newest
}

func (p *printer) state(o *opener, body *indexBody) {
	st := body.state
	p.line("messages %d, %d bytes, first %d, last %d, extra %d bytes", st.Messages, st.Bytes, st.First, st.Last, len(body.extra))
	for _, l := range body.losses {
		p.wrong("messages %d to %d are lost: %v", l.First, l.Last, l.Err)
	}
	for _, b := range o.blocks {
		if !o.files[b.id] {
			p.wrong("%s is missing", blockName(b.id))
		}
	}
}

func (p *printer) block(o *opener, b *block) {
	kind := "open"
	if b.foot.sealed() {
		kind = "sealed"
	}
	if b.compress {
		kind += ", compressed"
	}
	p.line("%s: %s, %d bytes, messages %d to %d, %d records, %d live with %d bytes", blockName(b.id), kind, b.written,
		b.base, b.last, b.n, b.live, b.liveBytes)
	t := o.scanTargetLocked(b)
	if b.foot.sealed() {
		if err := o.loadFooter(&t, b.dead, &loaded{}); err != nil {
			p.wrong("%s: footer: %v", blockName(b.id), err)
		}
	}
	found, err := o.scan(&t)
	if err != nil {
		p.wrong("%s: %v", blockName(b.id), err)
		return
	}
	if found.header != nil {
		p.wrong("%s: %v", blockName(b.id), found.header)
	}
	dead := 0
	for _, r := range found.bad {
		if b.dead.has(r.ordinal) {
			dead++
		}
	}
	for _, l := range losses(b, found.mem, b.dead, found.bad) {
		p.wrong("%v", l.Err)
	}
	if dead > 0 {
		p.line("  %d records that are removed are damaged, too", dead)
	}
}

// sealedBlocks verifies the frames of blocks whose keys are not there. Where a
// block should end is not known.
func (p *printer) sealedBlocks(o *opener) error {
	if h, err := o.readHead(o.indexes[0]); err == nil {
		o.id = h.store
		p.line("store %016x, generation %d, encrypted by %v", h.store, h.generation, h.cipher)
	}
	ids := make([]uint64, 0, len(o.files))
	for id := range o.files {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		b := o.newBlock(id)
		raw, err := o.readWhole(b, 4*maxBlockEnd)
		if err != nil {
			return err
		}
		if err := checkHeader(raw, o.id, id); err != nil {
			p.wrong("%s: %v", blockName(id), err)
			continue
		}
		at, frames := blockHeader, 0
		for at < len(raw) {
			f, err := verifyFrame(raw[at:], place{o.id, id, int64(at)})
			if err != nil {
				break
			}
			frames++
			at += f.length()
		}
		p.line("%s: %d frames, valid up to %d of %d bytes", blockName(id), frames, at, len(raw))
	}
	return nil
}

// readHead reads the part of an index that is never encrypted.
func (o *opener) readHead(generation uint64) (indexHead, error) {
	content, err := vfs.ReadFile(o.cfg.FS, o.indexPath(generation), maxIndex)
	if err != nil {
		return indexHead{}, err
	}
	h, rest, err := decodeIndexHead(content)
	if err == nil {
		_, err = verifyFrame(rest, h.place())
	}
	return h, err
}

var _ store.Store = (*Store)(nil)
