package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

var (
	aHello = hello{
		Class: host.Bulk, From: 3, Incarnation: 0x01020304, To: 2,
		Cluster: "east", Name: "c", Instance: "NC", ToName: "bee", Username: "u", Password: "pw",
	}
	aReply = reply{
		Reason: RefusedCluster, Node: 2, Incarnation: 0x0a0b0c0d, MaxFrame: 72 << 20,
		Cluster: "west", Name: "bee", Instance: "NB", Text: "no",
	}
)

// What is on the wire, byte by byte, as docs/formats/raft-transport.md has it.
func TestHandshakeBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"hello", aHello.encode(), "8e4e4c524146540a 0100 2700 02000000 03000000 04030201 02000000 04 65617374 01 63 02 4e43 03 626565 01 75 02 7077"},
		{"refusal", aReply.encode(), "8e4e4c524146540a 0100 2300 03000000 02000000 0d0c0b0a 00008004 04 77657374 03 626565 02 4e42 02 6e6f"},
		{"frame", stream([]byte("hi")), "02000000 "},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(tt.got, want) {
			t.Errorf("%s is %x, want %s…", tt.name, tt.got, tt.want)
		}
	}
}

func TestHandshakeIsReadAsWritten(t *testing.T) {
	long := strings.Repeat("x", MaxName)
	for _, h := range []hello{
		aHello,
		{From: 1, Cluster: "a", Name: "b", Instance: "c"},
		{From: 1<<32 - 1, To: 1<<32 - 1, Cluster: long, Name: long, Instance: long, ToName: long, Username: long, Password: long},
	} {
		body, err := readHandshake(bytes.NewReader(h.encode()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeHello(body); got != h || err != nil {
			t.Errorf("%+v is read as %+v, %v", h, got, err)
		}
	}
	for _, r := range []reply{aReply, {Cluster: "a", Name: "b", Instance: "c"}, {Cluster: long, Name: long, Instance: long, Text: long}} {
		body, err := readHandshake(bytes.NewReader(r.encode()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeReply(body); got != r || err != nil {
			t.Errorf("%+v is read as %+v, %v", r, got, err)
		}
	}
	verbose := reply{Cluster: "a", Name: "b", Instance: "c", Text: strings.Repeat("t", 1000)}
	if body, err := readHandshake(bytes.NewReader(verbose.encode())); err != nil || len(body) != fixedSize+3*2+1+MaxName {
		t.Errorf("a long text makes a body of %d bytes, %v", len(body), err)
	}
}

// Every change of a byte is noticed.
func TestHandshakeChecksum(t *testing.T) {
	for i := range aHello.encode() {
		b := aHello.encode()
		b[i] ^= 4
		if body, err := readHandshake(bytes.NewReader(b)); err == nil {
			t.Errorf("with byte %d changed the hello is read as %x", i, body)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(aHello.encode())
	f.Add(aReply.encode())
	f.Add(aHello.encode()[:20])
	f.Add([]byte("INFO {}\r\n"))
	f.Add([]byte(Magic + "\x02\x00\x00\x00"))
	f.Add([]byte(Magic + "\x01\x00\xff\xff"))
	f.Add(seal(make([]byte, preambleSize, 100)))
	f.Add(seal(make([]byte, preambleSize+fixedSize, 100)))
	f.Add(seal(append(make([]byte, preambleSize+fixedSize, 100), 1, 97, 255)))
	f.Fuzz(func(t *testing.T, b []byte) {
		// As it is, and with the preamble and checksum that let the rest be seen.
		for _, message := range [][]byte{b, seal(append(make([]byte, preambleSize), b[:min(len(b), maxBody-4)]...))} {
			src := bytes.NewReader(message)
			body, err := readHandshake(src)
			if err != nil {
				continue
			}
			read := message[:len(message)-src.Len()]
			if h, err := decodeHello(body); err == nil && (body[1]|body[2]|body[3]) == 0 && !bytes.Equal(h.encode(), read) {
				t.Errorf("%x is a hello that encodes to %x", read, h.encode())
			}
			if r, err := decodeReply(body); err == nil {
				text := r.Text
				// What is read of a reply can be logged, and is the same when it is read again.
				if strings.ContainsFunc(r.Cluster+r.Name+r.Instance+text, unicode.IsControl) {
					t.Errorf("%x is a reply that spoils a log", read)
				}
				again, err := readHandshake(bytes.NewReader(r.encode()))
				if err != nil {
					t.Fatal(err)
				}
				if back, err := decodeReply(again); err != nil || back != r {
					t.Errorf("%+v is read again as %+v, %v", r, back, err)
				}
			}
		}
	})
}

// What an accepting node does with those who come.
func TestAcceptingEndOfTheHandshake(t *testing.T) {
	hi := helloOf(3)
	hi.Username, hi.Password = "route", "secret"
	with := func(change func(*hello)) []byte {
		h := hi
		change(&h)
		return h.encode()
	}
	reseal := func(at int, to byte) []byte {
		b := hi.encode()
		b = b[:len(b)-4]
		b[at] = to
		return seal(b)
	}
	version := hi.encode()
	version[8] = 7
	for _, tt := range []struct {
		name string
		send []byte
		// reason and text are answered; none if text is empty.
		reason Reason
		text   string
		logged string
	}{
		{"another cluster", with(func(h *hello) { h.Cluster = "west" }), RefusedCluster, `server n2 is of cluster "east", not "west"`, `not "west"`},
		{"no cluster", with(func(h *hello) { h.Cluster = "" }), RefusedMalformed, `"" is not the name of a cluster, server or process`, `"" is not the name`},
		{"no name", with(func(h *hello) { h.Name = "" }), RefusedMalformed, `"" is not the name of a cluster, server or process`, `"" is not the name`},
		{"name for the log", with(func(h *hello) { h.Instance = "a\nb" }), RefusedMalformed, `"a\nb" is not the name of a cluster, server or process`, `is not the name`},
		{"wrong user", with(func(h *hello) { h.Username = "router" }), RefusedCredentials, "server n2 wants another user or password", "wants another"},
		{"wrong password", with(func(h *hello) { h.Password = "Secret" }), RefusedCredentials, "server n2 wants another user or password", "wants another"},
		{"no password", with(func(h *hello) { h.Username, h.Password = "", "" }), RefusedCredentials, "server n2 wants another user or password", "wants another"},
		{
			"stranger who asks for nobody", with(func(h *hello) { h.Password, h.To, h.Name = "", 9, "n2" }),
			RefusedCredentials, "server n2 wants another user or password", "wants another",
		},
		{"another node", with(func(h *hello) { h.To = 9 }), RefusedNode, `this is server n2, node 2, not "n2", node 9`, `not "n2", node 9`},
		{"another name", with(func(h *hello) { h.ToName = "two" }), RefusedNode, `this is server n2, node 2, not "two", node 2`, `not "two"`},
		{
			"its own number", with(func(h *hello) { h.From = 2 }), RefusedDuplicate,
			`servers "n2" and "n3" have names that make the same number, 2; one of them needs another name`, "the same number",
		},
		{
			"its own name", with(func(h *hello) { h.From, h.Name = 2, "n2" }), RefusedDuplicate,
			"there are two servers of the name n2: this is life-1, the other one process-n3", "the other one process-n3",
		},
		{"itself", with(func(h *hello) { h.From, h.Name, h.Instance = 2, "n2", "life-1" }), RefusedNode, "server n2 has dialled itself", "itself"},
		{"node 0", with(func(h *hello) { h.From = 0 }), RefusedMalformed, "hello comes from node 0", "node 0"},
		{"another version", version, RefusedVersion, "version 7 of the protocol is not supported, only 1", "version 7"},
		{"unknown class", reseal(preambleSize, 77), RefusedMalformed, "hello has class 77, which is unknown", "class 77"},
		{"wrong length of a text", reseal(preambleSize+fixedSize, 9), RefusedMalformed, "length of a text does not fit", "length"},
		{"short body", seal(make([]byte, preambleSize+3)), RefusedMalformed, "hello is too short", "too short"},
		{"checksum", func() []byte { b := hi.encode(); b[20]++; return b }(), 0, "", "checksum"},
		{"no body", []byte(Magic + "\x01\x00\x00\x00"), 0, "", "message of 0 bytes"},
		{"huge body", []byte(Magic + "\x01\x00\xff\xff"), 0, "", "message of 65535 bytes"},
		{"text", []byte("CONNECT {\"verbose\":false}\r\n"), 0, "", `not a raft connection: it begins with "CONNECT `},
		{"silence", nil, 0, "", "timeout"},
		{"half a hello, then silence", hi.encode()[:15], 0, "", "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTCPNetwork(t, Limits{})
				var log journal
				c := n.config(2, nobody)
				c.Logf = log.printf
				c.Authorize = func(username, password string) bool { return username == "route" && password == "secret" }
				tr := n.startConfig(c)
				defer tr.Stop()
				conn, err := n.host(3).Dial("tcp", addrOf(2))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write(tt.send); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				answer, err := io.ReadAll(conn)
				if err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("reading the answer: %v", err)
				}
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("the connection was closed after %v", took)
				}
				if tt.text == "" && len(answer) > 0 {
					t.Errorf("answered %x", answer)
				} else if tt.text != "" {
					body, err := readHandshake(bytes.NewReader(answer))
					if err != nil {
						t.Fatalf("answer %x: %v", answer, err)
					}
					if r, err := decodeReply(body); err != nil || r.Reason != tt.reason || r.Text != tt.text || r.Node != 2 {
						t.Errorf("answered %+v, %v; want reason %d, %q", r, err, tt.reason, tt.text)
					}
				}
				synctest.Wait()
				if r := tr.Refused(); r[tt.reason] != 1 || len(r) != 1 {
					t.Errorf("%v connections count as refused", r)
				}
				log.want(t, "refused the connection from n3:", tt.logged)
			})
		})
	}
}

// What a dialling node does with what it finds.
func TestDiallingEndOfTheHandshake(t *testing.T) {
	good := reply{Node: 2, Incarnation: 7, MaxFrame: 1000, Cluster: "east", Name: "n2", Instance: "x"}
	with := func(change func(*reply)) []byte {
		r := good
		change(&r)
		return r.encode()
	}
	refusal := with(func(r *reply) { r.Reason, r.Text = RefusedCluster, "go \xff\n away" })
	want := hello{
		Class: host.Normal, From: 1, Incarnation: 101, To: 2,
		Cluster: "east", Name: "n1", Instance: "life-1", ToName: "n2", Username: "of n2", Password: "at n2:6222",
	}
	damaged := good.encode()
	damaged[15]++
	for _, tt := range []struct {
		name   string
		answer []byte
		hangUp bool
		want   string
	}{
		{"another node", with(func(r *reply) { r.Node = 5 }), false, "server n2 answers, node 5"},
		{"another server", with(func(r *reply) { r.Name = "two" }), false, "server two answers, node 2"},
		{"another cluster", with(func(r *reply) { r.Cluster = "west" }), false, `a server of cluster "west" answers`},
		{"no name", with(func(r *reply) { r.Name = "" }), false, `"" is not the name`},
		{"later version", append([]byte(Magic+"\x02\x00\x03\x00"), "abc"...), false, "version 2 of the protocol is not supported, only 1"},
		{"refusal", refusal, true, "refused: go ?? away"},
		{"text", []byte("INFO {\"server_id\":\"abc\"}\r\n"), false, `not a raft connection: it begins with "INFO {\"s"`},
		{"damaged", damaged, false, "checksum"},
		{"short", seal(make([]byte, preambleSize+3)), false, "too short"},
		{"cut", good.encode()[:20], true, "unexpected EOF"},
		{"hung up", nil, true, "EOF"},
		{"silence", nil, false, "no answer to the handshake within 3s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTCPNetwork(t, Limits{})
				var log journal
				c := n.config(1, nobody)
				c.Logf = log.printf
				c.Credentials = func(to Peer) (string, string) { return "of " + to.Name, "at " + to.Addr }
				tr := n.startConfig(c)
				defer tr.Stop()
				l, err := n.host(2).Listen("tcp", ":6222")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if !tr.Send(2, host.Normal, []byte("x")) {
					t.Fatal("dropped at first demand")
				}
				conn, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				body, err := readHandshake(conn)
				if err != nil {
					t.Fatal(err)
				}
				if h, err := decodeHello(body); err != nil || h != want {
					t.Errorf("said %+v, %v", h, err)
				}
				if _, err := conn.Write(tt.answer); err != nil {
					t.Fatal(err)
				}
				if tt.hangUp {
					conn.Close()
				} else if k, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the connection is not closed: %d bytes, %v", k, err)
				}
				time.Sleep(20 * time.Millisecond)
				if tr.Send(2, host.Normal, []byte("x")) {
					t.Error("frames are queued right after a failed attempt")
				}
				log.want(t, "cannot connect to server n2 (normal) at n2:6222: ", tt.want)
				if s := tr.Stats()[0].Out[host.Normal]; s.Dropped != 2 || s.Err == nil || !s.Connected.IsZero() || s.Connects != 0 || s.Failures != 1 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}
