package jetstream

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/raft"
)

// office is where a server hears what is for the groups that it leads, and asks those who
// lead others. Interest is leadership: who leads a group listens on its subject in the
// system account, and nobody else does.
//
// What is on its way to a server that has just ceased to lead would be lost, and its client left without
// an answer. So that server goes on hearing it for a while, without telling the others that it listens, and
// passes it on, or says that the asset is gone.
//
// It is nil on a server that is alone, which leads all that there is. Such an office may be
// told who leads, and asked whether this server does.
type office struct {
	e       *Engine
	account *account.Account
	// inbox is what the subjects of answers to this server begin with.
	inbox string

	mu     sync.Mutex
	closed bool
	// open are those for the groups that are led here.
	open map[raft.GroupID]*account.Subscription
	// late are those for groups that were led here until a moment ago.
	late map[raft.GroupID]*account.Subscription
	// subs are the others.
	subs []*account.Subscription
	// asked are the questions that are not answered, by their numbers.
	asked map[uint64]chan<- reply
	last  uint64
}

// reply is an answer to a question, by number i of those who were asked.
type reply struct {
	i    int
	data []byte
}

const (
	// leaderQueue is the queue group of who leads: while that changes, one of two servers
	// gets what is for it.
	leaderQueue = "leader"
	// apiQueue is that of the servers that take requests of clients.
	apiQueue = "api"

	usageSubject = "$JSL.USAGE"
)

// subjectOfLeader is where the leader of a group listens.
func subjectOfLeader(group raft.GroupID) string {
	if group == metaGroupID {
		return "$JSL.META"
	}
	return "$JSL.G." + strconv.FormatUint(uint64(group), 10)
}

func newOffice(e *Engine) *office {
	return &office{
		e: e, account: e.system.account, inbox: "$JSL.R." + e.cfg.ServerID + ".",
		open: make(map[raft.GroupID]*account.Subscription), late: make(map[raft.GroupID]*account.Subscription), asked: make(map[uint64]chan<- reply),
	}
}

// start begins to hear answers, and questions that are for all.
func (o *office) start() error {
	o.subs = []*account.Subscription{
		{Subject: o.inbox + ">", Handler: o.hear},
		{Subject: usageSubject, Handler: o.tallied},
	}
	for _, sub := range o.subs {
		if err := o.account.Subscribe(sub); err != nil {
			return err
		}
	}
	return nil
}

// close ends hearing, for good.
func (o *office) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.closed = true
	subs := o.subs
	for _, list := range []map[raft.GroupID]*account.Subscription{o.open, o.late} {
		for _, sub := range list {
			subs = append(subs, sub)
		}
	}
	o.open, o.late = nil, nil
	o.mu.Unlock()
	o.account.UnsubscribeAll(subs)
}

// lead has the server hear what is for the leader of a group, or stops that. It is called
// on the apply stage of the group.
func (o *office) lead(group raft.GroupID, leading bool) {
	if o == nil {
		return
	}
	o.mu.Lock()
	old, was := o.open[group], o.late[group]
	if o.closed || leading == (old != nil) {
		o.mu.Unlock()
		return
	}
	sub := &account.Subscription{Subject: subjectOfLeader(group)}
	if leading {
		sub.Queue, sub.Handler = leaderQueue, func(m *account.Message) { o.receive(group, m) }
		o.open[group] = sub
		delete(o.late, group)
		old = was
	} else {
		sub.Local, sub.Handler = true, func(m *account.Message) {
			if !bytes.HasPrefix(m.Reply, []byte(o.inbox)) {
				o.receive(group, m) // others know no better
			}
		}
		o.late[group] = sub
		delete(o.open, group)
		o.e.cfg.Clock.AfterFunc(lateFor, func() { o.ignore(group, sub) })
	}
	o.mu.Unlock()
	if err := o.account.Subscribe(sub); err != nil {
		o.e.cfg.Logger.Errorf("JetStream: listening on %s: %v", sub.Subject, err)
	}
	if old != nil {
		o.account.Unsubscribe(old)
	}
}

// lateFor is how long a server goes on hearing what is for a leader that it was: longer than
// messages between servers take.
const lateFor = 2 * time.Second

// ignore ends hearing what comes late.
func (o *office) ignore(group raft.GroupID, sub *account.Subscription) {
	o.mu.Lock()
	found := o.late[group] == sub
	if found {
		delete(o.late, group)
	}
	o.mu.Unlock()
	if found {
		o.account.Unsubscribe(sub)
	}
}

// leads reports whether this server leads a group, as far as it knows.
func (o *office) leads(group raft.GroupID) bool {
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[group] != nil
}

// send sends a message to the leader of a group. It returns false if nobody listens as that.
func (o *office) send(group raft.GroupID, data []byte, answerTo string) bool {
	if !o.isHeard(group) {
		return false
	}
	m := account.NewMessage(subjectOfLeader(group), data)
	m.Reply = []byte(answerTo)
	return o.account.Publish(m) > 0
}

