package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// metaImage is a host.Snapshot: the encoded state. It is encoded when it is asked for,
// which is not on the apply stage.
type metaImage struct {
	at    host.Position
	image *meta.Image
	text  *bytes.Reader
}

// Snapshot implements host.StateMachine.
func (m *metaGroup) Snapshot() (host.Snapshot, error) {
	return &metaImage{at: m.position(), image: m.state.Image()}, nil
}

// Position implements host.Snapshot.
func (i *metaImage) Position() host.Position { return i.at }

func (i *metaImage) encoded() *bytes.Reader {
	if i.text == nil {
		i.text, i.image = bytes.NewReader(i.image.Append(nil)), nil
	}
	return i.text
}

// Size implements host.Image.
func (i *metaImage) Size() int64 { return i.encoded().Size() }

// ReadAt implements host.Image.
func (i *metaImage) ReadAt(p []byte, off int64) (int, error) { return i.encoded().ReadAt(p, off) }

// Close implements host.Snapshot.
func (i *metaImage) Close() error { return nil }

// Restore implements host.StateMachine.
func (m *metaGroup) Restore(at host.Position, im host.Image) error {
	if im.Size() > maxMetaBytes {
		return fmt.Errorf("%w: %d bytes", meta.ErrBadState, im.Size())
	}
	text := make([]byte, im.Size())
	if n, err := im.ReadAt(text, 0); n < len(text) {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	state, err := meta.Decode(text)
	if err != nil {
		return err
	}
	next := &metaGroup{e: m.e, state: state}
	next.at = at
	content := next.encode()
	// The log is to begin behind the image: the checkpoint before is of no more use once this
	// one is there, but it is until then.
	name, older := m.e.path(metaName), m.e.path(oldMetaName)
	if err := m.e.cfg.FS.Rename(name, older); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := vfs.WriteFile(m.e.cfg.FS, name, content); err != nil {
		return err
	}
	if err := vfs.WriteFile(m.e.cfg.FS, older, content); err != nil {
		// It makes up for damage of the other one, and comes back with the next checkpoint.
		m.e.cfg.Logger.Errorf("JetStream: the checkpoint of assets before the newest: %v", err)
	}
	m.mu.Lock()
	m.state = state
	live := m.live
	m.mu.Unlock()
	m.at, m.since = next.position(), 0
	m.kept = at.Base.Index
	m.tide.rise(at.Base.Index)
	if live {
		m.e.arrangeAll(state)
	}
	return nil
}
