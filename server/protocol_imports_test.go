package server_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// shop is a configuration of an account that exports, with what is given, and one that
// imports.
func shop(exports, imports string) string {
	return `accounts {
		SHOP { users: [{user: shop, password: shop}], exports: [` + exports + `] }
		CLIENT { users: [{user: client, password: client}, {user: guest, password: guest, permissions: {
			publish: {deny: "buy.secret"}, subscribe: {deny: "news.secret"}
		}}], imports: [` + imports + `] }
	}`
}

// wantReply takes a request and returns where the answer goes. The line may have one %s
// for that.
func (p *peer) wantReply(text string) string {
	p.t.Helper()
	got := p.mustGet()
	m := regexp.MustCompile(`_R_\.\w{6}\.\w{6}`).FindString(got)
	if m == "" {
		p.t.Fatalf("got %s, want a request", brief(got))
	}
	p.want(strings.ReplaceAll(text, "%s", m))
	return m
}

// Requests and answers over accounts, as they are on the wire.
func TestServiceImport(t *testing.T) {
	config := shop(`{service: "buy.*"}, {service: told}, {service: many, response: stream}`,
		`{service: {account: SHOP, subject: "buy.*"}}, {service: {account: SHOP, subject: told}, share: true}, {service: {account: SHOP, subject: many}, to: "all.of.it"}`)
	script(t, config, func(s *site) {
		server := s.connect(as("shop"), `"headers":true,"no_responders":true`)
		client := s.connect(as("client"), `"headers":true,"no_responders":true,"name":"c","lang":"script","version":"7"`)
		client.send("SUB in.* 1\r\n")
		client.ping()
		client.send(lines("PUB buy.tea in.1 3", "two"))
		client.wantOnly("HMSG in.1 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: buy.tea\r\n\r\n\r\n")

		server.send(lines("SUB buy.* 5", "SUB told 6", "SUB many 7"))
		server.ping()
		client.send(lines("PUB buy.tea in.1 3", "two"))
		to := server.wantReply("HMSG buy.tea 5 %s 49 52\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"CLIENT\"}\r\n\r\ntwo\r\n")
		server.send(lines("PUB "+to+" 2", "ok", "PUB "+to+" 5", "again"))
		client.wantOnly(lines("MSG in.1 1 2", "ok"))

		client.hpub("told in.2", "x", "Nats-Request-Info: fake")
		got := server.wantMsg()
		_, text, _ := strings.Cut(got.header, "Nats-Request-Info: ")
		var who map[string]any
		if err := json.Unmarshal([]byte(strings.TrimSpace(text)), &who); err != nil {
			t.Fatalf("%q: %v", got.header, err)
		}
		for key, want := range map[string]any{
			"acc": "CLIENT", "user": "client", "name": "c", "lang": "script", "ver": "7", "host": "10.0.0.2",
			"server": "test", "kind": "Client", "client_type": "nats",
		} {
			if who[key] != want {
				t.Errorf("%s is %v, want %v", key, who[key], want)
			}
		}

		client.send(lines("PUB all.of.it in.3 0", ""))
		to = server.wantReply("HMSG many 7 %s 49 49\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"CLIENT\"}\r\n\r\n\r\n")
		server.send(lines("PUB "+to+" 1", "1", "PUB "+to+" 1", "2", "PUB "+to+" 0", "", "PUB "+to+" 1", "3"))
		client.wantOnly(lines("MSG in.3 1 1", "1", "MSG in.3 1 1", "2", "MSG in.3 1 0", ""))

		guest := s.connect(as("guest"))
		guest.send(lines("PUB buy.secret 0", ""))
		guest.wantOnly(denyPub("buy.secret"))
		server.wantIdle()
		// Nobody may use the subjects of answers for himself.
		client.send(lines("PUB buy.tea "+to+" 0", ""))
		client.wantErr(`Permissions Violation for Publish with Reply of "` + to + `"`)
	})
}

// A response is mapped to permissions like any: who may answer may answer there.
func TestServiceImportAndAllowedResponses(t *testing.T) {
	config := `accounts {
		SHOP { users: [{user: shop, password: shop, permissions: {subscribe: ">", allow_responses: true}}], exports: [{service: buy}] }
		CLIENT { users: [{user: client, password: client}], imports: [{service: {account: SHOP, subject: buy}}] }
	}`
	script(t, config, func(s *site) {
		server, client := s.connect(as("shop")), s.connect(as("client"))
		server.send("SUB buy 1\r\n")
		server.ping()
		client.send(lines("SUB in 1", "PUB buy in 0", ""))
		client.ping()
		to := server.wantReply("MSG buy 1 %s 0\r\n\r\n")
		server.send(lines("PUB "+to+" 2", "ok", "PUB "+to+" 2", "no"))
		client.wantOnly(lines("MSG in 1 2", "ok"))
		server.wantOnly(denyPub(to))
	})
}

