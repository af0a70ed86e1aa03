package proto

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// describePeer writes down an operation with the fields that its kind has; what it
// does without is "-".
func describePeer(op *PeerOp) string {
	field := func(b []byte) string {
		if b == nil {
			return "-"
		}
		return string(b)
	}
	from := field(op.Origin) + "|" + field(op.Account) + "|" + string(op.Subject)
	switch op.Kind {
	case OpRMsg, OpLMsg, OpHMsg:
		queues := "-"
		if op.Queues != nil {
			var names []string
			for name := range op.Queues.All {
				names = append(names, string(name))
			}
			queues = strings.Join(names, ",")
		}
		return fmt.Sprintf("%s %s|%s|%s|%s|%s", op.Kind, from, field(op.Reply), queues, op.Msg[:op.HeaderLen], op.Msg[op.HeaderLen:])
	case OpRSub, OpLSub:
		return fmt.Sprintf("%s %s|%s|%d", op.Kind, from, field(op.Queue), op.Weight)
	case OpRUnsub, OpLUnsub:
		return fmt.Sprintf("%s %s|%s", op.Kind, from, field(op.Queue))
	case OpASub, OpAUnsub:
		return fmt.Sprintf("%s %s", op.Kind, op.Account)
	default:
		return fmt.Sprintf("%s|%s", op.Kind, op.Args)
	}
}

// parsePeer feeds input that arrives in pieces, as parseAll does. Each operation
// finds all fields in use, and must not show any of that.
func parsePeer(t testing.TB, p *PeerParser, pieces ...[]byte) []string {
	t.Helper()
	old := []byte("old")
	return parsePieces(t, pieces, func(buf []byte) (string, int, int, error) {
		op := PeerOp{
			Kind: OpSub, Args: old, Origin: old, Account: old, Subject: old, Queue: old, Weight: 77,
			Reply: old, Queues: Queues(old), Msg: old, HeaderLen: len(old),
		}
		n, need, err := p.Next(buf, &op)
		if n == 0 || err != nil {
			return "", n, need, err
		}
		if op.Kind == OpRMsg || op.Kind == OpLMsg || op.Kind == OpHMsg {
			if after := op.Msg[len(op.Msg):cap(op.Msg)]; string(after) != CRLF {
				t.Fatalf("Next(%q): message is followed by %q", buf, after)
			}
		}
		return describePeer(&op), n, need, nil
	})
}

// links are the kinds of connections with the names that the table has for them.
var links = map[Link]string{LinkRoute: "route", LinkAccountRoute: "account", LinkLeaf: "leaf"}

