package auth

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dn is a distinguished name: relative names, the most specific first, as
// RFC 2253 writes them.
type dn []rdn

// rdn is a set of attributes, in the order of their canonical spelling.
type rdn []dnAttr

// dnAttr is an attribute. Names of types are spelled in many ways, so the type
// is held as a dotted object identifier.
type dnAttr struct {
	oid, value string
}

// attributeOIDs are the types that have a name: those of RFC 4514, and those
// that certificates commonly use besides.
var attributeOIDs = map[string]string{
	"CN":           "2.5.4.3",
	"SN":           "2.5.4.4",
	"SURNAME":      "2.5.4.4",
	"SERIALNUMBER": "2.5.4.5",
	"C":            "2.5.4.6",
	"L":            "2.5.4.7",
	"ST":           "2.5.4.8",
	"S":            "2.5.4.8",
	"STREET":       "2.5.4.9",
	"O":            "2.5.4.10",
	"OU":           "2.5.4.11",
	"TITLE":        "2.5.4.12",
	"T":            "2.5.4.12",
	"POSTALCODE":   "2.5.4.17",
	"GIVENNAME":    "2.5.4.42",
	"GN":           "2.5.4.42",
	"DC":           "0.9.2342.19200300.100.1.25",
	"UID":          "0.9.2342.19200300.100.1.1",
	"EMAILADDRESS": "1.2.840.113549.1.9.1",
	"EMAIL":        "1.2.840.113549.1.9.1",
	"E":            "1.2.840.113549.1.9.1",
}

var (
	errDNType   = errors.New("attribute type is unknown")
	errDNEscape = errors.New("escape is malformed")
	errDNQuote  = errors.New("quoted value is not closed")
	errDNValue  = errors.New("value is malformed")
)

// parseDN reads the string form of RFC 2253 and RFC 4514: relative names split
// by "," (or ";"), attributes of one by "+", with escapes, quoted values and
// hexadecimal ones. Values keep their case, because a name is compared to decide
// who somebody is. The empty string is the empty name.
func parseDN(text string) (dn, error) {
	p := dnParser{rest: text}
	p.skipSpace()
	if p.rest == "" {
		return nil, nil
	}
	var name dn
	var set rdn
	for {
		attr, err := p.attribute()
		if err != nil {
			return nil, fmt.Errorf("distinguished name, byte %d: %w", len(text)-len(p.rest)+1, err)
		}
		set = append(set, attr)
		separator := p.next()
		if separator == '+' {
			continue
		}
		name = append(name, set.normal())
		set = nil
		if separator == 0 {
			return name, nil
		}
	}
}

// dnFromCertificate turns a subject as certificates hold it, the least specific
// part first, into a name. It reports false if a value is not a string, or
// nothing is there: such a subject cannot be written in a configuration.
func dnFromCertificate(raw pkix.RDNSequence) (dn, bool) {
	name := make(dn, 0, len(raw))
	for _, rawSet := range slices.Backward(raw) {
		var set rdn
		for _, attr := range rawSet {
			value, ok := attr.Value.(string)
			if !ok {
				return nil, false
			}
			set = append(set, dnAttr{oid: attr.Type.String(), value: value})
		}
		name = append(name, set.normal())
	}
	return name, len(name) > 0
}

// canonical is equal for names that are equal. Lengths keep values apart
// whatever characters they hold.
func (n dn) canonical() string {
	var b strings.Builder
	for _, set := range n {
		b.WriteString(set.canonical())
		b.WriteByte(';')
	}
	return b.String()
}

// sorted is the name with its relative names in an order that does not depend
// on how they were written.
func (n dn) sorted() dn {
	out := slices.Clone(n)
	slices.SortFunc(out, func(a, b rdn) int { return strings.Compare(a.canonical(), b.canonical()) })
	return out
}

func (s rdn) canonical() string {
	var b strings.Builder
	for _, attr := range s {
		fmt.Fprintf(&b, "%s=%d:%s+", attr.oid, len(attr.value), attr.value)
	}
	return b.String()
}

