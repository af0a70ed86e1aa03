package proto

import (
	"bytes"
	"strings"
	"testing"
)

// What does one operation cost, of those that a busy server sees most?
func BenchmarkParser(b *testing.B) {
	subject := "orders.eu-west-1.customer-4711.created"
	inbox := "_INBOX.kx8hFGqXbJ2tRvNp3mZcWd.7"
	for _, bm := range []struct{ name, op string }{
		{"PUB-short-128", "PUB foo 128\r\n" + strings.Repeat("x", 128) + "\r\n"},
		{"PUB-long-128", "PUB " + subject + " 128\r\n" + strings.Repeat("x", 128) + "\r\n"},
		{"PUB-reply-16", "PUB " + subject + " " + inbox + " 16\r\n" + strings.Repeat("x", 16) + "\r\n"},
		{"PUB-short-64K", "PUB foo 65536\r\n" + strings.Repeat("x", 65536) + "\r\n"},
		{"HPUB-reply-64", "HPUB " + subject + " " + inbox + " 28 64\r\nNATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n" + strings.Repeat("x", 36) + "\r\n"},
		{"SUB-inbox", "SUB " + inbox + ".* 17\r\n"},
		{"UNSUB", "UNSUB 17 1\r\n"},
		{"PING", "PING\r\n"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			const batch = 64
			chunk := bytes.Repeat([]byte(bm.op), batch)
			p := Parser{MaxControlLine: 4096, MaxPayload: 1 << 20}
			var op Op
			b.SetBytes(int64(len(bm.op)))
			b.ReportAllocs()
			rest := chunk
			for b.Loop() {
				n, _, err := p.Next(rest, &op)
				if n != len(bm.op) || err != nil {
					b.Fatal(n, err)
				}
				if rest = rest[n:]; len(rest) == 0 {
					rest = chunk
				}
			}
		})
	}
}

// What does one operation of another server cost?
func BenchmarkPeerParser(b *testing.B) {
	account := "ORDERS"
	subject := "orders.eu-west-1.customer-4711.created"
	inbox := "_INBOX.kx8hFGqXbJ2tRvNp3mZcWd.7"
	payload := strings.Repeat("x", 128) + "\r\n"
	for _, bm := range []struct {
		name string
		link Link
		op   string
	}{
		{"RMSG-short-128", LinkRoute, "RMSG " + account + " foo 128\r\n" + payload},
		{"RMSG-long-128", LinkRoute, "RMSG " + account + " " + subject + " 128\r\n" + payload},
		{"RMSG-reply-128", LinkRoute, "RMSG " + account + " " + subject + " " + inbox + " 128\r\n" + payload},
		{"RMSG-queues-128", LinkRoute, "RMSG " + account + " " + subject + " + " + inbox + " workers audit 128\r\n" + payload},
		{"RMSG-account-route-128", LinkAccountRoute, "RMSG " + subject + " 128\r\n" + payload},
		{"HMSG-reply-128", LinkRoute, "HMSG " + account + " " + subject + " " + inbox + " 12 128\r\n" + payload},
		{"LMSG-128", LinkLeaf, "LMSG " + subject + " 128\r\n" + payload},
		{"RS+", LinkRoute, "RS+ " + account + " " + inbox + ".*\r\n"},
		{"RS+queue", LinkRoute, "RS+ " + account + " " + subject + " workers 17\r\n"},
		{"PING", LinkRoute, "PING\r\n"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			const batch = 64
			chunk := bytes.Repeat([]byte(bm.op), batch)
			p := PeerParser{Link: bm.link, MaxControlLine: PeerControlLine * 4096, MaxPayload: 1 << 20}
			var op PeerOp
			b.SetBytes(int64(len(bm.op)))
			b.ReportAllocs()
			rest := chunk
			for b.Loop() {
				n, _, err := p.Next(rest, &op)
				if n != len(bm.op) || err != nil {
					b.Fatal(n, err)
				}
				if rest = rest[n:]; len(rest) == 0 {
					rest = chunk
				}
			}
		})
	}
}

// What does it cost to write the control line of a message to another server?
func BenchmarkPeerEncode(b *testing.B) {
	prefix := AppendPeerMsgPrefix([]byte("R"), "", "ORDERS", "orders.eu-west-1.customer-4711.created")
	reply, queues := []byte("_INBOX.kx8hFGqXbJ2tRvNp3mZcWd.7"), []string{"workers", "audit"}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		line := AppendReplyQueues(append(buf, prefix...), reply, queues)
		if line = AppendMsgTail(line, nil, 128); len(line) > cap(buf) {
			b.Fatal(len(line))
		}
	}
}

// What does it cost to find that a message has no header of some name?
func BenchmarkHeaderValue(b *testing.B) {
	block := []byte("NATS/1.0\r\nNats-Msg-Id: kx8hFGqXbJ2tRvNp3mZcWd\r\nContent-Type: application/json\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if HeaderValue(block, "Nats-Trace-Dest") != nil {
			b.Fatal("found")
		}
	}
}
