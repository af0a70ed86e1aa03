package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/subject"
)

// mesh are servers that are connected with each other, so far as accounts see it.
type mesh struct {
	t     *testing.T
	nodes []*node
}

// node is a server with its accounts, which all servers have alike.
type node struct {
	accounts []*Account
	// to are the routes to the other nodes, nil to itself.
	to []*wire
	// in takes messages from other servers to subscriptions.
	in *Fanout
}

// wire is one way of a route: what one node has sent and the other not yet read.
type wire struct {
	Target
	sink
	followers map[string]*Follower // by account
	sent      bytes.Buffer
	// messages are the heads of those sent.
	messages []frame
	// theirs are the subscriptions of the sender on the other node.
	theirs map[string]*Subscription
}

// frame is what a wire carries, as a line of JSON. Headers and payload of a message
// follow it.
type frame struct {
	Account            string
	Interest           *Interest
	To, Subject, Reply string
	Queues             []string
	HeaderLen, Size    int
}

func (w *wire) write(f frame) []byte {
	line, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return append(line, '\n')
}

func (w *wire) AppendHead(dst []byte, h *Head) []byte {
	return append(dst, w.write(frame{
		Account: h.Account, To: string(h.To), Subject: string(h.Subject), Reply: string(h.Reply),
		Queues: h.Queues, HeaderLen: h.HeaderLen, Size: h.Size,
	})...)
}

// Accept is that of a route: what others have to know goes first.
func (w *wire) Accept(l *chunk.List, _, _ int64) <-chan struct{} {
	w.tell()
	w.sent.Write(l.Bytes())
	l.Free()
	return nil
}

func (w *wire) tell() {
	for name, f := range w.followers {
		for _, i := range f.Take(nil, 1000) {
			w.sent.Write(w.write(frame{Account: name, Interest: &i}))
		}
	}
}

// newMesh connects n servers which have accounts as made by make.
func newMesh(t *testing.T, n int, make func() []*Account) *mesh {
	ms := &mesh{t: t}
	for range n {
		nd := &node{accounts: make()}
		nd.in = nd.accounts[0].NewFanout(Config{Seed: uint64(len(ms.nodes))})
		ms.nodes = append(ms.nodes, nd)
	}
	for i, from := range ms.nodes {
		for j := range ms.nodes {
			if i == j {
				from.to = append(from.to, nil)
				continue
			}
			w := &wire{followers: map[string]*Follower{}, theirs: map[string]*Subscription{}}
			w.ID, w.Receiver, w.Encoder = uint64(j), w, w
			for _, a := range from.accounts {
				w.followers[a.name] = a.Follow(func() {})
			}
			from.to = append(from.to, w)
		}
	}
	ms.settle(rand.New(rand.NewPCG(1, 1)))
	return ms
}

// settle has everything told and read, in some order.
func (ms *mesh) settle(rng *rand.Rand) {
	for quiet := false; !quiet; {
		quiet = true
		for _, i := range rng.Perm(len(ms.nodes)) {
			for _, j := range rng.Perm(len(ms.nodes)) {
				if i == j {
					continue
				}
				w := ms.nodes[i].to[j]
				w.tell()
				if w.sent.Len() > 0 {
					quiet = false
					ms.read(w, ms.nodes[j], ms.nodes[j].to[i])
				}
			}
		}
	}
}

// read has a node take in what was sent to it. back leads to the sender.
func (ms *mesh) read(w *wire, at *node, back *wire) {
	for w.sent.Len() > 0 {
		line, err := w.sent.ReadBytes('\n')
		var f frame
		if err == nil {
			err = json.Unmarshal(line, &f)
		}
		if err != nil {
			ms.t.Fatalf("%q: %v", line, err)
		}
		acc := at.account(f.Account)
		if f.Interest != nil {
			ms.interest(w, acc, back, f.Interest)
			continue
		}
		w.messages = append(w.messages, f)
		m := &Message{Subject: []byte(f.Subject), Reply: []byte(f.Reply), HeaderLen: f.HeaderLen}
		m.Body = bytes.Clone(w.sent.Next(f.Size + 2))
		var queues [][]byte
		for _, q := range f.Queues {
			queues = append(queues, []byte(q))
		}
		in := at.in.In(acc)
		in.Arrive(in.Routes([]byte(f.To)), m, queues, f.To != f.Subject)
	}
	at.in.Flush()
}

