package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// leader is a stream with an Ingest in front of it, whose proposals are applied at
// once, or later if hold is set.
type leader struct {
	*rig
	g    *Ingest
	out  Output
	hold bool
	// held are proposals that wait.
	held []Proposal
	// log is what was said, in short.
	log []string
}

func newLeader(t testing.TB, change func(*api.StreamConfig), cfg IngestConfig) *leader {
	l := &leader{rig: newRig(t, change)}
	cfg.Zones = time.LoadLocation
	l.g = NewIngest(l.c, cfg, l.now)
	return l
}

// pub publishes a message, whose headers are separated by "|".
func (l *leader) pub(subject, reply, headers, data string) {
	l.t.Helper()
	p := &Publication{Subject: []byte(subject), Reply: []byte(reply), Data: []byte(data)}
	if headers != "" {
		p.Header = block(strings.Split(headers, "|")...)
	}
	l.now++
	l.g.Publish(p, l.now, &l.out)
	l.carryOut()
}

// carryOut does what the Ingest wants done.
func (l *leader) carryOut() {
	l.t.Helper()
	for {
		for _, r := range l.out.Replies {
			l.log = append(l.log, fmt.Sprintf("%s<%s>", r.Subject, r.Data))
		}
		for _, a := range l.out.Abandoned {
			l.log = append(l.log, fmt.Sprintf("abandoned %s: %s", a.Batch, a.Reason))
		}
		l.held = append(l.held, l.out.Proposals...)
		l.out.Reset()
		if l.hold || len(l.held) == 0 {
			return
		}
		p := l.held[0]
		l.held = l.held[1:]
		l.apply(p.Op)
		l.g.Done(&p.Ticket, &l.r, l.now, &l.out)
	}
}

// said returns what was said since the last call.
func (l *leader) said() string {
	s := strings.Join(l.log, " ")
	l.log = nil
	return s
}

func (l *leader) want(want string) {
	l.t.Helper()
	if got := l.said(); got != want {
		l.t.Errorf("said\n%s\nwant\n%s", got, want)
	}
}

func TestIngestPlain(t *testing.T) {
	l := newLeader(t, nil, IngestConfig{Domain: "hub"})
	l.pub("s.a", "r", "", "x")
	l.want(`r<{"stream":"S","seq":1,"domain":"hub"}>`)
	l.pub("s.a", "", "", "x")
	l.want("")
	l.pub("s.a", "r", "Nats-Expected-Stream: T", "x")
	l.want(`r<{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"},"stream":"S","seq":0,"domain":"hub"}>`)
	l.pub("s.a", "r", "Nats-Msg-Id: 7", "x")
	l.pub("s.a", "r", "Nats-Msg-Id: 7", "x")
	l.want(`r<{"stream":"S","seq":3,"domain":"hub"}> r<{"stream":"S","seq":3,"domain":"hub","duplicate": true}>`)

	// What is on the way only is not stored.
	l.g.Publish(&Publication{Subject: []byte("s.b"), Header: []byte("NATS/1.0 503 No Responders\r\nA: b\r\nNats-Request-Info: {}\r\n\r\n")}, l.now, &l.out)
	l.g.Publish(&Publication{Subject: []byte("s.b"), Header: []byte("NATS/1.0 408\r\n\r\n")}, l.now, &l.out)
	l.carryOut()
	if a, b := l.load(4), l.load(5); a != "s.b|A: b|" || b != "s.b|" {
		t.Errorf("stored as %q and %q", a, b)
	}
}

func TestIngestWithoutAcks(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.NoAck, c.AllowAtomic = true, true }, IngestConfig{})
	l.pub("s.a", "r", "", "x")
	l.pub("s.a", "r", "Nats-Expected-Stream: T", "x")
	l.pub("s.a", "r", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1", "x")
	l.want("")
	l.wantList("1:x 2:x")
}

