package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

const (
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
	header2    = 16 // up to and with the length

	version2     = 0x2
	commandLocal = 0x0
	commandProxy = 0x1

	familyUnspecified = 0x0
	familyIPv4        = 0x1
	familyIPv6        = 0x2
	familyUnix        = 0x3

	transportUnspecified = 0x0
	transportStream      = 0x1
	transportDatagram    = 0x2

	// maxAddresses is the longest block of addresses, that of unix sockets.
	maxAddresses = 216
)

// addressBytes is the size of the address block of each family.
var addressBytes = [...]int{
	familyUnspecified: 0,
	familyIPv4:        2 * (4 + 2),
	familyIPv6:        2 * (16 + 2),
	familyUnix:        maxAddresses,
}

// parse2 reads a version 2 header from a buf that holds its fixed part.
func parse2(buf []byte) (Header, int, error) {
	version, command := buf[12]>>4, buf[12]&0xf
	family, transport := buf[13]>>4, buf[13]&0xf
	length := int(binary.BigEndian.Uint16(buf[14:header2]))

	switch {
	case version != version2:
		return Header{}, 0, malformed("version is not 2")
	case command != commandLocal && command != commandProxy:
		return Header{}, 0, malformed("command is unknown")
	case command == commandLocal:
		// The sender may fill in anything behind; only its length counts.
		return skipping(Header{Version: 2}, buf, length), min(len(buf), header2+length), nil
	case family > familyUnix:
		return Header{}, 0, malformed("address family is unknown")
	case transport > transportDatagram:
		return Header{}, 0, malformed("transport is unknown")
	case length < addressBytes[family]:
		return Header{}, 0, malformed("length is too small for the addresses")
	case len(buf) < header2+addressBytes[family]:
		return Header{}, 0, ErrMore
	}

	h := Header{Version: 2}
	addresses := buf[header2 : header2+addressBytes[family]]
	if transport == transportStream {
		switch family {
		case familyIPv4:
			h.Known, h.Source, h.Destination = true, addrPort4(addresses, 0), addrPort4(addresses, 1)
		case familyIPv6:
			h.Known, h.Source, h.Destination = true, addrPort6(addresses, 0), addrPort6(addresses, 1)
		}
	}
	return skipping(h, buf, length), min(len(buf), header2+length), nil
}

// skipping sets what of the header is not in buf yet.
func skipping(h Header, buf []byte, length int) Header {
	h.Skip = max(0, header2+length-len(buf))
	return h
}

// addrPort4 reads the i-th of two IPv4 ends: both addresses stand before both
// ports.
func addrPort4(b []byte, i int) netip.AddrPort {
	addr := netip.AddrFrom4([4]byte(b[4*i:]))
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[8+2*i:]))
}

// addrPort6 is addrPort4 for IPv6.
func addrPort6(b []byte, i int) netip.AddrPort {
	addr := netip.AddrFrom16([16]byte(b[16*i:])).Unmap()
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[32+2*i:]))
}
