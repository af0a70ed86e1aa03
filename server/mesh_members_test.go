package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// wantURLs takes what there is of INFO, of which the last has these connect_urls: while two
// connections are made of which one stays, it may seem as if a server had come and gone.
func (p *peer) wantURLs(urls string) info {
	p.t.Helper()
	i := p.wantInfo()
	for got, _ := p.settle(); got != ""; got, _ = p.settle() {
		if strings.HasPrefix(got, "PING") {
			p.want("PING\r\n")
			continue
		}
		i = p.wantInfo()
	}
	list, _ := i.fields["connect_urls"].([]any)
	if got := strings.Trim(fmt.Sprint(list), "[]"); got != urls {
		p.t.Fatalf("connect_urls are %q, want %q", got, urls)
	}
	return i
}

// Do clients learn of servers that come and go?
func TestMeshConnectURLs(t *testing.T) {
	mesh(t, 3, named("")+"client_advertise: \"hINDEX:INDEX\"\nlame_duck_duration: 40s\nping_interval: 1h\n", func(tw *town) {
		first := tw.sites[0]
		p := first.dial()
		i := p.wantURLs("h1:1 h2:2 h3:3")
		if i.fields["cluster"] != "C" || i.fields["cluster_dynamic"] != nil {
			t.Errorf("the cluster is %v", i.fields["cluster"])
		}
		p.send(quiet + `,"protocol":1}` + "\r\nPING\r\n")
		p.want("PONG\r\n")
		p.wantInfo() // which answers CONNECT

		tw.sites[2].shutdown()
		p.wantURLs("h1:1 h2:2")
		tw.sites[2].start()
		tw.settle()
		p.wantURLs("h1:1 h2:2 h3:3")

		// One that is about to go is none to go to, although it is there.
		q := tw.sites[1].connect()
		go tw.sites[1].srv.LameDuckShutdown()
		synctest.Wait()
		p.wantURLs("h1:1 h3:3")
		q.sub("x 1")
		p.pub("x", "hi")
		q.wantOnly("MSG x 1 2\r\nhi\r\n")
		r := tw.sites[2].dial()
		r.wantURLs("h3:3 h1:1")

		// Those who are there learn that it is, and of the others.
		go first.srv.LameDuckShutdown()
		synctest.Wait()
		if i := p.wantURLs("h3:3"); i.fields["ldm"] != true {
			t.Error("lame duck mode is not announced")
		}
		tw.sites[0].srv.WaitForShutdown()
		tw.sites[1].srv.WaitForShutdown()
	})
}

// Does no_advertise keep clients of all servers from knowing?
func TestMeshNoAdvertise(t *testing.T) {
	mesh(t, 2, "cluster { name: C, "+routed+" }\nclient_advertise: \"hINDEX:INDEX\"\n", func(tw *town) {
		tw.sites[0].dial().wantURLs("h1:1 h2:2")
		second := tw.sites[1]
		second.reload("cluster { name: C, " + routed + ", no_advertise: true }\nclient_advertise: \"h2:2\"\n")
		tw.settle()
		tw.sites[0].dial().wantURLs("h1:1")
		second.dial().wantURLs("")
		second.reload("cluster { name: C, " + routed + " }\nclient_advertise: \"other:5\"\n")
		tw.settle()
		tw.sites[0].dial().wantURLs("h1:1 other:5")
	})
}

// varz is what the server tells of itself.
func (s *site) varz() map[string]any { return s.answer("varz") }

// answer is that of the monitoring port.
func (s *site) answer(path string) map[string]any {
	s.t.Helper()
	var out map[string]any
	s.monitor(path, &out)
	return out
}

