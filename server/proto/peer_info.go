package proto

// RouteInfo is the JSON of INFO on a route. It is about its sender, unless its
// ServerID is that of another server: then it tells that there is one.
type RouteInfo struct {
	Info
	// IP is where the sender can be dialled, as a URL.
	IP string `json:"ip,omitempty"`
	// WSConnectURLs is what ConnectURLs is, for clients over websockets.
	WSConnectURLs []string `json:"ws_connect_urls,omitempty"`
	// Compression is the mode that the sender wants.
	Compression string `json:"compression,omitempty"`
	// Import and Export bound the interest that is exchanged.
	Import *SubjectPermission `json:"import,omitempty"`
	Export *SubjectPermission `json:"export,omitempty"`
	// OriginCluster and OriginUnsub say that the sender understands LS+ and
	// LMSG, and LS- with an origin.
	OriginCluster bool `json:"lnoc,omitempty"`
	OriginUnsub   bool `json:"lnocu,omitempty"`
	// RoutePoolSize is how many connections the sender wants for accounts that
	// have none of their own, and RoutePoolIdx which of them this one is.
	// RouteAccount is the account that the connection is for, if it is for one.
	RoutePoolSize int    `json:"route_pool_size,omitempty"`
	RoutePoolIdx  int    `json:"route_pool_idx,omitempty"`
	RouteAccount  string `json:"route_account,omitempty"`
	// LeafnodeURLs and GatewayURL are where the sender accepts those.
	LeafnodeURLs []string `json:"leafnode_urls,omitempty"`
	GatewayURL   string   `json:"gateway_url,omitempty"`
	// GossipMode tells what to do about other servers on account of this INFO.
	GossipMode uint8 `json:"gossip_mode,omitempty"`
	// RouteAccounts are those that have connections of their own on the sender's side,
	// RouteCall is how many connections it had dialled when it dialled this one.
	RouteAccounts []string `json:"route_accounts,omitempty"`
	RouteCall     uint64   `json:"route_call,omitempty"`
	// RaftNode is the number of the server where it takes part in raft groups, 0 where it does
	// not.
	RaftNode uint32 `json:"raft_node,omitempty"`
	// NatsLite is the version of this protocol, 0 if the sender is of another kind.
	NatsLite int `json:"nats_lite,omitempty"`
}

// LeafInfo is the JSON of INFO on a leafnode link.
type LeafInfo struct {
	Info
	// IP is where the sender can be dialled, host and port.
	IP string `json:"ip,omitempty"`
	// Compression is the mode that the sender wants, or has chosen.
	Compression string `json:"compression,omitempty"`
	// Import and Export are what the end that dialled may subscribe to and publish.
	Import *SubjectPermission `json:"import,omitempty"`
	Export *SubjectPermission `json:"export,omitempty"`
	// InfoOnConnect says that another INFO answers CONNECT, with ConnectInfo set.
	InfoOnConnect bool `json:"info_on_connect,omitempty"`
	// LeafnodeURLs and WSConnectURLs are where the servers of the sender's cluster
	// accept leafnodes.
	LeafnodeURLs  []string `json:"leafnode_urls,omitempty"`
	WSConnectURLs []string `json:"ws_connect_urls,omitempty"`
}

// SubjectPermission is what may be exchanged between two servers. Allow that is nil
// is everything, and empty nothing.
type SubjectPermission struct {
	Allow []string `json:"allow,omitzero"`
	Deny  []string `json:"deny,omitempty"`
}

// RouteConnect is the JSON of CONNECT on a route.
type RouteConnect struct {
	Echo        bool   `json:"echo"`
	Verbose     bool   `json:"verbose"`
	Pedantic    bool   `json:"pedantic"`
	User        string `json:"user,omitempty"`
	Pass        string `json:"pass,omitempty"`
	TLSRequired bool   `json:"tls_required"`
	Headers     bool   `json:"headers"`
	// Name is the server's ID.
	Name           string `json:"name"`
	Cluster        string `json:"cluster"`
	ClusterDynamic bool   `json:"cluster_dynamic,omitempty"`
	OriginCluster  bool   `json:"lnoc,omitempty"`
	OriginUnsub    bool   `json:"lnocu,omitempty"`
	// NatsLite is as in RouteInfo.
	NatsLite int `json:"nats_lite,omitempty"`

	// Lang is set by clients and Gateway by gateways, which are refused.
	Lang    string `json:"lang,omitempty"`
	Gateway string `json:"gateway,omitempty"`
}

// LeafConnect is the JSON of CONNECT on a leafnode link.
type LeafConnect struct {
	Version string `json:"version,omitempty"`

	NKey  string `json:"nkey,omitempty"`
	JWT   string `json:"jwt,omitempty"`
	Sig   string `json:"sig,omitempty"`
	User  string `json:"user,omitempty"`
	Pass  string `json:"pass,omitempty"`
	Token string `json:"auth_token,omitempty"`

	ServerID string `json:"server_id,omitempty"`
	// Name is the server's name.
	Name string `json:"name,omitempty"`
	// Domain is that of the server's JetStream.
	Domain string `json:"domain,omitempty"`
	// Cluster is that of the server, or its name if it is in none.
	Cluster string `json:"cluster,omitempty"`
	// IsHub makes the end that accepts the spoke.
	IsHub   bool `json:"is_hub,omitempty"`
	Headers bool `json:"headers,omitempty"`
	// JetStream tells that the local account has it.
	JetStream bool `json:"jetstream,omitempty"`
	// DenyPub are subjects that the other end must not send.
	DenyPub []string `json:"deny_pub,omitempty"`
	// Isolate asks for no interest of other leafnodes.
	Isolate bool `json:"isolate,omitempty"`
	// Compression is the mode that is in use, empty if the server knows none.
	Compression string `json:"compress_mode,omitempty"`
	// RemoteAccount is the local account, remote to who reads it.
	RemoteAccount string `json:"remote_account,omitempty"`
	Protocol      int    `json:"protocol,omitempty"`

	// Lang is set by clients and Gateway by gateways, which are refused.
	Lang    string `json:"lang,omitempty"`
	Gateway string `json:"gateway,omitempty"`
}

// Append appends the whole INFO line.
func (i *RouteInfo) Append(dst []byte) []byte { return AppendInfo(dst, encode(i)) }

// Append appends the whole INFO line.
func (i *LeafInfo) Append(dst []byte) []byte { return AppendInfo(dst, encode(i)) }

// Append appends the whole CONNECT line.
func (c *RouteConnect) Append(dst []byte) []byte { return appendConnect(dst, encode(c)) }

// Append appends the whole CONNECT line.
func (c *LeafConnect) Append(dst []byte) []byte { return appendConnect(dst, encode(c)) }

// ParseRouteInfo reads INFO's argument. Unknown fields are ignored, by this and
// the following functions.
func ParseRouteInfo(arg []byte) (RouteInfo, error) { return decode(arg, RouteInfo{}) }

// ParseLeafInfo reads INFO's argument.
func ParseLeafInfo(arg []byte) (LeafInfo, error) { return decode(arg, LeafInfo{}) }

// ParseRouteConnect reads CONNECT's argument.
func ParseRouteConnect(arg []byte) (RouteConnect, error) { return decode(arg, RouteConnect{}) }

// ParseLeafConnect reads CONNECT's argument.
func ParseLeafConnect(arg []byte) (LeafConnect, error) { return decode(arg, LeafConnect{}) }

func appendConnect(dst, json []byte) []byte {
	dst = append(dst, "CONNECT "...)
	dst = append(dst, json...)
	return append(dst, CRLF...)
}
