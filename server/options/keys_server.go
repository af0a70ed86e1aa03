package options

import (
	"maps"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// topLevel is the keys outside of any block.
var topLevel = newBlock("", unknownField, []row[Options]{
	{"listen", address(
		func(o *Options) *string { return &o.Host },
		func(o *Options) *int { return &o.Port })},
	{"host net", text(func(o *Options) *string { return &o.Host })},
	{"port", number(func(o *Options) *int { return &o.Port })},
	{"client_advertise", text(func(o *Options) *string { return &o.ClientAdvertise })},
	{"proxy_protocol", toggle(func(o *Options) *bool { return &o.ProxyProtocol })},

	{"server_name", setServerName},
	{"server_tags", setTags},
	{"server_metadata", setMetadata},
	{"feature_flags", setFeatureFlags},

	{"debug", toggle(func(o *Options) *bool { return &o.Log.Debug })},
	{"trace", toggle(func(o *Options) *bool { return &o.Log.Trace })},
	{"trace_verbose", toggle(func(o *Options) *bool { return &o.Log.TraceVerbose })},
	{"trace_headers", toggle(func(o *Options) *bool { return &o.Log.TraceHeaders })},
	{"logtime", toggle(func(o *Options) *bool { return &o.Log.Time })},
	{"logtime_utc", toggle(func(o *Options) *bool { return &o.Log.UTC })},
	{"log_file logfile", text(func(o *Options) *string { return &o.Log.File })},
	{"log_size_limit logfile_size_limit", number(func(o *Options) *int64 { return &o.Log.SizeLimit })},
	{"log_max_num logfile_max_num", number(func(o *Options) *int { return &o.Log.MaxFiles })},
	{"syslog", toggle(func(o *Options) *bool { return &o.Log.Syslog })},
	{"remote_syslog", text(func(o *Options) *string { return &o.Log.RemoteSyslog })},
	{"max_traced_msg_len", number(func(o *Options) *int { return &o.Log.MaxTracedMsgLen })},

	{"pid_file pidfile", text(func(o *Options) *string { return &o.PidFile })},
	{"ports_file_dir", text(func(o *Options) *string { return &o.PortsFileDir })},
	{"prof_port", number(func(o *Options) *int { return &o.ProfPort })},
	{"prof_block_rate", number(func(o *Options) *int { return &o.ProfBlockRate })},

	{"http", address(
		func(o *Options) *string { return &o.HTTPHost },
		func(o *Options) *int { return &o.HTTPPort })},
	{"https", address(
		func(o *Options) *string { return &o.HTTPHost },
		func(o *Options) *int { return &o.HTTPSPort })},
	{"http_port monitor_port", number(func(o *Options) *int { return &o.HTTPPort })},
	{"https_port", number(func(o *Options) *int { return &o.HTTPSPort })},
	{"http_base_path", text(func(o *Options) *string { return &o.HTTPBasePath })},

	{"max_connections max_conn", number(func(o *Options) *int { return &o.MaxConn })},
	{"max_subscriptions max_subs", number(func(o *Options) *int { return &o.MaxSubs })},
	{"max_sub_tokens max_subscription_tokens", number(
		func(o *Options) *int { return &o.MaxSubTokens }, positive, atMost(maxSubTokensLimit))},
	{"max_control_line", number(func(o *Options) *int { return &o.MaxControlLine }, atMost(maxSizeLimit))},
	{"max_payload", number(func(o *Options) *int { return &o.MaxPayload }, atMost(maxSizeLimit))},
	{"max_pending", number(func(o *Options) *int64 { return &o.MaxPending })},
	{"max_closed_clients", number(func(o *Options) *int { return &o.MaxClosedClients })},

	{"ping_interval", period(func(o *Options) *time.Duration { return &o.PingInterval })},
	{"ping_max", number(func(o *Options) *int { return &o.PingMax })},
	{"write_deadline", period(func(o *Options) *time.Duration { return &o.WriteDeadline })},
	{"write_timeout", writeTimeout(func(o *Options) *WriteTimeoutPolicy { return &o.WriteTimeout })},
	{"no_fast_producer_stall", toggle(func(o *Options) *bool { return &o.NoFastProducerStall })},

	{"lame_duck_duration", setLameDuckDuration},
	{"lame_duck_grace_period", setLameDuckGracePeriod},

	{"disable_sublist_cache no_sublist_cache", toggle(func(o *Options) *bool { return &o.NoSublistCache })},
	{"no_header_support", toggle(func(o *Options) *bool { return &o.NoHeaderSupport })},
	{"allow_non_tls", toggle(func(o *Options) *bool { return &o.AllowNonTLS })},

	{"tls", tlsBlock(func(o *Options) **tlsconf.Config { return &o.TLS })},
	{"authorization", setAuthorization},
	{"accounts", setAccounts},
	{"no_auth_user", text(func(o *Options) *string { return &o.NoAuthUser })},
	{"system_account system", setSystemAccount},
	{"no_system_account no_system no_sys_acc", toggle(func(o *Options) *bool { return &o.NoSystemAccount })},
	{"mappings maps", mappingsBlock(func(o *Options) *[]Mapping { return &o.Mappings })},
	{"proxies", setProxies},

	{"cluster", setCluster},
	{"connect_error_reports", number(func(o *Options) *int { return &o.ConnectErrorReports })},
	{"reconnect_error_reports", number(func(o *Options) *int { return &o.ReconnectErrorReports })},

	{"jetstream", setJetStream},
	{"store_dir storedir", func(d *decoder, e *conf.Entry, o *Options) { setStoreDir(d, e, &o.JetStream) }},
})

func setServerName(d *decoder, e *conf.Entry, o *Options) {
	if !d.is(e.Value, conf.KindString) {
		return
	}
	if err := checkServerName(e.Value.Str); err != nil {
		d.fail(e.Pos, "%v", err)
		return
	}
	o.ServerName = e.Value.Str
}

func setTags(d *decoder, e *conf.Entry, o *Options) {
	list := []*conf.Value{e.Value}
	switch e.Value.Kind {
	case conf.KindString:
	case conf.KindArray:
		list = e.Value.List
	default:
		d.fail(e.Pos, "error parsing tags: unsupported type %v", e.Value.Kind)
		return
	}
	tags := make([]string, 0, len(list))
	for _, v := range list {
		if v.Kind != conf.KindString {
			d.fail(v.Pos, "error parsing tags: unsupported type %v where string is expected", v.Kind)
			return
		}
		tags = append(tags, strings.ToLower(v.Str))
	}
	o.Tags = tags
}

func setMetadata(d *decoder, e *conf.Entry, o *Options) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "error parsing metadata: unsupported type %v", e.Value.Kind)
		return
	}
	metadata := make(map[string]string)
	for _, item := range e.Value.Map.Entries() {
		if d.is(item.Value, conf.KindString) {
			metadata[item.Key] = item.Value.Str
		}
	}
	o.Metadata = metadata
}

