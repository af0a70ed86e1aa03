package account

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// services makes imports of another account's services, given as patterns and what
// they are called in turn.
func services(t testing.TB, from *Account, patterns ...string) Imports {
	t.Helper()
	var out Imports
	for i := 0; i+1 < len(patterns); i += 2 {
		im, err := NewServiceImport(from, patterns[i], patterns[i+1])
		if err != nil {
			t.Fatalf("%s as %s: %v", patterns[i], patterns[i+1], err)
		}
		out.Services = append(out.Services, im)
	}
	return out
}

// waiting is how many answers an account expects.
func waiting(a *Account) int {
	a.responses.mu.Lock()
	defer a.responses.mu.Unlock()
	return len(a.responses.pending)
}

// party is a connection in an account that takes part in requests.
type party struct {
	t   *testing.T
	acc *Account
	*recorder
	f *Fanout
}

func join(t *testing.T, a *Account, id uint64, subjects ...string) *party {
	t.Helper()
	p := &party{t: t, acc: a, recorder: newRecorder(id, true)}
	p.account, p.rtt = a.Name(), 5*time.Millisecond
	for _, s := range subjects {
		listen(t, a, p.recorder, s, "")
	}
	p.f = a.NewFanout(Config{Self: &p.Target, Seed: id})
	return p
}

// publish sends a message and tells how many got it.
func (p *party) publish(subj, reply, payload string, headers ...string) int {
	m := NewMessage(subj, []byte(payload), headers...)
	m.Reply, m.From = []byte(reply), &p.Target
	n := p.f.Deliver(p.f.Routes(m.Subject), m)
	p.f.Flush()
	return n
}

// arrived is a message as it came.
type arrived struct{ subject, reply, header, payload string }

// next takes the one message that has come.
func (p *party) next() arrived {
	p.t.Helper()
	list := p.messages()
	if len(list) != 1 {
		p.t.Fatalf("%d messages for %d: %q", len(list), p.ID, list)
	}
	return list[0]
}

// messages takes those that have come.
func (p *party) messages() (list []arrived) {
	p.t.Helper()
	text := p.take()
	for text != "" {
		line, rest, _ := strings.Cut(text, "\r\n")
		var m arrived
		var hdr, size int
		w := strings.Fields(line)
		m.subject = w[1]
		n := 4
		if w[0] == "HMSG" {
			n = 5
			fmt.Sscan(w[len(w)-2], &hdr)
		}
		fmt.Sscan(w[len(w)-1], &size)
		if len(w) > n {
			m.reply = w[3]
		}
		m.header, m.payload = rest[:hdr], rest[hdr:size]
		text = rest[size+2:]
		list = append(list, m)
	}
	return list
}

// info reads what a request says about who asks.
func (m *arrived) info(t *testing.T) (c event.ClientInfo) {
	t.Helper()
	if err := json.Unmarshal(proto.HeaderValue([]byte(m.header), event.RequestInfo), &c); err != nil {
		t.Fatalf("%q: %v", m.header, err)
	}
	return c
}

