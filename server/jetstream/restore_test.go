package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// begin asks for a restore, and returns where the chunks go.
func (r *rig) begin(k *kept) (string, *api.Error) {
	r.t.Helper()
	out, err := call[api.StreamRestoreResponse](r, subjectOf(api.OpStreamRestore, k.Config.Name), &api.StreamRestoreRequest{Config: *k.Config, State: *k.State})
	return out.DeliverSubject, err
}

// bring is a client that restores a backup. It returns the answer at the end, or the
// first one that is an error; ok is false if there is none.
func (r *rig) bring(k *kept, chunk int) (out api.StreamCreateResponse, ok bool) {
	r.t.Helper()
	to, err := r.begin(k)
	if err != nil {
		out.Error = err
		return out, true
	}
	for data := range slices.Chunk(k.data, chunk) {
		m, ok := r.ask(to, data)
		if !ok {
			return out, false
		}
		if m.data != "" {
			return asCreated(r.t, m), true
		}
	}
	m, ok := r.ask(to, nil)
	if !ok {
		return out, false
	}
	return asCreated(r.t, m), true
}

func asCreated(t *testing.T, m received) (out api.StreamCreateResponse) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.data), &out); err != nil {
		t.Fatalf("answer %q: %v", m.data, err)
	}
	return out
}

// restore is bring for what has to work.
func (r *rig) restore(k *kept) *api.StreamInfo {
	r.t.Helper()
	out, ok := r.bring(k, 1000)
	if !ok || out.Error != nil {
		r.t.Fatalf("restoring %s: %v, %v", k.Config.Name, out.Error, ok)
	}
	return out.StreamInfo
}

// nothing checks that there is nothing in memory, in the log or on disk but the group of
// assets.
func (r *rig) nothing() {
	r.t.Helper()
	synctest.Wait()
	if n := len(r.log.Groups()); n != 1 {
		r.t.Errorf("%d groups are in the log", n)
	}
	list, err := r.disk.List("js/streams")
	if err != nil || len(list) > 0 {
		r.t.Errorf("%d streams are on disk, %v", len(list), err)
	}
	r.e.mu.RLock()
	running := len(r.e.streams)
	r.e.mu.RUnlock()
	restoring := 0
	r.e.meta.view(func(s *meta.State) { restoring = len(slices.Collect(s.Restores("A"))) })
	if n := r.e.restores.used.Load(); n != 0 || running != 0 || restoring != 0 || r.e.usage.of(api.FileStorage) != 0 || r.e.usage.of(api.MemoryStorage) != 0 {
		r.t.Errorf("%d restores are under way, %d streams run, %d are being restored, %d bytes are held", n, running, restoring, r.e.usage.of(api.FileStorage))
	}
}

// shape is all that a client can see of a stream and its consumers, but for what is
// another one after a restore.
func (r *rig) shape(stream string) string {
	r.t.Helper()
	var b strings.Builder
	in := r.info(stream)
	in.State.Lost = nil
	fmt.Fprintf(&b, "%s\n%s\n", mustJSON(in.Config), mustJSON(in.State))
	for seq := in.State.FirstSeq; seq <= in.State.LastSeq && seq > 0; seq++ {
		if m, err := r.get(stream, seq); err == nil {
			fmt.Fprintf(&b, "%s\n", mustJSON(m))
		}
	}
	names := must[api.ConsumerNamesResponse](r, subjectOf(api.OpConsumerNames, stream), nil)
	for _, name := range names.Consumers {
		c := r.consumerInfo(stream, name)
		c.Created, c.Time, c.Delivered.Last, c.AckFloor.Last = time.Time{}, time.Time{}, nil, nil
		// Where there are no messages nothing is to be settled, which consumers note when
		// they begin to serve.
		c.AckFloor.Stream = max(c.AckFloor.Stream, in.State.FirstSeq-1)
		fmt.Fprintf(&b, "%s\n", mustJSON(c))
	}
	return b.String()
}

// differ returns the first line in which two texts differ.
func differ(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n%s\nand was\n%s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, were %d", len(a), len(b))
}

