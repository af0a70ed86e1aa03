package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

const (
	signature1 = "PROXY "
	maxLine1   = 107 // with CR LF
)

// parse1 reads a version 1 line from a buf that agrees with its signature.
func parse1(buf []byte) (Header, int, error) {
	line := buf[:min(len(buf), maxLine1)]
	end := bytes.IndexByte(line, '\n')
	switch {
	case end < 0 && len(line) == maxLine1:
		return Header{}, 0, malformed("line is too long")
	case end < 0:
		return Header{}, 0, ErrMore
	case end < len(signature1) || line[end-1] != '\r':
		return Header{}, 0, malformed("line does not end in CR LF")
	}
	h, err := parseLine(string(line[len(signature1) : end-1]))
	if err != nil {
		return Header{}, 0, err
	}
	return h, end + 1, nil
}

// parseLine reads what stands between the signature and CR LF.
func parseLine(line string) (Header, error) {
	fields := strings.Split(line, " ")
	if fields[0] == "UNKNOWN" {
		return Header{Version: 1}, nil // Whatever else the line says is to be ignored.
	}
	if len(fields) != 5 {
		return Header{}, malformed("line does not have six fields")
	}
	var rightFamily func(netip.Addr) bool
	switch fields[0] {
	case "TCP4":
		rightFamily = netip.Addr.Is4
	case "TCP6":
		rightFamily = netip.Addr.Is6
	default:
		return Header{}, malformed("protocol is unknown")
	}

	var ends [2]netip.AddrPort
	for i := range ends {
		addr, err := netip.ParseAddr(fields[1+i])
		if err != nil || !rightFamily(addr) || addr.Zone() != "" {
			return Header{}, malformed("address does not fit the protocol")
		}
		port, ok := parsePort(fields[3+i])
		if !ok {
			return Header{}, malformed("port is not a number up to 65535")
		}
		ends[i] = netip.AddrPortFrom(addr.Unmap(), port)
	}
	return Header{Version: 1, Known: true, Source: ends[0], Destination: ends[1]}, nil
}

// parsePort reads a decimal number without sign or leading zeros.
func parsePort(text string) (uint16, bool) {
	port, err := strconv.ParseUint(text, 10, 16)
	return uint16(port), err == nil && strconv.FormatUint(port, 10) == text
}
