package host

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// failures are transfers that came to nothing, as told by a node.
func (nd *node) failures() (errs []error) {
	for _, e := range nd.told(EventSnapshot) {
		if e.Err != nil {
			errs = append(errs, e.Err)
		}
	}
	return errs
}

// An image that the disk did not take is not installed, whichever write or sync
// failed. It is sent again.
func TestImageMeetsAFailingDisk(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind errorfs.OpKind
		nth  uint64
	}{
		{"first write", errorfs.OpWriteAt, 1},
		{"last write", errorfs.OpWriteAt, 9}, // of frames of 32 KiB
		{"sync", errorfs.OpSync, 1},
		{"file", errorfs.OpCreate, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			fail := errorfs.FailNth(tt.nth, errorfs.Kinds(tt.kind).Base("*.image"), errorfs.Fault{Err: syscall.EIO})
			c.edit = func(cfg *Config) { cfg.FS = errorfs.Wrap(cfg.FS, c.clock, fail) }
			c.behind(2 * chunkBytes)
			c.nodes[3].open(1)
			c.same(1)
			if _, fired := fail.Fired(); !fired {
				t.Fatal("nothing has failed")
			}
			if errs := c.nodes[3].failures(); len(errs) != 1 || !errors.Is(errs[0], syscall.EIO) {
				t.Errorf("told %v", errs)
			}
			if got := c.nodes[3].host.Stats().SnapshotsIn; got != 1 {
				t.Errorf("%d images installed", got)
			}
		})
	}
}

// Nothing of an image can be read on disk while it is received, if the host is to
// encrypt, and it is installed as it was.
func TestImagesAreEncrypted(t *testing.T) {
	for _, cipher := range []seal.Cipher{seal.Plain, seal.AES, seal.ChaCha} {
		c := newCluster(t, 3)
		var images [][]byte
		c.edit = func(cfg *Config) {
			disk := c.nodes[3].fs
			cfg.Cipher = cipher
			cfg.FS = errorfs.Wrap(cfg.FS, c.clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
				if op.Kind == errorfs.OpSync && strings.HasSuffix(op.Path, ".image") {
					b, err := vfs.ReadFile(disk, op.Path, 1<<20)
					if err != nil {
						t.Error(err)
					}
					images = append(images, b)
				}
				return errorfs.Fault{}
			}))
		}
		c.behind(2 * chunkBytes)
		c.nodes[3].open(1)
		c.same(1)
		if len(images) != 1 {
			t.Fatalf("%v: %d images received", cipher, len(images))
		}
		// The machine writes JSON, and spaces behind it.
		if readable := bytes.Contains(images[0], []byte("        ")); readable != (cipher == seal.Plain) {
			t.Errorf("%v: readable is %v", cipher, readable)
		}
	}
}

// changeChunk does something to the nth chunk that is sent to node 3.
func (c *cluster) changeChunk(nth int, change func(*chunk) bool) {
	n := 0
	c.lose = func(p packet) bool {
		if !slices.Contains(p.records(), recordChunk) {
			return false
		}
		if n++; n != nth {
			return false
		}
		r := openFrame(p.from, p.to, p.frame)
		r.next()
		ch := r.chunk()
		if change(&ch) {
			c.queue = append(c.queue, packet{p.from, p.to, p.class, appendChunk(appendFrameHead(nil, r.epoch), &ch)})
		}
		return true
	}
}

// A chunk that is not the next one is not taken, and neither is one that is longer
// than the image: the sender goes on where the image ends so far, and the transfer
// does not fail.
func TestChunksThatDoNotFit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*chunk) bool
	}{
		{"lost", func(*chunk) bool { return false }},
		{"of another place", func(ch *chunk) bool { ch.offset += 17; return true }},
		{"beyond the image", func(ch *chunk) bool { ch.data = make([]byte, 10*chunkBytes); return true }},
		{"of another image", func(ch *chunk) bool { ch.id++; return true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 3)
			nd := c.behind(0)
			for i := range 50 { // no chunk is like another
				c.apply(1, strings.Repeat(fmt.Sprint(i, ","), 5000))
			}
			c.changeChunk(3, tt.change)
			c.nodes[3].open(1)
			c.same(1)
			if errs := append(c.nodes[3].failures(), nd.failures()...); len(errs) > 0 {
				t.Errorf("failed: %v", errs)
			}
			if in := c.nodes[3].host.Stats().SnapshotsIn; in != 1 {
				t.Errorf("%d installed", in)
			}
		})
	}
}

// An image that a leader of an earlier term offers is of no use.
func TestOfferOfAnOldLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, "a")
	c.elect(1, 2)
	c.tick(2)
	nd := c.nodes[3]
	st := nd.group(1).Status()
	var answers []answer
	c.lose = func(p packet) bool {
		r := openFrame(p.from, p.to, p.frame)
		if k, _ := r.next(); p.from == 3 && k == recordAnswer {
			answers = append(answers, r.answer())
		}
		return false
	}
	for _, tt := range []struct {
		term raft.Term
		want answerCode
	}{{st.Term - 1, answerStale}, {st.Term, answerAccept}} {
		answers = nil
		o := offer{
			group: 1, from: c.nodes[1].peer(), to: nd.peer(), id: uint64(tt.term), term: tt.term, size: 1000,
			at: Position{Base: raft.Base{Index: st.Commit + 100, Term: tt.term, Conf: st.Conf}},
		}
		nd.host.Receive(1, Bulk, appendOffer(appendFrameHead(nil, c.nodes[1].host.epoch), &o))
		c.run()
		if len(answers) != 1 || answers[0].code != tt.want {
			t.Errorf("an offer of term %d in term %d is answered %+v", tt.term, st.Term, answers)
		}
	}
}

// An image that comes too late does not put the machine back.
func TestLateImage(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, "a")
	nd := c.nodes[3]
	image, err := c.nodes[1].machines[1].Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	st := nd.group(1).Status()
	c.apply(1, "b")
	c.same(1)
	r := &receiver{host: nd.host, group: nd.group(1), offer: offer{
		group: 1, from: c.nodes[1].peer(), to: nd.peer(), id: 1, term: st.Term, size: image.Size(), at: image.Position(),
	}}
	if r.file, err = nd.fs.Create("images/late"); err != nil {
		t.Fatal(err)
	}
	r.name = "images/late"
	b := make([]byte, image.Size())
	if _, err := image.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.file.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	r.installing.Store(true)
	nd.group(1).apply.post(task{restore: r})
	c.run()
	if got := nd.machines[1].items(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("it has %q", got)
	}
	c.apply(1, "c")
	c.same(1)
}
