package server_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/nats-lite/nats-lite/server"
)

// The INFO that a client is met with: which keys, in which order, and what they
// say.
func TestGreeting(t *testing.T) {
	script(t, "", func(s *site) {
		i := s.dial().wantInfo()
		want := []string{
			"server_id", "server_name", "version", "proto", "git_commit", "go", "host", "port", "headers",
			"max_payload", "client_id", "client_ip", "api_lvl", "xkey",
		}
		if server.Commit() == "" {
			want = slices.DeleteFunc(want, func(k string) bool { return k == "git_commit" })
		}
		if !slices.Equal(i.keys, want) {
			t.Errorf("keys %q\nwant %q", i.keys, want)
		}
		if id := i.text("server_id"); !nkeys.IsValidPublicServerKey(id) || id != s.srv.ID() {
			t.Errorf("server_id %q is not the server's key", id)
		}
		if key := i.text("xkey"); !nkeys.IsValidPublicCurveKey(key) {
			t.Errorf("xkey %q is no curve key", key)
		}
		if i.text("server_name") != "test" || i.text("version") != server.Version || !strings.HasPrefix(i.text("go"), "go1.") {
			t.Errorf("INFO %v", i.fields)
		}
		if i.number("proto") != 1 || i.text("host") != "0.0.0.0" || i.number("port") != 4222 || !i.flag("headers") {
			t.Errorf("INFO %v", i.fields)
		}
		if i.number("max_payload") != 1<<20 || i.number("client_id") != 1 || i.text("client_ip") != "10.0.0.2" || i.number("api_lvl") != 5 {
			t.Errorf("INFO %v", i.fields)
		}
		if other := s.dial().wantInfo(); other.number("client_id") != 2 {
			t.Errorf("client_id %d of the second client", other.number("client_id"))
		}
	})
}

func TestGreetingTellsConfiguration(t *testing.T) {
	user, _ := nkeyUser(t)
	for _, tc := range []struct {
		name, config string
		has          map[string]any
		hasNot       []string
	}{
		{name: "nothing to ask for", config: "port: 4222", hasNot: []string{"auth_required", "nonce", "tls_required", "tls_verify", "tls_available", "jetstream", "ldm", "connect_info", "connect_urls", "cluster", "domain"}},
		{name: "address to advertise", config: "client_advertise: 'example.com:99'", has: map[string]any{"host": "example.com", "port": 99.0}},
		{name: "address without port", config: "client_advertise: example.com", has: map[string]any{"host": "example.com", "port": 4222.0}},
		{name: "no headers", config: "no_header_support: true", has: map[string]any{"headers": false}},
		{name: "payload", config: "max_payload: 77", has: map[string]any{"max_payload": 77.0}},
		{name: "user", config: "authorization { user: a, password: b }", has: map[string]any{"auth_required": true}, hasNot: []string{"nonce"}},
		{name: "token", config: "authorization { token: a }", has: map[string]any{"auth_required": true}},
		{name: "no_auth_user", config: "authorization { users: [{user: a, password: b}] }\nno_auth_user: a", hasNot: []string{"auth_required"}},
		{name: "a user of the system account alone", config: "accounts { $SYS { users: [{user: a, password: b}] } }", has: map[string]any{"auth_required": true}},
		{name: "nkey", config: "authorization { users: [{nkey: " + user + "}] }", has: map[string]any{"auth_required": true, "nonce": nil}},
		{name: "proxies", config: "proxies { trusted: [{key: " + user + "}] }", has: map[string]any{"nonce": nil}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.config, func(s *site) {
				i := s.dial().wantInfo()
				for key, want := range tc.has {
					if got, ok := i.fields[key]; !ok || want != nil && got != want {
						t.Errorf("%s is %v, want %v", key, got, want)
					}
				}
				for _, key := range tc.hasNot {
					if i.has(key) {
						t.Errorf("%s is %v, want none", key, i.fields[key])
					}
				}
			})
		})
	}
}

