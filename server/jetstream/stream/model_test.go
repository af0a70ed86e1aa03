package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// plain is the obvious stream: a slice of messages, and a list of all ids there ever
// were.
type plain struct {
	cfg      *api.StreamConfig
	messages []plainMessage
	last     store.Seq
	lastID   string
	ids      []plainMessage
}

type plainMessage struct {
	seq         store.Seq
	time        int64
	subject, id string
	size        uint64
	ttl         time.Duration // -1: for ever
	marker      bool
}

// plainPublish is what a test publishes.
type plainPublish struct {
	subject, id, rollup, data, ttl string
	// lastSeq and lastOn are expectations, -1 for none.
	lastSeq, lastOn int
	lastID          string
}

func (p *plainPublish) headers() (headers []string) {
	add := func(name, value string) {
		if value != "" {
			headers = append(headers, name+": "+value)
		}
	}
	add("Nats-Msg-Id", p.id)
	add("Nats-Rollup", p.rollup)
	add("Nats-TTL", p.ttl)
	add("Nats-Expected-Last-Msg-Id", p.lastID)
	if p.lastSeq >= 0 {
		add("Nats-Expected-Last-Sequence", fmt.Sprint(p.lastSeq))
	}
	if p.lastOn >= 0 {
		add("Nats-Expected-Last-Subject-Sequence", fmt.Sprint(p.lastOn))
	}
	return headers
}

func (s *plain) on(subject string) (on []plainMessage) {
	for _, m := range s.messages {
		if m.subject == subject {
			on = append(on, m)
		}
	}
	return on
}

func (s *plain) bytes() (n uint64) {
	for _, m := range s.messages {
		n += m.size
	}
	return n
}

// publish returns the number, whether it is a duplicate, and the error's code.
func (s *plain) publish(p *plainPublish, now int64) (seq store.Seq, duplicate bool, code uint16) {
	if p.id != "" {
		for _, m := range slices.Backward(s.ids) {
			if m.id == p.id && now-m.time < int64(s.cfg.DuplicateWindow) {
				return m.seq, true, 0
			}
		}
	}
	on := s.on(p.subject)
	lastOn := store.Seq(0)
	if len(on) > 0 {
		lastOn = on[len(on)-1].seq
	}
	m := plainMessage{
		seq: s.last + 1, time: now, subject: p.subject, id: p.id,
		size: store.MemorySize(len(p.subject), len(block(p.headers()...)), len(p.data)),
	}
	if p.ttl == "never" {
		m.ttl = -1
	} else if p.ttl != "" {
		m.ttl, _ = time.ParseDuration(p.ttl)
	}
	switch {
	case p.lastSeq >= 0 && store.Seq(p.lastSeq) != s.last:
		return 0, false, 10071
	case p.lastOn >= 0 && store.Seq(p.lastOn) != lastOn:
		return 0, false, 10071
	}
	per := int(s.cfg.MaxMsgsPerSubject)
	if s.cfg.Discard == api.DiscardNew {
		replaces := per > 0 && len(on) >= per
		switch {
		case replaces && s.cfg.DiscardNewPerSubject && p.rollup == "":
			return 0, false, 10077
		case s.cfg.MaxMsgs > 0 && len(s.messages) >= int(s.cfg.MaxMsgs) && !replaces:
			return 0, false, 10077
		case s.cfg.MaxBytes > 0 && s.bytes()+m.size > uint64(s.cfg.MaxBytes) && !(replaces && on[0].size >= m.size):
			return 0, false, 10077
		}
	}
	if p.lastID != "" && p.lastID != s.lastID {
		return 0, false, 10070
	}
	s.store(m, p.rollup)
	return m.seq, false, 0
}

