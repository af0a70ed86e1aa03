package account

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Is a subscription that is closed while it is made left behind?
func TestSubscribeAndCloseAtTheSameTime(t *testing.T) {
	t.Run("closed before", func(t *testing.T) {
		a := New("A")
		s := &Subscription{Subject: "a", Target: &Target{Receiver: sink{}}}
		a.Unsubscribe(s)
		if err := a.Subscribe(s); err != nil || a.Interest().Len() != 0 {
			t.Errorf("error %v, %d subscriptions", err, a.Interest().Len())
		}
	})
	t.Run("at the same time", func(t *testing.T) {
		a := New("A")
		for range 2000 {
			s := &Subscription{Subject: "a.*", Queue: "q", Target: &Target{Receiver: sink{}}}
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := a.Subscribe(s); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() { a.UnsubscribeAll([]*Subscription{s}) })
			wg.Wait()
		}
		if n := a.Interest().Len(); n != 0 {
			t.Errorf("%d subscriptions are left behind", n)
		}
	})
}

func TestSubscribeInvalidSubject(t *testing.T) {
	a := New("A")
	good := &Subscription{Subject: "a"}
	if err := a.Subscribe(good); err != nil {
		t.Fatal(err)
	}
	bad := &Subscription{Subject: "a..b"}
	if err := a.Subscribe(bad); !errors.Is(err, subject.ErrInvalidSubject) {
		t.Errorf("Subscribe: %v", err)
	}
	if got := a.Subscriptions(""); !slices.Equal(got, []*Subscription{good}) {
		t.Errorf("left are %v", got)
	}
}

func TestSubscriptions(t *testing.T) {
	a := New("A")
	var subs []*Subscription
	for _, s := range []*Subscription{
		{Subject: "a.b"},
		{Subject: "a.*"},
		{Subject: "a.>", Queue: "q"},
		{Subject: "b", Queue: "q"},
	} {
		if err := a.Subscribe(s); err != nil {
			t.Fatal(err)
		}
		subs = append(subs, s)
	}
	for literal, want := range map[string][]*Subscription{
		"":    subs,
		"a.b": subs[:3],
		"a.c": subs[1:3],
		"b":   subs[3:],
		"a":   nil,
	} {
		got := a.Subscriptions(literal)
		for _, s := range want {
			i := slices.Index(got, s)
			if i < 0 {
				t.Errorf("%q: %q is missing", literal, s.Subject)
				continue
			}
			got = slices.Delete(got, i, i+1)
		}
		if len(got) > 0 {
			t.Errorf("%q: %d too many", literal, len(got))
		}
	}
	a.UnsubscribeAll(subs)
	if len(a.Subscriptions("")) != 0 {
		t.Error("some are left")
	}
	for _, s := range subs {
		if !s.Closed() || s.Close() {
			t.Errorf("%q is not closed, or closed twice", s.Subject)
		}
	}
}

func TestJoin(t *testing.T) {
	a := New("A")
	if a.Name() != "A" || a.Limits() != NoLimits || a.Mapper() != nil || a.Trace() != nil {
		t.Error("a new account is not empty")
	}
	join := func(want error) {
		t.Helper()
		if err := a.Join(); !errors.Is(err, want) {
			t.Errorf("Join: %v, want %v", err, want)
		}
	}
	join(nil)
	join(nil)
	trace := &TraceDestination{Subject: "t", Sampling: 50}
	mapper, err := subject.NewMapper(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	a.Configure(Limits{MaxConn: 2, MaxSubs: 3, MaxPayload: 4}, mapper, trace)
	if a.Limits() != (Limits{2, 3, 4}) || a.Trace() != trace || a.Mapper() != mapper {
		t.Error("not configured")
	}
	join(ErrMaxConnections)
	a.Leave()
	join(nil)
	a.Configure(Limits{MaxConn: 0}, nil, nil)
	join(ErrMaxConnections)
	if a.Connections() != 2 {
		t.Errorf("%d connections", a.Connections())
	}
	a.Configure(NoLimits, nil, nil)
	join(nil)
}

// Does a full account stay within its limit, whoever comes first?
func TestJoinAtTheSameTime(t *testing.T) {
	a := New("A")
	a.Configure(Limits{MaxConn: 5}, nil, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if a.Join() == nil {
					if n := a.Connections(); n > 5 {
						t.Errorf("%d connections", n)
					}
					a.Leave()
				}
			}
		})
	}
	wg.Wait()
	if a.Connections() != 0 {
		t.Errorf("%d connections are left", a.Connections())
	}
}

func TestNewMessage(t *testing.T) {
	for _, tc := range []struct {
		name    string
		m       *Message
		header  string
		payload string
	}{
		{"empty", NewMessage("s", nil), "", ""},
		{"payload", NewMessage("s", []byte("hi")), "", "hi"},
		{"header", NewMessage("s", nil, "A", "b"), "NATS/1.0\r\nA: b\r\n\r\n", ""},
		{"both", NewMessage("s", []byte("hi"), "A", "b", "C", ""), "NATS/1.0\r\nA: b\r\nC: \r\n\r\n", "hi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := tc.m
			if string(m.Subject) != "s" || string(m.Header()) != tc.header || string(m.Payload()) != tc.payload {
				t.Errorf("%q %q %q", m.Subject, m.Header(), m.Payload())
			}
			if string(m.Body) != tc.header+tc.payload+"\r\n" || m.Size() != len(tc.header+tc.payload) {
				t.Errorf("%d bytes in %q", m.Size(), m.Body)
			}
		})
	}
}
