package options

import (
	"errors"
	"flag"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// flagSection is a part of the help text.
type flagSection struct {
	title string
	rows  []flagRow
}

// flagRow is a flag with all its names.
type flagRow struct {
	// names are separated by spaces, short ones first.
	names string
	// arg is what help calls the value; "" for a switch.
	arg   string
	help  string
	value func(*commandLine) flag.Value
}

var flagSections = []flagSection{
	{"Server", []flagRow{
		{"a addr net", "host", "Address to take client connections at (default 0.0.0.0)", option(func(o *Options, s string) { o.Host = s })},
		{"p port", "port", "Port to take client connections at; -1 picks a free one (default 4222)", numberOption(func(o *Options, n int64) { o.Port = int(n) })},
		{"n name server_name", "name", "Name of the server (default: its id)", option(func(o *Options, s string) { o.ServerName = s })},
		{"P pid", "file", "Write the process id to this file", option(func(o *Options, s string) { o.PidFile = s })},
		{"m http_port", "port", "Port for monitoring over HTTP; -1 picks a free one", numberOption(func(o *Options, n int64) { o.HTTPPort = int(n) })},
		{"ms https_port", "port", "Port for monitoring over HTTPS; -1 picks a free one", numberOption(func(o *Options, n int64) { o.HTTPSPort = int(n) })},
		{"c config", "file", "Read this configuration file; flags win over it", word(func(c *commandLine, s string) { c.configFile = s })},
		{"t", "", "Check the configuration file and exit", mode(func(c *commandLine) *bool { return &c.test })},
		{"sl signal", "signal", "Send " + strings.Join(signals, ", ") + " to a running server and exit;\n" +
			"signal=1234, signal=file or signal=12* say to which process or processes", word(func(c *commandLine, s string) { c.signal = &s })},
		{"client_advertise", "host:port", "Address to tell clients instead of the one listened at", option(func(o *Options, s string) { o.ClientAdvertise = s })},
		{"ports_file_dir", "dir", "Write a file with all listening ports to this directory", option(func(o *Options, s string) { o.PortsFileDir = s })},
	}},
	{"Logging", []flagRow{
		{"l log", "file", "Write the log to this file (default: standard error)", option(func(o *Options, s string) { o.Log.File = s })},
		{"T logtime", "", "Start lines with the time (default true)", toggleOption(func(o *Options, on bool) { o.Log.Time = on })},
		{"logtime_utc", "", "Show the time in UTC", toggleOption(func(o *Options, on bool) { o.Log.UTC = on })},
		{"s syslog", "", "Write the log to the log of the system", toggleOption(func(o *Options, on bool) { o.Log.Syslog = on })},
		{"r remote_syslog", "url", "Write the log to a log server, as in udp://localhost:514", option(func(o *Options, s string) { o.Log.RemoteSyslog = s })},
		{"log_size_limit", "bytes", "Start a new log file at this size (default: never)", numberOption(func(o *Options, n int64) { o.Log.SizeLimit = n })},
		{"max_traced_msg_len", "bytes", "Show no more than this of traced messages (default: all)", numberOption(func(o *Options, n int64) { o.Log.MaxTracedMsgLen = int(n) })},
		{"D debug", "", "Log what helps to find problems", toggleOption(func(o *Options, on bool) { o.Log.Debug = on })},
		{"V trace", "", "Log the protocol of clients", toggleOption(func(o *Options, on bool) { o.Log.Trace = on })},
		{"VV", "", "Log the protocol of clients and of the system account", toggleOption(func(o *Options, on bool) { o.Log.Trace, o.Log.TraceVerbose = on, on })},
		{"DV", "", "The same as -D -V", toggleOption(func(o *Options, on bool) { o.Log.Debug, o.Log.Trace = on, on })},
		{"DVV", "", "The same as -D -VV", toggleOption(func(o *Options, on bool) { o.Log.Debug, o.Log.Trace, o.Log.TraceVerbose = on, on, on })},
	}},
	{"Authorization", []flagRow{
		{"user", "name", "Demand this user", userOption(func(a *Authorization, s string) { a.Username = s })},
		{"pass", "password", "Demand this password", userOption(func(a *Authorization, s string) { a.Password = s })},
		{"auth", "token", "Demand this token", tokenOption},
	}},
	{"TLS", []flagRow{
		{"tls", "", "Take TLS connections; --tls=false takes none although the file says so", toggleOption(setTLS)},
		{"tlscert", "file", "Certificate of the server", tlsOption(func(c *tlsconf.Config, s string) { c.CertFile, c.Certificates = s, nil })},
		{"tlskey", "file", "Private key of the certificate", tlsOption(func(c *tlsconf.Config, s string) { c.KeyFile, c.Certificates = s, nil })},
		{"tlsverify", "", "Take TLS connections, and demand certificates of clients", toggleOption(setTLSVerify)},
		{"tlscacert", "file", "Authority that signs certificates of clients", tlsOption(func(c *tlsconf.Config, s string) { c.CAFile = s })},
	}},
	{"JetStream", []flagRow{
		{"js jetstream", "", "Enable JetStream", toggleOption(func(o *Options, on bool) { o.JetStream.Enabled = on })},
		{"sd store_dir", "dir", "Directory for streams and consumers", option(func(o *Options, s string) { o.JetStream.StoreDir = s })},
	}},
	{"Cluster", []flagRow{
		{"cluster cluster_listen", "url", "Address to take connections of other servers at, with the user and\n" +
			"password they must show; an empty one takes none although the file says so", clusterOption},
		{"routes", "urls", "Servers to connect to, separated by commas", routesOption},
		{"cluster_name", "name", "Name of the cluster", option(func(o *Options, s string) { o.Cluster.Name = s })},
		{"no_advertise", "", "Do not tell clients of the other servers", toggleOption(func(o *Options, on bool) { o.Cluster.NoAdvertise = on })},
		{"cluster_advertise", "host:port", "Address to tell other servers instead of the one listened at", option(func(o *Options, s string) { o.Cluster.Advertise = s })},
		{"connect_retries", "count", "How often to try servers that others told of", numberOption(func(o *Options, n int64) { o.Cluster.ConnectRetries = int(n) })},
	}},
	{"Profiling", []flagRow{
		{"profile", "port", "Port for profiles over HTTP; -1 picks a free one", numberOption(func(o *Options, n int64) { o.ProfPort = int(n) })},
	}},
	{"Common", []flagRow{
		{"h help", "", "Show this text and exit", mode(func(c *commandLine) *bool { return &c.help })},
		{"v version", "", "Show the version and exit", mode(func(c *commandLine) *bool { return &c.version })},
		{"help_tls", "", "Show how to configure TLS and exit", mode(func(c *commandLine) *bool { return &c.helpTLS })},
	}},
}

// flagValue is a flag.Value that hands each value it is given to a function.
type flagValue[V any] struct {
	parse func(string) (V, error)
	use   func(V)
}

// errFlag is all that package flag lets users know of a bad value.
var errFlag = errors.New("parse error")

func (v flagValue[V]) Set(s string) error {
	value, err := v.parse(s)
	if err != nil {
		return errFlag
	}
	v.use(value)
	return nil
}

// String is not asked for values, since help is not made by package flag.
func (v flagValue[V]) String() string { return "" }

// IsBoolFlag makes package flag accept switches without a value.
func (v flagValue[V]) IsBoolFlag() bool {
	var zero V
	_, isBool := any(zero).(bool)
	return isBool
}

func textValue(use func(string)) flag.Value {
	return flagValue[string]{func(s string) (string, error) { return s, nil }, use}
}

func numberValue(use func(int64)) flag.Value {
	return flagValue[int64]{func(s string) (int64, error) { return strconv.ParseInt(s, 0, 64) }, use}
}

func boolValue(use func(bool)) flag.Value { return flagValue[bool]{strconv.ParseBool, use} }

// Flags that say what to do rather than with which options.

func word(use func(*commandLine, string)) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value { return textValue(func(s string) { use(c, s) }) }
}