// The INFO that comes with the answer to the first PING, for those who know of
// it.
func TestConnectInfo(t *testing.T) {
	const config = `accounts {
		A { users: [{user: a, password: a}], limits { max_payload: 50 } }
		S { users: [{user: s, password: s}] }
	}
	system_account: S`
	for _, tc := range []struct {
		name, fields, account string
		payload               int
		system                bool
	}{
		{"a client", as("a"), "A", 50, false},
		{"a client of the system account", as("s"), "S", 1 << 20, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, config, func(s *site) {
				p := s.dial()
				first := p.wantInfo()
				p.sendf(`%s,"protocol":1,%s}`+"\r\n", quiet, tc.fields)
				p.wantIdle()
				p.send("PING\r\nPING\r\n")
				p.want("PONG\r\n")
				i := p.wantInfo()
				p.wantOnly("PONG\r\n")
				if !i.flag("connect_info") || i.text("remote_account") != tc.account || i.flag("acc_is_sys") != tc.system {
					t.Errorf("INFO %v", i.fields)
				}
				if i.number("max_payload") != tc.payload {
					t.Errorf("max_payload %d, want %d", i.number("max_payload"), tc.payload)
				}
				if first.number("max_payload") != 1<<20 || i.number("client_id") != first.number("client_id") || i.has("nonce") {
					t.Errorf("first INFO %v\nsecond %v", first.fields, i.fields)
				}
				order := []string{"max_payload", "client_id", "client_ip", "connect_info", "remote_account", "api_lvl"}
				if tc.system {
					order = slices.Insert(order, 5, "acc_is_sys")
				}
				keys := slices.DeleteFunc(i.keys, func(k string) bool { return !slices.Contains(order, k) })
				if !slices.Equal(keys, order) {
					t.Errorf("keys %q, want %q", keys, order)
				}
				p.ping()
			})
		})
	}
	t.Run("not without protocol 1", func(t *testing.T) {
		script(t, "", func(s *site) {
			s.connect().ping()
			s.connect(`"protocol":0`).ping()
		})
	})
	t.Run("once, whatever CONNECT comes later", func(t *testing.T) {
		script(t, "", func(s *site) {
			p := s.greeted()
			p.send(quiet + `,"protocol":1}` + "\r\nPING\r\n")
			p.want("PONG\r\n")
			p.wantInfo()
			p.send(quiet + `,"protocol":1}` + "\r\n")
			p.ping()
		})
	})
}

func TestConnect(t *testing.T) {
	violation := "-ERR 'Authorization Violation'\r\n"
	runExchanges(t, []exchange{
		{name: "verbose, pedantic and echo unless told", connect: "-", send: lines("CONNECT {}", "SUB a 1", "PUB a.* 0", "", "PUB a 0", ""), want: lines("+OK", "+OK", "-ERR 'Invalid Publish Subject'", "+OK", "+OK", "MSG a 1 0", "")},
		{name: "spaces around the JSON", connect: "-", send: `CONNECT   {"verbose":false}  ` + "\r\n", want: ""},
		{name: "unknown fields", connect: "-", send: quiet + `,"x":{"y":[1]},"lang":"go","version":"1","name":"n"}` + "\r\n", want: ""},
		{name: "null is nothing said", connect: "-", send: "CONNECT null\r\n", want: "+OK\r\n"},
		{name: "protocol 2", connect: "-", send: `CONNECT {"protocol":2}` + "\r\n", want: "-ERR 'invalid client protocol'\r\n", closed: true},
		{name: "protocol -1", connect: "-", send: `CONNECT {"protocol":-1}` + "\r\n", want: "-ERR 'invalid client protocol'\r\n", closed: true},
		{name: "no_responders without headers", connect: "-", send: `CONNECT {"no_responders":true}` + "\r\n", want: "-ERR 'no responders requires headers support'\r\n", closed: true},
		{name: "no_responders where headers are off", config: "no_header_support: true", connect: "-", send: `CONNECT {"no_responders":true,"headers":true}` + "\r\n", want: "-ERR 'no responders requires headers support'\r\n", closed: true},
		{name: "headers where they are off", config: "no_header_support: true", connect: `"headers":true`, send: "HPUB " + hmsg("a", ""), closed: true},
		{name: "an account by name", connect: "-", send: `CONNECT {"account":"A"}` + "\r\n", want: violation, closed: true},
		{name: "a new account", connect: "-", send: `CONNECT {"new_account":true}` + "\r\n", want: violation, closed: true},
		{name: "credentials that nobody asked for", connect: `"user":"x","pass":"y","auth_token":"z","nkey":"U","sig":"s","jwt":"j"`, want: ""},
	})
}

