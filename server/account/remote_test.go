package account

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/proto"
)

// What a message looks like to another server: one copy with the groups that were drawn,
// the subject that listeners see if that is another one, and the subject in
// the importing account.
func TestHeads(t *testing.T) {
	accounts := exporterAndImporter(t)()
	w := &wire{}
	w.Receiver, w.Encoder = w, w
	add := func(a *Account, subj, queue string) {
		if err := a.Subscribe(&Subscription{Subject: subj, Queue: queue, Target: &w.Target}); err != nil {
			t.Fatal(err)
		}
	}
	add(accounts[0], "a.*", "q1")
	add(accounts[0], "a.1", "q2")
	add(accounts[0], "a.1", "q1")
	add(accounts[0], "b", "")
	add(accounts[0], "*", "")
	add(accounts[0], "b", "q1")
	add(accounts[1], "from.>", "")
	add(accounts[1], "other", "")
	f := accounts[0].NewFanout(Config{})
	for _, tc := range []struct {
		name, to, subject, reply, header string
		want                             []frame
		n                                int
	}{
		{"plain", "c", "c", "r", "", []frame{{Account: "A", To: "c", Subject: "c", Reply: "r", Size: 2}}, 1},
		{"headers", "c", "c", "", "H", []frame{{Account: "A", To: "c", Subject: "c", HeaderLen: 19, Size: 21}}, 1},
		{"plain and a group", "b", "b", "", "", []frame{{Account: "A", To: "b", Subject: "b", Queues: []string{"q1"}, Size: 2}}, 1},
		{"groups and an import", "a.1", "a.1", "", "", []frame{
			{Account: "A", To: "a.1", Subject: "a.1", Queues: []string{"q1", "q2"}, Size: 2},
			{Account: "B", To: "from.a.1", Subject: "from.a.1", Size: 2},
		}, 2},
		{"forwarded", "c", "stored", "", "", []frame{{Account: "A", To: "c", Subject: "stored", Size: 2}}, 1},
		{"nobody", "d.e", "d.e", "", "", nil, 0},
	} {
		for range 3 { // looked up, kept, and known
			m := NewMessage(tc.subject, []byte("hi"))
			if tc.header != "" {
				m = NewMessage(tc.subject, []byte("hi"), tc.header, "v1")
			}
			m.Reply = []byte(tc.reply)
			r := f.Routes([]byte(tc.to))
			var n int
			if tc.to == tc.subject {
				n = f.Deliver(r, m)
			} else {
				n = f.Forward(r, m)
			}
			f.Flush()
			var got []frame
			for w.sent.Len() > 0 {
				line, _ := w.sent.ReadBytes('\n') // there is one
				var fr frame
				if err := json.Unmarshal(line, &fr); err != nil {
					t.Fatalf("%s: %q: %v", tc.name, line, err)
				}
				if body := w.sent.Next(fr.Size + 2); string(body) != string(m.Body) {
					t.Errorf("%s: body %q", tc.name, body)
				}
				slices.Sort(fr.Queues)
				got = append(got, fr)
			}
			slices.SortFunc(got, func(a, b frame) int { return strings.Compare(a.Account, b.Account) })
			if fmt.Sprint(got) != fmt.Sprint(tc.want) || n != tc.n {
				t.Errorf("%s: %d times %v, want %v", tc.name, n, got, tc.want)
			}
			if r := f.Routes([]byte(tc.to)); r.None() != (tc.n == 0) {
				t.Errorf("%s: None is %t", tc.name, r.None())
			}
		}
	}
}

// The names of groups that one server is told of are bounded, by their number and size;
// another server may still have the others, and the next message is told anew.
func TestNamesAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		groups int
		length int
		named  int
	}{
		{name: "many", groups: proto.MaxQueues + 10, length: 3, named: maxNamed / 4},
		{name: "long", groups: 10, length: 4095, named: 4},
		{name: "few", groups: 10, length: 5, named: 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := New("A")
			var wires [2]*wire
			for i := range wires {
				wires[i] = &wire{}
				wires[i].Receiver, wires[i].Encoder = wires[i], wires[i]
				for k := range tc.groups {
					queue := strconv.FormatInt(int64(k), 36)
					queue += strings.Repeat("-", tc.length-len(queue))
					if err := a.Subscribe(&Subscription{Subject: "x", Queue: queue, Target: &wires[i].Target}); err != nil {
						t.Fatal(err)
					}
				}
			}
			f := a.NewFanout(Config{})
			for range 3 {
				send(f, "x", "")
				f.Flush()
				total := 0
				for _, w := range wires {
					var fr frame
					if err := json.NewDecoder(&w.sent).Decode(&fr); err != nil {
						t.Fatal(err)
					}
					w.sent.Reset()
					total += len(fr.Queues)
					if len(fr.Queues) > tc.named {
						t.Errorf("%d groups named", len(fr.Queues))
					}
				}
				if want := min(tc.groups, 2*tc.named); total != want {
					t.Errorf("%d groups got it, want %d", total, want)
				}
			}
		})
	}
}

