package jetstream

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// step is something that a client does, or a while that passes. No time passes but for
// that.
type step struct {
	text string
	// run does it and reports whether it was confirmed. What was not answered, or
	// refused for want of something, may have been done or not.
	run func(r *rig) bool
	// tell has the model do the same, once it was confirmed, and returns what came of it
	// that should not have, if anything.
	tell func(m *model, now time.Time) (fault string)
	// wait is set if time passes, open if an answer is no promise: a delivery leaves before
	// it is in the log.
	wait, open bool
}

// aWhile is how much time passes at once. It is no whole second, so that what is due after
// some seconds is never due just when something else is done.
const aWhile = time.Second + time.Millisecond

// wait is the step in which only time passes.
func wait() step {
	return step{
		text: "a while passes", wait: true,
		run: func(*rig) bool {
			time.Sleep(aWhile)
			return true
		},
		tell: func(*model, time.Time) string { return "" },
	}
}

// request makes a request of the API, and reports whether it was carried out. Errors
// other than those of a server that cannot are the test's fault.
func (r *rig) request(subject string, body any) bool {
	r.t.Helper()
	m, ok := r.ask(subject, body)
	if !ok {
		return false
	}
	var head api.Response
	if err := json.Unmarshal([]byte(m.data), &head); err != nil {
		r.t.Errorf("%s: %v", subject, err)
		return false
	}
	if head.Error != nil && !r.tolerant {
		r.t.Errorf("%s: %v", subject, head.Error)
	}
	return head.Error == nil
}

func createStream(name string, cfg api.StreamConfig, update bool) step {
	op, text := api.OpStreamCreate, "create"
	if update {
		op, text = api.OpStreamUpdate, "update"
	}
	return step{
		text: fmt.Sprintf("%s stream %s, at most %d messages", text, name, cfg.MaxMsgs),
		run:  func(r *rig) bool { return r.request(subjectOf(op, name), &cfg) },
		tell: func(m *model, _ time.Time) string {
			if s := m.streams[name]; s != nil {
				s.cfg = cfg
				s.limit(nil)
			} else {
				m.streams[name] = &modelStream{cfg: cfg, ids: map[string]modelMessage{}}
			}
			return ""
		},
	}
}

func deleteStream(name string) step {
	return step{
		text: "delete stream " + name,
		run:  func(r *rig) bool { return r.request(subjectOf(api.OpStreamDelete, name), nil) },
		tell: func(m *model, _ time.Time) string {
			delete(m.streams, name)
			for key := range m.consumers {
				if strings.HasPrefix(key, name+">") {
					delete(m.consumers, key)
				}
			}
			return ""
		},
	}
}

// publish publishes a message, or an atomic batch if there are several.
func publish(stream string, list ...published) step {
	var got api.PubAck
	return step{
		text: fmt.Sprintf("publish to %s: %v", stream, list),
		run: func(r *rig) bool {
			last := len(list) - 1
			var batch []string
			for i := range list {
				if last > 0 {
					batch = []string{api.HeaderBatchID, "batch-" + strings.TrimRight(list[0].data, "-."), api.HeaderBatchSeq, fmt.Sprint(i + 1)}
				}
				if i < last {
					r.send(list[i].subject, "", []byte(list[i].data), append(list[i].headers(), batch...)...)
				}
			}
			if last > 0 {
				batch = append(batch, api.HeaderBatchCommit, "1")
			}
			ack, ok := r.publish(list[last].subject, list[last].data, append(list[last].headers(), batch...)...)
			if ok && ack.Error != nil && !r.tolerant {
				r.t.Errorf("publishing to %s: %v", stream, ack.Error)
			}
			got = ack
			return ok && ack.Error == nil
		},
		tell: func(m *model, now time.Time) string {
			if want := m.streams[stream].publish(list, now); got.Sequence != want {
				return fmt.Sprintf("acknowledged as number %d (duplicate: %v), want %d", got.Sequence, got.Duplicate, want)
			}
			return ""
		},
	}
}

func purge(stream string, q api.StreamPurgeRequest) step {
	return step{
		text: fmt.Sprintf("purge %s: %+v", stream, q),
		run:  func(r *rig) bool { return r.request(subjectOf(api.OpStreamPurge, stream), &q) },
		tell: func(m *model, _ time.Time) string {
			m.streams[stream].purge(&q)
			return ""
		},
	}
}

