package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

func testRing(t testing.TB, secret string, previous ...string) *seal.Ring {
	t.Helper()
	var old [][]byte
	for _, p := range previous {
		old = append(old, []byte(p))
	}
	ring, err := seal.NewRing(seal.ChaCha, []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// encrypted is a rigOption, and another one.
func encrypted(and rigOption, secret string, previous ...string) rigOption {
	return func(r *rig, lc *wal.Config, hc *host.Config, c *Config) {
		and(r, lc, hc, c)
		ring := testRing(r.t, secret, previous...)
		keys, err := ring.Keys(wal.Purpose)
		if err != nil {
			r.t.Fatal(err)
		}
		lc.Keys, hc.Cipher, c.Ring = keys, ring.Cipher(), ring
	}
}

// allFiles returns the content of every file below a directory.
func allFiles(t *testing.T, fs vfs.FS, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	entries, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name)
		if e.Dir {
			maps.Copy(files, allFiles(t, fs, path))
			continue
		}
		b, err := vfs.ReadFile(fs, path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = b
	}
	return files
}

const marker = "MARKER"

// readable returns the files that have the marker in them.
func (r *rig) readable() (list []string) {
	r.t.Helper()
	synctest.Wait()
	for name, b := range allFiles(r.t, r.disk, "js") {
		if bytes.Contains(b, []byte(marker)) {
			list = append(list, name)
		}
	}
	return list
}

// markAll leaves the marker wherever a client can leave one.
func (r *rig) markAll(name string, n int) {
	r.t.Helper()
	subject := name + "." + marker
	c := &api.StreamConfig{
		Name: name, Description: marker, Subjects: []string{name + ".>"}, Metadata: map[string]string{"a": marker},
		Compression: []api.Compression{api.NoCompression, api.S2Compression}[n%2],
	}
	r.create(c)
	r.consume(name, &api.ConsumerConfig{
		Name: marker + "-c", Durable: marker + "-c", AckPolicy: api.AckExplicit, FilterSubject: subject, Metadata: map[string]string{"b": marker},
	})
	for i := range n {
		r.store(subject, fmt.Sprintf("%s %d", marker, i), "A", marker, api.HeaderMsgID, fmt.Sprint(marker, i))
	}
	for _, d := range r.fetch(name, marker+"-c", n/2) {
		r.ack(&d, "+ACK")
	}
	r.deleteMsg(name, 2)
	c.Description += "2"
	r.update(c)
}

// checkMarked reads what markAll has written.
func (r *rig) checkMarked(name string, n int) {
	r.t.Helper()
	for seq := range n {
		m, err := r.get(name, uint64(seq+1))
		if want := fmt.Sprintf("%s %d", marker, seq); seq != 1 && (err != nil || string(m.Data) != want) {
			r.t.Fatalf("%s: message %d: %v", name, seq+1, err)
		}
	}
	if in := r.consumerInfo(name, marker+"-c"); in.Delivered.Consumer != uint64(n/2) {
		r.t.Fatalf("%s: consumer %+v", name, in)
	}
}

// Nothing of what clients write is in clear in any file, whatever becomes of it.
func TestNothingToRead(t *testing.T) {
	for name, every := range map[string]rigOption{"checkpoints often": often, "checkpoints seldom": seldom} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				check := func(when string, r *rig) {
					t.Helper()
					if list := r.readable(); len(list) > 0 {
						t.Errorf("%s: %v can be read", when, list)
					}
				}
				r := newRig(t, vfs.NewMem(), encrypted(every, "one"))
				r.markAll("S", 40)
				r.markAll("T", 41)
				check("published", r)
				r = r.crash(vfs.Killed, encrypted(every, "one"))
				check("killed", r)
				r.checkMarked("S", 40)
				r.checkMarked("T", 41)
				r = r.crash(vfs.CrashOptions{}, encrypted(every, "one"))
				r.markAll("U", 10)
				check("power cut", r)
				r = r.restart(encrypted(every, "one"))
				check("restarted", r)
				r = r.restart(encrypted(every, "two", "one"))
				time.Sleep(time.Minute)
				check("with another key", r)
				r.remove("U")
				r.purge("T")
				check("purged", r)
				r = r.restart(encrypted(every, "two"))
				r.checkMarked("S", 40)
				check("without the key before", r)
				r.stop()
				check("stopped", r)
			})
		})
	}
}

