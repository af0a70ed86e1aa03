package proto

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// everything is Info with all fields, and its JSON.
var everything, everythingJSON = Info{
	ServerID: "NID", ServerName: "n1", Version: "2.15.0", Proto: 3, GitCommit: "abc1234", GoVersion: "go1.26",
	Host: "0.0.0.0", Port: 6222, Headers: true, AuthRequired: true, TLSRequired: true, TLSVerify: true, TLSAvailable: true,
	MaxPayload: 1048576, JetStream: true, ClientID: 6, ClientIP: "127.0.0.1", Nonce: "nonce",
	Cluster: "C", ClusterDynamic: true, Domain: "D", ConnectURLs: []string{"a:1", "b:2"}, LameDuck: true,
	ConnectInfo: true, RemoteAccount: "ACC", IsSystem: true, APILevel: 5, XKey: "XKEY",
}, `"server_id":"NID","server_name":"n1","version":"2.15.0","proto":3,"git_commit":"abc1234","go":"go1.26",` +
	`"host":"0.0.0.0","port":6222,"headers":true,"auth_required":true,"tls_required":true,"tls_verify":true,"tls_available":true,` +
	`"max_payload":1048576,"jetstream":true,"client_id":6,"client_ip":"127.0.0.1","nonce":"nonce",` +
	`"cluster":"C","cluster_dynamic":true,"domain":"D","connect_urls":["a:1","b:2"],"ldm":true,` +
	`"connect_info":true,"remote_account":"ACC","acc_is_sys":true,"api_lvl":5,"xkey":"XKEY"`

const nothingJSON = `"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0`

var (
	someImport = &SubjectPermission{Allow: []string{"a", "b.>"}, Deny: []string{"c"}}
	noExport   = &SubjectPermission{Allow: []string{}}
)