// The same cases as in parserTests for what is the same are not repeated here but
// for one of each sort. An empty list of links is all.
var peerTests = []struct {
	name  string
	links []Link
	in    string
	want  []string
}{
	// What all links have.
	{"PING and PONG", nil, "PING\r\npong\r\nPiNg x\r\n", []string{"PING|", "PONG|", "PING|x"}},
	{"INFO, CONNECT, +OK, -ERR", nil, "INFO {}\r\nCONNECT {\"a\": 1}\r\n+OK\r\n-ERR 'x y'\r\n", []string{"INFO|{}", "CONNECT|{\"a\": 1}", "+OK|", "-ERR|'x y'"}},
	{"nothing", nil, "", nil},
	{"line feed alone", nil, "\n", []string{errUnknown}},
	{"TLS", nil, "\x16\x03\x01", []string{errUnknown}},
	{"magic of raft", nil, "\x8eNLRAFT\n", []string{errUnknown}},
	{"operations up to an error", nil, "PING\r\nFOO\r\nPING\r\n", []string{"PING|", errUnknown}},
	{"half a verb", nil, "HM", []string{more}},
	{"verb and no blank", nil, "HMSGa", []string{errUnknown}},
	{"letters that fold to ASCII", nil, "HM\u017fG a", []string{errUnknown}},

	// What clients say.
	{"PUB", nil, "PUB a 1\r\nx\r\n", []string{errUnknown}},
	{"PU", nil, "PU", []string{errUnknown}},
	{"HPUB", nil, "HPUB a 0 1\r\nx\r\n", []string{errUnknown}},
	{"SUB", nil, "SUB a 1\r\n", []string{errUnknown}},
	{"UNSUB", nil, "UNSUB 1\r\n", []string{errUnknown}},
	{"MSG", nil, "MSG a 1 1\r\nx\r\n", []string{errUnknown}},

	// What a leafnode does not say.
	{"RS+ of a leafnode", []Link{LinkLeaf}, "RS+ A a\r\n", []string{errUnknown}},
	{"R of a leafnode", []Link{LinkLeaf}, "R", []string{errUnknown}},
	{"RS- of a leafnode", []Link{LinkLeaf}, "RS- A a\r\n", []string{errUnknown}},
	{"RMSG of a leafnode", []Link{LinkLeaf}, "RMSG A a 1\r\nx\r\n", []string{errUnknown}},
	{"A+ of a leafnode", []Link{LinkLeaf}, "A+ A\r\n", []string{errUnknown}},
	{"A- of a leafnode", []Link{LinkLeaf}, "A- A\r\n", []string{errUnknown}},

	// Interest.
	{"RS+", []Link{LinkRoute}, "RS+ A a.*\r\nrs+ A a\n", []string{"RS+ -|A|a.*|-|0", "RS+ -|A|a|-|0"}},
	{"RS+ of a queue group", []Link{LinkRoute}, "RS+ A a.> q 12\r\n", []string{"RS+ -|A|a.>|q|12"}},
	{"RS+ of one account", []Link{LinkAccountRoute}, "RS+ a\r\nRS+ a q 3\r\n", []string{"RS+ -|-|a|-|0", "RS+ -|-|a|q|3"}},
	{"RS-", []Link{LinkRoute}, "RS- A a\r\nRS- A a q\r\n", []string{"RS- -|A|a|-", "RS- -|A|a|q"}},
	{"RS- of one account", []Link{LinkAccountRoute}, "RS- a\r\nRS- a q\r\n", []string{"RS- -|-|a|-", "RS- -|-|a|q"}},
	{"LS+ on a route", []Link{LinkRoute}, "LS+ O A a\r\nLS+ _ A a q 3\r\n", []string{"LS+ O|A|a|-|0", "LS+ _|A|a|q|3"}},
	{"LS+ on a route of one account", []Link{LinkAccountRoute}, "LS+ O a\r\nLS+ O a q 3\r\n", []string{"LS+ O|-|a|-|0", "LS+ O|-|a|q|3"}},
	{"LS+ of a leafnode", []Link{LinkLeaf}, "LS+ a\r\nls+\ta  q \t3 \r\n", []string{"LS+ -|-|a|-|0", "LS+ -|-|a|q|3"}},
	{"LS- on a route", []Link{LinkRoute}, "LS- O A a\r\nLS- O A a q\r\n", []string{"LS- O|A|a|-", "LS- O|A|a|q"}},
	{"LS- on a route of one account", []Link{LinkAccountRoute}, "LS- O a\r\nLS- O a q\r\n", []string{"LS- O|-|a|-", "LS- O|-|a|q"}},
	{"LS- of a leafnode", []Link{LinkLeaf}, "LS- a\r\nLS- a q\r\n", []string{"LS- -|-|a|-", "LS- -|-|a|q"}},
	{
		"weights that are none",
		[]Link{LinkLeaf},
		"LS+ a q 0\r\nLS+ a q -3\r\nLS+ a q x\r\nLS+ a q 1000000000\r\nLS+ a q 999999999\r\n",
		[]string{"LS+ -|-|a|q|1", "LS+ -|-|a|q|1", "LS+ -|-|a|q|1", "LS+ -|-|a|q|1", "LS+ -|-|a|q|999999999"},
	},
	{"RS+ of nothing", []Link{LinkRoute, LinkAccountRoute}, "RS+ \r\n", []string{errArgs}},
	{"RS+ alone on its line", []Link{LinkRoute, LinkAccountRoute}, "RS+\r\n", []string{errUnknown}},
	{"RS+ without a subject", []Link{LinkRoute}, "RS+ A\r\n", []string{errArgs}},
	{"RS+ without a weight", []Link{LinkRoute}, "RS+ A a q\r\n", []string{errArgs}},
	{"RS+ without a weight, of one account", []Link{LinkAccountRoute}, "RS+ a q\r\n", []string{errArgs}},
	{"RS+ with too many arguments", []Link{LinkRoute}, "RS+ A a q 1 x\r\n", []string{errArgs}},
	{"RS+ with far too many arguments", []Link{LinkRoute}, "RS+ A a q 1 x y z\r\n", []string{errArgs}},
	{"RS- without a subject", []Link{LinkRoute}, "RS- A\r\n", []string{errArgs}},
	{"RS- with a weight", []Link{LinkRoute}, "RS- A a q 1\r\n", []string{errArgs}},
	{"LS+ without an origin", []Link{LinkRoute}, "LS+ A a\r\n", []string{errArgs}},
	{"LS+ without a weight", []Link{LinkLeaf}, "LS+ a q\r\n", []string{errArgs}},
	{"LS- with a weight", []Link{LinkLeaf}, "LS- a q 1\r\n", []string{errArgs}},
	{"LS- of nothing", []Link{LinkLeaf}, "LS- \r\n", []string{errArgs}},

	// Accounts.
	{"A+ and A-", []Link{LinkRoute, LinkAccountRoute}, "A+ A\r\na- A\r\n", []string{"A+ A", "A- A"}},
	{"A+ of nothing", []Link{LinkRoute}, "A+ \r\n", []string{errArgs}},
	{"A- of two", []Link{LinkRoute}, "A- A B\r\n", []string{errArgs}},
	{"A and nothing else", []Link{LinkRoute}, "A \r\n", []string{errUnknown}},

	// Messages.
	{"RMSG", []Link{LinkRoute}, "RMSG A a.b 5\r\nhello\r\nrmsg A a 0\r\n\r\n", []string{"RMSG -|A|a.b|-|-||hello", "RMSG -|A|a|-|-||"}},
	{"RMSG with a reply", []Link{LinkRoute}, "RMSG A a r 1\r\nx\r\n", []string{"RMSG -|A|a|r|-||x"}},
	{"RMSG with replies that are marks", []Link{LinkRoute}, "RMSG A a + 1\r\nx\r\nRMSG A a | 1\r\nx\r\nRMSG A a + + 1\r\nx\r\n", []string{"RMSG -|A|a|+|-||x", "RMSG -|A|a|||-||x", "RMSG -|A|a|+|-||x"}},
	{"RMSG with fields that are marks", []Link{LinkRoute}, "RMSG + | 0\r\n\r\n", []string{"RMSG -|+|||-|-||"}},
	{"RMSG with a queue group", []Link{LinkRoute}, "RMSG A a | q 1\r\nx\r\n", []string{"RMSG -|A|a|-|q||x"}},
	{"RMSG with queue groups", []Link{LinkRoute}, "RMSG A a | q1 q2 q3 q4 1\r\nx\r\n", []string{"RMSG -|A|a|-|q1,q2,q3,q4||x"}},
	{"RMSG with queue groups that are marks", []Link{LinkRoute}, "RMSG A a | | + 1\r\nx\r\nRMSG A a + r + | 1\r\nx\r\n", []string{"RMSG -|A|a|-||,+||x", "RMSG -|A|a|r|+,|||x"}},
	{"RMSG with a reply and a queue group", []Link{LinkRoute}, "RMSG A a + r q 1\r\nx\r\n", []string{"RMSG -|A|a|r|q||x"}},
	{"RMSG with a reply and queue groups", []Link{LinkRoute}, "RMSG A a + r q1 q2 q3 1\r\nx\r\n", []string{"RMSG -|A|a|r|q1,q2,q3||x"}},
	{"RMSG with a marked reply and no queue group", []Link{LinkRoute}, "RMSG A a + r 1\r\nx\r\n", []string{"RMSG -|A|a|r|-||x"}},
	{"RMSG with runs of blanks", []Link{LinkRoute}, "RMSG  A\ta   | \t q1  q2\tq3  1 \r\r\nx\r\n", []string{"RMSG -|A|a|-|q1,q2,q3||x"}},
	{"RMSG of one account", []Link{LinkAccountRoute}, "RMSG a 1\r\nx\r\nRMSG a r 1\r\nx\r\nRMSG a + r q1 q2 1\r\nx\r\nRMSG a | q1 1\r\nx\r\n", []string{"RMSG -|-|a|-|-||x", "RMSG -|-|a|r|-||x", "RMSG -|-|a|r|q1,q2||x", "RMSG -|-|a|-|q1||x"}},
	{"HMSG", []Link{LinkRoute}, "HMSG A a 2 5\r\nhello\r\nhmsg A a 0 0\r\n\r\n", []string{"HMSG -|A|a|-|-|he|llo", "HMSG -|A|a|-|-||"}},
	{"HMSG with a reply", []Link{LinkRoute}, "HMSG A a r 2 5\r\nhello\r\n", []string{"HMSG -|A|a|r|-|he|llo"}},
	{"HMSG with queue groups", []Link{LinkRoute}, "HMSG A a | q1 q2 2 5\r\nhello\r\nHMSG A a + r q1 q2 2 5\r\nhello\r\n", []string{"HMSG -|A|a|-|q1,q2|he|llo", "HMSG -|A|a|r|q1,q2|he|llo"}},
	{"HMSG without an account", []Link{LinkAccountRoute, LinkLeaf}, "HMSG a 2 5\r\nhello\r\nHMSG a r 2 5\r\nhello\r\nHMSG a + r q1 q2 2 5\r\nhello\r\nHMSG a | q1 2 5\r\nhello\r\n", []string{"HMSG -|-|a|-|-|he|llo", "HMSG -|-|a|r|-|he|llo", "HMSG -|-|a|r|q1,q2|he|llo", "HMSG -|-|a|-|q1|he|llo"}},
	{"LMSG on a route", []Link{LinkRoute}, "LMSG O A a 0 1\r\nx\r\nLMSG O A a r 2 5\r\nhello\r\nLMSG O A a + r q1 q2 0 1\r\nx\r\nLMSG O A a | q1 1 1\r\nx\r\n", []string{"LMSG O|A|a|-|-||x", "LMSG O|A|a|r|-|he|llo", "LMSG O|A|a|r|q1,q2||x", "LMSG O|A|a|-|q1|x|"}},
	{"LMSG on a route of one account", []Link{LinkAccountRoute}, "LMSG O a 0 1\r\nx\r\nLMSG O a r 2 5\r\nhello\r\nLMSG O a + r q1 q2 0 1\r\nx\r\nLMSG O a | q1 1 1\r\nx\r\n", []string{"LMSG O|-|a|-|-||x", "LMSG O|-|a|r|-|he|llo", "LMSG O|-|a|r|q1,q2||x", "LMSG O|-|a|-|q1|x|"}},
	{"LMSG of a leafnode", []Link{LinkLeaf}, "LMSG a 1\r\nx\r\nlmsg a r 5\r\nhello\r\nLMSG a + r q1 q2 1\r\nx\r\nLMSG a | q1 1\r\nx\r\n", []string{"LMSG -|-|a|-|-||x", "LMSG -|-|a|r|-||hello", "LMSG -|-|a|r|q1,q2||x", "LMSG -|-|a|-|q1||x"}},

	{"RMSG of nothing", []Link{LinkRoute, LinkAccountRoute}, "RMSG \r\n", []string{errArgs}},
	{"RMSG without a subject", []Link{LinkRoute}, "RMSG A 1\r\nx\r\n", []string{errArgs}},
	{"RMSG without a size", []Link{LinkAccountRoute}, "RMSG a\r\nx\r\n", []string{errArgs}},
	{"RMSG with a size that is none", []Link{LinkRoute}, "RMSG A a x\r\n", []string{errArgs}},
	{"RMSG with a negative size", []Link{LinkRoute}, "RMSG A a -1\r\n", []string{errArgs}},
	{"RMSG with a size of ten digits", []Link{LinkRoute}, "RMSG A a 0000000001\r\n", []string{errArgs}},
	{"RMSG with a mark that is none", []Link{LinkRoute}, "RMSG A a r q 1\r\nx\r\n", []string{errArgs}},
	{"RMSG with a mark that is longer", []Link{LinkRoute}, "RMSG A a || q 1\r\nx\r\n", []string{errArgs}},
	{"RMSG with queue groups and no mark", []Link{LinkRoute}, "RMSG A a q1 q2 q3 q4 1\r\nx\r\n", []string{errArgs}},
	{"HMSG with one size", []Link{LinkRoute}, "HMSG A a 1\r\nx\r\n", []string{errArgs}},
	{"HMSG with one size, of one account", []Link{LinkAccountRoute, LinkLeaf}, "HMSG a 1\r\nx\r\n", []string{errArgs}},
	{"headers larger than the message", []Link{LinkRoute}, "HMSG A a 2 1\r\nx\r\n", []string{errArgs}},
	{"negative header size", []Link{LinkRoute}, "HMSG A a -1 1\r\nx\r\n", []string{errArgs}},
	{"header size of LMSG larger than the message", []Link{LinkRoute}, "LMSG O A a 2 1\r\nx\r\n", []string{errArgs}},
	{"LMSG without a header size", []Link{LinkRoute}, "LMSG O A a 1\r\nx\r\n", []string{errArgs}},
	{"LMSG of nothing", []Link{LinkLeaf}, "LMSG 1\r\nx\r\n", []string{errArgs}},
	{"payload ended by a bare LF", []Link{LinkRoute}, "RMSG A a 1\r\nx\nPING\r\n", []string{errUnknown}},
	{"payload that is longer, at once", []Link{LinkRoute}, "RMSG A a 1\r\nxy", []string{errUnknown}},
	{"no payload", []Link{LinkRoute}, "RMSG A a 1\r\n", []string{more}},
	{"half a line", []Link{LinkRoute}, "RMSG A a | q", []string{more}},

	// Limits.
	{"longest line", []Link{LinkLeaf}, "LS+ " + strings.Repeat("a", testMaxLine) + "\r\n", []string{"LS+ -|-|" + strings.Repeat("a", testMaxLine) + "|-|0"}},
	{"line too long", []Link{LinkLeaf}, "LS+ " + strings.Repeat("a", testMaxLine+1) + "\r\n", []string{errLine}},
	{"line too long, without its end", []Link{LinkLeaf}, "LS+ " + strings.Repeat("a", testMaxLine+1), []string{errLine}},
	{"line of a message too long", []Link{LinkRoute}, "RMSG A a | " + strings.Repeat("q ", testMaxLine/2) + "1\r\n", []string{errLine}},
	{"but for blanks before the arguments", []Link{LinkRoute}, "RMSG " + strings.Repeat(" ", testMaxLine-1) + "A a 1\r\nx\r\n", []string{"RMSG -|A|a|-|-||x"}},
	{"INFO too long", nil, "INFO " + strings.Repeat("a", testMaxLine+1), []string{errLine}},
	{"largest payload", []Link{LinkRoute}, "RMSG A a 100\r\n" + strings.Repeat("x", 100) + "\r\n", []string{"RMSG -|A|a|-|-||" + strings.Repeat("x", 100)}},
	{"payload too large, before it comes", []Link{LinkRoute}, "RMSG A a 101\r\n", []string{errPayload}},
	{"total too large", []Link{LinkRoute}, "LMSG O A a | q 12 101\r\n", []string{errPayload}},
}

