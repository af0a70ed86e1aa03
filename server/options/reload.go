package options

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"

	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Effect names the parts of a running server that have to look at their options
// again. Effects are bits.
type Effect uint32

// The effects.
const (
	// ReloadLogging is about all of Log.
	ReloadLogging Effect = 1 << iota
	// ReloadAdvertise is about ClientAdvertise, which INFO shows.
	ReloadAdvertise
	// ReloadIdentity is about Tags and Metadata.
	ReloadIdentity
	// ReloadFiles is about PidFile and PortsFileDir.
	ReloadFiles
	// ReloadProfiling is about ProfBlockRate.
	ReloadProfiling
	// ReloadLimits is about MaxConn, MaxPayload and MaxControlLine, which bind
	// existing clients too.
	ReloadLimits
	// ReloadPing is about PingInterval and PingMax.
	ReloadPing
	// ReloadDelivery is about WriteDeadline and NoFastProducerStall.
	ReloadDelivery
	// ReloadTLS is about TLS. It is always set while there is TLS, because
	// certificates change without a change of their names.
	ReloadTLS
	// ReloadAuth is about who clients are and what they may do. Each client has
	// to be checked again.
	ReloadAuth
	// ReloadAccounts is about the accounts with their limits and mappings. Users
	// of an account are part of it, so ReloadAuth is set as well.
	ReloadAccounts
	// ReloadMappings is about Mappings of the global account.
	ReloadMappings
	// ReloadCluster is about Cluster but its routes, and about ConnectErrorReports
	// and ReconnectErrorReports. Like ReloadTLS it is always set while servers
	// speak TLS with each other.
	ReloadCluster
	// ReloadRoutes is about Cluster.Routes: those that are new have to be dialled,
	// those that are gone closed.
	ReloadRoutes
	// ReloadJetStream is about JetStream, which may have been switched on or off.
	// What single accounts may do with it comes with ReloadAccounts.
	ReloadJetStream
)

// Changes is what a reload has to apply.
type Changes struct {
	// List is what an operator is told, in the order of the reload table.
	List []Change
	// Effects is what has to look again. It can be more than List tells.
	Effects Effect
}

// Has reports whether any of the effects is among the changes.
func (c *Changes) Has(effects Effect) bool { return c.Effects&effects != 0 }

// Change is one notice to an operator, for "Reloaded: <change>".
type Change struct {
	// Name is the key or the thing that changed, Value what it is now; "" if
	// there is nothing to show, or nothing that may be shown.
	Name, Value string
}

// String returns "name = value", or the name alone.
func (c Change) String() string {
	if c.Value == "" {
		return c.Name
	}
	return c.Name + " = " + c.Value
}

// NotReloadableError says that an option is not what the server was started
// with and cannot change while it runs.
type NotReloadableError struct {
	// Field names the option as operators know it from NATS servers, or the change if
	// Old and New are empty.
	Field    string
	Old, New string
}

func (e *NotReloadableError) Error() string {
	if e.Old == "" && e.New == "" {
		return "config reload not supported for " + e.Field
	}
	return fmt.Sprintf("config reload not supported for %s: old=%s, new=%s", e.Field, e.Old, e.New)
}

// Diff compares the options of a running server with those it shall have from
// now on. The error is a *NotReloadableError; then nothing may be applied.
func Diff(old, new *Options) (*Changes, error) {
	changes := new.standingChanges()
	for _, r := range reloadTable {
		if reflect.DeepEqual(r.get(old), r.get(new)) {
			continue
		}
		if r.effects == 0 || r.fixed != nil && r.fixed(old, new) {
			if r.why != nil {
				return nil, &NotReloadableError{Field: r.why(old, new)}
			}
			return nil, &NotReloadableError{r.field, fmt.Sprint(r.get(old)), fmt.Sprint(r.get(new))}
		}
		changes.Effects |= r.effects
		if r.notice == nil {
			continue
		}
		if c := r.notice(new); c != (Change{}) {
			changes.List = append(changes.List, c)
		}
	}
	return changes, nil
}