// streamKinds are streams of all kinds, each with something in it.
var streamKinds = map[string]func(*api.StreamConfig){
	"plain":      nil,
	"memory":     func(c *api.StreamConfig) { c.Storage = api.MemoryStorage },
	"compressed": func(c *api.StreamConfig) { c.Compression = api.S2Compression },
	"limits": func(c *api.StreamConfig) {
		c.MaxMsgs, c.MaxMsgsPerSubject, c.MaxBytes = 50, 20, 1<<20
	},
	"first seq": func(c *api.StreamConfig) { c.FirstSeq = 1000 },
	"transform": func(c *api.StreamConfig) {
		c.SubjectTransform = &api.SubjectTransform{Source: "s.>", Destination: "t.s.>"}
	},
	"interest":   func(c *api.StreamConfig) { c.Retention = api.RetainInterest },
	"work queue": func(c *api.StreamConfig) { c.Retention = api.RetainWorkQueue },
	"ttl":        func(c *api.StreamConfig) { c.AllowMsgTTL, c.MaxAge = true, time.Hour },
}

// fill makes a stream of a kind, with messages that are gone, and consumers in the
// middle of what they do.
func (r *rig) fill(change func(*api.StreamConfig)) {
	c := &api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowDirect: true}
	if change != nil {
		change(c)
	}
	r.create(c)
	for range 2 {
		r.store("s.a", "gone")
	}
	r.purge("S")
	explicit := func(name string) *api.ConsumerConfig {
		return &api.ConsumerConfig{Name: name, Durable: name, AckPolicy: api.AckExplicit, AckWait: time.Hour, MaxAckPending: 100}
	}
	list := []*api.ConsumerConfig{explicit("all"), explicit("some"), {Name: "none", AckPolicy: api.AckNone, InactiveThreshold: time.Hour}, explicit("wait"), explicit("group")}
	list[1].FilterSubject, list[1].BackOff, list[1].MaxDeliver = "s.b", []time.Duration{time.Minute, time.Hour}, 3
	list[4].AckPolicy = api.AckAll
	if c.Retention == api.RetainWorkQueue {
		list = list[:2]
		list[0].FilterSubject = "s.a"
	}
	if c.SubjectTransform != nil {
		list[1].FilterSubject = "t.s.b"
	}
	for _, c := range list {
		r.consume("S", c)
	}
	for i := range 40 {
		r.store([]string{"s.a", "s.b", "s.c"}[i%3], fmt.Sprintf("message %d", i), "N", fmt.Sprint(i))
	}
	last := r.info("S").State.LastSeq
	for _, n := range []uint64{20, 0} {
		r.deleteMsg("S", last-n)
	}
	got := r.fetch("S", "all", 8)
	for i, what := range map[int]string{0: "+ACK", 3: "+ACK", 4: "-NAK", 5: `-NAK {"delay":900000000000}`, 6: "+TERM"} {
		r.ack(&got[i], what)
	}
	got = r.fetch("S", "some", 4)
	r.ack(&got[1], "+ACK")
	if len(list) > 2 {
		r.fetch("S", "none", 5)
		got = r.fetch("S", "group", 5)
		r.ack(&got[2], "+ACK")
	}
	time.Sleep(2 * time.Minute) // some are due again
	r.fetch("S", "some", 1)
	synctest.Wait()
}

// What is restored is what was there, and stays that after a restart. Its consumers go
// on where they were.
func TestRestore(t *testing.T) {
	for name, change := range streamKinds {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
				r := newRig(t, vfs.NewMem(), often)
				r.fill(change)
				want := r.shape("S")
				k := r.backup("S")
				r.remove("S")
				synctest.Wait()
				r.nothing()
				in := r.restore(k)
				if in.State.Msgs != k.State.Msgs || in.Config.Name != "S" {
					t.Errorf("the answer says %+v", in)
				}
				if got := r.shape("S"); got != want {
					t.Errorf("restored: %s", differ(got, want))
				}
				// Once more: nothing gets lost on the way that does not show.
				other := r.backup("S")
				if a, b := decompressed(t, k.data), decompressed(t, other.data); !bytes.Equal(afterState(a), afterState(b)) {
					t.Errorf("a backup of it is another one:\n%q\n%q", b, a)
				}
				if k.Config.Storage == api.MemoryStorage {
					r.stop()
					return
				}
				r = again(r)
				defer r.stop()
				if got := r.shape("S"); got != want {
					t.Errorf("restarted: %s", differ(got, want))
				}
				r.store("s.a", "next")
				r.fetch("S", "all", 100)
			})
		})
	}
}

