package client

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
)

// as is the CONNECT of a user whose password is his name.
func as(user string) string {
	return fmt.Sprintf(`{"verbose":false,"pedantic":false,"user":%q,"pass":%q}`, user, user)
}

func user(name, acc string, deny ...string) *auth.User {
	return &auth.User{Username: name, Password: name, Account: acc, Permissions: &auth.Permissions{
		Publish:   &auth.SubjectPermission{Deny: deny},
		Subscribe: &auth.SubjectPermission{Deny: deny},
	}}
}

// A reload that finds out about a client who the client used to be does not make
// it that again.
func TestRecheckLosesAgainstConnect(t *testing.T) {
	h := newHost(t, user("a", "A"), user("b", "B"))
	c := h.client(t, as("a"))
	h.configure(t, user("a", "A", "secret.a"), user("b", "B", "secret.b"))
	h.looked = func() { c.feed(t, "CONNECT "+as("b")+"\r\nSUB x 1\r\n") }
	c.Recheck()
	if id := c.Identity(); id.Name != "b" || c.Account() != h.accounts["B"] {
		t.Errorf("client is %q in %q", id.Name, c.Account().Name())
	}
	if p := c.perms.Load(); p.CanPublish([]byte("secret.b")) || !p.CanPublish([]byte("secret.a")) {
		t.Error("the permissions are not those of the user")
	}
	if n := h.accounts["B"].Interest().Len(); n != 1 {
		t.Errorf("%d subscriptions, want 1", n)
	}
	if a, b := h.accounts["A"].Connections(), h.accounts["B"].Connections(); a != 0 || b != 1 {
		t.Errorf("%d and %d connections in the accounts, want 0 and 1", a, b)
	}
}

// A client that says who it is while the configuration changes is under the new
// one, be it that there was no reload for it, since it was not in yet.
func TestConnectWhileUsersChange(t *testing.T) {
	t.Run("permissions", func(t *testing.T) {
		h := newHost(t, user("a", "A"))
		h.looked = func() { h.configure(t, user("a", "A", "secret")) }
		c := h.client(t, as("a"))
		if c.perms.Load().CanPublish([]byte("secret")) {
			t.Error("the old permissions are in force")
		}
	})
	t.Run("user", func(t *testing.T) {
		h := newHost(t, user("a", "A"))
		h.looked = func() { h.configure(t, user("b", "A")) }
		c := h.client(t, as("a"))
		if r := c.conn.Reason(); r != conn.CredentialsRevoked {
			t.Errorf("closed: %v", r)
		}
		if n := h.accounts["A"].Connections(); n != 0 {
			t.Errorf("%d connections in the account", n)
		}
	})
}

// Of two that check a client, the one with the newer configuration wins.
func TestRecheckByTwo(t *testing.T) {
	h := newHost(t, user("a", "A"))
	c := h.client(t, as("a"))
	h.configure(t, user("a", "A", "older"))
	h.looked = func() {
		h.configure(t, user("a", "A", "newer"))
		c.Recheck()
	}
	c.Recheck()
	if p := c.perms.Load(); !p.CanPublish([]byte("older")) || p.CanPublish([]byte("newer")) {
		t.Error("the older permissions are in force")
	}
}

// Permissions that change while a subscription is being made hold for it.
func TestSubscribeWhilePermissionsChange(t *testing.T) {
	for range 100 {
		h := newHost(t, user("a", "A"))
		c := h.client(t, as("a"))
		h.configure(t, user("a", "A", "secret"))
		var wg sync.WaitGroup
		wg.Go(c.Recheck)
		c.Consume([]byte("SUB secret 1\r\nSUB > 2\r\n"))
		wg.Wait()
		for _, s := range h.accounts["A"].Subscriptions("") {
			if s.Subject == "secret" || !s.Filtered() {
				t.Fatalf("subscription to %q, filtered: %v", s.Subject, s.Filtered())
			}
		}
	}
}

// Whatever a client does while it is closed, it leaves nothing in its account.
func TestNothingIsLeft(t *testing.T) {
	const subs = 40
	for i := range 150 {
		h := newHost(t, user("a", "A"), user("b", "B"))
		c, other := h.client(t, as("a")), h.client(t, as("a"))
		h.configure(t, user("a", "A", "x.1"), user("b", "B"))
		var wg sync.WaitGroup
		wg.Go(func() {
			for k := range subs {
				ops := fmt.Sprintf("SUB x.* %d\r\nUNSUB %d %d\r\nSUB x.1 q %d\r\nUNSUB %d\r\n", k, k, 1+k%3, 100+k, 100+k/2)
				if k == subs/2 && i%3 == 0 {
					ops += "CONNECT " + as("b") + "\r\n"
				}
				c.Consume([]byte(ops))
			}
		})
		wg.Go(func() {
			for range 2 * subs {
				other.Consume([]byte("PUB x.1 0\r\n\r\nPUB x.2 0\r\n\r\n"))
			}
		})
		wg.Go(func() {
			for range 3 {
				c.Recheck()
			}
		})
		wg.Go(func() {
			time.Sleep(rand.N(200 * time.Microsecond))
			c.Disconnect(conn.Kicked, "")
		})
		wg.Wait()
		other.Disconnect(conn.Kicked, "")
		<-c.Done()
		<-other.Done()
		for name, a := range h.accounts {
			if n, k := a.Interest().Len(), a.Connections(); n != 0 || k != 0 {
				t.Fatalf("round %d: %d subscriptions and %d connections are left in %q", i, n, k, name)
			}
		}
	}
}

var _ account.Receiver = (*Client)(nil)
