package jetstream

import (
	"bytes"
	"errors"
	"syscall"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A stream whose store could not take what was committed stands still: its group is
// halted, and it refuses what is published. If that was because the disk is full, it
// begins again as after a restart of the server, when there is space: from its
// checkpoint and the log behind it. Likewise one waits that could not be opened for want
// of space. Nothing else is tried again, for what a disk has failed to keep once is not
// to be trusted.

const (
	// spaceEvery is how often a full disk is looked at.
	spaceEvery = 2 * time.Second
	// spaceNeeded is how much room there has to be before a stream begins again.
	spaceNeeded = 1 << 20
)

// fail notes that the core and the store are not what they should be. It is called on
// the apply stage.
func (s *stream) fail(err error) {
	s.failed = true
	if !noSpace(err) {
		return
	}
	s.e.jobs.run(func() {
		if !s.awaitSpace() {
			return
		}
		s.e.restart([]*stream{s}, func(err error) {
			if err != nil && s.e.ctx.Err() == nil {
				s.complain("beginning again", err)
			}
		})
	})
}

// awaitSpace waits until there is space. It returns false if the stream or the engine
// is closed before.
func (s *stream) awaitSpace() bool {
	for {
		t := s.e.cfg.Clock.NewTimer(spaceEvery)
		select {
		case <-t.C():
		case <-s.e.ctx.Done():
			t.Stop()
			return false
		}
		if s.isClosed() {
			return false
		}
		if s.e.hasSpace() {
			return true
		}
	}
}

// noSpace reports whether an error says that the disk is full.
func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// hasSpace finds out whether something can be written.
func (e *Engine) hasSpace() bool {
	path := e.path("space")
	err := vfs.WriteFile(e.cfg.FS, path, bytes.Repeat([]byte{1}, spaceNeeded))
	return errors.Join(err, e.cfg.FS.RemoveAll(path)) == nil
}

// restart has other streams take the place of some, with the same groups and files. It
// is done where assets come and go, on the apply stage of their group; then placed is
// called. The others begin when these have ended.
func (e *Engine) restart(list []*stream, placed func(error)) {
	if e.meta.group == nil {
		placed(errFixed)
		return
	}
	e.meta.group.ReadIndex(func(_ raft.Index, err error) {
		for _, s := range list {
			if err == nil {
				e.replace(s)
			}
		}
		placed(err)
	})
}

// errFixed says that assets can not be started or stopped, because what there is to be
// is only read.
var errFixed = errors.New("jetstream: the group of assets does not run")

// replace has another stream take the place of one, unless that was done already.
func (e *Engine) replace(s *stream) {
	st := s.assigned.Load()
	e.mu.Lock()
	if e.closed || e.streams[st.Group.ID] != s {
		e.mu.Unlock()
		return
	}
	next := e.newStreamLocked(s.task.Load())
	e.mu.Unlock()
	e.jobs.run(func() {
		s.stop()
		next.start()
	})
	e.arrange(e.meta.state, st)
}
