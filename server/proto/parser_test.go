package proto

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// describe writes down an operation with the fields that its kind has.
func describe(op *Op) string {
	switch op.Kind {
	case OpPub:
		return fmt.Sprintf("PUB %s|%s|%s", op.Subject, op.Reply, op.Msg)
	case OpHPub:
		return fmt.Sprintf("HPUB %s|%s|%s|%s", op.Subject, op.Reply, op.Msg[:op.HeaderLen], op.Msg[op.HeaderLen:])
	case OpSub:
		return fmt.Sprintf("SUB %s|%s|%s", op.Subject, op.Queue, op.SID)
	case OpUnsub:
		return fmt.Sprintf("UNSUB %s|%d", op.SID, op.Max)
	default:
		return fmt.Sprintf("%s|%s", op.Kind, op.Args)
	}
}

// more is what parseAll ends with for input that ends within an operation.
const more = "..."

// parseAll feeds input that arrives in pieces, as a connection does, and
// returns the operations and what came after them: an error, more, or nothing.
func parseAll(t testing.TB, p *Parser, pieces ...[]byte) []string {
	t.Helper()
	var op Op
	return parsePieces(t, pieces, func(buf []byte) (string, int, int, error) {
		n, need, err := p.Next(buf, &op)
		if n == 0 || err != nil {
			return "", n, need, err
		}
		if op.Kind == OpPub || op.Kind == OpHPub {
			if after := op.Msg[len(op.Msg):cap(op.Msg)]; string(after) != CRLF {
				t.Fatalf("Next(%q): message is followed by %q", buf, after)
			}
		}
		return describe(&op), n, need, nil
	})
}

// parsePieces does that with a function that parses and describes one operation.
// It checks what Next promises about its results.
func parsePieces(t testing.TB, pieces [][]byte, next func(buf []byte) (desc string, n, need int, err error)) []string {
	t.Helper()
	var out []string
	var buf []byte
	need := 0
	for _, piece := range pieces {
		buf = append(buf, piece...)
		for len(buf) > 0 {
			desc, n, wants, err := next(buf)
			switch {
			case err != nil:
				if n != 0 {
					t.Fatalf("Next(%q) takes %d bytes in spite of %v", buf, n, err)
				}
				return append(out, err.Error())
			case n < 0 || n > len(buf):
				t.Fatalf("Next(%q) takes %d of %d bytes", buf, n, len(buf))
			case n == 0 && wants <= len(buf):
				t.Fatalf("Next(%q) needs %d bytes, but there are %d", buf, wants, len(buf))
			case n > 0 && n < need:
				t.Fatalf("Next(%q) takes %d bytes, and needed %d before", buf, n, need)
			}
			need = wants
			if n == 0 {
				break
			}
			out = append(out, desc)
			buf = buf[n:]
		}
	}
	if len(buf) > 0 {
		out = append(out, more)
	}
	return out
}

// eachByte cuts input into pieces of one byte.
func eachByte(b []byte) [][]byte {
	var out [][]byte
	for i := range b {
		out = append(out, b[i:i+1])
	}
	return out
}

var (
	errUnknown = ErrUnknownOp.Error()
	errArgs    = ErrBadArgs.Error()
	errLine    = ErrMaxControlLine.Error()
	errPayload = ErrMaxPayload.Error()
)

// The limits of the table below.
const (
	testMaxLine    = 40
	testMaxPayload = 100
)