// What a verbose client is told.
func TestVerbose(t *testing.T) {
	const perms = `authorization { users: [{user: a, password: a, permissions: {publish: "ok", subscribe: "ok"}}] }`
	verbose := `"verbose":true,"headers":true,"no_responders":true`
	runExchanges(t, []exchange{
		{name: "before CONNECT", connect: "-", send: lines("SUB a 1", "UNSUB 1", "PUB a 0", ""), want: lines("+OK", "+OK", "+OK")},
		{name: "every operation but PING and PONG", connect: "-", send: `CONNECT {"headers":true}` + "\r\n" + lines("SUB a 1", "UNSUB 9", "PONG", "+OK") + "HPUB " + hmsg("b", "") + lines("UNSUB 1"), want: strings.Repeat("+OK\r\n", 5)},
		{name: "before what a message brings about", connect: "-", send: lines(`CONNECT {}`, "SUB a 1", "PUB a 2", "hi"), want: lines("+OK", "+OK", "+OK", "MSG a 1 2", "hi")},
		{name: "before no responders", connect: "-", send: lines(`CONNECT {`+verbose+`}`, "SUB r 1", "PUB a r 0", ""), want: lines("+OK", "+OK", "+OK", "HMSG r 1 33 33", "NATS/1.0 503", "Nats-Subject: a", "", "")},
		{name: "a sid in use", connect: "-", send: lines(`CONNECT {}`, "SUB a 1", "SUB b 1"), want: lines("+OK", "+OK", "+OK")},
		{name: "not for what is denied", config: perms, connect: "-", send: lines("CONNECT {"+as("a")+"}", "SUB no 1", "PUB no 0", "", "PUB ok _R_.x 0", "", "SUB a..b 2"), want: lines("+OK", `-ERR 'Permissions Violation for Subscription to "no"'`, `-ERR 'Permissions Violation for Publish to "no"'`, `-ERR 'Permissions Violation for Publish with Reply of "_R_.x"'`, "-ERR 'Invalid Subject'")},
		{name: "not for one subscription too many", config: "max_subscriptions: 1", connect: "-", send: lines("CONNECT {}", "SUB a 1", "SUB b 2"), want: lines("+OK", "+OK", "-ERR 'maximum subscriptions exceeded'")},
	})
}