func (ms *mesh) interest(w *wire, acc *Account, back *wire, i *Interest) {
	key := fmt.Sprint(acc.name, " ", i.Subject, " ", i.Queue)
	s := w.theirs[key]
	switch {
	case s == nil && i.Members == 0:
		ms.t.Fatalf("%s ends that never was", key)
	case i.Members == 0:
		acc.Unsubscribe(s)
		delete(w.theirs, key)
	case s == nil:
		s = &Subscription{Subject: i.Subject, Queue: i.Queue, Target: &back.Target}
		s.SetWeight(i.Members)
		w.theirs[key] = s
		if err := acc.Subscribe(s); err != nil {
			ms.t.Fatal(err)
		}
	default:
		s.SetWeight(i.Members)
	}
}

func (nd *node) account(name string) *Account {
	return nd.accounts[slices.IndexFunc(nd.accounts, func(a *Account) bool { return a.name == name })]
}

// exporterAndImporter makes two accounts, where the second imports a stream and a service
// of the first.
func exporterAndImporter(t *testing.T) func() []*Account {
	return func() []*Account {
		a, b := New("A"), New("B")
		im := streams(t, a, "a.*", "from.a.*")
		im.Services = services(t, a, "svc", "ask").Services
		b.Import(im)
		return []*Account{a, b}
	}
}

// meshSub is a subscriber somewhere.
type meshSub struct {
	*Subscription
	*recorder
	at, acc int
	picky   bool
	handled []string
}

// hears gives the subject that a message has for a subscriber, "" if it is not for him.
func (s *meshSub) hears(acc int, subj string) string {
	switch {
	case acc == s.acc:
	case acc == 0 && subject.Matches(subj, "a.*"):
		subj = "from." + subj
	case acc == 1 && subj == "ask":
		subj = "svc"
	default:
		return ""
	}
	if !subject.Matches(subj, s.Subscription.Subject) {
		return ""
	}
	return subj
}

// able tells whether he may have it.
func (s *meshSub) able(subj string) bool {
	return !s.picky || len(subj)%2 == 0
}

func (s *meshSub) take() []string {
	if s.Handler != nil {
		got := s.handled
		s.handled = nil
		return got
	}
	if got := s.recorder.take(); got != "" {
		return strings.SplitAfter(strings.TrimSuffix(got, "\r\n"), "\n")
	}
	return nil
}

// Does every plain subscriber on any server get each message once, and of each queue group
// one member, one of the publisher's server if there is one that may, over accounts too?
func TestMeshAgreesWithModel(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 3))
		ms := newMesh(t, 3, exporterAndImporter(t))
		var subs []*meshSub
		var pubs [3][2]*Fanout
		for i, nd := range ms.nodes {
			for k, a := range nd.accounts {
				pubs[i][k] = a.NewFanout(Config{Seed: rng.Uint64()})
			}
		}
		for step := range 500 {
			at := fmt.Sprintf("seed %d step %d", seed, step)
			switch k := rng.IntN(10); {
			case k < 2 && len(subs) < 40:
				s := &meshSub{at: rng.IntN(3), acc: rng.IntN(2)}
				s.Subscription = &Subscription{
					Subject: pick(rng, []string{"a.1", "a.*", "from.a.1", "from.>", "from.a.*", "b", "ask", "svc", ">"}),
					Queue:   pick(rng, []string{"", "", "q1", "q2"}), SID: "1",
				}
				if rng.IntN(3) == 0 {
					s.Handler = func(m *Message) { s.handled = append(s.handled, string(m.Subject)+" "+string(m.Payload())) }
				} else {
					s.recorder = newRecorder(uint64(step), true)
					s.Subscription.Target = &s.recorder.Target
					s.picky = rng.IntN(4) == 0
					s.Filter = evenOnly{}
					s.SetFiltered(s.picky)
				}
				if err := ms.nodes[s.at].accounts[s.acc].Subscribe(s.Subscription); err != nil {
					t.Fatal(err)
				}
				subs = append(subs, s)
			case k == 2 && len(subs) > 0:
				i := rng.IntN(len(subs))
				s := subs[i]
				if s.recorder != nil {
					s.recorder.Close()
				}
				ms.nodes[s.at].accounts[s.acc].Unsubscribe(s.Subscription)
				subs = slices.Delete(subs, i, i+1)
			default:
				ms.settle(rng)
				from, acc := rng.IntN(3), rng.IntN(2)
				subj := pick(rng, []string{"a.1", "a.22", "a.1.2", "b", "from.a.1", "from.a.22", "ask", fmt.Sprint("a.", rng.Uint32())})
				f := pubs[from][acc]
				m := NewMessage(subj, fmt.Append(nil, step), "Some", "header")
				f.Deliver(f.Routes(m.Subject), m)
				f.Flush()
				ms.settle(rng)
				checkMesh(t, at, subs, from, acc, subj, fmt.Sprint(step))
				for i, nd := range ms.nodes {
					for j, w := range nd.to {
						if w == nil {
							continue
						}
						seen := make(map[string]bool)
						for _, fr := range w.messages {
							if key := fr.Account + " " + fr.To; seen[key] || i != from {
								t.Fatalf("%s: %v went from %d to %d, published on %d", at, fr, i, j, from)
							} else {
								seen[key] = true
							}
						}
						w.messages = nil
					}
				}
			}
		}
	}
}

