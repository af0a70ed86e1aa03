package options

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// flagTests are command lines and what they change in the options of a server
// that was told nothing.
var flagTests = []struct {
	args string
	want func(*Options)
}{
	{"-a h", func(o *Options) { o.Host, o.HTTPHost = "h", "h" }},
	{"--addr h", func(o *Options) { o.Host, o.HTTPHost = "h", "h" }},
	{"-addr=h", func(o *Options) { o.Host, o.HTTPHost = "h", "h" }},
	{"--net h", func(o *Options) { o.Host, o.HTTPHost = "h", "h" }},
	{"-p 5000", func(o *Options) { o.Port = 5000 }},
	{"--port -1", func(o *Options) { o.Port = -1 }},
	{"-p 1 -p 2", func(o *Options) { o.Port = 2 }},
	{"-n one", func(o *Options) { o.ServerName = "one" }},
	{"--name one", func(o *Options) { o.ServerName = "one" }},
	{"--server_name one", func(o *Options) { o.ServerName = "one" }},
	{"-P f", func(o *Options) { o.PidFile = "f" }},
	{"--pid f", func(o *Options) { o.PidFile = "f" }},
	{"-m 8222", func(o *Options) { o.HTTPPort = 8222 }},
	{"--http_port 8222", func(o *Options) { o.HTTPPort = 8222 }},
	{"--tls --tlscert c --tlskey k -ms 8443", func(o *Options) { o.HTTPSPort = 8443; o.TLS = flagTLS("c", "k") }},
	{"--tls --tlscert c --tlskey k --https_port 8443", func(o *Options) { o.HTTPSPort = 8443; o.TLS = flagTLS("c", "k") }},
	{"--client_advertise h:1", func(o *Options) { o.ClientAdvertise = "h:1" }},
	{"--ports_file_dir d", func(o *Options) { o.PortsFileDir = "d" }},

	{"-l f", func(o *Options) { o.Log.File = "f" }},
	{"--log f", func(o *Options) { o.Log.File = "f" }},
	{"-T=false", func(o *Options) { o.Log.Time = false }},
	{"--logtime=false", func(o *Options) { o.Log.Time = false }},
	{"--logtime_utc", func(o *Options) { o.Log.UTC = true }},
	{"-s", func(o *Options) { o.Log.Syslog = true }},
	{"--syslog", func(o *Options) { o.Log.Syslog = true }},
	{"-r udp://h:1", func(o *Options) { o.Log.RemoteSyslog = "udp://h:1" }},
	{"--remote_syslog udp://h:1", func(o *Options) { o.Log.RemoteSyslog = "udp://h:1" }},
	{"--log_size_limit 1000", func(o *Options) { o.Log.SizeLimit = 1000 }},
	{"--max_traced_msg_len 10", func(o *Options) { o.Log.MaxTracedMsgLen = 10 }},
	{"-D", func(o *Options) { o.Log.Debug = true }},
	{"--debug", func(o *Options) { o.Log.Debug = true }},
	{"-V", func(o *Options) { o.Log.Trace = true }},
	{"--trace", func(o *Options) { o.Log.Trace = true }},
	{"-VV", func(o *Options) { o.Log.Trace, o.Log.TraceVerbose = true, true }},
	{"-DV", func(o *Options) { o.Log.Debug, o.Log.Trace = true, true }},
	{"-DVV", func(o *Options) { o.Log.Debug, o.Log.Trace, o.Log.TraceVerbose = true, true, true }},

	{"--user u", func(o *Options) { o.Auth = Authorization{Defined: true, Username: "u"} }},
	{"--user u --pass p", func(o *Options) { o.Auth = Authorization{Defined: true, Username: "u", Password: "p"} }},
	{"--auth t", func(o *Options) { o.Auth = Authorization{Defined: true, Token: "t"} }},

	{"--tlscert c --tlskey k", func(o *Options) { o.TLS = flagTLS("c", "k") }},
	{"--tlscert c --tlskey k --tlsverify --tlscacert a", func(o *Options) {
		o.TLS = flagTLS("c", "k")
		o.TLS.Verify, o.TLS.CAFile = true, "a"
	}},
	{"--tlscert c --tlskey k --tls=false", func(*Options) {}},

	{"--profile 6060", func(o *Options) { o.ProfPort = 6060 }},
	{"--js=false --no_advertise=false", func(*Options) {}},
}