func mode(field func(*commandLine) *bool) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value { return boolValue(func(on bool) { *field(c) = on }) }
}

// Flags that win over the file. They apply in the order in which they are given.

func (c *commandLine) override(apply func(*Options)) { c.overrides = append(c.overrides, apply) }

func option(set func(*Options, string)) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value {
		return textValue(func(s string) { c.override(func(o *Options) { set(o, s) }) })
	}
}

func numberOption(set func(*Options, int64)) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value {
		return numberValue(func(n int64) { c.override(func(o *Options) { set(o, n) }) })
	}
}

func toggleOption(set func(*Options, bool)) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value {
		return boolValue(func(on bool) { c.override(func(o *Options) { set(o, on) }) })
	}
}

// A user given by flags replaces a token of the file and the other way round.

func userOption(set func(*Authorization, string)) func(*commandLine) flag.Value {
	return func(c *commandLine) flag.Value {
		return textValue(func(s string) {
			c.givesUser = true
			c.override(func(o *Options) {
				o.Auth.Defined, o.Auth.Token = true, ""
				set(&o.Auth, s)
			})
		})
	}
}

func tokenOption(c *commandLine) flag.Value {
	return textValue(func(s string) {
		c.givesToken = true
		c.override(func(o *Options) {
			o.Auth.Defined, o.Auth.Username, o.Auth.Password = true, "", ""
			o.Auth.Token = s
		})
	})
}

func setTLS(o *Options, on bool) {
	switch {
	case !on:
		o.TLS = nil
	case o.TLS == nil:
		o.TLS = newTLS()
	}
}

func setTLSVerify(o *Options, on bool) {
	if on {
		setTLS(o, true)
	}
	if o.TLS != nil {
		o.TLS.Verify = on
	}
}

func tlsOption(set func(*tlsconf.Config, string)) func(*commandLine) flag.Value {
	return option(func(o *Options, s string) {
		setTLS(o, true)
		set(o.TLS, s)
	})
}

// Flags whose value has to be understood first. What is wrong with one is no
// reason to show the help, but stops the start.

func understood[V any](parse func(string) (V, error), set func(*Options, V)) func(*commandLine) flag.Value {
	return word(func(c *commandLine, s string) {
		value, err := parse(s)
		if err != nil {
			c.wrong = append(c.wrong, err)
			return
		}
		c.override(func(o *Options) { set(o, value) })
	})
}

// clusterOption replaces the address of the file and what routes have to show
// there, even if it says nothing of that.
var clusterOption = understood(parseClusterURL, func(o *Options, at *clusterAddress) {
	if at == nil {
		o.Cluster = newCluster()
		return
	}
	o.Cluster.Host, o.Cluster.Port = at.host, at.port
	o.Cluster.Auth.Username, o.Cluster.Auth.Password = at.username, at.password
})

var routesOption = understood(parseRoutes, func(o *Options, routes []Route) { o.Cluster.Routes = routes })
