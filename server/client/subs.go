package client

import "github.com/nats-lite/nats-lite/server/account"

// fewSubs is how many subscriptions are searched one by one. Most connections
// have no more, and a map costs more memory than they do.
const fewSubs = 8

// subTable finds a connection's subscriptions by sid.
type subTable struct {
	few  []*account.Subscription
	many map[string]*account.Subscription
}

func (t *subTable) len() int { return len(t.few) + len(t.many) }

func (t *subTable) get(sid string) *account.Subscription {
	for _, s := range t.few {
		if s.SID == sid {
			return s
		}
	}
	return t.many[sid]
}

// add adds a subscription whose sid is not in the table.
func (t *subTable) add(s *account.Subscription) {
	if t.many == nil && len(t.few) < fewSubs {
		t.few = append(t.few, s)
		return
	}
	if t.many == nil {
		t.many = make(map[string]*account.Subscription, 2*fewSubs)
		for _, f := range t.few {
			t.many[f.SID] = f
		}
		t.few = nil
	}
	t.many[s.SID] = s
}

// remove removes this very subscription, if it is there.
func (t *subTable) remove(s *account.Subscription) {
	for i, f := range t.few {
		if f == s {
			last := len(t.few) - 1
			t.few[i] = t.few[last]
			t.few[last] = nil
			t.few = t.few[:last]
			return
		}
	}
	if t.many[s.SID] == s {
		delete(t.many, s.SID)
	}
}

// each calls f with every subscription, in no order, until it returns false.
func (t *subTable) each(f func(*account.Subscription) bool) {
	for _, s := range t.few {
		if !f(s) {
			return
		}
	}
	for _, s := range t.many {
		if !f(s) {
			return
		}
	}
}

// all returns the subscriptions in a new slice, in no order.
func (t *subTable) all() []*account.Subscription {
	out := make([]*account.Subscription, 0, t.len())
	t.each(func(s *account.Subscription) bool { out = append(out, s); return true })
	return out
}