var parserTests = []struct {
	name string
	in   string
	want []string
}{
	// Framing.
	{"verb in capitals", "PING\r\n", []string{"PING|"}},
	{"verb in lower case", "ping\r\n", []string{"PING|"}},
	{
		"verbs in mixed case", "PiNg\r\npOnG\r\nPuB a 0\r\n\r\nhPuB a 0 0\r\n\r\nsUb a 1\r\nuNsUb 1\r\ncOnNeCt {}\r\niNfO {}\r\n+oK\r\n-eRr x\r\n",
		[]string{"PING|", "PONG|", "PUB a||", "HPUB a|||", "SUB a||1", "UNSUB 1|0", "CONNECT|{}", "INFO|{}", "+OK|", "-ERR|x"},
	},
	{"bare LF on control lines", "PING\nSUB a 1\nPUB a 1\nx\r\nUNSUB 1\nCONNECT {}\n", []string{"PING|", "SUB a||1", "PUB a||x", "UNSUB 1|0", "CONNECT|{}"}},
	{"two CRs", "SUB a 1\r\r\n", []string{"SUB a||1"}},
	{"tabs", "PUB\ta\t\t1\r\nx\r\nSUB\ta\tq\t1\t\r\n", []string{"PUB a||x", "SUB a|q|1"}},
	{"runs of blanks", "PUB    a  \t r   1  \r\nx\r\nSUB   a   1\r\nUNSUB \t 1 \t 2\r\n", []string{"PUB a|r|x", "SUB a||1", "UNSUB 1|2"}},
	{"empty line", "\r\n", []string{errUnknown}},
	{"line feed alone", "\n", []string{errUnknown}},
	{"blank before the verb", " PING\r\n", []string{errUnknown}},
	{"nothing", "", nil},
	{"operations up to an error", "PING\r\nPONG\r\nFOO\r\nPING\r\n", []string{"PING|", "PONG|", errUnknown}},

	// Operations that are not a client's, and things that are none.
	{"MSG", "MSG a 1 1\r\nx\r\n", []string{errUnknown}},
	{"HMSG", "HMSG a 1 1 1\r\nx\r\n", []string{errUnknown}},
	{"RMSG", "RMSG a b 1\r\nx\r\n", []string{errUnknown}},
	{"LMSG", "LMSG a b 1\r\nx\r\n", []string{errUnknown}},
	{"LS+", "LS+ a\r\n", []string{errUnknown}},
	{"RS-", "RS- a\r\n", []string{errUnknown}},
	{"A+", "A+ a\r\n", []string{errUnknown}},
	{"HTTP", "GET / HTTP/1.1\r\n", []string{errUnknown}},
	{"TLS", "\x16\x03\x01\x02\x00", []string{errUnknown}},
	{"wrong second letter", "PX", []string{errUnknown}},
	{"wrong third letter", "PUX", []string{errUnknown}},
	{"wrong fourth letter", "HPUX", []string{errUnknown}},
	{"bit 5 does not make a letter", "\x10UB a 1\r\nx\r\n", []string{errUnknown}},
	{"bit 5 does not make a space", "PUB\x00a 1\r\nx\r\n", []string{errUnknown}},
	{"letters that fold to ASCII", "\u017fUB a 1\r\n", []string{errUnknown}},
	{"the same in the middle", "+O\u212a\r\n", []string{errUnknown}},

	// Incomplete operations.
	{"half a verb", "CONN", []string{more}},
	{"verb alone", "PUB", []string{more}},
	{"half a line", "PUB foo 1", []string{more}},
	{"line without its end", "PUB foo 1\r", []string{more}},
	{"no payload", "PUB foo 1\r\n", []string{more}},
	{"payload without its end", "PUB foo 1\r\nx", []string{more}},
	{"payload with half its end", "PUB foo 1\r\nx\r", []string{more}},

	// What may follow a verb.
	{"PUB and no blank", "PUBa 1\r\nx\r\n", []string{errUnknown}},
	{"PUB and CR", "PUB\ra 1\r\nx\r\n", []string{errUnknown}},
	{"PUB alone on its line", "PUB\r\n", []string{errUnknown}},
	{"HPUB alone on its line", "HPUB\r\n", []string{errUnknown}},
	{"SUB alone on its line", "SUB\n", []string{errUnknown}},
	{"SUB and no blank", "SUBa 1\r\n", []string{errUnknown}},
	{"UNSUB and no blank", "UNSUB1\r\n", []string{errUnknown}},
	{"UNSUB alone on its line", "UNSUB\r\n", []string{errUnknown}},
	{"-ERR and no blank", "-ERR'x'\r\n", []string{errUnknown}},
	{"-ERR alone on its line", "-ERR\r\n", []string{errUnknown}},
	{"CONNECT and no blank", "CONNECT{}\r\n", []string{"CONNECT|{}"}},
	{"CONNECT alone on its line", "CONNECT\r\n", []string{"CONNECT|"}},
	{"INFO and no blank", "INFO{}\r\n", []string{"INFO|{}"}},
	{"PING with an argument", "PING foo\r\nPINGfoo\r\n", []string{"PING|foo", "PING|foo"}},
	{"PONG with an argument", "PONG foo\r\nPONGfoo\r\n", []string{"PONG|foo", "PONG|foo"}},
	{"+OK with an argument", "+OK foo\r\n+OKfoo\r\n", []string{"+OK|foo", "+OK|foo"}},

	// PUB.
	{"PUB", "PUB foo.bar 5\r\nhello\r\n", []string{"PUB foo.bar||hello"}},
	{"PUB with a reply", "PUB foo.bar _INBOX.1 5\r\nhello\r\n", []string{"PUB foo.bar|_INBOX.1|hello"}},
	{"PUB of nothing", "PUB foo 0\r\n\r\n", []string{"PUB foo||"}},
	{"PUB of line ends", "PUB foo 6\r\n\r\nPING\r\n", []string{"PUB foo||\r\nPING"}},
	{"size with zeros before it", "PUB foo 000000001\r\nx\r\n", []string{"PUB foo||x"}},
	{"control characters in a subject", "PUB a\x01\x0b\x0c\x00b 1\r\nx\r\n", []string{"PUB a\x01\x0b\x0c\x00b||x"}},
	{"bytes that are no UTF-8 in a subject", "PUB \xff\xfe 1\r\nx\r\n", []string{"PUB \xff\xfe||x"}},
	{"PUB without arguments", "PUB \r\n", []string{errArgs}},
	{"PUB without size", "PUB foo\r\n", []string{errArgs}},
	{"PUB with too many arguments", "PUB foo bar baz 1\r\nx\r\n", []string{errArgs}},
	{"PUB with far too many arguments", "PUB a b c d e f g 1\r\nx\r\n", []string{errArgs}},
	{"negative size", "PUB foo -1\r\nx\r\n", []string{errArgs}},
	{"size with a sign", "PUB foo +1\r\nx\r\n", []string{errArgs}},
	{"size that is no number", "PUB foo 1x\r\nx\r\n", []string{errArgs}},
	{"size of ten digits", "PUB foo 0000000001\r\nx\r\n", []string{errArgs}},
	{"size that would overflow", "PUB foo 18446744073709551617\r\nx\r\n", []string{errArgs}},
	{"payload ended by a bare LF", "PUB foo 1\r\nx\nPING\r\n", []string{errUnknown}},
	{"payload that is longer", "PUB foo 1\r\nxy\r\n", []string{errUnknown}},
	{"payload that is longer, at once", "PUB foo 1\r\nxy", []string{errUnknown}},
	{"payload ended by CR and no LF", "PUB foo 1\r\nx\rP", []string{errUnknown}},
	{"payload that is shorter", "PUB foo 3\r\nx\r\nPING\r\n", []string{errUnknown}},

	// HPUB.
	{"HPUB", "HPUB foo 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", []string{"HPUB foo||NATS/1.0\r\n\r\n|hello"}},
	{"HPUB with a reply", "HPUB foo bar 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", []string{"HPUB foo|bar|NATS/1.0\r\n\r\n|hello"}},
	{"HPUB of headers only", "HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\n", []string{"HPUB foo||NATS/1.0\r\n\r\n|"}},
	{"HPUB without headers", "HPUB foo 0 5\r\nhello\r\n", []string{"HPUB foo|||hello"}},
	{"HPUB of anything", "HPUB foo 2 5\r\nhello\r\n", []string{"HPUB foo||he|llo"}},
	{"headers larger than the message", "HPUB foo 2 1\r\nx\r\n", []string{errArgs}},
	{"negative header size", "HPUB foo -1 1\r\nx\r\n", []string{errArgs}},
	{"negative total", "HPUB foo 0 -1\r\nx\r\n", []string{errArgs}},
	{"HPUB with one size", "HPUB foo 1\r\nx\r\n", []string{errArgs}},
	{"HPUB with too many arguments", "HPUB foo bar baz 1 1\r\nx\r\n", []string{errArgs}},

	// SUB and UNSUB.
	{"SUB", "SUB foo.* 1\r\n", []string{"SUB foo.*||1"}},
	{"SUB in a queue group", "SUB foo.> workers s1\r\n", []string{"SUB foo.>|workers|s1"}},
	{"SUB without arguments", "SUB \r\n", []string{errArgs}},
	{"SUB without sid", "SUB foo\r\n", []string{errArgs}},
	{"SUB with too many arguments", "SUB a b c d\r\n", []string{errArgs}},
	{"UNSUB", "UNSUB 1\r\n", []string{"UNSUB 1|0"}},
	{"UNSUB with a count", "UNSUB s1 25\r\n", []string{"UNSUB s1|25"}},
	{"UNSUB with nine digits", "UNSUB 1 999999999\r\n", []string{"UNSUB 1|999999999"}},
	{"UNSUB with zero", "UNSUB 1 0\r\n", []string{"UNSUB 1|0"}},
	{"UNSUB with a negative count", "UNSUB 1 -5\r\n", []string{"UNSUB 1|0"}},
	{"UNSUB with no count", "UNSUB 1 many\r\n", []string{"UNSUB 1|0"}},
	{"UNSUB with ten digits", "UNSUB 1 1000000000\r\n", []string{"UNSUB 1|0"}},
	{"UNSUB without sid", "UNSUB \r\n", []string{errArgs}},
	{"UNSUB with too many arguments", "UNSUB 1 2 3\r\n", []string{errArgs}},

	// The rest.
	{"CONNECT", "CONNECT {\"name\": \"a b\"} \t\r\n", []string{"CONNECT|{\"name\": \"a b\"} \t"}},
	{"-ERR", "-ERR 'some error'\r\n", []string{"-ERR|'some error'"}},

	// Limits.
	{"longest line", "SUB " + strings.Repeat("a", testMaxLine-2) + " 1\r\n", []string{"SUB " + strings.Repeat("a", testMaxLine-2) + "||1"}},
	{"longest line and its CR", "SUB " + strings.Repeat("a", testMaxLine) + "\r", []string{more}},
	{"line too long", "SUB " + strings.Repeat("a", testMaxLine-1) + " 1\r\n", []string{errLine}},
	{"line too long by a blank", "SUB " + strings.Repeat("a", testMaxLine-2) + " 1 \r\n", []string{errLine}},
	{"line too long, without its end", "SUB " + strings.Repeat("a", testMaxLine+1), []string{errLine}},
	{"blanks before arguments do not count", "SUB           " + strings.Repeat("a", testMaxLine-2) + " 1\r\n", []string{"SUB " + strings.Repeat("a", testMaxLine-2) + "||1"}},
	{"but are not unlimited", "SUB" + strings.Repeat(" ", testMaxLine+1), []string{errLine}},
	{"long line with bad arguments", "PUB " + strings.Repeat("a", testMaxLine) + " x x x\r\n", []string{errLine}},
	{"long line with a large payload", "PUB " + strings.Repeat("a", testMaxLine) + " 999\r\n", []string{errLine}},
	{"longest CONNECT", "CONNECT " + strings.Repeat("a", testMaxLine) + "\r\n", []string{"CONNECT|" + strings.Repeat("a", testMaxLine)}},
	{"CONNECT too long", "CONNECT " + strings.Repeat("a", testMaxLine+1) + "\r\n", []string{errLine}},
	{"CONNECT too long, without its end", "CONNECT " + strings.Repeat("a", testMaxLine+1), []string{errLine}},
	{"INFO too long", "INFO " + strings.Repeat("a", testMaxLine+1) + "\r\n", []string{errLine}},
	{"-ERR too long", "-ERR " + strings.Repeat("a", testMaxLine+1) + "\r\n", []string{errLine}},
	{"PING too long", "PING " + strings.Repeat("a", testMaxLine+1), []string{errLine}},
	{"largest payload", "PUB a 100\r\n" + strings.Repeat("x", 100) + "\r\n", []string{"PUB a||" + strings.Repeat("x", 100)}},
	{"payload too large, before it comes", "PUB a 101\r\n", []string{errPayload}},
	{"total of HPUB too large", "HPUB a 12 101\r\n", []string{errPayload}},
	{"largest size that is one", "PUB a 999999999\r\n", []string{errPayload}},
}

