package jetstream

import (
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store/image"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// A stream's image is that of its store. The extra is what docs/formats/stream.md says: how
// far the stream was, the state of its core, and the digest of both, by which the replica
// that takes it over sees that it has come to the same.

// streamImage is a host.Snapshot.
type streamImage struct {
	*image.Writer
	at host.Position
}

// Position implements host.Snapshot.
func (i *streamImage) Position() host.Position { return i.at }

var (
	errForeignImage = errors.New("jetstream: the image is not that of this entry")
	errDiffers      = errors.New("jetstream: what was made from the image is not what it was made of")
)

// Snapshot implements host.StateMachine.
func (s *stream) Snapshot() (host.Snapshot, error) {
	digest, err := s.core.Digest()
	if err != nil {
		return nil, err
	}
	extra, err := s.core.AppendState(pack.AppendBytes(appendPosition(nil, &s.at), digest[:]))
	if err != nil {
		return nil, err
	}
	sn, err := s.store.Snapshot()
	if err != nil {
		return nil, err
	}
	return &streamImage{image.New(sn, extra), s.position()}, nil
}

// Restore implements host.StateMachine. Readers see the stream as it was until what takes
// its place is durable.
func (s *stream) Restore(at host.Position, im host.Image) error {
	c, err := image.Open(im, im.Size())
	if err != nil {
		return err
	}
	of, rest, err := decodePosition(c.Extra())
	if err != nil {
		return err
	}
	if of.Base.Index != at.Base.Index || of.Base.Term != at.Base.Term || of.Time != at.Time || !of.Base.Conf.Equal(&at.Base.Conf) {
		return fmt.Errorf("%w: it is of entry %d and not of %d", errForeignImage, of.Base.Index, at.Base.Index)
	}
	in := pack.NewReader(rest)
	digest := in.Bytes()
	core, err := streamcore.Restore(in.Rest(), s.store)
	if err != nil {
		return err
	}
	s.commits.Wait()
	r, err := s.store.Prepare(c)
	if err != nil {
		return err
	}
	got, err := core.DigestWith(r.State())
	if err == nil && string(got[:]) != string(digest) {
		err = fmt.Errorf("%w: the digest is %.8x, that of the leader %.8x", errDiffers, got, digest)
	}
	extra := []byte(nil)
	if err == nil {
		extra, err = core.AppendState(appendPosition(nil, &of))
	}
	if err != nil {
		return errors.Join(err, r.Discard())
	}
	if err := s.takeOver(core, of, func() error { return r.Commit(extra) }); err != nil {
		return err
	}
	s.lookAgain()
	return nil
}

// takeOver has another core and the content of the store that commit puts in its place
// take the place of what there is.
func (s *stream) takeOver(core *streamcore.Core, at host.Position, commit func() error) error {
	s.whole.close()
	defer s.whole.open()
	if err := commit(); err != nil {
		return err
	}
	s.core, s.at = core, at
	s.kept, s.since = at.Base.Index, 0
	s.noteVoters()
	s.noteKnown()
	s.count()
	return nil
}

// lookAgain has all who follow the stream look at it anew. It is called on the apply
// stage.
func (s *stream) lookAgain() {
	s.noteDue()
	s.mu.Lock()
	if s.isFollowed() && !s.isRestoring() {
		s.news = append(s.news, event{kind: eventSwept})
	}
	s.mu.Unlock()
	s.wake()
}
