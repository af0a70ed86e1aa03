package event

import (
	"encoding/json"
	"testing"
	"time"
)

var (
	moment = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

	bareServer = ServerInfo{Name: "one", Host: "0.0.0.0", ID: "NID", Version: "2.15.0", Seq: 7, Time: moment}
	fullServer = ServerInfo{
		Name: "one", Host: "0.0.0.0", ID: "NID", Cluster: "c", Domain: "d", Version: "2.15.0",
		Tags: []string{"eu"}, Metadata: map[string]string{"k": "v"}, FeatureFlags: map[string]bool{"f": true},
		JetStream: true, Flags: 1, Seq: 7, Time: moment,
	}
)

const bareServerJSON = `{"name":"one","host":"0.0.0.0","id":"NID","ver":"2.15.0","jetstream":false,"flags":0,"seq":7,"time":"2026-01-02T03:04:05.006Z"}`

// Are the names and the order of fields those that clients and tools know, and
// is absent what is absent there?
func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		want  string
	}{
		{"server", bareServer, bareServerJSON},
		{
			"server, all fields", fullServer,
			`{"name":"one","host":"0.0.0.0","id":"NID","cluster":"c","domain":"d","ver":"2.15.0","tags":["eu"],` +
				`"metadata":{"k":"v"},"feature_flags":{"f":true},"jetstream":true,"flags":1,"seq":7,"time":"2026-01-02T03:04:05.006Z"}`,
		},
		{
			"reply",
			Reply{Server: &bareServer, Data: map[string]int{"a": 1}},
			`{"server":` + bareServerJSON + `,"data":{"a":1}}`,
		},
		{
			"error reply",
			Reply{Server: &bareServer, Error: &Error{Code: 400, Description: "no"}},
			`{"server":` + bareServerJSON + `,"error":{"code":400,"description":"no"}}`,
		},
		{"client", ClientInfo{}, `{}`},
		{
			"client, all fields",
			ClientInfo{
				Start: &moment, Host: "1.2.3.4", ID: 5, Account: "A", User: "u", Name: "n", Lang: "go", Version: "1.0", RTT: 3,
				Server: "one", Cluster: "c", Kind: "Client", ClientType: "nats",
			},
			`{"start":"2026-01-02T03:04:05.006Z","host":"1.2.3.4","id":5,"acc":"A","user":"u","name":"n","lang":"go","ver":"1.0",` +
				`"rtt":3,"server":"one","cluster":"c","kind":"Client","client_type":"nats"}`,
		},
		{
			"statsz",
			Statsz{Start: moment, Mem: 1, Cores: 2, CPU: 3.5, ActiveServers: 1, MaxProcs: 2},
			`{"start":"2026-01-02T03:04:05.006Z","mem":1,"cores":2,"cpu":3.5,"connections":0,"total_connections":0,` +
				`"active_accounts":0,"subscriptions":0,"sent":{"msgs":0,"bytes":0},"received":{"msgs":0,"bytes":0},` +
				`"slow_consumers":0,"active_servers":1,"gomaxprocs":2}`,
		},
		{
			"statsz, all fields",
			Statsz{
				Start: moment, Mem: 1, Cores: 2, CPU: 3.5, Connections: 3, TotalConnections: 4, ActiveAccounts: 5, Subscriptions: 6,
				Sent: DataStats{7, 8}, SentToClients: &DataStats{9, 10}, Received: DataStats{11, 12}, ReceivedFromClient: &DataStats{13, 14},
				SlowConsumers: 15, StaleConnections: 16, StalledClients: 17, ActiveServers: 18, MemLimit: 19, MaxProcs: 20,
			},
			`{"start":"2026-01-02T03:04:05.006Z","mem":1,"cores":2,"cpu":3.5,"connections":3,"total_connections":4,` +
				`"active_accounts":5,"subscriptions":6,"sent":{"msgs":7,"bytes":8},"sent_to_clients":{"msgs":9,"bytes":10},` +
				`"received":{"msgs":11,"bytes":12},"received_from_clients":{"msgs":13,"bytes":14},"slow_consumers":15,` +
				`"stale_connections":16,"stalled_clients":17,"active_servers":18,"gomemlimit":19,"gomaxprocs":20}`,
		},
		{
			"trace",
			Trace{
				Server:  bareServer,
				Request: TraceRequest{Header: map[string][]string{"A": {"b", "c"}}, Size: 67},
				Events: []any{
					Ingress{Type: "in", Time: moment, Kind: KindClient, CID: 9, Account: "A", Subject: "s"},
					SubjectMapping{Type: "sm", Time: moment, To: "t"},
					Egress{Type: "eg", Time: moment, Kind: KindClient, CID: 9, Sub: "s"},
				},
			},
			`{"server":` + bareServerJSON + `,"request":{"header":{"A":["b","c"]},"msgsize":67},"events":[` +
				`{"type":"in","ts":"2026-01-02T03:04:05.006Z","kind":0,"cid":9,"acc":"A","subj":"s"},` +
				`{"type":"sm","ts":"2026-01-02T03:04:05.006Z","to":"t"},` +
				`{"type":"eg","ts":"2026-01-02T03:04:05.006Z","kind":0,"cid":9,"sub":"s"}]}`,
		},
		{
			"trace, all fields",
			Trace{
				Server: bareServer, Hops: 2,
				Events: []any{
					Ingress{Type: "in", Time: moment, Kind: KindRouter, CID: 9, Name: "n", Account: "A", Subject: "s", Error: "e"},
					Egress{Type: "eg", Time: moment, Kind: KindLeaf, CID: 9, Name: "n", Hop: "1", Sub: "s", Queue: "q", Error: NotNoEcho},
				},
			},
			`{"server":` + bareServerJSON + `,"request":{},"hops":2,"events":[` +
				`{"type":"in","ts":"2026-01-02T03:04:05.006Z","kind":1,"cid":9,"name":"n","acc":"A","subj":"s","error":"e"},` +
				`{"type":"eg","ts":"2026-01-02T03:04:05.006Z","kind":4,"cid":9,"name":"n","hop":"1","sub":"s","queue":"q",` +
				`"error":"Not delivered because of no echo"}]}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := json.Marshal(tc.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