// Have INFO and CONNECT of servers the fields of the protocol, leave they out
// those that are to be left out, and are they read as they were written?
func TestPeerJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   interface{ Append(dst []byte) []byte }
		want string
	}{
		{
			"INFO of a route",
			&RouteInfo{
				Info: everything, IP: "nats-route://h:6222/", WSConnectURLs: []string{"w:1"}, Compression: "s2_fast", Import: someImport, Export: noExport,
				OriginCluster: true, OriginUnsub: true, RoutePoolSize: 3, RoutePoolIdx: 2, RouteAccount: "A",
				LeafnodeURLs: []string{"l:7422"}, GatewayURL: "g:7222", GossipMode: 2,
				RouteAccounts: []string{"A", "B"}, RouteCall: 4, NatsLite: 1,
			},
			`INFO {` + everythingJSON + `,"ip":"nats-route://h:6222/","ws_connect_urls":["w:1"],"compression":"s2_fast",` +
				`"import":{"allow":["a","b.\u003e"],"deny":["c"]},"export":{"allow":[]},"lnoc":true,"lnocu":true,` +
				`"route_pool_size":3,"route_pool_idx":2,"route_account":"A","leafnode_urls":["l:7422"],"gateway_url":"g:7222","gossip_mode":2,` +
				`"route_accounts":["A","B"],"route_call":4,"nats_lite":1} `,
		},
		{"INFO of a route, empty", &RouteInfo{}, `INFO {` + nothingJSON + `} `},
		{
			"INFO of a leafnode link",
			&LeafInfo{
				Info: everything, IP: "h:7422", Compression: "off", Import: someImport, Export: noExport,
				InfoOnConnect: true, LeafnodeURLs: []string{"l:7422"}, WSConnectURLs: []string{"w:1"},
			},
			`INFO {` + everythingJSON + `,"ip":"h:7422","compression":"off",` +
				`"import":{"allow":["a","b.\u003e"],"deny":["c"]},"export":{"allow":[]},"info_on_connect":true,"leafnode_urls":["l:7422"],"ws_connect_urls":["w:1"]} `,
		},
		{"INFO of a leafnode link, empty", &LeafInfo{}, `INFO {` + nothingJSON + `} `},
		{
			"CONNECT of a route",
			&RouteConnect{
				Echo: true, Verbose: true, Pedantic: true, User: "u", Pass: "p", TLSRequired: true, Headers: true, Name: "NID",
				Cluster: "C", ClusterDynamic: true, OriginCluster: true, OriginUnsub: true, NatsLite: 1, Lang: "go", Gateway: "G",
			},
			`CONNECT {"echo":true,"verbose":true,"pedantic":true,"user":"u","pass":"p","tls_required":true,"headers":true,"name":"NID",` +
				`"cluster":"C","cluster_dynamic":true,"lnoc":true,"lnocu":true,"nats_lite":1,"lang":"go","gateway":"G"}`,
		},
		{
			"CONNECT of a route, empty", &RouteConnect{},
			`CONNECT {"echo":false,"verbose":false,"pedantic":false,"tls_required":false,"headers":false,"name":"","cluster":""}`,
		},
		{
			"CONNECT of a leafnode link",
			&LeafConnect{
				Version: "2.15.0", NKey: "k", JWT: "j", Sig: "s", User: "u", Pass: "p", Token: "t", ServerID: "NID", Name: "n", Domain: "D",
				Cluster: "C", IsHub: true, Headers: true, JetStream: true, DenyPub: []string{"a"}, Isolate: true, Compression: "off",
				RemoteAccount: "A", Protocol: 3, Lang: "go", Gateway: "G",
			},
			`CONNECT {"version":"2.15.0","nkey":"k","jwt":"j","sig":"s","user":"u","pass":"p","auth_token":"t","server_id":"NID","name":"n",` +
				`"domain":"D","cluster":"C","is_hub":true,"headers":true,"jetstream":true,"deny_pub":["a"],"isolate":true,"compress_mode":"off",` +
				`"remote_account":"A","protocol":3,"lang":"go","gateway":"G"}`,
		},
		{"CONNECT of a leafnode link, empty", &LeafConnect{}, `CONNECT {}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			line := tc.in.Append([]byte(Ping))
			if string(line) != Ping+tc.want+CRLF {
				t.Fatalf("got  %q\nwant %q", line, Ping+tc.want+CRLF)
			}
			var op PeerOp
			p := PeerParser{MaxControlLine: PeerControlLine * 4096}
			line = line[len(Ping):]
			if n, _, err := p.Next(line, &op); n != len(line) || err != nil {
				t.Fatalf("%d of %d bytes are read, %v", n, len(line), err)
			}
			back, err := parseAs(tc.in, op.Args)
			if err != nil || !reflect.DeepEqual(back, tc.in) {
				t.Errorf("comes back as %+v, %v", back, err)
			}
		})
	}
}

// parseAs parses JSON into the type of example.
func parseAs(example any, arg []byte) (any, error) {
	switch example.(type) {
	case *RouteInfo:
		v, err := ParseRouteInfo(arg)
		return &v, err
	case *LeafInfo:
		v, err := ParseLeafInfo(arg)
		return &v, err
	case *RouteConnect:
		v, err := ParseRouteConnect(arg)
		return &v, err
	default:
		v, err := ParseLeafConnect(arg)
		return &v, err
	}
}

// peerTypes are the types that servers send as JSON.
var peerTypes = []interface{ Append(dst []byte) []byte }{&RouteInfo{}, &LeafInfo{}, &RouteConnect{}, &LeafConnect{}}

// Is what was sent by others taken as leniently as CONNECT of clients, and not more so?
func TestPeerJSONStrictness(t *testing.T) {
	for _, tc := range []struct {
		in  string
		bad bool
	}{
		{` {} `, false},
		{`{"color":"red","deep":{"a":[1,2,{}]}}`, false},
		{`{"cluster":null,"headers":null,"import":null,"deny_pub":null}`, false},
		{``, true},
		{`[]`, true},
		{`{"cluster":"C"`, true},
		{`{} {}`, true},
		{`{"cluster":1}`, true},
		{`{"headers":"yes"}`, true},
	} {
		for _, example := range peerTypes {
			back, err := parseAs(example, []byte(tc.in))
			if (err != nil) != tc.bad {
				t.Errorf("%T %q: %v", example, tc.in, err)
			}
			if err == nil && !reflect.DeepEqual(back, example) {
				t.Errorf("%T %q: %+v", example, tc.in, back)
			}
		}
	}
	for _, in := range []string{`{"gossip_mode":256}`, `{"route_pool_size":1.5}`, `{"import":{"allow":"a"}}`, `{"connect_urls":"a"}`} {
		if got, err := ParseRouteInfo([]byte(in)); err == nil {
			t.Errorf("%q is %+v", in, got)
		}
	}
}

// Is the INFO of a server of another make understood?
func TestParseLeafInfoOfOthers(t *testing.T) {
	got, err := ParseLeafInfo([]byte(`{"server_id":"N","server_name":"hub","version":"2.15.2","proto":3,"go":"go1.26","host":"127.0.0.1","port":7422,` +
		`"headers":true,"auth_required":true,"max_payload":1048576,"ip":"127.0.0.1:7422","client_id":6,"nonce":"PZjFBpGup37OLAQ","cluster":"HC",` +
		`"compression":"off","api_lvl":5,"info_on_connect":true,"leafnode_urls":["127.0.0.1:7422"]} `))
	want := LeafInfo{
		Info: Info{
			ServerID: "N", ServerName: "hub", Version: "2.15.2", Proto: 3, GoVersion: "go1.26", Host: "127.0.0.1", Port: 7422, Headers: true,
			AuthRequired: true, MaxPayload: 1048576, ClientID: 6, Nonce: "PZjFBpGup37OLAQ", Cluster: "HC", APILevel: 5,
		},
		IP: "127.0.0.1:7422", Compression: "off", InfoOnConnect: true, LeafnodeURLs: []string{"127.0.0.1:7422"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

// Does what may be exchanged stay the same on its way: everything, nothing, or some?
func TestSubjectPermissionOnItsWay(t *testing.T) {
	for _, tc := range []struct {
		p    *SubjectPermission
		want string
	}{
		{nil, `null`},
		{&SubjectPermission{}, `{}`},
		{&SubjectPermission{Allow: []string{}}, `{"allow":[]}`},
		{&SubjectPermission{Allow: []string{"a"}}, `{"allow":["a"]}`},
		{&SubjectPermission{Deny: []string{"a"}}, `{"deny":["a"]}`},
	} {
		text, err := json.Marshal(tc.p)
		if err != nil || string(text) != tc.want {
			t.Errorf("got %s, %v, want %s", text, err, tc.want)
		}
		var back *SubjectPermission
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, tc.p) {
			t.Errorf("%s comes back as %+v, %v", text, back, err)
		}
	}
}

// Can INFO or CONNECT break the server before anybody is who he says?
func FuzzPeerJSON(f *testing.F) {
	f.Add(`{"server_id":"N","cluster":"C","import":{"allow":["a"],"deny":[]},"route_pool_size":3,"connect_urls":["a"],"gossip_mode":2}`)
	f.Add(`{"user":"u","pass":"p","name":"n","headers":true,"protocol":3,"deny_pub":["a.>"],"lang":"\ud800"}`)
	f.Add(`{"import":{"allow":[]},"export":{}}`)
	f.Add(`{"name":`)
	f.Fuzz(func(t *testing.T, in string) {
		for _, example := range peerTypes {
			first, err := parseAs(example, []byte(in))
			if err != nil {
				continue
			}
			// What was understood is understood the same once it is written down.
			line := string(first.(interface{ Append(dst []byte) []byte }).Append(nil))
			_, arg, _ := strings.Cut(line, " ")
			second, err := parseAs(example, []byte(arg))
			if err != nil {
				t.Fatalf("%T %q: %v", example, line, err)
			}
			if again := string(second.(interface{ Append(dst []byte) []byte }).Append(nil)); again != line {
				t.Errorf("%T %q becomes %q", example, line, again)
			}
		}
	})
}
