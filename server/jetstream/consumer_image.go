package jetstream

import (
	"errors"
	"io"

	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// A consumer keeps nothing but its log, which begins in front of an entry that holds its
// whole state. So its image is empty: it stands in front of the newest such entry, and what
// follows it is the state. A replica that gets it has what it needs to go on when it has that
// entry, which is then durable like any other.

// consumerImage is a host.Snapshot.
type consumerImage struct{ at host.Position }

// errNoWhole says that the whole state is in no entry yet. Nothing of the log is gone then,
// and nobody needs an image.
var errNoWhole = errors.New("jetstream: the consumer has not written its whole state yet")

// Snapshot implements host.StateMachine.
func (c *consumer) Snapshot() (host.Snapshot, error) {
	if c.wholeAt.Base.Index == 0 {
		return nil, errNoWhole
	}
	return &consumerImage{c.wholeAt}, nil
}

// Restore implements host.StateMachine. The state of before is of no use any more: the log
// is to begin behind at, as soon as that is durable.
func (c *consumer) Restore(at host.Position, im host.Image) error {
	if im.Size() != 0 {
		return errForeignImage
	}
	c.state, c.blank = consumercore.State{}, true
	c.at, c.wholeAt = at, host.Position{}
	c.at.Base.Conf = at.Base.Conf.Clone()
	c.noteVoters()
	c.frames, c.bytes = 0, 0
	return nil
}

// Keep implements host.Keeper: what is in front of the log is nowhere but in memory, so that the
// consumer gets all of it from the others again.
func (c *consumer) Keep() (host.Position, error) {
	c.state, c.blank = consumercore.State{}, false
	c.at, c.wholeAt = host.Position{}, host.Position{}
	c.frames, c.bytes = 0, 0
	return c.at, nil
}

// Position implements host.Snapshot.
func (i *consumerImage) Position() host.Position { return i.at }

// Size implements host.Image.
func (i *consumerImage) Size() int64 { return 0 }

// ReadAt implements host.Image.
func (i *consumerImage) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// Close implements host.Snapshot.
func (i *consumerImage) Close() error { return nil }
