package proto

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// Are lines to another server written as the protocol says, behind what is in the
// buffer already?
func TestPeerEncode(t *testing.T) {
	msg := func(letter, origin, account, reply string, queues ...string) []byte {
		b := AppendPeerMsgPrefix([]byte(letter), origin, account, []byte("foo.bar"))
		b = AppendReplyQueues(b, []byte(reply), queues)
		if letter == "H" || origin != "" {
			return AppendHMsgTail(b, nil, 12, 17)
		}
		return AppendMsgTail(b, nil, 5)
	}
	interest := func(kind Kind, in Interest) []byte { return in.Append(nil, kind) }
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"RMSG", msg("R", "", "A", ""), "RMSG A foo.bar 5\r\n"},
		{"RMSG with a reply", msg("R", "", "A", "r"), "RMSG A foo.bar r 5\r\n"},
		{"RMSG with queue groups", msg("R", "", "A", "", "q1", "q2"), "RMSG A foo.bar | q1 q2 5\r\n"},
		{"RMSG with both", msg("R", "", "A", "r", "q1", "q2"), "RMSG A foo.bar + r q1 q2 5\r\n"},
		{"RMSG of one account", msg("R", "", "", "r"), "RMSG foo.bar r 5\r\n"},
		{"HMSG", msg("H", "", "A", "r", "q1"), "HMSG A foo.bar + r q1 12 17\r\n"},
		{"LMSG on a route", msg("L", "O", "A", "r"), "LMSG O A foo.bar r 12 17\r\n"},
		{"LMSG of a leafnode", msg("L", "", "", "", "q1"), "LMSG foo.bar | q1 5\r\n"},
		{"RS+", interest(OpRSub, Interest{Account: "A", Subject: "a.*"}), "RS+ A a.*\r\n"},
		{"RS+ of a queue group", interest(OpRSub, Interest{Account: "A", Subject: "a.*", Queue: "q", Weight: 12}), "RS+ A a.* q 12\r\n"},
		{"RS-", interest(OpRUnsub, Interest{Account: "A", Subject: "a.*"}), "RS- A a.*\r\n"},
		{"RS- of a queue group", interest(OpRUnsub, Interest{Account: "A", Subject: "a.*", Queue: "q", Weight: 12}), "RS- A a.* q\r\n"},
		{"LS+ on a route", interest(OpLSub, Interest{Origin: "O", Account: "A", Subject: "a", Queue: "q", Weight: 1}), "LS+ O A a q 1\r\n"},
		{"LS+ of a leafnode", interest(OpLSub, Interest{Subject: "a"}), "LS+ a\r\n"},
		{"LS- of a leafnode", interest(OpLUnsub, Interest{Subject: "a", Queue: "q"}), "LS- a q\r\n"},
		{"behind another line", (&Interest{Subject: "a"}).Append([]byte(Ping), OpLSub), "PING\r\nLS+ a\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if string(tc.got) != tc.want {
				t.Errorf("got %q, want %q", tc.got, tc.want)
			}
		})
	}
}

// Is what one server writes what the other one reads, whatever the fields, and does
// it fit where it was said to?
func TestPeerRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	text := func() string {
		b := make([]byte, 1+rng.IntN(20))
		for i := range b {
			b[i] = '!' + byte(rng.IntN(90))
		}
		return string(b)
	}
	for range 5000 {
		in := Interest{Origin: text(), Account: text(), Subject: text(), Queue: text(), Weight: 1 + rng.IntN(2000)}
		var queues []string
		for range rng.IntN(4) {
			queues = append(queues, text())
		}
		body := strings.Repeat("x", rng.IntN(200))
		checkPeerRoundTrip(t, Link(rng.IntN(len(links))), in, text(), queues, body, rng.IntN(len(body)+1))
	}
}

