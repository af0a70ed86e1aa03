package event

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"

	"github.com/nats-lite/nats-lite/internal/race"
)

// decode reads what a client would read.
func decode(t testing.TB, encoding string, encoded []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(encoded)
	switch encoding {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case Snappy:
		// Clients have readers of either kind.
		plain, err := io.ReadAll(snappy.NewReader(bytes.NewReader(encoded)))
		if err != nil {
			t.Fatalf("snappy: %v", err)
		}
		r = s2.NewReader(r)
		if also, err := io.ReadAll(r); err != nil || !bytes.Equal(also, plain) {
			t.Fatalf("s2 reads something else than snappy, error %v", err)
		}
		return plain
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestCompressChooses(t *testing.T) {
	for _, tc := range []struct{ accept, encoding string }{
		{"", ""},
		{"  ", ""},
		{"gzip", Gzip},
		{"GZIP", Gzip},
		{" gzip ", Gzip},
		{"gzip;q=0.5", Gzip},
		{"snappy", Snappy},
		{"s2", Snappy},
		{"S2, gzip", Snappy},
		{"gzip, snappy", Snappy},
		{"br,gzip", Gzip},
		{"br", Identity},
		{"identity", Identity},
		{"gzipped, as2", Identity},
		{",", Identity},
	} {
		payload := []byte(`{"a":"payload"}`)
		encoded, encoding := Compress(tc.accept, payload)
		if encoding != tc.encoding {
			t.Errorf("%q: %q, want %q", tc.accept, encoding, tc.encoding)
		}
		if got := decode(t, encoding, encoded); !bytes.Equal(got, payload) {
			t.Errorf("%q: %q", tc.accept, got)
		}
	}
}

func TestCompressRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	text := []byte(strings.Repeat(`{"server":{"name":"a"},"connections":[]} `, 10_000))
	for _, encoding := range []string{Gzip, Snappy} {
		for name, all := range map[string][]byte{"noise": noise, "text": text} {
			for _, size := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 300_000} {
				encoded, got := Compress(encoding, all[:size])
				if got != encoding || !bytes.Equal(decode(t, got, encoded), all[:size]) {
					t.Errorf("%s: %d bytes of %s do not come back", encoding, size, name)
				}
				if name == "text" && size > 1000 && len(encoded) > size/2 {
					t.Errorf("%s: %d bytes of text become %d", encoding, size, len(encoded))
				}
			}
		}
	}
}

// Do encoders that are used again keep apart what many goroutines give them?
func TestCompressAtTheSameTime(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			payload := bytes.Repeat([]byte{byte('a' + i)}, 1000+i)
			for range 100 {
				for _, accept := range []string{Gzip, Snappy} {
					encoded, encoding := Compress(accept, payload)
					if !bytes.Equal(decode(t, encoding, encoded), payload) {
						t.Errorf("%s: something else comes back", accept)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Does a compressed reply cost a new encoder each time?
func TestCompressAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools at random")
	}
	payload := bytes.Repeat([]byte("payload "), 100)
	for _, accept := range []string{Gzip, Snappy} {
		const n = 50
		var before, after runtime.MemStats
		Compress(accept, payload)
		runtime.ReadMemStats(&before)
		for range n {
			Compress(accept, payload)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 64<<10 {
			t.Errorf("%s: %d bytes for a payload of %d", accept, each, len(payload))
		}
	}
}
