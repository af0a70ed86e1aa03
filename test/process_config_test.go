//go:build unix

package test

import (
	"strings"
	"testing"
)

// A configuration with mistakes names the place and the key of each, when it is
// checked and when a server is to start with it.
func TestConfigurationErrors(t *testing.T) {
	for _, test := range []struct {
		name, config string
		// says are parts of the complaint; FILE stands for the path of the file.
		says []string
	}{
		{"unknown key", "port: 4222\nprot: 4223\n", []string{`FILE:2:1: unknown field "prot"`}},
		{"unknown key in a block", "port: 4222\nauthorization {\n\n  tiemout: 1\n}\n", []string{`FILE:4:3: unknown field "tiemout"`}},
		{"unknown key of tls", "port: 4222\ntls {\n  certfile: x\n}\n", []string{`FILE:3:3: `, `unknown field "certfile"`}},
		{"wrong type", "port: 4222\nmax_payload: \"much\"\n", []string{"FILE:2:1: "}},
		{"wrong value", "\n\nmax_sub_tokens: 1000\n", []string{"FILE:3:1: "}},
		{"wrong subject", "authorization {\n  users: [\n    {user: a, password: b, permissions: {publish: \"a..b\"}}\n  ]\n}\n", []string{"FILE:3:", `"a..b"`}},
		{"value that is left over", "port: 4222\n]\n", []string{"config is invalid (FILE:3:1)"}},
		{"block that does not end", "port: 4222\naccounts {\n  A {\n", []string{"FILE:4:1: Parse error on line 4"}},
		{"string that does not end", "port: 4222\nserver_name: \"abc\n\n", []string{"FILE:", "Parse error on line"}},
		{"variable that is not there", "\nport: $NO_SUCH_VARIABLE\n", []string{"FILE:2:1: ", "'NO_SUCH_VARIABLE' on line 2"}},
		{"include that is not there", "port: 4222\ninclude \"nowhere.conf\"\n", []string{"FILE:2:1: ", "include file 'nowhere.conf'"}},
		{
			"several", "server_name: x\nprot: 1\nauthorization {\n  users: [ {user: a, password: b, permissoins: {}} ]\n  tokn: x\n}\n",
			[]string{`FILE:2:1: unknown field "prot"`, `FILE:4:35: unknown field "permissoins"`, `FILE:5:3: unknown field "tokn"`},
		},
		{"user who is there twice", "authorization {\n users: [\n  {user: a, password: x}\n  {user: a, password: y}\n ]\n}\n", []string{"FILE:", `Duplicate user "a" detected`}},
		{"empty", "", []string{"FILE: config has no values or is empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := writeFile(t, t.TempDir(), "bad.conf", test.config)
			for _, args := range [][]string{{"-t", "-c", file}, {"-a", "127.0.0.1", "-p", "-1", "-c", file}} {
				status, stdout, stderr := runs(t, args...)
				if status != 1 || stdout != "" {
					t.Errorf("%v: status %d, output %q", args, status, stdout)
				}
				for _, want := range test.says {
					if want = strings.ReplaceAll(want, "FILE", file); !strings.Contains(stderr, want) {
						t.Errorf("%v: the complaint is %q, want %q", args, stderr, want)
					}
				}
			}
		})
	}
}

// Mistakes between options show when a server is to start, since flags may still
// put them right.
func TestContradictoryConfigurations(t *testing.T) {
	for _, test := range []struct{ config, says string }{
		{"max_payload: 100MB", "max_payload (104857600) cannot be higher than max_pending (67108864)"},
		{"no_auth_user: nobody", `no_auth_user: "nobody"`},
		{"system_account: NONE", "error resolving system account"},
		{"http: 8222, https: 8223", "can't specify both HTTP"},
	} {
		file := writeFile(t, t.TempDir(), "bad.conf", test.config)
		if status, _, stderr := runs(t, "-t", "-c", file); status != 0 || !strings.Contains(stderr, "is valid (sha256:") {
			t.Errorf("%s: -t ends with %d, %q", test.config, status, stderr)
		}
		if status, _, stderr := runs(t, "-a", "127.0.0.1", "-p", "-1", "-c", file); status != 1 || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: a start ends with %d, %q; want %q", test.config, status, stderr, test.says)
		}
	}
}
