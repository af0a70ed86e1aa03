package proto

import (
	"encoding/json"
	"strings"
	"testing"
)

// Does INFO have the fields of the protocol, in its order, and leave out those
// that are to be left out?
func TestInfoAppend(t *testing.T) {
	for _, tc := range []struct {
		name string
		info Info
		want string
	}{
		{
			"everything",
			Info{
				ServerID: "NID", ServerName: "n1", Version: "2.15.0", Proto: 1, GitCommit: "abc1234", GoVersion: "go1.26",
				Host: "0.0.0.0", Port: 4222, Headers: true, AuthRequired: true, TLSRequired: true, TLSVerify: true, TLSAvailable: true,
				MaxPayload: 1048576, JetStream: true, ClientID: 18446744073709551615, ClientIP: "127.0.0.1", Nonce: "nonce",
				Cluster: "C", ClusterDynamic: true, Domain: "D", ConnectURLs: []string{"a:1", "b:2"}, LameDuck: true,
				ConnectInfo: true, RemoteAccount: "ACC", IsSystem: true, APILevel: 5, XKey: "XKEY",
			},
			`INFO {"server_id":"NID","server_name":"n1","version":"2.15.0","proto":1,"git_commit":"abc1234","go":"go1.26",` +
				`"host":"0.0.0.0","port":4222,"headers":true,"auth_required":true,"tls_required":true,"tls_verify":true,"tls_available":true,` +
				`"max_payload":1048576,"jetstream":true,"client_id":18446744073709551615,"client_ip":"127.0.0.1","nonce":"nonce",` +
				`"cluster":"C","cluster_dynamic":true,"domain":"D","connect_urls":["a:1","b:2"],"ldm":true,` +
				`"connect_info":true,"remote_account":"ACC","acc_is_sys":true,"api_lvl":5,"xkey":"XKEY"} ` + "\r\n",
		},
		{
			"nothing",
			Info{},
			`INFO {"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0} ` + "\r\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := string(tc.info.Append([]byte("before ")))
			if got != "before "+tc.want {
				t.Errorf("got  %s\nwant before %s", got, tc.want)
			}
			var back Info
			text := strings.TrimPrefix(tc.want, "INFO ")
			if err := json.Unmarshal([]byte(text), &back); err != nil {
				t.Error(err)
			} else if string(back.Append(nil)) != tc.want {
				t.Errorf("comes back as %+v", back)
			}
		})
	}
}

// Has what CONNECT leaves out the values that the protocol gives it, and can
// it be told from what is refused?
func TestParseConnect(t *testing.T) {
	with := func(change func(*Connect)) Connect {
		c := DefaultConnect
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name, in string
		want     Connect
		bad      bool
	}{
		{name: "defaults", in: `{}`, want: Connect{Verbose: true, Pedantic: true, Echo: true}},
		{name: "surrounded by blanks", in: " \t{} \t", want: DefaultConnect},
		{name: "unknown fields", in: `{"color":"red","deep":{"a":[1,2,{}]}}`, want: DefaultConnect},
		{
			name: "everything",
			in: `{"verbose":false,"pedantic":false,"echo":false,"tls_required":true,"name":"n","lang":"go","version":"1","protocol":1,` +
				`"headers":true,"no_responders":true,"user":"u","pass":"p","auth_token":"t","jwt":"j","nkey":"k","sig":"s","proxy_sig":"ps",` +
				`"account":"a","new_account":true}`,
			want: Connect{
				TLSRequired: true, Name: "n", Lang: "go", Version: "1", Protocol: 1, Headers: true, NoResponders: true,
				User: "u", Pass: "p", Token: "t", JWT: "j", NKey: "k", Sig: "s", ProxySig: "ps", Account: "a", NewAccount: true,
			},
		},
		{name: "some", in: `{"verbose":false,"user":"u"}`, want: with(func(c *Connect) { c.Verbose, c.User = false, "u" })},
		{name: "null is not there", in: `{"echo":null,"name":null}`, want: DefaultConnect},
		{name: "protocol to be refused", in: `{"protocol":2}`, want: with(func(c *Connect) { c.Protocol = 2 })},
		{name: "nothing", in: ``, bad: true},
		{name: "no object", in: `[]`, bad: true},
		{name: "cut off", in: `{"verbose":true`, bad: true},
		{name: "something behind it", in: `{} {}`, bad: true},
		{name: "wrong type", in: `{"verbose":"yes"}`, bad: true},
		{name: "fraction", in: `{"protocol":1.5}`, bad: true},
		{name: "too large a number", in: `{"protocol":99999999999999999999}`, bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseConnect([]byte(tc.in))
			if (err != nil) != tc.bad {
				t.Fatalf("error is %v", err)
			}
			if err == nil && got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
	if DefaultConnect != (Connect{Verbose: true, Pedantic: true, Echo: true}) {
		t.Errorf("DefaultConnect is now %+v", DefaultConnect)
	}
}

// Can CONNECT break the server before anybody is who he says?
func FuzzParseConnect(f *testing.F) {
	f.Add(`{"verbose":false,"user":"u","pass":"p","protocol":1}`)
	f.Add(`{"name":"\ud800","lang":"\u0000"}`)
	f.Add(`{"verbose":`)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := ParseConnect([]byte(in))
		if err != nil {
			return
		}
		// What was understood is understood the same once it is written down.
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConnect(text); err != nil || again != c {
			t.Errorf("%q is %+v, but %q is %+v, %v", in, c, text, again, err)
		}
	})
}
