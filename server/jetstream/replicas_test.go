package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// trio is three servers with a replica each of a stream and of a consumer. The groups are
// started by the rig: which servers have which is not what is tested. The servers' accounts
// are not connected; the test is a client of each of them.
type trio struct {
	t         *testing.T
	net       *transport.Mem
	nodes     [3]*transport.MemNode
	rigs      [3]*rig
	streams   [3]*stream
	consumers [3]*consumer
	state     *meta.State
	assigned  *meta.Stream
	listening *meta.Consumer
}

// incarnation is that of all replicas that have not forgotten anything.
const incarnation = 7

// plug is a transport that is connected later.
type plug struct {
	node atomic.Pointer[transport.MemNode]
}

// Send implements host.Transport.
func (p *plug) Send(to raft.NodeID, class host.Class, frame []byte) bool {
	n := p.node.Load()
	return n != nil && n.Send(to, class, frame)
}

// newTrio starts three servers.
func newTrio(t *testing.T, storage api.Storage) *trio {
	t.Helper()
	o := &trio{t: t, net: transport.NewMem(transport.Limits{})}
	o.assign(storage)
	for i := range o.rigs {
		o.start(i, vfs.NewMem())
	}
	o.wait("leaders", func() bool { return o.leader() >= 0 && o.consumerLeader() >= 0 })
	return o
}

// assign makes the assets, as the group of all assets would.
func (o *trio) assign(storage api.Storage) {
	o.t.Helper()
	r := newRig(o.t, vfs.NewMem())
	defer r.stop()
	r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Storage: storage, MaxMsgsPerSubject: 20, AllowMsgTTL: true, DuplicateWindow: time.Hour})
	r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Hour})
	like := r.e.meta.stream("A", "S")
	state := &meta.State{}
	nodes := []uint32{1, 2, 3}
	for _, n := range nodes {
		state.Apply(&meta.Op{AddServer: &meta.AddServer{Server: meta.Server{Node: n, Name: fmt.Sprintf("S%d", n), Incarnation: incarnation}}}, 1)
	}
	cfg := like.Config.Clone()
	cfg.Replicas = 3
	res := state.Apply(&meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: cfg, Nodes: nodes, Limits: meta.NoLimits}}, 1)
	if res.Err == nil {
		res = state.Apply(&meta.Op{CreateConsumer: &meta.CreateConsumer{
			Account: "A", Stream: "S", Group: res.Stream.Group.ID, Config: like.Consumer("C").Config, Max: -1,
		}}, 1)
	}
	if res.Err != nil {
		o.t.Fatal(res.Err)
	}
	o.state, o.assigned, o.listening = state, res.Stream, res.Consumer
}

// start starts a server on a disk, with its replicas.
func (o *trio) start(i int, disk *vfs.Mem) {
	o.t.Helper()
	p := &plug{}
	node := raft.NodeID(i + 1)
	r := newRig(o.t, disk, often, func(r *rig, _ *wal.Config, hc *host.Config, c *Config) {
		r.every.blockBytes, r.blind = 4000, true
		hc.Node, hc.Transport, hc.Seed = node, p, uint64(node)
		c.Node, c.Name = node, fmt.Sprintf("S%d", node)
	})
	o.rigs[i] = r
	o.nodes[i] = o.net.Attach(node, r.host.Receive)
	p.node.Store(o.nodes[i])

	task, _ := reconcile.TaskOf(o.state, r.e.self(), o.assigned, nil)
	s := r.e.startStream(&task)
	listening, _ := reconcile.TaskOf(o.state, r.e.self(), o.assigned, o.listening)
	r.e.startConsumer(s, &listening)
	c := s.consumer(o.listening)
	<-c.started
	if err := errors.Join(s.err, c.err); err != nil {
		o.t.Fatal(err)
	}
	o.streams[i], o.consumers[i] = s, c
}