func decompressed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := out.ReadFrom(s2.NewReader(bytes.NewReader(b))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// afterState is an archive without the times at which it was made: from the first
// message on.
func afterState(plain []byte) []byte {
	at := bytes.Index(plain, []byte("NATS/1.0"))
	return plain[max(at, 0):]
}

// A stream that nothing is in any more, or never was, has its numbers and times.
func TestRestoreEmpty(t *testing.T) {
	for name, prepare := range map[string]func(*rig){
		"new":    func(*rig) {},
		"purged": func(r *rig) { r.store("s", "x"); r.store("s", "y"); r.purge("S") },
	} {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
				r := newRig(t, vfs.NewMem())
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				prepare(r)
				want := r.info("S").State
				k := r.backup("S")
				r.remove("S")
				r.restore(k)
				r = again(r)
				defer r.stop()
				if got := r.info("S").State; !bytes.Equal(mustJSON(got), mustJSON(want)) {
					t.Errorf("%+v, want %+v", got, want)
				}
				if seq := r.store("s", "next"); seq != want.LastSeq+1 {
					t.Errorf("the next message is %d", seq)
				}
			})
		})
	}
}

// A backup has the messages as they are, whatever the files of the store look like, and
// of a server with keys it is one of any other.
func TestRestoreElsewhere(t *testing.T) {
	plain := func(*rig, *wal.Config, *host.Config, *Config) {}
	for name, options := range map[string][2]rigOption{
		"from encrypted files": {encrypted(plain, "one"), plain},
		"into encrypted files": {plain, encrypted(plain, "one")},
		"with other keys":      {encrypted(plain, "one"), encrypted(plain, "two")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), options[0])
				r.fill(streamKinds["compressed"])
				want, k := r.shape("S"), r.backup("S")
				r.stop()
				if !bytes.Contains(decompressed(t, k.data), []byte("message 38")) {
					t.Error("the messages are not in the backup as they are")
				}
				k.Config.Compression = api.NoCompression
				want = strings.Replace(want, `"compression":"s2"`, `"compression":"none"`, 1)
				r = newRig(t, vfs.NewMem(), options[1])
				defer r.stop()
				r.restore(k)
				if got := r.shape("S"); got != want {
					t.Errorf("restored: %s", differ(got, want))
				}
			})
		})
	}
}

// Nothing is published, removed or delivered before all is there.
func TestRestoringIsQuiet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxAge: time.Minute, RePublish: &api.RePublish{Source: ">", Destination: "copy.>"}})
		r.consume("S", &api.ConsumerConfig{Name: "P", Durable: "P", DeliverSubject: "deliver", AckPolicy: api.AckExplicit})
		for i := range 20 {
			r.store("s.x", fmt.Sprint(i))
		}
		k := r.backup("S")
		r.remove("S")
		synctest.Wait()
		copies, deliveries := r.listen("copy.>"), r.listen("deliver")
		time.Sleep(30 * time.Second)
		to, err := r.begin(k)
		if err != nil {
			t.Fatal(err)
		}
		for data := range slices.Chunk(k.data, len(k.data)/10+1) {
			if m, ok := r.ask(to, data); !ok || m.data != "" {
				t.Fatalf("%q, %v", m.data, ok)
			}
			time.Sleep(4 * time.Second) // they are too old soon
		}
		if _, err := call[api.StreamInfoResponse](r, subjectOf(api.OpStreamInfo, "S"), nil); !err.Is(api.ErrStreamNotFound) {
			t.Errorf("its info: %v", err)
		}
		if _, ok := r.publish("s.x", "early"); ok {
			t.Error("it takes messages")
		}
		if n, m := len(copies.all()), len(deliveries.all()); n+m > 0 {
			t.Errorf("%d copies and %d deliveries", n, m)
		}
		if _, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "S"), &api.StreamConfig{Name: "S", Subjects: []string{"q"}}); !err.Is(api.ErrStreamNameExist) {
			t.Errorf("another of that name: %v", err)
		}
		if _, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"s.x"}}); !err.Is(api.ErrStreamSubjectOverlap) {
			t.Errorf("another of those subjects: %v", err)
		}
		if _, err := r.begin(k); !err.Is(api.ErrStreamNameExistRestoreFailed) {
			t.Errorf("a second restore: %v", err)
		}
		m, ok := r.ask(to, nil)
		if out := asCreated(t, m); !ok || out.Error != nil {
			t.Fatalf("%v, %v", out.Error, ok)
		}
		synctest.Wait()
		if n := len(copies.all()); n > 0 {
			t.Errorf("%d copies", n)
		}
		if n := r.info("S").State.Msgs; n != 0 {
			t.Errorf("%d messages are too old and there", n)
		}
		if seq := r.store("s.x", "after"); seq != 21 {
			t.Errorf("the next message is %d", seq)
		}
		if _, ok := deliveries.next(r.patience); !ok {
			t.Error("nothing is delivered")
		}
	})
}