// A request goes to the service in the other account, and its answer comes back.
func TestRequest(t *testing.T) {
	for _, tc := range []struct {
		name              string
		pattern, as       string
		request, received string
	}{
		{"same name", "svc.add", "svc.add", "svc.add", "svc.add"},
		{"another name", "svc.add", "my.add", "my.add", "svc.add"},
		{"wildcards", "x.*.y.*", "z.$2.$1", "z.1.2", "x.2.y.1"},
		{"wildcards in order", "x.*.*", "z.*.*", "z.1.2", "x.1.2"},
		{"tail", "$JS.API.>", "dlc.>", "dlc.STREAM.NAMES", "$JS.API.STREAM.NAMES"},
		{"many names for one thing", "svc.add", "my.*", "my.thing", "svc.add"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			service, client := New("A"), New("B")
			client.Import(services(t, service, tc.pattern, tc.as))
			server, asker := join(t, service, 1, tc.received), join(t, client, 2, "inbox.*")
			for i := range 3 {
				if n := asker.publish(tc.request, "inbox.1", "ask", "K", "v", "nats-request-info", "fake"); n != 1 {
					t.Fatalf("%d got the request", n)
				}
				m := server.next()
				if m.subject != tc.received || m.payload != "ask" || !strings.HasPrefix(m.reply, "_R_.") || len(m.reply) != len("_R_.123456.123456") {
					t.Fatalf("%+v", m)
				}
				if m.header != "NATS/1.0\r\nK: v\r\nNats-Request-Info: {\"acc\":\"B\",\"rtt\":5000000}\r\n\r\n" {
					t.Errorf("header %q", m.header)
				}
				if !service.HasInterest(m.reply) || service.HasInterest(m.reply[:len(m.reply)-1]+"-") {
					t.Error("it is not known that the answer is waited for")
				}
				if n := server.publish(m.reply, "", fmt.Sprint("answer ", i), "R", "s"); n != 1 {
					t.Errorf("%d got the answer", n)
				}
				want := arrived{"inbox.1", "", "NATS/1.0\r\nR: s\r\n\r\n", fmt.Sprint("answer ", i)}
				if got := asker.next(); got != want {
					t.Errorf("answered with %+v", got)
				}
				if n := server.publish(m.reply, "", "again"); n != 0 || service.HasInterest(m.reply) {
					t.Error("a second answer was taken")
				}
			}
		})
	}
}

func TestRequestIsRefused(t *testing.T) {
	service, client := New("A"), New("B")
	if _, err := NewServiceImport(service, "a.*", "b"); err == nil {
		t.Error("a wildcard that is not used is taken")
	}
	client.Import(services(t, service, "svc", "svc"))
	asker := join(t, client, 2, "inbox.*")
	if n := asker.publish("svc", "inbox.1", ""); n != 0 || waiting(service) != 0 {
		t.Errorf("%d got a request without service, %d wait", n, waiting(service))
	}
	server := join(t, service, 1, "svc")
	server.Close()
	if n := asker.publish("svc", "inbox.1", ""); n != 0 || waiting(service) != 0 {
		t.Errorf("%d got a request to a service that is gone, %d wait", n, waiting(service))
	}
	server = join(t, service, 3, "svc")
	if n := asker.publish("svc", "", "tell"); n != 1 {
		t.Errorf("%d got what is not a request", n)
	}
	if m := server.next(); m.reply != "" || m.payload != "tell" || waiting(service) != 0 {
		t.Errorf("%+v", m)
	}
	client.Import(Imports{})
	if n := asker.publish("svc", "inbox.1", ""); n != 0 {
		t.Error("the import is gone")
	}
}

// How many answers come, by the type of the service?
func TestResponses(t *testing.T) {
	for _, tc := range []struct {
		kind ResponseType
		want string
	}{
		{Singleton, "one"},
		{Streamed, "one two header-only  "},
		{Chunked, "one two header-only  "},
	} {
		service, client := New("A"), New("B")
		list := services(t, service, "svc", "svc")
		list.Services[0].Response = tc.kind
		client.Import(list)
		server, asker := join(t, service, 1, "svc"), join(t, client, 2, "inbox.*")
		asker.publish("svc", "inbox.1", "ask")
		reply := server.next().reply
		got := ""
		for _, answer := range []string{"one", "two", "header-only", "", "late"} {
			if answer == "header-only" {
				server.publish(reply, "", "", "Status", "x")
			} else {
				server.publish(reply, "", answer)
			}
			for _, m := range asker.messages() {
				if m.header != "" {
					m.payload = "header-only"
				}
				if got += m.payload; m.payload != "one" || tc.kind != Singleton {
					got += " "
				}
			}
		}
		if got != tc.want {
			t.Errorf("type %d: %q, want %q", tc.kind, got, tc.want)
		}
	}
}

