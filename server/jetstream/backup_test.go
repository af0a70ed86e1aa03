package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// kept is a backup as a client keeps it.
type kept struct {
	Config *api.StreamConfig
	State  *api.StreamState
	data   []byte
}

// takeBackup is a client that makes a backup. paced is called with each chunk before it
// is acknowledged, unless it is nil. end is the status at the end.
func (r *rig) takeBackup(stream string, q api.StreamSnapshotRequest, paced func(n int)) (k *kept, end string) {
	r.t.Helper()
	b := r.newInbox()
	defer b.close()
	q.DeliverSubject = b.sub.Subject
	out := must[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, stream), &q)
	k = &kept{Config: out.Config, State: out.State}
	for n := 0; ; n++ {
		m, ok := b.next(r.patience)
		if !ok {
			r.t.Fatalf("the backup of %s ends without an end", stream)
		}
		if m.data == "" {
			return k, strings.TrimSpace(m.header)
		}
		k.data = append(k.data, m.data...)
		if paced != nil {
			paced(n)
		}
		if m.reply != "" {
			r.send(m.reply, "", nil)
		}
	}
}

const (
	endComplete = "NATS/1.0 204"
	endNoAcks   = "NATS/1.0 408 No Flow Response"
	endNobody   = "NATS/1.0 408 No Interest"
)

// backup is takeBackup for what has to work.
func (r *rig) backup(stream string) *kept {
	r.t.Helper()
	k, end := r.takeBackup(stream, api.StreamSnapshotRequest{}, nil)
	if end != endComplete {
		r.t.Fatalf("the backup of %s ends with %q", stream, end)
	}
	return k
}

// content is what is in a backup, as text.
func (k *kept) content(t *testing.T) (messages []string, consumers map[string]*archive.Consumer) {
	t.Helper()
	in := archive.NewReader(bytes.NewReader(k.data))
	consumers = make(map[string]*archive.Consumer)
	for {
		c, err := in.Consumer()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		consumers[c.Name] = c
	}
	var m store.Message
	for {
		err := in.Message(&m)
		if errors.Is(err, io.EOF) {
			return messages, consumers
		}
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, fmt.Sprintf("%d:%s", m.Seq, m.Data))
	}
}

// A backup is the stream at one moment, whatever is done to it while the client takes
// its time.
func TestBackupIsOfOneMoment(t *testing.T) {
	for _, storage := range []api.Storage{api.FileStorage, api.MemoryStorage} {
		for _, compression := range []api.Compression{api.NoCompression, api.S2Compression} {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), often)
				defer r.stop()
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: storage, Compression: compression})
				r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
				r.consume("S", &api.ConsumerConfig{Name: "gone", Durable: "gone", AckPolicy: api.AckExplicit})
				var want []string
				for i := range 200 {
					data := fmt.Sprintf("%d %0100x", i, i*i*i*7919)
					want = append(want, fmt.Sprintf("%d:%s", r.store("s.x", data), data))
				}
				list := r.fetch("S", "C", 3)
				r.ack(&list[1], "+ACK")
				k, end := r.takeBackup("S", api.StreamSnapshotRequest{ChunkSize: 1024, WindowSize: 2048}, func(n int) {
					switch n {
					case 0:
						r.store("s.y", "later")
						r.ack(&list[0], "+ACK")
						must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "gone"), nil)
					case 1:
						r.deleteMsg("S", 150)
					case 2:
						r.purge("S")
						for range 100 {
							r.store("s.z", strings.Repeat("z", 100))
						}
					}
					time.Sleep(time.Second)
				})
				if end != endComplete || k.State.Msgs != 200 || k.State.Consumers != 2 {
					t.Fatalf("it ends with %q, of %+v", end, k.State)
				}
				got, consumers := k.content(t)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%d messages, want %d", len(got), len(want))
				}
				s := consumers["C"].State
				if len(consumers) != 2 || s.Delivered != (archive.Position{Consumer: 3, Stream: 3}) || len(s.Pending) != 2 || s.Pending[0].Stream != 1 {
					t.Errorf("%d consumers, %+v", len(consumers), s)
				}
			})
		}
	}
}

// A client that goes away, in any way, ends its backup, and nothing is held for it.
func TestBackupNobodyTakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		for i := range 50 {
			r.store("s", fmt.Sprintf("%d %0200x", i, i*i*i*7919))
		}
		events := r.listen("$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S")
		failed := func(why string) {
			t.Helper()
			m, ok := events.next(r.patience)
			var e api.SnapshotComplete
			if !ok || json.Unmarshal([]byte(m.data), &e) != nil || e.Error != why {
				t.Errorf("advised of %q, %v", m.data, ok)
			}
		}
		ask := func(to string) {
			must[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), &api.StreamSnapshotRequest{DeliverSubject: to, ChunkSize: 1024, WindowSize: 1024})
		}
		ask("nobody.listens")
		failed("no interest")

		// Nothing is acknowledged.
		b := r.listen("mute")
		ask("mute")
		failed("no flow response")
		var last received
		for _, m := range b.all() {
			last = m
		}
		if got := strings.TrimSpace(last.header); got != endNoAcks {
			t.Errorf("ends with %q", got)
		}
		b.close()

		// The client hangs up behind the first chunk.
		b = r.listen("leaves")
		ask("leaves")
		if m, ok := b.next(r.patience); !ok || len(m.data) != 1024 {
			t.Errorf("chunk of %d bytes", len(m.data))
		}
		b.close()
		failed("no interest")

		// One that listens by a wildcard is served, a bit later.
		b = r.listen("inbox.*")
		begin := time.Now()
		must[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), &api.StreamSnapshotRequest{DeliverSubject: "inbox.1"})
		if m, ok := b.next(r.patience); !ok || len(m.data) < 1024 || time.Since(begin) < time.Second {
			t.Errorf("%d bytes after %v", len(m.data), time.Since(begin))
		}
		failed("")
		synctest.Wait()
		if n := r.e.backups.used.Load(); n != 0 {
			t.Errorf("%d backups are under way", n)
		}
	})
}

