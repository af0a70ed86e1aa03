package server

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/nats-io/nuid"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// jetStream is JetStream as it runs in a server: the log, the raft groups on it, and
// the engine.
type jetStream struct {
	log    *wal.Log
	host   *host.Host
	engine *jetstream.Engine
	// others are nil if the server is alone.
	others *neighbours
	// room is what the configuration left to the server.
	room room
}

// metaGroup is the group that every server with JetStream has.
const metaGroup = 1

// startJetStream opens what is in the store directory and begins to serve it.
func (s *Server) startJetStream(opts *options.Options) error {
	o := &opts.JetStream
	if !o.Enabled {
		return nil
	}
	dir := storeDir(o)
	fs := vfs.OS()
	if err := fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	begin := s.clock.Now()
	s.log.Noticef("Starting JetStream")
	if o.StoreDir == "" {
		s.log.Warnf("Temporary storage directory used, data could be lost on system reboot")
	}
	ring, err := encryption(o)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	j := &jetStream{}
	if j.room, err = roomFor(o, fs, dir); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	s.jetStreamBanner(o, dir, j.room)
	if j.log, err = s.openLog(fs, dir, opts, ring); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if err := s.makeEngine(j, opts, fs, dir, ring); err != nil {
		if j.others != nil {
			j.others.close()
		}
		return errors.Join(err, j.log.Close())
	}
	j.log.Start()
	j.host.Start()
	s.jetStream.Store(j)
	s.meetNeighbours()
	s.tellOthers()
	accounts, others := s.jetStreamAccounts(opts)
	if err := j.engine.Serve(accounts, others); err != nil {
		return err
	}
	if err := j.engine.Start(); err != nil {
		return err
	}
	s.log.Noticef("Took %v to start JetStream", s.clock.Now().Sub(begin))
	return nil
}

// makeEngine makes all that is on the log. Nothing runs yet.
func (s *Server) makeEngine(j *jetStream, opts *options.Options, fs vfs.FS, dir string, ring *seal.Ring) (err error) {
	o, node := &opts.JetStream, s.nodeID(j.log)
	hc := host.Config{
		Node: node, Log: j.log, Transport: nobody{}, Clock: s.clock, FS: fs, Dir: filepath.Join(dir, "images"),
		Cipher: ring.Cipher(), Seed: rand.Uint64(), Events: func(e host.Event) { s.hostEvent(j.engine, &e) },
		MaxGroupBytes: 2 * max(o.MaxBufferedSize, defaultGroupBytes/2), MaxHostBytes: 4 * max(o.MaxBufferedSize, defaultHostBytes/4),
	}
	ec := jetstream.Config{
		FS: fs, Dir: dir, Clock: s.clock, Ring: ring, Log: j.log, Node: node, Name: s.name, ServerID: s.id, Version: Version,
		Domain: o.Domain, UniqueTag: o.UniqueTag, Strict: o.Strict, LongAcks: opts.HasFeature(options.FeatureAckFCV2), NewID: nuid.Next, Seed: rand.Uint64(), Logger: s.log,
		System: s.SystemAccount(), Client: s.describeClient,
		Limits: jetStreamLimits(o, j.room),
		Queues: jetstream.Queues{
			Requests: o.RequestQueueLimit, Infos: o.InfoQueueLimit, ConcurrentIO: min(o.MaxConcurrentIO, maxFilesAtOnce),
			Msgs: o.MaxBufferedMsgs, Bytes: o.MaxBufferedSize,
		},
		Tags: opts.Tags,
	}
	if opts.Cluster.Enabled() {
		receive := func(from raft.NodeID, class host.Class, frame []byte) { j.host.Receive(from, class, frame) }
		if j.others, err = s.newNeighbours(opts, node, j.log.Incarnation(), receive); err != nil {
			return err
		}
		hc.Transport, ec.Neighbours, ec.Cluster = j.others.tcp, j.others, opts.Cluster.Name
	}
	if j.host, err = host.New(hc); err != nil {
		return err
	}
	ec.Host = j.host
	j.engine, err = jetstream.New(ec)
	return err
}

// What waits for a group and for all of them, in bytes, unless a stream is to take
// more: what the host of groups has built in.
const (
	defaultGroupBytes = 32 << 20
	defaultHostBytes  = 256 << 20
)

// reloadJetStream puts other options of JetStream, and of its accounts, into force.
func (s *Server) reloadJetStream(opts *options.Options) error {
	j := s.jetStream.Load()
	switch {
	case j != nil && !opts.JetStream.Enabled:
		s.stopJetStream()
		s.tellOthers()
		return nil
	case j == nil:
		return s.startJetStream(opts)
	}
	j.engine.SetLimits(jetStreamLimits(&opts.JetStream, j.room))
	return j.engine.Serve(s.jetStreamAccounts(opts))
}

// How much of the log stays in memory, in bytes. A server that is alone needs
// what is on its way to be applied, and nobody will ask for more; one of several sends
// what it has to those that are behind.
const (
	logCache       = 8 << 20
	sharedLogCache = 64 << 20
)

// maxFilesAtOnce bounds the disk operations that run at once, whatever is configured:
// more only wait for each other.
const maxFilesAtOnce = 64

// stopJetStream ends serving.
func (s *Server) stopJetStream() {
	j := s.jetStream.Swap(nil)
	if j == nil {
		return
	}
	s.log.Noticef("Initiating JetStream Shutdown...")
	j.engine.Stop()
	j.host.Stop()
	if j.others != nil {
		j.others.close()
	}
	if err := j.log.Close(); err != nil {
		s.log.Errorf("JetStream log: %v", err)
	}
	s.log.Noticef("JetStream Shutdown")
}

func storeDir(o *options.JetStream) string {
	dir := o.StoreDir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "nats")
	}
	return filepath.Join(dir, "jetstream")
}

// nodeID is who this server is to raft: who it was when the log was made, or a number
// made of its name.
func (s *Server) nodeID(log *wal.Log) raft.NodeID {
	if g, ok := log.Group(metaGroup); ok {
		if self := g.State().Replica.Self; self != raft.None {
			return self.Node()
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.name)) // which never fails
	return raft.NodeID(max(h.Sum32(), 1))
}

// jetStreamAccounts returns the accounts that may use JetStream, with their limits, and
// those that may not.
func (s *Server) jetStreamAccounts(opts *options.Options) (_ map[*account.Account]jetstream.AccountLimits, others []*account.Account) {
	accounts := make(map[*account.Account]jetstream.AccountLimits)
	for name, l := range opts.JetStreamAccounts() {
		if a := s.Account(name); a != nil {
			accounts[a] = api.AccountLimits{
				MaxMemory: l.MaxMemory, MaxStorage: l.MaxStore, MaxStreams: l.MaxStreams, MaxConsumers: l.MaxConsumers,
				MaxAckPending: l.MaxAckPending, MemoryMaxStreamBytes: l.MemoryMaxStreamBytes,
				StoreMaxStreamBytes: l.StoreMaxStreamBytes, MaxBytesRequired: l.MaxBytesRequired,
			}
		}
	}
	for _, a := range s.accounts.Load().byName {
		if _, ok := accounts[a]; !ok {
			others = append(others, a)
		}
	}
	return accounts, others
}

// nobody is the transport of a server that has no others.
type nobody struct{}

// Send implements host.Transport.
func (nobody) Send(raft.NodeID, host.Class, []byte) bool { return false }
