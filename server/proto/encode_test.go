package proto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// Are lines to the client written as the protocol says, behind what is in the
// buffer already?
func TestEncode(t *testing.T) {
	subject, sid := []byte("foo.bar"), "s1"
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"-ERR", AppendErr(nil, "Unknown Protocol Operation"), "-ERR 'Unknown Protocol Operation'\r\n"},
		{"INFO", AppendInfo(nil, []byte("{}")), "INFO {} \r\n"},
		{"MSG", AppendMsgTail(AppendMsgPrefix(nil, subject, sid), nil, 5), "MSG foo.bar s1 5\r\n"},
		{"MSG with a reply", AppendMsgTail(AppendMsgPrefix(nil, subject, sid), []byte("r"), 0), "MSG foo.bar s1 r 0\r\n"},
		{"HMSG", AppendHMsgTail(AppendMsgPrefix([]byte("H"), subject, sid), nil, 12, 17), "HMSG foo.bar s1 12 17\r\n"},
		{"HMSG with a reply", AppendHMsgTail(AppendMsgPrefix([]byte("H"), subject, sid), []byte("r"), 12, 1000), "HMSG foo.bar s1 r 12 1000\r\n"},
		{"behind another line", AppendErr([]byte(Ping), "x"), "PING\r\n-ERR 'x'\r\n"},
		{"fixed lines", []byte(Ping + Pong + OK), "PING\r\nPONG\r\n+OK\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if string(tc.got) != tc.want {
				t.Errorf("got %q, want %q", tc.got, tc.want)
			}
		})
	}
}

// Does a client that reads by the rules get back what was encoded, whatever
// the sizes, and does it fit where it was said to?
func TestEncodeRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	text := func() []byte {
		b := make([]byte, 1+rng.IntN(30))
		for i := range b {
			b[i] = '!' + byte(rng.IntN(90))
		}
		return b
	}
	sizes := []int{0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 9999, 10000, 1 << 20, 999999999}
	for range 2000 {
		subject, sid, reply := text(), text(), text()
		size := sizes[rng.IntN(len(sizes))]
		header := rng.IntN(size + 1)
		if rng.IntN(2) == 0 {
			reply = nil
		}
		for _, withHeaders := range []bool{false, true} {
			var prefix, line []byte
			if withHeaders {
				prefix = AppendMsgPrefix([]byte("H"), subject, sid)
				line = AppendHMsgTail(bytes.Clone(prefix), reply, header, size)
			} else {
				prefix = AppendMsgPrefix(nil, subject, sid)
				line = AppendMsgTail(bytes.Clone(prefix), reply, size)
			}
			if n := len(line) - len(prefix) - len(reply); n > MaxMsgTail {
				t.Fatalf("%q: the tail takes %d bytes besides the reply, more than %d", line, n, MaxMsgTail)
			}
			got := readMsgLine(t, string(line))
			want := fmt.Sprint(string(subject), string(sid), string(reply), withHeaders, header*btoi(withHeaders), size)
			if got != want {
				t.Fatalf("%q is read as %q, want %q", line, got, want)
			}
		}
	}
}

// readMsgLine reads MSG or HMSG as a client does.
func readMsgLine(t *testing.T, line string) string {
	t.Helper()
	text, ok := strings.CutSuffix(line, "\r\n")
	f := strings.Split(text, " ")
	withHeaders := f[0] == "HMSG"
	if !ok || !withHeaders && f[0] != "MSG" || len(f) < 4+btoi(withHeaders) || len(f) > 5+btoi(withHeaders) {
		t.Fatalf("%q is no message", line)
	}
	subject, sid, f := f[1], f[2], f[3:]
	reply, header := "", 0
	if len(f) == 2+btoi(withHeaders) {
		reply, f = f[0], f[1:]
	}
	var err error
	if withHeaders {
		if header, err = strconv.Atoi(f[0]); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		f = f[1:]
	}
	size, err := strconv.Atoi(f[0])
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return fmt.Sprint(subject, sid, reply, withHeaders, header, size)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Does encoding into a buffer with room allocate?
func TestEncodeDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	subject, sid, reply := []byte("foo.bar"), "s1", []byte("_INBOX.1")
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendMsgTail(AppendMsgPrefix(buf, subject, sid), reply, 12345)
		b = AppendHMsgTail(AppendMsgPrefix(append(b, 'H'), subject, sid), reply, 12, 12345)
		AppendErr(b, "x")
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
