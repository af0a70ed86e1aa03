package monitor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

// defaultLimit is the length of a page when none is asked for.
const defaultLimit = 1024

// ConnState selects connections by whether they are open. Its numbers are those
// of the JSON form.
type ConnState int

// The states.
const (
	ConnOpen   ConnState = 0
	ConnClosed ConnState = 1
	ConnAny    ConnState = 2
)

// ConnzOptions say which connections connz shows, and how. Zero values select
// nothing in particular.
type ConnzOptions struct {
	Sort SortKey `json:"sort"`
	// Auth shows who is at the other end.
	Auth bool `json:"auth"`
	// Subscriptions lists the subjects, SubscriptionsDetail all of the
	// subscriptions; the latter prevails.
	Subscriptions       bool `json:"subscriptions"`
	SubscriptionsDetail bool `json:"subscriptions_detail"`
	// Offset below 0 is 0, Limit below 1 is 1024.
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	// CID selects one connection.
	CID        uint64    `json:"cid"`
	MQTTClient string    `json:"mqtt_client"`
	State      ConnState `json:"state"`
	User       string    `json:"user"`
	Account    string    `json:"acc"`
	// FilterSubject selects connections with a subscription that some subject
	// matches which FilterSubject matches, too. It needs Account.
	FilterSubject string `json:"filter_subject"`
}

// ConnFilter is the part of ConnzOptions that saves a Source work. Zero values
// but that of State select nothing.
type ConnFilter struct {
	State   ConnState
	CID     uint64
	Account string
}

// Connz is one page of connections. Total counts all that were selected,
// whatever the page.
type Connz struct {
	ID       string      `json:"server_id"`
	Now      time.Time   `json:"now"`
	NumConns int         `json:"num_connections"`
	Total    int         `json:"total"`
	Offset   int         `json:"offset"`
	Limit    int         `json:"limit"`
	Conns    []*ConnInfo `json:"connections"`
}

// Connz tells of connections. An error says what is wrong with the options.
func (m *Monitor) Connz(opts ConnzOptions) (*Connz, error) {
	if opts.State < ConnOpen || opts.State > ConnAny {
		return nil, fmt.Errorf("invalid connection state: %d", opts.State)
	}
	if opts.FilterSubject != "" && opts.Account == "" {
		return nil, errors.New("filter by subject only valid with account filtering")
	}
	now := m.now()
	order, err := opts.Sort.order(opts.State, now)
	if err != nil {
		return nil, err
	}
	offset, limit := pageOf(opts.Offset, opts.Limit)
	if opts.CID != 0 {
		// There can be one only, and readers are used to being told so.
		limit = 1
	}

	conns := m.src.Conns(ConnFilter{State: opts.State, CID: opts.CID, Account: opts.Account})
	conns = slices.DeleteFunc(conns, func(c *Conn) bool { return !opts.selects(c) })
	slices.SortFunc(conns, order)

	answer := &Connz{
		ID:     m.src.Identity().ID,
		Now:    now.UTC(),
		Total:  len(conns),
		Offset: offset,
		Limit:  limit,
		Conns:  []*ConnInfo{}, // shown as a list even when empty
	}
	first := min(offset, len(conns))
	last := first + min(limit, len(conns)-first)
	for _, c := range conns[first:last] {
		answer.Conns = append(answer.Conns, c.info(&opts, now))
	}
	answer.NumConns = len(answer.Conns)
	return answer, nil
}

// selects reports whether c is one of the connections that opts ask for.
func (opts *ConnzOptions) selects(c *Conn) bool {
	switch {
	case opts.State == ConnOpen && !c.Stop.IsZero(),
		opts.State == ConnClosed && c.Stop.IsZero(),
		opts.CID != 0 && opts.CID != c.CID,
		opts.User != "" && opts.User != c.User,
		opts.Account != "" && opts.Account != c.Account,
		opts.MQTTClient != "" && opts.MQTTClient != c.MQTTClient:
		return false
	}
	// Last, because listing subscriptions is the costly part.
	return opts.FilterSubject == "" || c.listensTo(opts.FilterSubject)
}

// listensTo reports whether the connection could receive a message on a subject
// that pattern matches.
func (c *Conn) listensTo(pattern string) bool {
	if c.Subs == nil {
		return false
	}
	return slices.ContainsFunc(c.Subs(), func(sub Sub) bool {
		return subject.Overlaps(sub.Subject, pattern)
	})
}

// pageOf replaces an offset and a limit that make no sense by the defaults.
func pageOf(offset, limit int) (int, int) {
	if limit < 1 {
		limit = defaultLimit
	}
	return max(offset, 0), limit
}