func TestStreamImport(t *testing.T) {
	config := shop(`{stream: "news.>"}, {stream: "price.*.*"}`,
		`{stream: {account: SHOP, subject: "news.>"}}, {stream: {account: SHOP, subject: "price.*.*"}, to: "cost.$2.$1"}`)
	script(t, config, func(s *site) {
		server, client, guest := s.connect(as("shop")), s.connect(as("client")), s.connect(as("guest"))
		client.send(lines("SUB news.* 1", "SUB > 2", "SUB cost.eur.* 3", "UNSUB 1 2"))
		client.ping()
		guest.send("SUB news.> 4\r\n")
		guest.ping()
		server.send(lines("PUB news.a 1", "1", "PUB news.secret 1", "2", "PUB price.tea.eur 1", "3", "PUB other 1", "4"))
		server.ping()
		got := client.mustGet()
		client.take(len(got))
		for _, want := range []string{
			"MSG news.a 1 1\r\n1\r\n", "MSG news.a 2 1\r\n1\r\n", "MSG news.secret 1 1\r\n2\r\n", "MSG news.secret 2 1\r\n2\r\n",
			"MSG cost.eur.tea 2 1\r\n3\r\n", "MSG cost.eur.tea 3 1\r\n3\r\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%q has no %q", got, want)
			}
		}
		if n := strings.Count(got, "MSG"); n != 6 {
			t.Errorf("%d messages: %q", n, got)
		}
		guest.wantOnly(lines("MSG news.a 4 1", "1"))
		// A maximum is one, wherever messages come from.
		server.send(lines("PUB news.b 1", "5"))
		client.wantOnly(lines("MSG news.b 2 1", "5"))
		// An importer's own messages stay at home.
		client.send(lines("UNSUB 2", "PUB news.mine 0", ""))
		client.ping()
		guest.want(lines("MSG news.b 4 1", "5", "MSG news.mine 4 0", ""))
		client.close()
		guest.close()
		before := s.srv.NumSubscriptions()
		server.send("SUB x 1\r\n")
		server.ping()
		if n := s.srv.NumSubscriptions(); n != before+1 {
			t.Errorf("%d subscriptions, then %d", before, n)
		}
	})
}

// New exports and imports are in force at once for those who are connected; requests
// under way are still answered.
func TestReloadImports(t *testing.T) {
	const exports = `{stream: "news.>"}, {service: buy}`
	none := shop(exports, "")
	some := shop(exports, `{stream: {account: SHOP, subject: "news.>"}, prefix: from}, {service: {account: SHOP, subject: buy}, to: order}`)
	others := shop(exports, `{stream: {account: SHOP, subject: "news.>"}, prefix: of}, {service: {account: SHOP, subject: buy}, to: get}`)
	script(t, none, func(s *site) {
		server, client := s.connect(as("shop")), s.connect(as("client"))
		client.send(lines("SUB *.news.* 1", "SUB in 2"))
		client.ping()
		server.send("SUB buy 1\r\n")
		server.ping()
		try := func(what, prefix, service string) (reply string) {
			t.Helper()
			server.send(lines("PUB news.a 1", "x"))
			server.ping()
			if prefix != "" {
				client.want(lines("MSG "+prefix+".news.a 1 1", "x"))
			}
			client.send(lines("PUB order in 0", "", "PUB get in 0", ""))
			client.ping()
			if service != "" {
				reply = server.wantReply("MSG buy 1 %s 0\r\n\r\n")
			}
			server.wantIdle()
			return reply
		}
		try("before", "", "")
		s.reload(some)
		reply := try("imported", "from", "order")
		s.reload(others)
		server.send(lines("PUB "+reply+" 4", "late"))
		client.want(lines("MSG in 2 4", "late"))
		try("changed", "of", "get")
		subs := s.srv.NumSubscriptions()
		s.reload(others + "\nmax_payload: 1000")
		if n := s.srv.NumSubscriptions(); n != subs {
			t.Errorf("%d subscriptions, %d after a reload of something else", subs, n)
		}
		s.reload(none)
		try("gone", "", "")
		// The importer may go, and what it has imported with it.
		s.reload(others)
		s.reload(`accounts { SHOP { users: [{user: shop, password: shop}], exports: [` + exports + `] } }`)
		client.wantClosed()
		server.send(lines("PUB news.a 1", "x"))
		server.ping()
		s.reload(some)
		server.ping()
		s.configure(shop("", `{stream: {account: SHOP, subject: "news.>"}}`))
		if err := s.srv.Reload(); err == nil || !strings.Contains(err.Error(), `Error adding stream import "news.>": stream import not authorized`) {
			t.Errorf("an import of what is not exported: %v", err)
		}
	})
}

