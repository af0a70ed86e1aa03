package account

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/subject"
	"github.com/nats-lite/nats-lite/server/sublist"
)

// A subscription of an account that imports a stream has a shadow in the account
// that exports it: a subscription with the subjects as they are there, which brings
// messages to the same target. A publisher there finds it like any other, and keeps
// the beginning of the lines for it, with the subject as it is here: an imported
// message costs what any message costs.
//
// Everything that may end deliveries is asked of the subscription itself. The shadow
// only makes it be found.

// shadow makes the shadows of subscriptions what they have to be: those of a closed
// one are removed. It is called when they are in the index, or no longer.
func (a *Account) shadow(subs ...*Subscription) {
	// Who subscribes before there are imports is found by who sets them, and who has
	// unsubscribed before is seen to be closed, and to have shadows.
	if im := a.imports.Load(); im == nil || len(im.Streams) == 0 {
		return
	}
	var changed []interestChange
	a.importing.Lock()
	for _, s := range subs {
		changed = append(changed, a.shadowLocked(s)...)
	}
	a.importing.Unlock()
	tellAll(changed)
}

func (a *Account) shadowLocked(s *Subscription) (changed []interestChange) {
	if s.passage != nil {
		return nil // what is imported goes no further
	}
	var wanted []*StreamImport
	if !s.closed.Load() {
		wanted = a.imports.Load().Streams
	}
	had := a.shadows[s]
	if len(had) == 0 && len(wanted) == 0 {
		return nil
	}
	var have []*Subscription
	gone := make(map[*Account][]sublist.Item[*Subscription])
	for _, sh := range had {
		if slices.Contains(wanted, sh.passage.stream) {
			have = append(have, sh)
			continue
		}
		from := sh.passage.stream.From
		gone[from] = append(gone[from], sublist.Item[*Subscription]{Subject: sh.Subject, Queue: sh.Queue, Value: sh})
		changed = append(changed, interestChange{from, sh})
	}
	for from, items := range gone {
		from.subs.RemoveMany(items)
	}
	kept := len(have)
	for _, im := range wanted {
		if slices.ContainsFunc(have[:kept], func(sh *Subscription) bool { return sh.passage.stream == im }) {
			continue
		}
		local, ok := subject.Intersect(s.Subject, im.local)
		if !ok {
			continue
		}
		sh := &Subscription{
			Subject: im.here.ApplyString(local, nil), Queue: s.Queue, SID: s.SID, Target: s.Target,
			passage: &passage{of: s, stream: im, account: a},
		}
		if s.remote() {
			im.From.remote.Store(true)
		}
		im.From.mustInsert(sh)
		have = append(have, sh)
		changed = append(changed, interestChange{im.From, sh})
	}
	if len(have) == 0 {
		delete(a.shadows, s)
	} else {
		a.shadows[s] = have
	}
	return changed
}

// Owner is the subscription that gets the messages, and its account, if that is
// another one than the one it was found in.
func (s *Subscription) Owner() (*Subscription, *Account) {
	if s.passage == nil || s.passage.of == nil {
		return s, nil
	}
	return s.passage.of, s.passage.account
}

// exports tells whether a message may go to an importing account: one that came from
// another account does not, or it might go around for ever, and one from another server
// is sent to the importing account from there.
func (f *Fanout) exports(rt *route, m *Message) bool {
	if m.hops > 0 || m.arrived {
		return false
	}
	p := rt.sub.passage
	if !p.stream.loose {
		return true
	}
	f.local = p.stream.there.Apply(f.local[:0], m.Subject, nil)
	return subject.Matches(f.local, p.of.Subject)
}

// shown is the subject that a message has for a subscription: the one of the
// importing account, unless it was forwarded and keeps its own.
func (f *Fanout) shown(rt *route, m *Message, forwarded bool) []byte {
	if !rt.shadow || forwarded {
		return m.Subject
	}
	f.local = rt.sub.passage.stream.there.Apply(f.local[:0], m.Subject, nil)
	return f.local
}
