// Package proxyproto reads the PROXY protocol header, versions 1 and 2, with
// which a load balancer tells whose connection it passes on.
//
// Version 1 is a line of text of at most 107 bytes:
//
//	PROXY TCP4 192.0.2.1 198.51.100.2 56324 4222\r\n
//	PROXY UNKNOWN ...\r\n
//
// Version 2 is binary, integers in network order:
//
//	 0                            12        13       14        16
//	+----------------------------+---------+--------+---------+-----------+------+
//	| 0D0A0D0A000D0A515549540A   | ver cmd | fam pr | length  | addresses | TLVs |
//	+----------------------------+---------+--------+---------+-----------+------+
//	                               2   0-1                    |<---- length ---->|
//
// Parse is a pure function over the bytes read so far, so whoever owns the
// connection keeps its reading, its deadline and its buffer. The header is
// optional: bytes that cannot begin one are the client's own.
//
// A header may be valid without naming a TCP client, as health checks of a
// balancer are (LOCAL, UNKNOWN), or unix sockets and datagrams: Header.Known is
// then false, and the addresses of the socket hold.
//
// Bounds: no more than MaxBuffered bytes ever have to be held to parse a header.
// Extensions (TLVs), up to 64 KiB of them, are skipped by count and neither
// read nor kept; so the checksum that may be among them is not verified, which
// the protocol leaves to the receiver.
//
// What is not here: whether the peer is to be believed. A listener that speaks
// PROXY must be reachable by balancers alone.
package proxyproto
