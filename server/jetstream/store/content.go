package store

import (
	"fmt"
	"slices"
)

// FillFrom makes an empty store one with a content, but for what is lost of it. It is
// for engines that prepare a replacement. The error is an ErrContent if the content
// is not what its State says.
func FillFrom(s Store, c Content) error {
	for m, err := range c.Messages(0) {
		if err == nil {
			err = s.Append(m)
		}
		if err != nil {
			return err
		}
	}
	want := c.State()
	var err error
	switch got := s.State(); {
	case got.Last < want.Last:
		err = s.Skip(want.Last, want.LastTime)
	case want.Last == 0 && want.First > 0:
		err = s.Reset(want.First)
	}
	if err != nil {
		return err
	}
	got := s.State()
	if got.Messages != want.Messages || got.First != want.First || got.Last != want.Last || got.LastTime != want.LastTime {
		return fmt.Errorf("%w: it is %+v and not %+v", ErrContent, got, want)
	}
	return nil
}

// KnownLosses returns losses without anything but the text of their errors, which are an
// ErrDamaged nevertheless.
func KnownLosses(losses []Loss) []Loss {
	known := slices.Clone(losses)
	for i := range known {
		known[i].Err = KnownLoss(known[i].Err.Error())
	}
	return known
}

// KnownLoss is the error of a loss of which only the text is left.
type KnownLoss string

func (l KnownLoss) Error() string { return string(l) }

// Unwrap makes it an ErrDamaged.
func (l KnownLoss) Unwrap() error { return ErrDamaged }
