package options

import (
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// What a client without credentials meets depends on all of these together.
func TestAnonymousAccess(t *testing.T) {
	const admin = "{users: [{user: a, password: b}]}"
	for _, test := range []struct {
		name, text         string
		required, implicit bool
		system             string
	}{
		{"nothing", "port: 1", false, false, "$SYS"},
		{"no system account", "no_system_account: true", false, false, ""},
		{"single user", "authorization {user: a, password: b}", true, false, "$SYS"},
		{"password alone", "authorization {password: b}", false, false, "$SYS"},
		{"token", "authorization {token: a}", true, false, "$SYS"},
		{"empty token", `authorization {token: ""}`, false, false, "$SYS"},
		{"timeout alone", "authorization {timeout: 5}", false, false, "$SYS"},
		{"no users", "authorization {users: []}", false, false, "$SYS"},
		{"users", "authorization {users: [{user: a}]}", true, false, "$SYS"},
		{"account without users", "accounts {A {}}", false, false, "$SYS"},
		{"account with users", "accounts {A " + admin + "}", true, false, "$SYS"},
		{"admin", "accounts {$SYS " + admin + "}", true, true, "$SYS"},
		{"admin of no system account", "accounts {$SYS " + admin + "}\nno_system_account: true", true, true, "$SYS"},
		{"admin of a named account", "accounts {S " + admin + "}\nsystem_account: S", true, true, "S"},
		{"admin with an nkey", "accounts {S {users: [{nkey: " + userKey + "}]}}\nsystem_account: S", true, true, "S"},
		{"admin of an account that is not the system's", "accounts {S " + admin + "}", true, false, "$SYS"},
		{"admin and an account", "accounts {$SYS " + admin + ", A {}}", true, false, "$SYS"},
		{"admin and authorization", "accounts {$SYS " + admin + "}\nauthorization {}", true, false, "$SYS"},
		{"admin and no_auth_user", "accounts {$SYS " + admin + "}\nno_auth_user: a", true, false, "$SYS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := parsed(t, test.text)
			if o.AuthRequired() != test.required || o.ImplicitNoAuth() != test.implicit || o.SystemAccountName() != test.system {
				t.Errorf("required %v, implicit %v, system account %q", o.AuthRequired(), o.ImplicitNoAuth(), o.SystemAccountName())
			}
		})
	}
	t.Run("admin and flags", func(t *testing.T) {
		o := parsed(t, "accounts {$SYS "+admin+"}")
		o.Auth.Defined, o.Auth.Username = true, "x"
		if o.ImplicitNoAuth() {
			t.Error("a user by flags admits everybody")
		}
	})
}

func TestAuthTimeout(t *testing.T) {
	certFile, keyFile := testcert.NewCA(t, "ca").Server(t, "a").WriteFiles(t, t.TempDir())
	tls := `tls { cert_file: "` + certFile + `", key_file: "` + keyFile + `", timeout: 5 }` + "\n"
	for _, test := range []struct {
		text string
		want time.Duration
	}{
		{"", 2 * time.Second},
		{"authorization {timeout: 0.5}", time.Second / 2},
		{"authorization {timeout: -5}", 2 * time.Second},
		{tls, 6 * time.Second},
		{tls + "authorization {timeout: 1}", time.Second},
	} {
		if got := parsed(t, test.text).AuthTimeout(); got != test.want {
			t.Errorf("%s: %v, want %v", test.text, got, test.want)
		}
	}
}

func TestUsersHaveDefaults(t *testing.T) {
	o := parsed(t, `
authorization { default_permissions {publish: x}, users: [{user: a}, {user: b, permissions {publish: y}}] }
accounts { A { default_permissions {publish: z}, users: [{user: c}] }, B { users: [{user: d}] } }`)
	got := map[string]string{}
	for _, u := range o.Users() {
		allowed := ""
		if u.Permissions != nil {
			allowed = u.Permissions.Publish.Allow[0]
		}
		got[u.Username] = u.Account + " " + allowed
	}
	want := map[string]string{"a": "$G x", "b": "$G y", "c": "A z", "d": "B "}
	for name := range want {
		if got[name] != want[name] || len(got) != len(want) {
			t.Errorf("got %v, want %v", got, want)
			break
		}
	}
	if o.Auth.Users[0].Permissions != nil {
		t.Error("the options have changed")
	}
}
