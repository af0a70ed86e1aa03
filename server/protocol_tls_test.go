package server_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// pki is an authority and what configurations name.
type pki struct {
	ca, other           *testcert.CA
	server              *testcert.Cert
	caFile, crt, key    string
	client, alice, evil *testcert.Cert
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{ca: testcert.NewCA(t, "ca"), other: testcert.NewCA(t, "other")}
	p.server = p.ca.Server(t, "10.0.0.1")
	p.client, p.evil = p.ca.Client(t, "client"), p.other.Client(t, "client")
	p.alice = p.ca.Issue(t, testcert.Template{Subject: pkix.Name{CommonName: "x"}, Emails: []string{"alice@example.com"}})
	dir := t.TempDir()
	p.caFile = p.ca.WriteFile(t, dir)
	p.crt, p.key = p.server.WriteFiles(t, dir)
	return p
}

// block is a tls block with more settings in it.
func (p *pki) block(more string) string {
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 1\n%s }\n", p.crt, p.key, p.caFile, more)
}

// config is what clients speak TLS with.
func (p *pki) config(cert *testcert.Cert) *tls.Config {
	c := &tls.Config{RootCAs: p.ca.Pool(), ServerName: "10.0.0.1"}
	if cert != nil {
		c.Certificates = []tls.Certificate{cert.TLS()}
	}
	return c
}

// The ways to get to TLS, and what goes in clear before.
func TestTLSModes(t *testing.T) {
	p := newPKI(t)
	const (
		afterInfo = "TLS after INFO"
		first     = "TLS at once"
		late      = "TLS a second later"
		clear     = "in clear"
		silent    = "nothing"
		half      = "half a record"
		nonsense  = "a record that is none"
	)
	noTLS := "-ERR 'Secure Connection - TLS Required'\r\n"
	for _, tc := range []struct {
		name, block, more, client string
		info                      []string // in INFO
		ok                        bool
		after                     time.Duration // to the end of the connection
		told                      string
	}{
		{name: "default: TLS", client: afterInfo, info: []string{"tls_required"}, ok: true},
		{name: "default: TLS late", block: "timeout: 2", client: late, info: []string{"tls_required"}, ok: true},
		{name: "default: clear", client: clear, info: []string{"tls_required"}},
		{name: "default: nonsense", client: nonsense, info: []string{"tls_required"}},
		{name: "default: silent", client: silent, info: []string{"tls_required"}, after: second, told: noTLS},
		{name: "default: half", client: half, info: []string{"tls_required"}, after: second, told: noTLS},
		{name: "first: TLS", block: "handshake_first: true", client: first, info: []string{"tls_required"}, ok: true},
		{name: "first: silent", block: "handshake_first: true", client: silent, after: second, told: noTLS},
		{name: "first: clear", block: "handshake_first: true", client: clear},
		{name: "auto: TLS first", block: "handshake_first: auto", client: first, info: []string{"tls_required"}, ok: true},
		{name: "auto: TLS after INFO", block: "handshake_first: auto", client: afterInfo, info: []string{"tls_required"}, ok: true},
		{name: "300ms: TLS first", block: "handshake_first: 300ms", client: first, info: []string{"tls_required"}, ok: true},
		{name: "300ms: TLS after INFO", block: "handshake_first: 300ms", client: afterInfo, info: []string{"tls_required"}, ok: true},
		{name: "300ms: silent", block: "handshake_first: 300ms", client: silent, info: []string{"tls_required"}, after: 1300 * time.Millisecond, told: noTLS},
		{name: "both: TLS", more: "allow_non_tls: true", client: afterInfo, info: []string{"tls_available"}, ok: true},
		{name: "both: clear", more: "allow_non_tls: true", client: clear, info: []string{"tls_available"}, ok: true},
		{name: "verify", block: "verify: true", client: afterInfo, info: []string{"tls_required", "tls_verify"}, ok: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, p.block(tc.block)+tc.more, func(s *site) {
				c := s.deaf()
				start := time.Now()
				check := func(i info) {
					for _, key := range []string{"tls_required", "tls_verify", "tls_available"} {
						want := strings.Contains(strings.Join(tc.info, " "), key)
						if i.has(key) != want {
							t.Errorf("INFO has %s: %v, want %v", key, i.has(key), want)
						}
					}
				}
				switch tc.client {
				case afterInfo, late:
					check(c.readInfo())
					if tc.client == late {
						time.Sleep(second)
					}
					if err := c.secure(p.config(p.client)); err != nil {
						t.Fatal(err)
					}
				case first:
					if err := c.secure(p.config(p.client)); err != nil {
						t.Fatal(err)
					}
					if d := time.Since(start); d != 0 {
						t.Errorf("it took %v", d)
					}
					check(c.wantInfo())
				default:
					c.listen()
					if tc.client == silent && strings.HasPrefix(tc.block, "handshake_first: 300ms") {
						time.Sleep(300*time.Millisecond - 1)
						c.wantIdle()
						time.Sleep(time.Nanosecond)
					}
					if tc.info != nil {
						check(c.wantInfo())
					} else {
						c.wantIdle()
					}
					c.send(map[string]string{half: "\x16\x03\x01", nonsense: "\x16\x03\x01\x00\x05hello", clear: quiet + "}\r\n"}[tc.client])
				}
				if tc.ok {
					c.send(quiet + "}\r\nSUB a 1\r\n" + lines("PUB a 2", "hi"))
					c.want(lines("MSG a 1 2", "hi"))
					c.ping()
					time.Sleep(5 * second) // no deadline of the handshake is left
					c.wantOnly("PING\r\n")
					c.ping()
					return
				}
				if tc.after > 0 {
					c.wantIdle()
					time.Sleep(tc.after - time.Since(start) - 1)
					c.wantIdle()
					time.Sleep(time.Nanosecond)
				}
				c.want(tc.told)
				got, end := c.settle()
				if !isEnd(end) || strings.Contains(got, "-ERR") {
					t.Errorf("got %q (end: %v), want the end", got, end)
				}
				if !strings.Contains(s.log(), "TLS handshake error") {
					t.Error("nothing is logged")
				}
			})
		})
	}
}