// eachPeerTest calls f for each case of the table and each link that it is for.
func eachPeerTest(f func(name string, p *PeerParser, in string, want []string)) {
	for _, tc := range peerTests {
		for link := range Link(len(links)) {
			if tc.links == nil || slices.Contains(tc.links, link) {
				f(tc.name+"/"+links[link], &PeerParser{Link: link, MaxControlLine: testMaxLine, MaxPayload: testMaxPayload}, tc.in, tc.want)
			}
		}
	}
}

// Is each operation of a server read as the protocol says, and each error found?
func TestPeerParser(t *testing.T) {
	eachPeerTest(func(name string, p *PeerParser, in string, want []string) {
		t.Run(name, func(t *testing.T) {
			if got := parsePeer(t, p, []byte(in)); !slices.Equal(got, want) {
				t.Errorf("%q\ngot  %q\nwant %q", in, got, want)
			}
		})
	})
}

// Does it matter where the network cuts the bytes apart?
func TestPeerParserSplit(t *testing.T) {
	eachPeerTest(func(name string, p *PeerParser, text string, want []string) {
		t.Run(name, func(t *testing.T) {
			in := []byte(text)
			for i := range in {
				if got := parsePeer(t, p, in[:i], in[i:]); !slices.Equal(got, want) {
					t.Fatalf("%q, %q\ngot  %q\nwant %q", in[:i], in[i:], got, want)
				}
			}
			if got := parsePeer(t, p, eachByte(in)...); !slices.Equal(got, want) {
				t.Fatalf("%q byte by byte\ngot  %q\nwant %q", in, got, want)
			}
		})
	})
}

