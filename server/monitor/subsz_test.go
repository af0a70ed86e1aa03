package monitor

import (
	"fmt"
	"slices"
	"testing"
)

func TestSubsz(t *testing.T) {
	subs := []Sub{
		{Account: "A", Subject: "foo.*", SID: "1"},
		{Account: "A", Subject: "foo.bar", SID: "2"},
		{Account: "B", Subject: ">", SID: "3"},
		{Account: "B", Subject: "foo", SID: "4"},
	}
	for _, test := range []struct {
		name  string
		opts  SubszOptions
		want  string // sids of the list
		total int
		err   string
	}{
		{name: "no list", opts: SubszOptions{}},
		{name: "no list, but a test", opts: SubszOptions{Test: "foo.bar"}},
		{name: "all", opts: SubszOptions{Subscriptions: true}, want: "1234", total: 4},
		{name: "account", opts: SubszOptions{Subscriptions: true, Account: "B"}, want: "34", total: 2},
		{name: "unknown account", opts: SubszOptions{Subscriptions: true, Account: "C"}},
		{name: "test", opts: SubszOptions{Subscriptions: true, Test: "foo.bar"}, want: "123", total: 3},
		{name: "test in account", opts: SubszOptions{Subscriptions: true, Test: "foo.bar", Account: "A"}, want: "12", total: 2},
		{name: "page", opts: SubszOptions{Subscriptions: true, Offset: 1, Limit: 2}, want: "23", total: 4},
		{name: "page behind the end", opts: SubszOptions{Subscriptions: true, Offset: 4}, total: 4},
		{name: "test with wildcard", opts: SubszOptions{Test: "foo.*"}, err: "invalid test subject, must be valid publish subject: foo.*"},
		{name: "test with empty token", opts: SubszOptions{Test: "foo..a"}, err: "invalid test subject, must be valid publish subject: foo..a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := &fakeSource{subs: subs, stats: map[string]SubStats{"": {NumSubs: 4}, "A": {NumSubs: 2}, "B": {NumSubs: 2}}}
			answer, err := newMonitor(t, src).Subsz(test.opts)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got %v, %v; want error %q", answer, err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, sub := range answer.Subs {
				got += sub.SID
			}
			if got != test.want || answer.Total != test.total {
				t.Errorf("list %q of %d, want %q of %d", got, answer.Total, test.want, test.total)
			}
			if answer.SubStats != src.stats[test.opts.Account] {
				t.Errorf("statistics %+v, want those of account %q", answer.SubStats, test.opts.Account)
			}
			if listed := src.subsCalls > 0; listed != test.opts.Subscriptions {
				t.Errorf("source listed subscriptions: %t, asked for: %t", listed, test.opts.Subscriptions)
			}
			if want := (SubFilter{test.opts.Account, test.opts.Test}); test.opts.Subscriptions && src.subFilter != want {
				t.Errorf("source was asked for %+v, want %+v", src.subFilter, want)
			}
		})
	}
}

// TestSubszPages: the pages one after the other are the whole list.
func TestSubszPages(t *testing.T) {
	src := &fakeSource{}
	for i := range 50 {
		src.subs = append(src.subs, Sub{Account: fmt.Sprint(i % 3), Subject: fmt.Sprint("s.", i%5), SID: fmt.Sprint(i)})
	}
	m := newMonitor(t, src)
	for _, opts := range []SubszOptions{{}, {Account: "1"}, {Test: "s.2"}, {Account: "1", Test: "s.2"}} {
		opts.Subscriptions = true
		whole, err := m.Subsz(opts)
		if err != nil || len(whole.Subs) != whole.Total {
			t.Fatalf("%+v: %d of %d, error %v", opts, len(whole.Subs), whole.Total, err)
		}
		for _, limit := range []int{1, 4, 50, 60} {
			var got []Sub
			opts.Limit = limit
			for opts.Offset = 0; opts.Offset < whole.Total; opts.Offset += limit {
				page, err := m.Subsz(opts)
				if err != nil || page.Total != whole.Total || len(page.Subs) > limit {
					t.Fatalf("%+v: %d of %d, error %v", opts, len(page.Subs), page.Total, err)
				}
				got = append(got, page.Subs...)
			}
			if !slices.Equal(got, whole.Subs) {
				t.Errorf("%+v: pages %v, want %v", opts, got, whole.Subs)
			}
		}
	}
}
