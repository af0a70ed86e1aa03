package founding

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/raft"
)

// version is the first byte of what is encoded here (docs/formats/founding.md).
const version = 1

// ErrBad says that something was written by a newer version, or is not what it should be.
var ErrBad = errors.New("founding: not a state or announcement")

// Append appends the encoded state to dst.
func (s *State) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, version), s.Attempt)
	return appendPeers(appendLock(dst, s.Locked), s.Founded)
}

// DecodeState decodes what Append has encoded. The error is ErrBad.
func DecodeState(b []byte) (s State, err error) {
	r := pack.NewReader(b)
	if r.Byte() != version {
		return State{}, ErrBad
	}
	s = State{Attempt: r.Uvarint(), Locked: readLock(&r), Founded: readPeers(&r)}
	if !r.End() {
		return State{}, ErrBad
	}
	return s, nil
}

// Append appends the encoded announcement to dst.
func (a *Announcement) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, version), uint64(a.From))
	dst = binary.AppendUvarint(dst, a.Attempt)
	dst = pack.AppendBool(appendPeers(dst, a.Members), a.Complete)
	return appendPeers(appendLock(dst, a.Locked), a.Founded)
}

// DecodeAnnouncement decodes what Append has encoded. The error is ErrBad, also of what no
// server says.
func DecodeAnnouncement(b []byte) (*Announcement, error) {
	r := pack.NewReader(b)
	if r.Byte() != version {
		return nil, ErrBad
	}
	a := &Announcement{
		From: raft.PeerID(r.Uint64()), Attempt: r.Uvarint(), Members: readPeers(&r), Complete: r.Bool(), Locked: readLock(&r), Founded: readPeers(&r),
	}
	if !r.End() || a.From == raft.None || a.Founded == nil && !slices.Contains(a.Members, a.From) {
		return nil, ErrBad
	}
	return a, nil
}

// appendPeers appends peers in their order.
func appendPeers(dst []byte, peers []raft.PeerID) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(peers)))
	for _, p := range peers {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p))
	}
	return dst
}

// readPeers reads peers, nil if there are none. They have to be in order, and to differ.
func readPeers(r *pack.Reader) (peers []raft.PeerID) {
	last := raft.None
	for range r.Count(8) {
		p := raft.PeerID(r.Uint64())
		if p <= last {
			r.Fail()
			return nil
		}
		peers, last = append(peers, p), p
	}
	return peers
}

func appendLock(dst []byte, l Lock) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l)))
	for _, m := range l {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Peer))
		dst = binary.AppendUvarint(dst, m.Attempt)
	}
	return dst
}

// readLock reads a lock as readPeers reads peers.
func readLock(r *pack.Reader) (l Lock) {
	last := raft.None
	for range r.Count(9) {
		m := Member{Peer: raft.PeerID(r.Uint64()), Attempt: r.Uvarint()}
		if m.Peer <= last {
			r.Fail()
			return nil
		}
		l, last = append(l, m), m.Peer
	}
	return l
}
