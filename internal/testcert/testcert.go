package testcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"testing"
	"time"
)

var (
	notBefore = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Cert is a certificate with its private key.
type Cert struct {
	X509 *x509.Certificate
	Key  *ecdsa.PrivateKey
	// CertPEM and KeyPEM are the contents of the files that configurations name.
	CertPEM, KeyPEM []byte
}

// CA is an authority that signs certificates.
type CA struct {
	Cert
}

// Template says what a certificate is to hold. The zero value is a certificate
// for both servers and clients with an empty subject.
type Template struct {
	Subject pkix.Name
	// RDNs is the subject as an ordered list of sets, for names that pkix.Name
	// cannot express; it replaces Subject.
	RDNs   pkix.RDNSequence
	DNS    []string
	Emails []string
	IPs    []net.IP
	URIs   []string
	// NotAfter is the end of validity, by default far in the future.
	NotAfter time.Time
}

// NewCA makes an authority that vouches for itself.
func NewCA(tb testing.TB, name string) *CA {
	tb.Helper()
	return &CA{newCert(tb, &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil)}
}

// Pool holds the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.X509)
	return pool
}

// Server makes a certificate for a server of these host names and IP addresses,
// the first of which is its common name too.
func (ca *CA) Server(tb testing.TB, hosts ...string) *Cert {
	tb.Helper()
	var t Template
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPs = append(t.IPs, ip)
		} else {
			t.DNS = append(t.DNS, host)
		}
	}
	if len(hosts) > 0 {
		t.Subject.CommonName = hosts[0]
	}
	return ca.Issue(tb, t)
}

// Client makes a certificate for a client of this common name.
func (ca *CA) Client(tb testing.TB, commonName string) *Cert {
	tb.Helper()
	return ca.Issue(tb, Template{Subject: pkix.Name{CommonName: commonName}})
}

// Issue makes a certificate after a template.
func (ca *CA) Issue(tb testing.TB, t Template) *Cert {
	tb.Helper()
	x := &x509.Certificate{
		Subject:        t.Subject,
		DNSNames:       t.DNS,
		EmailAddresses: t.Emails,
		IPAddresses:    t.IPs,
		NotAfter:       t.NotAfter,
		KeyUsage:       x509.KeyUsageDigitalSignature,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if x.NotAfter.IsZero() {
		x.NotAfter = notAfter
	}
	for _, text := range t.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			tb.Fatalf("testcert: URI of a certificate: %v", err)
		}
		x.URIs = append(x.URIs, uri)
	}
	if t.RDNs != nil {
		raw, err := asn1.Marshal(t.RDNs)
		if err != nil {
			tb.Fatalf("testcert: subject of a certificate: %v", err)
		}
		x.RawSubject = raw
	}
	cert := newCert(tb, x, ca)
	return &cert
}

// newCert signs with the key of the authority, or with the certificate's own
// when there is none.
func newCert(tb testing.TB, x *x509.Certificate, ca *CA) Cert {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("testcert: key: %v", err)
	}
	if x.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		tb.Fatalf("testcert: serial number: %v", err)
	}
	x.NotBefore = notBefore
	parent, signer := x, key
	if ca != nil {
		parent, signer = ca.X509, ca.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, x, parent, key.Public(), signer)
	if err != nil {
		tb.Fatalf("testcert: sign: %v", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("testcert: parse: %v", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("testcert: encode key: %v", err)
	}
	return Cert{
		X509:    parsed,
		Key:     key,
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

// TLS is the certificate as crypto/tls presents it.
func (c *Cert) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.X509.Raw}, PrivateKey: c.Key, Leaf: c.X509}
}

// WriteFiles writes both PEM files into dir and returns their paths. Each call
// makes new files.
func (c *Cert) WriteFiles(tb testing.TB, dir string) (certFile, keyFile string) {
	tb.Helper()
	return writeFile(tb, dir, "cert-*.pem", c.CertPEM), writeFile(tb, dir, "key-*.pem", c.KeyPEM)
}

// WriteFile writes the authority's certificate into dir and returns its path.
func (ca *CA) WriteFile(tb testing.TB, dir string) string {
	tb.Helper()
	return writeFile(tb, dir, "ca-*.pem", ca.CertPEM)
}

func writeFile(tb testing.TB, dir, pattern string, content []byte) string {
	tb.Helper()
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	if _, err := f.Write(content); err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	if err := f.Close(); err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return f.Name()
}
