package server_test

import (
	"strings"
	"testing"
)

// How operations are cut out of the stream of bytes, and which there are.
func TestFraming(t *testing.T) {
	unknown := "-ERR 'Unknown Protocol Operation'\r\n"
	runExchanges(t, []exchange{
		{name: "bare LF ends control lines", send: "SUB a 1\nPUB a 2\nhi\r\nPING\n", want: lines("MSG a 1 2", "hi", "PONG")},
		{name: "payload ends with CR LF", send: "PUB a 2\r\nhi\nPING\r\n", want: unknown, closed: true},
		{name: "payload longer than said", send: "PUB a 2\r\nhi!\r\n", want: unknown, closed: true},
		{name: "verbs in any case", send: lines("sUb a 1", "pub a 2", "hi", "piNg", "uNSUB 1", "Pub a 2", "hi"), want: lines("MSG a 1 2", "hi", "PONG")},
		{name: "CONNECT in any case", connect: "-", send: lines(`connect {"verbose":false}`), want: ""},
		{name: "runs of spaces and tabs", send: "SUB\ta \t q \t1  \r\nPUB \t a\t\t2 \r\nhi\r\n", want: lines("MSG a 1 2", "hi")},
		{name: "spaces behind PING", send: "PING \t \r\n", want: "PONG\r\n"},
		{name: "an empty line", send: "\r\n", want: unknown, closed: true},
		{name: "an empty line with bare LF", send: "\n", want: unknown, closed: true},
		{name: "a space before the verb", send: " PING\r\n", want: unknown, closed: true},
		{name: "no space behind the verb", send: "SUBa 1\r\n", want: unknown, closed: true},
		{name: "something behind PING", send: "PING x\r\n", want: "PONG\r\n"},
		{name: "no arguments behind PUB", send: "PUB\r\n", want: unknown, closed: true},
		{name: "no arguments behind SUB", send: "SUB\r\n", want: unknown, closed: true},
		{name: "no arguments behind UNSUB", send: "UNSUB\r\n", want: unknown, closed: true},
		{name: "HTTP", send: "GET / HTTP/1.1\r\n\r\n", want: unknown, closed: true},
		{name: "operations of servers: MSG", send: "MSG a 1 0\r\n\r\n", want: unknown, closed: true},
		{name: "operations of servers: HMSG", send: "HMSG a 1 0 0\r\n\r\n", want: unknown, closed: true},
		{name: "operations of servers: RMSG", send: "RMSG $G a 0\r\n\r\n", want: unknown, closed: true},
		{name: "operations of servers: LMSG", send: "LMSG a 0\r\n\r\n", want: unknown, closed: true},
		{name: "operations of servers: RS+", send: "RS+ $G a\r\n", want: unknown, closed: true},
		{name: "operations of servers: RS-", send: "RS- $G a\r\n", want: unknown, closed: true},
		{name: "operations of servers: LS+", send: "LS+ a\r\n", want: unknown, closed: true},
		{name: "operations of servers: LS-", send: "LS- a\r\n", want: unknown, closed: true},
		{name: "operations of servers: A+", send: "A+ $G\r\n", want: unknown, closed: true},
		{name: "operations of servers: A-", send: "A- $G\r\n", want: unknown, closed: true},
		{name: "INFO is ignored", send: `INFO {"server_id":"x"}` + "\r\n", want: ""},
		{name: "+OK is ignored", send: "+OK\r\n", want: ""},
		{name: "-ERR ends the connection", send: "-ERR 'go away'\r\n", want: "", closed: true},
		{name: "PONG is no answer to anything", send: "PONG\r\n", want: ""},
	})
}

// Arguments that cannot be right end the connection without a word.
func TestBadArguments(t *testing.T) {
	var all []exchange
	for _, line := range []string{
		"SUB a", "SUB a q 1 x",
		"UNSUB 1 2 3",
		"PUB a", "PUB a b c 1", "PUB a x", "PUB a -1", "PUB a 1x", "PUB a 99999999999999999999",
		"HPUB a 12", "HPUB a b c 12 12", "HPUB a 13 12", "HPUB a x 12", "HPUB a 12 x", "HPUB a -1 12",
		"CONNECT", "CONNECT x", "CONNECT {", `CONNECT {"verbose":1}`, "CONNECT []", `CONNECT {} {}`,
	} {
		all = append(all, exchange{name: line, connect: `"headers":true`, send: line + "\r\n", closed: true})
	}
	all = append(all, exchange{
		name: "HPUB without headers:true", send: "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", closed: true,
	})
	runExchanges(t, all)
}

