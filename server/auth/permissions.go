package auth

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Compiled is a set of Permissions in the form that decides. It is immutable
// and safe for concurrent use; all connections of a user share one.
type Compiled struct {
	publish   rules
	subscribe rules
	responses *ResponsePermission // nil unless replies are allowed, defaults filled in
}

// allowAll is the compiled form of nil permissions.
var allowAll = &Compiled{}

// rules are one side, publish or subscribe, of a permission.
type rules struct {
	// allow is nil when everything is allowed that is not denied.
	allow *entries
	deny  entries
}

// entries is an allow or a deny list. Most lists hold a few literal subjects
// and a few wildcards: the former are looked up, the latter tried in turn.
type entries struct {
	literals map[string]struct{}
	patterns []string
	queues   []queueEntry
}

// queueEntry is a "subject queue" entry; both may have wildcards.
type queueEntry struct {
	subject, queue string
}

// Compile prepares permissions for checks; nil allow everything. Only entries
// that are no subject are an error.
func Compile(p *Permissions) (*Compiled, error) {
	if p == nil {
		return allowAll, nil
	}
	p = p.Effective()
	c := &Compiled{responses: p.Responses}
	var err error
	if c.publish, err = compileRules(p.Publish, false); err != nil {
		return nil, err
	}
	if c.subscribe, err = compileRules(p.Subscribe, true); err != nil {
		return nil, err
	}
	return c, nil
}

// Effective returns the permissions with what they imply written out: unset
// bounds of Responses get their defaults, and allowing responses closes
// publishing that has no allow list. The receiver is not changed; nil stays nil.
func (p *Permissions) Effective() *Permissions {
	if p == nil || p.Responses == nil {
		return p
	}
	out := *p
	out.Responses = p.Responses.withDefaults()
	if p.Publish == nil {
		out.Publish = &SubjectPermission{Allow: []string{}}
	} else if p.Publish.Allow == nil {
		out.Publish = &SubjectPermission{Allow: []string{}, Deny: p.Publish.Deny}
	}
	return &out
}

func compileRules(p *SubjectPermission, withQueues bool) (rules, error) {
	if p == nil {
		return rules{}, nil
	}
	var r rules
	var err error
	if p.Allow != nil {
		r.allow = new(entries)
		if *r.allow, err = compileEntries(p.Allow, withQueues); err != nil {
			return rules{}, err
		}
	}
	r.deny, err = compileEntries(p.Deny, withQueues)
	return r, err
}

func compileEntries(list []string, withQueues bool) (entries, error) {
	e := entries{literals: make(map[string]struct{})}
	for _, entry := range list {
		fields := strings.Fields(entry)
		valid := len(fields) == 1 || withQueues && len(fields) == 2
		for _, field := range fields {
			valid = valid && subject.IsValid(field)
		}
		switch {
		case !valid:
			return entries{}, fmt.Errorf("subject %q is not a valid subject", entry)
		case len(fields) == 2:
			e.queues = append(e.queues, queueEntry{subject: fields[0], queue: fields[1]})
		case subject.IsLiteral(fields[0]):
			e.literals[fields[0]] = struct{}{}
		default:
			e.patterns = append(e.patterns, fields[0])
		}
	}
	return e, nil
}

// CanPublish reports whether a message may be published to the subject, which
// is taken literally. It does not allocate; a connection that publishes much
// caches the answer all the same. Replies that are allowed only as responses
// are not its concern, see Responses.
func (c *Compiled) CanPublish(subj []byte) bool {
	if c.publish.allow != nil && !c.publish.allow.match(subj) {
		return false
	}
	return !c.publish.deny.match(subj)
}

// CanSubscribe reports whether the subscription may be made; queue is "" for a
// plain one. A subscription that is wider than a deny entry may be made but
// must not be given everything, see NeedsDeliveryFilter.
func (c *Compiled) CanSubscribe(sub, queue string) bool {
	return (c.subscribe.allow == nil || c.subscribe.allow.permits(sub, queue)) &&
		!c.subscribe.deny.forbids(sub, queue)
}

// NeedsDeliveryFilter reports whether some messages that the subscription
// matches are denied, so that each delivery has to be asked for with
// CanDeliver.
func (c *Compiled) NeedsDeliveryFilter(sub, queue string) bool {
	if subject.IsLiteral(sub) {
		return false // Denied as a whole or not at all.
	}
	deny := &c.subscribe.deny
	for literal := range deny.literals {
		if subject.Matches(literal, sub) {
			return true
		}
	}
	for _, pattern := range deny.patterns {
		if subject.Overlaps(pattern, sub) {
			return true
		}
	}
	for _, q := range deny.queues {
		if q.names(queue) && subject.Overlaps(q.subject, sub) {
			return true
		}
	}
	return false
}

// CanDeliver reports whether a message on the subject may go to a subscription
// of the queue ("" for a plain one) that CanSubscribe let pass. It does not
// allocate.
func (c *Compiled) CanDeliver(subj []byte, queue string) bool {
	deny := &c.subscribe.deny
	if deny.match(subj) {
		return false
	}
	for _, q := range deny.queues {
		if q.names(queue) && subject.Matches(subj, q.subject) {
			return false
		}
	}
	return true
}

// match reports whether a plain entry matches the literal subject.
func (e *entries) match(subj []byte) bool {
	if _, ok := e.literals[string(subj)]; ok {
		return true
	}
	for _, pattern := range e.patterns {
		if subject.Matches(subj, pattern) {
			return true
		}
	}
	return false
}

// permits decides as an allow list. An entry speaks for a subscription if it
// matches all that the subscription does. Entries with queues, where some speak
// for the subject, are the only queues it may have; without one any queue goes
// that a plain entry allows.
func (e *entries) permits(sub, queue string) bool {
	if queue != "" {
		restricted := false
		for _, q := range e.queues {
			if subject.Covers(q.subject, sub) {
				if q.names(queue) {
					return true
				}
				restricted = true
			}
		}
		if restricted {
			return false
		}
	}
	if _, ok := e.literals[sub]; ok {
		return true
	}
	for _, pattern := range e.patterns {
		if subject.Covers(pattern, sub) {
			return true
		}
	}
	return false
}

// forbids decides as a deny list. Here the subscription's subject is compared
// token by token as if it were literal, so that a deny of "a.*" also forbids
// "a.>", which the entry does not cover. Allow lists are read the other way:
// where the two readings differ, the one that gives less is taken.
func (e *entries) forbids(sub, queue string) bool {
	if _, ok := e.literals[sub]; ok {
		return true
	}
	for _, pattern := range e.patterns {
		if subject.Matches(sub, pattern) {
			return true
		}
	}
	for _, q := range e.queues {
		if q.names(queue) && subject.Matches(sub, q.subject) {
			return true
		}
	}
	return false
}

// names reports whether the entry is about the queue.
func (q *queueEntry) names(queue string) bool {
	return queue != "" && subject.Matches(queue, q.queue)
}
