package cluster

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
)

// Do both ends come to the same about whether there is compression?
func TestAgree(t *testing.T) {
	modes := []Compression{"", CompressionOff, CompressionAccept, CompressionAuto, CompressionFast, CompressionBetter, CompressionBest, "s3_new"}
	for _, a := range modes {
		for _, b := range modes {
			if (agree(a, b) == CompressionOff) != (agree(b, a) == CompressionOff) {
				t.Errorf("%q and %q: one end %q, the other %q", a, b, agree(a, b), agree(b, a))
			}
		}
	}
	for _, tc := range [][3]Compression{
		{CompressionAccept, CompressionAccept, CompressionOff},
		{CompressionFast, CompressionOff, CompressionOff},
		{CompressionAccept, CompressionBest, CompressionBest},
		{CompressionBetter, CompressionBest, CompressionBetter},
		{CompressionAuto, "", CompressionOff},
	} {
		if got := agree(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%q and %q: %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
}

// Does a mesh work in all modes, and are fewer bytes on the way?
func TestCompression(t *testing.T) {
	for _, tc := range [][2]Compression{
		{CompressionAccept, CompressionAccept},
		{CompressionAccept, CompressionFast},
		{CompressionBest, CompressionBetter},
		{CompressionAuto, CompressionAccept},
		{CompressionFast, CompressionOff},
	} {
		inWorld(t, "a b c", func(_ *world, ms []*member) {
			for i, m := range ms {
				m.settings.Compression = tc[min(i, 1)]
			}
			startAll(ms)
			wantMesh(t, ms...)
			for _, r := range ms[0].cluster.Routes() {
				if want := agree(tc[0], tc[1]); r.Compression != want {
					t.Errorf("%v: the mode is %q, want %q", tc, r.Compression, want)
				}
			}
			s := ms[1].listen("A", "x", "")
			settle()
			text := strings.Repeat("all the same ", 30_000)
			for range 5 {
				ms[0].publish("A", "x", "", text)
			}
			settle()
			if got := s.take(); len(got) != 5 || !strings.HasSuffix(got[4], text) {
				t.Errorf("%v: %d messages have come", tc, len(got))
			}
			s.leave()
		})
	}
}

// Does the round trip decide how hard it is tried?
func TestAdapt(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		thresholds []time.Duration
		rtt        time.Duration
		want       level
	}{
		{nil, ms, uncompressed},
		{nil, 10 * ms, uncompressed},
		{nil, 11 * ms, fast},
		{nil, 100 * ms, better},
		{nil, time.Second, best},
		{[]time.Duration{0, 5 * ms}, ms, fast},
		{[]time.Duration{0, 5 * ms}, 6 * ms, better},
		{[]time.Duration{1, 2, 3, 4}, ms, best},
	} {
		z := squeeze(nil, CompressionAuto, tc.thresholds, nil)
		if z.adapt(tc.rtt); level(z.wanted.Load()) != tc.want {
			t.Errorf("%v, %v: level %d, want %d", tc.thresholds, tc.rtt, z.wanted.Load(), tc.want)
		}
		z = squeeze(nil, CompressionBetter, tc.thresholds, nil)
		if z.adapt(tc.rtt); level(z.wanted.Load()) != better {
			t.Errorf("a fixed level is %d", z.wanted.Load())
		}
	}
}

// Do the same bytes come out, however they are written and read, with levels that change, and
// with writes that have no time and are tried again?
func TestSqueezed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := connect(t, memnet.New(memnet.Config{Link: memnet.Link{Latency: time.Millisecond, Bandwidth: 1 << 20}}), "a", "b")
		rng := rand.New(rand.NewPCG(1, 2))
		var sent bytes.Buffer
		go func() {
			defer near.Close()
			z := squeeze(near, CompressionAuto, nil, nil)
			for range 60 {
				part := make([]byte, rng.IntN(300<<10))
				for i := range part {
					part[i] = byte(rng.IntN(1 + i%256))
				}
				sent.Write(part)
				z.adapt(time.Duration(rng.IntN(200)) * time.Millisecond)
				for len(part) > 0 {
					_ = z.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
					n, err := z.Write(part)
					part = part[n:]
					if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error(err)
						return
					}
				}
			}
		}()
		first := make([]byte, 100)
		n, err := far.Read(first)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(squeeze(far, CompressionFast, nil, first[:n]))
		if err != nil || !bytes.Equal(got, sent.Bytes()) {
			t.Errorf("%d bytes of %d have come, %v", len(got), sent.Len(), err)
		}
		_ = far.Close()
	})
}

// FuzzSqueezed reads any bytes as if they were compressed: an error at the most, and nothing large.
func FuzzSqueezed(f *testing.F) {
	var out bytes.Buffer
	z := squeeze(&sink{to: &out}, CompressionFast, nil, nil)
	_, _ = z.Write([]byte("RS+ A x\r\nRS+ A x\r\nRS+ A x\r\n"))
	f.Add(out.Bytes())
	f.Add(append(out.Bytes(), out.Bytes()...))
	f.Add([]byte("\xff\x06\x00\x00S2sTwO\x00\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = io.Copy(io.Discard, squeeze(&sink{}, CompressionFast, nil, in))
	})
}

// sink is a connection that takes everything and says nothing.
type sink struct {
	net.Conn
	to io.Writer
}

func (s *sink) Write(b []byte) (int, error) { return s.to.Write(b) }
func (s *sink) Read([]byte) (int, error)    { return 0, io.EOF }
