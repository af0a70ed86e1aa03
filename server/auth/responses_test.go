package auth

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newResponses(tb testing.TB, bounds ResponsePermission, publish ...string) *Responses {
	tb.Helper()
	p := &Permissions{Responses: &bounds}
	if publish != nil {
		p.Publish = allow(publish...)
	}
	return mustCompile(tb, p).NewResponses()
}

func TestResponses(t *testing.T) {
	type reply struct {
		after time.Duration
		want  bool
	}
	for _, tc := range []struct {
		name    string
		bounds  ResponsePermission
		replies []reply
	}{
		{"defaults allow one", ResponsePermission{}, []reply{{0, true}, {0, false}}},
		{"defaults allow two minutes", ResponsePermission{}, []reply{{2*time.Minute - 1, true}}},
		{"defaults end at two minutes", ResponsePermission{}, []reply{{2 * time.Minute, false}}},
		{
			"count",
			ResponsePermission{MaxMsgs: 3, Expires: time.Second},
			[]reply{{0, true}, {1, true}, {2, true}, {3, false}},
		},
		{
			"expiry before the count",
			ResponsePermission{MaxMsgs: 3, Expires: time.Second},
			[]reply{{0, true}, {time.Second, false}, {0, false}},
		},
		{
			"no bound on the count",
			ResponsePermission{MaxMsgs: -1, Expires: time.Second},
			[]reply{{0, true}, {1, true}, {2, true}, {3, true}, {time.Second, false}},
		},
		{"no bound on time", ResponsePermission{MaxMsgs: 1, Expires: -1}, []reply{{1e6 * time.Hour, true}, {0, false}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newResponses(t, tc.bounds)
			r.Track([]byte("reply"), t0)
			for i, reply := range tc.replies {
				if got := r.Allow([]byte("reply"), t0.Add(reply.after)); got != reply.want {
					t.Errorf("reply %d after %v: %v, want %v", i, reply.after, got, reply.want)
				}
			}
			if r.Allow([]byte("other"), t0) {
				t.Error("a subject that nobody asked on is allowed")
			}
		})
	}
}

func TestResponsesAreNotTrackedWhereTheyAreAllowedAnyway(t *testing.T) {
	r := newResponses(t, ResponsePermission{}, "_INBOX.>")
	r.Track([]byte("_INBOX.a"), t0)
	if r.Len() != 0 {
		t.Errorf("%d requests are tracked", r.Len())
	}
}

func TestNoResponsesWithoutPermission(t *testing.T) {
	r := mustCompile(t, &Permissions{Publish: allow()}).NewResponses()
	r.Track([]byte("a"), t0)
	if r.Allow([]byte("a"), t0) || r.Len() != 0 {
		t.Error("a reply is allowed")
	}
}

func TestResponsesForgetTheOldestBeyondTheBound(t *testing.T) {
	r := newResponses(t, ResponsePermission{})
	r.limit = 3
	for i := range 5 {
		r.Track(fmt.Appendf(nil, "r.%d", i), t0)
	}
	for i := range 5 {
		if got, want := r.Allow(fmt.Appendf(nil, "r.%d", i), t0), i >= 2; got != want {
			t.Errorf("reply %d: %v, want %v", i, got, want)
		}
	}
}

func TestResponsesDropWhatExpired(t *testing.T) {
	r := newResponses(t, ResponsePermission{Expires: time.Second})
	for i := range 1000 {
		r.Track(fmt.Appendf(nil, "r.%d", i), t0)
	}
	r.Track([]byte("r.0"), t0.Add(time.Second))
	if r.Len() != 1 {
		t.Errorf("%d requests are still tracked, want 1", r.Len())
	}
}

func TestResponsesAgreeWithTheModel(t *testing.T) {
	type tracked struct {
		left    int
		expires time.Time
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		bounds := ResponsePermission{MaxMsgs: 1 + rng.IntN(3), Expires: time.Duration(1 + rng.IntN(20))}
		r := newResponses(t, bounds)
		model := map[string]tracked{}
		now := t0
		for range 500 {
			now = now.Add(time.Duration(rng.IntN(3)))
			subj := fmt.Sprintf("r.%d", rng.IntN(10))
			if rng.IntN(2) == 0 {
				r.Track([]byte(subj), now)
				model[subj] = tracked{bounds.MaxMsgs, now.Add(bounds.Expires)}
				continue
			}
			entry := model[subj]
			want := entry.left > 0 && now.Before(entry.expires)
			if want {
				entry.left--
				model[subj] = entry
			}
			if got := r.Allow([]byte(subj), now); got != want {
				t.Fatalf("bounds %+v: reply on %s: %v, want %v", bounds, subj, got, want)
			}
			if r.Len() != len(r.byReply) || r.oldest.Len() != len(r.byReply) {
				t.Fatalf("%d in order, %d by subject", r.oldest.Len(), len(r.byReply))
			}
		}
	}
}