// checkMesh checks who got a message that was published somewhere.
func checkMesh(t *testing.T, at string, subs []*meshSub, from, acc int, subj, payload string) {
	t.Helper()
	groups := make(map[string][]*meshSub)
	got := make(map[*meshSub]bool)
	for _, s := range subs {
		lines := s.take()
		as := s.hears(acc, subj)
		for _, line := range lines {
			if as != "" && strings.Contains(line, as+" ") {
				if got[s] {
					t.Fatalf("%s: %q twice for %q on %d", at, subj, s.Subscription.Subject, s.at)
				}
				got[s] = true
			}
		}
		if len(lines) > 0 && (!got[s] || !s.able(as) || !strings.Contains(strings.Join(lines, ""), payload)) {
			t.Fatalf("%s: %q from %d went to %q on %d as %q", at, subj, from, s.Subscription.Subject, s.at, lines)
		}
		switch {
		case as == "":
		case s.Queue != "":
			name := s.Queue
			if as == "svc" {
				name += " of the service" // which are drawn for by themselves
			}
			groups[name] = append(groups[name], s)
		case got[s] != s.able(as):
			t.Fatalf("%s: %q from %d for %q on %d: %t", at, subj, from, s.Subscription.Subject, s.at, got[s])
		}
	}
	for name, members := range groups {
		n, here, ableHere, unable := 0, 0, 0, 0
		for _, s := range members {
			able := s.able(s.hears(acc, subj))
			if got[s] {
				n++
			}
			if s.at == from && got[s] {
				here++
			}
			if s.at == from && able {
				ableHere++
			}
			if s.at != from && !able {
				unable++
			}
		}
		switch {
		case ableHere > 0 && (n != 1 || here != 1):
			t.Fatalf("%s: %q from %d went to %d of %q, %d of them there", at, subj, from, n, name, here)
		case ableHere == 0 && n > 1, ableHere == 0 && n == 0 && unable == 0 && slices.ContainsFunc(members, func(s *meshSub) bool { return s.at != from }):
			t.Fatalf("%s: %q from %d went to %d of %q", at, subj, from, n, name)
		}
	}
}