// The feature flags that exist.
const (
	// FeatureAckFCV2 has the subjects that consumers want acknowledgements and
	// answers to flow control at name the domain and the account.
	FeatureAckFCV2 = "js_ack_fc_v2"
	// FeatureAPIReplyV2 has the subjects at which mirrors and sources await
	// consumers name the domain, the account, the stream and the consumer.
	FeatureAPIReplyV2 = "js_api_reply_v2"
	// FeatureRaftDeleteRange and FeatureSnapshotSources choose between formats of
	// logs and snapshots of nats-server. Ours are others and have no choice, so
	// the flags are shown and do nothing.
	FeatureRaftDeleteRange = "js_raft_delete_range"
	FeatureSnapshotSources = "js_snapshot_sources"
)

// featureDefaults are the feature flags that exist, and what they are when
// nobody says otherwise.
var featureDefaults = map[string]bool{
	FeatureAckFCV2:         false,
	FeatureAPIReplyV2:      false,
	FeatureRaftDeleteRange: true,
	FeatureSnapshotSources: false,
}

// HasFeature reports whether a feature is on; the name is one of the constants.
func (o *Options) HasFeature(name string) bool {
	if on, ok := o.FeatureFlags[name]; ok {
		return on
	}
	return featureDefaults[name]
}

