package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// v2 builds a header of version 2 from its two fixed bytes and what follows the
// length.
func v2(versionCommand, familyTransport byte, body ...byte) []byte {
	h := append([]byte(signature2), versionCommand, familyTransport)
	h = binary.BigEndian.AppendUint16(h, uint16(len(body)))
	return append(h, body...)
}

var (
	ends4 = []byte{192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x10, 0x7e} // 56324, 4222
	ends6 = slices.Concat(
		netip.MustParseAddr("2001:db8::1").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice(), []byte{0xff, 0xff, 0, 1})
	mapped6 = slices.Concat(
		netip.MustParseAddr("::ffff:192.0.2.1").AsSlice(), netip.MustParseAddr("::ffff:198.51.100.2").AsSlice(), []byte{0xdc, 0x04, 0x10, 0x7e})
	endsUnix = bytes.Repeat([]byte{'/'}, 216)
	tlvs     = []byte{0x04, 0x00, 0x03, 1, 2, 3, 0xe0, 0x00, 0x00}
)

func known(version int, source, destination string) Header {
	return Header{Version: version, Known: true, Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

var valid = []struct {
	name string
	in   []byte
	want Header
}{
	{"v1 TCP4", []byte("PROXY TCP4 192.0.2.1 198.51.100.2 56324 4222\r\n"), known(1, "192.0.2.1:56324", "198.51.100.2:4222")},
	{"v1 TCP4, the longest", []byte("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), known(1, "255.255.255.255:65535", "255.255.255.255:65535")},
	{"v1 TCP6", []byte("PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n"), known(1, "[2001:db8::1]:65535", "[2001:db8::2]:0")},
	{
		"v1 TCP6, the longest", []byte("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		known(1, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
	},
	{"v1 TCP6 with IPv4 inside", []byte("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 56324 4222\r\n"), known(1, "192.0.2.1:56324", "198.51.100.2:4222")},
	{"v1 UNKNOWN", []byte("PROXY UNKNOWN\r\n"), Header{Version: 1}},
	{"v1 UNKNOWN, the longest", []byte("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), Header{Version: 1}},
	{"v1 UNKNOWN with anything", []byte("PROXY UNKNOWN what\x00ever\r\n"), Header{Version: 1}},
	{"v2 IPv4", v2(0x21, 0x11, ends4...), known(2, "192.0.2.1:56324", "198.51.100.2:4222")},
	{"v2 IPv6", v2(0x21, 0x21, ends6...), known(2, "[2001:db8::1]:65535", "[2001:db8::2]:1")},
	{"v2 IPv6 with IPv4 inside", v2(0x21, 0x21, mapped6...), known(2, "192.0.2.1:56324", "198.51.100.2:4222")},
	{"v2 with TLVs", v2(0x21, 0x11, slices.Concat(ends4, tlvs)...), known(2, "192.0.2.1:56324", "198.51.100.2:4222")},
	{"v2 LOCAL", v2(0x20, 0x00), Header{Version: 2}},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, ends4...), Header{Version: 2}},
	{"v2 LOCAL with a family that does not exist", v2(0x20, 0xff, 1, 2, 3), Header{Version: 2}},
	{"v2 unspecified", v2(0x21, 0x00), Header{Version: 2}},
	{"v2 unspecified with TLVs", v2(0x21, 0x00, tlvs...), Header{Version: 2}},
	{"v2 IPv4 datagrams", v2(0x21, 0x12, ends4...), Header{Version: 2}},
	{"v2 IPv4, transport unspecified", v2(0x21, 0x10, ends4...), Header{Version: 2}},
	{"v2 unix", v2(0x21, 0x31, endsUnix...), Header{Version: 2}},
}

func TestHeaders(t *testing.T) {
	const behind = "CONNECT {}\r\n"
	for _, tc := range valid {
		t.Run(tc.name, func(t *testing.T) {
			h, n, err := Parse(append(slices.Clone(tc.in), behind...))
			if err != nil || h != tc.want || n != len(tc.in) {
				t.Errorf("got %+v, %d bytes, error %v; want %+v, %d", h, n, err, tc.want, len(tc.in))
			}
			// However the bytes come in, the answer is the same.
			for cut := range len(tc.in) {
				h, n, err := Parse(tc.in[:cut])
				if errors.Is(err, ErrMore) {
					continue
				}
				if err != nil || n != cut || h.Skip != len(tc.in)-cut {
					t.Fatalf("with %d bytes: %+v, %d bytes, error %v", cut, h, n, err)
				}
				h.Skip = 0
				if h != tc.want {
					t.Fatalf("with %d bytes: %+v", cut, h)
				}
			}
		})
	}
}

func TestNoHeader(t *testing.T) {
	for _, in := range []string{
		"CONNECT {}\r\n", "PING\r\n", "PUB a 0\r\n\r\n", "PROXX TCP4", "proxy TCP4 1.2.3.4", "\x16\x03\x01", "\r\n\r\nPING\r\n", "\r\nPING", "GET / HTTP/1.1",
		"\r\n\r\n\x00\r\nQUIZ\n",
	} {
		if h, n, err := Parse([]byte(in)); h != (Header{}) || n != 0 || err != nil {
			t.Errorf("%q: %+v, %d, %v", in, h, n, err)
		}
	}
}

func TestMore(t *testing.T) {
	for _, in := range []string{"", "P", "PROXY", "PROXY ", "PROXY TCP4 1.2.3.4", "\r", "\r\n\r\n\x00\r\nQUIT", signature2, signature2 + "\x21\x11\x00"} {
		if _, n, err := Parse([]byte(in)); !errors.Is(err, ErrMore) || n != 0 {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, tc := range []struct{ name, in string }{
		{"v1 without a protocol", "PROXY \r\n"},
		{"v1 unknown protocol", "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"},
		{"v1 protocol in lower case", "PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n"},
		{"v1 LF alone", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 107)},
		{"v1 too long by one", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n"},
		{"v1 field missing", "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"},
		{"v1 field too many", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"},
		{"v1 two spaces", "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"},
		{"v1 IPv6 as TCP4", "PROXY TCP4 ::1 198.51.100.2 1 2\r\n"},
		{"v1 IPv4 as TCP6", "PROXY TCP6 ::1 198.51.100.2 1 2\r\n"},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"},
		{"v1 host name", "PROXY TCP4 localhost 198.51.100.2 1 2\r\n"},
		{"v1 leading zero in an address", "PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n"},
		{"v1 port too large", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n"},
		{"v1 port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n"},
		{"v1 port with a leading zero", "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"},
		{"v1 empty port", "PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n"},
		{"v2 version 1", string(v2(0x11, 0x11, ends4...))},
		{"v2 unknown command", string(v2(0x22, 0x11, ends4...))},
		{"v2 unknown family", string(v2(0x21, 0x41, endsUnix...))},
		{"v2 unknown transport", string(v2(0x21, 0x13, ends4...))},
		{"v2 too short for IPv4", string(v2(0x21, 0x11, ends4[1:]...))},
		{"v2 too short for IPv6", string(v2(0x21, 0x21, ends6[1:]...))},
		{"v2 too short for unix", string(v2(0x21, 0x31, endsUnix[1:]...))},
	} {
		if h, n, err := Parse([]byte(tc.in)); !errors.Is(err, ErrMalformed) || n != 0 || h != (Header{}) {
			t.Errorf("%s: %+v, %d, %v", tc.name, h, n, err)
		}
	}
}

// A length of 64 KiB must not make anybody buffer as much.
func TestLongExtensionsAreSkipped(t *testing.T) {
	in := append([]byte(signature2), 0x21, 0x11, 0xff, 0xff)
	in = append(in, ends4...)
	h, n, err := Parse(in)
	want := known(2, "192.0.2.1:56324", "198.51.100.2:4222")
	want.Skip = 65535 - len(ends4)
	if err != nil || n != len(in) || h != want {
		t.Errorf("got %+v, %d, %v; want %+v", h, n, err, want)
	}
}

// FuzzParse feeds the bytes whole and in growing pieces: the first decision
// must be the last, and must come within the bound.
func FuzzParse(f *testing.F) {
	for _, tc := range valid {
		f.Add(tc.in)
	}
	f.Add([]byte("PING\r\n"))
	f.Add([]byte("PROXY TCP4 1\r\n"))
	f.Add(v2(0x33, 0x44))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, n, err := Parse(in)
		if errors.Is(err, ErrMore) {
			if len(in) >= MaxBuffered {
				t.Fatalf("no decision with %d bytes", len(in))
			}
			return
		}
		if n < 0 || n > len(in) || whole.Skip < 0 || whole.Skip > 65535 {
			t.Fatalf("%d of %d bytes, skip %d", n, len(in), whole.Skip)
		}
		if whole.Skip > 0 && n != len(in) {
			t.Fatal("bytes are skipped that are there")
		}
		for cut := range min(len(in), MaxBuffered) {
			part, partN, partErr := Parse(in[:cut])
			if errors.Is(partErr, ErrMore) {
				continue
			}
			if (partErr == nil) != (err == nil) || partN+part.Skip != n+whole.Skip {
				t.Fatalf("with %d bytes %d+%d, %v; with all %d+%d, %v", cut, partN, part.Skip, partErr, n, whole.Skip, err)
			}
			part.Skip = whole.Skip
			if part != whole {
				t.Fatalf("with %d bytes %+v, with all %+v", cut, part, whole)
			}
		}
	})
}
