package cluster

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
)

// Compression is how what is sent by routes is compressed, as the configuration and INFO spell it.
type Compression string

// The modes. Who says CompressionAccept does as the other end does, and nothing if that
// says the same; with CompressionAuto the round trip decides. "" does not know compression.
const (
	CompressionOff    Compression = "off"
	CompressionAccept Compression = "accept"
	CompressionAuto   Compression = "s2_auto"
	CompressionFast   Compression = "s2_fast"
	CompressionBetter Compression = "s2_better"
	CompressionBest   Compression = "s2_best"
)

// agree returns the mode of one end of a route, CompressionOff if there is none. Both ends
// come to the same about that.
func agree(ours, theirs Compression) Compression {
	off := func(c Compression) bool { return c == "" || c == CompressionOff }
	switch {
	case off(ours) || off(theirs):
		return CompressionOff
	case ours != CompressionAccept:
		return ours
	case theirs == CompressionAccept:
		return CompressionOff
	}
	return theirs
}

// level is how hard to try.
type level int32

const (
	uncompressed level = iota
	fast
	better
	best
)

var writerOptions = [...][]s2.WriterOption{
	uncompressed: {s2.WriterUncompressed()},
	fast:         nil,
	better:       {s2.WriterBetterCompression()},
	best:         {s2.WriterBestCompression()},
}

// autoThresholds are for one who does as the other end does, and so has none of its own.
var autoThresholds = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}

// squeezeBlock bounds what is compressed at a time, and what the other end may have.
const squeezeBlock = 64 << 10

// squeezed is a connection whose bytes are streams of S2 in both directions. What was
// written is complete for the other end when Write returns. Invariant: after a Write that has failed
// for lack of time the next one begins with the same bytes, as those of package conn do.
type squeezed struct {
	net.Conn
	mode       Compression
	thresholds []time.Duration
	in         *s2.Reader
	// wanted is the level from the next Write on.
	wanted atomic.Int32

	// The others belong to the one who writes. out has what is compressed and not written; it stands
	// for the first coded bytes of what is to be written next.
	level level
	enc   *s2.Writer
	out   bytes.Buffer
	coded int
}

// squeeze begins to compress in a mode that is not CompressionOff. rest was read already.
func squeeze(nc net.Conn, mode Compression, thresholds []time.Duration, rest []byte) *squeezed {
	z := &squeezed{Conn: nc, mode: mode, thresholds: thresholds, level: -1}
	if len(thresholds) == 0 {
		z.thresholds = autoThresholds
	}
	from := io.MultiReader(bytes.NewReader(rest), bufio.NewReaderSize(nc, squeezeBlock/2))
	z.in = s2.NewReader(from, s2.ReaderMaxBlockSize(squeezeBlock))
	switch mode {
	case CompressionAuto:
		z.wanted.Store(int32(uncompressed)) // nobody knows yet how far it is
	case CompressionBetter:
		z.wanted.Store(int32(better))
	case CompressionBest:
		z.wanted.Store(int32(best))
	default:
		z.wanted.Store(int32(fast))
	}
	return z
}

// adapt takes note of a round trip.
func (z *squeezed) adapt(rtt time.Duration) {
	if z.mode != CompressionAuto {
		return
	}
	at := len(z.thresholds)
	for i, limit := range z.thresholds {
		if rtt <= limit {
			at = i
			break
		}
	}
	z.wanted.Store(int32(min(level(at), best)))
}

func (z *squeezed) Read(b []byte) (int, error) { return z.in.Read(b) }

// Write compresses and writes, a block at a time.
func (z *squeezed) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if z.coded == 0 {
			part := b[n:min(n+squeezeBlock, len(b))]
			if err := z.compress(part); err != nil {
				return n, err
			}
			z.coded = len(part)
		}
		if _, err := z.out.WriteTo(z.Conn); err != nil {
			return n, err
		}
		n += z.coded
		z.coded = 0
	}
	return n, nil
}

func (z *squeezed) compress(b []byte) error {
	if l := level(z.wanted.Load()); l != z.level {
		opts := append([]s2.WriterOption{s2.WriterConcurrency(1), s2.WriterBlockSize(squeezeBlock)}, writerOptions[l]...)
		z.level, z.enc = l, s2.NewWriter(&z.out, opts...)
	}
	if _, err := z.enc.Write(b); err != nil {
		return err
	}
	return z.enc.Flush()
}

// CloseWrite is that of the connection below.
func (z *squeezed) CloseWrite() error {
	if half, ok := z.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// Close closes the socket. What TLS would like to say could wait for somebody who does not read.
func (z *squeezed) Close() error {
	if tc, ok := z.Conn.(*tls.Conn); ok {
		return tc.NetConn().Close()
	}
	return z.Conn.Close()
}
