package cluster

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// Are routes encrypted if they are to be, and does nobody get in or answer without a certificate?
func TestTLS(t *testing.T) {
	ca, other := testcert.NewCA(t, "ours"), testcert.NewCA(t, "theirs")
	certified := func(by *testcert.CA, hosts ...string) *TLS {
		cert := by.Server(t, hosts...).TLS()
		return &TLS{
			Accept:  &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()},
			Dial:    &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: ca.Pool()},
			Timeout: testTimeout,
		}
	}
	inWorld(t, "a b c clear stranger elsewhere", func(w *world, ms []*member) {
		for _, m := range ms[:3] {
			m.settings.TLS = certified(ca, m.self.Name)
		}
		ms[4].settings.TLS = certified(other, "stranger")
		ms[5].settings.TLS = certified(ca, "another.name")
		ms[5].settings.Routes = nil
		startAll(ms)
		wantMesh(t, ms[:3]...)
		for _, m := range ms[3:] {
			m.wantPeers("")
		}
		if !ms[0].hasLogged("TLS handshake: ") || !ms[4].hasLogged("certificate required") {
			t.Errorf("they log %q and %q", ms[0].errors(), ms[4].errors())
		}

		// A name that is not that of the certificate is no good, unless it is to be.
		s := ms[0].settings
		s.Routes = []Remote{{Addr: "elsewhere:6222"}}
		ms[0].cluster.Reconfigure(&s)
		time.Sleep(3 * time.Second)
		ms[5].wantPeers("")
		if !ms[0].hasLogged("certificate is valid for another.name, not elsewhere") {
			t.Errorf("it logs %q", ms[0].errors())
		}

		// One who says nothing is not waited for.
		nc := dialContext(w, "other", "a:6222")
		before := len(ms[0].errors())
		time.Sleep(2 * testTimeout)
		if len(ms[0].errors()) == before {
			t.Error("it is")
		}
		_ = nc.Close()
	})
}