// crash has a server begin again from what a crash has left.
func (o *trio) crash(i int) {
	o.t.Helper()
	synctest.Wait()
	left := o.rigs[i].disk.CrashClone(vfs.CrashOptions{})
	o.stop(i)
	o.start(i, left)
}

func (o *trio) stop(i int) {
	o.t.Helper()
	o.nodes[i].Stop()
	o.rigs[i].stop()
}

func (o *trio) stopAll() {
	for i := range o.rigs {
		o.stop(i)
	}
}

// wait waits until something is the case, in virtual time.
func (o *trio) wait(what string, is func() bool) {
	o.t.Helper()
	for range 600 {
		synctest.Wait()
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for i := range o.rigs {
		o.t.Logf("server %d: stream %+v", i+1, o.streams[i].group.Status())
		o.t.Logf("server %d: consumer %+v", i+1, o.consumers[i].group.Status())
	}
	o.t.Fatalf("waited in vain for %s", what)
}

// leader is which server leads the stream, -1 if none does.
func (o *trio) leader() int {
	for i, s := range o.streams {
		if s.answers() && s.group.Leading() {
			return i
		}
	}
	return -1
}

// consumerLeader is which server leads the consumer, and delivers.
func (o *trio) consumerLeader() int {
	for i, c := range o.consumers {
		if c.serving.Load() && c.group.Leading() {
			return i
		}
	}
	return -1
}

// consume takes messages, and acknowledges every other one.
func (o *trio) consume(n int) {
	o.t.Helper()
	r := o.rigs[o.consumerLeader()]
	b := r.newInbox()
	defer b.close()
	if !r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, mustJSON(&api.PullRequest{Batch: n, Expires: time.Second})) {
		o.t.Fatal("nobody takes pull requests")
	}
	for range n {
		m, ok := b.next(r.patience)
		if !ok {
			o.t.Fatal("no answer to a pull request")
		}
		if strings.HasPrefix(m.header, "NATS/1.0 4") {
			break
		}
		if d := asDelivered(o.t, m); d.StreamSeq%2 == 0 {
			r.ack(&d, "")
		}
	}
}

// work publishes, removes and consumes.
func (o *trio) work(from, to int) {
	o.t.Helper()
	r := o.rigs[o.leader()]
	for i := from; i < to; i++ {
		r.store(fmt.Sprintf("s.%d", i%9), strings.Repeat("x", i%200), api.HeaderMsgID, fmt.Sprint(i))
		if i%10 == 9 {
			o.consume(5)
		}
	}
}

// equal waits until all replicas are as far as each other, and checks that they are the
// same: what they keep, what they decide by, and each byte of each message.
func (o *trio) equal(when string) {
	o.t.Helper()
	o.wait("replicas that are as far as each other, "+when, func() bool {
		for i := range o.rigs {
			s, c := o.streams[i], o.consumers[i]
			if s.group.Applied() != o.streams[0].group.Applied() || c.group.Applied() != o.consumers[0].group.Applied() ||
				s.group.State() != host.Running || c.group.State() != host.Running {
				return false
			}
		}
		return o.leader() >= 0 && o.consumerLeader() >= 0 && o.streams[0].group.Applied() == o.streams[o.leader()].group.Applied()
	})
	type digest struct {
		index  raft.Index
		stream string
		// consumer is that of the consumer's state.
		consumer uint64
	}
	var all [3]digest
	for i := range o.rigs {
		d := &all[i]
		inApply(o.t, o.streams[i].group, func() {
			im := takeImage(o.t, o.streams[i])
			end := make([]byte, 32)
			if _, err := im.ReadAt(end, im.Size()-int64(len(end))); err != nil {
				panic(err)
			}
			d.index, d.stream = im.at.Base.Index, fmt.Sprintf("%x", end)
		})
		inApply(o.t, o.consumers[i].group, func() { d.consumer = o.consumers[i].state.Digest() })
	}
	if all[0] != all[1] || all[0] != all[2] {
		o.t.Fatalf("%s: the replicas differ: %+v", when, all)
	}
}

