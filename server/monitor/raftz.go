package monitor

import (
	"errors"
	"net/http"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// RaftzOptions say which raft groups raftz shows.
type RaftzOptions struct {
	// Account shows the groups of the streams and consumers of an account; "" and the name of
	// the system account show the group that decides about them.
	Account string `json:"account"`
	// Group shows one of them, by its name.
	Group string `json:"group"`
}

// Raftz are raft groups by account and name. It has no account without groups.
type Raftz map[string]map[string]*RaftGroup

// RaftGroup is a raft group, as this server's replica of it sees it. Servers are called by
// their raft IDs.
type RaftGroup struct {
	ID    string `json:"id"`
	State string `json:"state"`
	// Size is how many servers have a vote, Quorum how many of them it takes.
	Size       int    `json:"size"`
	Quorum     int    `json:"quorum_needed"`
	Committed  uint64 `json:"committed"`
	Applied    uint64 `json:"applied"`
	CatchingUp bool   `json:"catching_up,omitempty"`
	Leader     string `json:"leader,omitempty"`
	// LeaderSince is when this server heard of the leader.
	LeaderSince *time.Time `json:"leader_since,omitempty"`
	EverLed     bool       `json:"ever_had_leader"`
	Term        uint64     `json:"term"`
	Vote        string     `json:"voted_for,omitempty"`
	// LastTerm and LastIndex are those of the last entry.
	LastTerm       uint64 `json:"pterm"`
	LastIndex      uint64 `json:"pindex"`
	SystemAccount  bool   `json:"system_account"`
	TrafficAccount string `json:"traffic_account"`
	// There are no queues of these kinds: readers expect the fields.
	Proposals int `json:"ipq_proposal_len"`
	Entries   int `json:"ipq_entry_len"`
	Responses int `json:"ipq_resp_len"`
	Applies   int `json:"ipq_apply_len"`
	// Log is the part of the log that is kept.
	Log api.StreamState `json:"wal"`
	// Error is why the replica takes no part, "" if it does. It is not called wal_error, which
	// tools written in Go cannot read.
	Error string `json:"error,omitempty"`
	// Peers are the other servers, by their raft IDs.
	Peers map[string]RaftPeer `json:"peers"`
}

// RaftPeer is another server of a raft group.
type RaftPeer struct {
	Name string `json:"name"`
	// Known is whether it has been admitted for good.
	Known bool `json:"known"`
	// Replicated is up to where it has the log, which the leader alone knows.
	Replicated uint64 `json:"last_replicated_index,omitempty"`
	// LastSeen is how long ago it was heard.
	LastSeen string `json:"last_seen,omitempty"`
}

// ErrNoRaft is the answer to raftz of a server that has no raft groups to tell of: it is
// alone, or its JetStream does not run. Readers know the text.
var ErrNoRaft = errors.New("No Raft nodes registered")

// Raftz tells of raft groups. The error is ErrNoRaft.
func (m *Monitor) Raftz(opts RaftzOptions) (Raftz, error) {
	if !m.jsState().runs() {
		return nil, ErrNoRaft
	}
	account, groups := m.js.RaftGroups(opts.Account)
	if groups == nil {
		return nil, ErrNoRaft
	}
	answer := Raftz{}
	for g := range groups {
		if opts.Group != "" && opts.Group != g.Name {
			continue
		}
		if answer[account] == nil {
			answer[account] = make(map[string]*RaftGroup)
		}
		answer[account][g.Name] = g.Describe()
	}
	return answer, nil
}

// RaftView is a raft group of which this server has a replica.
type RaftView struct {
	Name string
	// Describe is called only for a group that is shown.
	Describe func() *RaftGroup
}

func (m *Monitor) serveRaftz(w http.ResponseWriter, r *http.Request) {
	opts, err := options(r, RaftzQuery)
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := m.Raftz(opts)
	if err != nil {
		writeText(w, http.StatusNotFound, err.Error())
		return
	}
	writeJSON(w, answer)
}
