package file

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func mustKeyring(t testing.TB, c Cipher, secret string, previous ...string) *Keyring {
	t.Helper()
	var old [][]byte
	for _, p := range previous {
		old = append(old, []byte(p))
	}
	k, err := NewKeyring(c, []byte(secret), old...)
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
	for _, c := range []Cipher{AES, ChaCha} {
		mem := vfs.NewMem()
		s, _ := mustOpen(t, Config{BlockBytes: 1 << 10, Cipher: c, Keys: mustKeyring(t, c, "key")}, mem)
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
	reopen := func(keys Keys) error {
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
		{"turned on", Config{Cipher: AES, Keys: mustKeyring(t, AES, "one")}, nil},
		{"without key", Config{}, ErrKey},
		{"wrong key", Config{Cipher: AES, Keys: mustKeyring(t, AES, "two")}, ErrKey},
		{"key as one for the other cipher", Config{Cipher: ChaCha, Keys: mustKeyring(t, ChaCha, "one")}, nil},
		{"new key", Config{Cipher: ChaCha, Keys: mustKeyring(t, ChaCha, "two", "one")}, nil},
		{"old key", Config{Cipher: ChaCha, Keys: mustKeyring(t, ChaCha, "one")}, ErrKey},
		{"turned off", Config{Keys: mustKeyring(t, ChaCha, "two"), Compression: true}, nil},
	} {
		if err := open(step.cfg); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Fatalf("%d, %s: error %v, want %v", i, step.name, err, step.want)
		}
	}
	// A key is not needed any more as soon as the store was opened with the next one.
	if err := reopen(mustKeyring(t, AES, "three", "two")); err != nil {
		t.Fatal(err)
	}
	if err := reopen(mustKeyring(t, AES, "three")); err != nil {
		t.Fatal(err)
	}
	if err := reopen(mustKeyring(t, AES, "two")); !errors.Is(err, ErrKey) {
		t.Fatalf("opened with the key before: %v", err)
	}
}

func TestKeyring(t *testing.T) {
	k := mustKeyring(t, AES, "one")
	wrapped, err := k.Wrap([]byte("data key"), 7)
	if err != nil {
		t.Fatal(err)
	}
	if key, old, err := k.Unwrap(wrapped, 7); err != nil || old || string(key) != "data key" {
		t.Errorf("unwrapped as %q, %v, %v", key, old, err)
	}
	if key, old, err := mustKeyring(t, ChaCha, "new", "one").Unwrap(wrapped, 7); err != nil || !old || string(key) != "data key" {
		t.Errorf("unwrapped by a later ring as %q, %v, %v", key, old, err)
	}
	if _, _, err := k.Unwrap(wrapped, 8); !errors.Is(err, ErrKey) {
		t.Errorf("unwrapped for another store: %v", err)
	}
	for n := range wrapped {
		if _, _, err := k.Unwrap(wrapped[:n], 7); !errors.Is(err, ErrKey) {
			t.Errorf("unwrapped from %d bytes: %v", n, err)
		}
	}
	if _, err := NewKeyring(AES, nil); err == nil {
		t.Error("an empty secret is taken")
	}
	if _, err := NewKeyring(Plain, []byte("a")); err == nil {
		t.Error("no cipher is taken")
	}
	if _, _, err := Open(Config{FS: vfs.NewMem(), Dir: "stream", Cipher: AES}); err == nil {
		t.Error("opened to encrypt without keys")
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