// Is it known of an operation that is not whole what it is and how long it
// will be?
func TestPeerParserIncomplete(t *testing.T) {
	const line = "RMSG A foo + bar q 70000\r\n"
	for _, tc := range []struct {
		name string
		in   string
		kind Kind
		need int
		err  error
	}{
		{"nothing", "", OpNone, 1, nil},
		{"verb", "rm", OpNone, 3, nil},
		{"verb without its blank", "RMSG", OpNone, 5, nil},
		{"part of the line", "RMSG A foo 700", OpNone, len("RMSG A foo 700") + 1, nil},
		{"line", line, OpRMsg, len(line) + 70002, nil},
		{"part of the payload", line + "abc", OpRMsg, len(line) + 70002, nil},
		{"too large", "RMSG A foo 100001\r\n", OpRMsg, 0, ErrMaxPayload},
		{"malformed", "RMSG A foo x\r\n", OpNone, 0, ErrBadArgs},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := PeerParser{MaxControlLine: 4096, MaxPayload: 100000}
			op := PeerOp{Kind: OpPing}
			n, need, err := p.Next([]byte(tc.in), &op)
			if n != 0 || need != tc.need || !errors.Is(err, tc.err) || op.Kind != tc.kind {
				t.Errorf("got n=%d need=%d err=%v kind=%s, want 0, %d, %v, %s", n, need, err, op.Kind, tc.need, tc.err, tc.kind)
			}
			if tc.kind != OpNone && (string(op.Account) != "A" || string(op.Subject) != "foo") {
				t.Errorf("account is %q, subject %q", op.Account, op.Subject)
			}
		})
	}
}