// What is told of who asks, through one account and through two?
func TestRequestInfo(t *testing.T) {
	a, b, c := New("A"), New("B"), New("C")
	list := services(t, a, "svc.*", "mid.*")
	list.Services[0].Share = true
	b.Import(list)
	c.Import(services(t, b, "mid.*", "mine.*"))
	server := join(t, a, 1, "svc.*")
	direct, far := join(t, b, 2, "inbox.*"), join(t, c, 3, "inbox.*")
	direct.publish("mid.x", "inbox.1", "")
	m := server.next()
	if got := m.info(t); got != (event.ClientInfo{ID: 2, Account: "B", User: "target-2", RTT: direct.rtt}) {
		t.Errorf("%+v", got)
	}
	far.publish("mine.x", "inbox.1", "")
	m = server.next()
	if got := m.info(t); got != (event.ClientInfo{ID: 3, Account: "C", Service: "B", User: "target-3", RTT: far.rtt}) || m.subject != "svc.x" {
		t.Errorf("%s: %+v", m.subject, got)
	}
	if server.publish(m.reply, "", "back") != 1 || far.next().payload != "back" {
		t.Error("the answer did not come back through two accounts")
	}
	// The server itself asks, too.
	n := NewMessage("mine.y", nil)
	c.Publish(n)
	m = server.next()
	if got := m.info(t); got != (event.ClientInfo{Account: "C", Service: "B"}) {
		t.Errorf("%+v", got)
	}
}

// An answer that asks back: the reply leads back, but for acknowledgements, which say
// themselves what they are.
func TestAnswerWithReply(t *testing.T) {
	service, client := New("A"), New("B")
	client.Import(services(t, service, "svc", "svc"))
	server, asker := join(t, service, 1, "svc", "mine.*"), join(t, client, 2, "inbox.*")
	asker.publish("svc", "inbox.1", "")
	server.publish(server.next().reply, "mine.1", "and you?")
	m := asker.next()
	if m.payload != "and you?" || !strings.HasPrefix(m.reply, "_R_.") {
		t.Fatalf("%+v", m)
	}
	if asker.publish(m.reply, "", "me too") != 1 {
		t.Error("the answer to the answer did not arrive")
	}
	if m := server.next(); m.subject != "mine.1" || m.payload != "me too" {
		t.Errorf("%+v", m)
	}
	asker.publish("svc", "inbox.1", "")
	const ack = "$JS.ACK.S.c.1.1.1.1.0"
	server.publish(server.next().reply, ack, "stored")
	if m := asker.next(); m.reply != ack {
		t.Errorf("%+v", m)
	}
	// JetStream forwards what it has stored: the subject stays.
	asker.publish("svc", "inbox.1", "")
	reply := server.next().reply
	stored := NewMessage("orders", []byte("x"))
	if n := server.f.Forward(server.f.Routes([]byte(reply)), stored); n != 1 {
		t.Errorf("%d got it", n)
	}
	server.f.Flush()
	if m := asker.next(); m.subject != "orders" || m.payload != "x" {
		t.Errorf("%+v", m)
	}
}

