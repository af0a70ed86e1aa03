package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Cipher is an algorithm. Its numbers are part of file formats.
type Cipher uint8

const (
	// Plain is none.
	Plain Cipher = iota
	// AES is AES-256 in GCM.
	AES
	// ChaCha is ChaCha20-Poly1305.
	ChaCha
)

const (
	// KeySize is the length of a data key.
	KeySize = 32
	// NonceSize is the length of a nonce, Overhead by how much content grows, of
	// both algorithms.
	NonceSize = 12
	Overhead  = 16
)

// ErrKey is that something cannot be opened with the keys at hand.
var ErrKey = errors.New("the encryption key does not fit")

var cipherNames = [...]string{Plain: "none", AES: "aes", ChaCha: "chacha"}

func (c Cipher) String() string {
	if c.Valid() {
		return cipherNames[c]
	}
	return fmt.Sprintf("Cipher(%d)", uint8(c))
}

// Valid reports whether there is such a cipher, Plain included.
func (c Cipher) Valid() bool { return int(c) < len(cipherNames) }

// AEAD returns the algorithm with a key that is derived from another for a purpose,
// so that no key serves two purposes or two algorithms. It fails for Plain.
func (c Cipher) AEAD(key []byte, purpose string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "nats-lite "+purpose+" "+c.String(), KeySize)
	if err != nil {
		return nil, err
	}
	switch c {
	case AES:
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case ChaCha:
		return chacha20poly1305.New(derived)
	default:
		return nil, fmt.Errorf("seal: %v encrypts nothing", c)
	}
}

// NewKey returns a random data key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	// It never fails (crypto/rand).
	_, _ = rand.Read(key)
	return key
}