// isHeard reports whether somebody listens as the leader of a group.
func (o *office) isHeard(group raft.GroupID) bool {
	subject := subjectOfLeader(group)
	o.mu.Lock()
	late := o.late[group] != nil
	o.mu.Unlock()
	if !late {
		// Operators may listen to everything, and lead nothing.
		return o.e.system.hears(subject, leaderQueue)
	}
	return slices.ContainsFunc(o.account.Subscriptions(subject), func(s *account.Subscription) bool { return !s.Local })
}

// nobody is where nobody answers a request to: the client gets the answer. It tells who has
// passed it on.
func (o *office) nobody() string { return o.inbox + "0.0" }

// lookEvery is how long to wait for a leader before looking whether one is still wanted.
const lookEvery = 500 * time.Millisecond

// await waits until somebody listens as the leader of a group, or for a while. It returns false if
// ctx ends before.
func (o *office) await(ctx context.Context, group raft.GroupID) bool {
	o.e.awaitInterest(ctx, o.account, subjectOfLeader(group), lookEvery, func() bool { return o.isHeard(group) })
	return ctx.Err() == nil
}

// goneWait bounds how long is waited for a server to have heard that an asset is deleted.
const goneWait = 2 * time.Second

// awaitGone waits until nobody leads a group that was deleted: who asks for it then is told so,
// on whatever server.
func (o *office) awaitGone(ctx context.Context, group raft.GroupID) {
	if o != nil {
		o.e.awaitInterest(ctx, o.account, subjectOfLeader(group), goneWait, func() bool { return !o.isHeard(group) })
	}
}

// awaitInterest waits until something is the case that may be so when interest in a subject has
// come or gone, but no longer than for a time.
func (e *Engine) awaitInterest(ctx context.Context, a *account.Account, subject string, wait time.Duration, is func() bool) {
	if is() {
		return
	}
	changed := make(chan struct{}, 1)
	stop := a.Watch(subject, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	t := e.cfg.Clock.NewTimer(wait)
	defer t.Stop()
	for !is() {
		select {
		case <-changed:
		case <-t.C():
			return
		case <-ctx.Done():
			return
		}
	}
}

// question is one that was asked, of up to a number of others.
type question struct {
	o      *office
	number uint64
	// replies has room for one answer of each.
	replies chan reply
}

// ask begins a question to so many others. It is ended by close.
func (o *office) ask(others int) *question {
	q := &question{o: o, replies: make(chan reply, others)}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	q.number = o.last
	o.asked[q.number] = q.replies
	return q
}

// answerTo is where number i of those who are asked is to answer.
func (q *question) answerTo(i int) string {
	return q.o.inbox + strconv.FormatUint(q.number, 10) + "." + strconv.Itoa(i)
}

func (q *question) close() {
	q.o.mu.Lock()
	defer q.o.mu.Unlock()
	delete(q.o.asked, q.number)
}

// hear takes an answer.
func (o *office) hear(m *account.Message) {
	name, at, _ := strings.Cut(strings.TrimPrefix(string(m.Subject), o.inbox), ".")
	number, err := strconv.ParseUint(name, 10, 64)
	i, ierr := strconv.Atoi(at)
	if err != nil || ierr != nil || len(m.Payload()) > relay.MaxBytes {
		return
	}
	o.mu.Lock()
	replies := o.asked[number]
	o.mu.Unlock()
	if replies == nil {
		return // nobody waits any more
	}
	select {
	case replies <- reply{i, bytes.Clone(m.Payload())}:
	default: // more than were asked
	}
}

// answer answers a question.
func (o *office) answer(to string, data []byte) { o.account.Publish(account.NewMessage(to, data)) }

// receive takes what is for the leader of a group.
func (o *office) receive(group raft.GroupID, m *account.Message) {
	data, from := m.Payload(), string(m.Reply)
	if len(data) > relay.MaxBytes {
		return
	}
	switch {
	case relay.IsRequest(data):
		if q, err := relay.DecodeRequest(bytes.Clone(data)); err == nil {
			o.take(group, q)
		}
	case relay.IsProposal(data) && group == metaGroupID && from != "":
		if p, err := relay.DecodeProposal(bytes.Clone(data)); err == nil {
			o.e.meta.take(p.Op, func(out *relay.Outcome) { o.answer(from, out.Append(nil)) })
		}
	case relay.IsLook(data) && from != "":
		if l, err := relay.DecodeLook(data); err == nil {
			o.e.enqueue(&o.e.questions, &looking{e: o.e, group: group, of: l, answerTo: from})
		}
	}
}

// take has a request answered that somebody has passed on. Who is no tenant here is not
// answered.
func (o *office) take(group raft.GroupID, q *relay.Request) {
	call, ok := api.Parse(q.Subject)
	if !ok {
		return
	}
	e := o.e
	var t *tenant
	if call.Op.IsSystem() {
		if t = e.system; q.Account != t.account.Name() {
			return
		}
	} else {
		e.mu.RLock()
		t = e.accounts[q.Account]
		e.mu.RUnlock()
	}
	if t == nil || !t.enabled() {
		return
	}
	r := &request{
		Call: call, tenant: t, told: json.RawMessage(q.Client), subject: q.Subject, reply: q.Reply, header: q.Header, body: q.Body,
		passed: q.Hops, left: q.Left, index: raft.Index(q.Index),
	}
	if q.Made != nil {
		r.made = &made{group: group, Made: *q.Made}
	}
	t.enqueue(r)
}
