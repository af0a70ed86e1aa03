package jetstream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Whoever has an answer finds its request counted and no longer among those that are
// being worked on, however soon it asks.
func TestAnAnsweredRequestIsNotInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		subject := subjectOf(api.OpAccountInfo)
		tenant := r.e.accounts["A"]
		got := make(chan string, 1)
		sub := &account.Subscription{Subject: "ANSWER", Handler: func(*account.Message) {
			got <- fmt.Sprintf("%d counted, %d in flight", tenant.requests.Load(), tenant.inflight.Load())
		}}
		if err := r.acc.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		r.send(subject, "ANSWER", nil)
		if at := <-got; at != "1 counted, 0 in flight" {
			t.Errorf("when the answer came: %s", at)
		}
	})
}

func TestConsumersWithoutNamesAreSeveral(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) {
			// As ids are in earnest: a beginning that they share, and a number.
			c.NewID = func() string { return fmt.Sprintf("PrefixPrefix%010d", ids.Add(1)) }
		})
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		names := make(map[string]bool)
		for range 3 {
			in := must[api.ConsumerInfoResponse](r, "$JS.API.CONSUMER.CREATE.S", &api.CreateConsumerRequest{Stream: "S", Config: api.ConsumerConfig{AckPolicy: api.AckExplicit}})
			names[in.Name] = true
			if len(in.Name) != 8 {
				t.Errorf("name %q", in.Name)
			}
		}
		if n := r.info("S").State.Consumers; n != 3 || len(names) != 3 {
			t.Errorf("%d consumers, with the names %v", n, names)
		}
	})
}

// Tools wait for a client that has gone to be forgotten before they go on.
func TestInfoCountsRequestsThatSomebodyWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for range 2 {
			boxes := []*inbox{r.newInbox(), r.newInbox(), r.newInbox()}
			for _, b := range boxes {
				r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, []byte(`{"batch":1,"expires":60000000000,"idle_heartbeat":15000000000}`))
			}
			if n := r.consumerInfo("S", "C").NumWaiting; n != 3 {
				t.Errorf("%d requests wait", n)
			}
			for i, b := range boxes {
				b.close()
				if n := r.consumerInfo("S", "C").NumWaiting; n != 2-i {
					t.Errorf("%d requests wait when %d of 3 have gone", n, i+1)
				}
			}
		}
	})
}

// Operators have all streams of an account deleted; nobody else has.
func TestAccountPurge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		system := account.New("SYS")
		r := newRig(t, vfs.NewMem(), with(func(c *Config) { c.System = system }))
		defer r.stop()
		for _, name := range []string{"S", "T"} {
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
			r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		}
		if r.send("$JS.API.ACCOUNT.PURGE.A", "R", nil) {
			t.Error("it is anybody's")
		}
		own := r.acc
		r.acc = system
		for _, name := range []string{"A", "A", "nobody"} {
			if !must[api.AccountPurgeResponse](r, "$JS.API.ACCOUNT.PURGE."+name, nil).Initiated {
				t.Error("not initiated")
			}
		}
		if _, err := call[api.SuccessResponse](r, "$JS.API.META.LEADER.STEPDOWN", nil); err == nil || err.ErrCode != api.ErrClusterRequired.ErrCode {
			t.Errorf("%v", err)
		}
		r.acc = own
		synctest.Wait()
		if list := must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil).Streams; len(list) != 0 {
			t.Errorf("%v are left", list)
		}
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"S"}})
		r.store("S", "x")
	})
}

// Who needs a newer server than this one is told so wherever it asks.
func TestRequiredLevel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, AllowDirect: true})
		r.store("s", "x")
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for _, c := range []struct{ subject, body, level, want string }{
			{"$JS.API.INFO", "", "5", `"memory"`},
			{"$JS.API.INFO", "", "6", `"err_code":10185,"description":"JetStream minimum api level required"`},
			{"$JS.API.INFO", "", "x", `"err_code":10185`},
			{"$JS.API.CONSUMER.MSG.NEXT.S.C", "", "6", "NATS/1.0 412 Required Api Level"},
			{"$JS.API.DIRECT.GET.S", `{"seq":1}`, "6", "NATS/1.0 412 Required Api Level"},
			{"$JS.API.CONSUMER.MSG.NEXT.S.C", "", "5", "x"},
			{"s", "y", "6", `"seq":2`},
		} {
			m, ok := r.ask(c.subject, []byte(c.body), "Nats-Required-Api-Level", c.level)
			if got := m.header + m.data; !ok || !strings.Contains(got, c.want) {
				t.Errorf("%s, level %s: %q, want %q", c.subject, c.level, got, c.want)
			}
		}
	})
}

// What is wrong with a request to unpin is said as clients know it.
func TestUnpinRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, PriorityPolicy: api.PriorityPinnedClient, PriorityGroups: []string{"g"}})
		for body, want := range map[string]string{
			"":                      "invalid JSON: unexpected end of JSON input",
			"{}":                    "invalid JSON: consumer group not specified",
			`{"group":"h"}`:         "Provided priority group does not exist for this consumer",
			`{"group":"bad group"}`: "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters",
			`{"group":"g"}`:         "",
		} {
			_, err := call[api.ConsumerUnpinResponse](r, subjectOf(api.OpConsumerUnpin, "S", "C"), []byte(body))
			if err != nil && err.Description != want || err == nil && want != "" {
				t.Errorf("%q: %v, want %q", body, err, want)
			}
		}
	})
}

// The longer form of what messages are acknowledged on names domain and account; the
// shorter one works as before.
func TestLongAcks(t *testing.T) {
	for domain, want := range map[string]string{"": "$JS.ACK._.", "hub": "$JS.ACK.hub."} {
		bubble(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem(), with(func(c *Config) { c.LongAcks, c.Domain = true, domain }))
			defer r.stop()
			r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
			r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
			r.store("s", "1")
			r.store("s", "2")
			list := r.fetch("S", "C", 2)
			want += api.AccountHash("A") + ".S.C.1.1.1."
			if !strings.HasPrefix(list[0].reply, want) {
				t.Fatalf("%s, want %s", list[0].reply, want)
			}
			r.ack(&list[0], "+ACK")
			// A client that was connected before has the shorter one.
			list[1].reply = "$JS.ACK.S.C." + strings.Join(strings.Split(list[1].reply, ".")[6:], ".")
			r.ack(&list[1], "+ACK")
			if floor := r.consumerInfo("S", "C").AckFloor.Stream; floor != 2 {
				t.Errorf("acknowledged up to %d", floor)
			}
			push := r.listen("to")
			r.consume("S", &api.ConsumerConfig{Name: "P", Durable: "P", DeliverSubject: "to", FlowControl: true, Heartbeat: 100 * time.Millisecond, AckPolicy: api.AckFlowControl})
			time.Sleep(3 * time.Second)
			var asked string
			for _, m := range push.all() {
				if strings.HasPrefix(m.header, "NATS/1.0 100 FlowControl") {
					asked = m.reply
				}
			}
			if want := strings.Replace(strings.TrimSuffix(want, "C.1.1.1."), "ACK", "FC", 1) + "P."; !strings.HasPrefix(asked, want) {
				t.Fatalf("flow control on %q, want %s", asked, want)
			}
			r.send(asked, "", nil, "Nats-Last-Consumer", "2", "Nats-Last-Stream", "2")
			if in := r.consumerInfo("S", "P"); in.AckFloor.Stream != 2 {
				t.Errorf("%+v", in)
			}
		})
	}
}