// Can a field be such that the other end reads something else?
func FuzzPeerRoundTrip(f *testing.F) {
	f.Add(uint8(0), "O", "A", "a.b", "r", "q1 q2", 3, "NATS/1.0\r\n\r\nhello", 12)
	f.Add(uint8(2), "O", "A", "+", "|", "| +", 3, "\r\n", 0)
	f.Fuzz(func(t *testing.T, link uint8, origin, account, subject, reply, groups string, weight int, body string, header int) {
		// Fields are what is between white space; none is empty.
		field := func(s string) string {
			return "x" + strings.Map(func(r rune) rune {
				if r <= ' ' {
					return -1
				}
				return r
			}, s)
		}
		var queues []string
		for name := range strings.FieldsSeq(groups) {
			queues = append(queues, field(name))
		}
		in := Interest{Origin: field(origin), Account: field(account), Subject: field(subject), Queue: field(reply), Weight: max(1, weight%1_000_000_000)}
		checkPeerRoundTrip(t, Link(link)%Link(len(links)), in, field(reply), queues[:min(len(queues), MaxQueues)], body, max(0, header)%(len(body)+1))
	})
}

// checkPeerRoundTrip writes the fields in all operations that a link has, with and
// without those that may be left out, and reads them.
func checkPeerRoundTrip(t *testing.T, link Link, in Interest, reply string, queues []string, body string, header int) {
	t.Helper()
	p := PeerParser{Link: link, MaxControlLine: 1 << 20, MaxPayload: -1}
	check := func(line []byte, want string) {
		t.Helper()
		if got := parsePeer(t, &p, line); len(got) != 1 || got[0] != want {
			t.Fatalf("%s: %q\ngot  %q\nwant %q", links[link], line, got, want)
		}
	}
	account, origin := "-", "-"
	if link == LinkRoute {
		account = in.Account
	} else {
		in.Account = ""
	}
	if link != LinkLeaf {
		origin = in.Origin
	} else {
		in.Origin = ""
	}
	kinds := []Kind{OpRSub, OpRUnsub, OpRMsg, OpHMsg, OpLSub, OpLUnsub, OpLMsg}
	if link == LinkLeaf {
		kinds = kinds[3:]
	}
	for _, kind := range kinds {
		in, from := in, kind.String()+" "+origin+"|"+account+"|"+in.Subject
		if name := kind.String(); name[0] != 'L' {
			in.Origin, from = "", name+" -|"+account+"|"+in.Subject
		}
		switch kind {
		case OpRSub, OpLSub:
			check(in.Append(nil, kind), fmt.Sprintf("%s|%s|%d", from, in.Queue, in.Weight))
			in.Queue = ""
			check(in.Append(nil, kind), from+"|-|0")
		case OpRUnsub, OpLUnsub:
			check(in.Append(nil, kind), from+"|"+in.Queue)
			in.Queue = ""
			check(in.Append(nil, kind), from+"|-")
		default:
			prefix := AppendPeerMsgPrefix([]byte(kind.String()[:1]), in.Origin, in.Account, in.Subject)
			for i, want := range []string{"-|-", reply + "|-", "-|" + strings.Join(queues, ","), reply + "|" + strings.Join(queues, ",")} {
				var r []byte
				var q []string
				if i&1 != 0 {
					r = []byte(reply)
				}
				if i&2 != 0 {
					if q = queues; len(q) == 0 {
						continue
					}
				}
				line := AppendReplyQueues(prefix, r, q)
				if n := len(line) - len(prefix) - len(r) - len(strings.Join(q, "")) - len(q); n > PeerReplyLen {
					t.Fatalf("%q: reply and queue groups take %d bytes besides the names, more than %d", line, n, PeerReplyLen)
				}
				headers := ""
				if kind == OpHMsg || kind == OpLMsg && link != LinkLeaf {
					line = AppendHMsgTail(line, nil, header, len(body))
					headers = body[:header]
				} else {
					line = AppendMsgTail(line, nil, len(body))
				}
				line = append(append(line, body...), CRLF...)
				check(line, from+"|"+want+"|"+headers+"|"+body[len(headers):])
			}
		}
	}
}

// Does encoding into a buffer with room allocate?
func TestPeerEncodeDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	subject, reply, queues := []byte("foo.bar"), []byte("_INBOX.1"), []string{"q1", "q2"}
	in := Interest{Origin: "O", Account: "A", Subject: "a", Queue: "q", Weight: 12345}
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		b := AppendPeerMsgPrefix(append(buf, 'L'), "O", "A", subject)
		b = AppendHMsgTail(AppendReplyQueues(b, reply, queues), nil, 12, 12345)
		b = in.Append(b, OpLSub)
		in.Append(b, OpLUnsub)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
