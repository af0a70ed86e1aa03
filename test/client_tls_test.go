package test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// tlsFiles are the files that a server's tls block names.
type tlsFiles struct{ cert, key, ca string }

func newTLSFiles(t testing.TB, ca *testcert.CA) tlsFiles {
	t.Helper()
	dir := t.TempDir()
	f := tlsFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), ca.WriteFile(t, dir)}
	f.renew(t, ca)
	return f
}

// renew puts a new certificate into the files and returns its serial number.
func (f *tlsFiles) renew(t testing.TB, ca *testcert.CA) *big.Int {
	t.Helper()
	c := ca.Server(t, "127.0.0.1", "localhost")
	for path, text := range map[string][]byte{f.cert: c.CertPEM, f.key: c.KeyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.X509.SerialNumber
}

// block is the tls block, with more lines in it.
func (f *tlsFiles) block(more string) string {
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 10\n%s }\n", f.cert, f.key, f.ca, more)
}

func TestTLS(t *testing.T) {
	ca, stranger := testcert.NewCA(t, "authority"), testcert.NewCA(t, "stranger")
	files := newTLSFiles(t, ca)
	trust := nats.RootCAs(files.ca)
	shows := func(c *testcert.Cert) nats.Option {
		return func(o *nats.Options) error {
			o.Secure = true
			if o.TLSConfig == nil {
				o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			o.TLSConfig.Certificates = []tls.Certificate{c.TLS()}
			return nil
		}
	}
	for _, test := range []struct {
		name, config string
		// good clients get in as these users, bad ones do not.
		good []nats.Option
		bad  map[string][]nats.Option
		user string
	}{
		{
			name: "certificate of the server", config: files.block(""),
			good: []nats.Option{trust},
			bad:  map[string][]nats.Option{"another authority": {nats.RootCAs(stranger.WriteFile(t, t.TempDir()))}, "no authority": nil},
		},
		{
			name: "certificate of the client", config: files.block("verify: true"),
			good: []nats.Option{trust, shows(ca.Client(t, "alice"))},
			bad:  map[string][]nats.Option{"none": {trust}, "another authority's": {trust, shows(stranger.Client(t, "alice"))}},
		},
		{
			name:   "certificate as credentials",
			config: files.block("verify_and_map: true") + `authorization { users: [ {user: "CN=alice"}, {user: bob} ] }`,
			good:   []nats.Option{trust, shows(ca.Client(t, "alice"))},
			bad:    map[string][]nats.Option{"unknown user's": {trust, shows(ca.Client(t, "mallory"))}, "none": {trust, nats.UserInfo("bob", "")}},
			user:   "CN=alice",
		},
		{
			name: "handshake first", config: files.block("handshake_first: true"),
			good: []nats.Option{trust, nats.TLSHandshakeFirst()},
			bad:  map[string][]nats.Option{"waits for INFO": {trust, nats.Timeout(200_000_000)}},
		},
		{
			name: "handshake first, or else later", config: files.block(`handshake_first: auto`),
			good: []nats.Option{trust},
		},
		{
			name: "TLS 1.3 only", config: files.block(`min_version: "1.3"`),
			good: []nats.Option{trust},
			bad: map[string][]nats.Option{"TLS 1.2": {nats.Secure(&tls.Config{
				RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
			})}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.config)
			nc := s.connect(t, test.good...)
			state, err := nc.TLSConnectionState()
			if err != nil || !state.HandshakeComplete {
				t.Fatalf("TLS state %+v, %v", state, err)
			}
			if user, _ := whoAmI(t, nc); user != test.user {
				t.Errorf("the client is %q, want %q", user, test.user)
			}
			large := make([]byte, 1<<20)
			sub := subscribe(t, nc, "large")
			for range 3 {
				if err := nc.Publish("large", large); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				if m := next(t, sub); len(m.Data) != len(large) {
					t.Errorf("%d bytes arrive, want %d", len(m.Data), len(large))
				}
			}
			conns := s.connz(t, "auth=1").Connections
			if len(conns) != 1 || "TLS "+conns[0].TLS != tls.VersionName(state.Version) {
				t.Errorf("connz shows %+v", conns)
			}
			for name, opts := range test.bad {
				if nc, err := nats.Connect(s.ClientURL(), opts...); err == nil {
					nc.Close()
					t.Errorf("%s: the client gets in", name)
				}
			}
		})
	}
}

// A client that speaks TLS and one that does not can use the same port while
// clients are moved over.
func TestTLSAndClear(t *testing.T) {
	ca := testcert.NewCA(t, "authority")
	files := newTLSFiles(t, ca)
	s := start(t, files.block("")+"allow_non_tls: true")
	secure := connect(t, s.ClientURL(), nats.RootCAs(files.ca))
	clear := connect(t, "nats://"+s.Addr().String())
	if !secure.TLSRequired() {
		if _, err := secure.TLSConnectionState(); err != nil {
			t.Errorf("the one that wants TLS: %v", err)
		}
	}
	if _, err := clear.TLSConnectionState(); err == nil {
		t.Error("the one that does not want TLS has it")
	}
	sub := subscribe(t, clear, "both")
	publish(t, secure, "both", "hello")
	next(t, sub)
}

// After a reload new connections see the new certificate, and old ones go on.
func TestReloadOfCertificates(t *testing.T) {
	ca := testcert.NewCA(t, "authority")
	files := newTLSFiles(t, ca)
	s := start(t, files.block(""))
	trust := nats.RootCAs(files.ca)
	serial := func(nc *nats.Conn) *big.Int {
		state, err := nc.TLSConnectionState()
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber
	}
	b := watch(t, s.ClientURL(), trust)
	old := s.connect(t, trust)
	for range 3 {
		want := files.renew(t, ca)
		if got := serial(s.connect(t, trust)); got.Cmp(want) == 0 {
			t.Error("the certificate is the new one before the reload")
		}
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := serial(s.connect(t, trust)); got.Cmp(want) != 0 {
			t.Error("the certificate is an old one after the reload")
		}
		flush(t, old)
		b.goesOn(t)
	}
	// A new authority for clients counts for new ones.
	other := testcert.NewCA(t, "another")
	pool := x509.NewCertPool()
	pool.AddCert(other.X509)
	files.renew(t, other)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	flush(t, s.connect(t, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})))
	b.goesOn(t)
	// Files that do not fit leave the certificate as it is.
	if err := os.WriteFile(files.key, ca.Client(t, "x").KeyPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("a key of another certificate is taken")
	}
	flush(t, s.connect(t, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})))
}
