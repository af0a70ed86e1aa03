package tlsconf

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/testcert"
)

// Do both ends of a connection between servers have to show what the block demands?
func TestPeerConfigs(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ours")
	caFile := ca.WriteFile(t, dir)
	block := func(host string) *Config {
		cert := ca.Server(t, host)
		certFile, keyFile := cert.WriteFiles(t, dir)
		return &Config{CertFile: certFile, KeyFile: keyFile, CAFile: caFile, Verify: true}
	}
	a, b := block("a"), block("b")
	for _, tc := range []struct {
		what     string
		set      func(accepts, dials *Config)
		name     string
		accepted error
		fine     bool
	}{
		{what: "fine", name: "a", fine: true},
		{what: "another name", name: "c"},
		{what: "another name, which does not matter", set: func(_, dials *Config) { dials.Insecure = true }, name: "c", fine: true},
		{what: "known", set: func(accepts, _ *Config) { accepts.CheckKnownURLs = true }, name: "a", fine: true},
		{what: "pinned is another", set: func(accepts, _ *Config) {
			accepts.CheckKnownURLs, accepts.PinnedCerts = true, map[string]struct{}{"x": {}}
		}, name: "a", accepted: ErrPinned},
		{what: "pinned is another, says who dials", set: func(_, dials *Config) { dials.PinnedCerts = map[string]struct{}{"x": {}} }, name: "a"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			accepts, dials := *a, *b
			if tc.set != nil {
				tc.set(&accepts, &dials)
			}
			if err := handshakeOf(t, &accepts, &dials, tc.name, []string{"x", "b"}); (err == nil) != tc.fine || tc.accepted != nil && !errors.Is(err, tc.accepted) {
				t.Error(err)
			}
		})
	}
	accepts := *a
	accepts.CheckKnownURLs = true
	if err := handshakeOf(t, &accepts, b, "a", []string{"x"}); !errors.Is(err, ErrUnknownHost) {
		t.Errorf("who is not known gets %v", err)
	}
	if _, _, err := (&Config{CertFile: "none", KeyFile: "none"}).PeerConfigs(os.ReadFile, nil); err == nil {
		t.Error("files that are not there are no error")
	}
}

// handshakeOf is how a handshake ends, of the end that accepts if it is not fine there.
func handshakeOf(t *testing.T, accepts, dials *Config, name string, hosts []string) error {
	t.Helper()
	accept, _, err := accepts.PeerConfigs(os.ReadFile, hosts)
	if err != nil {
		t.Fatal(err)
	}
	_, dial, err := dials.PeerConfigs(os.ReadFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	dial.ServerName = name
	n := memnet.New(memnet.Config{})
	l, err := n.Host("a").Listen("tcp", ":1")
	if err != nil {
		t.Fatal(err)
	}
	near, err := n.Host("b").Dial("tcp", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		tc := tls.Client(near, dial)
		err := tc.Handshake()
		// What the other end thinks of it comes later.
		_, _ = io.Copy(io.Discard, tc)
		_ = near.Close()
		done <- err
	}()
	err = tls.Server(far, accept).Handshake()
	_ = far.Close()
	return errors.Join(err, <-done)
}
