package account

import "testing"

// Whoever watches a subject is told when a listener comes or goes, whatever pattern
// it listens by, and of nothing else.
func TestWatch(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	told := 0
	stop := a.Watch("inbox.1", func() { told++ })
	also := 0
	stopAlso := a.Watch("inbox.1", func() { also++ })
	defer stopAlso()
	expect := func(what string, n int) {
		t.Helper()
		if told != n || a.Interest().HasInterest([]byte("inbox.1")) != (n%2 == 1) {
			t.Errorf("%s: told %d times, want %d", what, told, n)
		}
	}
	s := listen(t, a, r, "inbox.1", "")
	expect("a listener", 1)
	a.Unsubscribe(s)
	expect("it has gone", 2)
	listen(t, a, r, "inbox.2", "")
	expect("one to another subject", 2)
	s = listen(t, a, r, "inbox.*", "q")
	expect("one by a pattern", 3)
	a.UnsubscribeAll([]*Subscription{s})
	expect("they have gone", 4)
	stop()
	s = listen(t, a, r, "inbox.1", "")
	if told != 4 || also != 5 {
		t.Errorf("after stop %d, and the other one %d", told, also)
	}
	a.Unsubscribe(s)
	stopAlso()
	if a.watchers.some.Load() {
		t.Error("nobody watches, and yet every subscription looks")
	}
}
