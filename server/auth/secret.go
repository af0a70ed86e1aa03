package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"regexp"
	"runtime"

	"golang.org/x/crypto/bcrypt"
)

var bcryptForm = regexp.MustCompile(`^\$2[abxy]\$\d{2}\$`)

// IsBcrypt reports whether a stored password or token is a bcrypt hash rather
// than the secret itself.
func IsBcrypt(stored string) bool { return bcryptForm.MatchString(stored) }

// Matches compares what was given with a stored password or token, plain or a bcrypt hash.
// The time it takes does not tell how much of a plain one was right.
func Matches(stored, given string) bool { return newSecret(stored).matches(given, "") }

// secret is a stored password or token: plain or a hash, the other empty.
type secret struct {
	plain, hash string
}

func newSecret(stored string) secret {
	if IsBcrypt(stored) {
		return secret{hash: stored}
	}
	return secret{plain: stored}
}

// matches compares what a client gave. The time it takes does not tell how much
// of a plain secret was right, nor its length. proven is a hash that the same
// given secret is known to match; it spares the slow comparison.
func (s secret) matches(given, proven string) bool {
	if s.hash != "" {
		return s.hash == proven || compareHash(s.hash, given)
	}
	// Digests have one length whatever was given, so the comparison cannot
	// return early.
	want, got := sha256.Sum256([]byte(s.plain)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// hashing has a place for each comparison with a bcrypt hash that may run at a
// time in the process: half of its processors. A comparison takes a tenth of a
// second and more, and whoever sends many wrong passwords would otherwise take
// all processors from those who are in.
var hashing = make(chan struct{}, max(1, runtime.NumCPU()/2))

func compareHash(hash, given string) bool {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(given)) == nil
}