// What may come first.
func TestFirstOperation(t *testing.T) {
	violation := "-ERR 'Authorization Violation'\r\n"
	const users = `authorization { users: [{user: a, password: a, permissions: {publish: "mine"}}, {user: b, password: b, allowed_connection_types: [WEBSOCKET]}] }`
	const anybody = users + "\nno_auth_user: a"
	const admin = "accounts { $SYS { users: [{user: a, password: a}] } }"
	all := []exchange{
		{name: "no authentication: SUB", connect: "-", send: lines("SUB a 1", "PUB a 0", ""), want: lines("+OK", "+OK", "MSG a 1 0", "")},
		{name: "no authentication: PUB", connect: "-", send: lines("PUB a 0", ""), want: "+OK\r\n"},
		{name: "no authentication: PING", connect: "-", send: "PING\r\n", want: "PONG\r\n"},
		{name: "no authentication: nonsense", connect: "-", send: "x\r\n", want: "-ERR 'Unknown Protocol Operation'\r\n", closed: true},
		{name: "an account that anybody is in: PUB", config: anybody, connect: "-", send: lines("PUB mine 0", "", "PUB other 0", ""), want: lines("+OK", `-ERR 'Permissions Violation for Publish to "other"'`)},
		{name: "an account that anybody is in: CONNECT", config: anybody, connect: `"name":"x"`, send: lines("PUB other 0", ""), want: lines(`-ERR 'Permissions Violation for Publish to "other"'`)},
		{name: "an account that anybody is in: a wrong password", config: anybody, connect: "-", send: `CONNECT {"user":"a","pass":"x"}` + "\r\n", want: violation, closed: true},
		{name: "anybody comes by another way", config: users + "\nno_auth_user: b", connect: "-", send: "SUB a 1\r\n", want: violation, closed: true},
		{name: "anybody comes by another way: CONNECT", config: users + "\nno_auth_user: b", connect: "-", send: "CONNECT {}\r\n", want: violation, closed: true},
		{name: "only the system account has users: SUB", config: admin, connect: "-", send: lines("SUB a 1", "PUB a 0", ""), want: lines("+OK", "+OK", "MSG a 1 0", "")},
		{name: "only the system account has users: CONNECT", config: admin, connect: `"name":"x"`, want: ""},
		{name: "only the system account has users: a wrong password", config: admin, connect: "-", send: `CONNECT {"user":"a","pass":"x"}` + "\r\n", want: violation, closed: true},
	}
	for _, first := range []string{"SUB a 1", "PUB a 0\r\n", "UNSUB 1", "PING", "PONG", "+OK", "INFO {}", "-ERR 'x'", "nonsense", "", "P"} {
		all = append(all, exchange{name: "authentication: " + first, config: users, connect: "-", send: first + "\r\n", want: violation, closed: true})
	}
	all = append(all,
		exchange{name: "authentication: a letter", config: users, connect: "-", send: "P", want: violation, closed: true},
		exchange{name: "authentication: nonsense with C", config: users, connect: "-", send: "CXX\r\n", want: "-ERR 'Unknown Protocol Operation'\r\n", closed: true},
		exchange{name: "authentication: nothing after CONNECT", config: users, connect: "-", send: `CONNECT {"user":"a","pass":"x"}` + "\r\nPING\r\nSUB a 1\r\n", want: violation, closed: true},
	)
	runExchanges(t, all)
}

// The payload that anybody may send is known from the first message on.
func TestFirstOperationIsUnderTheAccountsLimits(t *testing.T) {
	const config = `accounts { A { users: [{user: a, password: a}], limits { max_payload: 5 } } }
		no_auth_user: a`
	runExchanges(t, []exchange{
		{name: "as much", config: config, connect: "-", send: lines("PUB a 5", "hello"), want: "+OK\r\n"},
		{name: "more", config: config, connect: "-", send: lines("PUB a 6", "hello!"), want: "-ERR 'Maximum Payload Violation'\r\n", closed: true},
	})
}