// Is each operation read as the protocol says, and each error found?
func TestParser(t *testing.T) {
	p := Parser{MaxControlLine: testMaxLine, MaxPayload: testMaxPayload}
	for _, tc := range parserTests {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseAll(t, &p, []byte(tc.in)); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) {
				t.Errorf("%q\ngot  %q\nwant %q", tc.in, got, tc.want)
			}
		})
	}
}

// Does it matter where the network cuts the bytes apart?
func TestParserSplit(t *testing.T) {
	p := Parser{MaxControlLine: testMaxLine, MaxPayload: testMaxPayload}
	for _, tc := range parserTests {
		t.Run(tc.name, func(t *testing.T) {
			in, want := []byte(tc.in), fmt.Sprintf("%q", tc.want)
			for i := range in {
				if got := parseAll(t, &p, in[:i], in[i:]); fmt.Sprintf("%q", got) != want {
					t.Fatalf("%q, %q\ngot  %q\nwant %s", in[:i], in[i:], got, want)
				}
			}
			if got := parseAll(t, &p, eachByte(in)...); fmt.Sprintf("%q", got) != want {
				t.Fatalf("%q byte by byte\ngot  %q\nwant %s", in, got, want)
			}
		})
	}
}

// Is it known of an operation that is not whole what it is and how long it
// will be?
func TestParserIncomplete(t *testing.T) {
	const line = "PUB foo bar 70000\r\n"
	for _, tc := range []struct {
		name    string
		in      string
		kind    Kind
		need    int
		err     error
		subject string
	}{
		{"nothing", "", OpNone, 1, nil, ""},
		{"verb", "pu", OpNone, 3, nil, ""},
		{"part of the line", "PUB foo bar 700", OpNone, len("PUB foo bar 700") + 1, nil, ""},
		{"line", line, OpPub, len(line) + 70002, nil, "foo"},
		{"part of the payload", line + "abc", OpPub, len(line) + 70002, nil, "foo"},
		{"too large", "PUB foo 100001\r\n", OpPub, 0, ErrMaxPayload, "foo"},
		{"malformed", "PUB foo x\r\n", OpNone, 0, ErrBadArgs, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Parser{MaxControlLine: 4096, MaxPayload: 100000}
			op := Op{Kind: OpPing}
			n, need, err := p.Next([]byte(tc.in), &op)
			if n != 0 || need != tc.need || !errors.Is(err, tc.err) || op.Kind != tc.kind {
				t.Errorf("got n=%d need=%d err=%v kind=%s, want 0, %d, %v, %s", n, need, err, op.Kind, tc.need, tc.err, tc.kind)
			}
			if tc.subject != "" && string(op.Subject) != tc.subject {
				t.Errorf("subject is %q, want %q", op.Subject, tc.subject)
			}
		})
	}
}

