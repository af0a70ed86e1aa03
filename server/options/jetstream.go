package options

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/subject"
)

// JetStream is the jetstream {} block. Fields that matter only in a cluster say
// so: every server checks and keeps them, and one that is alone has no use for
// them.
type JetStream struct {
	Enabled bool
	// StoreDir is the directory in which a directory "jetstream" has all files;
	// "" if none was named.
	StoreDir string
	// MaxMemory and MaxStore bound in bytes what all streams in memory and on
	// disk hold. 0 leaves no room at all; -1 leaves it to the server, which goes
	// by the memory it has and by what is free on the disk.
	MaxMemory, MaxStore int64
	// Domain is what other systems call this one's JetStream by, a single token;
	// "" for none.
	Domain string
	// Strict refuses requests with members that nobody knows.
	Strict bool
	// SyncInterval is how long the disk may be behind what was acknowledged. 0
	// is not at all: everything is synced before it is acknowledged.
	SyncInterval time.Duration
	// Key encrypts all files with Cipher; "" writes them in clear. PrevKey is for
	// what was written before Key became the key, "" if there was none.
	Key, PrevKey string
	Cipher       Cipher
	// UniqueTag is the beginning, in lower case, of tags that the servers of a
	// stream must not share. It matters in a cluster.
	UniqueTag string
	// ExtensionHint says whether a leafnode makes its JetStream part of that of
	// its hub: will_extend or no_extend. It matters with a hub.
	ExtensionHint string

	// RequestQueueLimit bounds the API requests that wait, InfoQueueLimit those
	// that only ask for information.
	RequestQueueLimit, InfoQueueLimit int
	// MaxConcurrentIO bounds the disk operations that run at once.
	MaxConcurrentIO int
	// MaxBufferedMsgs and MaxBufferedSize bound what waits to be stored in one
	// stream, by messages and bytes; 0 leaves it to the server.
	MaxBufferedMsgs int
	MaxBufferedSize int64
	// MaxOutstandingCatchup bounds the bytes under way to replicas that catch up;
	// 0 leaves it to the server. It matters in a cluster.
	MaxOutstandingCatchup int64
	// MetaCompact and MetaCompactSize are after how many entries and bytes the
	// log of assignments is compacted; 0 leaves it to the server. With
	// MetaCompactSync nothing else happens to assignments meanwhile. They matter
	// in a cluster.
	MetaCompact     int
	MetaCompactSize int64
	MetaCompactSync bool

	Limits JetStreamLimits
}

// SyncAlways reports whether everything is synced before it is acknowledged.
func (j *JetStream) SyncAlways() bool { return j.SyncInterval == 0 }

// JetStreamLimits bound what clients can ask of streams and consumers, in all
// accounts; 0 is no bound.
type JetStreamLimits struct {
	// MaxAckPending bounds that of consumers, MaxRequestBatch the messages that
	// a pull can ask for.
	MaxAckPending, MaxRequestBatch int
	// MaxHAAssets bounds the replicated streams and consumers of a server. It
	// matters in a cluster.
	MaxHAAssets int
	// DuplicateWindow bounds that of streams.
	DuplicateWindow time.Duration
	// DefaultMaxConsumers is how many consumers a stream can have that does not
	// say so itself; -1 is any number.
	DefaultMaxConsumers int
	Batch               BatchLimits
}

// BatchLimits bound publishing in batches. 0 is what the server has built in.
type BatchLimits struct {
	// MaxInflightPerStream and MaxInflightTotal bound the batches that are open.
	MaxInflightPerStream, MaxInflightTotal int
	// MaxMsgs bounds the messages of a batch.
	MaxMsgs int
	// Timeout is how long a batch stays open without a message.
	Timeout time.Duration
}

// Cipher is how files are encrypted.
type Cipher uint8

// The ciphers; the default is ChaCha20-Poly1305.
const (
	CipherChaCha Cipher = iota
	CipherAES
)

// String returns the cipher as the configuration spells it.
func (c Cipher) String() string {
	if c == CipherAES {
		return "aes"
	}
	return "chacha"
}