func (s *plain) store(m plainMessage, rollup string) {
	s.last, s.lastID = m.seq, m.id
	s.ids = append(s.ids, m)
	s.messages = append(s.messages, m)
	if per := int(s.cfg.MaxMsgsPerSubject); per > 0 {
		for on := s.on(m.subject); len(on) > per; on = on[1:] {
			s.drop(func(o plainMessage) bool { return o.seq == on[0].seq })
		}
	}
	for s.cfg.Discard == api.DiscardOld && (s.cfg.MaxMsgs > 0 && len(s.messages) > int(s.cfg.MaxMsgs) ||
		s.cfg.MaxBytes > 0 && s.bytes() > uint64(s.cfg.MaxBytes)) {
		s.messages = s.messages[1:]
	}
	s.drop(func(o plainMessage) bool {
		return o.seq != m.seq && (rollup == "all" || rollup == "sub" && o.subject == m.subject)
	})
}

func (s *plain) drop(gone func(plainMessage) bool) (n int) {
	before := len(s.messages)
	s.messages = slices.DeleteFunc(slices.Clone(s.messages), gone)
	return before - len(s.messages)
}

func (s *plain) purge(pattern string, before store.Seq, keep int) int {
	var victims []store.Seq
	for _, m := range s.messages {
		if (pattern == "" || subject.Matches(m.subject, pattern)) && (before == 0 || m.seq < before) {
			victims = append(victims, m.seq)
		}
	}
	victims = victims[:max(0, len(victims)-keep)]
	return s.drop(func(m plainMessage) bool { return slices.Contains(victims, m.seq) })
}

// advance expires one message after the other, TTLs first and by their time.
func (s *plain) advance(now int64) {
	for {
		due := -1
		for i, m := range s.messages {
			if m.ttl > 0 && m.time+int64(m.ttl) <= now &&
				(due < 0 || m.time+int64(m.ttl) < s.messages[due].time+int64(s.messages[due].ttl)) {
				due = i
			}
		}
		if due < 0 {
			break
		}
		s.expire(s.messages[due], now)
	}
	for s.cfg.MaxAge > 0 {
		i := slices.IndexFunc(s.messages, func(m plainMessage) bool { return m.ttl >= 0 && m.time+int64(s.cfg.MaxAge) <= now })
		if i < 0 {
			break
		}
		s.expire(s.messages[i], now)
	}
}

func (s *plain) expire(m plainMessage, now int64) {
	on := s.on(m.subject)
	if ttl := s.cfg.SubjectDeleteMarkerTTL; ttl > 0 && !m.marker && on[len(on)-1].seq == m.seq {
		header := block("Nats-Marker-Reason: MaxAge", "Nats-TTL: "+ttl.String(), "Nats-Rollup: sub")
		s.store(plainMessage{
			seq: s.last + 1, time: now, subject: m.subject, ttl: ttl, marker: true,
			size: store.MemorySize(len(m.subject), len(header), 0),
		}, "sub")
	}
	s.drop(func(o plainMessage) bool { return o.seq == m.seq })
}

