package meta

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Op is a change of a State. One of its members is set.
type Op struct {
	CreateStream   *CreateStream   `json:"create_stream,omitempty"`
	UpdateStream   *UpdateStream   `json:"update_stream,omitempty"`
	DeleteStream   *DeleteStream   `json:"delete_stream,omitempty"`
	EndRestore     *EndRestore     `json:"end_restore,omitempty"`
	CreateConsumer *CreateConsumer `json:"create_consumer,omitempty"`
	UpdateConsumer *UpdateConsumer `json:"update_consumer,omitempty"`
	DeleteConsumer *DeleteConsumer `json:"delete_consumer,omitempty"`
	ChangePeers    *ChangePeers    `json:"change_peers,omitempty"`
	CancelChange   *CancelChange   `json:"cancel_change,omitempty"`
	EndChange      *EndChange      `json:"end_change,omitempty"`
	AddServer      *AddServer      `json:"add_server,omitempty"`
	RemoveServer   *RemoveServer   `json:"remove_server,omitempty"`
	EndRemoval     *EndRemoval     `json:"end_removal,omitempty"`
	EvacuateServer *EvacuateServer `json:"evacuate_server,omitempty"`
	PlaceMissing   *PlaceMissing   `json:"place_missing,omitempty"`
	PreferLeader   *PreferLeader   `json:"prefer_leader,omitempty"`
}

// Limits are those of an account and of its server, as the server that proposes knows
// them. -1 is no limit.
type Limits struct {
	Streams int `json:"streams"`
	// Memory and File bound what the account's streams may reserve, AllMemory and
	// AllFile what those of all accounts may.
	Memory    int64 `json:"memory"`
	File      int64 `json:"file"`
	AllMemory int64 `json:"all_memory"`
	AllFile   int64 `json:"all_file"`
	// StreamMemory and StreamFile bound what a single stream may reserve; 0 is no limit,
	// too. BytesRequired demands that it reserves something.
	StreamMemory  int64 `json:"stream_memory"`
	StreamFile    int64 `json:"stream_file"`
	BytesRequired bool  `json:"bytes_required,omitempty"`
}

// NoLimits has no limit.
var NoLimits = Limits{Streams: -1, Memory: -1, File: -1, AllMemory: -1, AllFile: -1}

// CreateStream makes a stream, unless there is one of that name. If that has the
// same configuration there is nothing to do.
type CreateStream struct {
	Account string            `json:"account"`
	Config  *api.StreamConfig `json:"config"`
	// Nodes are the servers that were chosen for its replicas. If one of them is not there any
	// more the result is Stale.
	Nodes []uint32 `json:"nodes"`
	// Preferred is the one that should lead, 0 if it makes no difference.
	Preferred uint32 `json:"preferred,omitempty"`
	Limits    Limits `json:"limits"`
	// New has a stream of that name be an error in any case.
	New bool `json:"new,omitempty"`
	// Restore has the stream be restored from a backup first.
	Restore *Restore `json:"restore,omitempty"`
}

// UpdateStream replaces the configuration of a stream.
type UpdateStream struct {
	Account string            `json:"account"`
	Config  *api.StreamConfig `json:"config"`
	// Revision is that of the stream which the configuration was checked against.
	Revision uint64 `json:"revision"`
	Limits   Limits `json:"limits"`
	// Nodes are the servers that were chosen if Replicas or Placement are others than
	// before; Preferred is the one that should lead.
	Nodes     []uint32 `json:"nodes,omitempty"`
	Preferred uint32   `json:"preferred,omitempty"`
}

// DeleteStream removes a stream with its consumers.
type DeleteStream struct {
	Account string `json:"account"`
	Stream  string `json:"stream"`
	// Group, unless it is 0, is that of the stream that is meant.
	Group uint64 `json:"group,omitempty"`
}

// EndRestore makes a stream that is being restored one like others, or removes it with
// its consumers.
type EndRestore struct {
	Account string `json:"account"`
	Stream  string `json:"stream"`
	// ID is that of the restore.
	ID string `json:"id"`
	// Complete is whether all of the stream is there.
	Complete bool `json:"complete,omitempty"`
}

