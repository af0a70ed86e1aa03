package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// Cipher is an algorithm by which stores are encrypted.
type Cipher uint8

const (
	// Plain is none.
	Plain Cipher = iota
	// AES is AES-256 in GCM.
	AES
	// ChaCha is ChaCha20-Poly1305.
	ChaCha
)

var cipherNames = [...]string{Plain: "none", AES: "aes", ChaCha: "chacha"}

func (c Cipher) String() string {
	if int(c) < len(cipherNames) {
		return cipherNames[c]
	}
	return fmt.Sprintf("Cipher(%d)", uint8(c))
}

// Keys wraps the data keys of stores, so that one key of the server opens all of
// them and can be changed without writing them anew. Any number of goroutines
// use it.
type Keys interface {
	// Wrap encrypts a data key for the store with that id.
	Wrap(key []byte, store uint64) ([]byte, error)
	// Unwrap takes back what Wrap made. Old is whether a newer key should wrap
	// it; Open does that at once.
	Unwrap(wrapped []byte, store uint64) (key []byte, old bool, err error)
}

// ErrKey is that a store cannot be opened with the keys at hand.
var ErrKey = errors.New("store: the encryption key does not fit")

const dataKeySize = 32

// aead returns the algorithm with a key that is derived from the data key, so
// that no key is used by two algorithms.
func (c Cipher) aead(dataKey []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, dataKey, nil, "nats-lite store "+c.String(), dataKeySize)
	if err != nil {
		return nil, err
	}
	switch c {
	case AES:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case ChaCha:
		return chacha20poly1305.New(key)
	default:
		return nil, fmt.Errorf("store: %v encrypts nothing", c)
	}
}

// Keyring is Keys made of secrets: one that wraps, and those before it, which
// only unwrap.
type Keyring struct {
	// keys are the ciphers of the secrets, the newest first.
	keys []cipher.AEAD
	rand io.Reader
}

// NewKeyring returns a Keyring that wraps with a secret of any length. The
// previous ones, if any, still open what they wrapped.
func NewKeyring(c Cipher, secret []byte, previous ...[]byte) (*Keyring, error) {
	k := &Keyring{rand: rand.Reader}
	for _, s := range append([][]byte{secret}, previous...) {
		if len(s) == 0 {
			return nil, errors.New("store: an encryption key is empty")
		}
		// Either algorithm may have been configured when a key was wrapped.
		for _, alg := range []Cipher{c, AES + ChaCha - c} {
			a, err := alg.aead(s)
			if err != nil {
				return nil, err
			}
			k.keys = append(k.keys, a)
		}
	}
	return k, nil
}

// Wrap implements Keys: a random nonce and the encrypted key.
func (k *Keyring) Wrap(key []byte, store uint64) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(k.rand, nonce); err != nil {
		return nil, err
	}
	return k.keys[0].Seal(nonce, nonce, key, wrapContext(store)), nil
}

// Unwrap implements Keys.
func (k *Keyring) Unwrap(wrapped []byte, store uint64) (key []byte, old bool, err error) {
	if len(wrapped) < nonceSize {
		return nil, false, ErrKey
	}
	for i, a := range k.keys {
		key, err = a.Open(nil, wrapped[:nonceSize], wrapped[nonceSize:], wrapContext(store))
		if err == nil {
			return key, i > 0, nil
		}
	}
	return nil, false, ErrKey
}

func wrapContext(store uint64) []byte { return fmt.Appendf(nil, "data key of store %016x", store) }
