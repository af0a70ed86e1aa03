package monitor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// JszOptions say how much jsz tells. Zero values ask for the sums alone.
type JszOptions struct {
	// Account shows one account, Accounts a page of them. An account that may
	// not use JetStream is not shown.
	Account  string `json:"account"`
	Accounts bool   `json:"accounts"`
	// Streams shows the streams of all accounts that are shown, or of a page if
	// nothing was said about accounts. Consumers shows them with their consumers,
	// and together with this DirectConsumers those of mirrors and sources.
	Streams         bool `json:"streams"`
	Consumers       bool `json:"consumer"`
	DirectConsumers bool `json:"direct_consumer"`
	// Config shows the configuration of what is shown.
	Config bool `json:"config"`
	// LeaderOnly asks the server that speaks for all, and no other.
	LeaderOnly bool `json:"leader_only"`
	// Offset and Limit cut the list of accounts. Offset below 0 is 0, Limit below
	// 1 is 1024.
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	// RaftGroups shows the raft groups of what is shown, and how many this server
	// leads.
	RaftGroups bool `json:"raft"`
	// StreamLeaderOnly shows only the streams that this server leads, so that the
	// answers of all servers have each once.
	StreamLeaderOnly bool `json:"stream_leader_only"`
}

// Jsz is how JetStream does on a server.
type Jsz struct {
	JSStats
	ID       string    `json:"server_id"`
	Now      time.Time `json:"now"`
	Disabled bool      `json:"disabled,omitempty"`
	Config   JSConfig  `json:"config"`
	Limits   *JSLimits `json:"limits,omitempty"`
	Streams  int       `json:"streams"`
	// StreamsLed and ConsumersLed are counted for RaftGroups only.
	StreamsLed   int     `json:"streams_leader,omitempty"`
	Consumers    int     `json:"consumers"`
	ConsumersLed int     `json:"consumers_leader,omitempty"`
	Messages     uint64  `json:"messages"`
	Bytes        uint64  `json:"bytes"`
	Meta         *JSMeta `json:"meta_cluster,omitempty"`
	// AccountDetails are by name.
	AccountDetails []*JSAccountDetail `json:"account_details,omitempty"`
	// Total counts the accounts that may use JetStream, whatever the page.
	Total int `json:"total"`
}

// JSAccountDetail is how an account does. What it reserves are its limits, the
// largest number if it has none: this is how tools read it. It has no Accounts,
// HAAssets and API level, which are a server's.
type JSAccountDetail struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	JSStats
	Streams []*JSStreamDetail `json:"stream_detail,omitempty"`
}

// JSStreamDetail is how a stream does, as the server that tells sees it.
type JSStreamDetail struct {
	Name               string                  `json:"name"`
	Created            time.Time               `json:"created"`
	Cluster            *api.ClusterInfo        `json:"cluster,omitempty"`
	Config             *api.StreamConfig       `json:"config,omitempty"`
	State              api.StreamState         `json:"state"`
	Consumers          []*api.ConsumerInfo     `json:"consumer_detail,omitempty"`
	DirectConsumers    []*api.ConsumerInfo     `json:"direct_consumer_detail,omitempty"`
	Mirror             *api.StreamSourceInfo   `json:"mirror,omitempty"`
	Sources            []*api.StreamSourceInfo `json:"sources,omitempty"`
	RaftGroup          string                  `json:"stream_raft_group,omitempty"`
	ConsumerRaftGroups []JSRaftGroup           `json:"consumer_raft_groups,omitempty"`
}

// JSRaftGroup is the raft group of the consumer with that name.
type JSRaftGroup struct {
	Name  string `json:"name"`
	Group string `json:"raft_group"`
}

// ErrNotLeader is the answer to JszOptions.LeaderOnly of a server that does not
// speak for the others. Those who asked all servers are to hear nothing of it.
var ErrNotLeader = errors.New("filtered response: not leader")

