package options

import (
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Some keys are about connections that a server makes, not those it takes; they
// are here because one block, often included from a file of its own, describes
// both sides.
var tlsRows = []row[tlsconf.Config]{
	{"cert_file", tlsFile(func(c *tlsconf.Config) *string { return &c.CertFile })},
	{"key_file", tlsFile(func(c *tlsconf.Config) *string { return &c.KeyFile })},
	{"ca_file", tlsFile(func(c *tlsconf.Config) *string { return &c.CAFile })},
	{"certs certificates", setCertificates},
	{"verify", tlsToggle(func(c *tlsconf.Config) *bool { return &c.Verify })},
	{"verify_and_map", setVerifyAndMap},
	{"timeout", setTLSTimeout},
	{"min_version", setMinVersion},
	{"cipher_suites", setCipherSuites},
	{"curve_preferences", setCurves},
	{"allow_insecure_cipher_suites", tlsToggle(func(c *tlsconf.Config) *bool { return &c.AllowInsecureCiphers })},
	{"pinned_certs", setPinnedCerts},
	{"handshake_first first immediate", setHandshakeFirst},
	{"connection_rate_limit", setRateLimit},
}

var (
	// tlsKeys are the keys of a listener of clients.
	tlsKeys = newBlock(blockTLS, unknownTLS, slices.Concat(tlsRows, []row[tlsconf.Config]{
		{"verify_cert_and_check_known_urls", checkKnownURLs},
		{"insecure", checkInsecure},
	}))
	// peerTLSKeys are those of servers among themselves, which dial as well.
	peerTLSKeys = newBlock(blockTLS, unknownTLS, slices.Concat(tlsRows, []row[tlsconf.Config]{
		{"verify_cert_and_check_known_urls", tlsToggle(func(c *tlsconf.Config) *bool { return &c.CheckKnownURLs })},
		{"insecure", tlsToggle(func(c *tlsconf.Config) *bool { return &c.Insecure })},
	}))
)

const unknownTLS = "error parsing tls config, unknown field %q"

// newTLS returns a block with nothing in it.
func newTLS() *tlsconf.Config {
	return &tlsconf.Config{Timeout: DefaultTLSTimeout, MinVersion: tls.VersionTLS12}
}

// tlsBlock stores the block of a listener of clients.
func tlsBlock[T any](field func(*T) **tlsconf.Config) setter[T] {
	return tlsSetter(tlsKeys, field, func(*tlsconf.Config) {})
}

// peerTLSBlock stores the block of servers among themselves: whoever connects
// shows a certificate, for a server may do anything.
func peerTLSBlock[T any](field func(*T) **tlsconf.Config) setter[T] {
	return tlsSetter(peerTLSKeys, field, func(c *tlsconf.Config) { c.Verify = true })
}

// tlsSetter stores a block with what it implies. Its files are read as well, so
// that a test of the configuration finds those that are missing or do not fit.
func tlsSetter[T any](keys *block[tlsconf.Config], field func(*T) **tlsconf.Config, imply func(*tlsconf.Config)) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if !d.is(e.Value, conf.KindMap) {
			return
		}
		c := newTLS()
		before := len(d.problems.Errors)
		keys.decode(d, e.Value.Map, c)
		imply(c)
		*field(t) = c
		if len(d.problems.Errors) > before {
			return
		}
		if err := checkTLS(c); err != nil {
			d.fail(e.Pos, "%v", err)
			return
		}
		if !hasCertificate(c) {
			return // Flags may bring one; Validate knows.
		}
		if _, err := c.ServerConfig(d.read); err != nil {
			d.fail(e.Pos, "%v", err)
		}
	}
}

func hasCertificate(c *tlsconf.Config) bool { return c.CertFile != "" || len(c.Certificates) > 0 }

