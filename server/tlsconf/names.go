package tlsconf

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
)

// Cipher is a cipher suite that a configuration can name.
type Cipher struct {
	Name string
	ID   uint16
	// Insecure suites need allow_insecure_cipher_suites.
	Insecure bool
}

// Curve is a key exchange mechanism that a configuration can name.
type Curve struct {
	Name string
	ID   tls.CurveID
}

var (
	ciphers = allCiphers()
	curves  = []Curve{
		{"X25519MLKEM768", tls.X25519MLKEM768},
		{"SecP256r1MLKEM768", tls.SecP256r1MLKEM768},
		{"SecP384r1MLKEM1024", tls.SecP384r1MLKEM1024},
		{"X25519", tls.X25519},
		{"CurveP256", tls.CurveP256},
		{"CurveP384", tls.CurveP384},
		{"CurveP521", tls.CurveP521},
	}
)

// cipherAliases are older names that configurations still use.
var cipherAliases = map[string]string{
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305":   "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}

func allCiphers() []Cipher {
	var all []Cipher
	for _, suite := range tls.CipherSuites() {
		all = append(all, Cipher{Name: suite.Name, ID: suite.ID})
	}
	for _, suite := range tls.InsecureCipherSuites() {
		all = append(all, Cipher{Name: suite.Name, ID: suite.ID, Insecure: true})
	}
	return all
}

// Ciphers lists the cipher suites by name, secure ones first, for --help_tls.
// The slice belongs to the caller.
func Ciphers() []Cipher {
	out := slices.Clone(ciphers)
	slices.SortStableFunc(out, func(a, b Cipher) int {
		if a.Insecure != b.Insecure {
			if a.Insecure {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return out
}

// Curves lists the curves, the preferred first, for --help_tls. The slice
// belongs to the caller.
func Curves() []Curve { return slices.Clone(curves) }

// CipherByName finds a cipher suite by its exact name, or by an older one.
func CipherByName(name string) (Cipher, bool) {
	name = cmp.Or(cipherAliases[name], name)
	i := slices.IndexFunc(ciphers, func(c Cipher) bool { return c.Name == name })
	if i < 0 {
		return Cipher{}, false
	}
	return ciphers[i], true
}

// CurveByName finds a curve by its exact name.
func CurveByName(name string) (Curve, bool) {
	i := slices.IndexFunc(curves, func(c Curve) bool { return c.Name == name })
	if i < 0 {
		return Curve{}, false
	}
	return curves[i], true
}

func isInsecure(id uint16) bool {
	return slices.ContainsFunc(ciphers, func(c Cipher) bool { return c.ID == id && c.Insecure })
}

// CipherName is the name of a cipher suite as monitoring shows it.
func CipherName(id uint16) string {
	if i := slices.IndexFunc(ciphers, func(c Cipher) bool { return c.ID == id }); i >= 0 {
		return ciphers[i].Name
	}
	return fmt.Sprintf("Unknown [0x%x]", id)
}
