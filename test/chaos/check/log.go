package check

import (
	"math"
	"time"
)

// Sent is a message of a publisher, who numbers its messages from 1 on and sends none
// before the one before it is acknowledged, nor gives one up but for the last.
type Sent struct {
	Publisher string
	Number    int
	// Begun is when it was first sent, Acked when it was acknowledged, 0 if it was not.
	Begun, Acked time.Duration
	// Seq is the sequence it was acknowledged with, Tries how often it was sent.
	Seq   uint64
	Tries int
}

// Stored is a message as it is in a stream.
type Stored struct {
	Seq       uint64
	Publisher string
	Number    int
}

// Log checks a stream, read in its order, that keeps everything, and whose window of
// duplicates is longer than the history:
//   - each acknowledged message is there, where the acknowledgement has said
//   - none is there twice, and none that nobody has sent
//   - those of a publisher are in order
//   - a message that was sent after another was acknowledged stands after it
func Log(sent []Sent, stored []Stored) *Verdict {
	v := &Verdict{Name: "log", Checked: len(sent)}
	type key struct {
		publisher string
		number    int
	}
	said := make(map[key]*Sent, len(sent))
	for i := range sent {
		said[key{sent[i].Publisher, sent[i].Number}] = &sent[i]
	}
	at := make(map[key]uint64, len(stored))
	last := make(map[string]int)
	before := uint64(0)
	for _, m := range stored {
		if m.Seq != before+1 {
			v.complain("message %d is followed by %d", before, m.Seq)
		}
		before = m.Seq
		k := key{m.Publisher, m.Number}
		switch first, twice := at[k]; {
		case said[k] == nil:
			v.complain("message %d is %s/%d, which nobody has sent", m.Seq, m.Publisher, m.Number)
		case twice:
			v.complain("%s/%d is there twice, as message %d and %d; it was sent %d times", m.Publisher, m.Number, first, m.Seq, said[k].Tries)
		case m.Number < last[m.Publisher]:
			v.complain("message %d is %s/%d, after number %d", m.Seq, m.Publisher, m.Number, last[m.Publisher])
		}
		if _, ok := at[k]; !ok {
			at[k] = m.Seq
		}
		last[m.Publisher] = max(last[m.Publisher], m.Number)
	}
	checkLost(v, sent, func(s *Sent) uint64 { return at[key{s.Publisher, s.Number}] }, last)
	// From the end on: nothing that stands later may have been acknowledged before this one was sent.
	earliest, which := time.Duration(math.MaxInt64), Stored{}
	for i := len(stored) - 1; i >= 0; i-- {
		s := said[key{stored[i].Publisher, stored[i].Number}]
		if s == nil {
			continue
		}
		if earliest < s.Begun {
			v.complain("%s/%d, sent at %v, is message %d; %s/%d, acknowledged at %v, comes later as message %d",
				s.Publisher, s.Number, s.Begun, stored[i].Seq, which.Publisher, which.Number, earliest, which.Seq)
		}
		if s.Acked > 0 && s.Acked < earliest {
			earliest, which = s.Acked, stored[i]
		}
	}
	return v
}

// checkLost complains of what was acknowledged and is not there, one complaint for numbers
// that follow each other. It says which part of a publisher's messages is gone: a hole
// breaks more than an end that is cut off.
func checkLost(v *Verdict, sent []Sent, at func(*Sent) uint64, last map[string]int) {
	gone := make(map[string]map[int]*Sent)
	for i := range sent {
		s := &sent[i]
		if s.Acked == 0 {
			continue
		}
		switch seq := at(s); {
		case seq == 0:
			v.Lost++
			if gone[s.Publisher] == nil {
				gone[s.Publisher] = make(map[int]*Sent)
			}
			gone[s.Publisher][s.Number] = s
		case seq != s.Seq:
			v.complain("%s/%d was acknowledged as message %d and is message %d", s.Publisher, s.Number, s.Seq, seq)
		}
	}
	for i := range sent {
		from := &sent[i]
		numbers := gone[from.Publisher]
		if numbers[from.Number] != from || numbers[from.Number-1] != nil {
			continue
		}
		to := from
		for numbers[to.Number+1] != nil {
			to = numbers[to.Number+1]
		}
		part := "in the middle"
		switch {
		case to.Number > last[from.Publisher]:
			part = "at the end"
		case from.Number == 1:
			part = "at the beginning"
		}
		v.complain("%s/%d to %d are lost, %s: they were acknowledged as messages %d to %d at %v to %v",
			from.Publisher, from.Number, to.Number, part, from.Seq, to.Seq, from.Acked, to.Acked)
	}
}