// Features returns all feature flags that exist with their value. The map
// belongs to the caller.
func (o *Options) Features() map[string]bool {
	features := maps.Clone(featureDefaults)
	for name, on := range o.FeatureFlags {
		if _, ok := features[name]; ok {
			features[name] = on
		}
	}
	return features
}

func setFeatureFlags(d *decoder, e *conf.Entry, o *Options) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "error parsing feature flags: unsupported type %v", e.Value.Kind)
		return
	}
	flags := make(map[string]bool)
	for _, item := range e.Value.Map.Entries() {
		if item.Value.Kind != conf.KindBool {
			d.fail(item.Pos, "error parsing feature flag %q: expected bool, got %v", item.Key, item.Value.Kind)
			continue
		}
		// Names that nobody knows are kept: a file may be written for servers of
		// several versions. Features leaves them out.
		flags[item.Key] = item.Value.Bool
	}
	o.FeatureFlags = flags
}

func writeTimeout[T any](field func(*T) *WriteTimeoutPolicy) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if !d.is(e.Value, conf.KindString) {
			return
		}
		for _, p := range []WriteTimeoutPolicy{WriteTimeoutDefault, WriteTimeoutClose, WriteTimeoutRetry} {
			if e.Value.Str == p.String() {
				*field(t) = p
				return
			}
		}
		d.fail(e.Pos, "write_timeout must be 'default', 'close' or 'retry'")
	}
}

func setLameDuckDuration(d *decoder, e *conf.Entry, o *Options) {
	value := o.LameDuckDuration
	strictPeriod(func(*Options) *time.Duration { return &value })(d, e, o)
	if value < minLameDuckDuration {
		d.fail(e.Pos, "invalid lame_duck_duration of %v, minimum is 30 seconds", value)
		return
	}
	o.LameDuckDuration = value
}

func setLameDuckGracePeriod(d *decoder, e *conf.Entry, o *Options) {
	value := o.LameDuckGracePeriod
	strictPeriod(func(*Options) *time.Duration { return &value })(d, e, o)
	if value < 0 {
		d.fail(e.Pos, "invalid lame_duck_grace_period, needs to be positive")
		return
	}
	o.LameDuckGracePeriod = value
}

func setSystemAccount(d *decoder, e *conf.Entry, o *Options) {
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, "system account name must be a string")
		return
	}
	o.SystemAccount = e.Value.Str
}

var (
	proxiesBlock = newBlock("proxies", unknownField, []row[Options]{{"trusted", setTrustedProxies}})
	proxyBlock   = newBlock("proxy", unknownField, []row[[]string]{{"key", addTrustedProxy}})
)

func setProxies(d *decoder, e *conf.Entry, o *Options) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "expected proxies to be a map/struct, got %v", e.Value.Kind)
		return
	}
	proxiesBlock.decode(d, e.Value.Map, o)
}

func setTrustedProxies(d *decoder, e *conf.Entry, o *Options) {
	keys := make([]string, 0, len(e.Value.List))
	for v := range d.maps(e, "expected proxies' trusted field to be an array, got %v", "expected proxies' trusted entry to be a map/struct, got %v") {
		before, errs := len(keys), len(d.problems.Errors)
		proxyBlock.decode(d, v.Map, &keys)
		if len(keys) == before && len(d.problems.Errors) == errs {
			d.fail(v.Pos, "invalid proxy key %q", "")
		}
	}
	o.TrustedProxies = keys
}

func addTrustedProxy(d *decoder, e *conf.Entry, keys *[]string) {
	if !d.is(e.Value, conf.KindString) {
		return
	}
	if err := checkProxyKey(e.Value.Str); err != nil {
		d.fail(e.Pos, "%v", err)
		return
	}
	*keys = append(*keys, e.Value.Str)
}
