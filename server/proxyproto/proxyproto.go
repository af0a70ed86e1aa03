package proxyproto

import (
	"errors"
	"fmt"
	"net/netip"
)

// MaxBuffered is the number of bytes from the start of a connection with which
// Parse always comes to a decision.
const MaxBuffered = 16 + maxAddresses

// Header is what a header told.
type Header struct {
	// Version is 1 or 2; 0 if there was no header.
	Version int
	// Known says that Source and Destination are set.
	Known bool
	// Source is the client, Destination what it connected to. IPv4 addresses
	// that came mapped into IPv6 are plain IPv4.
	Source, Destination netip.AddrPort
	// Skip is the number of bytes, behind those that Parse consumed, which
	// still belong to the header and are to be discarded as they come.
	Skip int
}

// ErrMore says that the bytes may be the beginning of a header that is not
// complete.
var ErrMore = errors.New("PROXY header is not complete")

// ErrMalformed is wrapped by the errors for bytes that begin like a header and
// are none. The connection cannot be understood and should be closed.
var ErrMalformed = errors.New("malformed PROXY header")

func malformed(detail string) error { return fmt.Errorf("%w: %s", ErrMalformed, detail) }

// Parse reads a header from buf, which begins at the first byte of the
// connection. It returns the number of bytes consumed; what follows, after
// Header.Skip more bytes, is the client's. Without a header that is 0 and the
// error nil. After ErrMore, which comes only for fewer than MaxBuffered bytes,
// call it again with more. It does not keep buf.
func Parse(buf []byte) (Header, int, error) {
	switch {
	case mayBegin(buf, signature2):
		if len(buf) < header2 {
			return Header{}, 0, ErrMore
		}
		return parse2(buf)
	case mayBegin(buf, signature1):
		return parse1(buf)
	default:
		return Header{}, 0, nil
	}
}

// mayBegin reports whether buf and the signature agree as far as both go.
func mayBegin(buf []byte, signature string) bool {
	n := min(len(buf), len(signature))
	return string(buf[:n]) == signature[:n]
}