// CreateConsumer makes a consumer, unless there is one of that name. If that has
// the same configuration there is nothing to do.
type CreateConsumer struct {
	Account string `json:"account"`
	Stream  string `json:"stream"`
	// Group is that of the stream which the configuration was checked against. It may
	// be one that is being restored.
	Group  uint64              `json:"group"`
	Config *api.ConsumerConfig `json:"config"`
	// Avoid are servers that cannot be reached: of those of the stream one that needs fewer
	// gets others.
	Avoid []uint32 `json:"avoid,omitempty"`
	// Max bounds the consumers of the stream; -1 is no limit.
	Max int `json:"max"`
}

// UpdateConsumer replaces the configuration of a consumer.
type UpdateConsumer struct {
	Account  string              `json:"account"`
	Stream   string              `json:"stream"`
	Config   *api.ConsumerConfig `json:"config"`
	Revision uint64              `json:"revision"`
}

// DeleteConsumer removes a consumer.
type DeleteConsumer struct {
	Account  string `json:"account"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// Group, unless it is 0, is that of the consumer that is meant.
	Group uint64 `json:"group,omitempty"`
}

// opVersion is the first byte of an encoded op. Ops of version 1 know no servers, and are
// understood.
const opVersion = 2

// ErrUnknownOp says that an op was written by a newer version, or is damaged. It
// is skipped, on all servers that do not know it.
var ErrUnknownOp = errors.New("meta: unknown op")

// Append appends the encoded op to dst.
func (o *Op) Append(dst []byte) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		// Configurations consist of what JSON has.
		panic(fmt.Sprintf("meta: encoding an op: %v", err))
	}
	return append(append(dst, opVersion), b...)
}

// DecodeOp decodes what Append has encoded. The error is an ErrUnknownOp.
func DecodeOp(b []byte) (*Op, error) {
	if len(b) == 0 || b[0] < 1 || b[0] > opVersion {
		return nil, ErrUnknownOp
	}
	o := new(Op)
	if err := json.Unmarshal(b[1:], o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownOp, err)
	}
	if !o.valid() {
		return nil, ErrUnknownOp
	}
	return o, nil
}

// valid reports whether the op has all that applying it needs.
func (o *Op) valid() bool {
	n := 0
	for _, set := range []bool{
		o.CreateStream != nil, o.UpdateStream != nil, o.DeleteStream != nil, o.EndRestore != nil,
		o.CreateConsumer != nil, o.UpdateConsumer != nil, o.DeleteConsumer != nil,
		o.ChangePeers != nil, o.CancelChange != nil, o.EndChange != nil,
		o.AddServer != nil, o.RemoveServer != nil, o.EndRemoval != nil, o.EvacuateServer != nil, o.PlaceMissing != nil,
		o.PreferLeader != nil,
	} {
		if set {
			n++
		}
	}
	stream := func(c *api.StreamConfig) bool {
		return c != nil && api.IsName(c.Name) && c.Storage <= api.MemoryStorage
	}
	consumer := func(c *api.ConsumerConfig) bool { return c != nil && api.IsName(c.Name) }
	switch {
	case n != 1:
		return false
	case o.CreateStream != nil:
		return stream(o.CreateStream.Config) && isDistinct(o.CreateStream.Nodes)
	case o.UpdateStream != nil:
		return stream(o.UpdateStream.Config) && isDistinct(o.UpdateStream.Nodes)
	case o.CreateConsumer != nil:
		return consumer(o.CreateConsumer.Config)
	case o.UpdateConsumer != nil:
		return consumer(o.UpdateConsumer.Config)
	case o.ChangePeers != nil:
		return isDistinct(o.ChangePeers.Nodes)
	case o.AddServer != nil:
		return o.AddServer.Server.Node != 0 && o.AddServer.Server.Name != ""
	}
	return true
}