// Can a peer make us look at more queue groups than there may be?
func TestPeerParserMaxQueues(t *testing.T) {
	for _, tc := range []struct {
		reply  string
		queues int
		err    error
	}{
		{"", MaxQueues, nil},
		{"", MaxQueues + 1, ErrBadArgs},
		{"r", MaxQueues, nil},
		{"r", MaxQueues + 1, ErrBadArgs},
	} {
		line := AppendPeerMsgPrefix([]byte("R"), "", "A", "a")
		line = AppendReplyQueues(line, []byte(tc.reply), slices.Repeat([]string{"q"}, tc.queues))
		line = append(AppendMsgTail(line, nil, 0), CRLF...)
		p := PeerParser{MaxControlLine: PeerControlLine * 4096}
		var op PeerOp
		n, _, err := p.Next(line, &op)
		if !errors.Is(err, tc.err) || err == nil && n != len(line) {
			t.Errorf("%d queue groups and reply %q: %d of %d bytes, %v", tc.queues, tc.reply, n, len(line), err)
		}
		count := 0
		for range op.Queues.All {
			count++
		}
		if err == nil && count != tc.queues {
			t.Errorf("%d queue groups, want %d", count, tc.queues)
		}
	}
}

// Can a handler append to a field without overwriting what follows it?
func TestPeerParserFieldsHaveNoSpareCapacity(t *testing.T) {
	for _, want := range []string{"LMSG O A a + r q1 q2 1 2\r\nxy\r\n", "LS+ O A a q 1\r\n"} {
		p := PeerParser{MaxControlLine: 100, MaxPayload: -1}
		var op PeerOp
		in := []byte(want)
		if n, _, err := p.Next(in, &op); n != len(in) || err != nil {
			t.Fatal(n, err)
		}
		for _, field := range [][]byte{op.Origin, op.Account, op.Subject, op.Reply, op.Queues, op.Queue} {
			_ = append(field, "XXXX"...)
		}
		for name := range op.Queues.All {
			_ = append(name, "XXXX"...)
		}
		if string(in) != want {
			t.Errorf("buffer is now %q", in)
		}
	}
}