// TestIngestAtomic sends messages with headers, separated by "|", each with a reply, and
// says what comes back to which message.
func TestIngestAtomic(t *testing.T) {
	refused := func(n int, code int, errCode int, text string) string {
		return fmt.Sprintf(`%d<{"error":{"code":%d,"err_code":%d,"description":"%s"},"stream":"S","seq":0}>`, n, code, errCode, text)
	}
	const id = "Nats-Batch-Id: b|"
	for _, tc := range []struct {
		name     string
		off      bool
		cfg      IngestConfig
		messages []string
		said     string
		stored   string
	}{
		{
			"stored", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2", id + "Nats-Batch-Sequence: 3|Nats-Batch-Commit: 1"},
			`1<> 2<> 3<{"stream":"S","seq":3,"batch":"b","count":3}>`, "1:1 2:2 3:3",
		},
		{
			"stored without the last", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2", id + "Nats-Batch-Sequence: 3|Nats-Batch-Commit: eob"},
			`1<> 2<> 3<{"stream":"S","seq":2,"batch":"b","count":2}>`, "1:1 2:2",
		},
		{
			"of one", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1"},
			`1<{"stream":"S","seq":1,"batch":"b","count":1}>`, "1:1",
		},
		{
			"not allowed", true,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1"},
			refused(1, 400, 10174, "atomic publish is disabled"), "",
		},
		{
			"an id too long", false,
			IngestConfig{},
			[]string{"Nats-Batch-Id: " + strings.Repeat("x", 65) + "|Nats-Batch-Sequence: 1"},
			refused(1, 400, 10179, "atomic publish batch ID is invalid"), "",
		},
		{
			"no number", false,
			IngestConfig{},
			[]string{id},
			refused(1, 400, 10175, "atomic publish sequence is missing"), "",
		},
		{
			"no number later", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id},
			`1<> ` + refused(2, 400, 10175, "atomic publish sequence is missing") + ` abandoned b: incomplete`, "",
		},
		{
			"begins late", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 2"},
			refused(1, 400, 10176, "atomic publish batch is incomplete"), "",
		},
		{
			"gap", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 3", id + "Nats-Batch-Sequence: 4|Nats-Batch-Commit: 1"},
			`1<> ` + refused(2, 400, 10176, "atomic publish batch is incomplete") + ` abandoned b: incomplete ` + refused(3, 400, 10176, "atomic publish batch is incomplete"), "",
		},
		{
			"a number again", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1"},
			`1<> ` + refused(2, 400, 10176, "atomic publish batch is incomplete") + ` abandoned b: incomplete ` + refused(3, 400, 10176, "atomic publish batch is incomplete"), "",
		},
		{
			"ends at once", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Batch-Commit: eob"},
			refused(1, 400, 10176, "atomic publish batch is incomplete"), "",
		},
		{
			"another commit", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2|Nats-Batch-Commit: yes"},
			`1<> ` + refused(2, 400, 10200, "atomic publish batch commit is invalid") + ` abandoned b: incomplete`, "",
		},
		{
			"too many messages", false,
			IngestConfig{MaxBatchMessages: 1},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2"},
			`1<> ` + refused(2, 400, 10199, "atomic publish batch is too large: 1") + ` abandoned b: large`, "",
		},
		{
			"as many as there may be, and an end", false,
			IngestConfig{MaxBatchMessages: 1},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2|Nats-Batch-Commit: eob"},
			`1<> 2<{"stream":"S","seq":1,"batch":"b","count":1}>`, "1:1",
		},
		{
			"too many bytes", false,
			IngestConfig{MaxBatchBytes: 150},
			[]string{id + "Nats-Batch-Sequence: 1", id + "Nats-Batch-Sequence: 2"},
			`1<> ` + refused(2, 400, 10199, "atomic publish batch is too large: 2") + ` abandoned b: large`, "",
		},
		{
			"too many batches", false,
			IngestConfig{MaxBatches: 1},
			[]string{id + "Nats-Batch-Sequence: 1", "Nats-Batch-Id: c|Nats-Batch-Sequence: 1"},
			`1<> ` + refused(2, 429, 10210, "atomic publish too many inflight"), "",
		},
		{
			"expects the last id", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Expected-Last-Msg-Id: x"},
			refused(1, 400, 10177, "atomic publish unsupported header used: Nats-Expected-Last-Msg-Id"), "",
		},
		{
			"a level", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Required-Api-Level: 4|Nats-Batch-Commit: 1"},
			`1<{"stream":"S","seq":1,"batch":"b","count":1}>`, "1:1",
		},
		{
			"a level too high", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Required-Api-Level: 99"},
			refused(1, 412, 10185, "JetStream minimum api level required") + ` abandoned b: unsupported`, "",
		},
		{
			"refused at the end", false,
			IngestConfig{},
			[]string{id + "Nats-Batch-Sequence: 1|Nats-Expected-Last-Sequence: 9", id + "Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1"},
			`1<> ` + refused(2, 400, 10071, "wrong last sequence: 0"), "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLeader(t, func(c *api.StreamConfig) { c.AllowAtomic = !tc.off }, tc.cfg)
			for i, headers := range tc.messages {
				l.pub("s.a", fmt.Sprint(i+1), headers, fmt.Sprint(i+1))
			}
			l.want(tc.said)
			l.wantList(tc.stored)
		})
	}
}

