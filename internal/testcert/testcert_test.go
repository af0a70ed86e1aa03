package testcert

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestCertificatesVerifyNowAndOnTheVirtualClock(t *testing.T) {
	ca, other := NewCA(t, "one"), NewCA(t, "other")
	server, client := ca.Server(t, "nats.example", "127.0.0.1"), ca.Client(t, "alice")
	verify := func(t *testing.T, cert *Cert, by *CA, host string, usage x509.ExtKeyUsage) error {
		_, err := cert.X509.Verify(x509.VerifyOptions{
			Roots: by.Pool(), DNSName: host, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{usage},
		})
		return err
	}
	check := func(t *testing.T) {
		for _, host := range []string{"nats.example", "127.0.0.1"} {
			if err := verify(t, server, ca, host, x509.ExtKeyUsageServerAuth); err != nil {
				t.Errorf("server as %s: %v", host, err)
			}
		}
		if err := verify(t, client, ca, "", x509.ExtKeyUsageClientAuth); err != nil {
			t.Errorf("client: %v", err)
		}
		if verify(t, client, other, "", x509.ExtKeyUsageClientAuth) == nil {
			t.Error("client verifies by an authority that did not sign it")
		}
	}
	t.Run("now", check)
	t.Run("virtual", func(t *testing.T) { synctest.Test(t, check) })
}

func TestFilesHoldThePair(t *testing.T) {
	ca := NewCA(t, "one")
	cert := ca.Issue(t, Template{URIs: []string{"spiffe://a/b"}, Emails: []string{"a@b.c"}})
	certFile, keyFile := cert.WriteFiles(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if !pair.Leaf.Equal(cert.TLS().Leaf) {
		t.Error("files hold another certificate")
	}
	pem, err := os.ReadFile(ca.WriteFile(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		t.Error("authority's file holds no certificate")
	}
}