// Is a bound of 0 a bound, and a negative one none?
func TestPeerParserPayloadBounds(t *testing.T) {
	for _, tc := range []struct {
		bound, size int
		err         error
	}{
		{0, 0, nil},
		{0, 1, ErrMaxPayload},
		{-1, 999999999, nil},
	} {
		p := PeerParser{Link: LinkLeaf, MaxControlLine: 100, MaxPayload: tc.bound}
		var op PeerOp
		line := AppendMsgTail([]byte("LMSG a "), nil, tc.size)
		if n, need, err := p.Next(line, &op); n != 0 || !errors.Is(err, tc.err) || err == nil && need != len(line)+tc.size+2 {
			t.Errorf("%d bytes with a bound of %d: %d, %d, %v", tc.size, tc.bound, n, need, err)
		}
	}
}

// Can one who looks for one queue group stop when it is found?
func TestQueuesStop(t *testing.T) {
	for _, q := range []Queues{Queues("q1 q2"), Queues(" q1 \t q2 "), Queues("q1 q2")[:2]} {
		calls := 0
		for name := range q.All {
			if calls++; string(name) != "q1" || cap(name) != 2 {
				t.Errorf("%q: first is %q, of capacity %d", q, name, cap(name))
			}
			break
		}
		if calls != 1 {
			t.Errorf("%q: %d calls", q, calls)
		}
	}
}

