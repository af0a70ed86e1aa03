package tlsconf

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ReadFile reads a whole file, as os.ReadFile does.
type ReadFile func(path string) ([]byte, error)

// ErrPinned says that a peer's key is not among the pinned ones.
var ErrPinned = errors.New("certificate is not pinned")

// ServerConfig reads the files of the block and returns the configuration of a
// listener. The result belongs to the caller. Errors name the file and the
// reason.
//
// Clients are asked for a certificate if the block says verify, and also if it
// pins keys: a pinned key then needs no authority to vouch for it.
func (c *Config) ServerConfig(read ReadFile) (*tls.Config, error) {
	certs, err := c.loadPairs(read)
	if err != nil {
		return nil, err
	}
	out := &tls.Config{
		// crypto/tls picks the first of several that suits the client's server
		// name and signature algorithms, or the first of all.
		Certificates:     certs,
		MinVersion:       max(c.MinVersion, tls.VersionTLS12),
		CipherSuites:     c.CipherSuites,
		CurvePreferences: c.Curves,
	}
	if !c.AllowInsecureCiphers {
		for _, id := range c.CipherSuites {
			if isInsecure(id) {
				return nil, fmt.Errorf("cipher suite %s is insecure and needs allow_insecure_cipher_suites", CipherName(id))
			}
		}
	}
	if c.CAFile != "" {
		if out.ClientCAs, err = loadPool(c.CAFile, read); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Verify || c.Map:
		out.ClientAuth = tls.RequireAndVerifyClientCert
	case c.PinnedCerts != nil:
		out.ClientAuth = tls.RequireAnyClientCert
	}
	if c.PinnedCerts != nil {
		// Unlike VerifyPeerCertificate this is also asked for resumed sessions.
		out.VerifyConnection = c.CheckPinned
	}
	return out, nil
}

func (c *Config) loadPairs(read ReadFile) ([]tls.Certificate, error) {
	pairs := c.Certificates
	if c.CertFile != "" || c.KeyFile != "" {
		if len(pairs) > 0 {
			return nil, errors.New("cert_file and a list of certificates exclude each other")
		}
		pairs = []KeyPair{{CertFile: c.CertFile, KeyFile: c.KeyFile}}
	}
	if len(pairs) == 0 {
		return nil, errors.New("no certificate is configured")
	}
	certs := make([]tls.Certificate, 0, len(pairs))
	for _, pair := range pairs {
		cert, err := loadPair(pair, read)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func loadPair(pair KeyPair, read ReadFile) (tls.Certificate, error) {
	switch {
	case pair.CertFile == "":
		return tls.Certificate{}, fmt.Errorf("key file %s has no certificate file", pair.KeyFile)
	case pair.KeyFile == "":
		return tls.Certificate{}, fmt.Errorf("certificate file %s has no key file", pair.CertFile)
	}
	certPEM, err := read(pair.CertFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate file %s: %w", pair.CertFile, err)
	}
	keyPEM, err := read(pair.KeyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key file %s: %w", pair.KeyFile, err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate file %s with key file %s: %w", pair.CertFile, pair.KeyFile, err)
	}
	return cert, nil
}

func loadPool(path string, read ReadFile) (*x509.CertPool, error) {
	pem, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("CA file %s: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s: no certificate found in it", path)
	}
	return pool, nil
}

// CheckPinned returns ErrPinned unless the peer's key is pinned or nothing is.
// A reload asks it of connections that stand already.
func (c *Config) CheckPinned(state tls.ConnectionState) error {
	if c.PinnedCerts == nil {
		return nil
	}
	if len(state.PeerCertificates) > 0 {
		if _, ok := c.PinnedCerts[SPKISHA256(state.PeerCertificates[0])]; ok {
			return nil
		}
	}
	return ErrPinned
}

// SPKISHA256 is the digest that pins a certificate's key: the lower-case hex
// SHA-256 of its DER-encoded SubjectPublicKeyInfo.
func SPKISHA256(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// CertNotAfter is when the first certificate of a configuration that
// ServerConfig made runs out; the zero time if there is none.
func CertNotAfter(config *tls.Config) time.Time {
	var first time.Time
	if config == nil {
		return first
	}
	for i := range config.Certificates {
		leaf := config.Certificates[i].Leaf
		if leaf != nil && (first.IsZero() || leaf.NotAfter.Before(first)) {
			first = leaf.NotAfter
		}
	}
	return first
}