// The ways to say who one is.
func TestCredentials(t *testing.T) {
	violation := "-ERR 'Authorization Violation'\r\n"
	const (
		single = "authorization { user: a, password: b }"
		token  = "authorization { token: secret }"
		hashed = "authorization { user: a, password: '$2a$04$ge7fEvjAg.0hsJwYMsoZ0.NSqivbKeALBZ8GqAkAGJ7nYPTGlYsPG' }"
		many   = "authorization { users: [{user: a, password: b}, {user: c, password: d}, {user: ws, password: e, allowed_connection_types: [websocket]}, {user: std, password: f, allowed_connection_types: [standard]}] }"
		acc    = "accounts { A { users: [{user: a, password: b}] }, B { users: [{user: c, password: d}] } }"
	)
	for _, tc := range []struct{ name, config, fields string }{
		{"single user", single, `"user":"a","pass":"b"`},
		{"token", token, `"auth_token":"secret"`},
		{"one of many", many, `"user":"c","pass":"d"`},
		{"by the allowed way", many, `"user":"std","pass":"f"`},
		{"of an account", acc, `"user":"c","pass":"d"`},
		{"a jwt that nobody asked for", single, `"user":"a","pass":"b","jwt":"eyJ0"`},
	} {
		t.Run(tc.name, func(t *testing.T) { script(t, tc.config, func(s *site) { s.connect(tc.fields) }) })
	}
	var refused []exchange
	for _, tc := range []struct{ name, config, fields string }{
		{"nothing", single, `"name":"x"`},
		{"wrong password", single, `"user":"a","pass":"x"`},
		{"no password", single, `"user":"a"`},
		{"wrong user", single, `"user":"x","pass":"b"`},
		{"password for a hash", hashed, `"user":"a","pass":"wrong"`},
		{"the hash itself", hashed, `"user":"a","pass":"$2a$04$ge7fEvjAg.0hsJwYMsoZ0.NSqivbKeALBZ8GqAkAGJ7nYPTGlYsPG"`},
		{"wrong token", token, `"auth_token":"x"`},
		{"token as password", token, `"user":"a","pass":"secret"`},
		{"another's password", many, `"user":"c","pass":"b"`},
		{"by another way than allowed", many, `"user":"ws","pass":"e"`},
		{"unknown nkey", many, `"nkey":"UAXBGOSNL7WGM4DK23OMBFBF6KLF2P6YCQQD5UZW4WJIQFCYPCTEPS3M","sig":"eA"`},
	} {
		refused = append(refused, exchange{name: tc.name, config: tc.config, connect: "-", send: "CONNECT {" + tc.fields + "}\r\n", want: violation, closed: true})
	}
	runExchanges(t, refused)
}

// nkeyUser makes a user nkey: the public key and what signs.
func nkeyUser(t *testing.T) (public string, pair nkeys.KeyPair) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return public, pair
}

func sign(t *testing.T, pair nkeys.KeyPair, nonce string) []byte {
	t.Helper()
	sig, err := pair.Sign([]byte(nonce))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// A client with an nkey signs the nonce of its own connection.
func TestNkey(t *testing.T) {
	public, pair := nkeyUser(t)
	config := fmt.Sprintf("authorization { users: [{nkey: %s, permissions: {publish: ok}}] }", public)
	violation := "-ERR 'Authorization Violation'\r\n"
	for _, tc := range []struct {
		name   string
		sig    func(nonce, other string) string
		refuse bool
	}{
		{name: "raw URL base64", sig: func(n, _ string) string { return base64.RawURLEncoding.EncodeToString(sign(t, pair, n)) }},
		{name: "standard base64", sig: func(n, _ string) string { return base64.StdEncoding.EncodeToString(sign(t, pair, n)) }},
		{name: "the nonce of another connection", sig: func(_, o string) string { return base64.RawURLEncoding.EncodeToString(sign(t, pair, o)) }, refuse: true},
		{name: "no signature", sig: func(_, _ string) string { return "" }, refuse: true},
		{name: "no base64", sig: func(_, _ string) string { return "!!" }, refuse: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, config, func(s *site) {
				other := s.dial().wantInfo().text("nonce")
				p := s.dial()
				nonce := p.wantInfo().text("nonce")
				raw, err := base64.RawURLEncoding.DecodeString(nonce)
				if len(nonce) != 15 || len(raw) != 11 || err != nil || nonce == other {
					t.Errorf("nonces %q and %q", nonce, other)
				}
				p.sendf(`%s,"nkey":%q,"sig":%q}`+"\r\n", quiet, public, tc.sig(nonce, other))
				if tc.refuse {
					p.want(violation)
					p.wantClosed()
					return
				}
				p.pub("no", "")
				p.wantErr(`Permissions Violation for Publish to "no"`)
				p.ping()
			})
		})
	}
}