// standingChanges is what a reload does even if no option is another.
func (o *Options) standingChanges() *Changes {
	changes := new(Changes)
	if o.TLS != nil {
		changes.Effects |= ReloadTLS
	}
	if o.Cluster.TLS != nil {
		changes.Effects |= ReloadCluster
	}
	return changes
}

// reloadRow says what a reload makes of a part of the options.
type reloadRow struct {
	field string
	get   func(*Options) any
	// effects is 0 for what cannot change while a server runs. fixed finds
	// changes that are not possible although others are.
	effects Effect
	fixed   func(old, new *Options) bool
	// why names a change that is not possible, where field and values would not.
	why func(old, new *Options) string
	// notice tells of the change, unless another row does or it returns nothing.
	notice func(new *Options) Change
}

// fixed is a row of what cannot change.
func fixed(field string, get func(*Options) any) reloadRow {
	return reloadRow{field: field, get: get}
}

// live is a row of what can. The key is what notices call it.
func live(effects Effect, field, key string, get func(*Options) any) reloadRow {
	return reloadRow{
		field: field, get: get, effects: effects,
		notice: func(o *Options) Change { return Change{key, fmt.Sprint(get(o))} },
	}
}

// quiet is a row of what can change, but has no value to show. The text is
// "" where another row tells of the change.
func quiet(effects Effect, field, text string, get func(*Options) any) reloadRow {
	r := reloadRow{field: field, get: get, effects: effects}
	if text != "" {
		r.notice = func(*Options) Change { return Change{Name: text} }
	}
	return r
}

// whileEnabled is a row of what can change with JetStream only: files that were
// written one way are not read another, and clients have seen the rest.
func whileEnabled(field string, get func(*JetStream) any) reloadRow {
	r := quiet(ReloadJetStream, field, "", func(o *Options) any { return get(&o.JetStream) })
	r.fixed = keepsJetStream
	return r
}

// jetStreamSize is a row of a bound that can be raised. Lowered, it might be
// below what there is; and with -1 on either side nobody knows which it would be.
func jetStreamSize(field, key string, get func(*JetStream) int64) reloadRow {
	of := func(o *Options) int64 { return get(&o.JetStream) }
	r := quiet(ReloadJetStream, field, "", func(o *Options) any { return of(o) })
	r.notice = func(o *Options) Change {
		if !o.JetStream.Enabled || of(o) < 0 {
			return Change{}
		}
		return Change{"JetStream " + key, Size(of(o))}
	}
	r.fixed = func(old, new *Options) bool { return keepsJetStream(old, new) && (of(old) < 0 || of(new) < of(old)) }
	r.why = func(old, new *Options) string {
		if of(old) < 0 || of(new) < 0 {
			return "jetstream dynamic max memory and store"
		}
		return "decreasing jetstream max memory and store"
	}
	return r
}

// Size shows a number of bytes as operators are used to read it.
func Size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	units, f := "KMGTPE", float64(n)/(1<<10)
	for f >= 1<<10 && len(units) > 1 {
		units, f = units[1:], f/(1<<10)
	}
	return fmt.Sprintf("%.2f %cB", f, units[0])
}

// clusterNameRow is that of a name that replicas know each other by.
func clusterNameRow() reloadRow {
	r := quiet(ReloadCluster, "ClusterName", "", func(o *Options) any { return o.Cluster.Name })
	r.fixed = keepsJetStream
	r.why = func(*Options, *Options) string { return "cluster name of a server with JetStream" }
	return r
}

func storeDirRow() reloadRow {
	r := whileEnabled("StoreDir", func(j *JetStream) any { return j.StoreDir })
	r.why = func(*Options, *Options) string { return "jetstream storage directory" }
	return r
}

func keepsJetStream(old, new *Options) bool { return old.JetStream.Enabled && new.JetStream.Enabled }

// secret is a text that is compared but not shown.
type secret string

func (secret) String() string { return "[hidden]" }

