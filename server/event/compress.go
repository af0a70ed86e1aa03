package event

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"
)

// The names of encodings in ContentEncoding headers.
const (
	Snappy   = "snappy"
	Gzip     = "gzip"
	Identity = "identity"
)

// Compress encodes a payload in a way that accept names, the value of an
// Accept-Encoding header: snappy framing for "snappy" or "s2", or else gzip. It
// returns the encoding as well, for a ContentEncoding header: Identity, with
// the payload as it is, if accept names none of these, and "" if it is empty.
func Compress(accept string, payload []byte) (encoded []byte, encoding string) {
	if strings.TrimSpace(accept) == "" {
		return payload, ""
	}
	encoding = choose(accept)
	pool := compressors[encoding]
	if pool == nil {
		return payload, encoding
	}
	var buf bytes.Buffer
	w := pool.Get().(compressor)
	w.Reset(&buf)
	_, err := w.Write(payload)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		// Memory does not fail, so this is a broken encoder, not to be used
		// again.
		return payload, Identity
	}
	w.Reset(nil)
	pool.Put(w)
	return buf.Bytes(), encoding
}

// choose picks the encoding that costs the server least. Weights, as in
// "gzip;q=0.5", are passed over.
func choose(accept string) string {
	encoding := Identity
	for name := range strings.SplitSeq(strings.ToLower(accept), ",") {
		name, _, _ = strings.Cut(name, ";")
		switch strings.TrimSpace(name) {
		case "snappy", "s2":
			return Snappy
		case "gzip":
			encoding = Gzip
		}
	}
	return encoding
}

// compressor is a writer that can be used again. A new one costs up to a
// megabyte, and any client may ask for a compressed trace of each message.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

var compressors = map[string]*sync.Pool{
	Gzip: {New: func() any { return gzip.NewWriter(nil) }},
	Snappy: {New: func() any {
		return s2.NewWriter(nil, s2.WriterSnappyCompat(), s2.WriterConcurrency(1))
	}},
}
