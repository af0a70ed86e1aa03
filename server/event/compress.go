package event

import (
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
)

// Compress encodes a payload in the first way that accept, the value of an
// Accept-Encoding header, names and that is known: gzip, or snappy framing for
// snappy and s2. It returns the payload as it is, and no encoding, if there is
// none.
func Compress(accept string, payload []byte) (encoded []byte, encoding string) {
	for _, name := range strings.Split(accept, ",") {
		var buf bytes.Buffer
		var w io.WriteCloser
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip":
			w, encoding = gzip.NewWriter(&buf), "gzip"
		case "snappy", "s2":
			w, encoding = s2.NewWriter(&buf, s2.WriterSnappyCompat(), s2.WriterConcurrency(1)), "snappy"
		default:
			continue
		}
		if _, err := w.Write(payload); err != nil {
			return payload, "" // memory does not fail, so this is a broken encoder
		}
		if err := w.Close(); err != nil {
			return payload, ""
		}
		return buf.Bytes(), encoding
	}
	return payload, ""
}
