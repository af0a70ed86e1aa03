package account

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Interest is that of the listeners to a subject which an account has on this server, as
// others are told of it.
type Interest struct {
	Subject string
	// Queue is the queue group, "" for plain subscriptions.
	Queue string
	// Members is the number of members of the group here, and 1 for plain
	// subscriptions, however many; 0 if there is none any more.
	Members int
}

// Follower is told of the interest in an account: of all that there is, and then of what
// changes.
//
// It holds one item for each subject and group of which it was told something else than
// what holds now, so that one who is slow costs no more memory than the interest that he
// was told of and the one that there is, whatever happened in between.
type Follower struct {
	of   *interests
	wake func()
	// dirty tells whether there is something to take.
	dirty atomic.Bool

	// The following belong to of.mu. pending is in the order of the chain, which begins
	// at first and goes to last.
	pending     map[interestKey]*pendingInterest
	first, last *pendingInterest
	// most is the largest size of pending since it was made.
	most int
}

// pendingInterest is what a follower is to be told of.
type pendingInterest struct {
	key interestKey
	// told is what the follower knows: a number of members.
	told       int
	prev, next *pendingInterest
}

type interestKey struct{ subject, queue string }

// interests are those of an account, from the first follower on.
type interests struct {
	// some is whether there has been a follower, so that an account without pays
	// nothing.
	some atomic.Bool

	mu sync.Mutex
	// members are the numbers of subscriptions.
	members map[interestKey]int
	// followers is replaced, never changed.
	followers []*Follower
}

// Follow tells somebody of the interest on this server, by Take. wake is called when there
// is something to take, on the goroutine of whoever subscribes and before Subscribe
// returns: who takes what there is before he sends on a message of the account is never
// behind its publisher. It must not block nor call the account.
func (a *Account) Follow(wake func()) *Follower {
	is := &a.interests
	f := &Follower{of: is, wake: wake}
	is.mu.Lock()
	defer is.mu.Unlock()
	if !is.some.Load() {
		is.members = make(map[interestKey]int)
		is.some.Store(true)
		// Who subscribes from now on waits for the lock, and may be among these.
		a.subs.All(func(_, _ string, s *Subscription) bool { is.noteLocked(s); return true })
	}
	for key, n := range is.members {
		f.changedLocked(key, 0, key.told(n))
	}
	is.followers = append(slices.Clip(is.followers), f)
	return f
}

// Stop ends following. wake may be called once more while it returns.
func (f *Follower) Stop() {
	is := f.of
	is.mu.Lock()
	defer is.mu.Unlock()
	is.followers = slices.DeleteFunc(slices.Clone(is.followers), func(g *Follower) bool { return g == f })
	f.pending, f.first, f.last = nil, nil, nil
}

// Take appends what the follower has to be told, at most max items at a time, each with
// what holds now; it appends nothing if there is nothing more. An item is about a subject
// and group of which the follower was told something else, or nothing, before. Only one
// goroutine may take at a time.
func (f *Follower) Take(dst []Interest, max int) []Interest {
	if !f.dirty.Load() {
		return dst
	}
	is := f.of
	is.mu.Lock()
	defer is.mu.Unlock()
	for ; max > 0 && f.first != nil; max-- {
		key := f.first.key
		f.settleLocked(f.first)
		dst = append(dst, Interest{Subject: key.subject, Queue: key.queue, Members: key.told(is.members[key])})
	}
	return dst
}

// told is what others are told of so many members.
func (k interestKey) told(members int) int {
	if k.queue == "" {
		return min(members, 1)
	}
	return members
}

// note lists subscriptions, or takes them off the list if they are closed. It is called
// when they are in the index, or no longer.
func (is *interests) note(subs ...*Subscription) {
	if !is.some.Load() {
		return
	}
	is.mu.Lock()
	for _, s := range subs {
		is.noteLocked(s)
	}
	followers := is.followers
	is.mu.Unlock()
	// Also of what others did, who may not have come so far.
	for _, f := range followers {
		if f.dirty.Load() {
			f.wake()
		}
	}
}

func (is *interests) noteLocked(s *Subscription) {
	there := s.concernsOthers() && !s.closed.Load()
	if there == s.listed {
		return
	}
	s.listed = there
	key := interestKey{s.Subject, s.Queue}
	before := is.members[key]
	after := before + 1
	if !there {
		after = before - 1
	}
	if after == 0 {
		delete(is.members, key)
	} else {
		is.members[key] = after
	}
	if before, after = key.told(before), key.told(after); before != after {
		for _, f := range is.followers {
			f.changedLocked(key, before, after)
		}
	}
}

// changedLocked says that the number of members is no longer what it was before.
func (f *Follower) changedLocked(key interestKey, before, after int) {
	if p := f.pending[key]; p != nil {
		if p.told == after {
			f.settleLocked(p) // he knows no better
		}
		return
	}
	if f.pending == nil {
		f.pending = make(map[interestKey]*pendingInterest)
	}
	p := &pendingInterest{key: key, told: before, prev: f.last}
	if f.last != nil {
		f.last.next = p
	} else {
		f.first = p
	}
	f.last = p
	f.pending[key] = p
	f.most = max(f.most, len(f.pending))
	f.dirty.Store(true)
}

// keptPending is up to which size the table of a follower is kept when it is empty.
const keptPending = 1024

func (f *Follower) settleLocked(p *pendingInterest) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		f.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		f.last = p.prev
	}
	delete(f.pending, p.key)
	if f.first == nil {
		f.dirty.Store(false)
		if f.most > keptPending {
			f.pending, f.most = nil, 0
		}
	}
}

// concernsOthers tells whether other servers have to know of a subscription: not what one
// of them listens to itself, nor what every server derives from the imports, but for the
// answers that find their way only here.
func (s *Subscription) concernsOthers() bool {
	if s.Local || s.remote() {
		return false
	}
	if s.passage != nil {
		_, answers := s.passage.cross.(*responses)
		return answers
	}
	return true
}
