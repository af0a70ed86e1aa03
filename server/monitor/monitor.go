package monitor

import (
	"iter"
	"time"
)

// Monitor answers monitoring questions from snapshots of a Source. Its methods
// may be called by many goroutines at a time.
type Monitor struct {
	src   Source
	js    JetStream // nil if there is none
	now   func() time.Time
	usage *ProcessUsage
	// args is the command line without its secrets.
	args []string
	// basePath is "" or starts with a slash and does not end with one.
	basePath string
	// endpoints are in the order of the index page; byPath holds the same ones
	// under all their paths. Both are read-only once New has returned.
	endpoints []*endpoint
	byPath    map[string]*endpoint
}

// Config is what a Monitor needs beside its Source.
type Config struct {
	// BasePath precedes the paths of all endpoints; "" and "/" mean none.
	BasePath string
	// Args is the command line of the process, as in os.Args. Values of secret
	// flags may be in it; they are never shown.
	Args []string
	// JetStream is nil if the server can not have it.
	JetStream JetStream
	// Now is the clock.
	Now func() time.Time
}

// Source is the server as monitoring sees it. Its methods are called by many
// goroutines at a time. What they return is a snapshot: the source neither
// changes it later nor holds a lock for it. A field that says so may be filled
// by Monitor instead.
type Source interface {
	// Identity tells which server this is.
	Identity() Identity

	// Varz returns a new Varz that the caller may change. Monitor fills in the
	// fields that are about the process or JetStream (see Varz).
	Varz() *Varz

	// Conns returns connections, in any order. The caller may reorder the slice
	// but treats the connections as read-only. The filter tells what is wanted
	// in order to save work: a source may return more.
	Conns(ConnFilter) []*Conn

	// Routes returns the connections to other servers.
	Routes() *Routes

	// SubStats sums up the interest of an account, or of all accounts when it
	// is "". An account that does not exist has none.
	SubStats(account string) SubStats

	// Accounts names the accounts, and Account describes one, false if there is none with that
	// name.
	Accounts() Accounts
	Account(name string) (AccountDetail, bool)

	// Subs gives subscriptions one after the other, in an order that stays the
	// same while none are added or removed. Account and AccountTag are set. The
	// filter tells what is wanted in order to save work: a source may give more.
	Subs(SubFilter) iter.Seq[Sub]

	// Health returns what is wrong with the server itself, JetStream aside, most
	// important first; none means that it is well. The options have been checked
	// for consistency.
	Health(HealthzOptions) []HealthProblem
}

// Identity names a server.
type Identity struct {
	// ID is unique among servers, and new with each start.
	ID string
	// Name is what people call the server.
	Name string
	// Version is the NATS version that the server is compatible with.
	Version string
}

// New returns a Monitor of src.
func New(src Source, cfg Config) *Monitor {
	m := &Monitor{
		src:      src,
		js:       cfg.JetStream,
		now:      cfg.Now,
		usage:    NewProcessUsage(cfg.Now),
		args:     RedactArgs(cfg.Args),
		basePath: cleanBasePath(cfg.BasePath),
	}
	m.addEndpoints()
	return m
}

// Usage tells how much processor time and memory the process uses.
func (m *Monitor) Usage() Usage { return m.usage.Sample() }
