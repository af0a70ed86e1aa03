package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"
)

const nonce = "abcdefghijklmno"

// testKey is a key pair with what a test needs of it.
type testKey struct {
	nkeys.KeyPair
	public string
}

func newKey(tb testing.TB, prefix nkeys.PrefixByte) testKey {
	tb.Helper()
	pair, err := nkeys.CreatePair(prefix)
	if err != nil {
		tb.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		tb.Fatal(err)
	}
	return testKey{pair, public}
}

func (k testKey) sign(tb testing.TB, text string, enc *base64.Encoding) string {
	tb.Helper()
	sig, err := k.Sign([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return enc.EncodeToString(sig)
}

func hash(tb testing.TB, password string) string {
	tb.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	return string(h)
}

func mustNew(tb testing.TB, cfg Config) *Authenticator {
	tb.Helper()
	a, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestAuthenticate(t *testing.T) {
	key, otherKey := newKey(t, nkeys.PrefixByteUser), newKey(t, nkeys.PrefixByteUser)
	proxy, otherProxy := newKey(t, nkeys.PrefixByteServer), newKey(t, nkeys.PrefixByteServer)
	rawURL, std := base64.RawURLEncoding, base64.StdEncoding

	users := []*User{
		{Username: "plain", Password: "secret", Account: "A"},
		{Username: "hashed", Password: hash(t, "secret"), Account: "A"},
		{Username: "global", Password: "x"},
		{Username: "empty", Account: "A"},
		{Username: "ws", Password: "x", Account: "A", ConnectionTypes: []ConnectionType{ConnWebsocket}},
		{Username: "proxied", Password: "x", Account: "A", ProxyRequired: true},
		{NKey: key.public, Account: "A"},
	}
	wsKey := &User{NKey: otherKey.public, Account: "A", ConnectionTypes: []ConnectionType{ConnWebsocket}}
	none := Config{}
	multi := Config{Users: users, TrustedProxies: []string{otherProxy.public, proxy.public}}
	anonymous := func(name string) Config { return Config{Users: users, NoAuthUser: name} }
	single := Config{Username: "me", Password: "secret"}
	singleHashed := Config{Username: "me", Password: hash(t, "secret")}
	token := Config{Token: "t0ken"}
	tokenHashed := Config{Token: hash(t, "t0ken")}
	implicit := Config{Users: []*User{{Username: "admin", Password: "x", Account: "$SYS"}}, ImplicitNoAuth: true}

	for _, tc := range []struct {
		name   string
		cfg    Config
		req    Request
		reason Reason // "" if admitted
		user   string // the identity's name, or the error's
		acc    string
		proxy  string
	}{
		{name: "not required", cfg: none, acc: "$G"},
		{name: "not required, credentials sent all the same", cfg: none, req: Request{User: "x", Pass: "y", NKey: "z"}, acc: "$G"},
		{name: "JWT without operator mode is ignored", cfg: multi, req: Request{User: "plain", Pass: "secret", JWT: "x"}, user: "plain", acc: "A"},

		{name: "password", cfg: multi, req: Request{User: "plain", Pass: "secret"}, user: "plain", acc: "A"},
		{name: "wrong password", cfg: multi, req: Request{User: "plain", Pass: "secres"}, reason: ReasonAuthFailure, user: "plain", acc: "A"},
		{name: "no password", cfg: multi, req: Request{User: "plain"}, reason: ReasonAuthFailure, user: "plain", acc: "A"},
		{name: "bcrypt", cfg: multi, req: Request{User: "hashed", Pass: "secret"}, user: "hashed", acc: "A"},
		{name: "bcrypt, wrong", cfg: multi, req: Request{User: "hashed", Pass: "Secret"}, reason: ReasonAuthFailure, user: "hashed", acc: "A"},
		{name: "the hash is not the password", cfg: multi, req: Request{User: "hashed", Pass: users[1].Password}, reason: ReasonAuthFailure, user: "hashed", acc: "A"},
		{name: "user of the global account", cfg: multi, req: Request{User: "global", Pass: "x"}, user: "global", acc: "$G"},
		{name: "user without a password", cfg: multi, req: Request{User: "empty"}, user: "empty", acc: "A"},
		{name: "user without a password, one given", cfg: multi, req: Request{User: "empty", Pass: "x"}, reason: ReasonAuthFailure, user: "empty", acc: "A"},
		{name: "user without a password where certificates count", cfg: Config{Users: users, CertUsers: true}, req: Request{User: "empty"}, reason: ReasonAuthFailure, user: "empty", acc: "A"},
		{name: "unknown user", cfg: multi, req: Request{User: "nobody", Pass: "secret"}, reason: ReasonAuthFailure},
		{name: "nothing", cfg: multi, reason: ReasonAuthFailure},
		{name: "transport allowed", cfg: multi, req: Request{User: "ws", Pass: "x", Type: ConnWebsocket}, user: "ws", acc: "A"},
		{name: "transport not allowed", cfg: multi, req: Request{User: "ws", Pass: "x"}, reason: ReasonAuthFailure, user: "ws", acc: "A"},

		{name: "nkey, raw URL encoding", cfg: multi, req: Request{NKey: key.public, Sig: key.sign(t, nonce, rawURL), Nonce: nonce}, user: key.public, acc: "A"},
		{name: "nkey, standard encoding", cfg: multi, req: Request{NKey: key.public, Sig: key.sign(t, nonce, std), Nonce: nonce}, user: key.public, acc: "A"},
		{name: "nkey, other nonce", cfg: multi, req: Request{NKey: key.public, Sig: key.sign(t, "x", rawURL), Nonce: nonce}, reason: ReasonAuthFailure, user: key.public, acc: "A"},
		{name: "nkey, no nonce", cfg: multi, req: Request{NKey: key.public, Sig: key.sign(t, "", rawURL)}, reason: ReasonAuthFailure, user: key.public, acc: "A"},
		{name: "nkey, no signature", cfg: multi, req: Request{NKey: key.public, Nonce: nonce}, reason: ReasonAuthFailure, user: key.public, acc: "A"},
		{name: "nkey, signature that is no base64", cfg: multi, req: Request{NKey: key.public, Sig: "%", Nonce: nonce}, reason: ReasonAuthFailure, user: key.public, acc: "A"},
		{name: "nkey, signature by another", cfg: multi, req: Request{NKey: key.public, Sig: otherKey.sign(t, nonce, rawURL), Nonce: nonce}, reason: ReasonAuthFailure, user: key.public, acc: "A"},
		{name: "nkey, unknown", cfg: multi, req: Request{NKey: otherKey.public, Sig: otherKey.sign(t, nonce, rawURL), Nonce: nonce}, reason: ReasonAuthFailure},
		{name: "nkey goes before a right password", cfg: multi, req: Request{NKey: otherKey.public, User: "plain", Pass: "secret"}, reason: ReasonAuthFailure},
		{name: "nkey, transport not allowed", cfg: Config{Users: []*User{wsKey}}, req: Request{NKey: otherKey.public, Sig: otherKey.sign(t, nonce, rawURL), Nonce: nonce}, reason: ReasonAuthFailure, user: otherKey.public, acc: "A"},

		{name: "no_auth_user", cfg: anonymous("plain"), user: "plain", acc: "A"},
		{name: "no_auth_user that is an nkey", cfg: anonymous(key.public), user: key.public, acc: "A"},
		{name: "no_auth_user does not replace credentials", cfg: anonymous("plain"), req: Request{User: "global", Pass: "no-t-it"}, reason: ReasonAuthFailure, user: "global", acc: "$G"},
		{name: "no_auth_user, only a password", cfg: anonymous("plain"), req: Request{Pass: "secret"}, reason: ReasonAuthFailure},
		{name: "no_auth_user, only a token", cfg: anonymous("plain"), req: Request{Token: "x"}, reason: ReasonAuthFailure},
		{name: "no_auth_user, transport not allowed", cfg: anonymous("ws"), reason: ReasonAuthFailure, user: "ws", acc: "A"},
		{name: "no_auth_user that needs a proxy", cfg: anonymous("proxied"), reason: ReasonProxyRequired, user: "proxied", acc: "A"},
		{name: "implicit no-auth user", cfg: implicit, acc: "$G"},
		{name: "implicit, but credentials", cfg: implicit, req: Request{User: "admin", Pass: "x"}, user: "admin", acc: "$SYS"},
		{name: "implicit, wrong credentials", cfg: implicit, req: Request{User: "admin", Pass: "y"}, reason: ReasonAuthFailure, user: "admin", acc: "$SYS"},

		{name: "single user", cfg: single, req: Request{User: "me", Pass: "secret"}, user: "me", acc: "$G"},
		{name: "single user, hashed", cfg: singleHashed, req: Request{User: "me", Pass: "secret"}, user: "me", acc: "$G"},
		{name: "single user, wrong password", cfg: single, req: Request{User: "me", Pass: ""}, reason: ReasonAuthFailure, user: "me", acc: "$G"},
		{name: "single user, other name", cfg: single, req: Request{User: "you", Pass: "secret"}, reason: ReasonAuthFailure},
		{name: "single user beside users of accounts", cfg: Config{Username: "me", Password: "secret", Users: users}, req: Request{User: "me", Pass: "secret"}, user: "me", acc: "$G"},
		{name: "token", cfg: token, req: Request{Token: "t0ken"}, user: "[REDACTED]", acc: "$G"},
		{name: "token, hashed", cfg: tokenHashed, req: Request{Token: "t0ken"}, user: "[REDACTED]", acc: "$G"},
		{name: "token, wrong", cfg: token, req: Request{Token: "t1ken"}, reason: ReasonAuthFailure, user: "[REDACTED]", acc: "$G"},
		{name: "token, none", cfg: token, reason: ReasonAuthFailure},
		{name: "token is no password", cfg: token, req: Request{Pass: "t0ken"}, reason: ReasonAuthFailure},
		{name: "token beside users of accounts", cfg: Config{Token: "t0ken", Users: users}, req: Request{Token: "t0ken"}, user: "[REDACTED]", acc: "$G"},

		{name: "proxy", cfg: multi, req: Request{User: "proxied", Pass: "x", Nonce: nonce, ProxySig: proxy.sign(t, nonce, rawURL)}, user: "proxied", acc: "A", proxy: proxy.public},
		{name: "proxy missing", cfg: multi, req: Request{User: "proxied", Pass: "x", Nonce: nonce}, reason: ReasonProxyRequired, user: "proxied", acc: "A"},
		{name: "proxy not trusted", cfg: multi, req: Request{User: "plain", Pass: "secret", Nonce: nonce, ProxySig: key.sign(t, nonce, rawURL)}, reason: ReasonProxyNotTrusted},
		{name: "proxy signed another nonce", cfg: multi, req: Request{User: "plain", Pass: "secret", Nonce: nonce, ProxySig: proxy.sign(t, "x", rawURL)}, reason: ReasonProxyNotTrusted},
		{name: "proxy does not replace credentials", cfg: multi, req: Request{User: "plain", Nonce: nonce, ProxySig: proxy.sign(t, nonce, rawURL)}, reason: ReasonAuthFailure, user: "plain", acc: "A"},
		{name: "proxy signature where none are configured", cfg: single, req: Request{User: "me", Pass: "secret", ProxySig: "x"}, user: "me", acc: "$G"},
		{name: "proxy, no authentication", cfg: Config{TrustedProxies: []string{proxy.public}}, req: Request{Nonce: nonce, ProxySig: proxy.sign(t, nonce, rawURL)}, acc: "$G", proxy: proxy.public},
		{name: "proxy demanded of everybody", cfg: Config{Username: "me", Password: "secret", ProxyRequired: true}, req: Request{User: "me", Pass: "secret"}, reason: ReasonProxyRequired},
		{name: "proxy demanded even without authentication", cfg: Config{ProxyRequired: true}, reason: ReasonProxyRequired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.req.Type == "" {
				tc.req.Type = ConnStandard
			}
			a := mustNew(t, tc.cfg)
			id, err := a.Authenticate(tc.req)
			if tc.reason == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if id.Name != tc.user || id.Account != tc.acc || id.ProxyKey != tc.proxy {
					t.Errorf("name %q, account %q, proxy %q; want %q, %q, %q", id.Name, id.Account, id.ProxyKey, tc.user, tc.acc, tc.proxy)
				}
				if id.Compiled == nil {
					t.Error("identity has no compiled permissions")
				}
				if id.NotRequired == a.Required() {
					t.Errorf("NotRequired is %v", id.NotRequired)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("admitted as %+v, error %v", id, err)
			}
			if refused.Reason != tc.reason || refused.User != tc.user || refused.Account != tc.acc {
				t.Errorf("reason %q, user %q, account %q; want %q, %q, %q", refused.Reason, refused.User, refused.Account, tc.reason, tc.user, tc.acc)
			}
			for _, secret := range []string{tc.req.Pass, tc.req.Token, tc.req.Sig} {
				if len(secret) > 1 && strings.Contains(err.Error(), secret) {
					t.Errorf("error tells a secret: %v", err)
				}
			}
		})
	}
}

func TestIdentityHasThePermissionsOfItsUser(t *testing.T) {
	user := &User{Username: "u", Password: "p", Permissions: &Permissions{Publish: allow("a"), Responses: &ResponsePermission{}}}
	id, err := mustNew(t, Config{Users: []*User{user}}).Authenticate(Request{User: "u", Pass: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if id.User != user {
		t.Error("identity is another user")
	}
	if !id.Compiled.CanPublish([]byte("a")) || id.Compiled.CanPublish([]byte("b")) {
		t.Error("identity has other permissions")
	}
	if id.Permissions.Responses.MaxMsgs != DefaultResponseMaxMsgs {
		t.Errorf("permissions are not the effective ones: %+v", id.Permissions.Responses)
	}
}

func TestReauthenticate(t *testing.T) {
	stored := hash(t, "secret")
	cfg := func(password string) Config {
		return Config{Users: []*User{{Username: "u", Password: password}}}
	}
	req := Request{User: "u", Pass: "secret", Type: ConnStandard}
	first, err := mustNew(t, cfg(stored)).Authenticate(req)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("the same hash is not computed again", func(t *testing.T) {
		// A password that does not match shows whether it was hashed.
		unchecked := req
		unchecked.Pass = "not looked at"
		again, err := mustNew(t, cfg(stored)).Reauthenticate(unchecked, first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mustNew(t, cfg(stored)).Reauthenticate(unchecked, again); err != nil {
			t.Errorf("the second reload forgot the first: %v", err)
		}
	})
	t.Run("a new hash is", func(t *testing.T) {
		if _, err := mustNew(t, cfg(hash(t, "secret"))).Reauthenticate(req, first); err != nil {
			t.Error(err)
		}
		if _, err := mustNew(t, cfg(hash(t, "changed"))).Reauthenticate(req, first); err == nil {
			t.Error("the old password is still taken")
		}
	})
	t.Run("user removed", func(t *testing.T) {
		if _, err := mustNew(t, Config{Username: "x", Password: stored}).Reauthenticate(req, first); err == nil {
			t.Error("admitted")
		}
	})
	t.Run("a password that was never compared proves nothing", func(t *testing.T) {
		open := mustNew(t, Config{Users: []*User{{Username: "u", Password: stored}}, NoAuthUser: "u"})
		id, err := open.Authenticate(Request{Type: ConnStandard})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mustNew(t, cfg(stored)).Reauthenticate(Request{User: "u", Pass: "wrong"}, id); err == nil {
			t.Error("admitted")
		}
	})
}

func TestWhatInfoAnnounces(t *testing.T) {
	key := newKey(t, nkeys.PrefixByteUser)
	users := []*User{
		{Username: "u", Password: "p"},
		{Username: "ws", Password: "p", ConnectionTypes: []ConnectionType{ConnWebsocket}},
		{Username: "proxied", Password: "p", ProxyRequired: true},
	}
	for _, tc := range []struct {
		name                                string
		cfg                                 Config
		required, announced, anon, wantsKey bool
	}{
		{"nothing", Config{}, false, false, true, false},
		{"nothing but a proxy", Config{ProxyRequired: true}, false, false, false, false},
		{"users", Config{Users: users}, true, true, false, false},
		{"nkey", Config{Users: []*User{{NKey: key.public}}}, true, true, false, true},
		{"single user", Config{Username: "u"}, true, true, false, false},
		{"token", Config{Token: "t"}, true, true, false, false},
		{"no_auth_user", Config{Users: users, NoAuthUser: "u"}, true, false, true, false},
		{"no_auth_user of another transport", Config{Users: users, NoAuthUser: "ws"}, true, true, false, false},
		{"no_auth_user that needs a proxy", Config{Users: users, NoAuthUser: "proxied"}, true, true, false, false},
		{"no_auth_user where certificates name users", Config{Users: users, NoAuthUser: "u", VerifyAndMap: true}, true, true, false, false},
		{"implicit", Config{Users: users, ImplicitNoAuth: true}, true, true, true, false},
		{"proxies", Config{TrustedProxies: []string{key.public}}, false, false, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := mustNew(t, tc.cfg)
			if got := a.Required(); got != tc.required {
				t.Errorf("required: %v", got)
			}
			if got := a.RequiredFor(ConnStandard); got != tc.announced {
				t.Errorf("announced: %v", got)
			}
			if got := a.AdmitsAnonymous(ConnStandard); got != tc.anon {
				t.Errorf("admits anonymous: %v", got)
			}
			if got := a.NonceRequired(); got != tc.wantsKey {
				t.Errorf("nonce: %v", got)
			}
			_, err := a.Authenticate(Request{Type: ConnStandard})
			if tc.anon && err != nil {
				t.Errorf("anonymous connection is refused: %v", err)
			}
		})
	}
}

func TestHasPlaintextPasswords(t *testing.T) {
	key, stored := newKey(t, nkeys.PrefixByteUser), hash(t, "p")
	for _, tc := range []struct {
		name string
		cfg  Config
		want bool
	}{
		{"nothing", Config{}, false},
		{"nkey", Config{Users: []*User{{NKey: key.public}}}, false},
		{"user by certificate", Config{Users: []*User{{Username: "CN=x"}}}, false},
		{"hashed", Config{Username: "u", Password: stored, Token: stored, Users: []*User{{Username: "v", Password: stored}}}, false},
		{"user", Config{Users: []*User{{Username: "v", Password: stored}, {Username: "w", Password: "p"}}}, true},
		{"single", Config{Username: "u", Password: "p"}, true},
		{"token", Config{Token: "t"}, true},
	} {
		if got := mustNew(t, tc.cfg).HasPlaintextPasswords(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	account := newKey(t, nkeys.PrefixByteAccount)
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"two users of one name", Config{Users: []*User{{Username: "u"}, {Username: "u"}}}},
		{"user without a name", Config{Users: []*User{{}}}},
		{"key of an account", Config{Users: []*User{{NKey: account.public}}}},
		{"no key", Config{Users: []*User{{NKey: "Uxyz"}}}},
		{"no proxy key", Config{TrustedProxies: []string{"x"}}},
		{"no_auth_user that nobody is", Config{NoAuthUser: "u"}},
		{"no subject", Config{Users: []*User{{Username: "u", Permissions: &Permissions{Publish: allow("a..b")}}}}},
	} {
		if _, err := New(tc.cfg); err == nil {
			t.Errorf("%s: accepted", tc.name)
		}
	}
}

func TestWithDefaults(t *testing.T) {
	own, defaults := &Permissions{Publish: allow("own")}, &Permissions{Publish: allow("default")}
	users := []*User{{Username: "a"}, {Username: "b", Permissions: own}}
	got := WithDefaults(users, defaults)
	if got[0].Permissions != defaults || got[0].Username != "a" || got[1] != users[1] {
		t.Errorf("got %+v, %+v", got[0], got[1])
	}
	if users[0].Permissions != nil {
		t.Error("the user of the argument changed")
	}
}

func TestParseConnectionType(t *testing.T) {
	for _, want := range connectionTypes {
		if got, err := ParseConnectionType(strings.ToLower(string(want))); got != want || err != nil {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
	if _, err := ParseConnectionType("x"); err == nil || err.Error() != `unknown connection type "x"` {
		t.Errorf("error is %v", err)
	}
}

func TestIsBcrypt(t *testing.T) {
	for stored, want := range map[string]bool{
		"$2a$11$abc": true, "$2b$04$": true, "$2x$10$a": true, "$2y$10$a": true,
		"": false, "$2c$10$a": false, "$2a$1$a": false, "x$2a$10$a": false, "2a$10$a": false,
	} {
		if got := IsBcrypt(stored); got != want {
			t.Errorf("%q: %v", stored, got)
		}
	}
}