// Does monitoring tell of routes what is true?
func TestMeshMonitoring(t *testing.T) {
	const more = "permissions { import: {deny: secret}, export: {allow: \">\"} }"
	mesh(t, 2, "http_port: 8222\n"+named(more), func(tw *town) {
		c := tw.clients()
		c[1].sub("x q 1")
		for range 3 {
			c[0].pub("x", "hello")
		}
		c[1].want(strings.Repeat("MSG x 1 5\r\nhello\r\n", 3))
		v := tw.sites[0].varz()
		block, _ := v["cluster"].(map[string]any)
		if block["name"] != "C" || block["addr"] != "10.0.1.1" || block["cluster_port"] != 6222.0 || block["pool_size"] != 3.0 ||
			fmt.Sprint(block["urls"]) != "[10.0.1.1:6222]" || v["routes"] != 4.0 || v["remotes"] != 1.0 {
			t.Errorf("varz: %v, %v routes, %v remotes", block, v["routes"], v["remotes"])
		}
		if v["in_client_msgs"] != 3.0 || v["out_client_msgs"] != 0.0 || v["out_msgs"].(float64) < 3 {
			t.Errorf("varz counts %v, %v, %v", v["in_client_msgs"], v["out_client_msgs"], v["out_msgs"])
		}
		if v := tw.sites[1].varz(); v["in_msgs"].(float64) < 3 || v["in_client_msgs"] != 0.0 || v["out_client_msgs"] != 3.0 {
			t.Errorf("varz of the other one counts %v, %v, %v", v["in_msgs"], v["in_client_msgs"], v["out_client_msgs"])
		}
		z := tw.sites[0].answer("routez?subs=1")
		routes, _ := z["routes"].([]any)
		if z["server_name"] != "s1" || z["num_routes"] != 4.0 || len(routes) != 4 || fmt.Sprint(z["import"]) != "map[deny:[secret]]" {
			t.Fatalf("routez: %v", z)
		}
		seen, accounts := 0, ""
		for _, r := range routes {
			r := r.(map[string]any)
			if r["remote_name"] != "s2" || r["did_solicit"] != false || r["ip"] != "10.0.1.2" || fmt.Sprint(r["import"]) != "map[deny:[secret]]" {
				t.Errorf("route: %v", r)
			}
			if strings.Contains(fmt.Sprint(r["subscriptions_list"]), " x]") && r["out_msgs"] == 3.0 {
				seen++
			}
			if acc := r["account"]; acc != nil {
				accounts += acc.(string)
			}
		}
		if seen != 1 || accounts != "$SYS" {
			t.Errorf("%d routes have the subscription, those of one account are of %q", seen, accounts)
		}
		dials := tw.sites[1].answer("routez")["routes"].([]any)[0].(map[string]any)
		if dials["did_solicit"] != true || dials["is_configured"] != true || dials["port"] != 6222.0 {
			t.Errorf("who has dialled says %v", dials)
		}
	})
}

// Do all servers answer what is asked of all, and count each other?
func TestMeshSystemRequests(t *testing.T) {
	const users = `accounts { $SYS { users: [{user: s, password: s}] } }` + "\n"
	mesh(t, 3, users+named(""), func(tw *town) {
		p := tw.sites[1].connect(as("s"))
		for _, subject := range []string{"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.ROUTEZ"} {
			p.send("SUB in 1 \r\nPUB " + subject + " in 0\r\n\r\n")
			got, _ := p.settle()
			for _, want := range []string{`"name":"s1"`, `"name":"s2"`, `"name":"s3"`, `"cluster":"C"`} {
				if !strings.Contains(got, want) {
					t.Errorf("%s: there is no %s in %s", subject, want, brief(got))
				}
			}
			if n := strings.Count(got, `"active_servers":3`); strings.HasSuffix(subject, "PING") && n != 3 {
				t.Errorf("%d servers know of three", n)
			}
			p.take(len(got))
			p.send("UNSUB 1\r\n")
		}
	})
}

