package transport

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

func TestComplaints(t *testing.T) {
	var c complaints
	refused := errors.New("dial tcp 10.0.0.1:40123: connection refused")
	for _, tt := range []struct {
		at    time.Duration
		about string
		err   error
		want  bool
	}{
		{1, "to a", refused, true},
		{2, "to a", refused, false},
		{3, "to a", errors.New("dial tcp 10.0.0.1:50999: connection refused"), false},
		{4, "to a", errors.New("no route"), true},
		{5, "to a", refused, false},
		{6, "to b", refused, true},
		{7, "to a", &RefusedError{RefusedCluster, "one text"}, true},
		{8, "to a", &RefusedError{RefusedCluster, "another"}, false},
		{9, "to a", fmt.Errorf("wrapped: %w", &RefusedError{RefusedNode, "one text"}), true},
		{time.Hour, "to a", refused, false},
		{time.Hour + 1, "to a", refused, true},
		{time.Hour + 2, "to a", refused, false},
	} {
		if got := c.first(tt.about, tt.err, tt.at); got != tt.want {
			t.Errorf("at %v, %q %q: %v", tt.at, tt.about, tt.err, got)
		}
	}
	c.settle("to a")
	if !c.first("to a", refused, time.Hour+3) || c.first("to b", refused, time.Hour) {
		t.Error("what is settled is that of somebody else")
	}

	told := 0
	for i := range 2 * maxComplaints {
		if c.first(fmt.Sprint("many ", i), refused, time.Hour+4) {
			told++
		}
	}
	if len(c.told) != maxComplaints || told < maxComplaints-10 || told > maxComplaints {
		t.Errorf("of many %d are remembered, and %d told", len(c.told), told)
	}
	if !c.first("another", refused, 2*time.Hour+4) || len(c.told) > 2 {
		t.Errorf("an hour later %d are remembered", len(c.told))
	}
}

// Two servers that do not agree try it again for hours, and tell so once in each.
func TestRefusalsAreToldOnce(t *testing.T) {
	for _, tt := range []struct {
		name         string
		change       func(*Config)
		reason       Reason
		said, logged string
	}{
		{
			"cluster", func(c *Config) { c.Cluster = "west" }, RefusedCluster,
			`refused: server n2 is of cluster "east", not "west"`, `server n2 is of cluster "east", not "west"`,
		},
		{
			"password", func(c *Config) { c.Credentials = func(Peer) (string, string) { return "route", "guess" } }, RefusedCredentials,
			"refused: server n2 wants another user or password", "server n2 wants another user or password",
		},
		{
			"name", func(c *Config) { c.Name = "n2" }, RefusedDuplicate,
			"refused: there are two servers of the name n2", "there are two servers of the name n2",
		},
		{
			"address", func(c *Config) {
				c.Book = NewBook()
				if err := c.Book.Set(Peer{2, "two", addrOf(2)}); err != nil {
					panic(err)
				}
			}, RefusedNode, `refused: this is server n2, node 2, not "two", node 2`, `this is server n2, node 2, not "two", node 2`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, log1, log2 := newTCPNetwork(t, Limits{}), &journal{}, &journal{}
				c := n.config(2, nobody)
				c.Logf = log2.printf
				c.Authorize = func(_, password string) bool { return password == "" }
				two := n.startConfig(c)
				defer two.Stop()
				c = n.config(1, nobody)
				c.Logf = log1.printf
				tt.change(&c)
				one := n.startConfig(c)
				defer one.Stop()
				const hours, perHour = 3, 600
				for range hours * perHour {
					for _, class := range classes {
						one.Send(2, class, []byte("x"))
					}
					time.Sleep(time.Hour / perHour)
				}
				if lines := log1.matching("cannot connect to server", tt.said); len(lines) != hours || len(log1.matching()) != hours {
					t.Errorf("who dials tells %q", log1.matching())
				}
				if lines := log2.matching("refused the connection from n1:", tt.logged); len(lines) != hours || len(log2.matching()) != hours {
					t.Errorf("who accepts tells %q", log2.matching())
				}
				out, refused := statsOf(one, 2).Out, two.Refused()
				attempts := out[host.Normal].Failures + out[host.Bulk].Failures
				if attempts < hours*perHour || refused[tt.reason] != attempts || len(refused) != 1 {
					t.Errorf("of %d attempts %v are refused", attempts, refused)
				}
			})
		})
	}
}

// When it has gone well once, what goes wrong afterwards is told.
func TestComplaintsAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log := newTCPNetwork(t, Limits{}), &journal{}
		c := n.config(1, nobody)
		c.Logf = log.printf
		one := n.startConfig(c)
		defer one.Stop()
		for round := 1; round <= 3; round++ {
			for range 100 {
				one.Send(2, host.Normal, []byte("x"))
				time.Sleep(time.Second)
			}
			if lines := log.matching("cannot connect to server n2 (normal)"); len(lines) != round {
				t.Errorf("round %d: %q", round, lines)
			}
			two := n.start(2, nobody)
			insist(t, one, 2, host.Normal, []byte("x"))
			time.Sleep(10 * time.Second)
			two.Stop()
		}
	})
}
