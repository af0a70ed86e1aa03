package test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
)

// What monitoring counts is what clients did, to the message and the byte.
func TestMonitoringAgrees(t *testing.T) {
	s := start(t, `
		server_name: watched
		accounts {
			A { users: [ {user: a, password: a} ] }
			B { users: [ {user: b, password: b} ] }
		}
	`)
	base := s.varz(t)
	if base.ServerName != "watched" || !base.AuthRequired || base.Connections != 0 || base.InMsgs != 0 || base.OutMsgs != 0 {
		t.Fatalf("before anything happened: %+v", base)
	}
	publisher := s.connect(t, nats.UserInfo("a", "a"), nats.Name("publisher"))
	reader := s.connect(t, nats.UserInfo("a", "a"), nats.Name("reader"))
	other := s.connect(t, nats.UserInfo("b", "b"), nats.Name("other"))
	one, two := subscribe(t, reader, "data.*"), subscribe(t, reader, "data.>")
	queue, err := reader.QueueSubscribeSync("data.a", "group")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, reader)
	subscribe(t, other, "data.>")

	// Of a hundred messages, half are for three subscriptions and half for two.
	const messages, size = 100, 1000
	for i := range messages {
		m := nats.NewMsg([]string{"data.a", "data.b"}[i%2])
		m.Header.Set("N", "1") // NATS/1.0 CR LF N: 1 CR LF CR LF
		m.Data = make([]byte, size-len("NATS/1.0\r\nN: 1\r\n\r\n"))
		if err := publisher.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		publish(t, publisher, "nowhere", "12345")
	}
	flush(t, publisher)
	for range messages {
		next(t, one)
		next(t, two)
	}
	for range messages / 2 {
		next(t, queue)
	}
	flush(t, reader)

	const deliveries = messages/2*3 + messages/2*2
	v := s.varz(t)
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"connections", int64(v.Connections), 3},
		{"total_connections", int64(v.TotalConnections), 3},
		{"in_msgs", v.InMsgs, messages + 10},
		{"in_bytes", v.InBytes, messages*size + 10*5},
		{"out_msgs", v.OutMsgs, deliveries},
		{"out_bytes", v.OutBytes, deliveries * size},
		{"subscriptions", int64(v.Subscriptions - base.Subscriptions), 4},
	} {
		if c.got != c.want {
			t.Errorf("varz: %s is %d, want %d", c.what, c.got, c.want)
		}
	}

	conns := make(map[string]connInfo)
	for _, c := range s.connz(t, "auth=1&subs=1").Connections {
		conns[c.Name] = c
		if c.Lang != "go" {
			t.Errorf("connz: %s is written in %q", c.Name, c.Lang)
		}
	}
	if len(conns) != 3 {
		t.Errorf("connz shows %v", conns)
	}
	if c := conns["publisher"]; c.InMsgs != messages+10 || c.InBytes != messages*size+10*5 || c.OutMsgs != 0 || c.NumSubs != 0 ||
		c.User != "a" || c.Account != "A" {
		t.Errorf("connz shows the publisher as %+v", c)
	}
	c := conns["reader"]
	slices.Sort(c.Subs)
	if c.InMsgs != 0 || c.OutMsgs != deliveries || c.OutBytes != deliveries*size || c.NumSubs != 3 ||
		!slices.Equal(c.Subs, []string{"data.*", "data.>", "data.a"}) {
		t.Errorf("connz shows the reader as %+v", c)
	}
	if c := conns["other"]; c.OutMsgs != 0 || c.NumSubs != 1 || c.Account != "B" {
		t.Errorf("connz shows the other as %+v", c)
	}
	if got := s.connz(t, "acc=B&auth=1"); got.Total != 1 || got.Connections[0].Name != "other" {
		t.Errorf("connz of account B: %+v", got)
	}
	if got := s.connz(t, "user=a&auth=1&sort=msgs_to&limit=1"); got.Total != 2 || got.Connections[0].Name != "reader" {
		t.Errorf("connz of user a, by messages: %+v", got)
	}

	subs := s.subsz(t, "acc=A&subs=1&test=data.a")
	var found []string
	for _, sub := range subs.Subs {
		found = append(found, fmt.Sprintf("%s/%s/%d/%v", sub.Subject, sub.Queue, sub.Msgs, sub.CID == c.CID))
	}
	slices.Sort(found)
	if want := []string{"data.*//100/true", "data.>//100/true", "data.a/group/50/true"}; !slices.Equal(found, want) {
		t.Errorf("subsz: %v, want %v", found, want)
	}

	reader.Close()
	s.awaitClosed(t, "Client Closed", 1)
	if got := s.connz(t, "state=closed").Connections; got[0].Name != "reader" || got[0].OutMsgs != deliveries {
		t.Errorf("connz shows the closed reader as %+v", got)
	}
	await(t, func() error {
		if v := s.varz(t); v.Connections != 2 || v.Subscriptions != base.Subscriptions+1 {
			return fmt.Errorf("after the reader has gone: %d connections and %d subscriptions", v.Connections, v.Subscriptions)
		}
		return nil
	})
}

