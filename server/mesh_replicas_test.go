package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// publish publishes a message until it is acknowledged, and returns the acknowledgement.
func (p *peer) publish(subject, id string) string {
	p.t.Helper()
	for range 100 {
		p.replies++
		inbox := fmt.Sprintf("_INBOX.%d", p.replies)
		sid := 900 + p.replies
		p.sendf("SUB %s %d\r\n", inbox, sid)
		p.send("HPUB " + hmsg(subject+" "+inbox, "payload of "+id, "Nats-Msg-Id: "+id))
		for range 20 {
			if got, _ := p.settle(); strings.Contains(got, "PING\r\n") {
				p.send("PONG\r\n")
			}
			if got, _ := p.settle(); strings.HasSuffix(got, "}\r\n") || strings.Contains(got, " 503") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		p.sendf("UNSUB %d\r\n", sid)
		got, _ := p.settle()
		p.take(len(got))
		if strings.Contains(got, `"seq"`) {
			return got
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("message %s is not acknowledged", id)
	return ""
}

// Does a stream of three replicas go on without the server of its leader, whose clients get no promise
// that is not kept, and is all there on each of them in the end?
func TestMeshReplicatedStream(t *testing.T) {
	mesh(t, 3, replicated(3, ""), func(tw *town) {
		tw.rest(15 * time.Second)
		tw.wantGroup()
		p := tw.sites[0].connect(asking)
		has(t, p.request("$JS.API.STREAM.CREATE.S", `{"name":"S","subjects":["s.*"],"num_replicas":3}`), "error", nil, "config.num_replicas", 3)
		tw.rest(3 * time.Second)
		led := func(by *peer) *site {
			t.Helper()
			info := by.request("$JS.API.STREAM.INFO.S", "")
			name, _ := value(t, info, "cluster.leader").(string)
			i := slices.IndexFunc(tw.sites, func(s *site) bool { return s.name == name })
			if i < 0 {
				t.Fatalf("nobody leads: %s", info)
			}
			return tw.sites[i]
		}
		leader := led(p)
		for i := range 20 {
			tw.sites[i%3].connect(asking).publish("s.x", fmt.Sprint(i))
		}

		// The leader's server is cut off. It must not acknowledge, and the others go on.
		var others []*site
		for _, s := range tw.sites {
			if s != leader {
				others = append(others, s)
			}
		}
		lonely := leader.connect(asking)
		other := others[0].connect(asking)
		for _, s := range others {
			tw.network.Block(s.host, leader.host)
			tw.network.Block(leader.host, s.host)
		}
		lonely.sub("answer 1")
		lonely.send("PUB s.lost answer 2\r\nhi\r\n")
		for i := 20; i < 40; i++ {
			other.publish("s.x", fmt.Sprint(i))
		}
		tw.rest(3 * time.Second) // after which nobody counts on who does not answer
		if next := led(other); next == leader {
			t.Error("who is cut off leads")
		}
		if got, _ := lonely.settle(); strings.Contains(got, `"seq"`) {
			t.Errorf("a server that is cut off says %q", got)
		}
		for _, s := range others {
			tw.network.Unblock(s.host, leader.host)
			tw.network.Unblock(leader.host, s.host)
		}
		tw.rest(30 * time.Second)
		for _, s := range tw.sites {
			q := s.connect(asking)
			info := q.request("$JS.API.STREAM.INFO.S", "")
			if n, _ := value(t, info, "state.messages").(float64); n < 40 || n > 41 {
				t.Errorf("by %s there are %v messages: %s", s.name, n, info)
			}
			for i := range 2 {
				has(t, info, fmt.Sprintf("cluster.replicas.%d.current", i), true)
			}
		}

		// A second time all go, one after the other, while messages come.
		for i, s := range tw.sites {
			s.shutdown()
			q := tw.sites[(i+1)%3].connect(asking)
			for j := range 5 {
				q.publish("s.y", fmt.Sprintf("%s %d", s.name, j))
			}
			s.start()
			tw.rest(10 * time.Second)
		}
		tw.wantGroup()
		q := tw.sites[1].connect(asking)
		info := q.request("$JS.API.STREAM.INFO.S", "")
		if n, _ := value(t, info, "state.messages").(float64); n < 55 || n > 56 {
			t.Errorf("in the end there are %v messages: %s", n, info)
		}

		// Who takes them gets each, in order.
		has(t, q.request("$JS.API.CONSUMER.CREATE.S.C.s.y", `{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.y"}}`), "error", nil)
		tw.rest(3 * time.Second)
		q = tw.sites[2].connect(asking)
		q.sub("inbox 1")
		const batch = `{"batch":15}`
		q.sendf("PUB $JS.API.CONSUMER.MSG.NEXT.S.C inbox %d\r\n%s\r\n", len(batch), batch)
		tw.rest(3 * time.Second)
		got, _ := q.settle()
		at := 0
		for _, s := range tw.sites {
			for j := range 5 {
				text := fmt.Sprintf("payload of %s %d\r\n", s.name, j)
				n := strings.Index(got[at:], text)
				if n < 0 {
					t.Fatalf("%q is not in its place: %s", text, brief(got))
				}
				at += n
			}
		}
	})
}
