package check

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// Outcome is what a client knows of what it asked for.
type Outcome uint8

const (
	Unknown Outcome = iota
	Done
	// Refused is certain to have had no effect. It tells nothing of the value: it may be due to
	// a write that was under way and came to nothing.
	Refused
)

// Call is what a client does with a register: with Write it sets it to Value if its
// revision is Expected, otherwise it reads it. Values are unique in a history.
type Call struct {
	Client     int
	Key        string
	Write      bool
	Expected   uint64
	Value      string
	Revision   uint64 // of the value that is written or read; 0 is read before there is one
	Outcome    Outcome
	Begun, End time.Duration
}

func (c *Call) String() string {
	if c.Write {
		return fmt.Sprintf("set(%d, %s) as %d", c.Expected, c.Value, c.Revision)
	}
	return fmt.Sprintf("read %s of %d", c.Value, c.Revision)
}

// Revision is a value that a register has had.
type Revision struct {
	Key, Value string
	Revision   uint64
}

type register struct {
	revision uint64
	value    string
}

var registerModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		c, now := input.(*Call), state.(register)
		if !c.Write {
			return now == register{c.Revision, c.Value}, now
		}
		return c.Expected == now.revision && c.Revision > now.revision, register{c.Revision, c.Value}
	},
	DescribeOperation: func(input, _ any) string { return input.(*Call).String() },
}

// Registers checks that writes to registers, and reads of them, seem to happen one after
// the other, each at a time between its beginning and its end. Kept is every value there
// has been, as was read when all was over: it tells what became of the writes of which
// nothing was heard, since otherwise a search would have to try all ways. With stale,
// reads may be late, but must tell of something that was written.
func Registers(calls []Call, kept []Revision, stale bool, patience time.Duration) *Verdict {
	v := &Verdict{Name: "registers", Checked: len(calls)}
	wasKept := make(map[string]Revision, len(kept))
	for _, r := range kept {
		if _, twice := wasKept[r.Value]; twice {
			v.complain("%s of %s is kept twice", r.Value, r.Key)
		}
		wasKept[r.Value] = r
	}
	byKey := make(map[string][]porcupine.Operation)
	written := make(map[string]*Call)
	for i := range calls {
		c := calls[i] // what became of it is noted in a copy
		end := int64(c.End)
		if c.Write {
			written[c.Value] = &c
			r, there := wasKept[c.Value]
			switch {
			case c.Outcome == Refused && there:
				v.complain("%s: %v was refused, and is there as %d", c.Key, &c, r.Revision)
				continue
			case c.Outcome == Done && !there:
				v.Lost++
				v.complain("%s: %v was acknowledged at %v, and is not there", c.Key, &c, c.End)
				continue
			case c.Outcome == Done && r.Revision != c.Revision:
				v.complain("%s: %v is there as %d", c.Key, &c, r.Revision)
				continue
			case !there:
				continue
			case c.Outcome == Unknown:
				c.Outcome, c.Revision, end = Done, r.Revision, math.MaxInt64
			}
		}
		if c.Outcome == Done && (c.Write || !stale) {
			byKey[c.Key] = append(byKey[c.Key], porcupine.Operation{ClientId: c.Client, Input: &c, Call: int64(c.Begun), Return: end})
		}
	}
	for _, r := range kept {
		if written[r.Value] == nil {
			v.complain("%s is %s as %d, which nobody has written", r.Key, r.Value, r.Revision)
		}
	}
	checkReads(v, calls, written)
	for key, operations := range byKey {
		switch porcupine.CheckOperationsTimeout(registerModel, operations, patience) {
		case porcupine.Illegal:
			v.complain("%s: its history of %d operations is not linearizable", key, len(operations))
		case porcupine.Unknown:
			v.complain("%s: whether its history of %d operations is linearizable was not found out in %v", key, len(operations), patience)
		}
	}
	return v
}

// checkReads checks what even a late read promises: that it tells of something that was
// written to that register by then.
func checkReads(v *Verdict, calls []Call, written map[string]*Call) {
	for i := range calls {
		c := &calls[i]
		if c.Write || c.Outcome != Done || c.Revision == 0 {
			continue
		}
		w := written[c.Value]
		switch {
		case w == nil || w.Key != c.Key:
			v.complain("%s: %v, which nobody has written there", c.Key, c)
		case w.Begun > c.End:
			v.complain("%s: %v ended at %v, before that was written at %v", c.Key, c, c.End, w.Begun)
		case w.Outcome == Done && w.Revision != c.Revision:
			v.complain("%s: %v, which was written as %d", c.Key, c, w.Revision)
		}
	}
}
