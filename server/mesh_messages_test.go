package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clients connects one to each server, with more fields of CONNECT.
func (tw *town) clients(fields ...string) (list []*peer) {
	tw.t.Helper()
	for _, s := range tw.sites {
		list = append(list, s.connect(fields...))
	}
	return list
}

// sub subscribes and lets the others hear of it.
func (p *peer) sub(text string) {
	p.t.Helper()
	p.send("SUB " + text + "\r\n")
	p.ping()
}

// Does a message get to all subscribers on all servers, once and with its headers, and no more
// when they have left?
func TestMeshPublish(t *testing.T) {
	mesh(t, 3, named(""), func(tw *town) {
		c := tw.clients(`"headers":true`)
		for i, p := range c {
			p.sub(fmt.Sprintf("a.* %d", i))
		}
		for _, p := range c {
			p.send("PUB a.x 2\r\nhi\r\n")
			p.hpub("a.y r", "ho", "K: v")
			synctest.Wait()
			for j, q := range c {
				q.wantOnly(fmt.Sprintf("MSG a.x %d 2\r\nhi\r\n", j) + "HMSG a.y " + fmt.Sprint(j) + " r 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nho\r\n")
			}
		}
		c[1].send("UNSUB 1\r\n")
		c[1].ping()
		c[0].pub("a.x", "hi")
		c[1].wantIdle()
		c[2].wantOnly("MSG a.x 2 2\r\nhi\r\n")
	})
}

// Of a queue group a member here is preferred; else a server is drawn by the number of members there.
func TestMeshQueueGroups(t *testing.T) {
	mesh(t, 3, named(""), func(tw *town) {
		c := tw.clients()
		local := tw.sites[0].connect()
		c[1].sub("a q 1")
		for i := range 3 {
			c[2].sub(fmt.Sprintf("a q %d", i+1))
		}
		const n = 400
		for range n {
			c[0].pub("a", "x")
		}
		c[0].ping()
		one, _ := c[1].settle()
		three, _ := c[2].settle()
		got := [2]int{strings.Count(one, "MSG "), strings.Count(three, "MSG ")}
		if got[0]+got[1] != n || got[0] < n/8 || got[0] > n/2 {
			t.Errorf("one member got %d messages, three %d, of %d", got[0], got[1], n)
		}
		c[1].take(len(one))
		c[2].take(len(three))
		local.sub("a q 1")
		for range 20 {
			c[0].pub("a", "x")
		}
		c[0].ping()
		c[1].wantIdle()
		c[2].wantIdle()
		local.want(strings.Repeat("MSG a 1 1\r\nx\r\n", 20))
	})
}

// Is a request answered from another server, at once after the requestor has subscribed, and
// does it learn when nobody is there?
func TestMeshRequests(t *testing.T) {
	mesh(t, 3, named(""), func(tw *town) {
		c := tw.clients(`"headers":true,"no_responders":true`)
		const nobody = "HMSG in.1 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: ask\r\n\r\n\r\n"
		c[0].send("SUB in.* 1\r\nPUB ask in.1 1\r\n?\r\n")
		c[0].wantOnly(nobody)
		c[2].sub("ask 1")
		for i := range 50 {
			c[0].sendf("SUB box.%d %d\r\nPUB ask box.%d 1\r\n?\r\n", i, i+2, i)
			c[2].wantOnly(fmt.Sprintf("MSG ask 1 box.%d 1\r\n?\r\n", i))
			c[2].pub(fmt.Sprintf("box.%d", i), "!")
			c[0].wantOnly(fmt.Sprintf("MSG box.%d %d 1\r\n!\r\n", i, i+2))
		}
		c[2].close()
		c[0].send("PUB ask in.1 1\r\n?\r\n")
		c[0].wantOnly(nobody)
	})
}

// Are accounts apart, and do exports and imports work whatever server somebody is on?
func TestMeshAccounts(t *testing.T) {
	const accounts = `accounts {
		A { users: [{user: a, password: a}], exports: [{stream: "x.>"}, {service: svc}] }
		B { users: [{user: b, password: b}], imports: [{stream: {account: A, subject: "x.>"}, prefix: from}, {service: {account: A, subject: svc}, to: ask}] }
		D { users: [{user: d, password: d}] }
	}
	`
	for _, pool := range []string{"", "pool_size: -1", "accounts: [A, B]", "pool_size: 1"} {
		mesh(t, 3, accounts+named(pool), func(tw *town) {
			a, b, d := tw.clients(as("a")), tw.clients(as("b")), tw.clients(as("d"))
			for i := range 3 {
				b[i].sub("from.x.> 1")
				d[i].sub("> 1")
			}
			for i := range 3 {
				a[i].pub("x.y", "hi")
				synctest.Wait()
				for j := range 3 {
					b[j].wantOnly("MSG from.x.y 1 2\r\nhi\r\n")
					d[j].wantIdle()
				}
			}
			a[2].sub("svc 7")
			for i := range 3 {
				b[i].send("SUB inbox 2\r\nPUB ask inbox 1\r\n?\r\n")
				got, _ := a[2].settle()
				fields := strings.Fields(got)
				if len(fields) < 5 || fields[0] != "MSG" || fields[1] != "svc" || fields[4] != "1" {
					t.Fatalf("%s: the service on server 3 got %q from server %d", pool, got, i+1)
				}
				a[2].take(len(got))
				a[2].pub(fields[3], "!")
				b[i].wantOnly("MSG inbox 2 1\r\n!\r\n")
				b[i].send("UNSUB 2\r\n")
				synctest.Wait()
			}
		})
	}
}

// Does an account that one server learns of later get what others are interested in?
func TestMeshAccountByReload(t *testing.T) {
	const before = `accounts { A { users: [{user: a, password: a}] } }` + "\n"
	const after = `accounts { A { users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }` + "\n"
	mesh(t, 2, before+named("no_advertise: true"), func(tw *town) {
		one, two := tw.sites[0], tw.sites[1]
		two.reload(after + named("no_advertise: true"))
		sub := two.connect(as("b"))
		sub.sub("x 1")
		one.reload(after + named("no_advertise: true"))
		pub := one.connect(as("b"))
		pub.pub("x", "hi")
		sub.wantOnly("MSG x 1 2\r\nhi\r\n")
		// It is gone for a while, and then it is the same again.
		one.reload(before + named("no_advertise: true"))
		pub.wantClosed()
		one.reload(after + named("no_advertise: true"))
		pub = one.connect(as("b"))
		pub.pub("x", "ho")
		sub.wantOnly("MSG x 1 2\r\nho\r\n")
	})
}

// Do messages larger than one server takes from clients pass it by?
func TestMeshPayloads(t *testing.T) {
	mesh(t, 2, "max_payload: INDEX000\n"+named(""), func(tw *town) {
		c := tw.clients()
		c[0].sub("x 1")
		text := strings.Repeat("x", 2000)
		c[1].pub("x", text)
		c[0].wantOnly("MSG x 1 2000\r\n" + text + "\r\n")
		c[0].pub("x", text)
		c[0].wantErr("Maximum Payload Violation")
	})
}

// A publisher that sends and leaves at once loses nothing, nor does a server that is stopped.
func TestMeshLastWords(t *testing.T) {
	mesh(t, 2, named(""), func(tw *town) {
		c := tw.clients()
		c[0].sub("x 1")
		time.Sleep(time.Second)
		for range 100 {
			c[1].pub("x", "hi")
		}
		c[1].ping()
		tw.sites[1].shutdown()
		c[0].wantOnly(strings.Repeat("MSG x 1 2\r\nhi\r\n", 100))
	})
}