func seldom(*rig, *wal.Config, *host.Config, *Config) {}

// Files in clear become encrypted in the background, although nothing else happens, and
// that goes on after a crash in the middle of it. Until then all is served.
func TestEncryptionIsTurnedOn(t *testing.T) {
	for _, crash := range []time.Duration{0, time.Millisecond, 60 * time.Millisecond, time.Minute} {
		bubble(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem())
			r.markAll("S", 40)
			r.markAll("T", 41)
			r = r.restart()
			if len(r.readable()) < 4 { // the log, the checkpoint of assets, two streams
				t.Errorf("the marker is in %v alone", r.readable())
			}
			r = r.restart(encrypted(seldom, "one"))
			r.checkMarked("S", 40)
			time.Sleep(crash)
			r = r.crash(vfs.CrashOptions{}, encrypted(seldom, "one"))
			r.checkMarked("S", 40)
			time.Sleep(time.Minute)
			if list := r.readable(); len(list) > 0 {
				t.Errorf("%v can be read", list)
			}
			r.checkMarked("S", 40)
			r.checkMarked("T", 41)
			r.stop()
			if stale, err := CheckKeys(r.disk, "js", testRing(t, "one")); stale != 0 || err != nil {
				t.Errorf("%d are stale: %v", stale, err)
			}
		})
	}
}

// CheckKeys finds out of all files whether the keys open them, and changes nothing.
func TestCheckKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), encrypted(seldom, "one"))
		r.markAll("S", 5)
		r.markAll("T", 5)
		r.stop()
		before := allFiles(t, r.disk, "js")
		check := func(name string, ring *seal.Ring, stale int, want error) {
			t.Helper()
			n, err := CheckKeys(r.disk, "js", ring)
			if n != stale || !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %d are stale: %v", name, n, err)
			}
		}
		check("the key", testRing(t, "one"), 0, nil)
		check("another key", testRing(t, "two"), 0, seal.ErrKey)
		check("a newer key", testRing(t, "two", "one"), 3, nil)
		check("no key", nil, 0, seal.ErrKey)
		if !maps.EqualFunc(before, allFiles(t, r.disk, "js"), bytes.Equal) {
			t.Error("files were changed")
		}
		// One stream alone has another key.
		other := newRig(t, vfs.NewMem(), encrypted(seldom, "three"))
		other.markAll("S", 5)
		other.stop()
		for name, b := range allFiles(t, other.disk, "js/"+streamsName) {
			dir := "js/" + streamsName + "/00000000000000ff"
			if err := errors.Join(r.disk.MkdirAll(dir), vfs.WriteFile(r.disk, filepath.Join(dir, filepath.Base(name)), b)); err != nil {
				t.Fatal(err)
			}
		}
		check("one that is another's", testRing(t, "one"), 0, seal.ErrKey)
	})
}

// The checkpoint of assets, in clear and sealed, says what it was given or is refused.
func FuzzMetaCheckpoint(f *testing.F) {
	keys, err := testRing(f, "one").Keys(metaPurpose)
	if err != nil {
		f.Fatal(err)
	}
	for _, k := range []*seal.Keys{nil, keys} {
		m := &metaGroup{e: &Engine{metaKeys: k}, state: &meta.State{}}
		f.Add(m.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &metaGroup{e: &Engine{metaKeys: keys}}
		if _, err := m.decode(b); err != nil {
			return
		}
		again := &metaGroup{e: m.e}
		if stale, err := again.decode(m.encode()); err != nil || stale || !bytes.Equal(again.state.Append(nil), m.state.Append(nil)) {
			t.Errorf("stale %v, %v", stale, err)
		}
	})
}