func deleteMessage(stream string, seq uint64, erase bool) step {
	return step{
		text: fmt.Sprintf("delete %d of %s, erase %v", seq, stream, erase),
		run: func(r *rig) bool {
			return r.request(subjectOf(api.OpStreamMsgDelete, stream), &api.StreamMsgDeleteRequest{Seq: seq, NoErase: !erase})
		},
		tell: func(m *model, _ time.Time) string {
			m.streams[stream].drop(func(o modelMessage) bool { return o.seq == seq })
			return ""
		},
	}
}

func createConsumer(stream string, cfg api.ConsumerConfig) step {
	return step{
		text: fmt.Sprintf("create consumer %s of %s, waiting %v", cfg.Name, stream, cfg.AckWait),
		run: func(r *rig) bool {
			return r.request(subjectOf(api.OpConsumerCreate, stream, cfg.Name), &api.CreateConsumerRequest{Stream: stream, Config: cfg})
		},
		tell: func(m *model, _ time.Time) string {
			key := consumerKey(stream, cfg.Name)
			if k := m.consumers[key]; k != nil {
				k.cfg = cfg
			} else {
				m.consumers[key] = &modelConsumer{cfg: cfg, settled: map[uint64]bool{}}
			}
			return ""
		},
	}
}

func deleteConsumer(stream, name string) step {
	return step{
		text: fmt.Sprintf("delete consumer %s of %s", name, stream),
		run:  func(r *rig) bool { return r.request(subjectOf(api.OpConsumerDelete, stream, name), nil) },
		tell: func(m *model, _ time.Time) string {
			delete(m.consumers, consumerKey(stream, name))
			return ""
		},
	}
}

func pauseConsumer(stream, name string, d time.Duration) step {
	return step{
		text: fmt.Sprintf("pause consumer %s of %s for %v", name, stream, d),
		run: func(r *rig) bool {
			return r.request(subjectOf(api.OpConsumerPause, stream, name), &api.ConsumerPauseRequest{PauseUntil: time.Now().Add(d)})
		},
		tell: func(m *model, now time.Time) string {
			m.consumers[consumerKey(stream, name)].paused = now.Add(d)
			return ""
		},
	}
}

// pull takes messages, and looks that none of them is settled.
func pull(stream, name string, n int) step {
	key := consumerKey(stream, name)
	var got []delivered
	return step{
		text: fmt.Sprintf("pull %d of %s", n, key), open: true,
		run: func(r *rig) (ok bool) {
			got, ok = r.pull(stream, name, n)
			return ok
		},
		tell: func(m *model, _ time.Time) string {
			k := m.consumers[key]
			k.held = slices.Clone(got)
			for _, d := range got {
				if k.settled[d.StreamSeq] {
					return fmt.Sprintf("message %d was settled, and is delivered", d.StreamSeq)
				}
			}
			return ""
		},
	}
}

// pull is fetch for a server that may not answer.
func (r *rig) pull(stream, consumer string, n int) (list []delivered, ok bool) {
	r.t.Helper()
	b := r.newInbox()
	defer b.close()
	if !r.send(subjectOf(api.OpConsumerNext, stream, consumer), b.sub.Subject, mustJSON(&api.PullRequest{Batch: n, NoWait: true})) {
		return nil, false
	}
	for range n {
		m, ok := b.next(r.patience)
		if !ok {
			return list, false
		}
		if strings.HasPrefix(m.header, "NATS/1.0 4") {
			break
		}
		list = append(list, asDelivered(r.t, m))
	}
	return list, true
}

// settle answers for the ith message that a consumer has delivered.
func settle(stream, name string, d delivered, what string) step {
	key := consumerKey(stream, name)
	return step{
		text: fmt.Sprintf("%s for %d of %s", what, d.StreamSeq, key),
		run: func(r *rig) bool {
			_, ok := r.ask(d.reply, []byte(what))
			return ok
		},
		tell: func(m *model, _ time.Time) string {
			k := m.consumers[key]
			k.held = slices.DeleteFunc(k.held, func(o delivered) bool { return o.reply == d.reply })
			if what == "+ACK" || what == "+TERM" {
				k.settled[d.StreamSeq] = true
			}
			return ""
		},
	}
}

