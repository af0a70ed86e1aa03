package api

import "time"

// ClusterInfo says which servers hold an asset.
type ClusterInfo struct {
	Name           string      `json:"name,omitempty"`
	RaftGroup      string      `json:"raft_group,omitempty"`
	Leader         string      `json:"leader,omitempty"`
	LeaderSince    *time.Time  `json:"leader_since,omitempty"`
	SystemAccount  bool        `json:"system_account,omitempty"`
	TrafficAccount string      `json:"traffic_account,omitempty"`
	Replicas       []*PeerInfo `json:"replicas,omitempty"` // without the leader
	Desired        *Desired    `json:"desired,omitempty"`
}

// PeerInfo is how a server does that holds an asset.
type PeerInfo struct {
	Name    string        `json:"name"`
	Current bool          `json:"current"`
	Offline bool          `json:"offline,omitempty"`
	Active  time.Duration `json:"active"` // since it was last heard of
	Lag     uint64        `json:"lag,omitempty"`
	Peer    string        `json:"peer"`
	Pending uint64        `json:"pending,omitempty"`
}

// Desired is where an asset is on its way to.
type Desired struct {
	Created  time.Time      `json:"created"`
	Name     string         `json:"name,omitempty"`
	Replicas []*DesiredPeer `json:"replicas,omitempty"`
	Origin   *DesiredOrigin `json:"origin,omitempty"`
	Status   *DesiredStatus `json:"status,omitempty"`
}

// DesiredPeer is a server that is to hold the asset.
type DesiredPeer struct {
	Name    string `json:"name"`
	Offline bool   `json:"offline,omitempty"`
	Peer    string `json:"peer"`
}

// DesiredOrigin is what the asset was like before.
type DesiredOrigin struct {
	Replicas  int        `json:"replicas"`
	Placement *Placement `json:"placement,omitempty"`
	Retention *Retention `json:"retention,omitempty"`
}

// DesiredStatus is how far it has come.
type DesiredStatus struct {
	Description string `json:"description"`
	Type        string `json:"type"`
	Err         string `json:"err,omitempty"`
}

// What a DesiredStatus waits for.
const (
	DesiredMeta        = "meta"
	DesiredMembership  = "membership"
	DesiredSnapshot    = "snapshot"
	DesiredCatchup     = "catchup"
	DesiredQuorum      = "quorum"
	DesiredBlocked     = "blocked"
	DesiredUnavailable = "unavailable"
)

// StepdownRequest goes with the requests to give leadership away.
type StepdownRequest struct {
	Placement *Placement `json:"placement,omitempty"`
}

// PeerRequest goes with the requests that take a server out of a stream or consumer.
type PeerRequest struct {
	// Peer is a server's name or peer id.
	Peer string `json:"peer"`
}

// ServerRequest goes with OpServerRemove and OpServerEvacuate. The id wins.
type ServerRequest struct {
	Server string `json:"peer"`
	PeerID string `json:"peer_id,omitempty"`
}

// MoveRequest goes with OpAccountStreamMove.
type MoveRequest struct {
	// Server is the one to move off.
	Server  string   `json:"server,omitempty"`
	Cluster string   `json:"cluster,omitempty"`
	Domain  string   `json:"domain,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

// MetaRescueRequest goes with OpMetaRescue.
type MetaRescueRequest struct {
	QuorumNeeded int `json:"quorum_needed"`
}

// MetaRescueResponse answers it, from every server on its own.
type MetaRescueResponse struct {
	Response
	Server     string `json:"server"`
	ServerID   string `json:"server_id"`
	PrevQuorum int    `json:"prev_quorum,omitempty"`
	NewQuorum  int    `json:"new_quorum,omitempty"`
}
