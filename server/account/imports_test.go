package account

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/subject"
)

// streams makes imports of another account, given as patterns and what they are called
// in turn.
func streams(t testing.TB, from *Account, patterns ...string) Imports {
	t.Helper()
	var out Imports
	for i := 0; i+1 < len(patterns); i += 2 {
		im, err := NewStreamImport(from, patterns[i], patterns[i+1])
		if err != nil {
			t.Fatalf("%s to %s: %v", patterns[i], patterns[i+1], err)
		}
		out.Streams = append(out.Streams, im)
	}
	return out
}

// What does a subscriber in the importing account see of what is published in the
// exporting one?
func TestStreamImport(t *testing.T) {
	for _, tc := range []struct {
		name    string
		imports []string
		sub     string
		// published subjects, and those that arrive.
		published, want string
	}{
		{"same name", []string{"feed.>", "feed.>"}, "feed.*", "feed.a feed.a.b other", "feed.a"},
		{"prefix", []string{"feed.>", "from.feed.>"}, "from.>", "feed.a feed.a.b", "from.feed.a from.feed.a.b"},
		{"not by its own name", []string{"feed.>", "from.feed.>"}, "feed.>", "feed.a", ""},
		{"all", []string{"feed.>", "from.feed.>"}, ">", "feed.a other", "from.feed.a"},
		{"one subject", []string{"feed.a", "news"}, "news", "feed.a feed.b", "news"},
		{"a literal of many", []string{"feed.>", "from.feed.>"}, "from.feed.b", "feed.a feed.b", "from.feed.b"},
		{"wildcards change places", []string{"out.*.*", "in.$2.$1"}, "in.x.*", "out.1.x out.x.1", "in.x.1"},
		{"wildcards in order", []string{"out.*.*", "in.*.*"}, "in.>", "out.1.2", "in.1.2"},
		{"a wildcard twice", []string{"out.*", "in.$1.$1"}, "in.a.*", "out.a out.b", "in.a.a"},
		{"a wildcard twice that can not be", []string{"out.*", "in.$1.$1"}, "in.a.b", "out.a out.b", ""},
		{"two imports", []string{"a.*", "x.*", "b.*", "x.*"}, "x.>", "a.1 b.2 c.3", "x.1 x.2"},
		{"apart", []string{"a.*", "x.*"}, "y.*", "a.1", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				from, to := New("A"), New("B")
				r := newRecorder(1, true)
				s := &Subscription{Subject: tc.sub, SID: "1", Target: &r.Target}
				handled := &Subscription{Subject: tc.sub}
				var got []string
				handled.Handler = func(m *Message) { got = append(got, string(m.Subject)) }
				list := streams(t, from, tc.imports...)
				if !late {
					to.Import(list)
				}
				for _, sub := range []*Subscription{s, handled} {
					if err := to.Subscribe(sub); err != nil {
						t.Fatal(err)
					}
				}
				to.Import(list)
				f := from.NewFanout(Config{})
				for round := range 3 { // from the second on routes are kept
					want := ""
					for subj := range strings.FieldsSeq(tc.want) {
						want += "MSG " + subj + " 1 2\r\nhi\r\n"
					}
					n := 0
					for subj := range strings.FieldsSeq(tc.published) {
						n += send(f, subj, "hi")
					}
					f.Flush()
					if have := r.take(); have != want || n != 2*len(strings.Fields(tc.want)) {
						t.Errorf("late %v, round %d: %d got %q, want %q", late, round, n, have, want)
					}
					if have := strings.Join(got, " "); have != tc.want {
						t.Errorf("late %v, round %d: handled %q, want %q", late, round, have, tc.want)
					}
					got = nil
				}
				to.UnsubscribeAll([]*Subscription{s, handled})
				for subj := range strings.FieldsSeq(tc.published) {
					if send(f, subj, "hi") > 0 {
						t.Error("somebody listens who has unsubscribed")
					}
				}
				if n := from.Interest().Len(); n > 0 || len(to.shadows) > 0 {
					t.Errorf("%d subscriptions are left, %d shadows", n, len(to.shadows))
				}
			}
		})
	}
}