// Where a proxy is required, CONNECT carries the signature of a trusted one.
func TestTrustedProxy(t *testing.T) {
	key, pair := nkeyUser(t)
	stranger, strangerPair := nkeyUser(t) // nobody trusts it
	config := fmt.Sprintf(`
		proxies { trusted: [{key: %s}] }
		authorization { users: [{user: a, password: a, proxy_required: true}, {user: b, password: b}] }`, key)
	for _, tc := range []struct {
		name, user string
		by         nkeys.KeyPair
		ok         bool
	}{
		{"required and signed", "a", pair, true},
		{"required and not signed", "a", nil, false},
		{"required and signed by a stranger", "a", strangerPair, false},
		{"not required", "b", nil, true},
		{"not required and signed", "b", pair, true},
		{"not required and signed by a stranger", "b", strangerPair, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, config, func(s *site) {
				p := s.dial()
				nonce := p.wantInfo().text("nonce")
				sig := ""
				if tc.by != nil {
					sig = base64.RawURLEncoding.EncodeToString(sign(t, tc.by, nonce))
				}
				p.sendf(`%s,%s,"proxy_sig":%q}`+"\r\n", quiet, as(tc.user), sig)
				if tc.ok {
					p.ping()
					return
				}
				p.wantErr("Authorization Violation")
				p.wantClosed()
			})
		})
	}
	t.Run("the key goes", func(t *testing.T) {
		script(t, config, func(s *site) {
			through, direct := s.dial(), s.connect(as("b"))
			nonce := through.wantInfo().text("nonce")
			through.sendf(`%s,%s,"proxy_sig":%q}`+"\r\n", quiet, as("a"), base64.RawURLEncoding.EncodeToString(sign(t, pair, nonce)))
			through.ping()
			s.reload(strings.Replace(config, key, stranger, 1))
			if got, end := through.settle(); end == nil {
				t.Errorf("got %q, want the connection closed", got)
			}
			direct.ping()
		})
	})
}

// A second CONNECT starts over: other credentials, other manners, and no
// subscriptions.
func TestSecondConnect(t *testing.T) {
	const config = `accounts {
		A { users: [{user: a, password: a}], limits { max_connections: 1 } }
		B { users: [{user: b, password: b, permissions: {publish: {deny: "no"}}}] }
	}`
	script(t, config, func(s *site) {
		p, inA := s.connect(as("a")), s.greeted()
		p.send("SUB x 1\r\nSUB y 2\r\n")
		p.ping()
		inA.sendf("%s,%s}\r\n", quiet, as("a"))
		inA.wantErr("maximum account active connections exceeded")
		inA.wantClosed()

		p.sendf("CONNECT {\"pedantic\":false,%s}\r\n", as("b"))
		p.want("+OK\r\n")
		again := s.connect(as("a")) // there is room again
		again.send("PUB x 0\r\n\r\n")
		again.ping()
		p.send(lines("PUB no 0", "", "PUB x 0", "", "SUB x 1", "PUB x 0", "", "PUB y 0", ""))
		p.wantOnly(lines(`-ERR 'Permissions Violation for Publish to "no"'`, "+OK", "+OK", "+OK", "MSG x 1 0", "", "+OK"))

		p.send("CONNECT {\"user\":\"b\",\"pass\":\"x\"}\r\nSUB z 9\r\n")
		p.wantErr("Authorization Violation")
		p.wantClosed()
	})
}

// A client may take as long as it likes to say something where nobody asks who
// it is, and not longer than the timeout where that is asked.
func TestAuthenticationTimeout(t *testing.T) {
	const users = "users: [{user: a, password: a}]"
	for _, tc := range []struct {
		name, config string
		after        time.Duration // 0 is never
	}{
		{"nobody asks", "port: 4222", 0},
		{"the default", "authorization { " + users + " }", 2 * second},
		{"configured", "authorization { timeout: 0.5, " + users + " }", second / 2},
		{"anybody", "authorization { " + users + " }\nno_auth_user: a", 0},
		{"only the system account has users", "accounts { $SYS { " + users + " } }", 2 * second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.config, func(s *site) {
				p := s.greeted()
				if tc.after == 0 {
					time.Sleep(time.Minute)
					p.wantIdle()
					return
				}
				time.Sleep(tc.after - time.Millisecond)
				p.wantIdle()
				time.Sleep(time.Millisecond)
				p.wantErr("Authentication Timeout")
				p.wantClosed()
				if !strings.Contains(s.log(), "authentication timeout") {
					t.Error("nothing is logged")
				}
			})
		})
	}
	t.Run("not after CONNECT", func(t *testing.T) {
		script(t, "authorization { "+users+" }", func(s *site) {
			p := s.connect(as("a"))
			time.Sleep(2*second - time.Millisecond)
			p.wantIdle()
		})
	})
}