func TestIngestAtomicStored(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowAtomic = true }, IngestConfig{})
	l.pub("s.a", "", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1|Nats-Required-Api-Level: 2|A: b", "x")
	l.pub("s.b", "", "Nats-Batch-Id: b|Nats-Batch-Sequence: 2|Nats-Batch-Commit: eob", "y")
	if got, want := l.load(1), "s.a|Nats-Batch-Id: b|Nats-Batch-Sequence: 1|A: b|Nats-Batch-Commit: 1|x"; got != want {
		t.Errorf("stored as %q, want %q", got, want)
	}
	if l.g.staged != 0 || len(l.g.atomic) != 0 {
		t.Errorf("%d bytes of %d batches are staged", l.g.staged, len(l.g.atomic))
	}
}

func TestIngestIdle(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowAtomic, c.AllowBatched = true, true }, IngestConfig{})
	if _, ok := l.g.Deadline(); ok {
		t.Error("there is a deadline without a batch")
	}
	l.pub("s.a", "", "Nats-Batch-Id: a|Nats-Batch-Sequence: 1", "x")
	first := l.now
	l.now += 6 * second
	l.pub("s.a", "", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1", "x")
	l.pub("s.a", "in.f.10.ok.1.0.$FI", "", "x")
	l.said()
	l.now = first + 10*second - 1
	l.g.Tick(l.now, &l.out)
	l.carryOut()
	l.want("")
	l.now++
	if at, ok := l.g.Deadline(); !ok || at > l.now {
		t.Errorf("the deadline is %v away, %v", time.Duration(at-l.now), ok)
	}
	l.g.Tick(l.now, &l.out)
	l.carryOut()
	l.want("abandoned a: timeout")
	l.now = first + 17*second
	l.g.Tick(l.now, &l.out)
	l.carryOut()
	l.want("abandoned b: timeout")
	if n := len(l.c.FastBatches()); n != 0 {
		t.Errorf("%d fast batches are left", n)
	}
	l.pub("s.a", "in.f.10.ok.2.1.$FI", "", "x")
	l.want(`in.f.10.ok.2.1.$FI<{"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"},"stream":"S","seq":0}>`)
}

// TestIngestFastIdle has a message take long until it is stored: its publisher waits, and
// is not idle.
func TestIngestFastIdle(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
	l.pub("s.a", "in.f.10.ok.1.0.$FI", "", "x")
	l.hold = true
	l.pub("s.a", "in.f.10.ok.2.1.$FI", "", "x")
	l.now += 6 * second
	l.hold = false
	l.carryOut()
	stored := l.now
	for _, tc := range []struct {
		after int64
		open  int
	}{{5 * second, 1}, {10*second - 1, 1}, {10 * second, 0}} {
		l.now = stored + tc.after
		l.g.Tick(l.now, &l.out)
		l.carryOut()
		if n := len(l.c.FastBatches()); n != tc.open {
			t.Errorf("%v after the message was stored there are %d batches, want %d", time.Duration(tc.after), n, tc.open)
		}
	}
}

// quota counts what is taken of it.
type quota struct{ left int }

func (q *quota) Take() bool {
	if q.left == 0 {
		return false
	}
	q.left--
	return true
}

func (q *quota) Return() { q.left++ }

