package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
)

// certMap finds the user that a client certificate stands for.
type certMap struct {
	byName map[string]*principal
	// Users whose name parses as a distinguished name, by its canonical form
	// with the attributes in order, and with the order ignored. Where two names
	// have the same form the user configured first has it.
	byDN, bySortedDN map[string]*principal
}

func newCertMap(users []*User, byName map[string]*principal) *certMap {
	m := &certMap{
		byName:     byName,
		byDN:       make(map[string]*principal),
		bySortedDN: make(map[string]*principal),
	}
	for _, u := range users {
		name, err := parseDN(u.Username)
		if err != nil || len(name) == 0 {
			continue // A plain user name, found by the alternative names.
		}
		p := byName[u.Username]
		if key := name.canonical(); m.byDN[key] == nil {
			m.byDN[key] = p
		}
		if key := name.sorted().canonical(); m.bySortedDN[key] == nil {
			m.bySortedDN[key] = p
		}
	}
	return m
}

// find tries what the certificate says of its holder from the most to the least
// specific form, and returns the first user that equals one and may come by the
// transport: e-mail, DNS and URI names, then the subject as a distinguished
// name, then the string that Go makes of the subject, with its domain components
// and without. It returns nil if there is none.
func (m *certMap) find(cert *x509.Certificate, t ConnectionType) *principal {
	named := func(name string) *principal {
		if p := m.byName[name]; p != nil && p.comesBy(t) {
			return p
		}
		return nil
	}

	for _, email := range cert.EmailAddresses {
		if p := named(email); p != nil {
			return p
		}
	}
	for _, host := range cert.DNSNames {
		if p := named(host); p != nil {
			return p
		}
	}
	for _, uri := range cert.URIs {
		if p := named(uri.String()); p != nil {
			return p
		}
	}

	// The string has only the attributes that x509 knows, which domain components
	// are not. It is compared as it is, escapes included.
	known := cert.Subject.ToRDNSequence().String()

	// The raw subject is read again because x509 sorts its attributes into
	// fields, and forgets the order and those it does not know.
	var raw pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &raw); err == nil && len(rest) == 0 {
		if name, ok := dnFromCertificate(raw); ok {
			if p := m.byDN[name.canonical()]; p != nil && p.comesBy(t) {
				return p
			}
			if p := m.bySortedDN[name.sorted().canonical()]; p != nil && p.comesBy(t) {
				return p
			}
		}
		if components := domainComponents(raw); components != "" {
			if p := named(known + "," + components); p != nil {
				return p
			}
		}
	}
	return named(known)
}

var oidDomainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// domainComponents are the DC attributes of a subject in its own order, as
// "DC=a,DC=b".
func domainComponents(raw pkix.RDNSequence) string {
	var parts []string
	for _, set := range raw {
		for _, attr := range set {
			if value, ok := attr.Value.(string); ok && attr.Type.Equal(oidDomainComponent) {
				parts = append(parts, "DC="+value)
			}
		}
	}
	return strings.Join(parts, ",")
}
