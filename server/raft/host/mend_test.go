package host

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// mender is a machine that keeps nothing but the log, and makes do with what is left of
// it. In its state there is a sign where something was missing.
type mender struct {
	*machine
	// refuses is why it does not.
	refuses error
	// seen is the latest time of a batch.
	seen int64
}

const (
	sign  = "…"
	whole = "whole:"
)

// Mend implements Mender.
func (m *mender) Mend(lost error, left iter.Seq2[bool, *Batch]) ([]byte, error) {
	if lost == nil {
		return nil, errors.New("mender: nothing is lost")
	}
	items := append(m.items(), sign)
	for missing, b := range left {
		if missing && items[len(items)-1] != sign {
			items = append(items, sign)
		}
		m.seen = max(m.seen, b.Time)
		for _, data := range b.Proposals() {
			items = append(items, string(data))
		}
	}
	return []byte(whole + strings.Join(items, ",")), m.refuses
}

func (m *mender) Apply(b *Batch) error {
	for _, data := range b.Proposals() {
		if list, ok := bytes.CutPrefix(data, []byte(whole)); ok {
			if b.Time <= max(m.seen, m.state.At.Time) {
				return errors.New("mender: time does not grow")
			}
			m.state.At.Base.Index, m.state.At.Time = b.Index, b.Time
			m.state.Items = strings.Split(string(list), ",")
			return nil
		}
	}
	return m.machine.Apply(b)
}

// openMender opens group 1 with one.
func (nd *node) openMender(refuses error) (*Group, *mender) {
	nd.t.Helper()
	lg, ok := nd.log.Group(1)
	if !ok {
		nd.t.Fatal("the group is gone")
	}
	m := &mender{machine: newMachine(&saved{machineState{At: Position{Base: lg.State().Base}}}), refuses: refuses}
	g, err := nd.host.Open(GroupConfig{ID: 1, Machine: m, Sole: true})
	if err != nil {
		nd.t.Fatal(err)
	}
	nd.machines[1] = m.machine
	return g, m
}

// Wherever the log of a lone replica is damaged, a machine that can mends it with all that
// is left, and goes on; the next start is an ordinary one.
func TestMend(t *testing.T) {
	all := slices.Concat(series("first-", 5), []string{"more"}, series("second-", 5), []string{"last"})
	c := newCluster(t, 1)
	nd := c.nodes[1]
	c.create(1, nil)
	c.create(2, nil)
	for _, part := range [][]string{all[:3], all[3:5], all[5:6], all[6:11], all[11:]} {
		c.apply(1, part...)
	}
	c.apply(2, "other") // what was written last cannot be told from torn
	nd.crash()
	sound := nd.fs
	segment, err := nd.newestSegment()
	if err != nil {
		t.Fatal(err)
	}
	content, err := vfs.ReadFile(sound, segment, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	step := 12
	if race.Enabled {
		step = 200
	}
	sole, mended, most := 0, 0, 0
	for at := 0; at < len(bytes.TrimRight(content, "\x00")); at += step {
		for _, refuses := range []error{nil, errors.New("it does not want to")} {
			nd.fs = sound.CrashClone(vfs.Killed)
			if err := errorfs.FlipStoredBit(nd.fs, segment, int64(at)*8+3); err != nil {
				t.Fatal(err)
			}
			nd.start()
			g, m := nd.openMender(refuses)
			c.tick(3)
			st, got := g.Status(), m.items()
			lg, _ := nd.log.Group(1)
			lost := slices.ContainsFunc(st.Damage, func(d wal.Damage) bool { return d.Kind == wal.DamagedUnknown || d.Kind == wal.DamagedEntries })
			switch {
			case lost && refuses != nil:
				if st.State != Halted || !errors.Is(m.halted, refuses) || len(lg.State().Damage) == 0 {
					t.Errorf("damage at %d: %v, told %v", at, st.State, m.halted)
				}
			case st.State != Running:
				t.Errorf("damage at %d: %v, %v", at, st.State, st.Err)
			case !lost && !slices.Equal(got, all):
				t.Errorf("damage at %d: %v has nothing to do with entries, and %q are applied", at, st.Damage, got)
			case lost:
				mended++
				if !isRest(got, all) {
					t.Errorf("damage at %d: %q", at, got)
				}
				most = max(most, len(got))
			default:
				sole++
			}
			if st.State == Running {
				c.apply(1, "goes on")
				nd.crash()
				nd.start()
				// Of all that is behind a state that was made anew, the machine has just that.
				g, m = nd.openMender(nil)
				c.run()
				if again := m.items(); !slices.Equal(again, append(slices.Clone(got), "goes on")) || len(g.Status().Damage) > 0 {
					t.Errorf("damage at %d: %q, and then %q, %+v", at, got, again, g.Status())
				}
			}
			nd.crash()
		}
	}
	if sole == 0 || mended == 0 || most < len(all) {
		t.Errorf("%d times nothing was lost, %d times it was mended, with up to %d items", sole, mended, most)
	}
}

// isRest reports whether a list is what is left of another, with a sign where something
// may be missing.
func isRest(got, all []string) bool {
	i := 0
	for n, item := range got {
		if item == sign {
			continue
		}
		at := slices.Index(all, item)
		if at < i || at > i && (n == 0 || got[n-1] != sign) {
			return false
		}
		i = at + 1
	}
	return i == len(all) || got[len(got)-1] == sign
}

// A server that ends before the mended state is durable mends it again.
func TestMendIsCutShort(t *testing.T) {
	for n := uint64(1); ; n++ {
		c := newCluster(t, 1)
		nd := c.nodes[1]
		c.create(1, nil)
		for i := range 6 {
			c.apply(1, fmt.Sprint("item-", i))
		}
		nd.crash()
		nd.flip("item-1")
		nd.flip("item-3")
		// The clock of the machine was set back.
		c.edit = func(cfg *Config) { cfg.Wall = func() time.Time { return time.Unix(1, 0) } }
		nd.start()
		fail := errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: errors.New("the power is gone"), After: n%2 == 0})
		nd.disk.SetInjector(fail)
		for life := range 2 {
			g, m := nd.openMender(nil)
			c.tick(3)
			if got := m.items(); (life == 1 || g.State() == Running && len(got) > 0) && !slices.Equal(got, []string{"item-0", sign, "item-2", sign, "item-4", "item-5"}) {
				t.Fatalf("failing %d: %v, %q", n, g.State(), got)
			}
			if _, fired := fail.Fired(); !fired && n > 1 {
				return
			}
			nd.disk.SetInjector(nil)
			nd.crash()
			nd.start()
		}
	}
}