// Does one operation show anything of the one before, in a field that it has
// and does not use?
func TestParserOptionalFieldsAreCleared(t *testing.T) {
	p := Parser{MaxControlLine: 100, MaxPayload: -1}
	var op Op
	next := func(in string) {
		t.Helper()
		if n, _, err := p.Next([]byte(in), &op); n != len(in) || err != nil {
			t.Fatalf("Next(%q) = %d, %v", in, n, err)
		}
	}
	next("HPUB a r 2 3\r\nabc\r\n")
	next("PUB a 3\r\nabc\r\n")
	if op.Reply != nil || op.HeaderLen != 0 {
		t.Errorf("PUB has reply %q and %d bytes of headers", op.Reply, op.HeaderLen)
	}
	next("SUB a q 1\r\n")
	next("SUB a 1\r\n")
	if op.Queue != nil {
		t.Errorf("SUB has queue group %q", op.Queue)
	}
	next("UNSUB 1 7\r\n")
	next("UNSUB 1\r\n")
	if op.Max != 0 {
		t.Errorf("UNSUB has maximum %d", op.Max)
	}
}

// May a payload be as large as a size can say if there is no bound?
func TestParserUnboundedPayload(t *testing.T) {
	p := Parser{MaxControlLine: 100, MaxPayload: -1}
	var op Op
	const line = "PUB a 999999999\r\n"
	if n, need, err := p.Next([]byte(line), &op); n != 0 || err != nil || need != len(line)+999999999+2 {
		t.Errorf("got %d, %d, %v", n, need, err)
	}
}