// So many backups at once are made, and no more.
func TestManyBackups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		q := &api.StreamSnapshotRequest{DeliverSubject: "nobody"}
		for range maxBackups {
			must[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), q)
		}
		if _, err := call[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), q); !err.Is(api.ErrStreamSnapshot) {
			t.Errorf("one more: %v", err)
		}
		time.Sleep(3 * time.Second)
		r.backup("S")
	})
}

func TestBackupRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		for _, c := range []struct {
			stream string
			body   any
			want   *api.Error
		}{
			{"none", &api.StreamSnapshotRequest{DeliverSubject: "x"}, api.ErrStreamNotFound},
			{"S", &api.StreamSnapshotRequest{DeliverSubject: "x.*"}, api.ErrSnapshotDeliverSubjectInvalid},
			{"S", &api.StreamSnapshotRequest{}, api.ErrSnapshotDeliverSubjectInvalid},
			{"S", nil, api.ErrBadRequest},
		} {
			if _, err := call[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, c.stream), c.body); !errors.Is(err, c.want) {
				t.Errorf("%+v of %s: %v, want %v", c.body, c.stream, err, c.want)
			}
		}
	})
}

// A stream that is deleted, and a server that stops, end a backup that is under way.
func TestBackupOfWhatGoes(t *testing.T) {
	for name, goes := range map[string]func(*rig){
		"deleted": func(r *rig) { r.remove("S") },
		"stopped": func(r *rig) { r.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), tolerant)
				defer r.stop()
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				for i := range 3000 {
					r.send("s", "", fmt.Appendf(nil, "%d %0200x", i, i*i*i*7919))
				}
				r.store("s", "last")
				b := r.listen("to")
				must[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), &api.StreamSnapshotRequest{DeliverSubject: "to", ChunkSize: 1024, WindowSize: 1024})
				m, _ := b.next(r.patience)
				goes(r)
				r.send(m.reply, "", nil)
				list := b.all()
				for range 1000 {
					if len(list) == 0 || list[len(list)-1].data == "" {
						break
					}
					r.send(list[len(list)-1].reply, "", nil)
					list = b.all()
				}
				if len(list) == 0 || !strings.HasPrefix(list[len(list)-1].header, "NATS/1.0 ") {
					t.Errorf("it does not end: %+v", list)
				}
				if n := r.e.backups.used.Load(); n != 0 {
					t.Errorf("%d backups are under way", n)
				}
			})
		})
	}
}

// A check finds out that a message is damaged before anything is sent, and without
// one the backup ends with that.
func TestBackupOfDamage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		for i := range 10 {
			r.store("s", fmt.Sprintf("message %d", i))
		}
		dir := r.e.streamDir(r.e.assigned("A", "S").Group.ID)
		r.stop()
		damage(t, r.disk, dir, "message 4")
		r = newRig(t, r.disk, tolerant)
		defer r.stop()
		_, err := call[api.StreamSnapshotResponse](r, subjectOf(api.OpStreamSnapshot, "S"), &api.StreamSnapshotRequest{DeliverSubject: "x", CheckMsgs: true})
		if !err.Is(api.ErrStreamSnapshot) {
			t.Errorf("a check says %v", err)
		}
		if _, end := r.takeBackup("S", api.StreamSnapshotRequest{}, nil); end == endComplete && len(r.e.stream(r.e.assigned("A", "S").Group.ID).store.Lost()) == 0 {
			t.Errorf("the backup ends with %q", end)
		}
		if n := r.e.backups.used.Load(); n != 0 {
			t.Errorf("%d backups are under way", n)
		}
	})
}

// damage changes a byte of a text in the files of a directory.
func damage(t *testing.T, disk *vfs.Mem, dir, text string) {
	t.Helper()
	list, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		path := dir + "/" + entry.Name
		b, err := vfs.ReadFile(disk, path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte(text))
		if at < 0 {
			continue
		}
		f, err := disk.OpenReadWrite(path)
		if err == nil {
			_, err = f.WriteAt([]byte{'M'}, int64(at))
		}
		if err == nil {
			err = errors.Join(f.SyncData(), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%q is in no file of %s", text, dir)
}
