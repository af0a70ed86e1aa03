package monitor

import "time"

// RoutezOptions say what routez shows.
type RoutezOptions struct {
	// Subscriptions lists the subjects that the other ends have interest in,
	// SubscriptionsDetail all there is to them; the latter prevails.
	Subscriptions       bool `json:"subscriptions"`
	SubscriptionsDetail bool `json:"subscriptions_detail"`
}

// Routez are the connections to other servers of the cluster.
type Routez struct {
	ID     string             `json:"server_id"`
	Name   string             `json:"server_name"`
	Now    time.Time          `json:"now"`
	Import *SubjectPermission `json:"import,omitempty"`
	Export *SubjectPermission `json:"export,omitempty"`
	Count  int                `json:"num_routes"`
	Routes []*routeAnswer     `json:"routes"`
}

// SubjectPermission is what subjects may pass. Allow that is nil is all.
type SubjectPermission struct {
	Allow []string `json:"allow,omitzero"`
	Deny  []string `json:"deny,omitempty"`
}

// Routes is what a Source tells of other servers.
type Routes struct {
	// Import and Export are what this server permits, nil for everything.
	Import, Export *SubjectPermission
	List           []*Route
}

// Route is one connection to another server at one moment. In counters, in is from the other
// end to the server.
type Route struct {
	RID uint64
	// RemoteID and RemoteName are those of the other server.
	RemoteID, RemoteName string
	// Solicited tells that this server has dialled, Configured that the address is.
	Solicited, Configured bool
	IP                    string
	Port                  int
	Start, LastActivity   time.Time
	// RTT is 0 until it has been measured.
	RTT               time.Duration
	Import, Export    *SubjectPermission
	PendingBytes      int64
	InMsgs, OutMsgs   int64
	InBytes, OutBytes int64
	NumSubs           int
	// Subs lists what the other end has interest in. It is called after the source has returned.
	Subs func() []Sub
	// Account is the one that the route is for, if it is for one.
	Account string
	// Compression is the mode in which this server sends.
	Compression string
}

type routeAnswer struct {
	RID          uint64             `json:"rid"`
	RemoteID     string             `json:"remote_id"`
	RemoteName   string             `json:"remote_name"`
	DidSolicit   bool               `json:"did_solicit"`
	IsConfigured bool               `json:"is_configured"`
	IP           string             `json:"ip"`
	Port         int                `json:"port"`
	Start        time.Time          `json:"start"`
	LastActivity time.Time          `json:"last_activity"`
	RTT          string             `json:"rtt,omitempty"`
	Uptime       string             `json:"uptime"`
	Idle         string             `json:"idle"`
	Import       *SubjectPermission `json:"import,omitempty"`
	Export       *SubjectPermission `json:"export,omitempty"`
	Pending      int64              `json:"pending_size"`
	InMsgs       int64              `json:"in_msgs"`
	OutMsgs      int64              `json:"out_msgs"`
	InBytes      int64              `json:"in_bytes"`
	OutBytes     int64              `json:"out_bytes"`
	NumSubs      int                `json:"subscriptions"`
	Subs         []string           `json:"subscriptions_list,omitempty"`
	SubsDetail   []Sub              `json:"subscriptions_list_detail,omitempty"`
	Account      string             `json:"account,omitempty"`
	Compression  string             `json:"compression,omitempty"`
}

// Routez tells of the connections to other servers.
func (m *Monitor) Routez(opts RoutezOptions) (*Routez, error) {
	routes, now := m.src.Routes(), m.now()
	who := m.src.Identity()
	answer := &Routez{
		ID: who.ID, Name: who.Name, Now: now.UTC(), Import: routes.Import, Export: routes.Export,
		Count: len(routes.List), Routes: make([]*routeAnswer, 0, len(routes.List)),
	}
	for _, r := range routes.List {
		a := &routeAnswer{
			RID: r.RID, RemoteID: r.RemoteID, RemoteName: r.RemoteName, DidSolicit: r.Solicited, IsConfigured: r.Configured,
			IP: r.IP, Port: r.Port, Start: r.Start.UTC(), LastActivity: r.LastActivity.UTC(),
			Uptime: formatUptime(now.Sub(r.Start)), Idle: formatUptime(now.Sub(r.LastActivity)),
			Import: r.Import, Export: r.Export, Pending: r.PendingBytes,
			InMsgs: r.InMsgs, OutMsgs: r.OutMsgs, InBytes: r.InBytes, OutBytes: r.OutBytes, NumSubs: r.NumSubs, Account: r.Account,
			Compression: r.Compression,
		}
		if r.RTT > 0 {
			a.RTT = r.RTT.String()
		}
		switch {
		case opts.SubscriptionsDetail:
			a.SubsDetail = r.Subs()
		case opts.Subscriptions:
			for _, s := range r.Subs() {
				a.Subs = append(a.Subs, s.Subject)
			}
		}
		answer.Routes = append(answer.Routes, a)
	}
	return answer, nil
}
