package image_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
	"github.com/nats-lite/nats-lite/server/jetstream/store/image"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
	"github.com/nats-lite/nats-lite/server/jetstream/store/storetest"
)

func openFile(t testing.TB, cfg file.Config) *file.Store {
	t.Helper()
	cfg.FS, cfg.Dir = vfs.NewMem(), "stream"
	s, _, err := file.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(t testing.TB) *seal.Keys {
	t.Helper()
	r, err := seal.NewRing(seal.AES, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := r.Keys(file.Purpose)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A store that is made from an image of any other one is like that, and so is its image.
func TestImages(t *testing.T) {
	k := keys(t)
	engine := func(name string, cfg file.Config) storetest.Engine {
		return storetest.Engine{Name: name, Size: store.FileSize, Open: func(t *testing.T) store.Store { return openFile(t, cfg) }}
	}
	storetest.RunImages(t, []storetest.Engine{
		{Name: "memory", Size: store.MemorySize, Open: func(*testing.T) store.Store { return mem.New() }},
		engine("files", file.Config{BlockBytes: 2 << 10}),
		engine("one file", file.Config{}),
		engine("compressed", file.Config{BlockBytes: 1 << 10, Compression: true}),
		engine("encrypted", file.Config{BlockBytes: 500, Compression: true, Cipher: seal.ChaCha, Keys: k}),
	})
}

// write returns the image of a store with some messages.
func write(t testing.TB, s store.Store, n int) []byte {
	t.Helper()
	for i := range n {
		m := store.Message{Seq: store.Seq(2*i + 1), Time: int64(i), Subject: fmt.Appendf(nil, "s.%d", i%3), Data: bytes.Repeat([]byte{'x'}, i)}
		if i%2 == 0 {
			m.Header = []byte("NATS/1.0\r\nA: b\r\n\r\n")
		}
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	return imageOf(t, s, "the extra")
}

func imageOf(t testing.TB, s store.Store, extra string) []byte {
	t.Helper()
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w := image.New(sn, []byte(extra))
	b, err := io.ReadAll(io.NewSectionReader(w, 0, w.Size()))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// take makes a store with a message of its own one from an image.
func take(t testing.TB, s store.Store, b []byte) error {
	t.Helper()
	c, err := image.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	r, err := s.Prepare(c)
	if err != nil {
		return err
	}
	return r.Commit(c.Extra())
}

// Whatever is wrong with an image, it is refused, and the store is what it was.
func TestWhatIsNoImage(t *testing.T) {
	good := write(t, mem.New(), 9)
	cases := map[string]struct {
		b    []byte
		want error
	}{
		"nothing":       {nil, image.ErrTruncated},
		"something":     {bytes.Repeat([]byte("nothing of the kind "), 100), image.ErrImage},
		"newer":         {bytes.Join([][]byte{good[:12], {2}, good[13:]}, nil), image.ErrVersion},
		"longer":        {append(bytes.Clone(good), 0), image.ErrImage},
		"two":           {append(bytes.Clone(good), good...), image.ErrImage},
		"head and tail": {append(bytes.Clone(good[:len(good)/2]), good[len(good)-40:]...), image.ErrImage},
	}
	for at := range good {
		damaged := bytes.Clone(good)
		damaged[at] ^= 4
		cases[fmt.Sprintf("bit of byte %d", at)] = struct {
			b    []byte
			want error
		}{damaged, image.ErrImage}
		cases[fmt.Sprintf("the first %d bytes", at)] = struct {
			b    []byte
			want error
		}{good[:at], image.ErrImage}
	}
	for name, open := range map[string]func() store.Store{
		"memory": func() store.Store { return mem.New() },
		"files":  func() store.Store { return openFile(t, file.Config{BlockBytes: 300}) },
	} {
		s := open()
		before := write(t, s, 3)
		for what, c := range cases {
			if err := take(t, s, c.b); !errors.Is(err, c.want) {
				t.Fatalf("%s, %s: error %v, want %v", name, what, err, c.want)
			}
		}
		if !bytes.Equal(imageOf(t, s, "the extra"), before) {
			t.Errorf("%s: the store has changed", name)
		}
		if err := errors.Join(take(t, s, good), s.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a store has lost, one that is made from its image has lost, too.
func TestLosses(t *testing.T) {
	for name, s := range map[string]store.Store{"memory": mem.New(), "files": openFile(t, file.Config{})} {
		lost := lossy{mem.New(), []store.Loss{{Range: store.Range{First: 4, Last: 6}, Bytes: 90, Err: errors.New("gone")}}}
		b := write(t, lost, 5)
		if err := take(t, s, b); err != nil {
			t.Fatal(err)
		}
		got := s.Lost()
		if len(got) != 1 || got[0].Range != lost.losses[0].Range || got[0].Bytes != 90 || got[0].Err.Error() != "gone" || !errors.Is(got[0].Err, store.ErrDamaged) {
			t.Errorf("%s: lost %v, want %v", name, got, lost.losses)
		}
		if !bytes.Equal(imageOf(t, s, "the extra"), b) {
			t.Errorf("%s: its image is another one", name)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// lossy is a store that has lost something.
type lossy struct {
	store.Store
	losses []store.Loss
}

func (l lossy) Snapshot() (store.Snapshot, error) {
	s, err := l.Store.Snapshot()
	return lossySnapshot{s, l.losses}, err
}

type lossySnapshot struct {
	store.Snapshot
	losses []store.Loss
}

func (s lossySnapshot) Lost() []store.Loss { return s.losses }

// An image that is made of what can not be read is none.
func TestUnreadable(t *testing.T) {
	s := mem.New()
	write(t, s, 9)
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w := image.New(sn, nil)
	w.Size()
	if err := sn.Close(); err != nil { // so that nothing can be read
		t.Fatal(err)
	}
	if _, err := w.Digest(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Digest: %v, want %v", err, store.ErrClosed)
	}
	if _, err := w.ReadAt(make([]byte, 10), w.Size()-50); !errors.Is(err, store.ErrClosed) {
		t.Errorf("ReadAt: %v, want %v", err, store.ErrClosed)
	}
}

// A transfer that loses something goes back, by any number of bytes, and the image is what it
// would have been.
func TestReadAgain(t *testing.T) {
	for name, s := range map[string]store.Store{"memory": mem.New(), "files": openFile(t, file.Config{BlockBytes: 300_000})} {
		for i := range store.Seq(2000) {
			m := store.Message{Seq: i + 1, Time: int64(i), Subject: []byte("s"), Data: bytes.Repeat([]byte{byte(i)}, 1000+int(i)%100)}
			if err := s.Append(&m); err != nil {
				t.Fatal(err)
			}
		}
		want := imageOf(t, s, "")
		for _, back := range []int{1, 70_000, 150_000, 400_000, 1 << 30} {
			sn, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			w := image.New(sn, nil)
			got := make([]byte, w.Size())
			for at, step := 0, 0; at < len(got); step++ {
				n := min(100_000, len(got)-at)
				if _, err := w.ReadAt(got[at:at+n], int64(at)); err != nil {
					t.Fatalf("%s, %d bytes back: %v", name, back, err)
				}
				at += n
				if step%5 == 4 && step < 40 {
					at = max(0, at-back)
				}
			}
			if err := w.Close(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes back, and the image is another one (%v)", name, back, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzOpen reads what may be an image: it is refused, or is one that is written the same way.
func FuzzOpen(f *testing.F) {
	f.Add(write(f, mem.New(), 0))
	f.Add(write(f, mem.New(), 1))
	f.Add(write(f, mem.New(), 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := mem.New()
		if err := take(t, s, b); err != nil {
			if !errors.Is(err, image.ErrImage) && !errors.Is(err, store.ErrContent) {
				t.Fatal(err)
			}
			if s.State() != (store.State{}) {
				t.Fatalf("what was refused has left %+v", s.State())
			}
			return
		}
		c, err := image.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if again := imageOf(t, s, string(c.Extra())); !bytes.Equal(again, b) {
			t.Fatalf("%x\nis written as\n%x", b, again)
		}
	})
}
