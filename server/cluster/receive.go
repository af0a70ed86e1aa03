package cluster

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// interestKey names what the other end listens to.
type interestKey struct{ account, subject, queue string }

// interest is what the other end listens to.
type interest struct {
	account.Subscription
	account *account.Account
}

// flushEarly is how much may be staged before a chunk is worked off.
const flushEarly = 8 << 20

// Consume works off what has been read. It is conn.Handler's.
func (r *Route) Consume(buf []byte) (n, need int, deep bool) {
	in := &r.in
	in.heard.Add(1)
	in.at.Store(r.cfg.Clock.Now().UnixNano())
	for !in.stopped {
		k, more, err := in.parser.Next(buf[n:], &in.op)
		if err != nil {
			r.unparsable(err)
			break
		}
		if k == 0 {
			need = more
			break
		}
		n += k
		deep = r.do() || deep
	}
	if in.fan != nil {
		// Who is slow here is not waited for: all the others on the other server would wait, too.
		in.fan.Flush()
		in.errands.Run()
	}
	r.conn.Flush()
	// They point into buf, and into accounts that may go.
	in.op, in.account = proto.PeerOp{}, nil
	in.msg = account.Message{}
	clear(in.queues)
	return n, need, deep
}

// do carries out in.op. deep is as in Consume.
func (r *Route) do() (deep bool) {
	switch op := &r.in.op; op.Kind {
	case proto.OpRMsg, proto.OpHMsg:
		r.deliver()
		return false
	case proto.OpRSub:
		r.subscribe()
	case proto.OpRUnsub:
		r.unsubscribe()
	case proto.OpPing:
		r.conn.Append([]byte(proto.Pong))
	case proto.OpPong:
		r.pong()
	case proto.OpInfo:
		r.hear()
	case proto.OpErr:
		r.cfg.Log.Errorf("%s: the other end reports %s", r, op.Args)
	case proto.OpOK:
	default:
		r.unparsable(errUnspoken)
	}
	return true
}

// errUnspoken is for operations that routes have no use for yet.
var errUnspoken = errors.New("an operation that is not for routes")

func (r *Route) unparsable(err error) {
	r.cfg.Log.Errorf("%s: %v", r, err)
	switch {
	case errors.Is(err, proto.ErrMaxPayload):
		r.fail(conn.MaxPayload, "Maximum Payload Violation")
	case errors.Is(err, proto.ErrMaxControlLine):
		r.fail(conn.MaxControlLine, "maximum control line exceeded")
	case errors.Is(err, proto.ErrBadArgs):
		r.fail(conn.ProtocolViolation, "Malformed Arguments")
	default:
		r.fail(conn.ParseError, "Unknown Protocol Operation")
	}
}

// fail ends the route. It is for the reading goroutine.
func (r *Route) fail(why conn.Reason, text string) {
	r.in.stopped = true
	r.Close(why, text)
}

// find returns the account that in.op is about, nil if there is none.
func (r *Route) find() *account.Account {
	name := r.in.op.Account
	if acc := r.in.account; acc != nil && (name == nil || string(name) == acc.Name()) {
		return acc
	}
	if name == nil {
		name = []byte(r.slot.Account)
	}
	r.in.account = r.cfg.Accounts.Account(string(name))
	return r.in.account
}

func (r *Route) key() interestKey {
	op := &r.in.op
	return interestKey{string(op.Account), string(op.Subject), string(op.Queue)}
}

// subscribe takes note of what the other end listens to, or of how many there do in a group.
func (r *Route) subscribe() {
	acc, key := r.find(), r.key()
	if acc == nil {
		r.cfg.Log.Debugf("%s: there is no account %q", r, key.account)
		return
	}
	r.mu.Lock()
	i := r.theirs[key]
	r.mu.Unlock()
	if i != nil {
		i.SetWeight(r.in.op.Weight)
		return
	}
	if !r.cfg.Export.interest(key.subject) {
		r.cfg.Log.Debugf("%s: %q must not be exported", r, key.subject)
		return
	}
	i = &interest{account: acc}
	i.Subject, i.Queue, i.Target = key.subject, key.queue, &r.target
	if r.cfg.Export.inPart(key.subject) {
		i.Filter = r.cfg.Export
		i.SetFiltered(true)
	}
	i.SetWeight(r.in.op.Weight)
	if err := acc.Subscribe(&i.Subscription); err != nil {
		r.cfg.Log.Errorf("%s: %q: %v", r, key.subject, err)
		r.fail(conn.ProtocolViolation, "Invalid Subject")
		return
	}
	r.mu.Lock()
	gone := r.gone
	if !gone {
		r.theirs[key] = i
	}
	r.mu.Unlock()
	if gone {
		acc.Unsubscribe(&i.Subscription)
	}
}

func (r *Route) unsubscribe() {
	key := r.key()
	r.mu.Lock()
	i := r.theirs[key]
	delete(r.theirs, key)
	r.mu.Unlock()
	if i != nil {
		i.account.Unsubscribe(&i.Subscription)
	}
}

// deliver takes a message to those who listen here.
func (r *Route) deliver() {
	in := &r.in
	op, m := &in.op, &in.msg
	in.msgs.Add(1)
	in.bytes.Add(int64(len(op.Msg)))
	if !r.cfg.Import.CanDeliver(op.Subject, "") {
		return // it was asked for together with others
	}
	acc := r.find()
	if acc == nil {
		r.cfg.Log.Debugf("%s: there is no account %q", r, op.Account)
		return
	}
	*m = account.Message{
		Subject: op.Subject, Reply: op.Reply, Body: op.Msg[:len(op.Msg)+len(proto.CRLF)], HeaderLen: op.HeaderLen,
		Errands: &in.errands,
	}
	forwarded := len(op.Reply) > 0 && op.Reply[0] == subjectMark
	if forwarded {
		var ok bool
		if m.Subject, m.Reply, ok = cutSubjectReply(op.Reply); !ok {
			r.unparsable(proto.ErrBadArgs)
			return
		}
	}
	in.queues = in.queues[:0]
	for name := range op.Queues.All {
		in.queues = append(in.queues, name)
	}
	if in.fan == nil {
		in.fan = acc.NewFanout(account.Config{Seed: in.seed})
	}
	f := in.fan.In(acc)
	if n := f.Arrive(f.Routes(op.Subject), m, in.queues, forwarded); n > 0 {
		in.delivered.Add(int64(n))
		in.deliveredBytes.Add(int64(n * m.Size()))
	}
	if in.fan.Staged() > flushEarly {
		in.fan.Flush()
	}
}

// hear hands on what the other end tells of servers.
func (r *Route) hear() {
	info, err := proto.ParseRouteInfo(r.in.op.Args)
	if err != nil {
		r.cfg.Log.Errorf("%s: INFO: %v", r, err)
		r.fail(conn.ProtocolViolation, "Malformed Arguments")
		return
	}
	r.cfg.Owner.Heard(r, &info)
}
