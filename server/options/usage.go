package options

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// helpColumn is where descriptions of flags start.
const helpColumn = 38

// Usage is the help text: every flag with all its names.
func Usage(program string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nUsage: %s [flags]\n       %[1]s version\n       %[1]s help\n", program)
	b.WriteString("\nLong flags take one dash or two; values follow after a space or a \"=\".\n")
	for _, section := range flagSections {
		fmt.Fprintf(&b, "\n%s:\n", section.title)
		for _, row := range section.rows {
			row.appendHelp(&b)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (r flagRow) appendHelp(b *strings.Builder) {
	var left strings.Builder
	for name := range strings.FieldsSeq(r.names) {
		if left.Len() > 0 {
			left.WriteString(", ")
		}
		if isShort(name) {
			left.WriteString("-" + name)
		} else {
			left.WriteString("--" + name)
		}
	}
	if r.arg != "" {
		left.WriteString(" <" + r.arg + ">")
	}
	for i, line := range strings.Split(r.help, "\n") {
		head := ""
		if i == 0 {
			head = left.String()
		}
		if len(head) > helpColumn-3 {
			fmt.Fprintf(b, "  %s\n", head)
			head = ""
		}
		fmt.Fprintf(b, "  %-*s%s\n", helpColumn-2, head, line)
	}
}

// isShort tells the names that are usually written with one dash.
func isShort(name string) bool { return len(name) <= 2 || name == "DVV" }

// TLSUsage is the help on the tls block of a configuration file.
func TLSUsage() string {
	var b strings.Builder
	b.WriteString(tlsIntroduction)
	b.WriteString("\nCipher suites that cipher_suites can name, for TLS 1.2 and below:\n\n")
	for _, c := range tlsconf.Ciphers() {
		note := ""
		if c.Insecure {
			note = "  (needs allow_insecure_cipher_suites)"
		}
		fmt.Fprintf(&b, "    %s%s\n", c.Name, note)
	}
	b.WriteString("\nCurves that curve_preferences can name:\n\n")
	for _, c := range tlsconf.Curves() {
		fmt.Fprintf(&b, "    %s\n", c.Name)
	}
	b.WriteString("\n")
	return b.String()
}

const tlsIntroduction = `
TLS of client connections is configured in a tls block of the configuration
file. Only cert_file and key_file are needed; shown are all keys:

    tls {
        # Certificate of the server and its key, as PEM.
        cert_file: "server-cert.pem"
        key_file:  "server-key.pem"

        # In place of the two, several pairs; the name that a client asks for
        # decides which one it gets to see.
        # certs: [ { cert_file: "a.pem", key_file: "a-key.pem" },
        #          { cert_file: "b.pem", key_file: "b-key.pem" } ]

        # Demand a certificate of clients, signed by this authority.
        ca_file: "ca.pem"
        verify:  true
        # And take the user from it: from an email, DNS or URI name in it, or
        # from its subject.
        verify_and_map: false

        # How long a handshake may take, in seconds or as a duration.
        timeout: 2

        # "1.2" or "1.3".
        min_version: "1.2"

        # What to negotiate, in order of preference (see the lists below).
        cipher_suites:     [ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" ]
        curve_preferences: [ "X25519", "CurveP256" ]
        allow_insecure_cipher_suites: false

        # Accept only these certificates: SHA-256 of the public key (DER encoded
        # SubjectPublicKeyInfo), in hex.
        # pinned_certs: [ "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069" ]

        # Start with the handshake rather than with INFO: true, false, "auto", or
        # how long to wait for a client that wants to, such as "300ms".
        handshake_first: false

        # Handshakes to start per second; 0 is any number.
        connection_rate_limit: 0
    }
`
