package seal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func mustKeys(t testing.TB, c Cipher, purpose, secret string, previous ...string) *Keys {
	t.Helper()
	var old [][]byte
	for _, p := range previous {
		old = append(old, []byte(p))
	}
	r, err := NewRing(c, []byte(secret), old...)
	if err != nil {
		t.Fatal(err)
	}
	k, err := r.Keys(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys(t *testing.T) {
	k := mustKeys(t, AES, "log", "one")
	sealed := k.Seal([]byte("content"), "here")
	for _, tt := range []struct {
		name    string
		keys    *Keys
		context string
		old     bool
		err     error
	}{
		{"the same", k, "here", false, nil},
		{"the same secret", mustKeys(t, AES, "log", "one"), "here", false, nil},
		{"another cipher", mustKeys(t, ChaCha, "log", "one"), "here", true, nil},
		{"a newer secret", mustKeys(t, AES, "log", "two", "one"), "here", true, nil},
		{"a newer secret and another cipher", mustKeys(t, ChaCha, "log", "three", "two", "one"), "here", true, nil},
		{"a newer secret without the old one", mustKeys(t, AES, "log", "two"), "here", false, ErrKey},
		{"another context", k, "there", false, ErrKey},
		{"another purpose", mustKeys(t, AES, "store", "one"), "here", false, ErrKey},
		{"no keys", nil, "here", false, ErrKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content, old, err := tt.keys.Open(sealed, tt.context)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || old != tt.old {
				t.Fatalf("old %v, error %v", old, err)
			}
			if err == nil && string(content) != "content" {
				t.Errorf("opened as %q", content)
			}
		})
	}
	if len(sealed) != SealedSize(len("content")) {
		t.Errorf("%d bytes sealed as %d", len("content"), len(sealed))
	}
	for n := range sealed {
		if _, _, err := k.Open(sealed[:n], "here"); !errors.Is(err, ErrKey) {
			t.Errorf("opened from %d bytes: %v", n, err)
		}
		changed := bytes.Clone(sealed)
		changed[n] ^= 1
		if _, _, err := k.Open(changed, "here"); !errors.Is(err, ErrKey) {
			t.Errorf("opened with byte %d changed: %v", n, err)
		}
	}
}

// What is sealed twice is not the same twice: the nonce is random.
func TestSealIsNeverTheSame(t *testing.T) {
	k := mustKeys(t, ChaCha, "log", "one")
	seen := make(map[string]bool)
	for range 1000 {
		nonce := string(k.Seal([]byte("content"), "here")[:NonceSize])
		if seen[nonce] {
			t.Fatalf("the nonce %x comes twice", nonce)
		}
		seen[nonce] = true
	}
}

func TestRing(t *testing.T) {
	if _, err := NewRing(AES, nil); err == nil {
		t.Error("an empty secret is taken")
	}
	if _, err := NewRing(AES, []byte("a"), nil); err == nil {
		t.Error("an empty previous secret is taken")
	}
	for _, c := range []Cipher{Plain, 3} {
		if _, err := NewRing(c, []byte("a")); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
	var none *Ring
	if k, err := none.Keys("log"); k != nil || err != nil || none.Cipher() != Plain {
		t.Errorf("no ring gives keys %v, %v, and %v", k, err, none.Cipher())
	}
}

// Keys that are derived differ by secret, purpose and cipher.
func TestDerivedKeysDiffer(t *testing.T) {
	nonce := make([]byte, NonceSize)
	seen := make(map[string]string)
	for _, c := range []Cipher{AES, ChaCha} {
		for _, secret := range []string{"a", "b", "log"} {
			for _, purpose := range []string{"log", "store", "log aes"} {
				a, err := c.AEAD([]byte(secret), purpose)
				if err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("%v of %q for %q", c, secret, purpose)
				sealed := string(a.Seal(nil, nonce, []byte("content"), nil))
				if other, twice := seen[sealed]; twice {
					t.Errorf("%s is as %s", what, other)
				}
				seen[sealed] = what
				if a.NonceSize() != NonceSize || a.Overhead() != Overhead {
					t.Errorf("%v has nonces of %d bytes and adds %d", c, a.NonceSize(), a.Overhead())
				}
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := mustKeys(f, AES, "log", "two", "one")
	f.Add(k.Seal([]byte("content"), "here"), "here")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, b []byte, context string) {
		if content, _, err := k.Open(b, context); err == nil {
			again, _, err := k.Open(k.Seal(content, context), context)
			if err != nil || !bytes.Equal(again, content) {
				t.Errorf("%x opens as %x, and sealed anew as %x: %v", b, content, again, err)
			}
		}
	})
}
