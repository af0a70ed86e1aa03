package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
)

// ErrDamaged is what Dump returns if the log is not what was written.
var ErrDamaged = errors.New("the log is damaged")

// Dump prints what a log holds, and verifies all of it. It changes nothing and
// takes no lock: a server may have the log open, whose last writes are then
// shown as not known to be synced. Where entries are encrypted and keys do not open
// them, their checksums alone are verified. It returns an error that is ErrDamaged
// if anything is wrong with what was synced.
func Dump(w io.Writer, fsys vfs.FS, dir string, keys *seal.Keys) error {
	a, err := lookTwice(fsys, dir)
	if err != nil {
		return err
	}
	p := &printer{w: w}
	if a.empty {
		p.line("%s holds no log", dir)
		if a.exists || len(a.files) > 0 {
			p.line("DAMAGE: there are files, and nothing is left in them")
			p.damaged = true
		}
		return p.result()
	}
	p.store(a)
	for _, s := range a.states {
		p.segment(a, s)
		if err := p.sealed(a, s, keys); err != nil {
			return err
		}
	}
	for _, g := range a.groups {
		p.group(g)
	}
	for _, h := range a.holes {
		p.wrong("%s: nobody knows what was in %s", segmentName(h.segment), h.span)
	}
	if !p.damaged {
		p.line("the log is sound")
	}
	return p.result()
}

// maxLooks is how often Dump looks at a log that seems to be damaged.
const maxLooks = 4

// lookTwice analyzes a log that may be written meanwhile. Segments are then seen
// at different times, and what is in one may seem to be missing in another, so
// only what is seen again is believed.
func lookTwice(fsys vfs.FS, dir string) (a *analysis, err error) {
	for range maxLooks {
		if a, err = analyze(fsys, dir, 0); err == nil && !a.empty && !a.damaged() {
			break
		}
	}
	return a, err
}

// printer keeps the first error of writing.
type printer struct {
	w       io.Writer
	err     error
	damaged bool
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) wrong(format string, args ...any) {
	p.damaged = true
	p.line("DAMAGE: "+format, args...)
}

func (p *printer) result() error {
	if p.err == nil && p.damaged {
		return ErrDamaged
	}
	return p.err
}

func (s span) String() string {
	if s.to >= maxSegment {
		return fmt.Sprintf("[%d, ...)", s.from)
	}
	return fmt.Sprintf("[%d, %d)", s.from, s.to)
}

func (p *printer) store(a *analysis) {
	p.line("store %016x, incarnation %08x", a.store.id, a.store.incarnation)
	if a.storeErr != nil {
		p.wrong("%v", a.storeErr)
	}
	if a.mark.segment > 0 {
		p.line("synced up to %s at %d", segmentName(a.mark.segment), a.mark.offset)
	}
	if a.catalog != nil {
		p.line("catalog of %d groups in %s as of %d", len(a.catalog.catalog), sidecarName(a.catalog.segment), a.catalog.catalogAt)
	}
	if len(a.leftovers) > 0 {
		p.line("not part of it: %s", strings.Join(a.leftovers, " "))
	}
}

func (p *printer) segment(a *analysis, s *segmentState) {
	if s.scan == nil {
		p.wrong("%s is missing", segmentName(s.number))
	} else {
		p.line("%s: %d bytes, %d used, groups %d, records%s", segmentName(s.number), s.scan.size, s.end, len(s.scan.groups), countKinds(s.scan))
		if s.scan.headerErr != nil {
			if s.number <= a.mark.segment {
				p.wrong("%s: %v", segmentName(s.number), s.scan.headerErr)
			} else {
				p.line("  %v", s.scan.headerErr)
			}
		}
	}
	if s.end > s.mark {
		p.line("  from %d on not known to be synced", s.mark)
	}
	if side := s.side; side != nil {
		sealed := ""
		if side.sealed {
			sealed = ", where the segment ends"
		}
		p.line("  %s: %d items up to %d%s", sidecarName(s.number), len(side.items), side.to, sealed)
		if side.err != nil {
			p.wrong("%v", side.err)
		}
	}
	for _, b := range s.bad {
		known := ""
		if b.known {
			known = ", the header of the record is valid"
		}
		p.wrong("%s: no valid record in %s%s", segmentName(s.number), b.span, known)
	}
	if s.scan != nil {
		for _, u := range s.scan.unreadable {
			p.wrong("%s: %s cannot be read", segmentName(s.number), u)
		}
	}
}

// sealed prints how the entries of a segment are encrypted, and verifies them.
func (p *printer) sealed(a *analysis, s *segmentState, keys *seal.Keys) (err error) {
	k := s.key()
	if k == nil || s.scan == nil {
		return nil
	}
	if k.open(keys, a.store.id, s.number) != nil {
		p.line("  encrypted by %v, with another key", k.cipher)
		return nil
	}
	p.line("  encrypted by %v", k.cipher)
	f, err := a.fs.Open(a.path(segmentName(s.number)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a server has removed it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	reader := k.reader()
	for _, id := range slices.Sorted(maps.Keys(s.scan.groups)) {
		for _, at := range s.scan.groups[id].places {
			place := makeLoc(s.number, int64(at.off8)*recordAlign, int(at.size))
			b := make([]byte, place.length())
			if err := readFull(f, b, place.offset()); err != nil {
				return err
			}
			r, ok := decodeRecord(b, seedOf(a.store.id, s.number), place.offset())
			if !ok {
				continue // the server is removing the segment
			}
			if _, err := reader.data(b, &r, place.offset()); err != nil {
				p.wrong("%s: entry %d of group %d at %d: %v", segmentName(s.number), r.index, id, place.offset(), err)
			}
		}
	}
	return nil
}

func countKinds(s *scan) string {
	var b strings.Builder
	for k, n := range s.records {
		if n > 0 {
			fmt.Fprintf(&b, " %v:%d", kind(k), n)
		}
	}
	return b.String()
}

func (p *printer) group(g *Group) {
	if !g.exists {
		p.line("group %d: deleted", g.id)
		return
	}
	memory := ""
	if g.replica.Memory {
		memory = " (in memory)"
	}
	p.line("group %d: replica %v%s, term %d, vote %v, base %d (term %d), last %d, %d records", g.id, g.replica.Self, memory,
		g.hard.Term, g.hard.Vote, g.base.Index, g.base.Term, g.lastLocked(), g.history.seq)
	for _, d := range g.damage {
		p.wrong("%v", d)
	}
}
