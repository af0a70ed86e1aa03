package host

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// chunkBytes is the default of Config.SnapshotChunkBytes.
const chunkBytes = 128 << 10

// behind makes node 3 of a group need an image of the given size, and returns the
// leader.
func (c *cluster) behind(padding int) *node {
	c.t.Helper()
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(2)
	c.nodes[3].crash()
	c.apply(1, series("a", 50)...)
	c.tick(15) // until it is not waited for
	nd.machines[1].padding = padding
	nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	c.run()
	if first := nd.group(1).Status().First; first < 3 {
		c.t.Fatalf("the log still begins at %d", first)
	}
	c.nodes[3].start()
	return nd
}

// records returns the kinds of records in a frame.
func (p *packet) records() (kinds []recordKind) {
	r := openFrame(p.from, p.to, p.frame)
	for {
		k, ok := r.next()
		if !ok {
			return kinds
		}
		kinds = append(kinds, k)
		switch k {
		case recordMessage:
			r.message()
		case recordHeartbeat:
			r.heartbeat()
		case recordNotice:
			r.notice()
		case recordOffer:
			r.offer()
		case recordChunk:
			r.chunk()
		case recordAnswer:
			r.answer()
		}
	}
}

func TestSnapshot(t *testing.T) {
	for name, padding := range map[string]int{"small": 0, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 3)
			nd := c.behind(padding)
			c.nodes[3].open(1)
			c.same(1)
			c.apply(1, "b")
			c.same(1)
			c.asleep()
			if in, out := c.nodes[3].host.Stats().SnapshotsIn, nd.host.Stats().SnapshotsOut; in != 1 || out != 1 {
				t.Errorf("%d sent, %d installed", out, in)
			}
			if n := nd.machines[1].images; n != 0 {
				t.Errorf("%d images are still open", n)
			}
			if left, err := c.nodes[3].fs.List("images"); err != nil || len(left) != 0 {
				t.Errorf("files left: %v, %v", left, err)
			}
			// It is a state like any other.
			c.nodes[3].crash()
			c.nodes[3].start()
			c.nodes[3].open(1)
			c.same(1)
		})
	}
}

// Whatever is lost is sent again, from where the receiver is and not from the
// beginning.
func TestSnapshotGoesOnAfterACut(t *testing.T) {
	c := newCluster(t, 3)
	nd := c.behind(10 * chunkBytes)
	chunks, lost := 0, 0
	c.lose = func(p packet) bool {
		if !slices.Contains(p.records(), recordChunk) {
			return false
		}
		chunks++
		if chunks == 6 {
			c.cut[[2]raft.NodeID{1, 3}], c.cut[[2]raft.NodeID{3, 1}] = true, true
		}
		if chunks%7 == 3 {
			lost++
			return true
		}
		return false
	}
	c.nodes[3].open(1)
	c.tick(30)
	if chunks < 6 {
		t.Fatalf("the transfer has not begun: %d chunks", chunks)
	}
	clear(c.cut)
	c.same(1)
	if got := nd.host.Stats().SnapshotsOut; got != 1 {
		t.Errorf("%d transfers", got)
	}
	if chunks > 11+4*(lost+1) {
		t.Errorf("%d chunks sent for 11, with %d losses", chunks, lost+1)
	}
	if lost == 0 {
		t.Error("nothing was lost")
	}
}

func TestSnapshotWithDamageIsRefused(t *testing.T) {
	c := newCluster(t, 3)
	c.behind(3 * chunkBytes)
	damaged := false
	c.lose = func(p packet) bool {
		if k := p.records(); !damaged && slices.Contains(k, recordChunk) {
			// A chunk of other content, which is whole by itself.
			damaged = true
			r := openFrame(p.from, p.to, p.frame)
			r.next()
			ch := r.chunk()
			ch.data = slices.Clone(ch.data)
			ch.data[17] ^= 1
			c.queue = append(c.queue, packet{p.from, p.to, p.class, appendChunk(appendFrameHead(nil, r.epoch), &ch)})
			return true
		}
		return false
	}
	c.nodes[3].open(1)
	c.same(1)
	refused := slices.ContainsFunc(c.nodes[3].told(EventSnapshot), func(e Event) bool { return errors.Is(e.Err, errDigest) })
	if !damaged || !refused {
		t.Errorf("damaged %v, events %+v", damaged, c.nodes[3].events)
	}
	if got := c.nodes[3].host.Stats().SnapshotsIn; got != 1 {
		t.Errorf("%d installed", got)
	}
}

func TestLeaderChangesDuringSnapshot(t *testing.T) {
	c := newCluster(t, 3)
	c.behind(20 * chunkBytes)
	for _, nd := range c.up()[1:2] {
		nd.machines[1].padding = 20 * chunkBytes
		nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	}
	chunks := 0
	c.lose = func(p packet) bool {
		if slices.Contains(p.records(), recordChunk) {
			chunks++
			return chunks > 5 && p.from == 1
		}
		return false
	}
	c.nodes[3].open(1)
	c.tick(10)
	if chunks < 6 {
		t.Fatalf("%d chunks", chunks)
	}
	c.nodes[1].crash()
	c.until("another leader", 40, func() bool { return c.leader(1) != nil })
	c.same(1, 2, 3)
	if left, _ := c.nodes[3].fs.List("images"); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}

