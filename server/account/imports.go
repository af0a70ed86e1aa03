package account

import (
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/subject"
)

// Imports are what an account takes over from others. They do not change.
type Imports struct {
	Streams  []*StreamImport
	Services []*ServiceImport
}

// StreamImport brings messages of another account to the subscribers of this one.
// Its fields do not change once it is in an account.
type StreamImport struct {
	From *Account
	// AllowTrace has traces of messages follow them.
	AllowTrace bool

	// local is the pattern of the subjects that messages get here, which there makes
	// of those there, and here the other way.
	local       string
	there, here *subject.Transform
	// loose is set if not all that local matches can come.
	loose bool
}

// NewStreamImport makes an import of the subjects that a pattern matches, which are
// called as to says here. The error is that of subject.NewImportTransform.
func NewStreamImport(from *Account, pattern, to string) (*StreamImport, error) {
	there, err := subject.NewImportTransform(pattern, to)
	if err != nil {
		return nil, err
	}
	here, err := there.Reverse()
	if err != nil {
		return nil, err
	}
	local := here.Source()
	return &StreamImport{
		From: from, local: local, there: there, here: here,
		loose: wildcards(local) != wildcards(pattern),
	}, nil
}

// wildcards counts the tokens that stand for one token each.
func wildcards(pattern string) (n int) {
	for tok := range subject.Tokens(pattern) {
		if tok == "*" {
			n++
		}
	}
	return n
}

// same tells whether two imports do the same.
func (im *StreamImport) same(other *StreamImport) bool {
	return im.From == other.From && im.AllowTrace == other.AllowTrace && im.local == other.local &&
		im.there.Source() == other.there.Source() && im.there.Destination() == other.there.Destination()
}

// ResponseType says how many responses a request gets.
type ResponseType uint8

// The types. The last two end with a response that is empty, or when none has come
// for a while.
const (
	Singleton ResponseType = iota
	Streamed
	Chunked
)

// DefaultThreshold is how long a response is waited for if nothing else is said.
const DefaultThreshold = 2 * time.Minute

// ServiceImport brings requests of this account to those who offer a service in
// another one, and the responses back. Its fields do not change once it is in an
// account.
type ServiceImport struct {
	To *Account
	// Share tells the service all about who asks.
	Share bool
	// Response is how many responses there are, Threshold how long the next one is
	// waited for; 0 is DefaultThreshold.
	Response  ResponseType
	Threshold time.Duration
	// AllowTrace has traces of requests follow them.
	AllowTrace bool
	// Latency measures requests, nil for none.
	Latency *Latency

	// local is the pattern of the requests here.
	local string
	there *subject.Transform
	// waiting are the responses that are expected.
	waiting queue
}

// Latency says which requests are measured, and who is told.
type Latency struct {
	// Sampling is the percentage of requests, 1 to 100. 0 measures those that have
	// headers of distributed tracing that ask for it.
	Sampling int
	// Subject is where reports are published in the account of the service.
	Subject string
	// Report is called with each measurement, on the goroutine of whoever was the
	// last to do something for the request. ID and type are for the callee to set.
	Report func(in *Account, subject string, l *event.ServiceLatency)
}

// NewServiceImport makes an import of a service that another account offers under a
// pattern, and that is called as to says here. The error is that of
// subject.NewRequestTransform.
func NewServiceImport(account *Account, pattern, to string) (*ServiceImport, error) {
	there, err := subject.NewRequestTransform(to, pattern)
	if err != nil {
		return nil, err
	}
	return &ServiceImport{To: account, local: there.Source(), there: there}, nil
}

