package jetstream

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// noRoom fails all that may need space.
var noRoom = errorfs.On(errorfs.Kinds(errorfs.OpCreate, errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpPreallocate), errorfs.Fault{Err: syscall.ENOSPC})

// full has the disk take nothing from the very first on.
func full(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
	r.tolerant = true
	r.fs.SetInjector(noRoom)
}

// A server that is started on a full disk, again and again, serves what it has, refuses
// what it cannot keep, and goes on by itself when there is space.
func TestStartOnAFullDisk(t *testing.T) {
	for _, how := range []string{"killed", "stopped", "killed, with checkpoints"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				option := func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
					if strings.Contains(how, "checkpoints") {
						r.every = intervals{streamBytes: 2000, consumerFrames: 8, metaOps: 2}
					}
				}
				r := newRig(t, vfs.NewMem(), option)
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowDirect: true})
				r.create(&api.StreamConfig{Name: "W", Subjects: []string{"w.>"}, Retention: api.RetainWorkQueue})
				for _, name := range []string{"S", "W"} {
					r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
					for i := range 20 {
						r.store(fmt.Sprintf("%s.%d", strings.ToLower(name), i), fmt.Sprint("message ", i, strings.Repeat("x", 200)))
					}
					list := r.fetch(name, "C", 6)
					for i := range 3 {
						r.ack(&list[i], "+ACK")
					}
				}
				contents := map[string]map[uint64]string{"S": r.contents("S"), "W": r.contents("W")}
				for life := range 3 {
					switch {
					case life == 0 && how == "stopped":
						r.stop()
						r = newRig(t, r.disk, option, full)
					default:
						synctest.Wait()
						disk := r.disk.CrashClone(vfs.Killed)
						r.tolerant = true
						r.stop()
						r = newRig(t, disk, option, full)
					}
					checkFull(t, r, contents)
				}
				r.fs.SetInjector(nil)
				time.Sleep(20 * time.Second)
				for name, want := range contents {
					if v := r.viewOf(name); v.Trouble != nil {
						t.Errorf("with space %s has trouble: %v", name, v.Trouble)
					}
					seq := r.store(strings.ToLower(name)+".more", "more")
					if want[seq] != "" {
						t.Errorf("number %d of %s is used again", seq, name)
					}
					time.Sleep(time.Minute)
					if n := len(r.fetch(name, "C", 100)); n != 18 {
						t.Errorf("%d messages of %s are delivered", n, name)
					}
				}
				r.stop()
			})
		})
	}
}

// checkFull checks what a server serves whose disk takes nothing.
func checkFull(t *testing.T, r *rig, contents map[string]map[uint64]string) {
	t.Helper()
	if n := len(must[api.StreamListResponse](r, subjectOf(api.OpStreamList), nil).Streams); n != 2 {
		t.Errorf("%d streams", n)
	}
	for name, want := range contents {
		if got := r.contents(name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s has %d messages, want %d", name, len(got), len(want))
		}
		if in := r.consumerInfo(name, "C"); in.NumAckPending != 3 || in.NumPending != 14 || in.AckFloor.Stream != 3 {
			t.Errorf("the consumer of %s: %+v", name, in)
		}
		b := r.newInbox()
		r.send(subjectOf(api.OpConsumerNext, name, "C"), b.sub.Subject, []byte("5"))
		time.Sleep(time.Second)
		for _, m := range b.all() {
			if !strings.HasPrefix(m.header, "NATS/1.0 ") {
				t.Errorf("%s delivers %+v", name, m)
			}
		}
		b.close()
		for range 3 {
			ack, ok := r.publish(strings.ToLower(name)+".more", "more")
			if !ok || !ack.Error.Is(api.ErrInsufficientResources) {
				t.Errorf("publishing to %s: %+v, %v", name, ack.Error, ok)
			}
		}
		start := time.Now()
		if _, err := call[api.StreamPurgeResponse](r, subjectOf(api.OpStreamPurge, name), nil); err == nil || time.Since(start) > 11*time.Second {
			t.Errorf("purging %s: %v after %v", name, err, time.Since(start))
		}
		if v := r.viewOf(name); v.Trouble == nil {
			t.Errorf("nobody is told of %s", name)
		}
	}
	m, ok := r.ask(api.OpDirectGet.Subject(api.Prefix, "S"), &api.MsgGetRequest{Seq: 5})
	if !ok || !strings.HasPrefix(m.data, "message 4") {
		t.Errorf("a direct get: %+v, %v", m, ok)
	}
	if _, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"t"}}); err == nil {
		t.Error("a stream is created")
	}
	if len(r.complained()) == 0 {
		t.Error("the log has nothing")
	}
	// Nobody tries all the time.
	runs := r.e.stage.runs.Load()
	time.Sleep(10 * time.Second)
	if runs = r.e.stage.runs.Load() - runs; runs > 200 {
		t.Errorf("%d runs in 10 seconds with nothing to do", runs)
	}
}