// Messages to subjects that are not kept each have their own, though the same servers
// get them.
func TestHeadsOfUnknownSubjects(t *testing.T) {
	a, w := New("A"), &wire{}
	w.Receiver, w.Encoder = w, w
	for _, queue := range []string{"", "q"} {
		if err := a.Subscribe(&Subscription{Subject: "x.*", Queue: queue, Target: &w.Target}); err != nil {
			t.Fatal(err)
		}
	}
	f := a.NewFanout(Config{})
	for i := range 3 {
		send(f, fmt.Sprint("x.", i), "")
	}
	f.Flush()
	var want string
	for i := range 3 {
		subj := fmt.Sprint("x.", i)
		want += string(w.write(frame{Account: "A", To: subj, Subject: subj, Queues: []string{"q"}})) + "\r\n"
	}
	if got := w.sent.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A trace tells of the other servers that a message goes to, once each, and of those in
// importing accounts only if the import allows it.
func TestTraceRemote(t *testing.T) {
	for _, allow := range []bool{false, true} {
		for _, only := range []bool{false, true} {
			a, b, w := New("A"), New("B"), &wire{}
			im := streams(t, a, "x", "from.x")
			im.Streams[0].AllowTrace = allow
			b.Import(im)
			w.Receiver, w.Encoder = w, w
			for acc, subjects := range map[*Account][]string{a: {"x", "*"}, b: {"from.*", "from.x"}} {
				for _, subj := range subjects {
					for _, queue := range []string{"", "q"} {
						if err := acc.Subscribe(&Subscription{Subject: subj, Queue: queue, Target: &w.Target}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			f := a.NewFanout(Config{})
			way := &remoteWay{}
			m := NewMessage("x", []byte("hi"))
			n := f.Trace(f.Routes(m.Subject), m, only, way)
			f.Flush()
			slices.Sort(way.told)
			want := []string{"B as from.x", "to a server"}
			if allow {
				want = []string{"B as from.x", "to a server", "to a server in B"}
			}
			if n != 2 || !slices.Equal(way.told, want) {
				t.Errorf("allowed %t: %d copies, told %q", allow, n, way.told)
			}
			if sent := strings.Count(w.sent.String(), "hi"); sent != map[bool]int{false: 2, true: 0}[only] {
				t.Errorf("only %t: sent %d", only, sent)
			}
		}
	}
}

// remoteWay is a Tracer of messages that go to other servers.
type remoteWay struct{ told []string }

func (w *remoteWay) Delivered(s *Subscription, _ *Message, in *Account, problem string) {
	what := "to a server"
	if !s.remote() {
		what = "to somebody"
	}
	if in != nil {
		what += " in " + in.name
	}
	w.told = append(w.told, what+problem)
}

func (w *remoteWay) Stream(to *Account, as []byte) {
	w.told = append(w.told, fmt.Sprintf("%s as %s", to.name, as))
}

func (*remoteWay) Service(*Account, []byte, []byte) {}

// flatEncoder encodes as cheaply as it can be done.
type flatEncoder struct{}

func (flatEncoder) AppendHead(dst []byte, h *Head) []byte {
	dst = append(append(append(dst, h.Account...), ' '), h.To...)
	for _, q := range h.Queues {
		dst = append(append(dst, ' '), q...)
	}
	return dst
}

// To send to another server allocates nothing, whether the subject is known or not.
func TestRemoteAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	a := New("A")
	for _, queue := range []string{"", "q1", "q2"} {
		s := &Subscription{Subject: "x.*", Queue: queue, Target: &Target{Receiver: sink{}, Encoder: flatEncoder{}}}
		if err := a.Subscribe(s); err != nil {
			t.Fatal(err)
		}
	}
	f := a.NewFanout(Config{})
	m := NewMessage("x.1", []byte("hi"))
	buf := []byte("x.00000000")
	i := 0
	for _, known := range []bool{true, false} {
		n := testing.AllocsPerRun(1000, func() {
			if !known {
				i++
				m.Subject = strconv.AppendInt(buf[:2], int64(i), 10)
			}
			if f.Deliver(f.Routes(m.Subject), m) != 3 {
				t.Fatal("not three servers")
			}
			f.Flush()
		})
		if n != 0 {
			t.Errorf("known %t: %v allocations", known, n)
		}
	}
}
