package monitor

import (
	"cmp"
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// JetStream is the JetStream of a server as monitoring sees it. As with Source,
// its methods are called by many goroutines at a time and give snapshots. All but
// State and Settings are called only when JetStream has just been running; if it
// stopped meanwhile, what they tell is as it was or nothing.
type JetStream interface {
	// State tells whether JetStream is there and fit to work.
	State() JSState

	// Settings tell how JetStream is configured. They are asked for unless the
	// state is JSNone.
	Settings() (JSConfig, JSLimits)

	// Overview tells how JetStream as a whole does.
	Overview() JSOverview

	// Accounts returns the accounts that may use JetStream, in a new slice and
	// in any order.
	Accounts() []JSAccount

	// Account returns an account, whether or not it may use JetStream; false if
	// there is none with that name.
	Account(name string) (JSAccount, bool)

	// Streams gives the streams of an account that this server is to hold, by
	// their names. If a name is given that one alone is wanted, and to give more
	// is only more work. No lock is held while it gives them.
	Streams(account, name string) iter.Seq[JSStream]

	// RaftGroups gives the raft groups of an account's streams and consumers of which this
	// server has replicas, with the name of the account; those of the system account, which
	// "" stands for, are what belongs to no other. It is nil if the server is alone.
	RaftGroups(account string) (string, iter.Seq[RaftView])
}

// JSState tells how far JetStream has come with its start. Each state has what
// those before it lack.
type JSState int

// The states.
const (
	// JSNone: it is not configured.
	JSNone JSState = iota
	// JSDisabled: it is configured, but does not run, or not any more.
	JSDisabled
	// JSRecovering: it does not know yet which assets there are.
	JSRecovering
	// JSNoLeader: nobody leads the group that decides about assets, as far as is
	// known here.
	JSNoLeader
	// JSBehind: some is still to be learned from the leader.
	JSBehind
	// JSReady: nothing is missing.
	JSReady
)

// runs tells whether there is anything to be asked for.
func (s JSState) runs() bool { return s > JSDisabled }

// JSOverview is how JetStream does on one server.
type JSOverview struct {
	Stats JSStats
	Held  JSHeld
	// Meta is nil if the server is alone.
	Meta *JSMeta
	// Leading is whether this server speaks for all: it leads the group that
	// decides about assets, or is alone.
	Leading bool
}

// JSHeld sums up the assets that the server holds, alone or with others. Consumers
// of mirrors and sources do not count.
type JSHeld struct {
	Streams, StreamsLed     int
	Consumers, ConsumersLed int
	// Messages and Bytes are in the streams.
	Messages, Bytes uint64
}

// JSAccount is an account and what it does with JetStream.
type JSAccount struct {
	Name string
	// ID is the Name again, unless accounts are known by a key.
	ID string
	// Enabled is whether it may use JetStream; if not, the rest is not set.
	Enabled bool
	// MaxMemory and MaxStorage are its limits in bytes, -1 for none.
	MaxMemory, MaxStorage int64
	// Usage is asked for only if it is shown.
	Usage func() JSUsage
}

// JSUsage is what an account uses on all servers, in bytes over all replicas, and
// what it has asked of this one.
type JSUsage struct {
	Memory, Storage uint64
	// API counts requests; its Level is of no account.
	API api.Stats
}

// JSStream is a stream that the server is to hold, alone or as a replica.
type JSStream struct {
	Name string
	// Group is the name of its raft group.
	Group string
	// Leading is whether this server leads the group.
	Leading bool
	// Trouble is why it can not be relied on, such as that it is behind or could
	// not be opened; nil if all is well.
	Trouble error
	// Info describes it as lists of streams do: without metadata that belong to
	// a response. It is nil if nothing is known yet. Cluster may be left out if
	// the server is alone.
	Info func() *api.StreamInfo
	// Consumers gives its consumers on this server by their names.
	Consumers iter.Seq[JSConsumer]
}

// JSConsumer is a consumer that the server is to hold, alone or as a replica. Its
// fields are as those of JSStream.
type JSConsumer struct {
	Name  string
	Group string
	// Direct is whether it exists for a mirror or source only.
	Direct  bool
	Trouble error
	Info    func() *api.ConsumerInfo
}

// jsAccounts returns the accounts that may use JetStream by name.
func (m *Monitor) jsAccounts() []JSAccount {
	accounts := m.js.Accounts()
	slices.SortFunc(accounts, func(a, b JSAccount) int { return cmp.Compare(a.Name, b.Name) })
	return accounts
}

// jsState is the state of JetStream, also where there never was one.
func (m *Monitor) jsState() JSState {
	if m.js == nil {
		return JSNone
	}
	return m.js.State()
}
