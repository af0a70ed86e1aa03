package check

import "time"

// Delivery is a message that a consumer has given to a client.
type Delivery struct {
	Seq       uint64
	Publisher string
	Number    int
	At        time.Duration
}

// Confirmed is an acknowledgement that the server has confirmed.
type Confirmed struct {
	Seq uint64
	At  time.Duration
}

// Consumption is what clients know of a consumer with explicit acknowledgement of all
// messages of a stream, which in the end had nothing left.
type Consumption struct {
	Deliveries []Delivery
	Confirmed  []Confirmed
	// Grace is how long after the confirmation a message may still arrive that was sent
	// before: a server may be paused that long.
	Grace time.Duration
	// Healed is when all servers ran and were connected again, and what they had sent before
	// had arrived: from then on there is no grace for what was confirmed before.
	Healed time.Duration
}

// Consumer checks a consumer of a stream, of which stored are all messages.
//   - what was confirmed does not come again
//   - every message comes, in the end, as it is in the stream
func Consumer(c *Consumption, stored []Stored) *Verdict {
	v := &Verdict{Name: "consumer", Checked: len(c.Deliveries)}
	confirmed := make(map[uint64]time.Duration, len(c.Confirmed))
	for _, a := range c.Confirmed {
		if first, ok := confirmed[a.Seq]; !ok || a.At < first {
			confirmed[a.Seq] = a.At
		}
	}
	is := make(map[uint64]Stored, len(stored))
	for _, m := range stored {
		is[m.Seq] = m
	}
	came := make(map[uint64]int)
	again, late := 0, 0
	for _, d := range c.Deliveries {
		if came[d.Seq]++; came[d.Seq] > 1 {
			again++
		}
		if m := (Stored{d.Seq, d.Publisher, d.Number}); is[d.Seq] != m {
			v.complain("message %d was delivered at %v as %s/%d, in the stream it is %s/%d",
				d.Seq, d.At, d.Publisher, d.Number, is[d.Seq].Publisher, is[d.Seq].Number)
		}
		at, ok := confirmed[d.Seq]
		switch {
		case !ok || d.At <= at:
		case d.At > at+c.Grace || d.At > c.Healed && at < c.Healed:
			v.complain("message %d comes at %v, for the %d. time; its acknowledgement was confirmed at %v", d.Seq, d.At, came[d.Seq], at)
		default:
			late++
		}
	}
	for _, m := range stored {
		if came[m.Seq] == 0 {
			v.Lost++
			v.complain("message %d, %s/%d, was never delivered", m.Seq, m.Publisher, m.Number)
		}
	}
	if again > 0 {
		v.Notes = append(v.Notes, plural(again, "delivery", "deliveries")+" of messages that had come before")
	}
	if late > 0 {
		v.Notes = append(v.Notes, plural(late, "message", "messages")+" came soon after the confirmation, while there were faults")
	}
	return v
}