// reloadTable covers every field of Options, or parts of it.
var reloadTable = []reloadRow{
	fixed("Host", func(o *Options) any { return o.Host }),
	fixed("Port", func(o *Options) any { return o.Port }),
	live(ReloadAdvertise, "ClientAdvertise", "client_advertise", func(o *Options) any { return o.ClientAdvertise }),
	fixed("DontListen", func(o *Options) any { return o.DontListen }),

	fixed("ServerName", func(o *Options) any { return o.ServerName }),
	quiet(ReloadIdentity, "Tags", "tags", func(o *Options) any { return o.Tags }),
	quiet(ReloadIdentity, "Metadata", "metadata", func(o *Options) any { return o.Metadata }),
	fixed("FeatureFlags", func(o *Options) any { return o.FeatureFlags }),

	live(ReloadLogging, "Debug", "debug", func(o *Options) any { return o.Log.Debug }),
	live(ReloadLogging, "Trace", "trace", func(o *Options) any { return o.Log.Trace }),
	live(ReloadLogging, "TraceVerbose", "trace_verbose", func(o *Options) any { return o.Log.TraceVerbose }),
	live(ReloadLogging, "TraceHeaders", "trace_headers", func(o *Options) any { return o.Log.TraceHeaders }),
	live(ReloadLogging, "Logtime", "logtime", func(o *Options) any { return o.Log.Time }),
	live(ReloadLogging, "LogtimeUTC", "logtime_utc", func(o *Options) any { return o.Log.UTC }),
	live(ReloadLogging, "LogFile", "log_file", func(o *Options) any { return o.Log.File }),
	fixed("LogSizeLimit", func(o *Options) any { return o.Log.SizeLimit }),
	fixed("LogMaxFiles", func(o *Options) any { return o.Log.MaxFiles }),
	live(ReloadLogging, "Syslog", "syslog", func(o *Options) any { return o.Log.Syslog }),
	{"RemoteSyslog", func(o *Options) any { return o.Log.RemoteSyslog }, ReloadLogging, nil, nil, remoteSyslogNotice},
	live(ReloadLogging, "MaxTracedMsgLen", "max_traced_msg_len", func(o *Options) any { return o.Log.MaxTracedMsgLen }),

	live(ReloadFiles, "PidFile", "pid_file", func(o *Options) any { return o.PidFile }),
	live(ReloadFiles, "PortsFileDir", "ports_file_dir", func(o *Options) any { return o.PortsFileDir }),
	fixed("ProfPort", func(o *Options) any { return o.ProfPort }),
	live(ReloadProfiling, "ProfBlockRate", "prof_block_rate", func(o *Options) any { return o.ProfBlockRate }),

	fixed("HTTPHost", func(o *Options) any { return o.HTTPHost }),
	fixed("HTTPPort", func(o *Options) any { return o.HTTPPort }),
	fixed("HTTPSPort", func(o *Options) any { return o.HTTPSPort }),
	fixed("HTTPBasePath", func(o *Options) any { return o.HTTPBasePath }),

	live(ReloadLimits, "MaxConn", "max_connections", func(o *Options) any { return o.MaxConn }),
	fixed("MaxSubs", func(o *Options) any { return o.MaxSubs }),
	fixed("MaxSubTokens", func(o *Options) any { return o.MaxSubTokens }),
	live(ReloadLimits, "MaxControlLine", "max_control_line", func(o *Options) any { return o.MaxControlLine }),
	live(ReloadLimits, "MaxPayload", "max_payload", func(o *Options) any { return o.MaxPayload }),
	fixed("MaxPending", func(o *Options) any { return o.MaxPending }),
	fixed("MaxClosedClients", func(o *Options) any { return o.MaxClosedClients }),

	live(ReloadPing, "PingInterval", "ping_interval", func(o *Options) any { return o.PingInterval }),
	live(ReloadPing, "MaxPingsOut", "ping_max", func(o *Options) any { return o.PingMax }),
	live(ReloadDelivery, "WriteDeadline", "write_deadline", func(o *Options) any { return o.WriteDeadline }),
	fixed("WriteTimeout", func(o *Options) any { return o.WriteTimeout }),
	{"NoFastProducerStall", func(o *Options) any { return o.NoFastProducerStall }, ReloadDelivery, nil, nil, stallNotice},

	fixed("LameDuckDuration", func(o *Options) any { return o.LameDuckDuration }),
	fixed("LameDuckGracePeriod", func(o *Options) any { return o.LameDuckGracePeriod }),

	fixed("NoSublistCache", func(o *Options) any { return o.NoSublistCache }),
	fixed("NoHeaderSupport", func(o *Options) any { return o.NoHeaderSupport }),
	fixed("ProxyProtocol", func(o *Options) any { return o.ProxyProtocol }),
	fixed("AllowNonTLS", func(o *Options) any { return o.AllowNonTLS }),

	fixed("TLSMap", func(o *Options) any { return o.tls().Map }),
	fixed("TLSRateLimit", func(o *Options) any { return o.tls().RateLimit }),
	live(ReloadTLS, "TLSTimeout", "tls timeout", func(o *Options) any { return o.tls().Timeout }),
	{"TLSHandshakeFirst", handshakeFirst, ReloadTLS, nil, nil, handshakeNotice},
	{"TLSPinnedCerts", func(o *Options) any { return o.tls().PinnedCerts }, ReloadTLS, nil, nil, pinnedNotice},
	{"TLS", otherTLS, ReloadTLS, nil, nil, tlsNotice},

	fixed("ProxyRequired", func(o *Options) any { return o.Auth.ProxyRequired }),
	quiet(ReloadAuth, "Username", "authorization username", func(o *Options) any { return o.Auth.Username }),
	quiet(ReloadAuth, "Password", "authorization password", func(o *Options) any { return o.Auth.Password }),
	quiet(ReloadAuth, "Authorization", "authorization token", func(o *Options) any { return o.Auth.Token }),
	live(ReloadAuth, "AuthTimeout", "authorization timeout", func(o *Options) any { return o.AuthTimeout() }),
	// These come and go with one of the others, or change nothing that shows.
	quiet(ReloadAuth, "AuthDefined", "", func(o *Options) any { return o.Auth.Defined }),
	quiet(ReloadAuth, "Users", "authorization users", func(o *Options) any { return o.Auth.Users }),
	quiet(ReloadAuth, "DefaultPermissions", "authorization default permissions", func(o *Options) any { return o.Auth.DefaultPermissions }),
	quiet(ReloadAuth|ReloadAccounts, "Accounts", "accounts", func(o *Options) any { return o.Accounts }),
	{"NoAuthUser", func(o *Options) any { return o.NoAuthUser }, ReloadAuth, noAuthUserFixed, nil, nil},
	fixed("SystemAccount", func(o *Options) any { return o.SystemAccount }),
	fixed("NoSystemAccount", func(o *Options) any { return o.NoSystemAccount }),
	quiet(ReloadMappings, "Mappings", "mappings", func(o *Options) any { return o.Mappings }),
	quiet(ReloadAuth, "Proxies", "proxies trusted keys", func(o *Options) any { return o.TrustedProxies }),

	fixed("cluster host", func(o *Options) any { return o.Cluster.Host }),
	fixed("cluster port", func(o *Options) any { return o.Cluster.Port }),
	clusterNameRow(),
	quiet(ReloadCluster, "Cluster", "cluster", otherCluster),
	quiet(ReloadRoutes, "Routes", "cluster routes", func(o *Options) any { return o.Cluster.Routes }),
	live(ReloadCluster, "ConnectErrorReports", "connect_error_reports", func(o *Options) any { return o.ConnectErrorReports }),
	live(ReloadCluster, "ReconnectErrorReports", "reconnect_error_reports", func(o *Options) any { return o.ReconnectErrorReports }),

	quiet(ReloadJetStream, "JetStream", "JetStream", func(o *Options) any { return o.JetStream.Enabled }),
	storeDirRow(),
	jetStreamSize("JetStreamMaxMemory", "max_mem_store", func(j *JetStream) int64 { return j.MaxMemory }),
	jetStreamSize("JetStreamMaxStore", "max_file_store", func(j *JetStream) int64 { return j.MaxStore }),
	whileEnabled("JetStreamDomain", func(j *JetStream) any { return j.Domain }),
	whileEnabled("NoJetStreamStrict", func(j *JetStream) any { return !j.Strict }),
	whileEnabled("SyncInterval", func(j *JetStream) any { return j.SyncInterval }),
	whileEnabled("JetStreamKey", func(j *JetStream) any { return secret(j.Key) }),
	whileEnabled("JetStreamOldKey", func(j *JetStream) any { return secret(j.PrevKey) }),
	whileEnabled("JetStreamCipher", func(j *JetStream) any { return j.Cipher }),
	whileEnabled("JetStreamUniqueTag", func(j *JetStream) any { return j.UniqueTag }),
	whileEnabled("JetStreamExtHint", func(j *JetStream) any { return j.ExtensionHint }),
	whileEnabled("JetStreamRequestQueueLimit", func(j *JetStream) any { return j.RequestQueueLimit }),
	whileEnabled("JetStreamInfoQueueLimit", func(j *JetStream) any { return j.InfoQueueLimit }),
	whileEnabled("JetStreamConcurrentIOs", func(j *JetStream) any { return j.MaxConcurrentIO }),
	whileEnabled("StreamMaxBufferedMsgs", func(j *JetStream) any { return j.MaxBufferedMsgs }),
	whileEnabled("StreamMaxBufferedSize", func(j *JetStream) any { return j.MaxBufferedSize }),
	whileEnabled("JetStreamMaxCatchup", func(j *JetStream) any { return j.MaxOutstandingCatchup }),
	quiet(ReloadJetStream, "JetStreamMetaCompact", "JetStream meta_compact", func(o *Options) any {
		j := &o.JetStream
		return [3]any{j.MetaCompact, j.MetaCompactSize, j.MetaCompactSync}
	}),
	quiet(ReloadJetStream, "JetStreamLimits", "JetStream limits", func(o *Options) any { return o.JetStream.Limits }),
}