// Can a handler append to a field without overwriting what follows it?
func TestParserFieldsHaveNoSpareCapacity(t *testing.T) {
	p := Parser{MaxControlLine: 100, MaxPayload: -1}
	var op Op
	in := []byte("PUB a r 1\r\nx\r\nSUB a q 1\r\n")
	n, _, _ := p.Next(in, &op)
	_ = append(op.Subject, "XXXX"...)
	_ = append(op.Reply, "XXXX"...)
	p.Next(in[n:], &op)
	_ = append(op.Subject, "XXXX"...)
	_ = append(op.Queue, "XXXX"...)
	_ = append(op.SID, "XXXX"...)
	if want := "PUB a r 1\r\nx\r\nSUB a q 1\r\n"; string(in) != want {
		t.Errorf("buffer is now %q", in)
	}
}

// Does reading an operation allocate?
func TestParserDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	p := Parser{MaxControlLine: 4096, MaxPayload: 1 << 20}
	in := []byte("PUB foo 5\r\nhello\r\nPUB foo bar 5\r\nhello\r\nHPUB foo bar 12 17\r\nNATS/1.0\r\n\r\nhello\r\n" +
		"SUB foo q 1\r\nUNSUB 1 5\r\nPING\r\nPONG\r\nPUB foo 100\r\n")
	var op Op
	allocs := testing.AllocsPerRun(100, func() {
		for buf := in; ; {
			n, _, err := p.Next(buf, &op)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				return
			}
			buf = buf[n:]
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// slowNext is the protocol in the most obvious words, for one operation whose
// control line is complete.
func slowNext(p *Parser, buf string) (desc string, n int) {
	line, rest, _ := strings.Cut(buf, "\n")
	var verb string
	for _, v := range []string{"CONNECT", "INFO", "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG", "+OK", "-ERR"} {
		if len(line) >= len(v) && isASCII(line[:len(v)]) && strings.ToUpper(line[:len(v)]) == v {
			verb = v
		}
	}
	text := strings.TrimPrefix(line, line[:len(verb)])
	switch verb {
	case "":
		return errUnknown, 0
	case "PUB", "HPUB", "SUB", "UNSUB", "-ERR":
		if !strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\t") {
			return errUnknown, 0
		}
	}
	args := strings.TrimLeft(text, " \t\r")
	blanks := len(text) - len(args)
	args = strings.TrimSuffix(args, "\r")
	if len(args) > p.MaxControlLine || blanks > p.MaxControlLine {
		return errLine, 0
	}
	f := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' })
	n = len(line) + 1
	switch verb {
	case "SUB":
		switch len(f) {
		case 2:
			return fmt.Sprintf("SUB %s||%s", f[0], f[1]), n
		case 3:
			return fmt.Sprintf("SUB %s|%s|%s", f[0], f[1], f[2]), n
		}
		return errArgs, 0
	case "UNSUB":
		switch len(f) {
		case 1:
			return fmt.Sprintf("UNSUB %s|0", f[0]), n
		case 2:
			return fmt.Sprintf("UNSUB %s|%d", f[0], max(slowSize(f[1]), 0)), n
		}
		return errArgs, 0
	case "PUB", "HPUB":
	default:
		return verb + "|" + args, n
	}
	header := 0
	if verb == "HPUB" && len(f) >= 3 {
		header = slowSize(f[len(f)-2])
		f = append(f[:len(f)-2:len(f)-2], f[len(f)-1])
	} else if verb == "HPUB" {
		return errArgs, 0
	}
	if len(f) < 2 || len(f) > 3 {
		return errArgs, 0
	}
	size, reply := slowSize(f[len(f)-1]), ""
	if len(f) == 3 {
		reply = f[1]
	}
	switch {
	case header < 0 || size < 0 || header > size:
		return errArgs, 0
	case p.MaxPayload >= 0 && size > p.MaxPayload:
		return errPayload, 0
	case len(rest) > size && rest[size] != '\r', len(rest) > size+1 && rest[size+1] != '\n':
		return errUnknown, 0
	case len(rest) < size+2:
		return more, 0
	case verb == "PUB":
		return fmt.Sprintf("PUB %s|%s|%s", f[0], reply, rest[:size]), n + size + 2
	default:
		return fmt.Sprintf("HPUB %s|%s|%s|%s", f[0], reply, rest[:header], rest[header:size]), n + size + 2
	}
}

func isASCII(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0 }

func slowSize(s string) int {
	var n int
	if strings.Trim(s, "0123456789") != "" || s == "" || len(s) > 9 {
		return -1
	}
	fmt.Sscanf(s, "%d", &n)
	return n
}

// Can input break the parser, or make it disagree with the obvious version, or
// with itself when it arrives in pieces?
func FuzzParser(f *testing.F) {
	for _, tc := range parserTests {
		f.Add([]byte(tc.in), uint16(len(tc.in)/2))
	}
	f.Fuzz(func(t *testing.T, in []byte, split uint16) {
		p := Parser{MaxControlLine: testMaxLine, MaxPayload: testMaxPayload}
		whole := parseAll(t, &p, in)
		i := int(split) % (len(in) + 1)
		if got := parseAll(t, &p, in[:i], in[i:]); fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Errorf("split at %d\ngot  %q\nwant %q", i, got, whole)
		}
		if len(in) < 1000 {
			if got := parseAll(t, &p, eachByte(in)...); fmt.Sprint(got) != fmt.Sprint(whole) {
				t.Errorf("byte by byte\ngot  %q\nwant %q", got, whole)
			}
		}
		for buf := in; len(whole) > 0 && bytes.IndexByte(buf, '\n') >= 0; {
			want, n := slowNext(&p, string(buf))
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
