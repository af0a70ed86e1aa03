package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Config is what an Engine is made with.
type Config struct {
	// FS and Dir are where everything is kept.
	FS    vfs.FS
	Dir   string
	Clock clock.Clock
	// Ring has the files of streams and the checkpoint of assets encrypted, and
	// opens them; nil leaves them in clear. The log and the host have their own.
	Ring *seal.Ring
	// Host runs the raft groups, on Log. It is started and stopped by the caller,
	// as Start and Stop say.
	Host *host.Host
	Log  *wal.Log
	// Node is this server, Name and ServerID what it is called.
	Node     raft.NodeID
	Name     string
	ServerID string
	Version  string
	// Domain is the JetStream domain, "" for none.
	Domain string
	// Strict refuses requests with members that are not known.
	Strict bool
	// LongAcks has the subjects that messages are acknowledged on name domain and
	// account, so that they find their way from elsewhere.
	LongAcks bool
	// Neighbours are the other servers of the cluster, nil if there is none. Cluster is its
	// name, Tags are by what this server may be chosen. UniqueTag, unless it is "", is how the
	// tag begins that the servers of a stream must not share.
	Neighbours Neighbours
	Cluster    string
	Tags       []string
	UniqueTag  string
	// Limits are the server's for streams and consumers, Queues bound what waits.
	Limits Limits
	Queues Queues
	// System is the system account, nil if there is none. Client describes who has
	// published, as advisories have it.
	System *account.Account
	Client func(*account.Target) json.RawMessage
	// NewID returns an id that is never used again (a nuid).
	NewID func() string
	// Seed makes what is random.
	Seed   uint64
	Logger Logger
}