// same tells whether two imports do the same.
func (im *ServiceImport) same(other *ServiceImport) bool {
	if (im.Latency == nil) != (other.Latency == nil) {
		return false
	}
	if l := im.Latency; l != nil && (l.Sampling != other.Latency.Sampling || l.Subject != other.Latency.Subject) {
		return false
	}
	return im.To == other.To && im.Share == other.Share && im.Response == other.Response && im.Threshold == other.Threshold &&
		im.AllowTrace == other.AllowTrace && im.local == other.local &&
		im.there.Source() == other.there.Source() && im.there.Destination() == other.there.Destination()
}

// Import sets what the account takes over from others, in place of what it took over
// before. It takes effect at once, for the subscriptions that there are too.
// Requests that are under way still get their responses.
func (a *Account) Import(im Imports) {
	a.importing.Lock()
	changed := a.importLocked(&im)
	a.importing.Unlock()
	tellAll(changed)
}

// interestChange is that of an account's interest in a subject. Whoever watches is
// told when no lock is held any more.
type interestChange struct {
	in  *Account
	sub *Subscription
}

func tellAll(changed []interestChange) {
	for _, c := range changed {
		c.in.watchers.tell(c.sub.Subject)
		c.in.interests.note(c.sub)
	}
}

func (a *Account) importLocked(im *Imports) (changed []interestChange) {
	old := a.imports.Load()
	if old == nil {
		if len(im.Streams)+len(im.Services) == 0 {
			return nil
		}
		old = &Imports{}
		a.services = make(map[*ServiceImport]*Subscription)
		a.shadows = make(map[*Subscription][]*Subscription)
	}
	next := im.keeping(old)
	// From now on who subscribes goes by the new ones.
	a.imports.Store(next)
	for im, sub := range a.services {
		if !slices.Contains(next.Services, im) {
			sub.Close()
			a.subs.Remove(sub.Subject, "", sub)
			delete(a.services, im)
			changed = append(changed, interestChange{a, sub})
		}
	}
	for _, im := range next.Services {
		if a.services[im] == nil {
			sub := &Subscription{Subject: im.local, SID: "import", passage: &passage{cross: im}}
			a.mustInsert(sub)
			a.services[im] = sub
			changed = append(changed, interestChange{a, sub})
			// Requests go over there with a reply subject of that account, and
			// answers that want an answer come with one of this account.
			for _, end := range []*Account{im.To, a} {
				if sub := end.responses.listen(); sub != nil {
					changed = append(changed, interestChange{end, sub})
				}
			}
		}
	}
	if slices.Equal(old.Streams, next.Streams) {
		return changed
	}
	for s := range a.shadows {
		// Those that leave meanwhile are no longer in the index.
		changed = append(changed, a.shadowLocked(s)...)
	}
	a.subs.All(func(_, _ string, s *Subscription) bool {
		changed = append(changed, a.shadowLocked(s)...)
		return true
	})
	return changed
}

// keeping returns the imports, with those of old in place of what is the same: they
// stay, with all that hangs on them.
func (im *Imports) keeping(old *Imports) *Imports {
	next := &Imports{}
	for _, s := range im.Streams {
		if i := slices.IndexFunc(old.Streams, s.same); i >= 0 {
			s = old.Streams[i]
		}
		next.Streams = append(next.Streams, s)
	}
	for _, s := range im.Services {
		if i := slices.IndexFunc(old.Services, s.same); i >= 0 {
			s = old.Services[i]
		}
		next.Services = append(next.Services, s)
	}
	return next
}

// mustInsert adds a subscription of the account's own, whose subject was checked when
// it was made.
func (a *Account) mustInsert(s *Subscription) {
	if err := a.subs.Insert(s.Subject, s.Queue, s); err != nil {
		panic(fmt.Sprintf("account: own subscription to %q: %v", s.Subject, err))
	}
}

// ImportsService tells whether requests to some subject that the pattern matches go to
// another account.
func (a *Account) ImportsService(pattern string) bool {
	im := a.imports.Load()
	return im != nil && slices.ContainsFunc(im.Services, func(s *ServiceImport) bool { return subject.Overlaps(s.local, pattern) })
}
