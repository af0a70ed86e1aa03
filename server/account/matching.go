package account

import "sync/atomic"

// Matching counts how receivers were found since the account was made.
type Matching struct {
	// Lookups is how often the receivers of a subject were asked for: once per
	// message. Found is how often they were not known already.
	Lookups, Found uint64
	// Receivers is the number of subscriptions found in all, MaxReceivers the
	// largest number of them for one subject.
	Receivers, MaxReceivers uint64
}

// matchCounters are an account's, to which its publishers add what they count
// by themselves between flushes.
type matchCounters struct {
	lookups, found, receivers, max atomic.Uint64
}

// Matching returns the counters.
func (a *Account) Matching() Matching {
	c := &a.matching
	return Matching{c.lookups.Load(), c.found.Load(), c.receivers.Load(), c.max.Load()}
}

// add adds what a publisher has counted and starts it over.
func (c *matchCounters) add(m *Matching) {
	if m.Lookups == 0 {
		return
	}
	c.lookups.Add(m.Lookups)
	c.found.Add(m.Found)
	c.receivers.Add(m.Receivers)
	for {
		max := c.max.Load()
		if m.MaxReceivers <= max || c.max.CompareAndSwap(max, m.MaxReceivers) {
			break
		}
	}
	*m = Matching{}
}