// normal sorts the set, which has no order of its own.
func (s rdn) normal() rdn {
	slices.SortFunc(s, func(a, b dnAttr) int {
		if c := strings.Compare(a.oid, b.oid); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	return s
}

// dnParser holds what is left to read.
type dnParser struct {
	rest string
}

func (p *dnParser) skipSpace() { p.rest = strings.TrimLeft(p.rest, " ") }

// next takes the separator behind an attribute, 0 at the end. Attribute values
// end nowhere else.
func (p *dnParser) next() byte {
	if p.rest == "" {
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *dnParser) attribute() (dnAttr, error) {
	p.skipSpace()
	name, value, found := strings.Cut(p.rest, "=")
	if !found {
		return dnAttr{}, errDNType
	}
	oid, err := attributeOID(strings.TrimRight(name, " "))
	if err != nil {
		return dnAttr{}, err
	}
	p.rest = value
	p.skipSpace()
	text, err := p.value()
	return dnAttr{oid: oid, value: text}, err
}

// attributeOID reads a type: a known name or an object identifier, which may
// have "OID." in front.
func attributeOID(name string) (string, error) {
	name = strings.ToUpper(name)
	if oid, ok := attributeOIDs[name]; ok {
		return oid, nil
	}
	arcs := strings.Split(strings.TrimPrefix(name, "OID."), ".")
	if len(arcs) < 2 {
		return "", errDNType
	}
	for _, arc := range arcs {
		// Canonical numbers only, so that one type has one spelling.
		if n, err := strconv.ParseUint(arc, 10, 32); err != nil || strconv.FormatUint(n, 10) != arc {
			return "", errDNType
		}
	}
	return strings.Join(arcs, "."), nil
}

func (p *dnParser) value() (string, error) {
	switch {
	case strings.HasPrefix(p.rest, "#"):
		return p.hexValue()
	case strings.HasPrefix(p.rest, `"`):
		return p.quotedValue()
	default:
		return p.plainValue()
	}
}

// plainValue reads up to a separator. Spaces at its end are part of it only
// when escaped.
func (p *dnParser) plainValue() (string, error) {
	var b strings.Builder
	kept := 0 // the length of b up to the last byte that is not a bare space
	for p.rest != "" {
		switch c := p.rest[0]; c {
		case ',', ';', '+':
			return b.String()[:kept], nil
		case '"', '<', '>':
			return "", errDNValue
		case '\\':
			escaped, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteByte(escaped)
			kept = b.Len()
		default:
			p.rest = p.rest[1:]
			b.WriteByte(c)
			if c != ' ' {
				kept = b.Len()
			}
		}
	}
	return b.String()[:kept], nil
}

func (p *dnParser) quotedValue() (string, error) {
	p.rest = p.rest[1:]
	var b strings.Builder
	for p.rest != "" {
		switch c := p.rest[0]; c {
		case '"':
			p.rest = p.rest[1:]
			return b.String(), p.atSeparator()
		case '\\':
			escaped, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteByte(escaped)
		default:
			p.rest = p.rest[1:]
			b.WriteByte(c)
		}
	}
	return "", errDNQuote
}

// hexValue reads "#" and the hexadecimal DER encoding of a string.
func (p *dnParser) hexValue() (string, error) {
	digits := p.rest[1:]
	end := strings.IndexAny(digits, " ,;+")
	if end < 0 {
		end = len(digits)
	}
	der, err := hex.DecodeString(digits[:end])
	if err != nil {
		return "", errDNValue
	}
	var decoded any
	rest, err := asn1.Unmarshal(der, &decoded)
	text, isString := decoded.(string)
	if err != nil || len(rest) > 0 || !isString {
		return "", errDNValue
	}
	p.rest = digits[end:]
	return text, p.atSeparator()
}

// atSeparator demands that nothing but spaces stand before the next separator.
func (p *dnParser) atSeparator() error {
	p.skipSpace()
	if p.rest != "" && !strings.ContainsRune(",;+", rune(p.rest[0])) {
		return errDNValue
	}
	return nil
}

// escape reads a backslash with a special character or two hexadecimal digits.
func (p *dnParser) escape() (byte, error) {
	if len(p.rest) >= 2 && strings.ContainsRune(` "#+,;<=>\`, rune(p.rest[1])) {
		c := p.rest[1]
		p.rest = p.rest[2:]
		return c, nil
	}
	if len(p.rest) >= 3 {
		if b, err := hex.DecodeString(p.rest[1:3]); err == nil {
			p.rest = p.rest[3:]
			return b[0], nil
		}
	}
	return 0, errDNEscape
}