// Is all that ends or filters deliveries asked of the subscription itself?
func TestStreamImportKeepsTheRules(t *testing.T) {
	from, to := New("A"), New("B")
	to.Import(streams(t, from, "feed.>", "from.feed.>"))
	r := newRecorder(1, true)
	s := &Subscription{Subject: "from.feed.*", SID: "1", Target: &r.Target, Filter: notSecret{}}
	s.SetFiltered(true)
	if err := to.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	f, own := from.NewFanout(Config{}), to.NewFanout(Config{})
	send(f, "feed.secret", "")
	send(f, "feed.a", "1")
	f.Flush()
	if got := r.take(); got != "MSG from.feed.a 1 1\r\n1\r\n" {
		t.Errorf("with a filter: %q", got)
	}
	// What comes from both accounts counts towards the one maximum.
	s.SetMax(4)
	for i := range 2 {
		send(own, "from.feed.x", fmt.Sprint("own", i))
		own.Flush()
		send(f, "feed.x", fmt.Sprint(i))
		send(f, "feed.y", fmt.Sprint(i))
		f.Flush()
	}
	want := "MSG from.feed.x 1 4\r\nown0\r\nMSG from.feed.x 1 1\r\n0\r\nMSG from.feed.y 1 1\r\n0\r\n"
	if got := r.take(); got != want || s.Delivered() != 4 || len(r.exhausted) != 1 || r.exhausted[0] != s {
		t.Errorf("with a maximum: %q, %d delivered, %d exhausted", got, s.Delivered(), len(r.exhausted))
	}
	found := from.Subscriptions("feed.x")
	if len(found) != 1 {
		t.Fatalf("%d shadows", len(found))
	}
	if owner, in := found[0].Owner(); owner != s || in != to {
		t.Error("the shadow does not tell whose it is")
	}
	if owner, in := s.Owner(); owner != s || in != nil {
		t.Error("a subscription does not belong to itself")
	}
	// A message that was forwarded keeps its subject.
	s.SetMax(0)
	m := NewMessage("stored", []byte("x"))
	f.Forward(f.Routes([]byte("feed.x")), m)
	f.Flush()
	if got := r.take(); got != "MSG stored 1 1\r\nx\r\n" {
		t.Errorf("forwarded: %q", got)
	}
}

type notSecret struct{}

func (notSecret) CanDeliver(subj []byte, _ string) bool { return string(subj) != "from.feed.secret" }

// Of a queue group one member gets a message, in whichever account it is.
func TestStreamImportQueue(t *testing.T) {
	from, to := New("A"), New("B")
	to.Import(streams(t, from, "feed.>", "feed.>"))
	there, here := newRecorder(1, true), newRecorder(2, true)
	listen(t, from, there, "feed.a", "q")
	listen(t, to, here, "feed.*", "q")
	f := from.NewFanout(Config{Seed: 1})
	for range 100 {
		if n := send(f, "feed.a", ""); n != 1 {
			t.Fatalf("%d got it", n)
		}
	}
	f.Flush()
	if there.msgs+here.msgs != 100 || there.msgs < 20 || here.msgs < 20 {
		t.Errorf("%d and %d", there.msgs, here.msgs)
	}
	there.Close()
	for range 10 {
		send(f, "feed.a", "")
	}
	f.Flush()
	if here.msgs+there.msgs != 110 {
		t.Errorf("%d after one has gone", here.msgs+there.msgs)
	}
}

// Interest comes and goes with that of importers, and who watches is told.
func TestStreamImportIsInterest(t *testing.T) {
	from, to := New("A"), New("B")
	told := 0
	defer from.Watch("feed.a", func() { told++ })()
	r := newRecorder(1, true)
	check := func(what string, interest bool, changes int) {
		t.Helper()
		if from.HasInterest("feed.a") != interest || told != changes {
			t.Errorf("%s: interest %v, told %d times", what, !interest, told)
		}
	}
	list := streams(t, from, "feed.*", "x.*")
	to.Import(list)
	s := listen(t, to, r, "x.>", "")
	check("subscribed", true, 1)
	to.Import(streams(t, from, "feed.*", "x.*")) // the same again
	check("imported again", true, 1)
	to.Import(streams(t, from, "feed.*", "y.*"))
	check("called differently", false, 2)
	to.Import(list)
	check("imported anew", true, 3)
	to.Unsubscribe(s)
	check("unsubscribed", false, 4)
	s = listen(t, to, r, "x.a", "")
	check("subscribed again", true, 5)
	to.Import(Imports{})
	check("no imports", false, 6)
	to.Unsubscribe(s)
	check("unsubscribed again", false, 6)
}

// Streams are not passed on: not to importers of importers, nor out of what came by a
// service.
func TestStreamImportGoesNoFurther(t *testing.T) {
	a, b, c := New("A"), New("B"), New("C")
	b.Import(streams(t, a, "x", "x"))
	c.Import(streams(t, b, "x", "x"))
	r := newRecorder(1, true)
	listen(t, c, r, "x", "")
	if n := send(a.NewFanout(Config{}), "x", ""); n != 0 {
		t.Errorf("%d got it", n)
	}
	d := New("D")
	d.Import(services(t, b, "x", "ask"))
	if n := send(d.NewFanout(Config{}), "ask", ""); n != 0 {
		t.Errorf("%d got a request that nobody answers", n)
	}
}

