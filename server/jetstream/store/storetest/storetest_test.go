package storetest_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io/fs"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
	"github.com/nats-lite/nats-lite/server/jetstream/store/storetest"
)

// TestRunDurable asks whether the kit can be passed at all, by an engine that
// writes all it has to one file.
func TestRunDurable(t *testing.T) {
	storetest.RunDurable(t, store.MemorySize, func(t *testing.T, fs *vfs.Mem) (store.Store, []byte) {
		s, extra, err := openWhole(fs)
		if err != nil {
			t.Fatal(err)
		}
		return s, extra
	})
}

const wholeFile = "store"

// whole is a store in memory with checkpoints that hold all of it.
type whole struct {
	*mem.Store
	fs vfs.FS
}

// wholeImage is what is in the file.
type wholeImage struct {
	State    store.State
	Messages []store.Message
	Extra    []byte
}

func openWhole(fsys vfs.FS) (s *whole, extra []byte, err error) {
	s = &whole{mem.New(), fsys}
	b, err := vfs.ReadFile(fsys, wholeFile, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	var image wholeImage
	if err == nil {
		err = gob.NewDecoder(bytes.NewReader(b)).Decode(&image)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, image.Extra, s.restore(&image)
}

func (s *whole) restore(image *wholeImage) error {
	if image.State.Messages == 0 && image.State.First > 0 {
		if err := s.Reset(max(1, image.State.Last)); err != nil {
			return err
		}
	}
	for i := range image.Messages {
		if err := s.Append(&image.Messages[i]); err != nil {
			return err
		}
	}
	return s.Skip(image.State.Last, image.State.LastTime)
}

// Checkpoint implements store.Store.
func (s *whole) Checkpoint(extra []byte) (store.Checkpoint, error) {
	snapshot, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	return &wholeCheckpoint{s.fs, snapshot, bytes.Clone(extra)}, nil
}

type wholeCheckpoint struct {
	fs vfs.FS
	store.Snapshot
	extra []byte
}

// Commit implements store.Checkpoint.
func (c *wholeCheckpoint) Commit() error {
	image := wholeImage{State: c.State(), Extra: c.extra}
	for m, err := range c.Messages(0) {
		if err != nil {
			return err
		}
		image.Messages = append(image.Messages, store.Message{
			Seq: m.Seq, Time: m.Time,
			Subject: bytes.Clone(m.Subject), Header: bytes.Clone(m.Header), Data: bytes.Clone(m.Data),
		})
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&image); err != nil {
		return err
	}
	return errors.Join(vfs.WriteFile(c.fs, wholeFile, b.Bytes()), c.Close())
}

// Delete implements store.Store.
func (s *whole) Delete() error {
	return errors.Join(s.Close(), s.fs.Remove(wholeFile))
}