// Does reading an operation, and walking over its queue groups, allocate?
func TestPeerParserDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for link, text := range map[Link]string{
		LinkRoute: "RMSG A a 5\r\nhello\r\nRMSG A a r 5\r\nhello\r\nRMSG A a + r q1 q2 5\r\nhello\r\nHMSG A a | q1 q2 q3 q4 2 5\r\nhello\r\n" +
			"LMSG O A a 0 1\r\nx\r\nRS+ A a q 1\r\nRS- A a q\r\nLS+ O A a q 1\r\nLS- O A a\r\nA+ A\r\nPING\r\nPONG\r\nINFO {}\r\nRMSG A a 100\r\n",
		LinkAccountRoute: "RMSG a 5\r\nhello\r\nHMSG a | q1 q2 2 5\r\nhello\r\nRS+ a q 1\r\nRS- a\r\nPING\r\n",
		LinkLeaf:         "LMSG a r 5\r\nhello\r\nHMSG a | q1 q2 2 5\r\nhello\r\nLS+ a q 1\r\nLS- a\r\nPING\r\n",
	} {
		p := PeerParser{Link: link, MaxControlLine: 65536, MaxPayload: 1 << 20}
		in := []byte(text)
		var op PeerOp
		queues := 0
		allocs := testing.AllocsPerRun(100, func() {
			for buf := in; len(buf) > 0; {
				n, _, err := p.Next(buf, &op)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					return
				}
				for name := range op.Queues.All {
					queues += len(name)
				}
				buf = buf[n:]
			}
		})
		if allocs != 0 || queues == 0 {
			t.Errorf("%s: %v allocations, %d bytes of queue groups", links[link], allocs, queues)
		}
	}
}