// checkTLS finds what is wrong across the keys of a block.
func checkTLS(c *tlsconf.Config) error {
	switch {
	case len(c.Certificates) > 0 && (c.CertFile != "" || c.KeyFile != ""):
		return fmt.Errorf("error parsing tls config, cannot combine 'cert_file' option with 'certs' option")
	case c.CertFile != "" && c.KeyFile == "":
		return fmt.Errorf("missing 'key_file' in TLS configuration")
	case c.CertFile == "" && c.KeyFile != "":
		return fmt.Errorf("missing 'cert_file' in TLS configuration")
	}
	for digest := range c.PinnedCerts {
		if !spkiDigest.MatchString(digest) {
			return fmt.Errorf("error parsing tls config, 'pinned_certs' key %s does not look like "+
				"hex-encoded sha256 of DER encoded SubjectPublicKeyInfo", digest)
		}
	}
	if !c.AllowInsecureCiphers {
		var insecure []string
		for _, cipher := range tlsconf.Ciphers() {
			for _, id := range c.CipherSuites {
				if cipher.ID == id && cipher.Insecure {
					insecure = append(insecure, cipher.Name)
				}
			}
		}
		if insecure != nil {
			return fmt.Errorf("insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: %s",
				strings.Join(insecure, ", "))
		}
	}
	return nil
}

var spkiDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func tlsFile(field func(*tlsconf.Config) *string) setter[tlsconf.Config] {
	return func(d *decoder, e *conf.Entry, c *tlsconf.Config) {
		if e.Value.Kind != conf.KindString {
			d.fail(e.Pos, "error parsing tls config, expected '%s' to be filename", strings.ToLower(e.Key))
			return
		}
		*field(c) = e.Value.Str
	}
}

func tlsToggle(field func(*tlsconf.Config) *bool) setter[tlsconf.Config] {
	return func(d *decoder, e *conf.Entry, c *tlsconf.Config) {
		if e.Value.Kind != conf.KindBool {
			d.fail(e.Pos, "error parsing tls config, expected '%s' to be a boolean", strings.ToLower(e.Key))
			return
		}
		*field(c) = e.Value.Bool
	}
}

// setVerifyAndMap implies verify; switching it off leaves verify alone.
func setVerifyAndMap(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	tlsToggle(func(c *tlsconf.Config) *bool { return &c.Map })(d, e, c)
	c.Verify = c.Verify || c.Map
}

// checkKnownURLs only makes sense between servers, which know each other's
// addresses.
func checkKnownURLs(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	var on bool
	tlsToggle(func(*tlsconf.Config) *bool { return &on })(d, e, c)
	if on {
		d.fail(e.Pos, "%s not supported in this context", strings.ToLower(e.Key))
	}
}

// checkInsecure stores nothing: the key is about certificates of servers that
// one connects to, and a listener connects to none.
func checkInsecure(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	var insecure bool
	tlsToggle(func(*tlsconf.Config) *bool { return &insecure })(d, e, c)
}

func setTLSTimeout(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	if value, ok := timeout(d, e, "tls"); ok {
		c.Timeout = value
	}
}

func setMinVersion(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	if e.Value.Kind != conf.KindString {
		d.fail(e.Pos, "error parsing tls config: 'min_version' wrong type: %s", show(e.Value))
		return
	}
	switch s := e.Value.Str; s {
	case "1.2":
		c.MinVersion = tls.VersionTLS12
	case "1.3":
		c.MinVersion = tls.VersionTLS13
	case "1.0", "1.1":
		d.fail(e.Pos, "error parsing tls config: unsupported TLS version: TLS %s", s)
	default:
		d.fail(e.Pos, "error parsing tls config: unknown version: %s", s)
	}
}

func setCipherSuites(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	c.CipherSuites = names(d, e, "unrecognized cipher %s", func(name string) (uint16, bool) {
		cipher, ok := tlsconf.CipherByName(name)
		return cipher.ID, ok
	})
}

func setCurves(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	c.Curves = names(d, e, "unrecognized curve preference %s", func(name string) (tls.CurveID, bool) {
		curve, ok := tlsconf.CurveByName(name)
		return curve.ID, ok
	})
}