// What is in the way is said before anything is sent.
func TestRestoreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { c.Limits.MaxFile = 1 << 20 })
		defer r.stop()
		r.create(&api.StreamConfig{Name: "there", Subjects: []string{"there"}})
		limits := api.NoLimits
		limits.MaxStreams, limits.MaxStorage = 2, 1<<19
		r.limit(limits)
		for name, c := range map[string]struct {
			stream string
			q      api.StreamRestoreRequest
			want   *api.Error
		}{
			"a name that exists":  {"there", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "there"}}, api.ErrStreamNameExistRestoreFailed},
			"another name":        {"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "T"}}, api.ErrStreamMismatch},
			"no name":             {"S", api.StreamRestoreRequest{}, api.ErrStreamMismatch},
			"subjects that exist": {"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "S", Subjects: []string{"there"}}}, api.ErrStreamSubjectOverlap},
			"a bad configuration": {"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxAge: -1}}, api.ErrStreamInvalidConfig},
			"more than the account may have": {
				"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "S", Subjects: []string{"s"}}, State: api.StreamState{Bytes: 1<<19 + 1}}, api.ErrAccountResourcesExceeded,
			},
			"more than the server has": {
				"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "S", Subjects: []string{"s"}}, State: api.StreamState{Bytes: 1<<64 - 1}}, api.ErrInsufficientResources,
			},
			"more than is left to reserve": {"S", api.StreamRestoreRequest{Config: api.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 1 << 20}}, api.ErrStorageResourcesExceeded},
		} {
			if _, err := call[api.StreamRestoreResponse](r, subjectOf(api.OpStreamRestore, c.stream), &c.q); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		if _, err := call[api.StreamRestoreResponse](r, subjectOf(api.OpStreamRestore, "S"), nil); !err.Is(api.ErrBadRequest) {
			t.Errorf("nothing: %v", err)
		}
		r.remove("there")
		r.nothing()
	})
}

// limit sets the limits of the account.
func (r *rig) limit(l AccountLimits) {
	r.t.Helper()
	if err := r.e.Serve(map[*account.Account]AccountLimits{r.acc: l}, nil); err != nil {
		r.t.Fatal(err)
	}
}

// A backup that has more than it says, or than it should, is not let in.
func TestRestoreBeyondLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxConsumers: 2})
		r.consume("S", &api.ConsumerConfig{Name: "C", AckPolicy: api.AckExplicit, InactiveThreshold: time.Hour})
		r.consume("S", &api.ConsumerConfig{Name: "D", AckPolicy: api.AckExplicit, InactiveThreshold: time.Hour, MaxAckPending: 500})
		for range 100 {
			r.store("s", strings.Repeat("x", 1000))
		}
		k := r.backup("S")
		r.remove("S")
		for name, c := range map[string]struct {
			change func(*kept, *AccountLimits)
			want   *api.Error
		}{
			"more messages":  {func(k *kept, l *AccountLimits) { l.MaxStorage = 50_000 }, api.ErrAccountResourcesExceeded},
			"more consumers": {func(k *kept, l *AccountLimits) { k.Config.MaxConsumers = 1 }, api.ErrStreamRestore},
			"more consumers than the account may have": {func(k *kept, l *AccountLimits) { l.MaxConsumers = 1 }, api.ErrStreamRestore},
			"a consumer that may not be":               {func(k *kept, l *AccountLimits) { l.MaxAckPending = 400 }, api.ErrStreamRestore},
		} {
			limits := api.NoLimits
			lies := &kept{Config: k.Config.Clone(), State: &api.StreamState{Msgs: 1, Bytes: 1}, data: k.data}
			c.change(lies, &limits)
			r.limit(limits)
			if out, ok := r.bring(lies, 1000); !ok || !errors.Is(out.Error, c.want) {
				t.Errorf("%s: %v, %v", name, out.Error, ok)
			}
			r.nothing()
		}
		r.limit(api.NoLimits)
		r.restore(k)
	})
}

