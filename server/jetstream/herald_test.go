package jetstream

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// news is what an account is told of the cluster.
type news struct {
	at     string
	events chan string
}

// hear listens to advisories in an account of a server.
func (h *house) hear(a *account.Account) *news {
	n := &news{at: fmt.Sprintf("server %d, account %s", h.node, a.Name()), events: make(chan string, 1000)}
	for _, subject := range []string{"$JS.EVENT.ADVISORY.*.LEADER_ELECTED.>", "$JS.EVENT.ADVISORY.DOMAIN.>", "$JS.EVENT.ADVISORY.*.QUORUM_LOST.>", "$JS.EVENT.ADVISORY.SERVER.>"} {
		if err := a.Subscribe(&account.Subscription{Subject: subject, Handler: func(m *account.Message) {
			var e struct {
				api.LeaderElected
				Server string `json:"server"`
			}
			if err := json.Unmarshal(m.Payload(), &e); err != nil {
				h.t.Error(err)
			}
			kind := e.Type[strings.LastIndex(e.Type, ".")+1:]
			n.events <- strings.TrimSpace(strings.Join([]string{
				strings.TrimPrefix(string(m.Subject), "$JS.EVENT.ADVISORY."), kind, e.Account, e.Stream, e.Consumer, e.Leader, e.Server, strings.ReplaceAll(peerNames(e.Replicas), "*", ""),
			}, "/"))
		}}); err != nil {
			h.t.Fatal(err)
		}
	}
	return n
}

// all returns what was told by now, in the order of the alphabet.
func (n *news) all() []string {
	synctest.Wait()
	var list []string
	for {
		select {
		case e := <-n.events:
			list = append(list, e)
		default:
			slices.Sort(list)
			return list
		}
	}
}

// want checks what was told.
func (n *news) want(t *testing.T, want ...string) {
	t.Helper()
	if got := n.all(); !slices.Equal(got, want) {
		t.Errorf("%s was told\n%s\nwant\n%s", n.at, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Whoever comes to lead says so, in the account and in the system account, and each replica tells
// if there is no leader for long.
func TestLeadersAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		// It leads nothing else.
		listener := w.houses[w.leader().node%3+1]
		if err := w.leader().e.meta.group.Transfer(listener.node); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		own, system := listener.hear(listener.acc), listener.hear(listener.system)
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		one := w.mustPlace(&api.StreamConfig{Name: "R1", Subjects: []string{"r"}, Replicas: 1})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil && w.host(one) != nil })
		time.Sleep(time.Second)
		by, cby := w.host(st).e.cfg.Name, w.server(st, c).e.cfg.Name
		own.want(t,
			"CONSUMER.LEADER_ELECTED.S.C/consumer_leader_elected//S/C/"+cby+"//S1 S2 S3",
			"STREAM.LEADER_ELECTED.S/stream_leader_elected//S//"+by+"//S1 S2 S3")
		system.want(t,
			"CONSUMER.LEADER_ELECTED.S.C/consumer_leader_elected/A/S/C/"+cby+"//S1 S2 S3",
			"STREAM.LEADER_ELECTED.S/stream_leader_elected/A/S//"+by+"//S1 S2 S3")

		// Another one of the assets, and of nothing else.
		if err := listener.e.meta.group.Transfer(listener.node%3 + 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		system.want(t, "DOMAIN.LEADER_ELECTED/domain_leader_elected////"+w.leader().e.cfg.Name+"//S1 S2 S3")

		for _, h := range w.all() {
			if h != listener {
				h.close()
			}
		}
		time.Sleep(5 * time.Second)
		before := own.all()
		if slices.ContainsFunc(before, func(e string) bool { return strings.Contains(e, "LOST") }) {
			t.Errorf("told too early: %v", before)
		}
		system.all()
		time.Sleep(time.Minute)
		rest := " S" + strings.Trim(fmt.Sprint(listener.node), " ")
		for _, n := range []*news{own, system} {
			got := n.all()
			if len(got) != 2 || !strings.HasPrefix(got[0], "CONSUMER.QUORUM_LOST.S.C/consumer_quorum_lost/") || !strings.HasPrefix(got[1], "STREAM.QUORUM_LOST.S/stream_quorum_lost/") ||
				strings.Count(got[1], "!") != 2 || !strings.Contains(" "+got[1][strings.LastIndex(got[1], "/")+1:], rest) {
				t.Errorf("%s was told %v", n.at, got)
			}
		}
		if said := fmt.Sprint(listener.complained()); !strings.Contains(said, "with a replica here have had no leader for 10s, and stand still") {
			t.Errorf("the log says %s", said)
		} else if strings.Count(said, "nobody has led the group of assets for 10s: nothing can be made, changed or deleted") != 1 {
			t.Errorf("of the group of assets the log says %s", said)
		}
	})
}

// That a server is removed is told by whoever leads.
func TestRemovedServerIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		leader := w.leader()
		victim := w.houses[leader.node%3+1]
		heard := leader.hear(leader.system)
		r, err := leader.e.meta.propose(t.Context(), &meta.Op{RemoveServer: &meta.RemoveServer{Node: uint32(victim.node)}})
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		time.Sleep(time.Second)
		heard.want(t, "SERVER.REMOVED/server_removed/////"+victim.e.cfg.Name+"/")
	})
}

// A server says once that there is no space, and again when that comes back.
func TestFullDiskIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		system := account.New("$SYS")
		r := newRig(t, vfs.NewMem(), tolerant, with(func(c *Config) { c.System = system }))
		defer r.stop()
		h := &house{rig: r, node: raft.NodeID(1)}
		heard := h.hear(system)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.store("s", "fits")
		for range 2 {
			r.fs.SetInjector(noRoom)
			for range 10 {
				r.publish("s", "does not")
				time.Sleep(time.Second)
			}
			heard.want(t, "SERVER.OUT_OF_STORAGE/server_out_of_space//S///S1/")
			r.fs.SetInjector(nil)
			time.Sleep(10 * time.Second)
			r.store("s", "fits again")
			time.Sleep(time.Second)
			heard.want(t)
		}
	})
}