func TestIngestQuotas(t *testing.T) {
	atomic, fast := &quota{1}, &quota{1}
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowAtomic, c.AllowBatched = true, true }, IngestConfig{AtomicQuota: atomic, FastQuota: fast})
	l.pub("s.a", "", "Nats-Batch-Id: a|Nats-Batch-Sequence: 1", "x")
	l.pub("s.a", "r", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1", "x")
	l.pub("s.a", "in.f.10.ok.1.0.$FI", "", "x")
	l.said()
	l.pub("s.a", "in.g.10.ok.1.0.$FI", "", "x")
	l.want(`in.g.10.ok.1.0.$FI<{"error":{"code":429,"err_code":10211,"description":"batch publish too many inflight"},"stream":"S","seq":0}>`)
	l.pub("s.a", "", "Nats-Batch-Id: a|Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1", "x")
	if atomic.left != 1 {
		t.Errorf("%d left behind the end of the batch", atomic.left)
	}
	l.pub("s.a", "", "Nats-Batch-Id: b|Nats-Batch-Sequence: 1", "x")
	l.g.Close()
	if atomic.left != 1 || fast.left != 1 {
		t.Errorf("%d and %d left at the end", atomic.left, fast.left)
	}
}

// TestIngestFast sends messages of a batch: flow, gap, number and op as in the reply
// subject, and perhaps a header behind a "|". What is said comes in short.
func TestIngestFast(t *testing.T) {
	const wrong = "|Nats-Expected-Stream: T"
	short := strings.NewReplacer(
		`{"type":"ack",`, `ack{`, `{"type":"gap",`, `gap{`, `{"type":"err",`, `err{`, `"stream":"S",`, "",
		`"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}`, "10060",
		`"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"}`, "10208",
		`"error":{"code":400,"err_code":10206,"description":"batch publish pattern is invalid"}`, "10206",
		`"error":{"code":400,"err_code":10207,"description":"batch publish ID is invalid"}`, "10207",
		`"`, "",
	)
	for _, tc := range []struct {
		name     string
		messages []string
		said     []string // by each message
		stored   string
	}{
		{
			"of one", []string{"10.ok.1.2"}, []string{"{seq:1,batch:b,count:1}"}, "1:1",
		},
		{
			"commit with a message",
			[]string{"2.ok.1.0", "2.ok.2.1", "2.ok.3.2"},
			[]string{"ack{seq:0,msgs:2}", "ack{seq:2,msgs:2}", "{seq:3,batch:b,count:3}"},
			"1:1 2:2 3:3",
		},
		{
			"commit without",
			[]string{"10.ok.1.0", "10.ok.2.1", "10.ok.3.3"},
			[]string{"ack{seq:0,msgs:10}", "", "{seq:2,batch:b,count:2}"},
			"1:1 2:2",
		},
		{
			"a gap that is let pass",
			[]string{"10.ok.1.0", "10.ok.3.1", "10.ok.4.3"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:3}", "{seq:2,batch:b,count:3}"},
			"1:1 2:2",
		},
		{
			"a gap that is not",
			[]string{"10.fail.1.0", "10.fail.3.1", "10.fail.4.1"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:3} {seq:1,batch:b,count:1}", "{10208,seq:0}"},
			"1:1",
		},
		{
			"backwards",
			[]string{"10.ok.1.0", "10.ok.5.1", "10.ok.3.1", "10.ok.6.1"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:5}", "gap{last_seq:6,seq:3} {seq:2,batch:b,count:5}", "{10208,seq:0}"},
			"1:1 2:2",
		},
		{
			"started twice",
			[]string{"10.ok.1.0", "10.ok.1.0"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:1} {seq:1,batch:b,count:1}"},
			"1:1",
		},
		{
			"an error that is let pass",
			[]string{"10.ok.1.0", "10.ok.2.1" + wrong, "10.ok.3.3"},
			[]string{"ack{seq:0,msgs:10}", "err{seq:2,10060}", "{seq:1,batch:b,count:2}"},
			"1:1",
		},
		{
			"an error that is not",
			[]string{"10.fail.1.0", "10.fail.2.1" + wrong, "10.fail.3.1"},
			[]string{"ack{seq:0,msgs:10}", "err{seq:2,10060} {seq:1,batch:b,count:1}", "{10208,seq:0}"},
			"1:1",
		},
		{
			"an error at once",
			[]string{"10.fail.1.0" + wrong, "10.fail.2.1"},
			[]string{"ack{seq:0,msgs:10} {10060,seq:0}", "{10208,seq:0}"},
			"",
		},
		{
			"an error at once that is let pass",
			[]string{"10.ok.1.0" + wrong, "10.ok.2.3"},
			[]string{"ack{seq:0,msgs:10} err{seq:1,10060}", "{seq:0,batch:b,count:1}"},
			"",
		},
		{
			"an error in the last",
			[]string{"10.fail.1.0", "10.fail.2.2" + wrong},
			[]string{"ack{seq:0,msgs:10}", "err{seq:2,10060} {seq:1,batch:b,count:1}"},
			"1:1",
		},
		{
			"an error in the only one", []string{"10.ok.1.2" + wrong}, []string{"{10060,seq:0}"}, "",
		},
		{
			"duplicates are passed over",
			[]string{"10.ok.1.0|Nats-Msg-Id: 1", "10.ok.2.1|Nats-Msg-Id: 1", "10.ok.3.3"},
			[]string{"ack{seq:0,msgs:10}", "", "{seq:1,batch:b,count:2}"},
			"1:1",
		},
		{
			"ping",
			[]string{"10.ok.1.0", "10.ok.1.4", "10.ok.2.2"},
			[]string{"ack{seq:0,msgs:10}", "ack{seq:0,msgs:10}", "{seq:2,batch:b,count:2}"},
			"1:1 2:3",
		},
		{
			"ping that is behind",
			[]string{"10.ok.1.0", "10.ok.2.1", "10.ok.1.4", "10.ok.3.2"},
			[]string{"ack{seq:0,msgs:10}", "", "ack{seq:0,msgs:10}", "{seq:3,batch:b,count:3}"},
			"1:1 2:2 3:4",
		},
		{
			"ping that shows a gap",
			[]string{"10.ok.1.0", "10.ok.3.4", "10.ok.4.2"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:4} ack{seq:0,msgs:10}", "{seq:2,batch:b,count:4}"},
			"1:1 2:3",
		},
		{
			"ping that shows a gap that is not let pass",
			[]string{"10.fail.1.0", "10.fail.3.4"},
			[]string{"ack{seq:0,msgs:10}", "gap{last_seq:2,seq:4} {seq:1,batch:b,count:1}"},
			"1:1",
		},
		{"ping of nothing", []string{"10.ok.1.4"}, []string{"{10208,seq:0}"}, ""},
		{"append to nothing", []string{"10.ok.2.1"}, []string{"{10208,seq:0}"}, ""},
		{"ends at once", []string{"10.ok.1.3"}, []string{"{10206,seq:0}"}, ""},
		{"no op", []string{"10.ok.1.9"}, []string{"{10206,seq:0}"}, ""},
		{"no gap mode", []string{"10.maybe.1.0"}, []string{"{10206,seq:0}"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
			for i, m := range tc.messages {
				place, headers, _ := strings.Cut(m, "|")
				reply := "in.b." + place + ".$FI"
				l.pub("s.a", reply, headers, fmt.Sprint(i+1))
				said := short.Replace(strings.ReplaceAll(strings.ReplaceAll(l.said(), reply+"<", ""), ">", ""))
				if said != tc.said[i] {
					t.Errorf("%s: said\n%s\nwant\n%s", m, said, tc.said[i])
				}
			}
			l.wantList(tc.stored)
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		l := newLeader(t, nil, IngestConfig{})
		l.pub("s.a", "in.b.10.ok.1.0.$FI", "", "x")
		l.want(`in.b.10.ok.1.0.$FI<{"error":{"code":400,"err_code":10205,"description":"batch publish is disabled"},"stream":"S","seq":0}>`)
	})
}

// TestIngestFlow has the acks of a batch come closer together when others come, and
// farther apart when they have gone.
func TestIngestFlow(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
	flows := func(id string, from, to int) (acks []string) {
		for n := from; n <= to; n++ {
			l.pub("s.a", fmt.Sprintf("in.%s.400.fail.%d.%d.$FI", id, n, min(n-1, 1)), "", "")
			for _, said := range l.log {
				_, said, _ = strings.Cut(said, "<")
				acks = append(acks, strings.NewReplacer(`{"type":"ack","seq":`, "", `,"msgs":`, "/", "}>", "").Replace(said))
			}
			l.log = nil
		}
		return acks
	}
	if got := fmt.Sprint(flows("a", 1, 900)); got != "[0/400 400/400 800/400]" {
		t.Errorf("alone: %s", got)
	}
	if got := fmt.Sprint(flows("b", 1, 300)); got != "[0/1 1/2 3/4 7/8 15/16 31/32 63/64 127/128 255/250]" {
		t.Errorf("the second: %s", got)
	}
	if got := fmt.Sprint(flows("a", 901, 1500)); got != "[1200/250 1450/250]" {
		t.Errorf("the first, when there are two: %s", got)
	}
	l.pub("s.a", "in.b.400.fail.301.3.$FI", "", "")
	l.said()
	if got := fmt.Sprint(flows("a", 1501, 2200)); got != "[1700/400 2100/400]" {
		t.Errorf("the first, alone again: %s", got)
	}
}

// TestIngestUnderAnotherLeader has one leader take proposals that are lost with it.
func TestIngestUnderAnotherLeader(t *testing.T) {
	for _, tc := range []struct{ gap, want, stored string }{
		{"ok", `gap{"last_seq":3,"seq":5}>`, "1:1 2:2 3:5"},
		{"fail", `gap{"last_seq":3,"seq":5}> {"stream":"S","seq":2,"batch":"b","count":2}>`, "1:1 2:2"},
	} {
		l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
		send := func(n, op int) {
			l.pub("s.a", fmt.Sprintf("in.b.10.%s.%d.%d.$FI", tc.gap, n, op), "", fmt.Sprint(n))
		}
		send(1, 0)
		send(2, 1)
		l.hold = true
		send(3, 1)
		send(4, 1)
		l.hold, l.held = false, nil
		l.g = NewIngest(l.c, IngestConfig{}, l.now)
		l.said()
		send(2, 4)
		if got := l.said(); !strings.HasSuffix(got, `<{"type":"ack","seq":2,"msgs":1}>`) {
			t.Errorf("a ping is answered with %s", got)
		}
		send(5, 1)
		got := strings.ReplaceAll(strings.ReplaceAll(l.said(), fmt.Sprintf("in.b.10.%s.5.1.$FI<", tc.gap), ""), `{"type":"gap",`, "gap{")
		if got, _, _ = strings.Cut(got, ` {"type":"ack"`); got != tc.want {
			t.Errorf("%s: said %s, want %s", tc.gap, got, tc.want)
		}
		l.wantList(tc.stored)
	}
}

// TestIngestDropped has a proposal refused.
func TestIngestDropped(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
	l.pub("s.a", "in.b.10.fail.1.0.$FI", "", "1")
	l.hold = true
	l.pub("s.a", "in.b.10.fail.2.1.$FI", "", "2")
	l.pub("s.a", "in.b.10.fail.3.1.$FI", "", "3")
	l.pub("s.a", "r", "", "plain")
	l.said()
	for _, p := range l.held {
		l.g.Dropped(&p.Ticket, api.ErrStreamTooManyRequests, &l.out)
	}
	l.hold, l.held = false, nil
	l.carryOut()
	tooMany := `<{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"S","seq":0}>`
	l.want("in.b.10.fail.2.1.$FI" + tooMany + " in.b.10.fail.3.1.$FI" + tooMany + " r" + tooMany)
	l.pub("s.a", "in.b.10.fail.4.1.$FI", "", "4")
	l.want(`in.b.10.fail.4.1.$FI<{"type":"gap","last_seq":2,"seq":4}> in.b.10.fail.4.1.$FI<{"stream":"S","seq":1,"batch":"b","count":1}>`)
	l.wantList("1:1")
}

// TestIngestInFlight has messages on the way while one in front of them is refused.
func TestIngestInFlight(t *testing.T) {
	l := newLeader(t, func(c *api.StreamConfig) { c.AllowBatched = true }, IngestConfig{})
	l.hold = true
	l.pub("s.a", "in.b.10.fail.1.0.$FI", "", "1")
	l.pub("s.a", "in.b.10.fail.2.1.$FI", "Nats-Expected-Stream: T", "2")
	l.pub("s.a", "in.b.10.fail.3.1.$FI", "", "3")
	l.pub("s.a", "in.b.10.fail.4.3.$FI", "", "")
	l.hold = false
	l.carryOut()
	if got := l.said(); strings.Count(got, `"count":1`) != 1 || strings.Count(got, "10208") != 1 || strings.Count(got, `"type":"err"`) != 1 {
		t.Errorf("said %s", got)
	}
	l.wantList("1:1")
	if l.c.store.State().Last != store.Seq(1) {
		t.Error("something else is stored")
	}
}
