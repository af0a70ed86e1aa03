package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// Ring is the secrets of a server: one that seals, and those before it, which only
// open. A nil Ring is that of a server that does not encrypt.
type Ring struct {
	cipher  Cipher
	secrets [][]byte // the newest first
}

// NewRing returns the ring of a secret of any length but 0, and of those that came
// before it. They are not copied.
func NewRing(c Cipher, secret []byte, previous ...[]byte) (*Ring, error) {
	if c != AES && c != ChaCha {
		return nil, errors.New("seal: " + c.String() + " encrypts nothing")
	}
	r := &Ring{cipher: c, secrets: append([][]byte{secret}, previous...)}
	for _, s := range r.secrets {
		if len(s) == 0 {
			return nil, errors.New("seal: an encryption key is empty")
		}
	}
	return r, nil
}

// Cipher returns that which new files are encrypted by.
func (r *Ring) Cipher() Cipher {
	if r == nil {
		return Plain
	}
	return r.cipher
}

// Keys returns the keys for a purpose, nil of a nil Ring.
func (r *Ring) Keys(purpose string) (*Keys, error) {
	if r == nil {
		return nil, nil
	}
	k := &Keys{cipher: r.cipher}
	for _, s := range r.secrets {
		// Either algorithm may have been configured when something was sealed.
		for _, c := range []Cipher{r.cipher, AES + ChaCha - r.cipher} {
			a, err := c.AEAD(s, purpose)
			if err != nil {
				return nil, err
			}
			k.aeads = append(k.aeads, a)
		}
	}
	return k, nil
}

// Keys seal and open for one purpose. Any number of goroutines use them.
type Keys struct {
	cipher Cipher
	// aeads are derived from the secrets; the first one seals.
	aeads []cipher.AEAD
}

// Cipher returns that which new files are encrypted by.
func (k *Keys) Cipher() Cipher { return k.cipher }

// SealedSize returns the length of n bytes when they are sealed.
func SealedSize(n int) int { return NonceSize + n + Overhead }

// Seal returns a random nonce and the encrypted content, which only opens in the same
// context. It is for what is small and rare: see the package comment.
func (k *Keys) Seal(content []byte, context string) []byte {
	sealed := make([]byte, NonceSize, SealedSize(len(content)))
	// It never fails (crypto/rand).
	_, _ = rand.Read(sealed)
	return k.aeads[0].Seal(sealed, sealed, content, []byte(context))
}

// Open takes back what Seal made. Old is whether it should be sealed anew, because
// another secret or cipher has sealed it. The error is ErrKey, also of nil Keys.
func (k *Keys) Open(sealed []byte, context string) (content []byte, old bool, err error) {
	if k == nil || len(sealed) < SealedSize(0) {
		return nil, false, ErrKey
	}
	for i, a := range k.aeads {
		content, err = a.Open(nil, sealed[:NonceSize], sealed[NonceSize:], []byte(context))
		if err == nil {
			return content, i > 0, nil
		}
	}
	return nil, false, ErrKey
}
