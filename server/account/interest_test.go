package account

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// taken is what a follower has to be told, as text and in order.
func taken(f *Follower) string {
	var out []string
	for _, i := range f.Take(nil, 1000) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%d %s", i.Subject, i.Members, i.Queue)))
	}
	return strings.Join(out, ", ")
}

// What is a follower told of the subscriptions that come and go?
func TestFollow(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	listen(t, a, r, "before", "")
	woken := 0
	f := a.Follow(func() { woken++ })
	expect := func(what, want string, wakes int) {
		t.Helper()
		if got := taken(f); got != want {
			t.Errorf("%s: told %q, want %q", what, got, want)
		}
		if woken != wakes {
			t.Errorf("%s: woken %d times, want %d", what, woken, wakes)
		}
		woken = 0
		if got := taken(f); got != "" {
			t.Errorf("%s: told %q again", what, got)
		}
	}
	expect("what there is", "before:1", 0)
	first := listen(t, a, r, "x", "")
	expect("the first", "x:1", 1)
	second := listen(t, a, r, "x", "")
	expect("one more", "", 0)
	a.Unsubscribe(first)
	expect("one left", "", 0)
	a.Unsubscribe(second)
	expect("none left", "x:0", 1)
	a.Unsubscribe(second)
	expect("again", "", 0)

	q1 := listen(t, a, r, "jobs", "workers")
	q2 := listen(t, a, r, "jobs", "workers")
	q3 := listen(t, a, r, "jobs", "others")
	expect("groups", "jobs:2 workers, jobs:1 others", 3)
	a.UnsubscribeAll([]*Subscription{q1, q3})
	expect("smaller groups", "jobs:1 workers, jobs:0 others", 1)
	// Changes that are over before they are told are none.
	q4 := listen(t, a, r, "jobs", "workers")
	a.Unsubscribe(q4)
	a.Unsubscribe(listen(t, a, r, "y", ""))
	expect("came and went", "", 2)
	a.Unsubscribe(q2)
	listen(t, a, r, "jobs", "workers")
	expect("went and came", "", 1)

	s := &Subscription{Subject: "mine", Handler: func(*Message) {}, Local: true}
	if err := a.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	expect("one of this server only", "", 0)
	s = &Subscription{Subject: "service", Handler: func(*Message) {}}
	if err := a.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	expect("a handler", "service:1", 1)

	late := a.Follow(func() {})
	got := strings.Split(taken(late), ", ")
	slices.Sort(got)
	if want := []string{"before:1", "jobs:1 workers", "service:1"}; !slices.Equal(got, want) {
		t.Errorf("who came later is told %q", got)
	}
	f.Stop()
	listen(t, a, r, "z", "")
	if got := taken(f); got != "" || woken != 0 {
		t.Errorf("told %q after Stop", got)
	}
}

// Others are not told what they derive from the imports themselves, but where answers are
// expected.
func TestFollowImports(t *testing.T) {
	from, to := New("A"), New("B")
	exporting, importing := from.Follow(func() {}), to.Follow(func() {})
	im := streams(t, from, "feed.>", "from.>")
	im.Services = services(t, from, "svc", "ask").Services
	to.Import(im)
	if got := taken(exporting); got != from.responses.prefix+">:1" {
		t.Errorf("of the exporting account %q is told", got)
	}
	if got := taken(importing); got != to.responses.prefix+">:1" {
		t.Errorf("of the importing account %q is told", got)
	}
	listen(t, to, newRecorder(1, true), "from.x", "")
	if got := taken(exporting); got != "" {
		t.Errorf("of the exporting account %q is told for a subscriber", got)
	}
	if got := taken(importing); got != "from.x:1" {
		t.Errorf("of the importing account %q is told for a subscriber", got)
	}
}

