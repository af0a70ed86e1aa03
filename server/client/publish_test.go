package client

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/subject"
)

const quiet = `{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}`

// publishing are the ways to publish that are worth looking at.
var publishing = []struct {
	name    string
	connect string
	perms   *auth.Permissions
	mapping string
	subs    []string // each of a connection of its own
	own     string   // of the publisher
	ops     string
}{
	{name: "nobody listens", ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "one subscriber", subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "many subscribers", subs: []string{"SUB foo.bar 1", "SUB foo.* 1", "SUB > 1", "SUB foo.bar 2"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "queue", subs: []string{"SUB foo.bar q 1", "SUB foo.* q 1", "SUB > q 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "to himself", own: "SUB foo.bar 1", ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "with reply", subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar re.ply 5\r\nhello\r\n"},
	{name: "with headers", subs: []string{"SUB foo.bar 1"}, ops: "HPUB foo.bar 18 23\r\nNATS/1.0\r\nK: v\r\n\r\nhello\r\n"},
	{name: "large", subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar 9000\r\n" + strings.Repeat("x", 9000) + "\r\n"},
	{name: "pedantic", connect: `{"verbose":false}`, subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "verbose", connect: `{}`, subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "permissions", perms: &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"foo.*", "x"}, Deny: []string{"foo.no"}}}, subs: []string{"SUB foo.bar 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "mapped", mapping: "foo.*", subs: []string{"SUB mapped.bar 1"}, ops: "PUB foo.bar 5\r\nhello\r\n"},
	{name: "no responders", own: "SUB r 1", ops: "PUB foo.bar r 5\r\nhello\r\n"},
	{name: "several subjects", subs: []string{"SUB > 1"}, ops: "PUB foo.bar 5\r\nhello\r\nPUB a 5\r\nhello\r\nPUB b.c.d.e 5\r\nhello\r\n"},
}

// publisher makes the n-th of them: what works off a chunk of messages and waits
// until they are written.
func publisher(tb testing.TB, n int) (work func()) {
	tb.Helper()
	p := publishing[n]
	connect := quiet
	if p.connect != "" {
		connect = p.connect
	}
	h := newHost(tb)
	if p.perms != nil {
		h = newHost(tb, &auth.User{Username: "u", Password: "u", Permissions: p.perms}, &auth.User{Username: "v", Password: "v"})
	}
	as := func(connect, user string) string {
		return strings.TrimSuffix(connect, "}") + fmt.Sprintf(`,"user":%q,"pass":%q}`, user, user)
	}
	if connect == "{}" {
		connect = `{"name":"x"}`
	}
	if p.mapping != "" {
		m, err := subject.NewMapper([]subject.Mapping{{Source: p.mapping, Destinations: []subject.MapDestination{{Subject: "mapped.$1", Weight: 100}}}}, "")
		if err != nil {
			tb.Fatal(err)
		}
		h.accounts[account.GlobalName].Configure(account.NoLimits, m, nil)
	}
	c := h.client(tb, as(connect, "u"))
	receivers := []*Client{c}
	for _, sub := range p.subs {
		r := h.client(tb, as(quiet, "v"))
		r.feed(tb, sub+"\r\n")
		receivers = append(receivers, r)
	}
	if p.own != "" {
		c.feed(tb, p.own+"\r\n")
	}
	chunk := []byte(strings.Repeat(p.ops, count(p.ops)))
	return func() {
		if n, _, _ := c.Consume(chunk); n != len(chunk) {
			tb.Fatalf("%d of %d bytes are worked off", n, len(chunk))
		}
		for _, r := range receivers {
			for r.conn.Pending() > 0 {
				runtime.Gosched()
			}
		}
	}
}

// count is how often ops are in a chunk: as often as in one read of a busy
// connection, about.
func count(ops string) int { return max(1, min(64, 32<<10/len(ops))) }

// Publishing allocates nothing for subjects that were published to before.
func TestPublishDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes sync.Pool forgetful")
	}
	for n, p := range publishing {
		t.Run(p.name, func(t *testing.T) {
			work := publisher(t, n)
			work()
			// Now and then the pools of buffers are emptied, or a socket is full
			// and a goroutine writes.
			if per := testing.AllocsPerRun(200, work) / float64(count(p.ops)); per >= 0.1 {
				t.Errorf("%.2f allocations for each message", per)
			}
		})
	}
}

// What does a message cost, from the bytes that were read to the socket?
func BenchmarkPublish(b *testing.B) {
	for n, p := range publishing {
		b.Run(p.name, func(b *testing.B) {
			work := publisher(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(p.ops)))
			for i := 0; b.Loop(); i++ {
				if i%count(p.ops) == 0 {
					work()
				}
			}
		})
	}
}