// slowPeerNext is the protocol between servers in the most obvious words, for
// one operation whose control line is complete.
func slowPeerNext(p *PeerParser, buf string) (desc string, n int) {
	verbs := []string{"CONNECT", "INFO", "PING", "PONG", "+OK", "-ERR", "HMSG", "LMSG", "LS+", "LS-"}
	if p.Link != LinkLeaf {
		verbs = append(verbs, "RMSG", "RS+", "RS-", "A+", "A-")
	}
	line, rest, _ := strings.Cut(buf, "\n")
	var verb string
	for _, v := range verbs {
		if len(line) >= len(v) && isASCII(line[:len(v)]) && strings.ToUpper(line[:len(v)]) == v {
			verb = v
		}
	}
	if verb == "" {
		return errUnknown, 0
	}
	text := line[len(verb):]
	plain := slices.Contains(verbs[:5], verb)
	if !plain && !strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\t") {
		return errUnknown, 0
	}
	args := strings.TrimLeft(text, " \t\r")
	blanks := len(text) - len(args)
	args = strings.TrimSuffix(args, "\r")
	if len(args) > p.MaxControlLine || blanks > p.MaxControlLine {
		return errLine, 0
	}
	n = len(line) + 1
	if plain || verb == "-ERR" {
		return verb + "|" + args, n
	}
	f := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' })
	if verb[0] == 'A' {
		if len(f) != 1 {
			return errArgs, 0
		}
		return verb + " " + f[0], n
	}
	next := func(there bool) string {
		if !there {
			return "-"
		}
		if len(f) == 0 {
			return ""
		}
		field := f[0]
		f = f[1:]
		return field
	}
	from := verb + " " + next(verb[0] == 'L' && p.Link != LinkLeaf) + "|" + next(p.Link == LinkRoute)
	subject := next(true)
	if subject == "" {
		return errArgs, 0
	}
	from += "|" + subject
	switch {
	case strings.HasSuffix(verb, "+") && len(f) == 0:
		return from + "|-|0", n
	case strings.HasSuffix(verb, "+") && len(f) == 2:
		return from + "|" + f[0] + "|" + strconv.Itoa(max(1, slowSize(f[1]))), n
	case strings.HasSuffix(verb, "-") && len(f) == 0:
		return from + "|-", n
	case strings.HasSuffix(verb, "-") && len(f) == 1:
		return from + "|" + f[0], n
	case len(verb) == 3:
		return errArgs, 0
	}
	sizes := 1
	if verb == "HMSG" || verb == "LMSG" && p.Link != LinkLeaf {
		sizes = 2
	}
	if len(f) < sizes {
		return errArgs, 0
	}
	header, size := 0, slowSize(f[len(f)-1])
	if sizes == 2 {
		header = slowSize(f[len(f)-2])
	}
	f = f[:len(f)-sizes]
	if header < 0 || size < 0 || header > size {
		return errArgs, 0
	}
	reply, queues := "-", "-"
	switch {
	case len(f) == 1:
		reply = f[0]
	case len(f) > 1 && f[0] == "|":
		queues = strings.Join(f[1:], ",")
	case len(f) == 2 && f[0] == "+":
		reply = f[1]
	case len(f) > 2 && f[0] == "+":
		reply, queues = f[1], strings.Join(f[2:], ",")
	case len(f) > 0:
		return errArgs, 0
	}
	switch {
	case p.MaxPayload >= 0 && size > p.MaxPayload:
		return errPayload, 0
	case len(rest) > size && rest[size] != '\r', len(rest) > size+1 && rest[size+1] != '\n':
		return errUnknown, 0
	case len(rest) < size+2:
		return more, 0
	}
	return strings.Join([]string{from, reply, queues, rest[:header], rest[header:size]}, "|"), n + size + 2
}

// Can a server break the parser, or make it disagree with the obvious version, or
// with itself when input arrives in pieces?
func FuzzPeerParser(f *testing.F) {
	eachPeerTest(func(_ string, p *PeerParser, in string, _ []string) {
		f.Add([]byte(in), uint8(p.Link), uint16(len(in)/2))
	})
	f.Fuzz(func(t *testing.T, in []byte, link uint8, split uint16) {
		p := PeerParser{Link: Link(link) % Link(len(links)), MaxControlLine: testMaxLine, MaxPayload: testMaxPayload}
		whole := parsePeer(t, &p, in)
		i := int(split) % (len(in) + 1)
		if got := parsePeer(t, &p, in[:i], in[i:]); !slices.Equal(got, whole) {
			t.Errorf("split at %d\ngot  %q\nwant %q", i, got, whole)
		}
		if len(in) < 1000 {
			if got := parsePeer(t, &p, eachByte(in)...); !slices.Equal(got, whole) {
				t.Errorf("byte by byte\ngot  %q\nwant %q", got, whole)
			}
		}
		for buf := in; len(whole) > 0 && bytes.IndexByte(buf, '\n') >= 0; {
			want, n := slowPeerNext(&p, string(buf))
			if whole[0] != want {
				t.Fatalf("at %q\ngot  %q\nwant %q", buf, whole[0], want)
			}
			if n == 0 {
				break
			}
			buf, whole = buf[n:], whole[1:]
		}
	})
}