// The forms that each operation may have.
func TestOperations(t *testing.T) {
	runExchanges(t, []exchange{
		{name: "PUB", send: lines("SUB a 1", "PUB a 0", "", "PUB a 5", "hello"), want: lines("MSG a 1 0", "", "MSG a 1 5", "hello")},
		{name: "PUB with reply", send: lines("SUB a 1", "PUB a re.ply 5", "hello"), want: lines("MSG a 1 re.ply 5", "hello")},
		{name: "payload of any bytes", send: lines("SUB a 1", "PUB a 6", "\r\n\x00\xff\r\n"), want: lines("MSG a 1 6", "\r\n\x00\xff\r\n")},
		{name: "sid of any form", send: lines("SUB a ein-sid!", "PUB a 0", ""), want: lines("MSG a ein-sid! 0", "")},
		{name: "SUB with queue", send: lines("SUB a group 1", "PUB a 0", ""), want: lines("MSG a 1 0", "")},
		{
			name: "a sid in use: the first subscription stays",
			send: lines("SUB a 1", "SUB b 1", "PUB a 0", "", "PUB b 0", ""), want: lines("MSG a 1 0", ""),
		},
		{
			name: "a sid is free after UNSUB",
			send: lines("SUB a 1", "UNSUB 1", "SUB b 1", "PUB a 0", "", "PUB b 0", ""), want: lines("MSG b 1 0", ""),
		},
		{name: "UNSUB of an unknown sid", send: lines("UNSUB 7", "UNSUB 7 3"), want: ""},
		{name: "UNSUB with 0", send: lines("SUB a 1", "UNSUB 1 0", "PUB a 0", ""), want: ""},
		{name: "UNSUB with less than 0", send: lines("SUB a 1", "UNSUB 1 -4", "PUB a 0", ""), want: ""},
		{name: "UNSUB with no number", send: lines("SUB a 1", "UNSUB 1 x", "PUB a 0", ""), want: ""},
		{name: "PING", send: "PING\r\nPING\r\n", want: "PONG\r\nPONG\r\n"},
	})
}

// The bound of control lines is for the arguments of every operation, complete
// or not.
func TestMaxControlLine(t *testing.T) {
	const config = "max_control_line: 64"
	exceeded := "-ERR 'maximum control line exceeded'\r\n"
	a := func(n int) string { return strings.Repeat("a", n) }
	runExchanges(t, []exchange{
		{name: "SUB of 64", config: config, send: "SUB " + a(60) + " 123\r\n", want: ""},
		{name: "SUB of 65", config: config, send: "SUB " + a(60) + " 1234\r\n", want: exceeded, closed: true},
		{name: "PUB of 64", config: config, send: "PUB " + a(62) + " 0\r\n\r\n", want: ""},
		{name: "PUB of 65", config: config, send: "PUB " + a(63) + " 0\r\n\r\n", want: exceeded, closed: true},
		{name: "UNSUB of 65", config: config, send: "UNSUB " + a(65) + "\r\n", want: exceeded, closed: true},
		{name: "INFO of 65", config: config, send: "INFO " + a(65) + "\r\n", want: exceeded, closed: true},
		{name: "-ERR of 65", config: config, send: "-ERR " + a(65) + "\r\n", want: exceeded, closed: true},
		{name: "CONNECT", config: config, connect: "-", send: `CONNECT {"name":"` + a(64) + "\"}\r\n", want: exceeded, closed: true},
		{name: "an endless line", config: config, send: "SUB " + a(80), want: exceeded, closed: true},
		{name: "the default", send: "SUB " + a(4096) + " 1\r\n", want: exceeded, closed: true},
		{name: "below the default", send: "SUB " + a(4000) + " 1\r\n", want: ""},
	})
}

// A subject may be as long as the control line allows, however long that is.
func TestLongSubjects(t *testing.T) {
	for _, n := range []int{1000, 10_000, 70_000, 200_000} {
		script(t, "max_control_line: 300000", func(s *site) {
			p := s.connect()
			long := strings.Repeat("a", n)
			p.send("SUB > 1\r\n")
			p.pub(long, "hi")
			p.want(lines("MSG "+long+" 1 2", "hi"))
			p.pub("b "+long, "hi")
			p.wantOnly(lines("MSG b 1 "+long+" 2", "hi"))
		})
	}
}

// Bytes come as the network brings them.
func TestOperationsInPieces(t *testing.T) {
	script(t, "", func(s *site) {
		p := s.connect(`"headers":true`)
		for _, b := range lines("SUB a 1", "PUB a 5", "hello") + "HPUB " + hmsg("a", "hi", "K: v") + "PING\r\n" {
			p.send(string(b))
		}
		p.wantOnly(lines("MSG a 1 5", "hello") + "HMSG " + hmsg("a 1", "hi", "K: v") + "PONG\r\n")
	})
}