// Logger is told what an operator should know.
type Logger interface {
	Noticef(format string, args ...any)
	Warnf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Limits are those of a server, which may change while it runs. 0 is no limit, unless
// it says otherwise.
type Limits struct {
	// MaxMemory and MaxFile bound what all streams hold and reserve, in bytes: -1 is no
	// limit, and 0 leaves no room.
	MaxMemory, MaxFile  int64
	MaxAckPending       int
	MaxRequestBatch     int
	DuplicateWindow     time.Duration
	DefaultMaxConsumers int
	// MaxAssets bounds the replicas, of streams and consumers that have several, of a server
	// that gets one more.
	MaxAssets int
	// Batches are those of publishing in batches.
	Batches BatchLimits
}

// Queues bound what waits. 0 is what is built in.
type Queues struct {
	// Requests bounds the API requests that wait, Infos those that only ask for
	// information: 10,000, and as many.
	Requests, Infos int
	// ConcurrentIO bounds what is opened, removed or made durable at once: a few per
	// processor.
	ConcurrentIO int
	// Msgs and Bytes bound what a stream has been sent and has not stored yet: 100,000,
	// and what its group takes.
	Msgs  int
	Bytes int64
}

// BatchLimits bound publishing in batches. 0 is what is built in.
type BatchLimits struct {
	// PerStream and Total bound the atomic batches that are open.
	PerStream, Total int
	// Messages bounds those of a batch, Timeout how long it stays open without one.
	Messages int
	Timeout  time.Duration
}

const (
	defaultRequests = 10_000
	defaultBuffered = 100_000
	// defaultBatches and maxFastBatches bound the batches of all streams.
	defaultBatches = 1000
	maxFastBatches = 50_000
)

// quota bounds something of which there may be so many. It implements
// streamcore.Quota.
type quota struct {
	used, max atomic.Int64
}

// Take implements streamcore.Quota.
func (q *quota) Take() bool {
	if q.used.Add(1) > q.max.Load() {
		q.used.Add(-1)
		return false
	}
	return true
}

// Return implements streamcore.Quota.
func (q *quota) Return() { q.used.Add(-1) }

// Engine is JetStream on one server.
type Engine struct {
	cfg    Config
	limits atomic.Pointer[Limits]
	stage  *stage
	meta   *metaGroup
	// founder makes the server part of its cluster's group of assets, nil if it is alone.
	founder *founder
	herald  *herald
	// roster is how the other servers are, nil if there are none.
	roster *roster
	// office is where it hears what is for the groups that it leads, nil if it is alone.
	office *office

	mu sync.RWMutex
	// accounts are those that may use JetStream, by name.
	accounts map[string]*tenant
	// system is the system account, nil if there is none.
	system *tenant
	// refused are those that are told that they may not.
	refused map[*account.Account]*account.Subscription
	streams map[uint64]*stream // by group
	rand    *rand.Rand
	closed  bool
	// retired is set when this server was removed from its cluster.
	retired bool
	usage   usage // of all accounts
	// requests are those of the API, infos those that only ask for information, questions those
	// of other servers, which wait for nobody who may wait for this one.
	requests, infos, questions requestQueue
	// atomicBatches and fastBatches bound those of all streams.
	atomicBatches, fastBatches quota
	// metaKeys and storeKeys are those of the Ring, nil without one.
	metaKeys, storeKeys *seal.Keys
	// backups and restores bound those that are under way.
	backups, restores quota
	// cache is shared by the files of all streams; zones are those of schedules.
	cache *file.Cache
	zones streamcore.Zones
	// ctx ends when the engine begins to stop.
	ctx    context.Context
	cancel context.CancelFunc
	jobs   jobs
	// logGone is whether the log is a new one, although there are assets.
	logGone bool
	// every is checkpointEvery, but in tests.
	every intervals
}

// intervals are after how much the state of a machine is made durable, so that its log
// need not have what is in front.
type intervals struct {
	// streamBytes are those of a stream's ops, consumerFrames count a consumer's
	// frames, metaOps what is done to assets.
	streamBytes    int64
	consumerFrames int
	metaOps        int
	// blockBytes is how long the blocks of a stream get, 0 for what the store thinks.
	blockBytes int64
}

var checkpointEvery = intervals{streamBytes: 16 << 20, consumerFrames: 2048, metaOps: 4096}

const metaGroupID raft.GroupID = 1

// New returns an engine on what is in the directory. Nothing runs before Start.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		cfg: cfg, stage: newStage(cfg.Clock),
		accounts: make(map[string]*tenant), refused: make(map[*account.Account]*account.Subscription), streams: make(map[uint64]*stream),
		rand:  rand.New(rand.NewPCG(cfg.Seed, 0x15)),
		cache: file.NewCache(cacheBytes, 0), zones: time.LoadLocation, every: checkpointEvery,
	}
	e.herald = newHerald(e)
	e.requests.atOnce, e.requests.limit = requestsAtOnce, cmp.Or(cfg.Queues.Requests, defaultRequests)
	e.infos.atOnce, e.infos.limit = infosAtOnce, cmp.Or(cfg.Queues.Infos, e.requests.limit)
	e.questions.atOnce, e.questions.limit = infosAtOnce, e.infos.limit
	e.jobs.turns = make(chan struct{}, cmp.Or(cfg.Queues.ConcurrentIO, 4*runtime.GOMAXPROCS(0)))
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for _, dir := range []string{cfg.Dir, e.path(streamsName)} {
		if err := cfg.FS.MkdirAll(dir); err != nil {
			return nil, fmt.Errorf("jetstream: %w", err)
		}
	}
	if err := errors.Join(vfs.SyncDir(cfg.FS, cfg.Dir), vfs.SyncDir(cfg.FS, filepath.Dir(cfg.Dir))); err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	var err error
	if e.metaKeys, err = cfg.Ring.Keys(metaPurpose); err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	if e.storeKeys, err = cfg.Ring.Keys(file.Purpose); err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	if cfg.System != nil {
		e.system = newTenant(e, cfg.System)
	}
	e.fastBatches.max.Store(maxFastBatches)
	e.backups.max.Store(maxBackups)
	e.restores.max.Store(maxRestores)
	e.SetLimits(cfg.Limits)
	if e.meta, err = openMeta(e); err != nil {
		return nil, err
	}
	if cfg.Neighbours != nil {
		if e.founder, err = openFounder(e); err != nil {
			return nil, err
		}
		e.roster = newRoster(e)
		e.office = newOffice(e)
	}
	e.meta.tide.rise(e.meta.at.Base.Index)
	e.logGone = cfg.Log.Created() && e.meta.at.Base.Index > 0
	return e, nil
}

func (e *Engine) path(elem ...string) string {
	return filepath.Join(append([]string{e.cfg.Dir}, elem...)...)
}

