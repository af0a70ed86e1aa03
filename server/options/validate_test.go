package options

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := New().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"name", func(o *Options) { o.ServerName = "a b" }, "server name cannot contain spaces"},
		{"port", func(o *Options) { o.Port = 65536 }, "port 65536 is not a port"},
		{"http port", func(o *Options) { o.HTTPPort = -2 }, "http_port -2 is not a port"},
		{"payload", func(o *Options) { o.MaxPayload, o.MaxPending = 1000, 500 }, "max_payload (1000) cannot be higher than max_pending (500)"},
		{"huge payload", func(o *Options) { o.MaxPayload, o.MaxPending = 1<<31, 1<<40 }, "max_payload value is too big"},
		{"no payload", func(o *Options) { o.MaxPayload = 0 }, "max_payload (0) must be greater than zero"},
		{"control line", func(o *Options) { o.MaxControlLine = -1 }, "max_control_line (-1) must be greater than zero"},
		{"pings", func(o *Options) { o.PingMax = -1 }, "ping_max (-1) must be greater than zero"},
		{"closed clients", func(o *Options) { o.MaxClosedClients = -1 }, "max_closed_clients (-1) must be greater than zero"},
		{"tokens", func(o *Options) { o.MaxSubTokens = 256 }, "max_sub_tokens value 256 is not between 0 and 255"},
		{"ping interval", func(o *Options) { o.PingInterval = -time.Second }, "ping_interval (-1s) must be greater than zero"},
		{"write deadline", func(o *Options) { o.WriteDeadline = 0 }, "write_deadline (0s) must be greater than zero"},
		{
			"lame duck", func(o *Options) { o.LameDuckGracePeriod = 2 * time.Minute },
			"lame duck grace period (2m0s) should be strictly lower than lame duck duration (2m0s)",
		},
		{"lame duck grace period", func(o *Options) { o.LameDuckGracePeriod = -1 }, "invalid lame_duck_grace_period, needs to be positive"},

		{"no auth user without users", func(o *Options) { o.NoAuthUser = "a" }, `no_auth_user: "a" present, but users/nkeys are not defined`},
		{
			"no auth user", func(o *Options) { o.NoAuthUser, o.Auth.Users = "a", users("b") },
			`no_auth_user: "a" not present as user or nkey in authorization block or account configuration`,
		},
		{"system account", func(o *Options) { o.SystemAccount = "SYS" }, "error resolving system account: account missing"},
		{"no system account", func(o *Options) { o.SystemAccount, o.NoSystemAccount = "$SYS", true }, "error resolving system account: account missing"},

		{"user and token", func(o *Options) { o.Auth.Username, o.Auth.Token = "a", "b" }, "Cannot have a user/pass and token"},
		{"user and users", func(o *Options) { o.Auth.Username, o.Auth.Users = "a", users("b") }, "Can not have a single user/pass and a users array"},
		{
			"token and users", func(o *Options) { o.Auth.Token, o.Accounts = "a", []*Account{{Name: "A", Users: users("b")}} },
			"Can not have a token and a users array",
		},
		{"user twice", func(o *Options) { o.Auth.Users, o.Accounts = users("a"), []*Account{{Name: "A", Users: users("a")}} }, `Duplicate user "a" detected`},
		{"nameless user", func(o *Options) { o.Auth.Users = users("") }, "User entry requires a user"},
		{"nkey", func(o *Options) { o.Auth.Users = []*auth.User{{NKey: "x"}} }, "Not a valid public nkey for a user"},
		{"permissions", func(o *Options) {
			o.Auth.Users = users("a")
			o.Auth.Users[0].Permissions = &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"a..b"}}}
		}, `permissions of "a": `},

		{"account twice", func(o *Options) { o.Accounts = []*Account{{Name: "A"}, {Name: "A"}} }, "Duplicate Account Entry: A"},
		{"global account", func(o *Options) { o.Accounts = []*Account{{Name: "$G"}} }, `"$G" is a Reserved Account`},
		{"nameless account", func(o *Options) { o.Accounts = []*Account{{}} }, "an account needs a name"},
		{"account nkey", func(o *Options) { o.Accounts = []*Account{{Name: "A", NKey: userKey}} }, "Not a valid public nkey for an account: "},
		{"trace sampling", func(o *Options) { o.Accounts = []*Account{{Name: "A", TraceDest: "x"}} }, "Trace destination sampling value 0 is invalid"},
		{"proxy", func(o *Options) { o.TrustedProxies = []string{""} }, `invalid proxy key ""`},
		{"mapping", func(o *Options) { o.Mappings = []Mapping{{Source: "a..b"}} }, `Error adding mapping for "a..b" : invalid subject`},
		{"mapping of an account", func(o *Options) { o.Accounts = []*Account{{Name: "A", Mappings: []Mapping{{Source: ""}}}} }, `Error adding mapping for "" : invalid subject`},
		{"pin", func(o *Options) {
			o.TLS = newTLS()
			o.TLS.CertFile, o.TLS.KeyFile, o.TLS.PinnedCerts = "c", "k", map[string]struct{}{"x": {}}
		}, "error parsing tls config, 'pinned_certs' key x does not look like"},

		{"cluster port", clusterWith(func(c *Cluster) { c.Port = 65536 }), "cluster port 65536 is not a port"},
		{"cluster name", clusterWith(func(c *Cluster) { c.Name = "a\tb" }), "cluster name cannot contain spaces"},
		{"cluster without a name", clusterWith(func(c *Cluster) { c.Name = "_" }), `cluster name "_" is reserved`},
		{"routes alone", clusterWith(func(c *Cluster) { c.Port, c.Routes = 0, []Route{{Host: "h", Port: 1}} }), "solicited routes require cluster capabilities, e.g. --cluster"},
		{"route", clusterWith(func(c *Cluster) { c.Routes = []Route{{Host: "h", Username: "u", Password: "hunter2"}} }), `error parsing route url ["nats-route://u:xxxxx@h:0"]`},
		{"cluster advertise", clusterWith(func(c *Cluster) { c.Advertise = "h:x" }), `cluster_advertise: could not parse port "x"`},
		{"cluster tls", clusterWith(func(c *Cluster) { c.TLS = newTLS() }), "cluster: TLS Server certificate must be present and valid"},
		{"cluster pin", clusterWith(func(c *Cluster) {
			c.TLS = flagTLS("c", "k")
			c.TLS.PinnedCerts = map[string]struct{}{"x": {}}
		}), "cluster: error parsing tls config, 'pinned_certs' key x does not look like"},
		{"cluster permissions", clusterWith(func(c *Cluster) {
			c.Permissions = &RoutePermissions{Export: &auth.SubjectPermission{Deny: []string{"a..b"}}}
		}), "permissions of the cluster: "},
		{"cluster ping interval", clusterWith(func(c *Cluster) { c.PingInterval = -1 }), "cluster ping_interval (-1ns) can not be negative"},
		{"cluster pings", clusterWith(func(c *Cluster) { c.PingMax = -1 }), "cluster ping_max (-1) can not be negative"},
		{"cluster write deadline", clusterWith(func(c *Cluster) { c.WriteDeadline = -1 }), "cluster write_deadline (-1ns) can not be negative"},
		{"cluster compression", clusterWith(func(c *Cluster) { c.Compression.Mode = CompressionAuto }), `compression mode "s2_auto" requires at least one RTT threshold`},
		{
			"accounts without a pool", clusterWith(func(c *Cluster) { c.PoolSize, c.Accounts = -1, []string{"$G"} }),
			"pool_size cannot be negative if pinned accounts are specified",
		},
		{
			"account of the cluster twice", clusterWith(func(c *Cluster) { c.Accounts = []string{"$G", "$SYS", "$G"} }),
			`found duplicate account name "$G" in pinned accounts list ["$G" "$SYS" "$G"]`,
		},
		{
			"account of the cluster that is missing", clusterWith(func(c *Cluster) { c.Accounts = []string{"$G", "A"} }),
			`unable to add account "A" to the list of dedicated routes: account missing`,
		},
		{
			"account of the cluster without a name", func(o *Options) {
				clusterWith(func(c *Cluster) { c.Accounts = []string{""} })(o)
				o.NoSystemAccount = true
			},
			`unable to add account "" to the list of dedicated routes: account missing`,
		},
		{"connect error reports", func(o *Options) { o.ConnectErrorReports = -1 }, "connect_error_reports (-1) must be greater than zero"},
		{"reconnect error reports", func(o *Options) { o.ReconnectErrorReports = 0 }, "reconnect_error_reports (0) must be greater than zero"},
		{"JetStream of a nameless server", func(o *Options) {
			o.JetStream.Enabled, o.Cluster.Port, o.Cluster.Name = true, 1, "a"
		}, "jetstream cluster requires `server_name` to be set"},
		{"JetStream of a nameless cluster", func(o *Options) {
			o.JetStream.Enabled, o.Cluster.Port, o.ServerName = true, 1, "a"
		}, "jetstream cluster requires `cluster.name` to be set"},
		{"JetStream of a cluster without system account", func(o *Options) {
			o.JetStream.Enabled, o.Cluster.Port, o.ServerName, o.Cluster.Name, o.NoSystemAccount = true, 1, "a", "a", true
		}, "jetstream cluster requires a system account"},

		{"domain", jetStreamWith(func(j *JetStream) { j.Domain = "a.b" }), "invalid domain name: may not contain ., * or >"},
		{"sync interval", jetStreamWith(func(j *JetStream) { j.SyncInterval = -1 }), "sync_interval (-1ns) must be greater than zero, or 'always'"},
		{"request queue", jetStreamWith(func(j *JetStream) { j.RequestQueueLimit = 0 }), "request_queue_limit (0) must be greater than zero"},
		{"info queue", jetStreamWith(func(j *JetStream) { j.InfoQueueLimit = -1 }), "info_queue_limit (-1) must be greater than zero"},
		{"previous key alone", jetStreamWith(func(j *JetStream) { j.PrevKey = "k" }), "prev_key without key: JetStream's files, once encrypted, stay so"},
		{"concurrent I/O", jetStreamWith(func(j *JetStream) { j.MaxConcurrentIO = 3 }), "max_concurrent_io (3) is not between 4 and 8192"},
		{"JetStream of the system account", func(o *Options) {
			o.JetStream.Enabled = true
			o.Accounts = []*Account{{Name: "$SYS", JetStream: newAccountJetStream()}}
		}, "Not allowed to enable JetStream on the system account"},
		{"JetStream of a system account by name", func(o *Options) {
			o.JetStream.Enabled, o.SystemAccount = true, "S"
			o.Accounts = []*Account{{Name: "S", JetStream: newAccountJetStream()}}
		}, "Not allowed to enable JetStream on the system account"},
		{"JetStream of a global system account", func(o *Options) {
			o.JetStream.Enabled, o.SystemAccount = true, "$G"
		}, "Not allowed to enable JetStream on the system account"},

		{"two mistakes", func(o *Options) { o.ServerName, o.PingMax = "a b", 0 }, "server name cannot contain spaces\nping_max (0) must be greater than zero"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := New()
			test.change(o)
			err := o.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func users(names ...string) []*auth.User {
	var list []*auth.User
	for _, name := range names {
		list = append(list, &auth.User{Username: name})
	}
	return list
}

func TestValidCombinations(t *testing.T) {
	for _, text := range []string{
		"system_account: \"$SYS\"",
		"system_account: \"$G\"",
		"no_system_account: true\naccounts { SYS {} }\nsystem_account: SYS",
		"no_auth_user: a\naccounts { A { users: [{user: a}] } }",
		"no_auth_user: " + userKey + "\nauthorization { users: [{nkey: " + userKey + "}] }",
		"max_payload: -1\nmax_pending: 10GB",
		"client_advertise: host\nhttp: 0\nhttps: 0",
		"store_dir: d\njetstream: false\naccounts { $SYS { jetstream: enabled }, A { jetstream: enabled } }",
		"jetstream { enabled: false, domain: d }",
	} {
		t.Run(text, func(t *testing.T) {
			o, _, err := FromBytes([]byte(text), "f.conf")
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidJetStream(t *testing.T) {
	for _, text := range []string{
		"jetstream: true",
		"jetstream { store_dir: d, domain: d, sync: \"1s\", key: k, cipher: aes }",
		"jetstream { key: new, prev_key: old }",
		"jetstream { request_queue_limit: -1, info_queue_limit: -1, limits { default_max_consumers: -1 } }",
		"jetstream: true\naccounts { $SYS { jetstream: false }, A { jetstream: enabled } }",
		"jetstream: true\naccounts { A { jetstream: enabled } }\nsystem_account: \"$G\"",
		"jetstream: true\nno_system_account: true",
	} {
		t.Run(text, func(t *testing.T) {
			if err := parsed(t, text).Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAdvertiseAddr(t *testing.T) {
	for _, test := range []struct {
		advertise string
		host      string
		port      int
	}{
		{"", "", 0}, {"h", "h", 4222}, {"h:5", "h", 5}, {"[::1]:5", "::1", 5}, {"::1", "::1", 4222}, {"[::1]", "::1", 4222}, {"h:0", "h", 4222}, {":5", "", 5},
	} {
		o := New()
		o.ClientAdvertise = test.advertise
		if host, port, err := o.AdvertiseAddr(4222); host != test.host || port != test.port || err != nil {
			t.Errorf("%q: %q, %d, %v; want %q, %d", test.advertise, host, port, err, test.host, test.port)
		}
	}
}
