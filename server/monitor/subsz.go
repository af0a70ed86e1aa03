package monitor

import (
	"fmt"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

// SubszOptions say which subscriptions subsz shows. Zero values select nothing
// in particular.
type SubszOptions struct {
	// Offset below 0 is 0, Limit below 1 is 1024.
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	// Subscriptions lists the subscriptions, not just their statistics.
	Subscriptions bool `json:"subscriptions"`
	// Account selects the statistics and subscriptions of one account.
	Account string `json:"account"`
	// Test is a literal subject: only subscriptions that match it are listed.
	Test string `json:"test"`
}

// SubFilter is the part of SubszOptions that saves a Source work; "" selects
// nothing.
type SubFilter struct {
	Account string
	Test    string
}

// Subsz is the statistics of interest, with one page of subscriptions if they
// were asked for. Total counts all that were selected for listing; it is 0 when
// there is no list.
type Subsz struct {
	ID  string    `json:"server_id"`
	Now time.Time `json:"now"`
	SubStats
	Total  int   `json:"total"`
	Offset int   `json:"offset"`
	Limit  int   `json:"limit"`
	Subs   []Sub `json:"subscriptions_list,omitempty"`
}

// SubStats are the statistics of an interest index, or the sum of several. Rates
// and means of nothing are 0.
type SubStats struct {
	NumSubs    int    `json:"num_subscriptions"`
	NumCache   int    `json:"num_cache"`
	NumInserts uint64 `json:"num_inserts"`
	NumRemoves uint64 `json:"num_removes"`
	NumMatches uint64 `json:"num_matches"`
	// CacheHitRate is between 0 and 1.
	CacheHitRate float64 `json:"cache_hit_rate"`
	MaxFanout    int     `json:"max_fanout"`
	AvgFanout    float64 `json:"avg_fanout"`
}

// Sub is a subscription.
type Sub struct {
	Account    string `json:"account,omitempty"`
	AccountTag string `json:"account_tag,omitempty"`
	Subject    string `json:"subject"`
	Queue      string `json:"qgroup,omitempty"`
	SID        string `json:"sid"`
	// Msgs is the number of messages delivered; at Max, if not 0, the
	// subscription ends.
	Msgs int64  `json:"msgs"`
	Max  int64  `json:"max,omitempty"`
	CID  uint64 `json:"cid"`
}

// Subsz tells of subscriptions. An error says what is wrong with the options.
func (m *Monitor) Subsz(opts SubszOptions) (*Subsz, error) {
	if opts.Test != "" && !subject.IsLiteral(opts.Test) {
		return nil, fmt.Errorf("invalid test subject, must be valid publish subject: %s", opts.Test)
	}
	offset, limit := pageOf(opts.Offset, opts.Limit)
	answer := &Subsz{
		ID:       m.src.Identity().ID,
		Now:      m.now().UTC(),
		SubStats: m.src.SubStats(opts.Account),
		Offset:   offset,
		Limit:    limit,
	}
	if !opts.Subscriptions {
		return answer, nil
	}
	// One page is kept and the rest only counted, so that a server with millions
	// of subscriptions can be asked.
	for sub := range m.src.Subs(SubFilter{Account: opts.Account, Test: opts.Test}) {
		if opts.Account != "" && opts.Account != sub.Account ||
			opts.Test != "" && !subject.Matches(opts.Test, sub.Subject) {
			continue
		}
		if answer.Total >= offset && len(answer.Subs) < limit {
			answer.Subs = append(answer.Subs, sub)
		}
		answer.Total++
	}
	return answer, nil
}
