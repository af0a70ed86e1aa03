package seqset

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

// The bytes of a set, by hand: they are on disks.
func TestEncoding(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(*Set)
		want string
	}{
		{"nothing", func(*Set) {}, "01"},
		{"one", func(s *Set) { s.Add(0x01020304) }, "01 0100020100000000 0403 0403"},
		{"two runs", func(s *Set) { s.AddRange(1, 3); s.Add(9) }, "01 0200000000000000 0100 0300 0900 0900"},
		{"a span", func(s *Set) { s.AddRange(0x20000, 0x4ffff) }, "01 0000020000000000 0400000000000000"},
		{"across a border", func(s *Set) { s.AddRange(0xffff, 0x10000) }, "01 0100000000000000 ffff ffff 0100010000000000 0000 0000"},
		{"a bitmap", func(s *Set) {
			for x := uint64(0); x < chunkSize; x += 2 {
				s.Add(x)
			}
		}, "01 ffff000000000000" + strings.Repeat("55", 8192)},
		{"the end", func(s *Set) { s.Add(math.MaxUint64) }, "01 0100ffffffffffff ffff ffff"},
	} {
		var s Set
		tc.make(&s)
		want := strings.ReplaceAll(tc.want, " ", "")
		if got := hex.EncodeToString(s.Append([]byte{0xee})); got != "ee"+want {
			t.Errorf("%s: Append gives %s, want ee%s", tc.name, got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	bitmap := func(b string) string { return "01 ffff000000000000" + strings.Repeat(b, 8192) }
	for _, tc := range []struct{ name, code string }{
		{"nothing", ""},
		{"another version", "02"},
		{"half a head", "01 01000000"},
		{"half a run", "01 0100000000000000 0400"},
		{"half a span", "01 0000000000000000 04000000"},
		{"half a bitmap", "01 ffff000000000000 5555"},
		{"more runs than there may be", "01 0108000000000000" + strings.Repeat("0000 0000", 2049)},
		{"a kind that is none", "01 feff000000000000"},
		{"a run upside down", "01 0100000000000000 0500 0400"},
		{"runs out of order", "01 0200000000000000 0500 0600 0100 0200"},
		{"runs that touch", "01 0200000000000000 0100 0200 0300 0400"},
		{"runs that overlap", "01 0200000000000000 0100 0200 0200 0400"},
		{"a run behind the last number", "01 0200000000000000 0100 ffff 0000 0000"},
		{"a run that is a span", "01 0100000000000000 0000 ffff"},
		{"a span upside down", "01 0000020000000000 0100000000000000"},
		{"a span beyond the end", "01 0000020000000000 0000000000000100"},
		{"spans that touch", "01 0000020000000000 0300000000000000 0000040000000000 0400000000000000"},
		{"chunks out of order", "01 0100020000000000 0100 0100 0100010000000000 0100 0100"},
		{"a chunk twice", "01 0100020000000000 0100 0100 0100020000000000 0300 0300"},
		{"a chunk inside a span", "01 0000020000000000 0400000000000000 0100030000000000 0100 0100"},
		{"an empty bitmap", bitmap("00")},
		{"a full bitmap", bitmap("ff")},
		{"a bitmap that should be runs", bitmap("00000000000001")[:len(bitmap("00"))]},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(tc.code, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if s, err := Decode(b); !errors.Is(err, ErrInvalid) || !s.IsEmpty() {
			t.Errorf("%s: a set of %d, and error %v", tc.name, s.Len(), err)
		}
	}
}

// What Decode takes is exactly what Append gives, and is a set with the form
// that all have.
func FuzzDecode(f *testing.F) {
	for _, change := range []func(*Set){
		func(*Set) {},
		func(s *Set) { s.Add(7) },
		func(s *Set) { s.AddRange(1, 1_000_000); s.Remove(500_000) },
		func(s *Set) {
			for x := uint64(0); x < 5000; x += 2 {
				s.Add(x)
			}
		},
		func(s *Set) { s.AddRange(0, math.MaxUint64) },
	} {
		var s Set
		change(&s)
		f.Add(s.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || !s.IsEmpty() {
				t.Fatalf("a set of %d, and error %v", s.Len(), err)
			}
			return
		}
		checkForm(t, &s)
		if !bytes.Equal(s.Append(nil), b) {
			t.Error("Append gives other bytes")
		}
		var again Set
		for first, last := range s.Ranges() {
			again.AddRange(first, last)
		}
		if !bytes.Equal(again.Append(nil), b) {
			t.Error("a set of the same ranges has other bytes")
		}
	})
}

// Is an encoding as short as it was meant to be?
func TestEncodedSize(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(*Set)
		most int
	}{
		{"a billion in a row", func(s *Set) { s.AddRange(1, 1e9) }, 64},
		{"every other of a million", func(s *Set) {
			for x := uint64(0); x < 1e6; x += 2 {
				s.Add(x)
			}
		}, 1e6/8 + 10_000},
		{"one in a thousand of a million", func(s *Set) {
			for x := uint64(0); x < 1e6; x += 1000 {
				s.Add(x)
			}
		}, 1000*runSize + 16*headSize + 1},
	} {
		var s Set
		tc.make(&s)
		if got := len(s.Append(nil)); got > tc.most {
			t.Errorf("%s: %d bytes, want at most %d", tc.name, got, tc.most)
		}
	}
}