// Does an imported message cost no allocation?
func TestStreamImportDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	from, to := New("A"), New("B")
	to.Import(streams(t, from, "feed.*", "from.$1"))
	for range 10 {
		if err := to.Subscribe(&Subscription{Subject: "from.*", SID: "1", Target: &Target{Receiver: sink{}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Subscribe(&Subscription{Subject: "from.*", Handler: func(*Message) {}}); err != nil {
		t.Fatal(err)
	}
	f := from.NewFanout(Config{})
	m := NewMessage("feed.a", []byte("hello"))
	i := 0
	run := func() {
		m.Subject = append(m.Subject[:len("feed.")], byte('a'+i%20)) // some are kept, some are new
		i++
		f.Deliver(f.Routes(m.Subject), m)
		f.Flush()
	}
	for range 100 {
		run()
	}
	if n := testing.AllocsPerRun(200, run); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Accounts with random imports and subscriptions, all of which change, against what
// each subscriber should get by the definition of an import.
func TestStreamImportsAgainstDefinition(t *testing.T) {
	maps := [][2]string{
		{"a.>", "a.>"}, {"a.*", "b.*"}, {"b.>", "p.b.>"}, {"*.b", "x.$1"}, {"a.b", "b"}, {"*.*", "y.$2.$1"}, {"b.*", "c.$1.$1"},
	}
	patterns := []string{">", "a.*", "*.b", "b", "p.>", "p.b.*", "x.*", "y.a.*", "y.*.a", "c.*.b", "c.a.a", "a.b"}
	subjects := []string{"a.a", "a.b", "b.a", "b.b", "b", "a.b.c", "b.c"}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		accounts := []*Account{New("0"), New("1"), New("2")}
		imports := make([][][3]string, len(accounts)) // from, pattern, to
		type listener struct {
			*Subscription
			in  int
			got []string
		}
		var listeners []*listener
		fans := make([]*Fanout, len(accounts))
		for i, a := range accounts {
			fans[i] = a.NewFanout(Config{Seed: seed})
		}
		for step := range 400 {
			switch in := rng.IntN(len(accounts)); rng.IntN(8) {
			case 0:
				var list Imports
				imports[in] = nil
				for range rng.IntN(4) {
					from, m := rng.IntN(len(accounts)), maps[rng.IntN(len(maps))]
					key := [3]string{fmt.Sprint(from), m[0], m[1]}
					if from == in || slices.Contains(imports[in], key) {
						continue
					}
					list.Streams = append(list.Streams, streams(t, accounts[from], m[0], m[1]).Streams...)
					imports[in] = append(imports[in], key)
				}
				accounts[in].Import(list)
			case 1, 2:
				l := &listener{in: in}
				l.Subscription = &Subscription{Subject: patterns[rng.IntN(len(patterns))], Handler: func(m *Message) { l.got = append(l.got, string(m.Subject)) }}
				if err := accounts[in].Subscribe(l.Subscription); err != nil {
					t.Fatal(err)
				}
				listeners = append(listeners, l)
			case 3:
				if n := len(listeners); n > 0 {
					i := rng.IntN(n)
					accounts[listeners[i].in].Unsubscribe(listeners[i].Subscription)
					listeners = slices.Delete(listeners, i, i+1)
				}
			default:
				subj := subjects[rng.IntN(len(subjects))]
				total := send(fans[in], subj, "")
				fans[in].Flush()
				for _, l := range listeners {
					var want []string
					if l.in == in && subject.Matches(subj, l.Subject) {
						want = append(want, subj)
					}
					for _, im := range imports[l.in] {
						tr, err := subject.NewImportTransform(im[1], im[2])
						if err != nil {
							t.Fatal(err)
						}
						if im[0] != fmt.Sprint(in) || !tr.MatchString(subj) {
							continue
						}
						if as := tr.ApplyString(subj, nil); subject.Matches(as, l.Subject) {
							want = append(want, as)
						}
					}
					slices.Sort(want)
					slices.Sort(l.got)
					if !slices.Equal(l.got, want) {
						t.Fatalf("seed %d, step %d: %q in %d got %q of %q in %d, want %q (imports %q)", seed, step, l.Subject, l.in, l.got, subj, in, want, imports[l.in])
					}
					total -= len(l.got)
					l.got = nil
				}
				if total != 0 {
					t.Fatalf("seed %d, step %d: miscounted by %d", seed, step, total)
				}
			}
		}
	}
}

// Do changes of imports and of subscriptions at the same time leave nothing behind?
func TestImportsChangeWhileOthersSubscribe(t *testing.T) {
	from, to := New("A"), New("B")
	lists := []Imports{{}, streams(t, from, "a.*", "x.*"), streams(t, from, "a.*", "y.*", "b.*", "x.*"), services(t, from, "s", "x.s")}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 4))
			f := from.NewFanout(Config{})
			for range 300 {
				switch g {
				case 0:
					to.Import(lists[rng.IntN(len(lists))])
				case 1:
					send(f, "a.b", "")
					f.Flush()
				default:
					s := &Subscription{Subject: []string{"x.*", "y.b", ">"}[rng.IntN(3)], SID: "1", Target: &Target{Receiver: sink{}}}
					if err := to.Subscribe(s); err != nil {
						t.Error(err)
					}
					if rng.IntN(2) == 0 {
						to.Unsubscribe(s)
					} else {
						to.UnsubscribeAll([]*Subscription{s})
					}
				}
			}
		})
	}
	wg.Wait()
	to.Import(Imports{})
	// Answers may still come to both.
	if a, b := from.Interest().Len(), to.Interest().Len(); a != 1 || b != 1 || len(to.shadows)+len(to.services) > 0 {
		t.Errorf("%d and %d subscriptions, %d shadows and %d services are left", a, b, len(to.shadows), len(to.services))
	}
}
