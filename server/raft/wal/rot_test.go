package wal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// rotten is an open log of three segments, with a damaged entry in the first one.
func rotten(t *testing.T, errs *[]error) (*vfs.Mem, *Log) {
	t.Helper()
	fs := vfs.NewMem()
	cfg := testConfig(fs, errs)
	cfg.CacheBytes = -1
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Entries: []raft.Entry{
		{Index: 1, Term: 1, Data: []byte("sound")}, {Index: 2, Term: 1, Data: []byte("rotten")}, {Index: 3, Term: 1, Data: []byte("sound")},
	}}))
	must(t, l.Append(Write{Group: 2, Replica: &Replica{Self: 1}}))
	for i := range raft.Index(30) {
		must(t, l.Append(Write{Group: 2, Entries: []raft.Entry{{Index: i + 1, Term: 1, Data: make([]byte, 1000)}}}))
		must(t, l.Flush())
		must(t, l.Housekeep())
	}
	at := int64(bytes.Index(content(t, fs, segmentName(1)), []byte("rotten")))
	overwrite(t, fs, segmentName(1), at, []byte("R"))
	return fs, l
}

// Damage that comes while the log is open is found by reading, and told once.
func TestReadFindsDamage(t *testing.T) {
	var errs []error
	_, l := rotten(t, &errs)
	g, _ := l.Group(1)
	for range 2 {
		ents, err := g.Entries(1, 4, 1<<20)
		if err != nil || len(ents) != 1 || string(ents[0].Data) != "sound" {
			t.Errorf("in front of the damage: %v, %v", ents, err)
		}
		corrupt := (*CorruptionError)(nil)
		if ents, err := g.Entries(2, 4, 1<<20); !errors.As(err, &corrupt) || corrupt.Group != 1 || corrupt.Index != 2 {
			t.Errorf("the damage: %v, %v", ents, err)
		}
	}
	if len(errs) != 1 {
		t.Errorf("told %v", errs)
	}
	must(t, l.Close())
}

// Moving records forward does not give a damaged one a checksum that fits: its
// segment stays, and the next start finds it.
func TestDamageIsNotMovedForward(t *testing.T) {
	var errs []error
	fs, l := rotten(t, &errs)
	must(t, l.Append(Write{Group: 3, Replica: &Replica{Self: 1}}))
	for i := range raft.Index(200) {
		// Something of each segment is needed, and least of the first one.
		at := 31 + i
		must(t, l.Append(Write{
			Group: 2, Base: &raft.Base{Index: at - 1, Term: 1}, Entries: []raft.Entry{{Index: at, Term: 1, Data: make([]byte, 1000)}},
		}))
		must(t, l.Append(Write{Group: 3, Entries: []raft.Entry{{Index: i + 1, Term: 1, Data: make([]byte, 50)}}}))
		must(t, l.Flush())
		must(t, l.Housekeep())
	}
	if set := l.segs.Load(); set.find(1) == nil || set.find(2) != nil || l.Stats().Rewritten == 0 {
		t.Fatalf("there are segments %v, %+v", set.numbers(), l.Stats())
	}
	if len(errs) != 1 {
		t.Errorf("told %v", errs)
	}
	must(t, l.Close())
	cfg := testConfig(fs, nil)
	l = open(t, cfg)
	g, _ := l.Group(1)
	if d := g.State().Damage; len(d) != 1 || d[0].Kind != DamagedEntries || d[0].First != 2 || d[0].Last != 2 {
		t.Errorf("damage at the next start: %v", d)
	}
	must(t, l.Close())
}