// names looks up what an array names.
func names[T any](d *decoder, e *conf.Entry, unknown string, find func(string) (T, bool)) []T {
	if !d.is(e.Value, conf.KindArray) {
		return nil
	}
	if len(e.Value.List) == 0 {
		d.fail(e.Pos, "error parsing tls config, '%s' cannot be empty", strings.ToLower(e.Key))
		return nil
	}
	found := make([]T, 0, len(e.Value.List))
	for _, v := range e.Value.List {
		if !d.is(v, conf.KindString) {
			continue
		}
		if item, ok := find(v.Str); ok {
			found = append(found, item)
		} else {
			d.fail(v.Pos, unknown, v.Str)
		}
	}
	return found
}

func setPinnedCerts(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	const what = "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo"
	if e.Value.Kind != conf.KindArray {
		d.fail(e.Pos, "error parsing tls config, expected 'pinned_certs' to be a list of %s", what)
		return
	}
	if len(e.Value.List) == 0 {
		return
	}
	pins := make(map[string]struct{})
	for _, v := range e.Value.List {
		digest := strings.ToLower(v.Str)
		if v.Kind != conf.KindString || !spkiDigest.MatchString(digest) {
			d.fail(v.Pos, "error parsing tls config, 'pinned_certs' key %s does not look like %s", show(v), what)
			continue
		}
		pins[digest] = struct{}{}
	}
	c.PinnedCerts = pins
}

// setHandshakeFirst takes a boolean, the word auto, or how long to wait for the
// client before falling back.
func setHandshakeFirst(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	c.HandshakeFirst, c.HandshakeFirstFallback = false, 0
	switch v := e.Value; v.Kind {
	case conf.KindBool:
		c.HandshakeFirst = v.Bool
	case conf.KindString:
		switch strings.ToLower(v.Str) {
		case "true", "on", "yes":
			c.HandshakeFirst = true
		case "false", "off", "no":
		case "auto", "auto_fallback":
			c.HandshakeFirst, c.HandshakeFirstFallback = true, DefaultHandshakeFirstFallback
		default:
			wait, err := time.ParseDuration(v.Str)
			if err != nil || wait < 0 {
				d.fail(e.Pos, "field %q's value %q is invalid", strings.ToLower(e.Key), v.Str)
				return
			}
			c.HandshakeFirst, c.HandshakeFirstFallback = true, wait
		}
	default:
		d.fail(e.Pos, "field %q should be a boolean or a string, got %v", strings.ToLower(e.Key), v.Kind)
	}
}

func setRateLimit(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	if e.Value.Kind != conf.KindInt {
		d.fail(e.Pos, "error parsing tls config, 'connection_rate_limit' wrong type")
		return
	}
	c.RateLimit = max(e.Value.Int, 0)
}

var keyPairBlock = newBlock("certs", "error parsing certificates config, unknown field %q", []row[tlsconf.KeyPair]{
	{"cert_file", certFile(func(p *tlsconf.KeyPair) *string { return &p.CertFile })},
	{"key_file", certFile(func(p *tlsconf.KeyPair) *string { return &p.KeyFile })},
})

func certFile(field func(*tlsconf.KeyPair) *string) setter[tlsconf.KeyPair] {
	return func(d *decoder, e *conf.Entry, p *tlsconf.KeyPair) {
		if e.Value.Kind != conf.KindString {
			d.fail(e.Pos, "error parsing certificates config: unsupported type %v", e.Value.Kind)
			return
		}
		*field(p) = e.Value.Str
	}
}

func setCertificates(d *decoder, e *conf.Entry, c *tlsconf.Config) {
	c.Certificates = nil
	const unsupported = "error parsing certificates config: unsupported type %v"
	for v := range d.maps(e, unsupported, unsupported) {
		var pair tlsconf.KeyPair
		before := len(d.problems.Errors)
		keyPairBlock.decode(d, v.Map, &pair)
		switch {
		case len(d.problems.Errors) > before:
		case pair.CertFile == "" || pair.KeyFile == "":
			d.fail(v.Pos, "error parsing certificates config: both 'cert_file' and 'cert_key' options are required")
		default:
			c.Certificates = append(c.Certificates, pair)
		}
	}
}
