package file

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func mustKeys(t testing.TB, c seal.Cipher, secret string, previous ...string) *seal.Keys {
	t.Helper()
	var old [][]byte
	for _, p := range previous {
		old = append(old, []byte(p))
	}
	r, err := seal.NewRing(c, []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	k, err := r.Keys(Purpose)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writeSecrets(t *testing.T, s *Store, n int) {
	t.Helper()
	m := store.Message{Seq: s.State().Last}
	for range n {
		m.Seq++
		m.Subject, m.Data = []byte("secret.subject"), fmt.Appendf(nil, "the secret of %d", m.Seq)
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
}

func checkSecrets(t *testing.T, s *Store, n int) {
	t.Helper()
	var m store.Message
	for seq := range store.Seq(n) {
		if err := s.Load(seq+1, &m); err != nil || string(m.Data) != fmt.Sprintf("the secret of %d", seq+1) {
			t.Fatalf("message %d is %q: %v", seq+1, m.Data, err)
		}
	}
}

// Nothing of messages or of extra can be read in the files of an encrypted store.
func TestNothingToRead(t *testing.T) {
	for _, c := range []seal.Cipher{seal.AES, seal.ChaCha} {
		mem := vfs.NewMem()
		s, _ := mustOpen(t, Config{BlockBytes: 1 << 10, Cipher: c, Keys: mustKeys(t, c, "key")}, mem)
		writeSecrets(t, s, 50)
		maintain(t, s)
		commit(t, s, []byte("the secret of the caller"))
		for name, content := range readFiles(t, mem) {
			if bytes.Contains(content, []byte("secret")) {
				t.Errorf("%v: %s can be read", c, name)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The key can be changed, after which the old one opens nothing; so can the
// cipher, and encryption be turned on and off.
func TestKeysChange(t *testing.T) {
	mem := vfs.NewMem()
	n := 0
	open := func(cfg Config) error {
		t.Helper()
		cfg.BlockBytes, cfg.FS, cfg.Dir = 1<<10, mem, "stream"
		s, rec, err := Open(cfg)
		if err != nil {
			return err
		}
		checkSecrets(t, s, n)
		if n > 0 && string(rec.Extra) != "extra" {
			t.Errorf("extra is %q", rec.Extra)
		}
		writeSecrets(t, s, 30)
		n += 30
		maintain(t, s)
		commit(t, s, []byte("extra"))
		checkSecrets(t, s, n)
		return s.Close()
	}
	// reopen opens without writing.
	reopen := func(keys *seal.Keys) error {
		s, _, err := Open(Config{FS: mem, Dir: "stream", Keys: keys})
		if err != nil {
			return err
		}
		return s.Close()
	}
	for i, step := range []struct {
		name string
		cfg  Config
		want error
	}{
		{"plain", Config{}, nil},
		{"turned on", Config{Cipher: seal.AES, Keys: mustKeys(t, seal.AES, "one")}, nil},
		{"without key", Config{}, seal.ErrKey},
		{"wrong key", Config{Cipher: seal.AES, Keys: mustKeys(t, seal.AES, "two")}, seal.ErrKey},
		{"key as one for the other cipher", Config{Cipher: seal.ChaCha, Keys: mustKeys(t, seal.ChaCha, "one")}, nil},
		{"new key", Config{Cipher: seal.ChaCha, Keys: mustKeys(t, seal.ChaCha, "two", "one")}, nil},
		{"old key", Config{Cipher: seal.ChaCha, Keys: mustKeys(t, seal.ChaCha, "one")}, seal.ErrKey},
		{"turned off", Config{Keys: mustKeys(t, seal.ChaCha, "two"), Compression: true}, nil},
	} {
		if err := open(step.cfg); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Fatalf("%d, %s: error %v, want %v", i, step.name, err, step.want)
		}
	}
	// A key is not needed any more as soon as the store was opened with the next one.
	if err := reopen(mustKeys(t, seal.AES, "three", "two")); err != nil {
		t.Fatal(err)
	}
	if err := reopen(mustKeys(t, seal.AES, "three")); err != nil {
		t.Fatal(err)
	}
	if err := reopen(mustKeys(t, seal.AES, "two")); !errors.Is(err, seal.ErrKey) {
		t.Fatalf("opened with the key before: %v", err)
	}
}

// What was erased from blocks with frames is gone when they were written anew and
// the checkpoints after that are durable.
func TestEraseInFrames(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, Config{BlockBytes: 1 << 10, Compression: true}, mem)
	writeSecrets(t, s, 40)
	if err := s.Append(&store.Message{Seq: 41, Subject: []byte("a"), Data: []byte("0123456789abcdef")}); err != nil {
		t.Fatal(err)
	}
	writeSecrets(t, s, 40)
	commit(t, s, nil)
	if _, err := s.Remove(41, true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		commit(t, s, nil)
		maintain(t, s)
	}
	for name, content := range readFiles(t, mem) {
		if bytes.Contains(content, []byte("0123456789abcdef")) {
			t.Errorf("it is still in %s", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Equal frames do not look alike.
func TestFramesAreNeverTheSame(t *testing.T) {
	for name, c := range testCodecs(t) {
		if c.aead == nil {
			continue
		}
		content := bytes.Repeat([]byte("same"), 20)
		seen := make(map[string]bool)
		for range 3 {
			b, err := c.append(nil, place{1, 2, 64}, frameRecords, 0, content)
			if err != nil {
				t.Fatal(err)
			}
			if stored := string(b[frameHead:]); seen[stored] {
				t.Errorf("%s: a frame is stored as the one before", name)
			} else {
				seen[stored] = true
			}
		}
	}
}

// What is in clear is written anew when the store is to be encrypted, also what is
// still being appended to; and nothing of it is left in any file.
func TestEncryptionIsTurnedOn(t *testing.T) {
	for _, n := range []int{0, 3, 50} {
		for _, sealFirst := range []bool{false, true} {
			mem := vfs.NewMem()
			s, rec := mustOpen(t, Config{BlockBytes: 1 << 10}, mem)
			if rec.Exposed {
				t.Error("a store that is not to be encrypted is exposed")
			}
			writeSecrets(t, s, n)
			if sealFirst {
				maintain(t, s)
			}
			commit(t, s, []byte("the secret of the caller"))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			cfg := Config{BlockBytes: 1 << 10, Cipher: seal.AES, Keys: mustKeys(t, seal.AES, "key")}
			s, rec = mustOpen(t, cfg, mem)
			if !rec.Exposed {
				t.Error("it is not exposed")
			}
			checkSecrets(t, s, n)
			writeSecrets(t, s, 2) // in front of the first checkpoint
			commit(t, s, []byte("the secret of the caller"))
			// A crash here leaves some of it in clear, and that is told.
			left := mem.CrashClone(vfs.CrashOptions{})
			maintain(t, s)
			for range 2 {
				commit(t, s, []byte("the secret of the caller"))
			}
			for name, content := range readFiles(t, mem) {
				if bytes.Contains(content, []byte("secret")) {
					t.Errorf("%d messages: %s can be read", n, name)
				}
			}
			checkSecrets(t, s, n+2)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, rec = mustOpen(t, cfg, mem); rec.Exposed {
				t.Errorf("%d messages: it is exposed when all is encrypted", n)
			}
			checkSecrets(t, s, n+2)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, rec = mustOpen(t, cfg, left); n > 0 && !rec.Exposed {
				t.Error("it is not exposed after a crash in the middle")
			}
			checkSecrets(t, s, n+2)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCheckKey(t *testing.T) {
	for _, tt := range []struct {
		name  string
		keys  *seal.Keys // of the store, nil in clear
		with  *seal.Keys
		stale bool
		err   error
	}{
		{"in clear, no key", nil, nil, false, nil},
		{"in clear", nil, mustKeys(t, seal.AES, "one"), true, nil},
		{"the same key", mustKeys(t, seal.AES, "one"), mustKeys(t, seal.AES, "one"), false, nil},
		{"a newer key", mustKeys(t, seal.AES, "one"), mustKeys(t, seal.AES, "two", "one"), true, nil},
		{"another key", mustKeys(t, seal.AES, "one"), mustKeys(t, seal.AES, "two"), false, seal.ErrKey},
		{"no key", mustKeys(t, seal.AES, "one"), nil, false, seal.ErrKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem := vfs.NewMem()
			if stale, err := CheckKey(mem, "stream", tt.with); stale || err != nil {
				t.Fatalf("without a store: %v, %v", stale, err)
			}
			cfg := Config{Keys: tt.keys}
			if tt.keys != nil {
				cfg.Cipher = tt.keys.Cipher()
			}
			s, _ := mustOpen(t, cfg, mem)
			writeSecrets(t, s, 3)
			commit(t, s, nil)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			before := mem.CrashClone(vfs.Killed)
			if stale, err := CheckKey(mem, "stream", tt.with); stale != tt.stale || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("stale %v, %v", stale, err)
			}
			if tt.err != nil {
				if s, _, err := Open(Config{FS: mem, Dir: "stream", Keys: tt.with}); !errors.Is(err, tt.err) {
					t.Errorf("opened: %v, %v", s, err)
				}
			}
			if err := sameFiles(before, mem); err != nil {
				t.Error(err)
			}
		})
	}
}