// Whatever is wrong with a backup is found out, and nothing is left of it.
func TestRestoreDamaged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.fill(nil)
		k := r.backup("S")
		r.remove("S")
		refused := func(name string, data []byte, chunk int) {
			t.Helper()
			out, ok := r.bring(&kept{Config: k.Config, State: k.State, data: data}, chunk)
			if !ok || !out.Error.Is(api.ErrStreamRestore) {
				t.Errorf("%s: %v, %v", name, out.Error, ok)
			}
			r.nothing()
		}
		for n := 0; n < len(k.data); n += len(k.data)/40 + 1 {
			refused(fmt.Sprintf("cut off behind byte %d", n), k.data[:n], 100)
			if n < 10 {
				continue // what the compression begins with need not be there
			}
			bad := bytes.Clone(k.data)
			bad[n] ^= 0x10
			refused(fmt.Sprintf("another byte %d", n), bad, 1000)
		}
		refused("something behind it", append(bytes.Clone(k.data), 0, 1, 2, 3, 4, 5), 1000)
		refused("no backup at all", []byte(strings.Repeat("This is no backup. ", 100)), 1000)
		if err := r.restore(k); err == nil {
			t.Error("no answer")
		}
	})
}

// A client that goes away, or does not keep to the rules, ends its restore.
func TestRestoreNobodySends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.fill(nil)
		k := r.backup("S")
		r.remove("S")
		synctest.Wait()
		events := r.listen("$JS.EVENT.ADVISORY.STREAM.*.S")
		for name, f := range map[string]func(to string){
			"nothing is sent": func(string) { time.Sleep(6 * time.Second) },
			"the end is not sent": func(to string) {
				r.ask(to, k.data)
				time.Sleep(6 * time.Second)
			},
			"there is no reply": func(to string) { r.send(to, "", k.data) },
		} {
			to, err := r.begin(k)
			if err != nil {
				t.Fatal(err)
			}
			f(to)
			synctest.Wait()
			if m, ok := r.ask(to, []byte("x")); !ok || !asCreated(t, m).Error.Is(api.ErrStreamRestore) {
				t.Errorf("%s: the next chunk is answered by %q, %v", name, m.data, ok)
			}
			r.nothing()
			time.Sleep(10 * time.Second)
			if _, ok := r.ask(to, []byte("x")); ok {
				t.Errorf("%s: somebody listens still", name)
			}
			if n := len(events.all()); n != 2 {
				t.Errorf("%s: %d advisories", name, n)
			}
		}
		r.restore(k)
		var done api.RestoreComplete
		if list := events.all(); len(list) != 2 || json.Unmarshal([]byte(list[1].data), &done) != nil || done.Bytes != int64(len(k.data)) || done.Error != "" {
			t.Errorf("advised of %+v", list)
		}
	})
}

// A server that ends in the middle of a restore knows nothing of it any more, and the
// name is free.
func TestRestoreInterrupted(t *testing.T) {
	for _, part := range []int{0, 1, 5, 9, 10} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
				r := newRig(t, vfs.NewMem(), often)
				r.fill(nil)
				want := r.shape("S")
				k := r.backup("S")
				r.remove("S")
				to, err := r.begin(k)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for data := range slices.Chunk(k.data, len(k.data)/10+1) {
					if n++; n > part {
						break
					}
					r.ask(to, data)
				}
				r = again(r)
				defer r.stop()
				synctest.Wait()
				r.nothing()
				r.restore(k)
				if got := r.shape("S"); got != want {
					t.Errorf("restored: %s", differ(got, want))
				}
			})
		})
	}
}