// Which client certificates are accepted, and whom they stand for.
func TestTLSClientCertificates(t *testing.T) {
	p := newPKI(t)
	pinned := fmt.Sprintf("pinned_certs: [%q]", tlsconf.SPKISHA256(p.client.X509))
	const mapped = `authorization { users: [
		{user: "alice@example.com", permissions: {publish: mine}}
		{user: "CN=client", permissions: {publish: other}}
	] }`
	for _, tc := range []struct {
		name, config string
		cert         *testcert.Cert
		connect      string
		// denied is a subject that may not be published to, "-" if nobody comes
		// so far, and "!" if the handshake fails.
		denied string
	}{
		{"not asked for", p.block(""), nil, "", ""},
		{"not asked for, and of another authority", p.block(""), p.evil, "", ""},
		{"verify", p.block("verify: true"), p.client, "", ""},
		{"verify: none", p.block("verify: true"), nil, "", "!"},
		{"verify: of another authority", p.block("verify: true"), p.evil, "", "!"},
		{"verify and password", p.block("verify: true") + "authorization { user: a, password: a }", p.client, as("a"), ""},
		{"verify and wrong password", p.block("verify: true") + "authorization { user: a, password: a }", p.client, as("b"), "-"},
		{"map: e-mail", p.block("verify_and_map: true") + mapped, p.alice, "", "other"},
		{"map: subject", p.block("verify_and_map: true") + mapped, p.client, "", "mine"},
		{"map: whatever CONNECT says", p.block("verify_and_map: true") + mapped, p.alice, as("CN=client"), "other"},
		{"map: nobody", p.block("verify_and_map: true") + mapped, p.ca.Client(t, "stranger"), "", "-"},
		{"map: none", p.block("verify_and_map: true") + mapped, nil, "", "!"},
		{"pinned", p.block(pinned), p.client, "", ""},
		{"pinned and verified", p.block("verify: true\n" + pinned), p.client, "", ""},
		{"pinned: another", p.block(pinned), p.alice, "", "!"},
		{"pinned: none", p.block(pinned), nil, "", "!"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.config, func(s *site) {
				c := s.deaf()
				c.readInfo()
				err := c.secure(p.config(tc.cert))
				if err == nil {
					c.sendf("%s%s}\r\n", quiet, strings.TrimSuffix(","+tc.connect, ","))
				}
				switch tc.denied {
				case "!":
					if err != nil {
						return
					}
					// With TLS 1.3 the client hears of it later.
					if got, end := c.settle(); got != "" || end == nil {
						t.Errorf("got %q, want the handshake to fail", got)
					}
				case "-":
					c.wantErr("Authorization Violation")
					c.wantClosed()
				case "":
					c.ping()
				default:
					c.pub(tc.denied, "")
					c.wantOnly(denyPub(tc.denied))
				}
			})
		})
	}
}

