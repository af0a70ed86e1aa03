package relay

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Request is a request of a client that another server is to answer.
type Request struct {
	// Left is how long the client is likely to wait from now on.
	Left time.Duration
	// Hops counts how often it has been passed on.
	Hops int
	// Index is that of the group of assets which whoever answers has to have applied.
	Index uint64
	// Account is whose request it is, Subject, Reply, Header and Body are of the message.
	Account, Subject, Reply string
	Header, Body            []byte
	// Client describes who has asked, as JSON; empty if nobody wants to know.
	Client []byte
	// Made is set if what is asked for has been done in the group of assets, and the
	// answer is all that lacks.
	Made *Made
}

// Made is what came of a request in the group of assets.
type Made struct {
	// Created is whether there is something new, Updated whether something that was there
	// is not as it was. Neither is set if all was as wanted.
	Created, Updated bool
	// Consumer is the name of the one concerned, which the subject need not have.
	Consumer string
}

// Proposal is an op for the group of assets.
type Proposal struct {
	Left time.Duration
	Op   []byte
}

// Fate is what became of a proposal.
type Fate uint8

const (
	// Applied: it has been carried out.
	Applied Fate = iota + 1
	// Dropped: it has no effect and never will, as the server does not lead. Another one may.
	Dropped
	// Refused: it has no effect and never will.
	Refused
	// Unknown: it may have had an effect, or may yet have.
	Unknown
)

// Outcome answers a Proposal.
type Outcome struct {
	Fate Fate
	// Index is that of the entry, if it is Applied, and Stale, Changed and Err what came of
	// it.
	Index          uint64
	Stale, Changed bool
	Err            *api.Error
	// Why says why it was not applied.
	Why string
}

// Look asks the leader of a group how its asset is, as lists show it.
type Look struct {
	Left time.Duration
	// Account, Stream and Consumer are its names; Consumer is empty if it is a stream.
	Account, Stream, Consumer string
}

// Tally asks all servers what an account uses.
type Tally struct {
	Account string
}

// Usage answers a Tally for one server.
type Usage struct {
	Node uint32
	// Memory and Storage are the bytes of what it leads, over all replicas.
	Memory, Storage uint64
	// Requests and Failures count those of the API, Inflight those not answered yet.
	Requests, Failures, Inflight uint64
}
