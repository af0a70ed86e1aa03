package account

import "testing"

// Do publishers' counts add up in their account?
func TestMatching(t *testing.T) {
	a := New("A")
	r := newCounter()
	for _, subj := range []string{"a", "a", ">", "b"} {
		if err := a.Subscribe(&Subscription{Subject: subj, SID: "1", Target: &r.Target}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Subscribe(&Subscription{Subject: "a", Queue: "q", SID: "1", Target: &r.Target}); err != nil {
		t.Fatal(err)
	}
	f, g := a.NewFanout(Config{NoCache: true}), a.NewFanout(Config{})
	for range 3 {
		send(f, "a", "")
		send(f, "b", "")
	}
	for range 10 {
		send(g, "a", "")
	}
	f.Flush()
	g.Flush()
	got := a.Matching()
	// The second publisher keeps a subject when it has seen it twice.
	want := Matching{Lookups: 16, Found: 6 + 2, Receivers: 3*(4+2) + 2*4, MaxReceivers: 4}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
