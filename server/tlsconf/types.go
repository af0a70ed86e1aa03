package tlsconf

import (
	"crypto/tls"
	"time"
)

// Config is a tls {} block of the configuration, checked for form but with
// none of its files read yet.
type Config struct {
	CertFile, KeyFile, CAFile string
	// Certificates are further pairs, chosen by SNI; exclusive with CertFile.
	Certificates []KeyPair
	// Verify demands a client certificate signed by CAFile (or the system's
	// roots when there is none).
	Verify bool
	// Map takes the user from the client certificate; implies Verify.
	Map bool
	// Insecure and CheckKnownURLs are about servers that connect to each other.
	// Insecure accepts any certificate of the one that is dialled. CheckKnownURLs
	// demands of the other that its certificate is for a host among the
	// addresses that are configured.
	Insecure       bool
	CheckKnownURLs bool
	// Timeout bounds the handshake.
	Timeout time.Duration
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// CipherSuites and Curves are nil for Go's defaults.
	CipherSuites         []uint16
	Curves               []tls.CurveID
	AllowInsecureCiphers bool
	// PinnedCerts holds lower-case hex SHA-256 digests of accepted SPKIs; nil
	// accepts any.
	PinnedCerts map[string]struct{}
	// HandshakeFirst starts TLS before INFO is sent.
	HandshakeFirst bool
	// HandshakeFirstFallback is how long to wait for a client's first bytes
	// before INFO is sent in clear after all; 0 means never.
	HandshakeFirstFallback time.Duration
	// RateLimit is the number of handshakes started per second; 0 is no limit.
	RateLimit int64
}

// KeyPair names the two files of a certificate.
type KeyPair struct {
	CertFile, KeyFile string
}
