package monitor

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// AccountzOptions say which account accountz describes: "" lists all of them.
type AccountzOptions struct {
	Account string `json:"account"`
}

// Accountz are the accounts of a server, or one of them.
type Accountz struct {
	ID            string         `json:"server_id"`
	Now           time.Time      `json:"now"`
	SystemAccount string         `json:"system_account,omitempty"`
	Accounts      []string       `json:"accounts,omitempty"`
	Account       *AccountDetail `json:"account_detail,omitempty"`
}

// AccountDetail describes an account. A Source leaves JetStream alone: Monitor fills it.
type AccountDetail struct {
	Name string `json:"account_name"`
	// Updated is when its configuration came into force.
	Updated  time.Time `json:"update_time"`
	IsSystem bool      `json:"is_system,omitempty"`
	// Expired and Complete are those of accounts that expire, or whose imports are looked for.
	Expired       bool `json:"expired"`
	Complete      bool `json:"complete"`
	JetStream     bool `json:"jetstream_enabled"`
	Leafs         int  `json:"leafnode_connections"`
	Clients       int  `json:"client_connections"`
	Subscriptions int  `json:"subscriptions"`
}

// Accounts are those of a Source, in any order. System is "" if no account is the system's.
type Accounts struct {
	System string
	Names  []string
}

// AccountzQuery reads the options of accountz from a query string.
func AccountzQuery(values url.Values) (AccountzOptions, error) {
	q := query{values: values}
	return AccountzOptions{Account: q.text("acc")}, q.err
}

// Accountz lists the accounts, or describes one. An error says that there is none with that name.
func (m *Monitor) Accountz(opts AccountzOptions) (*Accountz, error) {
	all := m.src.Accounts()
	answer := &Accountz{ID: m.src.Identity().ID, Now: m.now().UTC(), SystemAccount: all.System}
	if opts.Account == "" {
		answer.Accounts = slices.Sorted(slices.Values(all.Names))
		return answer, nil
	}
	detail, ok := m.src.Account(opts.Account)
	if !ok {
		return nil, fmt.Errorf("account %s does not exist", opts.Account)
	}
	detail.Updated = detail.Updated.UTC()
	if m.jsState().runs() {
		a, known := m.js.Account(opts.Account)
		detail.JetStream = known && a.Enabled
	}
	answer.Account = &detail
	return answer, nil
}
