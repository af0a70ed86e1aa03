package jetstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Whatever happens to servers and between them while streams are used, in whatever order: what was
// confirmed is there on all replicas, once and in order; what was acknowledged and confirmed is not
// delivered again; and no replica is different.
func TestTurmoil(t *testing.T) {
	seeds := uint64(24)
	if race.Enabled {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { newTurmoil(t, seed).run() }) })
	}
}

// turmoil is a stream in a town to which things happen.
type turmoil struct {
	*town
	rng   *rand.Rand
	st    *meta.Stream
	c     *meta.Consumer
	disks map[raft.NodeID]*vfs.Mem
	// down and apart are what is not well now.
	down  raft.NodeID
	apart [2]raft.NodeID
	// confirmed are the numbers of messages by what is in them, settled those whose
	// acknowledgement was confirmed.
	confirmed map[string]uint64
	settled   map[uint64]bool
	published int
}

func newTurmoil(t *testing.T, seed uint64) *turmoil {
	u := &turmoil{
		town: newCity(t, 3, nil), rng: rand.New(rand.NewPCG(seed, 31)), disks: make(map[raft.NodeID]*vfs.Mem),
		confirmed: make(map[string]uint64), settled: make(map[uint64]bool),
	}
	retention := []api.Retention{api.RetainLimits, api.RetainLimits, api.RetainInterest, api.RetainWorkQueue}[u.rng.IntN(4)]
	u.st = u.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3, Retention: retention})
	u.c = u.consumer(u.st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: 5 * time.Second})
	return u
}

func (u *turmoil) run() {
	defer u.close()
	u.recover()
	for range 25 {
		switch u.rng.IntN(8) {
		case 0, 1:
			u.kill()
		case 2:
			u.split()
		case 3:
			u.stepDown()
		case 4, 5:
			u.recover()
		}
		for range u.rng.IntN(12) {
			u.publish()
		}
		for range u.rng.IntN(8) {
			u.take(time.Second)
		}
	}
	u.recover()
	u.drain()
	u.check()
}

// kill ends a server, with what of its disk is left after a power cut; another one that is down
// comes back.
func (u *turmoil) kill() {
	u.revive()
	h := u.all()[u.rng.IntN(len(u.all()))]
	u.down = h.node
	u.disks[h.node] = h.crash(vfs.CrashOptions{Rand: u.rng, Page: 0.5, Torn: 0.1, Name: 0.5, Journal: true})
}

// revive has a server that is down come back.
func (u *turmoil) revive() {
	if u.down == 0 {
		return
	}
	u.open(u.down, u.disks[u.down])
	u.down = 0
}

// split cuts two servers off from each other, and heals what was cut before.
func (u *turmoil) split() {
	u.heal()
	a := raft.NodeID(1 + u.rng.IntN(3))
	u.apart = [2]raft.NodeID{a, a%3 + 1}
	u.cut(u.apart[0], u.apart[1], true)
}

func (u *turmoil) heal() {
	if u.apart[0] != 0 {
		u.cut(u.apart[0], u.apart[1], false)
		u.apart = [2]raft.NodeID{}
	}
}

// stepDown has the leader of the stream or of the consumer hand over.
func (u *turmoil) stepDown() {
	h, id := u.host(u.st), u.st.Group.ID
	if u.rng.IntN(2) == 0 {
		h, id = u.server(u.st, u.c), u.c.Group.ID
	}
	if h == nil {
		return
	}
	if g, ok := h.host.Group(raft.GroupID(id)); ok {
		_ = g.Transfer(h.node%3 + 1) // which may be down
	}
}

// recover ends all that is not well, and waits for leaders.
func (u *turmoil) recover() {
	u.revive()
	u.heal()
	u.wait("leaders", func() bool { return u.leads() && u.host(u.st) != nil && u.server(u.st, u.c) != nil })
}

// client is a server that somebody is connected to.
func (u *turmoil) client() *house {
	list := u.all()
	return list[u.rng.IntN(len(list))]
}

// publish publishes a message, and again if that is not confirmed.
func (u *turmoil) publish() {
	u.published++
	text := fmt.Sprint(u.published)
	for range 3 {
		h := u.client()
		h.patience = 2 * time.Second
		ack, ok := h.publish(fmt.Sprint("s.", u.published%5), text, api.HeaderMsgID, text)
		if ok && ack.Error == nil {
			u.confirmed[text] = ack.Sequence
			return
		}
	}
}

// take pulls a message and acknowledges it. It reports whether there was one.
func (u *turmoil) take(within time.Duration) bool {
	h := u.client()
	b := h.newInbox()
	defer b.close()
	if !h.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, mustJSON(&api.PullRequest{Batch: 1, Expires: within})) {
		return false
	}
	m, ok := b.next(within + time.Second)
	if !ok || len(m.header) > 11 && m.header[:10] == "NATS/1.0 4" {
		return false
	}
	d := asDelivered(u.t, m)
	if u.settled[d.StreamSeq] {
		u.t.Fatalf("message %d is delivered again: %s", d.StreamSeq, d.reply)
	}
	if want, ok := u.confirmed[m.data]; ok && want != d.StreamSeq {
		u.t.Fatalf("message %q is number %d, and was confirmed as %d", m.data, d.StreamSeq, want)
	}
	h.patience = 2 * time.Second
	if _, ok := h.ask(d.reply, []byte("+ACK")); ok {
		u.settled[d.StreamSeq] = true
	}
	return true
}

// drain takes all that is left.
func (u *turmoil) drain() {
	for idle := 0; idle < 8; {
		if u.take(2 * time.Second) {
			idle = 0
		} else {
			idle++
		}
	}
}

// check compares what is there with what was confirmed, and the replicas with each other.
func (u *turmoil) check() {
	for text, seq := range u.confirmed {
		if !u.settled[seq] {
			u.t.Errorf("message %q, number %d, was never delivered", text, seq)
		}
	}
	groups := []uint64{u.st.Group.ID, u.c.Group.ID}
	u.wait("replicas that are as far as each other", func() bool {
		for _, id := range groups {
			var at []raft.Index
			for _, h := range u.all() {
				g, ok := h.host.Group(raft.GroupID(id))
				if !ok {
					return false
				}
				at = append(at, g.Applied())
			}
			if slices.Min(at) != slices.Max(at) {
				return false
			}
		}
		return true
	})
	synctest.Wait()
	var streams, consumers []string
	for _, h := range u.all() {
		s, c := h.e.stream(u.st.Group.ID), h.e.consumer(u.st, u.c)
		inApply(u.t, s.group, func() {
			d, err := s.core.Digest()
			streams = append(streams, fmt.Sprintf("%x %v %d messages", d, err, s.store.State().Messages))
		})
		inApply(u.t, c.group, func() { consumers = append(consumers, fmt.Sprintf("%x at %d", c.state.Digest(), c.at.Base.Index)) })
	}
	if len(slices.Compact(streams)) != 1 || len(slices.Compact(consumers)) != 1 {
		u.t.Errorf("replicas differ: %v, %v", streams, consumers)
	}
}
