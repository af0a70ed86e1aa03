package auth

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseDN(t *testing.T) {
	const cn, o, ou = "2.5.4.3", "2.5.4.10", "2.5.4.11"
	for _, tc := range []struct {
		text string
		want dn
	}{
		{"", nil},
		{"  ", nil},
		{"CN=a", dn{{{cn, "a"}}}},
		{"cn=a", dn{{{cn, "a"}}}},
		{"2.5.4.3=a", dn{{{cn, "a"}}}},
		{"oid.2.5.4.3=a", dn{{{cn, "a"}}}},
		{"CN=a,O=b", dn{{{cn, "a"}}, {{o, "b"}}}},
		{"CN = a b , O= c ", dn{{{cn, "a b"}}, {{o, "c"}}}},
		{"CN=a;O=b", dn{{{cn, "a"}}, {{o, "b"}}}},
		{"CN=", dn{{{cn, ""}}}},
		{"CN=,O=b", dn{{{cn, ""}}, {{o, "b"}}}},
		{"OU=b+CN=a,O=c", dn{{{ou, "b"}, {cn, "a"}}, {{o, "c"}}}},
		{"CN=a+OU=b,O=c", dn{{{ou, "b"}, {cn, "a"}}, {{o, "c"}}}},
		{`CN=Steve Kille\, Jr.`, dn{{{cn, "Steve Kille, Jr."}}}},
		{`CN=a\ `, dn{{{cn, "a "}}}},
		{`CN=\ a`, dn{{{cn, " a"}}}},
		{`CN=a\0Ab`, dn{{{cn, "a\nb"}}}},
		{`CN=Lu\C4\8Di\C4\87`, dn{{{cn, "Lučić"}}}},
		{`CN="a, b"`, dn{{{cn, "a, b"}}}},
		{`CN="a\"b" , O=c`, dn{{{cn, `a"b`}}, {{o, "c"}}}},
		{`CN=#0c0161`, dn{{{cn, "a"}}}},
		{`CN=a=b`, dn{{{cn, "a=b"}}}},
		{`CN=a#b`, dn{{{cn, "a#b"}}}},
	} {
		got, err := parseDN(tc.text)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: %v, error %v; want %v", tc.text, got, err, tc.want)
		}
	}
	for _, text := range []string{
		"a", "a@b", "=a", "XYZ=a", "CN=a,", "CN=a+", ",CN=a", "CN=a,,O=b", `CN=a\`, `CN=a\x`, `CN="a`, `CN="a"b`,
		"CN=#", "CN=#0", "CN=#0c02", "CN=#020101", "CN=#0c0161x", "CN=a<b", `CN=a"b`, "1=a", "01.2=a", "1..2=a", "OID.=a",
	} {
		if got, err := parseDN(text); err == nil {
			t.Errorf("%q: parsed as %v", text, got)
		}
	}
}

func TestCanonicalNamesDoNotCollide(t *testing.T) {
	names := []string{"CN=a,O=b", "O=b,CN=a", "CN=a+O=b", `CN=a\,O=b`, `CN=a\;`, "CN=a", "CN=A", "CN=a,CN=a", `CN=1:a\+2.5.4.3=1:b`, "CN=a+CN=b"}
	seen := map[string]string{}
	for _, text := range names {
		name, err := parseDN(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		key := name.canonical()
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one form %q", text, other, key)
		}
		seen[key] = text
	}
}

// FuzzParseDN checks that what parses means the same when it is written again
// with everything escaped that may be.
func FuzzParseDN(f *testing.F) {
	for _, seed := range []string{
		"", "CN=a,O=b", `CN=Steve Kille\, Jr.+OU="x, y";DC=#0c0161`, `1.2.3=\0a\ `, "CN=a,", `CN="`, "cn = Ä , o=\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := parseDN(text)
		if err != nil {
			if name != nil {
				t.Fatal("a name beside an error")
			}
			return
		}
		var b strings.Builder
		for i, set := range name {
			for j, attr := range set {
				switch {
				case j > 0:
					b.WriteByte('+')
				case i > 0:
					b.WriteByte(',')
				}
				b.WriteString(attr.oid + "=")
				for _, c := range []byte(attr.value) {
					const digits = "0123456789abcdef"
					b.Write([]byte{'\\', digits[c>>4], digits[c&15]})
				}
			}
		}
		again, err := parseDN(b.String())
		if err != nil {
			t.Fatalf("%q, written as %q: %v", text, b.String(), err)
		}
		if again.canonical() != name.canonical() {
			t.Fatalf("%q is %q, but written as %q it is %q", text, name.canonical(), b.String(), again.canonical())
		}
		if name.sorted().canonical() != again.sorted().sorted().canonical() {
			t.Fatal("sorting is not stable")
		}
	})
}