func TestAgainstPlainStream(t *testing.T) {
	for name, change := range map[string]func(*api.StreamConfig){
		"no limits": func(c *api.StreamConfig) { c.AllowRollup, c.AllowMsgTTL = true, true },
		"limits": func(c *api.StreamConfig) {
			c.AllowRollup, c.MaxMsgs, c.MaxBytes, c.MaxMsgsPerSubject = true, 12, 700, 3
		},
		"age": func(c *api.StreamConfig) { c.AllowMsgTTL, c.MaxAge = true, 20*time.Second },
		"markers": func(c *api.StreamConfig) {
			c.AllowMsgTTL, c.MaxAge, c.SubjectDeleteMarkerTTL, c.MaxMsgsPerSubject = true, 20*time.Second, 3*time.Second, 1
		},
		"discard new": func(c *api.StreamConfig) {
			c.Discard, c.MaxMsgs, c.MaxBytes, c.MaxMsgsPerSubject = api.DiscardNew, 12, 500, 4
		},
		"discard by subject": func(c *api.StreamConfig) {
			c.AllowRollup, c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = true, api.DiscardNew, true, 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				g := newRig(t, func(c *api.StreamConfig) {
					c.DuplicateWindow = 4 * time.Second
					change(c)
				})
				s := &plain{cfg: g.c.Config()}
				r := rand.New(rand.NewPCG(seed, 4))
				for step := range 600 {
					g.now += r.Int64N(second)
					what := "publish"
					switch r.IntN(12) {
					case 0:
						seq := store.Seq(r.Uint64N(uint64(s.last) + 2))
						what = fmt.Sprintf("delete %d", seq)
						res := g.apply(AppendDelete(nil, seq, false))
						if n := s.drop(func(m plainMessage) bool { return m.seq == seq }); (res.Err == nil) != (n == 1) {
							t.Fatalf("seed %d, step %d: %s: %v", seed, step, what, res.Err)
						}
					case 1:
						pattern := []string{"", "s.1", "s.*"}[r.IntN(3)]
						before, keep := store.Seq(r.Uint64N(uint64(s.last)+2)), 0
						if r.IntN(2) == 0 {
							before, keep = 0, r.IntN(4)
						}
						what = fmt.Sprintf("purge %q before %d keep %d", pattern, before, keep)
						res := g.apply(AppendPurge(nil, pattern, before, uint64(keep)))
						if n := s.purge(pattern, before, keep); res.Count != uint64(n) {
							t.Fatalf("seed %d, step %d: %s: %d messages, want %d", seed, step, what, res.Count, n)
						}
					case 2, 3:
						what = "advance"
						g.now += r.Int64N(3 * second)
						g.advance()
						s.advance(g.now)
					default:
						p := randomPublish(r, s)
						res := g.publish(p.subject, p.data, p.headers()...)
						seq, duplicate, code := s.publish(p, g.now)
						got := uint16(0)
						if res.Err != nil {
							got = res.Err.ErrCode
						}
						if got != code || res.Duplicate != duplicate || res.Seq != seq {
							t.Fatalf("seed %d, step %d: %+v is stored as %d, %v, error %v; want %d, %v, error %d",
								seed, step, p, res.Seq, res.Duplicate, res.Err, seq, duplicate, code)
						}
					}
					state := g.st.State()
					if state.Messages != uint64(len(s.messages)) || state.Bytes != s.bytes() || state.Last != s.last {
						t.Fatalf("seed %d, step %d: after %s there is %+v, want %d messages, %d bytes, last %d: %v",
							seed, step, what, state, len(s.messages), s.bytes(), s.last, s.messages)
					}
					var m store.Message
					for _, want := range s.messages {
						if err := g.st.Load(want.seq, &m); err != nil || string(m.Subject) != want.subject || m.Time != want.time {
							t.Fatalf("seed %d, step %d: after %s message %d is %q of %d, %v", seed, step, what, want.seq, m.Subject, m.Time, err)
						}
					}
				}
			}
		})
	}
}

func randomPublish(r *rand.Rand, s *plain) *plainPublish {
	p := &plainPublish{subject: fmt.Sprintf("s.%d", r.IntN(5)), data: string(make([]byte, r.IntN(40))), lastSeq: -1, lastOn: -1}
	if r.IntN(3) == 0 {
		p.id = fmt.Sprint(r.IntN(12))
	}
	if s.cfg.AllowRollup && r.IntN(10) == 0 {
		p.rollup = []string{"sub", "sub", "all"}[r.IntN(3)]
	}
	if s.cfg.AllowMsgTTL && r.IntN(3) == 0 {
		p.ttl = []string{"1s", "4s", "30s", "never"}[r.IntN(4)]
	}
	if r.IntN(8) == 0 {
		p.lastSeq = int(s.last) - r.IntN(2)
		p.lastSeq = max(p.lastSeq, 0)
	}
	if r.IntN(8) == 0 {
		p.lastOn = 0
		if on := s.on(p.subject); len(on) > 0 && r.IntN(3) > 0 {
			p.lastOn = int(on[len(on)-1].seq)
		}
	}
	if r.IntN(12) == 0 {
		p.lastID = []string{s.lastID, "other", "5"}[r.IntN(3)]
	}
	return p
}
