package founding

import (
	"errors"
	"reflect"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

var states = []State{
	{},
	{Attempt: 7},
	{Attempt: 1 << 40, Locked: Lock{{1, 2}, {3, 1 << 50}}},
	{Attempt: 3, Locked: Lock{{5, 3}}, Founded: []raft.PeerID{5, 1 << 63}},
}

var announcements = []*Announcement{
	{From: 1, Attempt: 1, Members: []raft.PeerID{1}},
	{From: 9, Attempt: 4, Members: []raft.PeerID{2, 9, 11}, Complete: true, Locked: Lock{{2, 1}, {9, 4}, {11, 300}}},
	{From: 2, Members: []raft.PeerID{2}, Founded: []raft.PeerID{1, 2, 3}},
	{From: 2, Founded: []raft.PeerID{1}},
}

// What one server writes another one reads, and nothing else is taken for it.
func TestEncoding(t *testing.T) {
	for _, s := range states {
		b := s.Append(nil)
		if got, err := DecodeState(b); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%+v became %+v, %v", s, got, err)
		}
		wantBad(t, b, func(b []byte) error { _, err := DecodeState(b); return err })
	}
	for _, a := range announcements {
		b := a.Append(nil)
		if got, err := DecodeAnnouncement(b); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%+v became %+v, %v", a, got, err)
		}
		wantBad(t, b, func(b []byte) error { _, err := DecodeAnnouncement(b); return err })
	}
	for _, a := range []*Announcement{
		{From: 1, Members: []raft.PeerID{2, 3}},
		{Members: []raft.PeerID{1}},
		{From: 1, Members: []raft.PeerID{2, 1}},
		{From: 1, Members: []raft.PeerID{1, 1}},
		{From: 1, Members: []raft.PeerID{1}, Locked: Lock{{2, 1}, {1, 1}}},
		{From: 1, Members: []raft.PeerID{1}, Founded: []raft.PeerID{3, 2}},
	} {
		if _, err := DecodeAnnouncement(a.Append(nil)); !errors.Is(err, ErrBad) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// wantBad checks that what is cut, goes on, or is of a newer version is refused.
func wantBad(t *testing.T, b []byte, decode func([]byte) error) {
	t.Helper()
	newer := append([]byte{version + 1}, b[1:]...)
	for _, bad := range [][]byte{nil, b[:len(b)-1], append(b[:len(b):len(b)], 0), newer} {
		if err := decode(bad); !errors.Is(err, ErrBad) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range states {
		f.Add(s.Append(nil))
	}
	for _, a := range announcements {
		f.Add(a.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(b); err == nil {
			if again, err := DecodeState(s.Append(nil)); err != nil || !reflect.DeepEqual(again, s) {
				t.Errorf("%+v became %+v, %v", s, again, err)
			}
		}
		a, err := DecodeAnnouncement(b)
		if err != nil {
			return
		}
		if again, err := DecodeAnnouncement(a.Append(nil)); err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%+v became %+v, %v", a, again, err)
		}
		// Whatever a server says, hearing it does no harm.
		New(1, State{}).Hear(a)
	})
}