// kinds are the streams that there are in random stories.
var kinds = map[string]api.StreamConfig{
	"L": {MaxMsgs: 40, AllowDirect: true, AllowAtomic: true, AllowRollup: true, AllowMsgTTL: true},
	"K": {MaxMsgsPerSubject: 2, AllowRollup: true, AllowAtomic: true, AllowMsgTTL: true},
	"T": {MaxAge: 6 * time.Second, AllowMsgTTL: true, AllowAtomic: true, Compression: api.S2Compression},
	"S": {MaxMsgs: 30, AllowAtomic: true, AllowMsgTTL: true},
	"I": {Retention: api.RetainInterest, AllowMsgTTL: true, AllowAtomic: true, AllowRollup: true},
	"W": {Retention: api.RetainWorkQueue, AllowMsgTTL: true, AllowAtomic: true, AllowRollup: true},
	"M": {Mirror: &api.StreamSource{Name: "K"}},
	"G": {Sources: []*api.StreamSource{{Name: "S"}, {Name: "T"}}},
}

// teller makes up steps.
type teller struct {
	rng *rand.Rand
	n   int
}

func (t *teller) of(list ...string) string { return list[t.rng.IntN(len(list))] }

func (t *teller) config(name string) api.StreamConfig {
	c := kinds[name]
	c.Name = name
	if !(&modelStream{cfg: c}).isCopy() {
		c.Subjects = []string{name + ".>"}
		c.DuplicateWindow = 5 * time.Second
	}
	return c
}

func (t *teller) published(stream string) published {
	t.n++
	p := published{subject: fmt.Sprintf("%s.%d", stream, t.rng.IntN(4)), data: fmt.Sprint("m", t.n)}
	if t.rng.IntN(20) == 0 {
		p.data += strings.Repeat("-", t.rng.IntN(6000))
	}
	switch t.rng.IntN(8) {
	case 0:
		p.id = fmt.Sprint("id", t.rng.IntN(6))
	case 1:
		// In a stream that copies another it would remove what came from others.
		if kinds[stream].AllowRollup {
			p.rollup = t.of("sub", "sub", "all")
		}
	case 2:
		p.ttl = time.Duration(1+t.rng.IntN(9)) * time.Second
	}
	return p
}

// next makes up a step that makes sense.
func (t *teller) next(m *model) step {
	name := t.of("L", "L", "K", "K", "T", "S", "I", "W", "W", "M", "G")
	s := m.streams[name]
	if s == nil {
		return createStream(name, t.config(name), false)
	}
	consumer := t.of("x", "y")
	if name == "W" {
		consumer = "x" // there can be one only
	}
	key := consumerKey(name, consumer)
	k := m.consumers[key]
	switch p := t.rng.IntN(100); {
	case p < 8:
		return wait()
	case p < 30 && !s.isCopy():
		return publish(name, t.published(name))
	case p < 36 && !s.isCopy():
		var list []published
		for range 2 + t.rng.IntN(4) {
			p := t.published(name)
			p.id, p.rollup = "", ""
			list = append(list, p)
		}
		return publish(name, list...)
	case p < 50 && k == nil, p < 38:
		c := api.ConsumerConfig{Name: consumer, Durable: consumer, AckPolicy: api.AckExplicit, AckWait: time.Duration(3+t.rng.IntN(5)) * time.Second}
		if consumer == "y" {
			c.FilterSubject = name + ".1"
			if s.isCopy() {
				c.FilterSubject = "K.1"
			}
		}
		return createConsumer(name, c)
	case p < 70 && k != nil && k.paused.Before(time.Now()):
		return pull(name, consumer, 1+t.rng.IntN(4))
	case p < 86 && k != nil && len(k.held) > 0:
		return settle(name, consumer, k.held[t.rng.IntN(len(k.held))], t.of("+ACK", "+ACK", "+ACK", "-NAK", "+TERM", "+WPI"))
	case p < 88 && !s.isCopy():
		return purge(name, []api.StreamPurgeRequest{
			{}, {Subject: name + ".1"}, {Sequence: s.last / 2}, {Keep: 3}, {Subject: name + ".2", Keep: 1}, {Subject: name + ".*", Sequence: s.last - min(s.last, 2)},
		}[t.rng.IntN(6)])
	case p < 92 && len(s.list) > 0 && !s.isCopy() && s.cfg.Retention == api.RetainLimits:
		return deleteMessage(name, s.list[t.rng.IntN(len(s.list))].seq, t.rng.IntN(2) == 0)
	case p < 94 && !s.isCopy():
		c := s.cfg
		c.MaxMsgs = int64(10 + t.rng.IntN(40))
		return createStream(name, c, true)
	case p < 95 && k != nil:
		return pauseConsumer(name, consumer, time.Duration(1+t.rng.IntN(3))*time.Second)
	case p < 97 && k != nil:
		return deleteConsumer(name, consumer)
	case p < 98:
		return deleteStream(name)
	}
	return wait()
}