// New certificates are for new handshakes, new pins for all.
func TestReloadTLS(t *testing.T) {
	p := newPKI(t)
	begin := func(s *site, cert *testcert.Cert) *peer {
		c := s.deaf()
		c.readInfo()
		if err := c.secure(p.config(cert)); err != nil {
			t.Fatal(err)
		}
		c.send(quiet + "}\r\n")
		c.ping()
		return c
	}
	serial := func(c *peer) string {
		return c.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	t.Run("certificate", func(t *testing.T) {
		script(t, p.block(""), func(s *site) {
			before := begin(s, nil)
			renewed := p.ca.Server(t, "10.0.0.1")
			crt, key := renewed.WriteFiles(t, s.dir)
			s.reload(strings.NewReplacer(p.crt, crt, p.key, key).Replace(p.block("")))
			before.ping()
			if after := begin(s, nil); serial(after) != renewed.X509.SerialNumber.String() || serial(after) == serial(before) {
				t.Error("the old certificate is shown")
			}
		})
	})
	t.Run("the same files with other content", func(t *testing.T) {
		q := newPKI(t)
		script(t, q.block(""), func(s *site) {
			renewed := p.ca.Server(t, "10.0.0.1")
			for file, content := range map[string][]byte{q.crt: renewed.CertPEM, q.key: renewed.KeyPEM} {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.srv.Reload(); err != nil {
				t.Fatal(err)
			}
			if after := begin(s, nil); serial(after) != renewed.X509.SerialNumber.String() {
				t.Error("the old certificate is shown")
			}
		})
	})
	t.Run("pins", func(t *testing.T) {
		script(t, p.block("verify: true"), func(s *site) {
			pinned, other := begin(s, p.client), begin(s, p.alice)
			s.reload(p.block("verify: true\n" + fmt.Sprintf("pinned_certs: [%q]", tlsconf.SPKISHA256(p.client.X509))))
			pinned.ping()
			other.wantClosed()
		})
	})
}

// So many handshakes a second.
func TestTLSRateLimit(t *testing.T) {
	p := newPKI(t)
	script(t, p.block("connection_rate_limit: 2"), func(s *site) {
		refused := 0
		for range 5 {
			c := s.deaf()
			c.readInfo()
			synctest.Wait()
			c.listen()
			if got, end := c.settle(); end != nil {
				refused++
				if got != "-ERR 'Connection throttling is active. Please try again later.'\r\n" {
					t.Errorf("got %q", got)
				}
			}
		}
		if refused != 3 {
			t.Errorf("%d of 5 are refused, want 3", refused)
		}
		time.Sleep(second)
		c := s.deaf()
		c.readInfo()
		if err := c.secure(p.config(nil)); err != nil {
			t.Fatal(err)
		}
	})
}

// What a proxy says of a client before that speaks itself.
func TestProxyProtocol(t *testing.T) {
	const sig = "\r\n\r\n\x00\r\nQUIT\n"
	v2 := func(cmd, family byte, body string) string {
		return sig + string([]byte{0x20 | cmd, family, byte(len(body) >> 8), byte(len(body))}) + body
	}
	const ip4 = "\x01\x02\x03\x04\x05\x06\x07\x08\x04\x57\x08\xae"
	ip6 := strings.Repeat("\x00", 15) + "\x09" + strings.Repeat("\x00", 15) + "\x08" + "\x04\x57\x08\xae"
	for _, tc := range []struct{ name, header, ip string }{
		{"none", "", "10.0.0.2"},
		{"v1 of IPv4", "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "1.2.3.4"},
		{"v1 of IPv6", "PROXY TCP6 ::9 ::8 1111 2222\r\n", "::9"},
		{"v1 of nobody", "PROXY UNKNOWN\r\n", "10.0.0.2"},
		{"v1 of nobody known", "PROXY UNKNOWN a b c d\r\n", "10.0.0.2"},
		{"v2 of IPv4", v2(1, 0x11, ip4), "1.2.3.4"},
		{"v2 of IPv6", v2(1, 0x21, ip6), "::9"},
		{"v2 with more", v2(1, 0x11, ip4+"\x04\x00\x01x"), "1.2.3.4"},
		{"v2 with much more", v2(1, 0x11, ip4+"\x04\x0f\xa0"+strings.Repeat("x", 4000)), "1.2.3.4"},
		{"v2 of the proxy itself", v2(0, 0x11, ip4), "10.0.0.2"},
		{"v1, malformed", "PROXY TCP4 a b c d\r\n", ""},
		{"v1, too long", "PROXY TCP4 " + strings.Repeat("1", 200), ""},
		{"v2, another version", sig + "\x31\x11\x00\x0c" + ip4, ""},
		{"v2, too short", v2(1, 0x11, "123"), ""},
	} {
		const connect = quiet + `,"protocol":1}` + "\r\nPING\r\n"
		check := func(t *testing.T, p *peer) {
			t.Helper()
			if tc.ip == "" {
				// INFO may have been written before that was found out.
				if got, end := p.settle(); !isEnd(end) || strings.Contains(got, "-ERR") {
					t.Errorf("got %q (end: %v), want the end", got, end)
				}
				return
			}
			if i := p.wantInfo(); i.has("client_ip") || i.has("connect_info") {
				t.Errorf("first INFO %v", i.fields)
			}
			p.want("PONG\r\n")
			if i := p.wantInfo(); i.text("client_ip") != tc.ip {
				t.Errorf("client_ip %q, want %q", i.text("client_ip"), tc.ip)
			}
			p.ping()
		}
		t.Run(tc.name, func(t *testing.T) {
			script(t, "proxy_protocol: true", func(s *site) {
				p := s.dial()
				p.send(tc.header + connect)
				check(t, p)
			})
		})
		t.Run(tc.name+", byte by byte", func(t *testing.T) {
			script(t, "proxy_protocol: true", func(s *site) {
				p := s.dial()
				for _, b := range []byte(tc.header) {
					p.send(string([]byte{b}))
					synctest.Wait()
				}
				p.send(connect)
				check(t, p)
			})
		})
	}
	t.Run("INFO comes first, for who connects directly", func(t *testing.T) {
		script(t, "proxy_protocol: true", func(s *site) {
			p := s.greeted()
			time.Sleep(5*second - 1)
			p.wantIdle()
			p.send(quiet + "}\r\n")
			p.ping()
			time.Sleep(10 * second)
			p.wantOnly("PING\r\n")
		})
	})
	t.Run("who says nothing is cut off", func(t *testing.T) {
		for _, begin := range []string{"", "PROXY", v2(1, 0x11, ip4)[:20]} {
			script(t, "proxy_protocol: true", func(s *site) {
				p := s.greeted()
				p.send(begin)
				time.Sleep(5*second - 1)
				p.wantIdle()
				time.Sleep(time.Nanosecond)
				p.wantClosed()
			})
		}
	})
	t.Run("not where it is not configured", func(t *testing.T) {
		x := exchange{connect: "-", send: "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", want: "-ERR 'Unknown Protocol Operation'\r\n", closed: true}
		x.run(t)
	})
	t.Run("too many connections", func(t *testing.T) {
		script(t, "proxy_protocol: true\nmax_connections: 1", func(s *site) {
			s.greeted()
			p := s.greeted()
			p.wantErr("maximum connections exceeded")
			p.wantClosed()
		})
	})
}

// A PROXY header comes before TLS, in whichever mode.
func TestProxyProtocolWithTLS(t *testing.T) {
	pk := newPKI(t)
	const header = "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"
	for _, tc := range []struct {
		name, mode   string
		header, info bool // in clear
	}{
		{name: "default", header: true, info: true},
		{name: "default, directly", info: true},
		{name: "first", mode: "handshake_first: true", header: true},
		{name: "first, directly", mode: "handshake_first: true"},
		{name: "auto, TLS at once", mode: "handshake_first: auto", header: true},
		{name: "auto, TLS at once, directly", mode: "handshake_first: auto"},
		{name: "auto, TLS after INFO", mode: "handshake_first: auto", header: true, info: true},
		{name: "auto, TLS after INFO, directly", mode: "handshake_first: auto", info: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, "proxy_protocol: true\n"+pk.block(tc.mode), func(s *site) {
				p := s.deaf()
				if tc.header {
					p.send(header)
				}
				if tc.info {
					p.readInfo()
				}
				if err := p.secure(pk.config(nil)); err != nil {
					t.Fatal(err)
				}
				if !tc.info {
					p.wantInfo()
				}
				p.send(quiet + `,"protocol":1}` + "\r\nPING\r\n")
				p.want("PONG\r\n")
				want := map[bool]string{true: "1.2.3.4", false: "10.0.0.2"}[tc.header]
				if i := p.wantInfo(); i.text("client_ip") != want {
					t.Errorf("client_ip %q, want %q", i.text("client_ip"), want)
				}
			})
		})
	}
}
