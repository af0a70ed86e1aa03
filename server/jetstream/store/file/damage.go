package file

import (
	"cmp"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// recordDamage is the error of a record.
func recordDamage(b *block, seq store.Seq, at int64, err error) error {
	return &store.CorruptionError{File: b.path, Offset: at, Range: store.Range{First: seq, Last: seq}, Err: err}
}

// note has Lost tell of damage from now on, and leaves its block as it is.
func (s *Store) note(b *block, damage *store.CorruptionError, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.gone || s.closed {
		return
	}
	b.damaged = true
	s.losses = mergeLosses(s.losses, []store.Loss{{Range: damage.Range, Bytes: bytes, Err: damage}})
}

// frameDamage is the error of a frame with the records up to the place to.
func (s *Store) frameDamage(v *view, ref frameRef, to int64) error {
	r := store.Range{First: v.b.base, Last: v.b.last}
	first := true
	// An index that cannot be read leaves the whole block as the range.
	_ = s.withPinned(v.b, func(x index) error {
		for i := range v.n {
			sl, err := x.slot(i)
			if err != nil {
				return err
			}
			if sl.place() < ref.at || sl.place() >= to || sl.lost() {
				continue
			}
			seq := v.b.base + store.Seq(sl.seq)
			if first {
				r.First, first = seq, false
			}
			r.Last = seq
		}
		return nil
	})
	return &store.CorruptionError{File: v.b.path, Offset: ref.off, Range: r, Err: errFrame}
}

// mergeLosses returns losses with others added, in order, each number told once.
// The argument is not changed: readers may have it.
func mergeLosses(losses, more []store.Loss) []store.Loss {
	merged := slices.Clone(losses)
	for _, l := range more {
		known := slices.ContainsFunc(merged, func(o store.Loss) bool { return o.First <= l.First && l.Last <= o.Last })
		if known {
			continue
		}
		merged = slices.DeleteFunc(merged, func(o store.Loss) bool { return l.First <= o.First && o.Last <= l.Last })
		merged = append(merged, l)
	}
	slices.SortStableFunc(merged, func(a, b store.Loss) int { return cmp.Compare(a.First, b.First) })
	return merged
}