// Mappings of the service's account apply to requests.
func TestRequestIsMapped(t *testing.T) {
	service, client := New("A"), New("B")
	mapper, err := subject.NewMapper([]subject.Mapping{
		{Source: "svc.v1", Destinations: []subject.MapDestination{{Subject: "svc.v2", Weight: 100}}},
		{Source: "svc.lost", Destinations: []subject.MapDestination{{Subject: "svc.lost", Weight: 0}}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	service.Configure(NoLimits, mapper, nil)
	client.Import(services(t, service, "svc.*", "svc.*"))
	server, asker := join(t, service, 1, "svc.*"), join(t, client, 2)
	asker.publish("svc.v1", "", "")
	if m := server.next(); m.subject != "svc.v2" {
		t.Errorf("%+v", m)
	}
	if asker.publish("svc.lost", "", "") != 0 || len(server.messages()) != 0 {
		t.Error("a message that is to be dropped arrived")
	}
}

// A message that subscribers in several accounts get comes to each of them once and
// whole, also where one account is passed through twice.
func TestRequestOnWindingWays(t *testing.T) {
	a, b := New("A"), New("B")
	b.Import(services(t, a, "one", "start", "two", "end"))
	a.Import(services(t, b, "end", "one"))
	first, last := join(t, a, 1, "one"), join(t, a, 2, "two")
	var between []*party
	for i := range 3 {
		between = append(between, join(t, b, uint64(10+i), "end"))
	}
	asker := join(t, b, 3, "inbox.*")
	for range 3 {
		if n := asker.publish("start", "inbox.1", "hello", "K", "v"); n != 1 {
			t.Fatalf("%d ways", n)
		}
		replies := make(map[string]bool)
		for _, p := range append(between, first, last) {
			m := p.next()
			if m.payload != "hello" || !strings.Contains(m.header, "K: v\r\n") || strings.Count(m.header, event.RequestInfo) != 1 || replies[m.reply] && p == last {
				t.Errorf("%d: %+v", p.ID, m)
			}
			replies[m.reply] = true
			if p.publish(m.reply, "", fmt.Sprint(p.ID)); p == first {
				continue
			}
		}
		// The first answer ends the request.
		if got := asker.next(); got.payload != "10" {
			t.Errorf("%+v", got)
		}
	}
}

// Imports that make a circle for a moment do no harm.
func TestRequestInACircle(t *testing.T) {
	a, b := New("A"), New("B")
	a.Import(services(t, b, "x", "x"))
	b.Import(services(t, a, "x", "x"))
	server := join(t, b, 1, "x")
	asker := join(t, a, 2, "inbox.*")
	if n := asker.publish("x", "inbox.1", ""); n != 1 {
		t.Errorf("%d got it", n)
	}
	if n := len(server.messages()); n == 0 || n > maxHops {
		t.Errorf("%d times", n)
	}
}

// Records of requests end when their time is over, each answer giving a stream more of
// it, and there is a bound on them.
func TestResponsesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, client := New("A"), New("B")
		list := services(t, service, "svc", "svc", "all", "all")
		list.Services[0].Threshold = time.Second
		list.Services[1].Response = Streamed
		client.Import(list)
		server, asker := join(t, service, 1, "svc", "all"), join(t, client, 2, "inbox.*")
		asker.publish("svc", "inbox.1", "")
		early := server.next().reply
		asker.publish("all", "inbox.1", "")
		streamed := server.next().reply
		time.Sleep(500 * time.Millisecond)
		asker.publish("svc", "inbox.1", "")
		late := server.next().reply
		time.Sleep(700 * time.Millisecond)
		if service.HasInterest(early) || !service.HasInterest(late) || !service.HasInterest(streamed) {
			t.Error("the wrong ones have ended")
		}
		if server.publish(early, "", "too late") != 0 || server.publish(late, "", "in time") != 1 {
			t.Error("answers went astray")
		}
		server.publish(streamed, "", "some")
		for range 10 {
			time.Sleep(DefaultThreshold - time.Second)
			if server.publish(streamed, "", "more") != 1 {
				t.Fatal("a stream has ended although it goes on")
			}
		}
		time.Sleep(DefaultThreshold + time.Second)
		if waiting(service) != 0 || service.HasInterest(streamed) {
			t.Errorf("%d wait for ever", waiting(service))
		}
	})
}

func TestResponsesAreBounded(t *testing.T) {
	const bound = 50
	service, client, other := New("A"), New("B"), New("C")
	service.responses.most = bound
	client.Import(services(t, service, "svc", "svc"))
	other.Import(services(t, service, "svc", "svc"))
	server := join(t, service, 1, "svc")
	modest := join(t, other, 3, "inbox.*")
	modest.publish("svc", "inbox.1", "")
	first := server.next().reply
	greedy := join(t, client, 2, "inbox.*")
	var oldest, newest string
	for i := range bound + 10 {
		greedy.publish("svc", "inbox.1", "")
		if newest = server.next().reply; i == 0 {
			oldest = newest
		}
	}
	if n := waiting(service); n != bound+1 {
		t.Errorf("%d wait", n)
	}
	if service.HasInterest(oldest) || !service.HasInterest(newest) || !service.HasInterest(first) {
		t.Error("the wrong ones were given up")
	}
}

// Who waits for an answer is found out, and one that nobody waits for ends a stream.
func TestRequestorIsGone(t *testing.T) {
	service, client := New("A"), New("B")
	list := services(t, service, "svc", "svc")
	list.Services[0].Response = Streamed
	client.Import(list)
	server, asker := join(t, service, 1, "svc"), join(t, client, 2)
	s := listen(t, client, asker.recorder, "inbox.1", "")
	asker.publish("svc", "inbox.1", "")
	reply := server.next().reply
	if server.publish(reply, "", "one") != 1 || !service.HasInterest(reply) {
		t.Error("nobody waits")
	}
	client.Unsubscribe(s)
	if service.HasInterest(reply) || server.publish(reply, "", "two") != 0 || waiting(service) != 0 {
		t.Error("somebody waits")
	}
}

