package host

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// receiver receives one image into a file, and sees to it that it is installed. It
// is an actor.
type receiver struct {
	host  *Host
	group *Group
	offer offer
	// installing is set when the image is complete.
	installing atomic.Bool

	mu        sync.Mutex
	mail      receiverMail
	scheduled bool

	// The rest belongs to the worker that runs it, and to the apply stage while it
	// restores the image.
	file vfs.File
	// scratch is how file is written and read if it is encrypted, or nil.
	scratch *seal.Scratch
	name    string
	have    int64
	gap     bool // the sender was told of a gap
	quiet   int  // ticks without anything
	ended   bool
}

type receiverMail struct {
	offered   bool
	chunks    []chunk
	ticks     int
	restored  bool
	err       error // of restoring
	cancelled bool
}

var (
	errDigest  = errors.New("the image does not have its digest")
	errTimeout = errors.New("the sender has fallen silent")
)

func (r *receiver) post(put func(*receiverMail)) {
	r.mu.Lock()
	put(&r.mail)
	wake := !r.scheduled
	r.scheduled = true
	r.mu.Unlock()
	if wake {
		r.host.bulkPool.push(r)
	}
}

// release implements actor.
func (r *receiver) release() *pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.mail
	if !m.offered && len(m.chunks) == 0 && m.ticks == 0 && !m.restored && !m.cancelled {
		r.scheduled = false
		return nil
	}
	return r.host.bulkPool
}

// run implements actor.
func (r *receiver) run(*worker) {
	r.mu.Lock()
	m := r.mail
	r.mail = receiverMail{}
	r.mu.Unlock()
	switch {
	case r.ended:
		return
	case m.restored:
		r.restored(m.err)
		return
	case r.installing.Load():
		// It can only be waited for.
		if m.offered {
			r.answer(answerAccept, r.offer.size)
		}
		return
	case m.cancelled:
		r.end(nil)
		return
	}
	if m.offered {
		r.quiet, r.gap = 0, false
		if err := r.open(); err != nil {
			r.fail(err)
			return
		}
		r.answer(answerAccept, r.have)
	}
	for i := range m.chunks {
		if err := r.take(&m.chunks[i]); err != nil {
			r.fail(err)
			return
		}
		if r.installing.Load() {
			return
		}
	}
	if m.ticks > 0 {
		if r.quiet++; r.quiet >= giveUpTicks {
			r.end(errTimeout)
		}
	}
}

func (r *receiver) open() (err error) {
	if r.file == nil {
		r.name = filepath.Join(r.host.cfg.Dir, fmt.Sprintf("%016x-%016x.image", uint64(r.group.id), r.offer.id))
		r.file, err = r.host.cfg.FS.Create(r.name)
		if c := r.host.cfg.Cipher; err == nil && c != seal.Plain {
			r.scratch, err = seal.NewScratch(c, r.file)
		}
	}
	if err == nil && r.offer.size == 0 {
		err = r.complete(nil)
	}
	return err
}

// take writes a chunk, if it is the next one.
func (r *receiver) take(c *chunk) error {
	n := int64(len(c.data))
	r.quiet = 0
	switch {
	case r.file == nil || c.offset < r.have:
		r.answer(answerAck, r.have)
		return nil
	case c.offset > r.have || n > r.offer.size-c.offset:
		// Something was lost. Once is enough to say so: there are more behind it.
		if !r.gap {
			r.gap = true
			r.answer(answerAccept, r.have)
		}
		return nil
	}
	if err := r.write(c.data); err != nil {
		return err
	}
	r.have += n
	r.gap = false
	if r.have == r.offer.size {
		return r.complete(c.digest)
	}
	r.answer(answerAck, r.have)
	return nil
}

// write puts data behind what there is.
func (r *receiver) write(data []byte) (err error) {
	if r.scratch != nil {
		_, err = r.scratch.Write(data)
	} else {
		_, err = r.file.WriteAt(data, r.have)
	}
	return err
}

// content returns what was written, once the image is complete.
func (r *receiver) content() io.ReaderAt {
	if r.scratch != nil {
		return r.scratch
	}
	return r.file
}

// complete makes sure that the whole image is on disk as it was sent, and gives it
// to the apply stage.
func (r *receiver) complete(digest []byte) error {
	if r.scratch != nil {
		if err := r.scratch.End(); err != nil {
			return err
		}
	}
	if err := r.file.Sync(); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r.content(), 0, r.offer.size)); err != nil {
		return err
	}
	if r.offer.size > 0 && !bytes.Equal(sum.Sum(nil), digest) {
		return errDigest
	}
	r.answer(answerAck, r.have)
	r.installing.Store(true)
	if !r.group.apply.post(task{restore: r}) {
		return ErrStopped
	}
	return nil
}

// Size implements Image.
func (r *receiver) Size() int64 { return r.offer.size }

// ReadAt implements Image.
func (r *receiver) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(r.content(), 0, r.offer.size).ReadAt(p, off)
}

// restore has the machine take over an image, unless it is past it already.
func (a *applier) restore(r *receiver) {
	err := a.failed
	if at := &r.offer.at; err == nil && at.Base.Index > a.at.Base.Index {
		if err = a.machine.Restore(*at, r); err == nil {
			a.at = Position{Base: at.Base, Time: at.Time}
			a.at.Base.Conf = at.Base.Conf.Clone()
			a.applied.Store(uint64(at.Base.Index))
			a.maybeLead()
		}
	}
	r.post(func(m *receiverMail) { m.restored, m.err = true, err })
}

// restored tells the core that the machine holds the image.
func (r *receiver) restored(err error) {
	if err != nil {
		r.fail(fmt.Errorf("installing it: %w", err))
		return
	}
	r.group.control(func(*worker) { r.group.installed(&r.offer) })
	r.end(nil)
}

// installed is told that the machine holds an image.
func (g *Group) installed(o *offer) {
	if g.core == nil || g.core.ID() != o.to {
		return
	}
	g.lastTime = max(g.lastTime, o.at.Time)
	base := o.at.Base
	m := raft.Message{Type: raft.MsgSnap, From: o.from, To: o.to, Term: o.term, Base: &base}
	g.step(&m)
	g.skipped(&base)
	g.host.snapshotsIn.Add(1)
	g.host.event(Event{Kind: EventSnapshot, Group: g.id, Peer: o.to})
	g.host.sendAnswer(o.from.Node(), answer{code: answerInstalled, id: o.id})
}

func (r *receiver) fail(err error) {
	r.answer(answerFailed, 0)
	r.end(err)
}

// end lets go of the file.
func (r *receiver) end(err error) {
	r.ended = true
	if err != nil {
		r.host.event(Event{Kind: EventSnapshot, Group: r.group.id, Peer: r.offer.from, Err: err})
	}
	if r.file != nil {
		// The file has served, or is of no use. If it stays it is removed at the
		// next start.
		if err := errors.Join(r.file.Close(), r.host.cfg.FS.Remove(r.name)); err != nil {
			r.host.event(Event{Kind: EventSnapshot, Group: r.group.id, Peer: r.offer.from, Err: err})
		}
		r.file, r.scratch = nil, nil
	}
	r.host.transfers.received(r)
}

func (r *receiver) answer(code answerCode, offset int64) {
	r.host.sendAnswer(r.offer.from.Node(), answer{code: code, id: r.offer.id, value: uint64(offset)})
}