// cut separates a server from the others, heal undoes that.
func (o *trio) cut(i int) {
	for n := range raft.NodeID(3) {
		if n != raft.NodeID(i) {
			o.net.Cut(raft.NodeID(i)+1, n+1)
		}
	}
}

func (o *trio) heal(i int) {
	for n := range raft.NodeID(3) {
		o.net.Heal(raft.NodeID(i)+1, n+1)
	}
}

// follower is a server that leads nothing.
func (o *trio) follower() int {
	i := 0
	for i == o.leader() || i == o.consumerLeader() {
		i++
	}
	return i
}

// images is how many of them a server has been told to go on from.
func (o *trio) images(i int) int { return int(o.rigs[i].host.Stats().SnapshotsIn) }

// A follower that was away for so long that the logs have no longer what it lacks goes on from
// images of its leaders, and then nothing is different on any replica.
func TestCatchUpByImages(t *testing.T) {
	for name, storage := range map[string]api.Storage{"files": api.FileStorage, "memory": api.MemoryStorage} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := newTrio(t, storage)
				defer o.stopAll()
				o.work(0, 60)
				o.equal("before")
				away := o.follower()
				for round := range 2 {
					o.cut(away)
					time.Sleep(10 * time.Second) // until nobody keeps anything for it
					from := 60 + round*200
					o.work(from, from+190)
					before := o.images(away)
					o.heal(away)
					o.equal("after it was away")
					if got := o.images(away) - before; got < 2 {
						t.Errorf("it has got %d images, want one of the stream and one of the consumer", got)
					}
					o.work(from+190, from+200)
					o.equal("behind that")
				}
				if storage == api.MemoryStorage {
					return
				}
				o.crash(away)
				o.equal("after a crash")
				o.work(460, 470)
				o.equal("at the end")
			})
		})
	}
}

// A server that has lost its disk gets everything from the others.
func TestNewDiskIsFilledByImages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newTrio(t, api.FileStorage)
		defer o.stopAll()
		o.work(0, 150)
		o.equal("before")
		lost := o.follower()
		o.stop(lost)
		o.start(lost, vfs.NewMem())
		o.rigs[lost].tolerant = true // what is missing is found out
		o.equal("with a new disk")
		o.work(150, 170)
		o.equal("at the end")
	})
}

// A leader keeps entries for a follower that lags a little. If it begins again with those it
// finds what came in front of the consumer's whole state, and needs none of it.
func TestLogBeginsBeforeTheWholeState(t *testing.T) {
	for range 10 {
		kept := false
		bubble(t, func(t *testing.T) { kept = logBeginsBeforeTheWholeState(t) })
		if kept || t.Failed() {
			return
		}
	}
	t.Error("no leader has kept anything for a follower")
}

// logBeginsBeforeTheWholeState returns false if the leader has kept nothing for the follower, which
// depends on who is heard when.
func logBeginsBeforeTheWholeState(t *testing.T) bool {
	o := newTrio(t, api.FileStorage)
	defer o.stopAll()
	o.work(0, 60)
	o.equal("before")
	lags, leads := o.follower(), o.consumerLeader()
	wholeAt := func() (whole raft.Index) {
		inApply(t, o.consumers[leads].group, func() { whole = o.consumers[leads].wholeAt.Base.Index })
		return whole
	}
	done := 60
	o.cut(lags)
	for ; wholeAt() <= o.consumers[lags].group.Status().Last; done += 10 {
		o.work(done, done+10)
		synctest.Wait()
	}
	lg, _ := o.rigs[leads].log.Group(o.consumers[leads].id)
	if lg.State().Base.Index >= wholeAt() {
		return false
	}
	o.crash(leads)
	o.heal(lags)
	o.equal("after a crash")
	o.work(done, done+10)
	o.equal("at the end")
	return true
}