// Jsz tells how JetStream does. The error is ErrNotLeader.
func (m *Monitor) Jsz(opts JszOptions) (*Jsz, error) {
	answer := &Jsz{ID: m.src.Identity().ID, Now: m.now().UTC()}
	if !m.jsState().runs() {
		if opts.LeaderOnly {
			return nil, ErrNotLeader
		}
		answer.Disabled = true
		return answer, nil
	}
	now := m.js.Overview()
	if opts.LeaderOnly && !now.Leading {
		return nil, ErrNotLeader
	}
	var limits JSLimits
	answer.Config, limits = m.js.Settings()
	answer.JSStats, answer.Limits, answer.Meta = now.Stats, &limits, now.Meta.inUTC()
	answer.Streams, answer.Consumers = now.Held.Streams, now.Held.Consumers
	answer.Messages, answer.Bytes = now.Held.Messages, now.Held.Bytes
	if opts.RaftGroups {
		answer.StreamsLed, answer.ConsumersLed = now.Held.StreamsLed, now.Held.ConsumersLed
	}
	accounts := m.jsAccounts()
	answer.Total = len(accounts)
	for _, a := range opts.choose(accounts) {
		answer.AccountDetails = append(answer.AccountDetails, m.accountDetail(&a, &opts))
	}
	return answer, nil
}

// JszAccount tells how an account does, as in the AccountDetails of Jsz. Of the options
// those that choose accounts and servers do not matter. An error says why there is
// nothing to tell.
func (m *Monitor) JszAccount(name string, opts JszOptions) (*JSAccountDetail, error) {
	if !m.jsState().runs() {
		return nil, errors.New("jetstream not enabled")
	}
	a, ok := m.js.Account(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("account %q not found", name)
	case !a.Enabled:
		return nil, fmt.Errorf("account %q not jetstream enabled", name)
	}
	return m.accountDetail(&a, &opts), nil
}

// choose returns those of the accounts, which are ordered, that are to be shown.
func (opts *JszOptions) choose(accounts []JSAccount) []JSAccount {
	if opts.Account != "" {
		return slices.DeleteFunc(accounts, func(a JSAccount) bool { return a.Name != opts.Account })
	}
	if !opts.Accounts && !opts.showsStreams() {
		return nil
	}
	offset, limit := pageOf(opts.Offset, opts.Limit)
	accounts = accounts[min(offset, len(accounts)):]
	return accounts[:min(limit, len(accounts))]
}

// showsStreams tells whether streams are shown, as those with consumers are.
func (opts *JszOptions) showsStreams() bool { return opts.Streams || opts.Consumers }

func (m *Monitor) accountDetail(a *JSAccount, opts *JszOptions) *JSAccountDetail {
	usage := a.Usage()
	usage.API.Level = 0
	d := &JSAccountDetail{Name: a.Name, ID: a.ID, JSStats: JSStats{
		Memory: usage.Memory, Storage: usage.Storage, API: usage.API,
		// -1 becomes the largest number, as intended.
		ReservedMemory: uint64(a.MaxMemory), ReservedStorage: uint64(a.MaxStorage),
	}}
	if !opts.showsStreams() {
		return d
	}
	for s := range m.js.Streams(a.Name, "") {
		if opts.StreamLeaderOnly && !s.Leading {
			continue
		}
		if info := s.Info(); info != nil {
			d.Streams = append(d.Streams, m.streamDetail(&s, info, opts))
		}
	}
	return d
}

func (m *Monitor) streamDetail(s *JSStream, info *api.StreamInfo, opts *JszOptions) *JSStreamDetail {
	d := &JSStreamDetail{
		Name: s.Name, Created: info.Created.UTC(), Cluster: info.Cluster, State: info.State,
		Mirror: info.Mirror, Sources: info.Sources,
	}
	if d.Cluster == nil {
		// Tools look here for who serves the stream, also if there is but one.
		d.Cluster = &api.ClusterInfo{Leader: m.src.Identity().Name}
	}
	if opts.Config {
		d.Config = info.Config
	}
	if opts.RaftGroups {
		d.RaftGroup = s.Group
	}
	if opts.Consumers {
		d.addConsumers(s, opts)
	}
	return d
}

func (d *JSStreamDetail) addConsumers(s *JSStream, opts *JszOptions) {
	for c := range s.Consumers {
		if c.Direct && !opts.DirectConsumers {
			continue
		}
		info := c.Info()
		if info == nil {
			continue
		}
		if !opts.Config {
			bare := *info
			bare.Config = nil
			info = &bare
		}
		if c.Direct {
			d.DirectConsumers = append(d.DirectConsumers, info)
		} else {
			d.Consumers = append(d.Consumers, info)
		}
		if opts.RaftGroups && c.Group != "" {
			d.ConsumerRaftGroups = append(d.ConsumerRaftGroups, JSRaftGroup{c.Name, c.Group})
		}
	}
}