// Nothing leaves that could not be noted, also before it is known that the disk is full:
// it would come again with every start.
func TestNoDeliveryBeforeTheFirstWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for range 3 {
			r.store("s", "x")
		}
		r.stop()
		r = newRig(t, r.disk, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
			r.tolerant = true
			slow := errorfs.Fault{Err: syscall.ENOSPC, Delay: time.Second}
			r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpCreate, errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpPreallocate), slow))
		})
		r.consumerInfo("S", "C")
		b := r.newInbox()
		r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, []byte("5"))
		time.Sleep(10 * time.Second)
		for _, m := range b.all() {
			if !strings.HasPrefix(m.header, "NATS/1.0 ") {
				t.Errorf("it delivers %+v", m)
			}
		}
		b.close()
		r.fs.SetInjector(nil)
		time.Sleep(20 * time.Second)
		if list := r.fetch("S", "C", 3); len(list) != 3 {
			t.Errorf("with space it delivers %d messages", len(list))
		}
		r.stop()
	})
}

// On a full disk streams can be deleted and purged, also right after a start, and that
// wins back the space that others need.
func TestSpaceIsWonBack(t *testing.T) {
	for _, how := range []string{"delete", "purge", "delete without checkpoints", "delete after a start", "purge after a start"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
					if !strings.Contains(how, "without") {
						r.every.streamBytes = 1 << 20
					}
				})
				for _, name := range []string{"A", "B"} {
					r.create(&api.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
				}
				for i := range 160 {
					r.store(fmt.Sprintf("A.%d", i), strings.Repeat("x", 50_000))
				}
				r.store("B.1", "first")
				synctest.Wait()
				if strings.Contains(how, "start") {
					disk := r.disk.CrashClone(vfs.Killed)
					r.stop()
					// What is not reserved is taken by others.
					r = newRig(t, disk, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
						r.tolerant = true
						r.fs.LimitSpace(100 << 10)
					})
				} else {
					r.tolerant = true
					r.fs.LimitSpace(100 << 10)
				}
				defer func() { r.stop() }()
				// Until the log is full, or what is stored has no room.
				refused := false
				for range 300 {
					if ack, ok := r.publish("B.x", strings.Repeat("x", 40_000)); ok && ack.Error != nil {
						refused = true
						break
					}
				}
				if !refused {
					t.Fatal("nothing is refused")
				}
				time.Sleep(time.Second)
				dir := r.e.streamDir(r.e.assigned("A", "A").Group.ID)
				if strings.Contains(how, "without") {
					r.fs.LimitSpace(0) // not even for saying that it is empty
				}
				if strings.Contains(how, "delete") {
					r.remove("A")
				} else {
					r.purge("A")
				}
				time.Sleep(20 * time.Second)
				r.store("B.y", strings.Repeat("y", 40_000))
				if v := r.viewOf("B"); v.Trouble != nil {
					t.Errorf("it has trouble: %v", v.Trouble)
				}
				files, err := filesBelow(r.disk, dir)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				size := int64(0)
				for _, f := range files {
					info, err := r.disk.Stat(f)
					if err != nil {
						t.Fatal(err)
					}
					size += info.Size
				}
				if size > 1<<20 {
					t.Errorf("%d bytes are left of it", size)
				}
			})
		})
	}
}

// A stream that cannot be made for want of space is there when there is some, and can be
// deleted before.
func TestCreatedOnAFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant)
		defer r.stop()
		r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpWrite).Base("*.idx.tmp"), errorfs.Fault{Err: syscall.ENOSPC}))
		for _, name := range []string{"A", "B"} {
			if _, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, name), &api.StreamConfig{Name: name, Subjects: []string{name}}); err == nil {
				t.Errorf("stream %s is created", name)
			}
		}
		r.remove("B")
		r.fs.SetInjector(nil)
		time.Sleep(5 * time.Second)
		r.store("A", "x")
		r.create(&api.StreamConfig{Name: "B", Subjects: []string{"B"}})
		r.store("B", "x")
	})
}
