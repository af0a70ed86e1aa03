package server

import (
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream"
	"github.com/nats-lite/nats-lite/server/monitor"
)

// jetStreamView is JetStream as monitoring sees it. It implements monitor.JetStream.
type jetStreamView struct{ s *Server }

// engine returns what runs, or nil.
func (v jetStreamView) engine() *jetstream.Engine {
	if j := v.s.jetStream.Load(); j != nil {
		return j.engine
	}
	return nil
}

// State implements monitor.JetStream.
func (v jetStreamView) State() monitor.JSState {
	e := v.engine()
	switch {
	case !v.s.opts.Load().JetStream.Enabled:
		return monitor.JSNone
	case e == nil && v.s.isStopping():
		return monitor.JSDisabled
	case e == nil: // the log is read before there is one
		return monitor.JSRecovering
	}
	switch at := e.MetaState(); {
	case at == jetstream.MetaLeaderless:
		return monitor.JSNoLeader
	case !e.Ready():
		return monitor.JSRecovering
	case at == jetstream.MetaBehind:
		return monitor.JSBehind
	}
	return monitor.JSReady
}

// Settings implements monitor.JetStream.
func (v jetStreamView) Settings() (monitor.JSConfig, monitor.JSLimits) {
	o := &v.s.opts.Load().JetStream
	l := &o.Limits
	var r room
	if j := v.s.jetStream.Load(); j != nil {
		r = j.room
	}
	own := jetStreamLimits(o, r)
	config := monitor.JSConfig{
		MaxMemory: own.MaxMemory, MaxStorage: own.MaxFile, StoreDir: storeDir(o), SyncInterval: o.SyncInterval, SyncAlways: o.SyncAlways(),
		Domain: o.Domain, UniqueTag: o.UniqueTag, Strict: o.Strict,
	}
	return config, monitor.JSLimits{
		MaxRequestBatch: l.MaxRequestBatch, MaxAckPending: l.MaxAckPending, MaxHAAssets: l.MaxHAAssets, DuplicateWindow: l.DuplicateWindow,
		MaxBatchInflightPerStream: l.Batch.MaxInflightPerStream, MaxBatchInflightTotal: l.Batch.MaxInflightTotal,
		MaxBatchSize: l.Batch.MaxMsgs, MaxBatchTimeout: l.Batch.Timeout, DefaultMaxConsumers: l.DefaultMaxConsumers,
	}
}

// Overview implements monitor.JetStream.
func (v jetStreamView) Overview() monitor.JSOverview {
	e := v.engine()
	if e == nil {
		return monitor.JSOverview{}
	}
	f, group := e.Figures(), e.Meta()
	return monitor.JSOverview{
		Leading: group == nil || group.Leading,
		Meta:    metaView(group),
		Stats: monitor.JSStats{
			Memory: f.Memory, Storage: f.File, ReservedMemory: f.ReservedMemory, ReservedStorage: f.ReservedFile,
			Accounts: len(e.Accounts()), HAAssets: f.Replicated, API: f.API,
		},
		Held: monitor.JSHeld{
			Streams: f.Streams, StreamsLed: f.StreamsLed, Consumers: f.Consumers, ConsumersLed: f.ConsumersLed,
			Messages: f.Messages, Bytes: f.Bytes,
		},
	}
}

// metaView is the group of assets as monitoring has it, nil if the server is alone.
func metaView(f *jetstream.MetaFigures) *monitor.JSMeta {
	if f == nil {
		return nil
	}
	return &monitor.JSMeta{
		Name: f.Cluster, Leader: f.Leader, Peer: f.Peer, Replicas: f.Replicas, Size: f.Size, Quorum: f.Quorum,
		Pending: f.Requests + f.Infos, PendingRequests: f.Requests, PendingInfos: f.Infos,
		Snapshot: monitor.JSMetaSnapshot{
			PendingEntries: f.Entries, PendingSize: f.Bytes, LastTime: f.Written, LastDuration: f.Took,
		},
	}
}

// Accounts implements monitor.JetStream.
func (v jetStreamView) Accounts() (list []monitor.JSAccount) {
	if e := v.engine(); e != nil {
		for _, a := range e.Accounts() {
			list = append(list, monitor.JSAccount{
				Name: a.Name, ID: a.Name, Enabled: true, MaxMemory: a.Limits.MaxMemory, MaxStorage: a.Limits.MaxStorage,
				Usage: func() monitor.JSUsage { return monitor.JSUsage{Memory: a.Memory, Storage: a.File, API: a.API} },
			})
		}
	}
	return list
}

// Account implements monitor.JetStream.
func (v jetStreamView) Account(name string) (monitor.JSAccount, bool) {
	for _, a := range v.Accounts() {
		if a.Name == name {
			return a, true
		}
	}
	return monitor.JSAccount{Name: name, ID: name}, v.s.Account(name) != nil
}

// Streams implements monitor.JetStream.
func (v jetStreamView) Streams(account, name string) iter.Seq[monitor.JSStream] {
	return func(yield func(monitor.JSStream) bool) {
		e := v.engine()
		if e == nil {
			return
		}
		for st := range e.Streams(account, name) {
			shown := monitor.JSStream{
				Name: st.Name, Group: st.Group, Leading: st.Leading, Trouble: st.Trouble, Info: st.Info,
				Consumers: func(yield func(monitor.JSConsumer) bool) {
					for c := range st.Consumers {
						if !yield(monitor.JSConsumer{Name: c.Name, Group: c.Group, Direct: c.Direct, Trouble: c.Trouble, Info: c.Info}) {
							return
						}
					}
				},
			}
			if !yield(shown) {
				return
			}
		}
	}
}

var _ monitor.JetStream = jetStreamView{}