// Secrets that clients send stay out of the log, also when that shows all else.
func TestSecretsAreNotLogged(t *testing.T) {
	script(t, "trace: true\ndebug: true\nauthorization { user: a, password: right }", func(s *site) {
		s.connect(`"user":"a","pass":"right"`, `"auth_token":"s3cret"`, `"sig":"s3cret"`, `"proxy_sig":"s3cret"`, `"name":"shown"`)
		p := s.greeted()
		p.send(`CONNECT {"user":"a","pass":"s3cret","nkey":"s3cret","jwt":"eyJ0"}` + "\r\n")
		p.wantErr("Authorization Violation")
		for _, mistyped := range []string{"CONNEKT {", "CONNECTED{", "CONNECT!{", "CONNECT {x", "CONNECT {{"} {
			p := s.greeted()
			p.send(mistyped + `"pass":"s3cret"}` + "\r\n")
		}
		log := s.log()
		if strings.Contains(log, "s3cret") || strings.Contains(log, "right") {
			t.Errorf("secrets in the log:\n%s", log)
		}
		for _, want := range []string{"[REDACTED]", "shown", "<<- [PING]", "->> [PONG]"} {
			if !strings.Contains(log, want) {
				t.Errorf("no %q in the log:\n%s", want, log)
			}
		}
	})
}

// What of the protocol is logged, if that is asked for.
func TestTraceLog(t *testing.T) {
	const accounts = "\naccounts { S { users: [{user: s, password: s}] }, A { users: [{user: a, password: a}] } }\nsystem_account: S"
	for _, tc := range []struct {
		name, config, user string
		shown, hidden      []string
	}{
		{"nothing", "debug: true", "a", nil, []string{"<<-", "->>"}},
		{"all", "trace: true", "a", []string{"<<- [SUB a 1]", "<<- [PUB a r 10]", `MSG_PAYLOAD: ["0123456789"]`, "<<- [HPUB b 18 22]", "->> [PONG]", "->> [+OK]", "->> [-ERR 'Invalid Subject']"}, nil},
		{"the beginning of payloads", "trace: true\nmax_traced_msg_len: 4", "a", []string{`MSG_PAYLOAD: ["0123"...]`}, []string{"01234"}},
		{"headers", "trace_headers: true", "a", []string{`MSG_PAYLOAD: ["NATS/1.0\r\nK: v"]`}, []string{"0123", "tail"}},
		{"not of the system account", "trace: true", "s", nil, []string{"SUB a", "MSG_PAYLOAD", "PONG"}},
		{"of the system account, too", "trace_verbose: true", "s", []string{"<<- [SUB a 1]", `MSG_PAYLOAD: ["0123456789"]`, "->> [PONG]"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.config+accounts, func(s *site) {
				p := s.greeted()
				p.sendf(`CONNECT {"headers":true,%s}`+"\r\n", as(tc.user))
				p.send(lines("SUB a 1", "PUB a r 10", "0123456789", "SUB . 2") + "HPUB " + hmsg("b", "tail", "K: v") + "PING\r\n")
				log := s.log()
				for _, text := range tc.shown {
					if !strings.Contains(log, text) {
						t.Errorf("no %q in the log:\n%s", text, log)
					}
				}
				for _, text := range tc.hidden {
					if strings.Contains(log, text) {
						t.Errorf("%q in the log:\n%s", text, log)
					}
				}
			})
		})
	}
}