// A follower that takes nothing costs no more than the interest there was when he last
// did, and the one that there is.
func TestFollowerIsBounded(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	f := a.Follow(func() {})
	for i := range 5000 {
		s := listen(t, a, r, fmt.Sprint("inbox.", i), "")
		a.Unsubscribe(s)
		if n := len(f.pending); n != 0 {
			t.Fatalf("%d items for nothing", n)
		}
	}
	var subs []*Subscription
	for i := range 2 * keptPending {
		subs = append(subs, listen(t, a, r, fmt.Sprint("inbox.", i), ""))
	}
	for range 2 {
		if n := len(f.Take(nil, keptPending)); n != keptPending {
			t.Fatalf("took %d", n)
		}
	}
	if f.pending != nil {
		t.Error("a large table is kept for nothing")
	}
	a.UnsubscribeAll(subs)
	if n := len(f.pending); n != len(subs) {
		t.Errorf("%d items for %d that were told of", n, len(subs))
	}
}

// Does everybody who follows know what there is, whenever he takes it, and is he told
// nothing that he knows?
func TestFollowAgreesWithModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		a, r := New("A"), newRecorder(1, true)
		var subs []*Subscription
		type reader struct {
			*Follower
			knows map[interestKey]int
		}
		var readers []*reader
		there := func() map[interestKey]int {
			out := make(map[interestKey]int)
			for _, s := range subs {
				key := interestKey{s.Subject, s.Queue}
				out[key] = key.told(out[key] + 1)
			}
			return out
		}
		for step := range 600 {
			switch k := rng.IntN(10); {
			case k < 4:
				subs = append(subs, listen(t, a, r, pick(rng, []string{"a", "b", "a.*", ">"}), pick(rng, []string{"", "q1", "q2"})))
			case k < 7 && len(subs) > 0:
				i := rng.IntN(len(subs))
				a.Unsubscribe(subs[i])
				subs = slices.Delete(subs, i, i+1)
			case k == 7 && len(readers) < 4:
				readers = append(readers, &reader{a.Follow(func() {}), make(map[interestKey]int)})
			case k == 8 && len(readers) > 0 && rng.IntN(8) == 0:
				i := rng.IntN(len(readers))
				readers[i].Stop()
				readers = slices.Delete(readers, i, i+1)
			case len(readers) > 0:
				re, want := pick(rng, readers), there()
				max := 1 + rng.IntN(6)
				items := re.Take(nil, max)
				for _, i := range items {
					key := interestKey{i.Subject, i.Queue}
					if re.knows[key] == i.Members || want[key] != i.Members {
						t.Fatalf("seed %d step %d: told %v, knew %d, is %d", seed, step, i, re.knows[key], want[key])
					}
					re.knows[key] = i.Members
				}
				if len(items) == max {
					continue
				}
				for key, n := range want {
					if re.knows[key] != n {
						t.Fatalf("seed %d step %d: %v is %d, known are %d", seed, step, key, n, re.knows[key])
					}
				}
			}
		}
	}
}

// Does a follower end up with what there is when many subscribe while he begins to follow
// and takes? Who has subscribed finds it taken or to be taken at once.
func TestFollowWhileOthersSubscribe(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for g := range 4 {
		wg.Go(func() {
			<-begin
			for i := range 300 {
				s := &Subscription{Subject: fmt.Sprint("x.", i%7), Queue: pick(rand.New(rand.NewPCG(uint64(i), 1)), []string{"", "q"}), Target: &r.Target}
				if err := a.Subscribe(s); err != nil {
					t.Error(err)
				}
				if i%50 != g {
					a.Unsubscribe(s)
				}
			}
		})
	}
	woken := make(chan struct{}, 1)
	close(begin)
	f := a.Follow(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	knows := make(map[interestKey]int)
	take := func() {
		for _, i := range f.Take(nil, 1000) {
			knows[interestKey{i.Subject, i.Queue}] = i.Members
		}
	}
	take()
	for over := false; !over; {
		select {
		case <-woken:
		case <-done:
			over = true
		}
		take()
	}
	want := make(map[interestKey]int)
	for _, s := range a.Subscriptions("") {
		key := interestKey{s.Subject, s.Queue}
		want[key] = key.told(want[key] + 1)
	}
	for key, n := range knows {
		if want[key] != n {
			t.Errorf("%v: told %d, want %d", key, n, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("never told of %v", want)
	}
}
