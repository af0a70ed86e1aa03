package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// history is what clients did and saw. Times are counted from its beginning.
type history struct {
	speakers  []*speaker
	listeners []*listener
}

// speaker is a connection that publishes.
type speaker struct {
	account string
	// said is in the order of publishing.
	said []saying
}

// saying is a published message. The server took it at some time between sent
// and accepted.
type saying struct {
	subject        string
	sent, accepted time.Duration
}

// listener is a subscription. It began at some time between begun and confirmed,
// and ended between leaving and left, when everything under way had arrived.
type listener struct {
	account, pattern, queue string
	begun, confirmed        time.Duration
	leaving, left           time.Duration
	heard                   []heard
	unreadable              int
}

// heard is a received message: the nth of a speaker.
type heard struct {
	speaker, n int
	subject    string
}

// violations says what must not have happened:
//   - what nobody said is heard, or on another subject, or in another account,
//     or by somebody who had not come yet
//   - a listener hears something twice, or a speaker's messages out of order
//   - somebody without a queue misses what was said while it was there
//   - what was said while a group had a member for it is heard by no member, or
//     by more than one
func (h *history) violations() []string {
	var out []string
	complain := func(format string, args ...any) {
		if len(out) < 20 { // the rest would be more of the same
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	type group struct{ account, queue string }
	groups := make(map[group][]*listener)
	for _, l := range h.listeners {
		h.checkHeard(l, complain)
		if l.queue == "" {
			h.checkComplete(l, complain)
		} else {
			g := group{l.account, l.queue}
			groups[g] = append(groups[g], l)
		}
	}
	for _, members := range groups {
		h.checkGroup(members, complain)
	}
	return out
}

func (l *listener) String() string {
	return fmt.Sprintf("listener to %s %s of %s (%v to %v)", l.pattern, l.queue, l.account, l.confirmed, l.leaving)
}

// checkHeard checks what one listener heard, by itself.
func (h *history) checkHeard(l *listener, complain func(string, ...any)) {
	if l.unreadable > 0 {
		complain("%v: %d messages cannot be read", l, l.unreadable)
	}
	last := make(map[int]int)
	for _, m := range l.heard {
		if m.speaker < 0 || m.speaker >= len(h.speakers) || m.n < 0 || m.n >= len(h.speakers[m.speaker].said) {
			complain("%v: hears message %d of speaker %d, which nobody said", l, m.n, m.speaker)
			continue
		}
		from := h.speakers[m.speaker]
		said := from.said[m.n]
		switch before, ok := last[m.speaker]; {
		case from.account != l.account:
			complain("%v: hears message %d of speaker %d, who is in account %s", l, m.n, m.speaker, from.account)
		case said.subject != m.subject || !patternMatches(l.pattern, m.subject):
			complain("%v: hears message %d of speaker %d on %s, it was said on %s", l, m.n, m.speaker, m.subject, said.subject)
		case said.accepted < l.begun:
			complain("%v: hears message %d of speaker %d of %v, before it came", l, m.n, m.speaker, said.accepted)
		case ok && m.n == before:
			complain("%v: hears message %d of speaker %d twice", l, m.n, m.speaker)
		case ok && m.n < before:
			complain("%v: hears message %d of speaker %d after message %d", l, m.n, m.speaker, before)
		}
		last[m.speaker] = m.n
	}
}

// concerns tells whether a message was for a listener, and surely so.
func (l *listener) concerns(s *saying) bool {
	return s.sent >= l.confirmed && s.accepted <= l.leaving && patternMatches(l.pattern, s.subject)
}

// checkComplete checks that a listener without queue missed nothing.
func (h *history) checkComplete(l *listener, complain func(string, ...any)) {
	got := make(map[[2]int]bool)
	for _, m := range l.heard {
		got[[2]int{m.speaker, m.n}] = true
	}
	for i, from := range h.speakers {
		for n := range from.said {
			if s := &from.said[n]; from.account == l.account && l.concerns(s) && !got[[2]int{i, n}] {
				complain("%v: misses message %d of speaker %d on %s (%v to %v)", l, n, i, s.subject, s.sent, s.accepted)
			}
		}
	}
}

// checkGroup checks that members of a group share messages.
func (h *history) checkGroup(members []*listener, complain func(string, ...any)) {
	times := make(map[[2]int]int)
	for _, l := range members {
		for _, m := range l.heard {
			times[[2]int{m.speaker, m.n}]++
		}
	}
	for i, from := range h.speakers {
		if from.account != members[0].account {
			continue
		}
		for n := range from.said {
			s := &from.said[n]
			switch got := times[[2]int{i, n}]; {
			case got > 1:
				complain("group %s of %s: %d members hear message %d of speaker %d", members[0].queue, from.account, got, n, i)
			case got == 0 && slices.ContainsFunc(members, func(l *listener) bool { return l.concerns(s) }):
				complain("group %s of %s: nobody hears message %d of speaker %d on %s (%v to %v)",
					members[0].queue, from.account, n, i, s.subject, s.sent, s.accepted)
			}
		}
	}
}

// patternMatches is the rule of subjects, in the plainest form.
func patternMatches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || token != "*" && token != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

// The model finds every kind of violation, and none where there is none.
func TestHistoryModel(t *testing.T) {
	plain := func(from, to time.Duration, got ...heard) *listener {
		return &listener{account: "A", pattern: "a.*", begun: from, confirmed: from, leaving: to, left: to, heard: got}
	}
	member := func(from, to time.Duration, got ...heard) *listener {
		l := plain(from, to, got...)
		l.queue = "q"
		return l
	}
	speakers := []*speaker{
		{"A", []saying{{"a.1", 10, 20}, {"b.1", 20, 30}, {"a.2", 30, 40}}},
		{"B", []saying{{"a.1", 10, 20}}},
	}
	first, third, other := heard{0, 0, "a.1"}, heard{0, 2, "a.2"}, heard{1, 0, "a.1"}
	for _, test := range []struct {
		name      string
		listeners []*listener
		want      string // part of the complaint
	}{
		{"everything", []*listener{plain(0, 50, first, third), member(0, 50, first), member(0, 50, third)}, ""},
		{"half-way in time", []*listener{plain(25, 50, third), plain(0, 35, first), plain(15, 18), plain(15, 18, first)}, ""},
		{"lost", []*listener{plain(0, 50, third)}, "misses message 0"},
		{"twice", []*listener{plain(0, 50, first, first, third)}, "twice"},
		{"out of order", []*listener{plain(0, 50, third, first)}, "after message 2"},
		{"another account's", []*listener{plain(0, 50, first, third, other)}, "in account B"},
		{"another subject's", []*listener{plain(0, 50, first, heard{0, 1, "b.1"}, third)}, "said on b.1"},
		{"changed subject", []*listener{plain(0, 50, first, heard{0, 2, "a.9"})}, "said on a.2"},
		{"never said", []*listener{plain(0, 50, first, third, heard{0, 3, "a.1"})}, "nobody said"},
		{"before it came", []*listener{plain(25, 50, first, third)}, "before it came"},
		{"unreadable", []*listener{{account: "A", pattern: "c", unreadable: 1}}, "cannot be read"},
		{"two members", []*listener{member(0, 50, first, third), member(0, 50, third)}, "2 members"},
		{"no member", []*listener{member(0, 50, first), member(0, 50)}, "nobody hears message 2"},
		{"no member for it", []*listener{member(0, 25, first), member(0, 25)}, ""},
	} {
		h := &history{speakers: speakers, listeners: test.listeners}
		got := strings.Join(h.violations(), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: violations %q, want %q", test.name, got, test.want)
		}
	}
}
