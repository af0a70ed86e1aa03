package tlsconf

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestNamesGoBothWays(t *testing.T) {
	list := Ciphers()
	if len(list) != len(tls.CipherSuites())+len(tls.InsecureCipherSuites()) {
		t.Errorf("%d ciphers are listed", len(list))
	}
	for _, want := range list {
		if got, ok := CipherByName(want.Name); !ok || got != want {
			t.Errorf("cipher %s: got %+v", want.Name, got)
		}
		if got := CipherName(want.ID); got != want.Name {
			t.Errorf("cipher %#x: got %s, want %s", want.ID, got, want.Name)
		}
	}
	if !slices.IsSortedFunc(list, func(a, b Cipher) int {
		switch {
		case a.Insecure == b.Insecure:
			return 0
		case a.Insecure:
			return 1
		}
		return -1
	}) {
		t.Error("an insecure cipher stands before a secure one")
	}
	for _, want := range Curves() {
		if got, ok := CurveByName(want.Name); !ok || got != want {
			t.Errorf("curve %s: got %+v", want.Name, got)
		}
		if want.Name != want.ID.String() {
			t.Errorf("curve %s is %v", want.Name, want.ID)
		}
	}
}

func TestNames(t *testing.T) {
	if c, ok := CipherByName("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"); !ok || c.ID != tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 {
		t.Errorf("older name: %+v, %v", c, ok)
	}
	if c, ok := CipherByName("TLS_RSA_WITH_RC4_128_SHA"); !ok || !c.Insecure {
		t.Errorf("insecure cipher: %+v, %v", c, ok)
	}
	if _, ok := CipherByName("TLS_NONE"); ok {
		t.Error("a cipher that does not exist is found")
	}
	if _, ok := CurveByName("P1"); ok {
		t.Error("a curve that does not exist is found")
	}
	if got := CipherName(0xfefe); got != "Unknown [0xfefe]" {
		t.Errorf("unknown cipher is %q", got)
	}
}