// Start begins to serve. The log and the host have been started, and Serve has told
// which accounts there are. It waits until what there is serves, though not for ever:
// clients that come before that are told that nobody listens. What has not begun by
// then begins in its own time, and does not hold up the others. In a cluster it does not
// wait, for what there is depends on others, who may be started one after the other.
func (e *Engine) Start() error {
	e.stage.start(runtime.GOMAXPROCS(0))
	start := e.meta.start
	if e.founder != nil {
		if err := e.office.start(); err != nil {
			return err
		}
		start = e.founder.start
	}
	if err := start(); err != nil {
		return err
	}
	if e.system != nil {
		if err := e.system.openSystem(); err != nil {
			return err
		}
	}
	if e.roster != nil {
		if err := e.roster.start(); err != nil {
			return err
		}
		e.jobs.run(e.tend)
	}
	settled := make(chan struct{})
	e.report(settled)
	if !e.jobs.run(func() { e.settle(); close(settled) }) || e.founder != nil {
		return nil // it is stopped already, or depends on servers that may wait for this one
	}
	t := e.cfg.Clock.NewTimer(startTimeout)
	defer t.Stop()
	select {
	case <-settled:
	case <-t.C():
		e.cfg.Logger.Warnf("JetStream: some streams or consumers do not serve after %v; the server goes on without them meanwhile", startTimeout)
	}
	return nil
}

// Stop ends serving, and writes checkpoints so that the next start is quick. When it
// returns nothing of the engine runs any more. The host is stopped behind it.
func (e *Engine) Stop() {
	e.handOver()
	e.mu.Lock()
	e.closed = true
	tenants := slices.Collect(maps.Values(e.accounts))
	refused := maps.Clone(e.refused)
	e.mu.Unlock()
	for _, t := range tenants {
		t.close()
	}
	for a, sub := range refused {
		a.Unsubscribe(sub)
	}
	if e.system != nil {
		e.system.close()
	}
	e.office.close()
	// Who waits for something gives up, and no asset comes or goes from here on.
	e.cancel()
	if e.founder != nil {
		e.founder.stop()
	}
	e.meta.stop()
	e.listenToNewcomers(false)
	e.jobs.finish()
	var wg sync.WaitGroup
	for _, s := range e.streamList() {
		wg.Go(s.stop)
	}
	wg.Wait()
	e.stage.stop()
	e.requests.finish()
	e.infos.finish()
	e.questions.finish()
}

// cacheBytes bounds the parts of stream files in memory.
const cacheBytes = 64 << 20

// deleteIdle deletes a consumer that nobody uses.
func (e *Engine) deleteIdle(c *consumer) {
	st, assigned := c.stream.assigned.Load(), c.assigned.Load()
	e.jobs.run(func() {
		res, err := e.meta.propose(e.ctx, &meta.Op{DeleteConsumer: &meta.DeleteConsumer{
			Account: st.Account, Stream: st.Name(), Consumer: assigned.Name(), Group: assigned.Group.ID,
		}})
		switch {
		case e.ctx.Err() != nil:
		case err != nil:
			c.complain("deleting it, for nobody uses it", err)
		case res.Changed:
			c.stream.tenant.consumerAdvisory(st.Name(), assigned.Name(), api.ActionEventDelete)
		}
	})
}

// dropGroup removes a group that does not run from the log, if it is there.
func (e *Engine) dropGroup(id raft.GroupID) error {
	if _, ok := e.cfg.Log.Group(id); !ok {
		return nil
	}
	return e.cfg.Log.Append(wal.Write{Group: id, Delete: true})
}

// self is who this server is in new groups.
func (e *Engine) self() raft.PeerID { return raft.MakePeerID(e.cfg.Node, e.cfg.Log.Incarnation()) }

func (e *Engine) now() int64 { return e.cfg.Clock.Now().UnixNano() }

// newRand returns a source of randomness for one asset.
func (e *Engine) newRand() *rand.Rand {
	e.mu.Lock()
	defer e.mu.Unlock()
	return rand.New(rand.NewPCG(e.rand.Uint64(), e.rand.Uint64()))
}

// stream returns a running stream by its group, or nil.
func (e *Engine) stream(group uint64) *stream {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.streams[group]
}

// SetLimits puts other limits of the server into force. What there is already is
// left as it is.
func (e *Engine) SetLimits(l Limits) {
	if old := e.limits.Swap(&l); old != nil && e.roster != nil && (old.MaxMemory != l.MaxMemory || old.MaxFile != l.MaxFile) {
		e.roster.report()
	}
	e.atomicBatches.max.Store(int64(cmp.Or(l.Batches.Total, defaultBatches)))
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, s := range e.streams {
		s.boundBatches(&l.Batches)
	}
}

// assigned returns what is assigned to a name, if that is there.
func (e *Engine) assigned(acc, name string) *meta.Stream {
	return e.meta.stream(acc, name)
}
