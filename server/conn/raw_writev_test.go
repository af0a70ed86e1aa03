//go:build linux || darwin || openbsd

package conn

import "testing"

// Does a connection with a descriptor hold no buffer at all while it waits?
// The test does itself what the reading goroutine does.
func TestIdleRaw(t *testing.T) {
	large := frame(string(pattern(1 << 20)))
	for _, tc := range []struct {
		name string
		sent []byte
		rest int
		// held tells that so much is unfinished that it stays where it is.
		held bool
	}{
		{"nothing", nil, 0, false},
		{"an operation", frame("a"), 0, false},
		{"a large operation", large, 0, false},
		{"part of an operation", frame("abcdef")[:7], 7, false},
		{"a little of a large one", large[:300], 300, false},
		{"all that is copied of a large one", large[:keepSize], keepSize, false},
		{"more of a large one", large[:keepSize+1], keepSize + 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, client := tcpPair(t)
			f := fixtureOver(t, server, client, nil)
			go client.Write(tc.sent)
			in := &f.in
			for total := 0; total < len(tc.sent); total += in.got {
				if err := f.read(server, f.raw); err != nil {
					t.Fatal(err)
				}
				f.consume()
			}
			// As the runtime does while the descriptor is not readable.
			try := in.try
			if try == nil {
				try = in.attempt
			}
			if err := f.raw.Control(func(fd uintptr) {
				if try(fd) {
					t.Error("there was something to read")
				}
			}); err != nil {
				t.Fatal(err)
			}
			if (in.buf != nil) != tc.held {
				t.Errorf("it holds a buffer: %v, want %v", in.buf != nil, tc.held)
			}
			kept := len(in.rest)
			if tc.held {
				kept = in.n
			}
			if in.n != tc.rest || kept != tc.rest {
				t.Errorf("%d bytes are unfinished, and %d kept, want %d", in.n, kept, tc.rest)
			}
			if cap(in.rest) > keepSize+keepSize/2 {
				t.Errorf("%d bytes are kept in %d", len(in.rest), cap(in.rest))
			}
		})
	}
}
