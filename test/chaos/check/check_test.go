package check

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// want checks a verdict of a forged history: without complaint, or with one that says so.
func want(t *testing.T, v *Verdict, complaint string, lost int) {
	t.Helper()
	all := strings.Join(v.Complaints, "\n")
	if v.OK() != (complaint == "") || !strings.Contains(all, complaint) || v.Lost != lost {
		t.Errorf("%d lost, complaints %q; want %d and %q", v.Lost, all, lost, complaint)
	}
}

func TestLog(t *testing.T) {
	sent := []Sent{
		{"a", 1, 10, 20, 1, 1},
		{"a", 2, 20, 40, 3, 2},
		{"a", 3, 40, 50, 4, 1},
		{"a", 4, 50, 0, 0, 3},
		{"b", 1, 15, 30, 2, 1},
	}
	a1, b1, a2, a3, a4 := Stored{1, "a", 1}, Stored{2, "b", 1}, Stored{3, "a", 2}, Stored{4, "a", 3}, Stored{5, "a", 4}
	// at gives messages their places.
	at := func(list ...Stored) []Stored {
		for i := range list {
			list[i].Seq = uint64(i) + 1
		}
		return list
	}
	for _, test := range []struct {
		name      string
		sent      []Sent
		stored    []Stored
		complaint string
		lost      int
	}{
		{"everything", sent, at(a1, b1, a2, a3), "", 0},
		{"stored but not acknowledged", sent, at(a1, b1, a2, a3, a4), "", 0},
		{"end lost", sent, at(a1, b1, a2), "a/3 to 3 are lost, at the end", 1},
		{"longer end lost", sent, at(a1, b1), "a/2 to 3 are lost, at the end", 2},
		{"middle lost", sent, []Stored{a1, b1, a3, a4}, "a/2 to 2 are lost, in the middle", 1},
		{"beginning lost", sent, []Stored{b1, a2, a3}, "a/1 to 1 are lost, at the beginning", 1},
		{"all lost", sent, nil, "b/1 to 1 are lost", 4},
		{"sequence missing", sent, []Stored{a1, b1, a2, a3, {6, "a", 4}}, "message 4 is followed by 6", 0},
		{"twice", sent, at(a1, b1, a2, a3, a2), "a/2 is there twice", 0},
		{"twice in a row", sent, at(a1, b1, a2, a3, a4, a4), "it was sent 3 times", 0},
		{"never sent", sent, at(a1, b1, a2, a3, Stored{5, "c", 1}), "nobody has sent", 0},
		{"elsewhere", sent, at(b1, a1, a2, a3), "was acknowledged as message 1 and is message 2", 0},
		{"out of order", sent[:4:4], at(a2, a1, a3), "is a/1, after number 2", 0},
		{
			"against time",
			[]Sent{{"a", 1, 10, 20, 2, 1}, {"b", 1, 30, 40, 1, 1}},
			at(Stored{0, "b", 1}, Stored{0, "a", 1}), "b/1, sent at 30ns, is message 1", 0,
		},
		{
			"at the same time",
			[]Sent{{"a", 1, 10, 35, 2, 1}, {"b", 1, 30, 40, 1, 1}},
			at(Stored{0, "b", 1}, Stored{0, "a", 1}), "", 0,
		},
	} {
		t.Run(test.name, func(t *testing.T) { want(t, Log(test.sent, test.stored), test.complaint, test.lost) })
	}
}

func TestRegisters(t *testing.T) {
	set := func(begun, end time.Duration, expected uint64, value string, revision uint64, o Outcome) Call {
		return Call{Key: "k", Write: true, Expected: expected, Value: value, Revision: revision, Outcome: o, Begun: begun, End: end}
	}
	read := func(begun, end time.Duration, value string, revision uint64) Call {
		return Call{Client: 1, Key: "k", Value: value, Revision: revision, Outcome: Done, Begun: begun, End: end}
	}
	v1, v2, v3 := Revision{"k", "x", 1}, Revision{"k", "y", 3}, Revision{"k", "z", 4}
	x, y := set(10, 20, 0, "x", 1, Done), set(30, 40, 1, "y", 3, Done)
	for _, test := range []struct {
		name      string
		calls     []Call
		kept      []Revision
		stale     bool
		complaint string
		lost      int
	}{
		{"one after the other", []Call{read(0, 5, "", 0), x, read(25, 26, "x", 1), y, read(35, 45, "x", 1)}, []Revision{v1, v2}, false, "", 0},
		{"unheard and done", []Call{x, set(22, 25, 1, "y", 0, Unknown), read(50, 55, "x", 1), read(60, 65, "y", 3)}, []Revision{v1, v2}, false, "", 0},
		{"unheard and never", []Call{x, set(22, 25, 1, "y", 0, Unknown), read(50, 55, "x", 1)}, []Revision{v1}, false, "", 0},
		{"refused", []Call{x, y, set(50, 60, 1, "z", 0, Refused)}, []Revision{v1, v2}, false, "", 0},
		{"stale read", []Call{x, y, read(50, 60, "x", 1)}, []Revision{v1, v2}, false, "not linearizable", 0},
		{"stale read allowed", []Call{x, y, read(50, 60, "x", 1)}, []Revision{v1, v2}, true, "", 0},
		{"read back in time", []Call{x, set(30, 90, 1, "y", 3, Done), read(40, 50, "y", 3), read(60, 70, "x", 1)}, []Revision{v1, v2}, false, "not linearizable", 0},
		{"two winners", []Call{x, y, set(30, 40, 1, "z", 4, Done)}, []Revision{v1, v2, v3}, true, "not linearizable", 0},
		{"lost", []Call{x, y}, []Revision{v1}, false, "is not there", 1},
		{"refused and done", []Call{x, set(50, 60, 1, "y", 0, Refused)}, []Revision{v1, v2}, false, "was refused, and is there", 0},
		{"another revision", []Call{x, y}, []Revision{v1, {"k", "y", 2}}, false, "is there as 2", 0},
		{"kept twice", []Call{x, y}, []Revision{v1, v2, {"k", "x", 5}}, true, "kept twice", 0},
		{"from nowhere", []Call{x}, []Revision{v1, v3}, true, "nobody has written", 0},
		{"read from nowhere", []Call{x, read(30, 40, "q", 7)}, []Revision{v1}, true, "nobody has written there", 0},
		{"read before written", []Call{x, y, read(12, 22, "y", 3)}, []Revision{v1, v2}, true, "before that was written", 0},
		{"read as another revision", []Call{x, read(30, 40, "x", 2)}, []Revision{v1}, true, "was written as 1", 0},
		{"lost in between", []Call{x, y, read(50, 60, "", 0)}, []Revision{v1, v2}, false, "not linearizable", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, Registers(test.calls, test.kept, test.stale, time.Minute), test.complaint, test.lost)
		})
	}
}