// tls returns the block, or an empty one: whether there is one is a row of its
// own.
func (o *Options) tls() *tlsconf.Config {
	if o.TLS == nil {
		return new(tlsconf.Config)
	}
	return o.TLS
}

// otherTLS is what of the block has no row.
func otherTLS(o *Options) any {
	if o.TLS == nil {
		return nil
	}
	other := *o.TLS
	other.Map, other.RateLimit, other.Timeout, other.PinnedCerts = false, 0, 0, nil
	other.HandshakeFirst, other.HandshakeFirstFallback = false, 0
	return other
}

// otherCluster is what of the block has no row.
func otherCluster(o *Options) any {
	other := o.Cluster
	other.Host, other.Port, other.Routes = "", 0, nil
	return other
}

func tlsNotice(o *Options) Change {
	if o.TLS == nil {
		return Change{"tls", "disabled"}
	}
	return Change{"tls", "enabled"}
}

func pinnedNotice(o *Options) Change {
	return Change{Name: fmt.Sprintf("%d pinned_certs", len(o.tls().PinnedCerts))}
}

func handshakeFirst(o *Options) any {
	c := o.tls()
	return [2]any{c.HandshakeFirst, c.HandshakeFirstFallback}
}

func handshakeNotice(o *Options) Change {
	first := strconv.FormatBool(o.tls().HandshakeFirst)
	if wait := o.tls().HandshakeFirstFallback; wait > 0 {
		first = wait.String()
	}
	return Change{Name: "Client TLS handshake first: " + first}
}

func stallNotice(o *Options) Change {
	if o.NoFastProducerStall {
		return Change{Name: "fast producers will not be stalled"}
	}
	return Change{Name: "fast producers will be stalled"}
}

// remoteSyslogNotice keeps a password in the address to itself.
func remoteSyslogNotice(o *Options) Change {
	const name = "remote_syslog"
	u, err := url.Parse(o.Log.RemoteSyslog)
	if err != nil {
		return Change{Name: name}
	}
	return Change{name, u.Redacted()}
}

// noAuthUserFixed allows no change but one: the user is gone, and nobody stands
// in for it. Otherwise clients that are connected as that user would change
// sides.
func noAuthUserFixed(old, new *Options) bool {
	return new.NoAuthUser != "" || new.hasUser(old.NoAuthUser)
}