// With a disk that fails at any moment a restore is complete or was never there.
func TestRestoreEveryError(t *testing.T) {
	var k *kept
	var want string
	disk := vfs.NewMem()
	bubble(t, func(t *testing.T) {
		r := newRig(t, disk)
		r.fill(nil)
		want = r.shape("S")
		k = r.backup("S")
		r.stop()
	})
	outcomes := map[string]int{}
	for n := uint64(1); n < 200; n += 5 {
		over := false
		bubble(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem(), tolerant, often)
			in := errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: errors.New("a bad disk")})
			if n%2 == 0 {
				in = errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: syscall.EIO, After: true})
			}
			r.fs.SetInjector(in)
			out, answered := r.bring(k, 500)
			complete := answered && out.Error == nil
			r.fs.SetInjector(nil)
			_, fired := in.Fired()
			over = !fired
			r = r.crash(vfs.CrashOptions{}, tolerant)
			defer r.stop()
			synctest.Wait()
			there := r.e.assigned("A", "S") != nil
			outcomes[fmt.Sprint(complete, there)]++
			switch {
			case there:
				if got := r.shape("S"); got != want {
					t.Errorf("error %d: restored: %s", n, differ(got, want))
				}
			case complete:
				t.Errorf("error %d: it was restored, and is not there", n)
			default:
				r.nothing()
				r.restore(k)
			}
		})
		if over {
			break
		}
	}
	if outcomes["true true"] == 0 || outcomes["false false"] == 0 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// When the power goes, at whatever operation of the disk, a restore is complete or was
// never there; and it is complete once that was answered.
func TestRestorePowerCuts(t *testing.T) {
	type powerCut struct {
		at       string
		disk     *vfs.Mem
		answered bool
	}
	var (
		k    *kept
		want string
		mu   sync.Mutex
		cuts []powerCut
	)
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.fill(nil)
		want, k = r.shape("S"), r.backup("S")
		r.stop()
		r = newRig(t, vfs.NewMem(), often)
		answered, ops := false, 0
		r.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			mu.Lock()
			defer mu.Unlock()
			if ops++; op.Kind.Changes() && ops%3 == 0 {
				w := ways[ops/3%len(ways)]
				w.opts.Rand = rand.New(rand.NewPCG(uint64(ops), 1))
				cuts = append(cuts, powerCut{fmt.Sprintf("operation %d, %v, %s", ops, op, w.how), r.disk.CrashClone(w.opts), answered})
			}
			return errorfs.Fault{}
		}))
		r.restore(k)
		mu.Lock()
		answered = true
		mu.Unlock()
		for range 12 { // so that some cuts are behind the end
			r.store("s.a", "later")
		}
		r.fs.SetInjector(nil)
		r.stop()
	})
	complete := 0
	for _, c := range cuts {
		bubble(t, func(t *testing.T) {
			r := newRig(t, c.disk, tolerant)
			defer r.stop()
			synctest.Wait()
			if r.e.assigned("A", "S") == nil {
				if c.answered {
					t.Errorf("%s: it is gone", c.at)
				}
				r.nothing()
				return
			}
			complete++
			if got := r.shape("S"); got != want && !c.answered {
				t.Errorf("%s: %s", c.at, differ(got, want))
			}
		})
	}
	if complete == 0 || complete == len(cuts) {
		t.Errorf("%d of %d cuts are behind the end", complete, len(cuts))
	}
}

