package monitor

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestConnSort asks each order for connections that differ in one field, and
// wants those that are equal in it by id.
func TestConnSort(t *testing.T) {
	closed := func(c Conn) Conn {
		c.Stop = epoch
		return c
	}
	for _, test := range []struct {
		key   SortKey
		state ConnState
		conns [4]Conn // ids 1 to 4
		want  []uint64
	}{
		{"", ConnOpen, [4]Conn{}, []uint64{1, 2, 3, 4}},
		{SortByCID, ConnOpen, [4]Conn{}, []uint64{1, 2, 3, 4}},
		{SortByStart, ConnOpen, [4]Conn{{Start: ago(1)}, {Start: ago(3)}, {Start: ago(2)}, {Start: ago(3)}}, []uint64{2, 4, 3, 1}},
		{SortByUptime, ConnOpen, [4]Conn{{Start: ago(1)}, {Start: ago(3)}, {Start: ago(2)}, {Start: ago(3)}}, []uint64{1, 3, 2, 4}},
		{SortByUptime, ConnAny, [4]Conn{{Start: ago(9)}, {Start: ago(10), Stop: ago(9)}, {Start: ago(8)}, {Start: ago(20), Stop: ago(10)}}, []uint64{2, 3, 1, 4}},
		{SortByLast, ConnOpen, [4]Conn{{LastActivity: ago(2)}, {LastActivity: ago(1)}, {LastActivity: ago(3)}, {LastActivity: ago(1)}}, []uint64{2, 4, 1, 3}},
		{SortByIdle, ConnOpen, [4]Conn{{LastActivity: ago(2)}, {LastActivity: ago(1)}, {LastActivity: ago(3)}, {LastActivity: ago(1)}}, []uint64{3, 1, 2, 4}},
		{SortByIdle, ConnAny, [4]Conn{{LastActivity: ago(5)}, {LastActivity: ago(9), Stop: ago(8)}, {LastActivity: ago(7)}, {LastActivity: ago(20), Stop: ago(10)}}, []uint64{4, 3, 1, 2}},
		{SortBySubs, ConnOpen, [4]Conn{{NumSubs: 2}, {NumSubs: 1}, {NumSubs: 3}, {NumSubs: 3}}, []uint64{3, 4, 1, 2}},
		{SortByPending, ConnOpen, [4]Conn{{PendingBytes: 2}, {PendingBytes: 1}, {PendingBytes: 3}, {PendingBytes: 3}}, []uint64{3, 4, 1, 2}},
		{SortByOutMsgs, ConnOpen, [4]Conn{{OutMsgs: 2}, {OutMsgs: 1}, {OutMsgs: 3}, {OutMsgs: 3}}, []uint64{3, 4, 1, 2}},
		{SortByInMsgs, ConnOpen, [4]Conn{{InMsgs: 2}, {InMsgs: 1}, {InMsgs: 3}, {InMsgs: 3}}, []uint64{3, 4, 1, 2}},
		{SortByOutBytes, ConnOpen, [4]Conn{{OutBytes: 2}, {OutBytes: 1}, {OutBytes: 3}, {OutBytes: 3}}, []uint64{3, 4, 1, 2}},
		{SortByInBytes, ConnOpen, [4]Conn{{InBytes: 2}, {InBytes: 1}, {InBytes: 3}, {InBytes: 3}}, []uint64{3, 4, 1, 2}},
		{SortByRTT, ConnOpen, [4]Conn{{RTT: 2}, {RTT: 1}, {RTT: 3}, {RTT: 3}}, []uint64{3, 4, 1, 2}},
		{SortByStop, ConnClosed, [4]Conn{{Stop: ago(2)}, {Stop: ago(1)}, {Stop: ago(3)}, {Stop: ago(1)}}, []uint64{2, 4, 1, 3}},
		{SortByReason, ConnClosed, [4]Conn{closed(Conn{Reason: "Z"}), closed(Conn{Reason: "B"}), closed(Conn{Reason: "A"}), closed(Conn{Reason: "B"})}, []uint64{3, 2, 4, 1}},
	} {
		t.Run(fmt.Sprintf("%s/%d", test.key, test.state), func(t *testing.T) {
			src := &fakeSource{}
			// Given in reverse, so that doing nothing is not an answer.
			for i, c := range slices.Backward(test.conns[:]) {
				c.CID = uint64(i + 1)
				src.conns = append(src.conns, &c)
			}
			answer, err := newMonitor(t, src).Connz(ConnzOptions{Sort: test.key, State: test.state})
			if err != nil {
				t.Fatal(err)
			}
			if got := cids(answer.Conns); !slices.Equal(got, test.want) {
				t.Errorf("order %v, want %v", got, test.want)
			}
		})
	}
}

func TestConnzErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		opts ConnzOptions
		want string
	}{
		{"unknown order", ConnzOptions{Sort: "foo"}, "invalid sorting option: foo"},
		{"stop of open", ConnzOptions{Sort: SortByStop}, "sort by stop only valid on closed connections"},
		{"stop of any", ConnzOptions{Sort: SortByStop, State: ConnAny}, "sort by stop only valid on closed connections"},
		{"reason of open", ConnzOptions{Sort: SortByReason}, "sort by reason only valid on closed connections"},
		{"subject without account", ConnzOptions{FilterSubject: "foo"}, "filter by subject only valid with account filtering"},
		{"unknown state", ConnzOptions{State: 3}, "invalid connection state: 3"},
		{"negative state", ConnzOptions{State: -1}, "invalid connection state: -1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := newMonitor(t, &fakeSource{}).Connz(test.opts)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, %v; want error %q", answer, err, test.want)
			}
		})
	}
}

func TestConnzSelects(t *testing.T) {
	src := &fakeSource{conns: []*Conn{
		{CID: 1, User: "joe", Account: "A", NumSubs: 1, Subs: subsOf(Sub{Subject: "foo.*"})},
		{CID: 2, User: "sue", Account: "A", NumSubs: 1, Subs: subsOf(Sub{Subject: "bar"}, Sub{Subject: "baz.>"})},
		{CID: 3, User: "joe", Account: "B", NumSubs: 1, Subs: subsOf(Sub{Subject: "foo.*"})},
		{CID: 4, User: "joe", Account: "A", Stop: ago(1)},
		{CID: 5, Stop: ago(2), MQTTClient: "m"},
	}}
	for _, test := range []struct {
		name string
		opts ConnzOptions
		want []uint64
	}{
		{"open by default", ConnzOptions{}, []uint64{1, 2, 3}},
		{"closed", ConnzOptions{State: ConnClosed}, []uint64{4, 5}},
		{"any", ConnzOptions{State: ConnAny}, []uint64{1, 2, 3, 4, 5}},
		{"id", ConnzOptions{CID: 2}, []uint64{2}},
		{"id that is closed", ConnzOptions{CID: 4}, []uint64{}},
		{"id among closed", ConnzOptions{CID: 4, State: ConnClosed}, []uint64{4}},
		{"unknown id", ConnzOptions{CID: 9}, []uint64{}},
		{"user", ConnzOptions{User: "joe"}, []uint64{1, 3}},
		{"account", ConnzOptions{Account: "A"}, []uint64{1, 2}},
		{"user of account", ConnzOptions{Account: "A", User: "joe", State: ConnAny}, []uint64{1, 4}},
		{"unknown account", ConnzOptions{Account: "C"}, []uint64{}},
		{"mqtt client", ConnzOptions{MQTTClient: "m", State: ConnAny}, []uint64{5}},
		{"no such mqtt client", ConnzOptions{MQTTClient: "x", State: ConnAny}, []uint64{}},
		{"literal subject", ConnzOptions{Account: "A", FilterSubject: "foo.1"}, []uint64{1}},
		{"wildcard subject", ConnzOptions{Account: "A", FilterSubject: "*.x.>"}, []uint64{2}},
		{"any subject", ConnzOptions{Account: "A", FilterSubject: ">", State: ConnAny}, []uint64{1, 2}},
		{"subject of nobody", ConnzOptions{Account: "A", FilterSubject: "nope"}, []uint64{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := newMonitor(t, src).Connz(test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := cids(answer.Conns); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if answer.Total != len(test.want) || answer.NumConns != len(test.want) {
				t.Errorf("total %d, count %d; want %d", answer.Total, answer.NumConns, len(test.want))
			}
			if want := (ConnFilter{test.opts.State, test.opts.CID, test.opts.Account}); src.connFilter != want {
				t.Errorf("source was asked for %+v, want %+v", src.connFilter, want)
			}
		})
	}
}

// TestConnzShowsIdentityOnRequest: names, accounts and credentials are for those
// who ask, and the global account goes unnamed.
func TestConnzShowsIdentityOnRequest(t *testing.T) {
	src := &fakeSource{conns: []*Conn{
		{CID: 1, User: "joe", Account: "A", JWT: "j", IssuerKey: "i", NameTag: "n", Tags: []string{"t"}},
		{CID: 2, User: "sue", Account: globalAccount},
	}}
	for _, auth := range []bool{false, true} {
		answer, err := newMonitor(t, src).Connz(ConnzOptions{Auth: auth})
		if err != nil {
			t.Fatal(err)
		}
		c := answer.Conns[0]
		for _, got := range []string{c.AuthorizedUser, c.Account, c.JWT, c.IssuerKey, c.NameTag, fmt.Sprint(c.Tags)} {
			if shown := got != "" && got != "[]"; shown != auth {
				t.Errorf("auth %t: %q in %+v", auth, got, c)
			}
		}
		if g := answer.Conns[1].Account; g != "" {
			t.Errorf("auth %t: global account is shown as %q", auth, g)
		}
	}
}

// TestConnzListsSubsOfThePage: listing subscriptions is what costs, so it must
// happen for what is shown alone.
func TestConnzListsSubsOfThePage(t *testing.T) {
	listed := map[uint64]int{}
	src := &fakeSource{}
	for id := range uint64(10) {
		src.conns = append(src.conns, &Conn{CID: id, Subs: func() []Sub {
			listed[id]++
			return []Sub{{Subject: "s", Account: "A", CID: id}}
		}})
	}
	m := newMonitor(t, src)
	if _, err := m.Connz(ConnzOptions{Offset: 4, Limit: 2}); err != nil || len(listed) != 0 {
		t.Errorf("without subscriptions: error %v, listed %v", err, listed)
	}
	answer, err := m.Connz(ConnzOptions{Offset: 4, Limit: 2, SubscriptionsDetail: true})
	if err != nil || len(listed) != 2 || listed[4] != 1 || listed[5] != 1 {
		t.Errorf("error %v, listed %v, want 4 and 5 once", err, listed)
	}
	if want := (Sub{Subject: "s", CID: 4}); answer.Conns[0].SubsDetail[0] != want {
		t.Errorf("got %+v, want %+v", answer.Conns[0].SubsDetail[0], want)
	}
}

// TestConnzPages compares the pages of random connections, in every order and
// page size, with a whole list that is selected and sorted the plain way
func TestConnzPages(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	few := func() int64 { return rng.Int64N(4) } // many ties
	src := &fakeSource{}
	for _, id := range rng.Perm(60) {
		c := &Conn{
			CID: uint64(id + 1), Start: ago(time.Duration(10 + few())), LastActivity: ago(time.Duration(5 + few())),
			RTT: time.Duration(few()), PendingBytes: few(), InMsgs: few(), OutMsgs: few(), InBytes: few(), OutBytes: few(),
			NumSubs: int(few()), User: fmt.Sprint("u", few()), Reason: fmt.Sprint("r", few()),
		}
		if few() == 0 {
			c.Stop = ago(time.Duration(few()))
		}
		src.conns = append(src.conns, c)
	}
	m := newMonitor(t, src)
	keys := []SortKey{
		SortByCID, SortByStart, SortBySubs, SortByPending, SortByOutMsgs, SortByInMsgs, SortByOutBytes,
		SortByInBytes, SortByLast, SortByIdle, SortByUptime, SortByStop, SortByReason, SortByRTT,
	}
	for _, key := range keys {
		for _, user := range []string{"", "u1"} {
			whole := slices.DeleteFunc(slices.Clone(src.conns), func(c *Conn) bool {
				return c.Stop.IsZero() || user != "" && c.User != user
			})
			// What the order does not decide is decided by id.
			slices.SortFunc(whole, func(a, b *Conn) int { return cmp.Compare(a.CID, b.CID) })
			order, err := key.order(ConnClosed, epoch)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(whole, order)
			want := []uint64{}
			for _, c := range whole {
				want = append(want, c.CID)
			}
			for _, limit := range []int{1, 3, 7, 1000} {
				got := []uint64{}
				for offset := 0; ; offset += limit {
					page, err := m.Connz(ConnzOptions{Sort: key, State: ConnClosed, User: user, Offset: offset, Limit: limit})
					if err != nil {
						t.Fatal(err)
					}
					if page.Total != len(want) || page.NumConns != len(page.Conns) || page.NumConns > limit ||
						page.Offset != offset || page.Limit != limit {
						t.Fatalf("%s offset %d limit %d: page %+v of %d", key, offset, limit, page, len(want))
					}
					if page.NumConns == 0 {
						break
					}
					got = append(got, cids(page.Conns)...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("sort %s user %q limit %d: pages %v, want %v", key, user, limit, got, want)
				}
			}
		}
	}
}

func TestPageDefaults(t *testing.T) {
	for _, test := range []struct{ offset, limit, wantOffset, wantLimit int }{
		{0, 0, 0, 1024},
		{-1, -1, 0, 1024},
		{5, 1, 5, 1},
		{5, 5000, 5, 5000},
		{int(^uint(0) >> 1), int(^uint(0) >> 1), int(^uint(0) >> 1), int(^uint(0) >> 1)},
	} {
		src := &fakeSource{conns: []*Conn{{CID: 1}}}
		answer, err := newMonitor(t, src).Connz(ConnzOptions{Offset: test.offset, Limit: test.limit})
		if err != nil || answer.Offset != test.wantOffset || answer.Limit != test.wantLimit {
			t.Errorf("offset %d limit %d: %+v, %v", test.offset, test.limit, answer, err)
		}
	}
}