// AccountJetStream is the jetstream key of an account, which without it may not
// use JetStream. -1 is no bound.
type AccountJetStream struct {
	// MaxMemory and MaxStore bound in bytes what all streams hold in memory and
	// on disk; 0 leaves no room at all. All replicas count.
	MaxMemory, MaxStore int64
	// MaxStreams and the bounds below are none also at 0, which is shown to
	// clients as it is. MaxConsumers is per stream, MaxAckPending per consumer.
	MaxStreams, MaxConsumers, MaxAckPending int
	// MemoryMaxStreamBytes and StoreMaxStreamBytes bound the max_bytes of a
	// stream.
	MemoryMaxStreamBytes, StoreMaxStreamBytes int64
	// MaxBytesRequired demands that a stream has max_bytes.
	MaxBytesRequired bool
	// ClusterTraffic is whose connections between servers carry what replicas
	// say to each other. It matters in a cluster.
	ClusterTraffic ClusterTraffic
}

// ClusterTraffic names an account for traffic between servers.
type ClusterTraffic uint8

// The accounts; the default is the system account.
const (
	TrafficSystem ClusterTraffic = iota
	TrafficOwner
)

// String returns the account as the configuration spells it.
func (c ClusterTraffic) String() string {
	if c == TrafficOwner {
		return "owner"
	}
	return "system"
}

// JetStreamAccounts returns the accounts that may use JetStream, by name, and
// with which bounds. There is none unless JetStream is enabled. A server without
// accounts, other than that of the system, lets the global account use it. The
// map belongs to the caller, what it leads to is read-only.
func (o *Options) JetStreamAccounts() map[string]*AccountJetStream {
	if !o.JetStream.Enabled {
		return nil
	}
	accounts := make(map[string]*AccountJetStream)
	system, others := o.SystemAccountName(), false
	for _, a := range o.Accounts {
		others = others || a.Name != system
		if a.JetStream != nil {
			accounts[a.Name] = a.JetStream
		}
	}
	if !others {
		accounts[auth.GlobalAccount] = newAccountJetStream()
	}
	return accounts
}

func newAccountJetStream() *AccountJetStream {
	return &AccountJetStream{
		MaxMemory: -1, MaxStore: -1,
		MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1,
		MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	}
}

// checkJetStream finds what is wrong with JetStream on a server that has it.
func checkJetStream(o *Options) error {
	j := &o.JetStream
	if !j.Enabled {
		return nil
	}
	if _, ok := o.JetStreamAccounts()[o.SystemAccountName()]; ok {
		return errors.New("Not allowed to enable JetStream on the system account")
	}
	for _, q := range []struct {
		key   string
		limit int
	}{
		{"request_queue_limit", j.RequestQueueLimit}, {"info_queue_limit", j.InfoQueueLimit},
	} {
		if q.limit <= 0 {
			return fmt.Errorf("%s (%d) must be greater than zero", q.key, q.limit)
		}
	}
	if j.SyncInterval < 0 {
		return errSyncInterval(j.SyncInterval)
	}
	if j.PrevKey != "" && j.Key == "" {
		// It would be easy to forget the key, and to find out later that nothing
		// was encrypted since.
		return errors.New("prev_key without key: JetStream's files, once encrypted, stay so")
	}
	if wrong := concurrentIO(int64(j.MaxConcurrentIO)); wrong != "" {
		return fmt.Errorf("max_concurrent_io (%d) %s", j.MaxConcurrentIO, wrong)
	}
	if o.Cluster.Enabled() {
		// Names are how replicas know where they are (see the decision on servers
		// together).
		switch {
		case o.ServerName == "":
			return errors.New("jetstream cluster requires `server_name` to be set")
		case o.Cluster.Name == "":
			return errors.New("jetstream cluster requires `cluster.name` to be set")
		case o.SystemAccountName() == "":
			return errors.New("jetstream cluster requires a system account")
		}
	}
	return checkDomain(j.Domain)
}

// checkDomain demands one token, because it is one of the subjects of requests.
func checkDomain(domain string) error {
	if strings.ContainsAny(domain, ".*>") {
		return errors.New("invalid domain name: may not contain ., * or >")
	}
	if domain != "" && !subject.IsLiteral(domain) {
		return fmt.Errorf("invalid domain name: derived %q is not a valid subject", "$JS."+domain+".API.>")
	}
	return nil
}