// Backups of nats-server 2.15 are restored, with consumers in every state.
func TestRestoreOfNatsServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		recorded := func(name string) *kept {
			b, err := os.ReadFile("archive/testdata/" + name + ".arc.s2")
			if err != nil {
				t.Fatal(err)
			}
			return &kept{Config: &api.StreamConfig{Name: "S", Subjects: []string{"orders.>"}, AllowMsgTTL: true}, State: &api.StreamState{}, data: b}
		}
		r.restore(recorded("orders"))
		if st := r.info("S").State; st.Msgs != 10 || st.LastSeq != 10 || st.Consumers != 6 || st.LastTime.UnixNano() != 1795446226749781480 {
			t.Errorf("%+v", st)
		}
		type figures struct {
			delivered, floor uint64
			pending, left    int
		}
		for name, want := range map[string]figures{
			"worker": {9, 0, 5, 3}, "all": {5, 3, 2, 5}, "none": {5, 5, 0, 5}, "eph": {1, 0, 1, 0}, "twice": {5, 0, 1, 7}, "paused": {0, 0, 0, 10},
		} {
			c := r.consumerInfo("S", name)
			if got := (figures{c.Delivered.Consumer, c.AckFloor.Consumer, c.NumAckPending, int(c.NumPending)}); got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
		if got := r.fetch("S", "none", 1); len(got) != 1 || got[0].StreamSeq != 6 || got[0].ConsumerSeq != 6 {
			t.Errorf("the next one is %+v", got)
		}
		r.remove("S")
		r.restore(recorded("gaps"))
		if st := r.info("S").State; st.Msgs != 7 || st.FirstSeq != 1001 || st.LastSeq != 1011 || st.NumDeleted != 4 || st.LastTime.UnixNano() != 1795446229334835374 {
			t.Errorf("%+v", st)
		}
	})
}

// Whatever is in a backup that can be read, a stream takes all of it or says why not,
// and each consumer gets a state that its replicas read.
func FuzzRestored(f *testing.F) {
	for _, name := range []string{"orders", "gaps"} {
		b, err := os.ReadFile("archive/testdata/" + name + ".arc.s2")
		if err != nil {
			f.Fatal(err)
		}
		plain := decompressed(f, b)
		f.Add(plain, uint8(0))
		f.Add(plain, uint8(7))
	}
	f.Fuzz(func(t *testing.T, plain []byte, kind uint8) {
		var b bytes.Buffer
		w := s2.NewWriter(&b, s2.WriterConcurrency(1))
		if _, err := w.Write(plain); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		in := archive.NewReader(&b)
		state, err := in.State()
		if err != nil {
			return
		}
		cfg := api.StreamConfig{
			Name: "S", Subjects: []string{"s"}, Storage: api.MemoryStorage, Retention: api.Retention(kind % 3),
			AllowMsgTTL: kind&4 != 0, AllowMsgSchedules: kind&8 != 0,
		}
		checked, refused := api.CheckStream(&cfg, api.StreamLimits{}, false)
		if refused != nil {
			t.Fatal(refused)
		}
		restoreInto(t, in, checked, store.Seq(state.LastSeq))
	})
}

// restoreInto does what the job of a restore does, without the groups.
func restoreInto(t *testing.T, in *archive.Reader, cfg *api.StreamConfig, last store.Seq) {
	messages := mem.New()
	core, err := streamcore.New(cfg, messages)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixNano()
	for {
		c, err := in.Consumer()
		if err != nil {
			break
		}
		checked, refused := api.CheckConsumer(c.Config, cfg, api.ConsumerRules{}, false)
		if refused != nil {
			return
		}
		s, err := consumerState(&meta.Consumer{Config: checked, Created: now}, cfg, c.State)
		if err != nil {
			t.Fatalf("%+v: %v", c.State, err)
		}
		frame := consumerCut{config: checked, frame: s.AppendFull(nil)}
		if _, err := frame.archived(); err != nil {
			t.Fatalf("%+v: %v", c.State, err)
		}
	}
	var r streamcore.Result
	var m store.Message
	for err = in.Message(&m); err == nil; err = in.Message(&m) {
		op := streamcore.AppendRestore(nil, m.Seq, m.Time, &streamcore.Message{
			Subject: m.Subject, Header: m.Header, Data: m.Data, Plan: streamcore.PlanSchedule(m.Header, now, time.LoadLocation),
		})
		if err := core.Apply(op, now, &r); err != nil {
			t.Fatal(err)
		}
		if r.Skipped {
			if m.Seq <= 1<<62 {
				t.Fatalf("message %d is skipped", m.Seq)
			}
			return
		}
		if r.Err != nil || r.Duplicate {
			t.Fatalf("message %d: %v, %v", m.Seq, r.Err, r.Duplicate)
		}
	}
	if !errors.Is(err, io.EOF) || last > 1<<62 {
		return
	}
	if err := core.Apply(streamcore.AppendRestoreEnd(nil, last, now), now, &r); err != nil || r.Skipped || messages.State().Last != last {
		t.Fatalf("it ends at %d, want %d; %v", messages.State().Last, last, err)
	}
}