func TestSnapshotsTakeTurns(t *testing.T) {
	c := newCluster(t, 1)
	c.edit = func(cfg *Config) { cfg.SnapshotSends, cfg.SnapshotReceives = 2, 1 }
	c.nodes[1].crash()
	c.nodes[1].wipe()
	c.nodes[1].start()
	c.add(2)
	c.add(3)
	const groups = 6
	for id := range raft.GroupID(groups) {
		c.create(id+1, nil)
		c.apply(id+1, "a", "b")
		c.elect(id+1, 1)
	}
	c.asleep()
	c.nodes[3].crash()
	c.nodes[3].wipe()
	c.tick(12)
	for id := range raft.GroupID(groups) {
		nd := c.nodes[1]
		c.apply(id+1, "c")
		nd.machines[id+1].padding = 4 * chunkBytes
		nd.group(id + 1).Checkpointed(nd.machines[id+1].checkpoint())
	}
	c.run()
	c.nodes[3].start()
	most := 0
	c.lose = func(packet) bool {
		most = max(most, len(c.nodes[3].host.transfers.receives))
		return false
	}
	for id := range raft.GroupID(groups) {
		c.nodes[3].join(id+1, everybody)
	}
	for id := range raft.GroupID(groups) {
		c.same(id + 1)
	}
	if most != 1 {
		t.Errorf("%d transfers at once", most)
	}
	c.asleep()
}

func TestSnapshotRate(t *testing.T) {
	c := newCluster(t, 3)
	nd := c.behind(40 * chunkBytes)
	nd.host.cfg.SnapshotBytesPerSecond = 20 * chunkBytes // 2 in a tick
	c.nodes[3].open(1)
	began := c.clock.Now()
	c.same(1)
	if took := c.clock.Now().Sub(began); took < 18*testTick || took > 40*testTick {
		t.Errorf("40 chunks at 20 a second took %v", took)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	c := newCluster(t, 3)
	c.behind(20 * chunkBytes)
	c.lose = func(p packet) bool { return slices.Contains(p.records(), recordChunk) }
	c.nodes[3].open(1)
	c.tick(6)
	if left, _ := c.nodes[3].fs.List("images"); len(left) != 1 {
		t.Fatalf("files: %v", left)
	}
	c.nodes[3].crash()
	if err := errors.Join(c.nodes[3].fs.MkdirAll("images"), vfs.WriteFile(c.nodes[3].fs, "images/old", nil)); err != nil {
		t.Fatal(err)
	}
	c.nodes[3].start()
	if left, _ := c.nodes[3].fs.List("images"); len(left) != 0 {
		t.Errorf("files: %v", left)
	}
	c.nodes[3].open(1)
	c.lose = nil
	c.same(1)
}

// A machine that cannot take an image, or make one, holds up nobody else.
func TestImageThatCannotBeMade(t *testing.T) {
	c := newCluster(t, 3)
	nd := c.behind(0)
	c.nodes[3].open(1)
	c.nodes[3].machines[1].noImages = errors.New("no")
	c.tick(30)
	if st := c.nodes[3].group(1).Status(); st.State != Running || st.Applied > 1 {
		t.Errorf("%+v", st)
	}
	c.apply(1, "b")
	c.nodes[3].machines[1].noImages = nil
	c.same(1)
	if n := nd.machines[1].images; n != 0 {
		t.Errorf("%d images are open", n)
	}
}

// An image that fails is tried again ever more rarely: to make it may mean to read all that
// there is. Once it works it is soon tried.
func TestFailingImagesAreTriedMoreRarely(t *testing.T) {
	c := newCluster(t, 3)
	nd := c.behind(0)
	nd.machines[1].noImages = errors.New("no")
	c.nodes[3].open(1)
	c.tick(500)
	if n := len(nd.failures()); n < 5 || n > 10 {
		t.Errorf("it was tried %d times", n)
	}
	nd.machines[1].noImages = nil
	c.tick(maxRetryTicks)
	c.same(1)
	if in := c.nodes[3].host.Stats().SnapshotsIn; in != 1 {
		t.Errorf("%d installed", in)
	}
}

func TestCompactionWaitsForLaggards(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	c.tick(2)
	c.nodes[3].stuck = true // its disk stands still, and it lives
	for range 20 {
		c.apply(1, "b")
	}
	nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	c.run()
	st := nd.group(1).Status()
	if first := st.First; first > 5 || first < 2 {
		t.Errorf("the log begins at %d, though node 3 lacks entries", first)
	}
	c.nodes[3].stuck = false
	c.same(1)
	c.asleep()
	if first := nd.group(1).Status().First; first < 20 {
		t.Errorf("the log begins at %d when nobody needs it", first)
	}
	if got := nd.host.Stats().SnapshotsOut; got != 0 {
		t.Errorf("%d images sent", got)
	}
	// A follower compacts for itself.
	c.nodes[2].group(1).Checkpointed(c.nodes[2].machines[1].checkpoint())
	c.run()
	if first := c.nodes[2].group(1).Status().First; first < 20 {
		t.Errorf("the follower's log begins at %d", first)
	}
}

func TestMemoryGroupCompactsAndSendsImages(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, memory)
	nd := c.elect(1, 1)
	c.apply(1, series("a", 20)...)
	for range 5 {
		c.apply(1, "b")
	}
	nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	c.tick(12)
	if first := nd.group(1).Status().First; first < 5 {
		t.Errorf("the log begins at %d", first)
	}
	c.nodes[3].crash()
	c.nodes[3].saved[1] = nil
	c.nodes[3].start()
	c.nodes[3].open(1)
	c.same(1)
	c.apply(1, "c")
	c.same(1)
	if got := nd.host.Stats().SnapshotsOut; got != 1 {
		t.Errorf("%d images sent", got)
	}
}