// Servers are drawn by the number of members that they have.
func TestWeights(t *testing.T) {
	ms := newMesh(t, 3, func() []*Account { return []*Account{New("A")} })
	rng := rand.New(rand.NewPCG(7, 7))
	got := [3]int{}
	add := func(at int) *Subscription {
		s := &Subscription{Subject: "jobs", Queue: "q", Handler: func(*Message) { got[at]++ }}
		if err := ms.nodes[at].accounts[0].Subscribe(s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	f := ms.nodes[0].accounts[0].NewFanout(Config{Seed: 5})
	publish := func(what string, want [3]int) {
		t.Helper()
		ms.settle(rng)
		got = [3]int{}
		for range 1000 {
			if n := send(f, "jobs", ""); n != 1 {
				t.Fatalf("%s: went to %d", what, n)
			}
		}
		f.Flush()
		ms.settle(rng)
		for i := range got {
			if d := got[i] - want[i]; d < -60 || d > 60 {
				t.Errorf("%s: %v, want about %v", what, got, want)
			}
		}
	}
	add(1)
	publish("one", [3]int{0, 1000, 0})
	add(2)
	publish("two", [3]int{0, 500, 500})
	add(2)
	third := add(2)
	publish("three there", [3]int{0, 250, 750})
	ms.nodes[2].accounts[0].Unsubscribe(third)
	publish("one less", [3]int{0, 333, 667})
	here := add(0)
	publish("one here", [3]int{1000, 0, 0})
	ms.nodes[0].accounts[0].Unsubscribe(here)
	ms.nodes[0].to[1].Close()
	publish("a route is gone", [3]int{0, 0, 1000})
}

// A request to a service of another account finds who answers on whatever server, and the
// answer the requestor, even if he has subscribed only just before.
func TestRequestOverServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for asker := range 3 {
		for responder := range 3 {
			for listener := range 3 {
				for _, asked := range []string{"ask", "svc"} {
					ms := newMesh(t, 3, exporterAndImporter(t))
					from := map[string]int{"svc": 0, "ask": 1}[asked]
					nd := ms.nodes[responder]
					answers := nd.accounts[0].NewFanout(Config{})
					var reply string
					svc := &Subscription{Subject: "svc", Queue: "q", Handler: func(m *Message) {
						reply = string(m.Reply)
						answer := NewMessage(reply, []byte("yes"))
						answers.Deliver(answers.Routes(answer.Subject), answer)
						answers.Flush()
					}}
					if err := nd.accounts[0].Subscribe(svc); err != nil {
						t.Fatal(err)
					}
					if listener != asker {
						ms.settle(rng)
					}
					r := newRecorder(1, true)
					listen(t, ms.nodes[listener].accounts[from], r, "_INBOX.1", "")
					if listener != asker {
						ms.settle(rng) // who listens elsewhere has to be known
					} else {
						for j, w := range nd.to { // only the service is
							if w != nil {
								w.tell()
								ms.read(w, ms.nodes[j], ms.nodes[j].to[responder])
							}
						}
					}
					m := NewMessage(asked, []byte("question"))
					m.Reply = []byte("_INBOX.1")
					f := ms.nodes[asker].accounts[from].NewFanout(Config{})
					if n := f.Deliver(f.Routes(m.Subject), m); n != 1 {
						t.Fatalf("asked on %d for %q of %d: went to %d", asker, asked, responder, n)
					}
					f.Flush()
					ms.settle(rng)
					if got, want := r.take(), "MSG _INBOX.1 1 3\r\nyes\r\n"; got != want {
						t.Errorf("asked on %d for %q of %d, heard on %d: %q (reply %q)", asker, asked, responder, listener, got, reply)
					}
				}
			}
		}
	}
}

// A request that came out of a service goes to no stream import, on this server or
// another.
func TestRequestsAreNotExported(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	ms := newMesh(t, 2, func() []*Account {
		a, b, c := New("A"), New("B"), New("C")
		b.Import(services(t, a, "a.*", "ask.*"))
		c.Import(streams(t, a, "a.*", "a.*"))
		return []*Account{a, b, c}
	})
	got := 0
	for _, nd := range ms.nodes {
		for _, queue := range []string{"", "q"} {
			s := &Subscription{Subject: "a.*", Queue: queue, Handler: func(*Message) { got++ }}
			if err := nd.accounts[2].Subscribe(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		acc  int
		subj string
		want int
	}{{0, "a.1", 3}, {1, "ask.1", 0}} {
		ms.settle(rng)
		f := ms.nodes[0].accounts[tc.acc].NewFanout(Config{})
		got = 0
		send(f, tc.subj, "")
		f.Flush()
		ms.settle(rng)
		if got != tc.want {
			t.Errorf("%q went to %d, want %d", tc.subj, got, tc.want)
		}
	}
}