// Does a reload bring a server in, with another password and certificates, and keep routes
// that it does not concern?
func TestMeshReload(t *testing.T) {
	mesh(t, 2, "cluster { name: C, port: 6222 }\n", func(tw *town) {
		first, second := tw.sites[0], tw.sites[1]
		together := func(want bool) {
			t.Helper()
			tw.settle()
			sub, pub := first.connect(), second.connect()
			sub.sub("x 1")
			pub.pub("x", "hi")
			if got, _ := sub.settle(); (got != "") != want {
				t.Fatalf("together: %v, want %v; the log says %s", got != "", want, second.log())
			}
			sub.close()
			pub.close()
		}
		together(false)
		const auth = ", authorization {user: u, password: p}"
		second.reload("cluster { name: C, " + routed + " }\n")
		together(true)
		second.reload("ping_interval: 5s\ncluster { name: C, " + routed + " }\n")
		if log := first.log(); strings.Count(log, `"s2" is connected`) != 1 || strings.Contains(log, "not connected any more") {
			t.Errorf("the route was made anew: %s", log)
		}
		first.reload("cluster { name: C, port: 6222" + auth + " }\n")
		time.Sleep(time.Minute)
		second.reload("cluster { name: C, " + strings.Replace(routed, "//", "//u:p@", 1) + " }\n")
		together(true)
		second.reload("cluster { name: D, " + routed + auth + " }\n")
		time.Sleep(time.Minute)
		together(false)
		if log := first.log(); !strings.Contains(log, `Rejecting connection, cluster name "D" does not match "C"`) {
			t.Errorf("it does not say why: %s", log)
		}
	})
}

// Do routes use TLS if they are to, and take a new certificate without an end?
func TestMeshTLS(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ours")
	cert := ca.Server(t, "10.0.1.1", "10.0.1.2")
	certFile, keyFile := cert.WriteFiles(t, dir)
	block := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q }", certFile, keyFile, ca.WriteFile(t, dir))
	mesh(t, 2, "http_port: 8222\n"+named(block), func(tw *town) {
		c := tw.clients()
		c[0].sub("x 1")
		c[1].pub("x", "hi")
		time.Sleep(time.Second) // what is encrypted is written by others
		c[0].wantOnly("MSG x 1 2\r\nhi\r\n")
		if block, _ := tw.sites[0].varz()["cluster"].(map[string]any); block["tls_required"] != true || block["tls_cert_not_after"] == nil {
			t.Errorf("varz: %v", block)
		}
		if err := tw.sites[0].srv.Reload(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if log := tw.sites[0].log(); strings.Contains(log, "not connected any more") {
			t.Error("the certificate was read again, and routes were closed")
		}
	})
}

// Are routes compressed if they are to be, and again when that changes?
func TestMeshCompression(t *testing.T) {
	const config = "http_port: 8222\n"
	mesh(t, 2, config+named("compression: on"), func(tw *town) {
		check := func(want string) {
			t.Helper()
			time.Sleep(time.Second)
			route := tw.sites[1].answer("routez")["routes"].([]any)[0].(map[string]any)
			if route["compression"] != want {
				t.Errorf("the mode is %v, want %v", route["compression"], want)
			}
			sub, pub := tw.sites[0].connect(), tw.sites[1].connect()
			sub.sub("x 1")
			pub.pub("x", strings.Repeat("x", 100_000))
			sub.wantOnly("MSG x 1 100000\r\n" + strings.Repeat("x", 100_000) + "\r\n")
			sub.close()
			pub.close()
		}
		check("s2_fast")
		tw.sites[0].reload(config + named("compression: {mode: s2_auto, rtt_thresholds: [10ms, 50ms]}"))
		tw.sites[1].reload(config + named("compression: accept"))
		tw.settle()
		check("s2_auto")
		tw.sites[0].reload(config + named("compression: off"))
		tw.settle()
		check("off")
	})
}

// What a client finds at the port of routes is clear.
func TestMeshClientOnRoutePort(t *testing.T) {
	mesh(t, 1, named(""), func(tw *town) {
		nc, err := tw.sites[0].away.Dial("tcp", "10.0.1.1:6222")
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{t: t, nc: nc}
		p.listen()
		time.Sleep(2 * time.Second)
		p.wantInfo()
		p.send(`CONNECT {"lang":"go"}` + "\r\n")
		p.wantErr("attempted to connect to route port")
		p.wantClosed()
		nc.Close()
	})
}