func TestConsumer(t *testing.T) {
	stored := []Stored{{1, "a", 1}, {2, "a", 2}}
	come := func(seq uint64, at time.Duration) Delivery { return Delivery{seq, "a", int(seq), at} }
	both := []Confirmed{{1, 20}, {2, 25}}
	for _, test := range []struct {
		name       string
		deliveries []Delivery
		confirmed  []Confirmed
		complaint  string
		lost       int
	}{
		{"once", []Delivery{come(1, 10), come(2, 15)}, both, "", 0},
		{"again before it was confirmed", []Delivery{come(1, 10), come(2, 15), come(1, 20)}, both, "", 0},
		{"again at once", []Delivery{come(1, 10), come(2, 15), come(1, 29)}, both, "", 0},
		{"again later", []Delivery{come(1, 10), come(2, 15), come(1, 31)}, both, "its acknowledgement was confirmed", 0},
		{"again after healing", []Delivery{come(1, 10), come(2, 15), come(2, 1001)}, []Confirmed{{2, 999}}, "for the 2. time", 0},
		{"again though confirmed twice", []Delivery{come(1, 10), come(2, 15), come(1, 45)}, append(both, Confirmed{1, 40}), "was confirmed at 20ns", 0},
		{"never", []Delivery{come(1, 10)}, both[:1], "message 2, a/2, was never delivered", 1},
		{"another", []Delivery{come(1, 10), {2, "a", 7, 15}}, both, "in the stream it is a/2", 0},
		{"not in the stream", []Delivery{come(1, 10), come(2, 15), come(3, 16)}, both, "message 3 was delivered", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &Consumption{Deliveries: test.deliveries, Confirmed: test.confirmed, Grace: 10, Healed: 1000}
			want(t, Consumer(c, stored), test.complaint, test.lost)
		})
	}
}

func TestReplicas(t *testing.T) {
	r := Replica{Messages: 2, Bytes: 70, First: 1, Last: 2, Digest: 5}
	short, other := r, r
	short.Messages, short.Last = 1, 1
	other.Digest++
	for _, test := range []struct {
		name, complaint string
		have            map[string]Replica
	}{
		{"all the same", "", map[string]Replica{"a": r, "b": r, "c": r}},
		{"one short", "b has", map[string]Replica{"a": r, "b": short, "c": r}},
		{"one different", "c has", map[string]Replica{"a": r, "b": r, "c": other}},
		{"one missing", "2 servers have a replica", map[string]Replica{"a": r, "b": r}},
	} {
		t.Run(test.name, func(t *testing.T) { want(t, Replicas("s", 3, test.have), test.complaint, 0) })
	}
	list := []Stored{{1, "a", 1}, {2, "b", 1}}
	if Digest(list) == Digest([]Stored{{1, "b", 1}, {2, "a", 1}}) || Digest(list) != Digest(slices.Clone(list)) || Digest(list) == Digest(list[:1]) {
		t.Error("the digest does not tell messages apart")
	}
}

func TestVerdictIsTold(t *testing.T) {
	v := &Verdict{Name: "x", Checked: 100}
	if got := v.String(); got != "x: 100 checked, as promised" {
		t.Errorf("%q", got)
	}
	for range maxComplaints + 5 {
		v.complain("bad")
	}
	if got := v.String(); !strings.Contains(got, "0 LOST, 25 WRONG") || !strings.HasSuffix(got, "and 5 more") || strings.Count(got, "! bad") != maxComplaints {
		t.Errorf("%q", got)
	}
}