// Messages are neither lost nor doubled while imports change that are not theirs.
func TestReloadImportsUnderTraffic(t *testing.T) {
	const stays = `{stream: {account: SHOP, subject: "news.>"}}`
	one := shop(`{stream: "news.>"}, {stream: other}`, stays)
	two := shop(`{stream: "news.>"}, {stream: other}`, stays+`, {stream: {account: SHOP, subject: other}}`)
	script(t, one, func(s *site) {
		const n = 3000
		pub, sub := s.connect(as("shop")), s.connect(as("client"))
		sub.send("SUB > 1\r\n")
		sub.ping()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range n {
				pub.send("PUB news.x 0\r\n\r\n")
			}
		}()
		for range 10 {
			s.reload(two)
			s.reload(one)
		}
		<-done
		sub.wantOnly(strings.Repeat(lines("MSG news.x 1 0", ""), n))
	})
}

// What becomes of requests is published where the exporter wants to know.
func TestServiceLatency(t *testing.T) {
	config := shop(`{service: buy, threshold: 1s, latency: {subject: took, sampling: 100}}`, `{service: {account: SHOP, subject: buy}}`)
	script(t, config, func(s *site) {
		server, client := s.connect(as("shop")), s.connect(as("client"))
		server.send(lines("SUB buy 1", "SUB took 2"))
		server.ping()
		client.send(lines("SUB in 1", "PUB buy in 0", ""))
		client.ping()
		to := server.wantReply("MSG buy 1 %s 0\r\n\r\n")
		time.Sleep(second / 4)
		server.send(lines("PUB "+to+" 2", "ok"))
		var l struct {
			Type, ID, Description string
			Status                int
			Requestor, Responder  map[string]any
			Service, Total        time.Duration
		}
		read := func() {
			t.Helper()
			m := server.wantMsg()
			l.Description = ""
			if err := json.Unmarshal([]byte(m.payload), &l); err != nil || m.subject != "took" {
				t.Fatalf("%+v: %v", m, err)
			}
		}
		read()
		if l.Type != "io.nats.server.metric.v1.service_latency" || len(l.ID) != 22 || l.Status != 200 ||
			l.Requestor["acc"] != "CLIENT" || l.Responder["user"] != "shop" || l.Service != second/4 || l.Total != second/4 {
			t.Errorf("%+v", l)
		}
		client.want(lines("MSG in 1 2", "ok"))
		client.send(lines("PUB buy in 0", ""))
		server.wantReply("MSG buy 1 %s 0\r\n\r\n")
		time.Sleep(second)
		if read(); l.Status != 504 || l.Description != "Service Timeout" {
			t.Errorf("%+v", l)
		}
		client.send(lines("PUB buy in 0", ""))
		server.wantReply("MSG buy 1 %s 0\r\n\r\n")
		client.close()
		if read(); l.Status != 408 {
			t.Errorf("%+v", l)
		}
	})
}

// A trace follows a message into another account where that is allowed.
func TestTraceOfImports(t *testing.T) {
	config := shop(`{stream: "news.>"}, {service: buy, allow_trace: true}`, `{stream: {account: SHOP, subject: "news.>"}, prefix: from, allow_trace: true}, {service: {account: SHOP, subject: buy}, to: order}`)
	script(t, config, func(s *site) {
		server := s.connect(as("shop"), `"headers":true,"name":"server"`)
		client := s.connect(as("client"), `"headers":true,"name":"client"`)
		server.send(lines("SUB buy 1", "SUB trace 2"))
		server.ping()
		client.send(lines("SUB from.> 1", "SUB trace 2"))
		client.ping()
		for _, tc := range []struct {
			from, to      *peer
			subject, want string
		}{
			{server, client, "news.a", "type=in acc=SHOP subj=news.a name=server\ntype=se acc=CLIENT to=from.news.a\ntype=eg acc=CLIENT name=client sub=from.>\n"},
			{client, server, "order", "type=in acc=CLIENT subj=order name=client\ntype=si acc=SHOP to=buy\ntype=eg acc=SHOP name=server sub=buy\n"},
		} {
			tc.from.hpub(tc.subject, "x", "Nats-Trace-Dest: trace")
			tc.to.wantMsg()
			var tr trace
			if err := json.Unmarshal([]byte(tc.from.wantMsg().payload), &tr); err != nil {
				t.Fatal(err)
			}
			if got := tr.summary(); got != tc.want {
				t.Errorf("%s:\n%swant\n%s", tc.subject, got, tc.want)
			}
		}
	})
}