// Messages of one publisher to one receiver keep their order, whichever way they go.
func TestOrderOverAccounts(t *testing.T) {
	a, b := New("A"), New("B")
	list := streams(t, a, "feed", "feed")
	list.Services = services(t, a, "x", "y").Services
	b.Import(list)
	a.Import(services(t, b, "plain", "ask"))
	r, p := join(t, b, 1, "feed", "plain"), join(t, a, 2)
	for i := range 50 {
		m := NewMessage([]string{"feed", "ask"}[i%2], fmt.Append(nil, i))
		p.f.Deliver(p.f.Routes(m.Subject), m)
	}
	p.f.Flush()
	for i, m := range r.messages() {
		if m.payload != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, m.payload)
		}
	}
	if r.msgs != 50 {
		t.Errorf("%d messages", r.msgs)
	}
}

// Does a Fanout forget what it has used to reach other accounts?
func TestAbroadIsForgotten(t *testing.T) {
	service, client := New("A"), New("B")
	client.Import(services(t, service, "svc.*", "svc.*"))
	join(t, service, 1, "svc.*")
	asker := join(t, client, 2)
	for i := range 3 {
		asker.publish(fmt.Sprint("svc.", i), "", "")
	}
	if len(asker.f.abroad) != 1 {
		t.Fatalf("%d ways are known", len(asker.f.abroad))
	}
	for range idleFlushes + 1 {
		asker.f.Flush()
	}
	if asker.f.abroad != nil || asker.f.stages.of != nil {
		t.Error("something is remembered")
	}
	// And while it goes on publishing elsewhere.
	listen(t, client, newRecorder(5, true), "own", "")
	asker.publish("svc.1", "", "")
	for range 3 * sweepPause {
		asker.publish("own", "", "")
	}
	if len(asker.f.abroad) != 0 {
		t.Error("a way is remembered that nothing goes")
	}
}

// Whatever headers a request has, the service gets them all, and one about who asks.
func FuzzDescribe(f *testing.F) {
	for _, block := range []string{
		"", "NATS/1.0\r\n\r\n", "NATS/1.0 503\r\nA: b\r\n\r\n", "NATS/1.0\r\nNats-Request-Info: {}\r\nA:\r\n\r\n", "NATS/1.0\r\nA: b", "NATS/1.0\r\n\r\nA: b\r\n\r\n", "\n\n", ":\r\n:",
		"NATS/1.0\r\nnats-trace-dest: x\r\n\r\n", "Nats-Request-Info: x\r\nA: b\r\n\r\n", "\r\n\r\nA: b",
	} {
		f.Add(block, true)
		f.Add(block, false)
	}
	f.Fuzz(func(t *testing.T, block string, untraced bool) {
		m := &Message{Body: []byte(block + "payload\r\n"), HeaderLen: len(block)}
		want := make(map[string]int)
		proto.Headers(m.Header(), func(name, value []byte) bool {
			want[strings.ToLower(string(name))+":"+string(value)]++
			return true
		})
		for key := range want {
			if strings.HasPrefix(key, "nats-request-info:") || untraced && strings.HasPrefix(key, "nats-trace-dest:") {
				delete(want, key)
			}
		}
		g := &abroad{untraced: untraced}
		g.describe(m, &event.ClientInfo{Account: "B"})
		if string(m.Payload()) != "payload" {
			t.Fatalf("payload %q", m.Payload())
		}
		told := 0
		proto.Headers(m.Header(), func(name, value []byte) bool {
			switch key := strings.ToLower(string(name)) + ":" + string(value); {
			case key == `nats-request-info:{"acc":"B"}`:
				told++
			case untraced && key == "nats-trace-dest:"+event.TraceDisabled:
			default:
				want[key]--
			}
			return true
		})
		if told != 1 {
			t.Errorf("told %d times: %q", told, m.Header())
		}
		for key, n := range want {
			if n > 0 {
				t.Errorf("%q is missing in %q", key, m.Header())
			}
		}
	})
}
