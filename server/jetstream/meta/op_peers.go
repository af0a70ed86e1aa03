package meta

// ChangePeers has a stream, or a consumer, be on other servers: it is moved, or a server is
// taken out. For more or fewer replicas there is UpdateStream.
type ChangePeers struct {
	Account string `json:"account"`
	Stream  string `json:"stream"`
	// Consumer is "" if the stream is meant, with all its consumers.
	Consumer string `json:"consumer,omitempty"`
	// Group is that of what is meant.
	Group uint64 `json:"group"`
	// Was are the servers that it had when Nodes were chosen.
	Was   []uint32 `json:"was"`
	Nodes []uint32 `json:"nodes"`
	// Forced is for a server that is taken out because it is gone: the stream does not wait for
	// consumers that only it has. They stay on their way, and come when it comes back.
	Forced bool `json:"forced,omitempty"`
	// Preferred is the one that should lead, 0 if it makes no difference.
	Preferred uint32 `json:"preferred,omitempty"`
}

// CancelChange has a stream go back to the servers, and to the configuration of servers, that
// it had before the change that is under way.
type CancelChange struct {
	Account string `json:"account"`
	Stream  string `json:"stream"`
	Group   uint64 `json:"group"`
}

// EndChange is the report of a group's leader that the group is where it was to be, and
// nowhere else.
type EndChange struct {
	Account  string `json:"account"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer,omitempty"`
	Group    uint64 `json:"group"`
	// Change is the one that has come to its end.
	Change uint64 `json:"change"`
}

// PreferLeader has a stream, or a consumer, be led by one of its servers from now on, as far as that
// can be chosen. It is what keeps a leader where a user has sent it.
type PreferLeader struct {
	Account  string `json:"account"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer,omitempty"`
	// Group is that of what is meant.
	Group uint64 `json:"group"`
	Node  uint32 `json:"node"`
}

// AddServer makes a server known, or what it is like now. Only then it gets assets.
type AddServer struct {
	Server
}

// RemoveServer takes a server away. Others get its replicas, where somebody is left who has
// what they hold. With that it is not done: EndRemoval is, and nobody may be told before.
type RemoveServer struct {
	Node uint32 `json:"node"`
	View
}

// EndRemoval is the report of the leader of the group of all servers that the one to be
// removed is not part of its committed configuration.
type EndRemoval struct {
	Node uint32 `json:"node"`
}

// EvacuateServer has others take over what is on a server, which stays.
type EvacuateServer struct {
	Node uint32 `json:"node"`
	View
}

// PlaceMissing gives servers to the replicas that lack one.
type PlaceMissing struct {
	View
}

// View is what whoever proposes sees of the servers, and is not agreed on otherwise.
type View struct {
	Seen []Seen `json:"seen"`
	// UniqueTag and MaxAssets are as placement.Wish has them, and so is NotSince.
	UniqueTag string `json:"unique_tag,omitempty"`
	MaxAssets int    `json:"max_assets,omitempty"`
	NotSince  int64  `json:"not_since,omitempty"`
}

// Seen is how a server is.
type Seen struct {
	Node   uint32 `json:"node"`
	Online bool   `json:"online"`
	// OfflineSince is in nanoseconds since the epoch.
	OfflineSince int64 `json:"offline_since,omitempty"`
	// Memory and File bound what may be reserved, in bytes; -1 is no bound.
	Memory int64 `json:"memory"`
	File   int64 `json:"file"`
}