// jetStreamFlagTests are the same for what is tested beside a file.
var jetStreamFlagTests = []struct {
	text, args string
	want       func(*JetStream)
}{
	{"", "-js", func(j *JetStream) { j.Enabled = true }},
	{"", "--jetstream", func(j *JetStream) { j.Enabled = true }},
	{"", "-js --jetstream=false", func(*JetStream) {}},
	{"", "-sd /d", func(j *JetStream) { j.StoreDir = "/d" }},
	{"", "-js --store_dir /d", func(j *JetStream) { j.Enabled, j.StoreDir = true, "/d" }},
	{"jetstream: false", "-js", func(j *JetStream) { j.Enabled = true }},
	{"jetstream { enabled: false, domain: x }", "-js", func(j *JetStream) { j.Enabled, j.Domain = true, "x" }},
	{"jetstream { domain: x }", "-js=false", func(j *JetStream) { j.Domain = "x" }},
	{"jetstream { store_dir: file }", "-sd flag", func(j *JetStream) { j.Enabled, j.StoreDir = true, "flag" }},
}

func TestJetStreamFlags(t *testing.T) {
	for _, test := range jetStreamFlagTests {
		t.Run(test.text+" "+test.args, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.conf")
			if err := os.WriteFile(path, []byte("port: 4222\n"+test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			inv, _, err := parseArgs("-t -c " + path + " " + test.args)
			if err != nil {
				t.Fatal(err)
			}
			want := newJetStream()
			test.want(&want)
			if inv.Options.JetStream != want {
				t.Errorf("got  %+v\nwant %+v", inv.Options.JetStream, want)
			}
		})
	}
}

func flagTLS(cert, key string) *tlsconf.Config {
	c := newTLS()
	c.CertFile, c.KeyFile = cert, key
	return c
}

func TestFlags(t *testing.T) {
	for _, test := range flagTests {
		t.Run(test.args, func(t *testing.T) {
			inv, out, err := parseArgs(test.args)
			if err != nil || inv.Action != Run || out != "" {
				t.Fatalf("%+v, output %q, error %v", inv, out, err)
			}
			want := New()
			want.finish()
			test.want(want)
			got := *inv.Options
			got.overrides = nil
			if !reflect.DeepEqual(&got, want) {
				t.Errorf("got  %s\nwant %s", dump(&got), dump(want))
			}
		})
	}
}

// parseArgs splits at spaces and returns what was written to both outputs.
func parseArgs(args string) (*Invocation, string, error) {
	var out bytes.Buffer
	inv, err := ParseArgs("prog", strings.Fields(args), &out, &out)
	return inv, out.String(), err
}

// Every name of every flag that sets an option has a test of its own.
func TestFlagsAreTested(t *testing.T) {
	var tested []string
	for _, test := range flagTests {
		for arg := range strings.FieldsSeq(test.args) {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			tested = append(tested, name)
		}
	}
	for _, test := range jetStreamFlagTests {
		for arg := range strings.FieldsSeq(test.args) {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			tested = append(tested, name)
		}
	}
	for _, test := range clusterFlagTests {
		for arg := range strings.FieldsSeq(test.args) {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			tested = append(tested, name)
		}
	}
	modes := []string{"c", "config", "t", "sl", "signal", "h", "help", "v", "version", "help_tls"}
	for _, section := range flagSections {
		for _, row := range section.rows {
			for name := range strings.FieldsSeq(row.names) {
				if !slices.Contains(tested, name) && !slices.Contains(modes, name) {
					t.Errorf("flag %q has no test", name)
				}
			}
		}
	}
}

func TestInvocations(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.conf", "port: 5000\nno_auth_user: nobody\n")
	warned := write("warned.conf", "port: 5000\nping_interval: 5\n")
	bad := write("bad.conf", "bogus: 1\n")
	clustered := write("clustered.conf", "cluster { port: 6222 }\n")
	broken := write("broken.conf", "accounts { A { users: [ \n")
	empty := write("empty.conf", "# nothing\n")
	missing := filepath.Join(dir, "missing.conf")

	const help = "\nUsage: prog "
	for _, test := range []struct {
		args   string
		action Action
		signal string
		output string // its beginning
		err    string
	}{
		{args: "-v", action: ShowVersion},
		{args: "--version", action: ShowVersion},
		{args: "version", action: ShowVersion},
		{args: "VERSION -p x", action: ShowVersion},
		{args: "-v extra", action: ShowVersion},
		{args: "-v -h", action: ShowVersion},
		{args: "--help_tls -v", action: ShowVersion},
		{args: "-h", action: ShowHelp, output: help},
		{args: "--help", action: ShowHelp, output: help},
		{args: "help", action: ShowHelp, output: help},
		{args: "-p 5 help extra", action: ShowHelp, output: help},
		{args: "--help_tls", action: ShowHelp, output: "\nTLS of client"},

		{args: "--bogus", action: ShowHelp, output: "flag provided but not defined: -bogus\n" + help},
		{args: "-p notaport", action: ShowHelp, output: "invalid value \"notaport\" for flag -p: parse error\n" + help},
		{args: "--log_size_limit x", action: ShowHelp, output: "invalid value \"x\" for flag -log_size_limit: parse error\n"},
		{args: "-D=x", action: ShowHelp, output: "invalid boolean value \"x\" for -D: parse error\n"},
		{args: "-p", action: ShowHelp, output: "flag needs an argument: -p\n"},
		{args: "--connect_retries x", action: ShowHelp, output: "invalid value \"x\" for flag -connect_retries: parse error\n"},

		{args: "extra", err: `unrecognized command: "extra"`},
		{args: "-t -c " + good + " extra", err: `unrecognized command: "extra"`},

		{args: "-t", err: "must specify [-c, --config] option to check configuration file syntax"},
		{args: "-t -c " + good, action: TestConfig},
		{args: "-t --config " + good + " -p 6", action: TestConfig},
		{args: "-t -c " + warned, err: warned + `:2:1: invalid use of field "ping_interval": ping_interval should be converted to a duration`},
		{args: "-t -c " + bad, err: bad + `:1:0: unknown field "bogus"`},
		{args: "-t -c " + empty, err: empty + ": config has no values or is empty"},
		{args: "-t -c " + missing, err: "open " + missing + ": no such file or directory"},
		{args: "-c " + missing, err: "open " + missing + ": no such file or directory"},
		{args: "-c " + bad, err: bad + `:1:0: unknown field "bogus"`},
		{args: "-c " + good, err: `no_auth_user: "nobody" present, but users/nkeys are not defined`},
		{args: "-c " + warned, action: Run, output: warned + `:2:1: invalid use of field "ping_interval": ping_interval should be converted to a duration` + "\n"},

		{args: "-t -c " + clustered, action: TestConfig},
		{args: "-c " + clustered, action: Run},
		{args: "-c " + clustered + " --cluster=", action: Run},
		{args: "-t -c " + good + " --cluster_name a", action: TestConfig},
		{args: "--cluster nats://h:-1", action: Run},
		{args: "--cluster nats://h:-1 --no_advertise --connect_retries 1 --cluster_advertise h --cluster_name a --routes nats://h:1", action: Run},
		{args: "--routes nats://h:1", err: "solicited routes require cluster capabilities, e.g. --cluster"},
		{args: "--routes nats://h:1,h", err: `error parsing route url ["h"]`},
		{args: "--routes nats://a:s3cr%t@h:1", err: `error parsing route url ["[hidden]@h:1"]`},
		{args: "--cluster 0.0.0.0:6222", err: `error parsing cluster url ["0.0.0.0:6222"]`},
		{args: "--cluster localhost:-1", err: `error parsing cluster url ["localhost:-1"]`},
		{args: "--cluster nats://u:p@h", err: `error parsing cluster url ["[hidden]@h"]`},
		{args: "--cluster nats://u@h:1", err: "expected cluster password to be set"},
		{args: "--cluster nats://h:70000", err: "cluster port 70000 is not a port"},

		{args: "--signal ldm", action: SendSignal, signal: "ldm"},
		{args: "-sl stop=12", action: SendSignal, signal: "stop=12"},
		{args: "--signal quit=/run/x.pid", action: SendSignal, signal: "quit=/run/x.pid"},
		{args: "--signal term=12*", action: SendSignal, signal: "term=12*"},
		{args: "--signal reopen -c " + missing, action: SendSignal, signal: "reopen"},
		{args: "--signal reload", action: SendSignal, signal: "reload"},
		{args: "--signal bogus", err: `unknown signal "bogus"`},
		{args: "--signal bogus=1", err: `unknown signal "bogus"`},
		{args: "--signal=", err: `unknown signal ""`},
		{args: "--signal reload=a=b", err: "invalid signal parameters: [b]"},
		{args: "--signal", action: ShowHelp, output: "flag needs an argument: -signal\n"},

		{args: "--user a --auth b", err: "Cannot have a user/pass and token"},
		{args: "--tls", err: "TLS Server certificate must be present and valid"},
		{args: "--tls --tlscert x", err: "TLS Server private key must be present and valid"},
		{args: "-ms 5", err: "TLS cert and key required for HTTPS"},
		{args: "-m 5 -ms 6", err: "can't specify both HTTP (5) and HTTPs (6) ports"},
		{args: "-p 70000", err: "port 70000 is not a port"},
		{args: "--profile -2", err: "prof_port -2 is not a port"},
		{args: "--client_advertise h:abc", err: `client_advertise: could not parse port "abc"`},
	} {
		t.Run(test.args, func(t *testing.T) {
			inv, out, err := parseArgs(test.args)
			if test.err != "" {
				if err == nil || err.Error() != test.err || inv != nil || out != "" {
					t.Errorf("got %+v, output %q, error %v", inv, out, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if inv.Action != test.action || inv.Signal != test.signal || !strings.HasPrefix(out, test.output) || test.output == "" && out != "" {
				t.Errorf("got %+v, output %q", inv, out)
			}
			if hasOptions := inv.Action == Run || inv.Action == TestConfig; hasOptions != (inv.Options != nil) {
				t.Errorf("options %v", inv.Options)
			}
		})
	}

	t.Run("name with a space", func(t *testing.T) {
		_, err := ParseArgs("prog", []string{"-n", "a b"}, nil, nil)
		if !errors.Is(err, errServerName) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("syntax", func(t *testing.T) {
		if _, _, err := parseArgs("-c " + broken); err == nil || !strings.HasPrefix(err.Error(), broken+":2:1: Parse error on line 2: ") {
			t.Errorf("error %v", err)
		}
	})
}

func TestFlagsWinOverTheFile(t *testing.T) {
	for _, test := range []struct {
		name, text, args string
		want             func(o *Options) bool
	}{
		{
			"port and name", "port: 1\nserver_name: file\nmax_payload: 5", "-p 2 -n flag",
			func(o *Options) bool { return o.Port == 2 && o.ServerName == "flag" && o.MaxPayload == 5 },
		},
		{"host of monitoring follows", "http: 8222", "-a h", func(o *Options) bool { return o.HTTPHost == "h" }},
		{"false", "debug: true\nlogtime: true", "-D=false -T=false", func(o *Options) bool { return !o.Log.Debug && !o.Log.Time }},
		{
			"token for user", "authorization { user: a, password: b }", "--auth t",
			func(o *Options) bool { return o.Auth.Username == "" && o.Auth.Password == "" && o.Auth.Token == "t" },
		},
		{
			"user for token", "authorization { token: t, timeout: 7 }", "--user u --pass p",
			func(o *Options) bool {
				return o.Auth.Username == "u" && o.Auth.Password == "p" && o.Auth.Token == "" && o.Auth.Timeout > 0
			},
		},
		{
			"certificate for tls without", "tls { verify: true, timeout: 9 }", "--tlscert c --tlskey k",
			func(o *Options) bool { return o.TLS.CertFile == "c" && o.TLS.Verify && o.TLS.Timeout.Seconds() == 9 },
		},
		{"no tls", "tls { verify: true }", "--tls=false", func(o *Options) bool { return o.TLS == nil }},
		{"no verify", "tls { verify: true }", "--tlscert c --tlskey k --tlsverify=false", func(o *Options) bool { return !o.TLS.Verify }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.conf")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			inv, _, err := parseArgs("-c " + path + " " + test.args)
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(inv.Options) {
				t.Errorf("got %s", dump(inv.Options))
			}
			again, _, err := inv.Options.Reparse()
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(again) {
				t.Errorf("after a reload %s", dump(again))
			}
		})
	}
	t.Run("user beside users", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f.conf")
		if err := os.WriteFile(path, []byte("authorization { users: [{user: a}] }"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := parseArgs("-c " + path + " --user x"); !errors.Is(err, errUserAndUsers) {
			t.Errorf("error %v", err)
		}
	})
}

func TestUsageNamesEveryFlag(t *testing.T) {
	text := Usage("prog")
	for _, section := range flagSections {
		for _, row := range section.rows {
			for name := range strings.FieldsSeq(row.names) {
				dashed := "--" + name
				if isShort(name) {
					dashed = "-" + name
				}
				if !strings.Contains(text, "  "+dashed+" ") && !strings.Contains(text, dashed+",") && !strings.Contains(text, ", "+dashed+" ") {
					t.Errorf("help does not show %s", dashed)
				}
			}
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 120 {
			t.Errorf("line of %d characters: %s", len(line), line)
		}
	}
}

// The example in the help on TLS is a configuration, but for its files.
func TestTLSUsageIsValid(t *testing.T) {
	text := TLSUsage()
	begin, end := strings.Index(text, "    tls {"), strings.Index(text, "\n    }\n")
	_, _, err := FromBytes([]byte(text[begin:end+7]), "help")
	if err == nil || !strings.Contains(err.Error(), "server-cert.pem: no such file") && !strings.Contains(err.Error(), "open server-cert.pem") {
		t.Errorf("error %v, want the missing certificate alone", err)
	}
	for _, c := range tlsconf.Ciphers() {
		if !strings.Contains(text, c.Name) {
			t.Errorf("help does not name %s", c.Name)
		}
	}
	for _, key := range []string{"X25519", "CurveP521"} {
		if !strings.Contains(text, key) {
			t.Errorf("help does not name %s", key)
		}
	}
}

func TestPrintError(t *testing.T) {
	var out strings.Builder
	PrintError(&out, "prog", errors.New("plain"))
	_, _, err := FromBytes([]byte("a: 1\nb: 2"), "f.conf")
	PrintError(&out, "prog", err)
	const want = "prog: plain\nprog: f.conf:1:0: unknown field \"a\"\nf.conf:2:1: unknown field \"b\"\n\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
