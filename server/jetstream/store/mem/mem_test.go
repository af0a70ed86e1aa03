package mem

import (
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/storetest"
)

// TestStore runs the kit with blocks as they are, and so small that the few
// messages of the tests fill many; with searches that go by messages, by subjects,
// and by both.
func TestStore(t *testing.T) {
	for name, tuned := range map[string]tuning{
		"default":           defaultTuning,
		"four messages":     {blockSlots: 4, blockBytes: 1 << 20, scanPerStep: 1},
		"two hundred bytes": {blockSlots: 1000, blockBytes: 200, scanFirst: 1, scanPerStep: 2},
		"one message":       {blockSlots: 1, blockBytes: 1},
		"eighty messages":   {blockSlots: 80, blockBytes: 1 << 20, scanFirst: 10},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, store.MemorySize, func(*testing.T) store.Store {
				return checked{&Store{tuning: tuned}}
			})
		})
	}
}

// checked is a store that has the kit check its invariants now and then.
type checked struct{ *Store }

// Maintain is what the kit calls for work in the background.
func (c checked) Maintain() (more bool, err error) { return false, c.check() }

// check returns what is wrong inside a store.
func (s *Store) check() error {
	var messages uint64
	last := store.Seq(0)
	lists := make(map[string]subjectState)
	for k, b := range s.blocks {
		if err := b.check(); err != nil {
			return fmt.Errorf("block %d of %d: %w", k, len(s.blocks), err)
		}
		if b.base <= last {
			return fmt.Errorf("block %d begins at %d, behind a block that ends at %d", k, b.base, last)
		}
		last = b.lastSeq()
		if k > 0 && k < len(s.blocks)-1 && b.isLoose() {
			return fmt.Errorf("block %d has %d messages in %d slots, and wastes %d of %d bytes", k, b.live, len(b.slots), b.waste, len(b.data))
		}
		for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
			messages++
			subject, seq := string(b.subject(i)), b.seq(i)
			v := lists[subject]
			if b.slots[i].prev != v.last {
				return fmt.Errorf("in front of %d on %s is %d, want %d", seq, subject, b.slots[i].prev, v.last)
			}
			if v.last != 0 && s.blocks.slot(v.last).next != seq {
				return fmt.Errorf("behind %d on %s is %d, want %d", v.last, subject, s.blocks.slot(v.last).next, seq)
			}
			if v.first == 0 {
				v.first = seq
			}
			v.last = seq
			v.messages++
			lists[subject] = v
		}
	}
	if messages != s.messages || len(lists) != s.subjects.Len() {
		return fmt.Errorf("there are %d messages on %d subjects, counted are %d on %d", messages, len(lists), s.messages, s.subjects.Len())
	}
	for subject, want := range lists {
		if got, ok := s.subjects.Get([]byte(subject)); !ok || *got != want {
			return fmt.Errorf("the state of %s is %+v, want %+v", subject, got, want)
		}
		if next := s.blocks.slot(want.last).next; next != 0 {
			return fmt.Errorf("behind %d, the last on %s, is %d", want.last, subject, next)
		}
	}
	return nil
}

func (b *block) check() error {
	live, waste := 0, 0
	for i := range b.slots {
		if i > 0 && (b.slots[i].delta <= b.slots[i-1].delta || b.slots[i].offset <= b.slots[i-1].offset) {
			return fmt.Errorf("slot %d is %+v, behind %+v", i, b.slots[i], b.slots[i-1])
		}
		if b.isDead(i) {
			waste += len(b.record(i))
		} else {
			live++
		}
	}
	if live == 0 || live != b.live || waste != b.waste {
		return fmt.Errorf("%d live slots of %d and %d bytes of waste are counted as %d and %d", live, len(b.slots), waste, b.live, b.waste)
	}
	return nil
}