// What the system account is told over NATS is what monitoring tells over HTTP.
func TestSystemAccountAgrees(t *testing.T) {
	s := start(t, `
		accounts {
			A { users: [ {user: a, password: a} ] }
			$SYS { users: [ {user: admin, password: admin} ] }
		}
	`)
	a, admin := s.connect(t, nats.UserInfo("a", "a"), nats.Name("ordinary")), s.connect(t, nats.UserInfo("admin", "admin"))
	publish(t, a, "x", "12345")
	flush(t, a)
	answer := func(subject, body string) []byte {
		t.Helper()
		m, err := admin.Request(subject, []byte(body), patience)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		return m.Data
	}
	type reply[T any] struct {
		Server struct{ ID string }
		Data   T
	}
	over := decode[reply[varz]](t, answer("$SYS.REQ.SERVER.PING.VARZ", ""))
	if over.Server.ID != s.ID() || over.Data.Connections != 2 || over.Data.Connections != s.varz(t).Connections {
		t.Errorf("VARZ: %+v", over)
	}
	conns := decode[reply[connz]](t, answer("$SYS.REQ.SERVER."+s.ID()+".CONNZ", `{"auth":true,"acc":"A"}`))
	if c := conns.Data.Connections; len(c) != 1 || c[0].Name != "ordinary" || c[0].InBytes != 5 {
		t.Errorf("CONNZ: %+v", conns)
	}
	statsz := decode[struct {
		Statsz struct {
			Connections int
			Accounts    int `json:"active_accounts"`
		}
	}](t, answer("$SYS.REQ.SERVER.PING", ""))
	if statsz.Statsz.Connections != 2 || statsz.Statsz.Accounts != 2 {
		t.Errorf("STATSZ: %+v", statsz)
	}
	if _, err := a.Request("$SYS.REQ.SERVER.PING.VARZ", nil, patience); err == nil {
		t.Error("an ordinary account is told VARZ")
	}
	if _, account := whoAmI(t, admin); account != "$SYS" {
		t.Errorf("the administrator is in account %q", account)
	}
}

func TestHealth(t *testing.T) {
	s := start(t, "")
	status, body := s.text(t, "/healthz")
	if status != http.StatusOK || body != `{"status":"ok"}` {
		t.Errorf("healthz: %d %s", status, body)
	}
	for path, want := range map[string]int{"/": http.StatusOK, "/varz": http.StatusOK, "/nonsense": http.StatusNotFound, "/connz?state=ajar": http.StatusBadRequest} {
		if got, body := s.text(t, path); got != want {
			t.Errorf("%s: status %d, want %d: %s", path, got, want, body)
		}
	}
}
