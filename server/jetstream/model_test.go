package jetstream

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// model is what a server should have after what was done to it, in the obvious way:
// lists of messages, and sets of what was acknowledged.
type model struct {
	streams   map[string]*modelStream
	consumers map[string]*modelConsumer // by consumerKey
}

type modelStream struct {
	cfg  api.StreamConfig
	list []modelMessage
	last uint64
	ids  map[string]modelMessage
}

type modelMessage struct {
	seq           uint64
	subject, data string
	at            time.Time
	ttl           time.Duration // 0 is none
}

type modelConsumer struct {
	cfg api.ConsumerConfig
	// settled are the messages whose end was confirmed, held those that were
	// delivered last.
	settled map[uint64]bool
	held    []delivered
	// paused is until when requests wait.
	paused time.Time
	// unsure is set if more may be settled.
	unsure bool
}

func newModel() *model {
	return &model{streams: map[string]*modelStream{}, consumers: map[string]*modelConsumer{}}
}

// clone returns a copy.
func (m *model) clone() *model {
	c := newModel()
	for name, s := range m.streams {
		c.streams[name] = s.clone()
	}
	for key, k := range m.consumers {
		c.consumers[key] = k.clone()
	}
	return c
}

func (s *modelStream) clone() *modelStream {
	d := *s
	d.list, d.ids = slices.Clone(s.list), maps.Clone(s.ids)
	return &d
}

func (k *modelConsumer) clone() *modelConsumer {
	d := *k
	d.settled, d.held = maps.Clone(k.settled), slices.Clone(k.held)
	return &d
}

// adopt takes over from another model what there is of an asset.
func (m *model) adopt(name string, from *model) {
	if strings.Contains(name, ">") {
		delete(m.consumers, name)
		if k := from.consumers[name]; k != nil {
			m.consumers[name] = k.clone()
		}
		return
	}
	delete(m.streams, name)
	if s := from.streams[name]; s != nil {
		m.streams[name] = s.clone()
	}
}

// isCopy reports whether a stream copies others.
func (s *modelStream) isCopy() bool { return s.cfg.Mirror != nil || len(s.cfg.Sources) > 0 }

// published is a message that is published.
type published struct {
	subject, data, id, rollup string
	ttl                       time.Duration
}

func (p published) String() string {
	return fmt.Sprintf("%s of %d bytes on %s %q", strings.TrimRight(p.data, "-"), len(p.data), p.subject, p.headers())
}

func (p *published) headers() (list []string) {
	if p.id != "" {
		list = append(list, api.HeaderMsgID, p.id)
	}
	if p.rollup != "" {
		list = append(list, api.HeaderRollup, p.rollup)
	}
	if p.ttl > 0 {
		list = append(list, api.HeaderTTL, p.ttl.String())
	}
	return list
}

// publish stores messages, all at once, and returns the last one's number, or that of the
// message of which it is a duplicate.
func (s *modelStream) publish(list []published, now time.Time) uint64 {
	seq := s.last
	for _, p := range list {
		if old, ok := s.ids[p.id]; ok && p.id != "" && now.Sub(old.at) < s.cfg.DuplicateWindow {
			return old.seq
		}
		s.last++
		seq = s.last
		m := modelMessage{seq: seq, subject: p.subject, data: p.data, at: now, ttl: p.ttl}
		s.ids[p.id] = m
		s.list = append(s.list, m)
		s.limit(&m)
		s.drop(func(o modelMessage) bool {
			return o.seq < m.seq && (p.rollup == "all" || p.rollup == "sub" && o.subject == m.subject)
		})
	}
	return seq
}

// limit keeps the limits after a message was stored, or changed limits (nil).
func (s *modelStream) limit(m *modelMessage) {
	subjects := map[string]bool{}
	for _, o := range s.list {
		subjects[o.subject] = m == nil || o.subject == m.subject
	}
	for subj, affected := range subjects {
		per := int(s.cfg.MaxMsgsPerSubject)
		for over := s.count(subj) - per; per > 0 && affected && over > 0; over-- {
			i := slices.IndexFunc(s.list, func(o modelMessage) bool { return o.subject == subj })
			s.list = slices.Delete(s.list, i, i+1)
		}
	}
	if over := len(s.list) - int(s.cfg.MaxMsgs); s.cfg.MaxMsgs > 0 && over > 0 {
		s.list = slices.Delete(s.list, 0, over)
	}
}

func (s *modelStream) count(subj string) (n int) {
	for _, o := range s.list {
		if o.subject == subj {
			n++
		}
	}
	return n
}

func (s *modelStream) drop(gone func(modelMessage) bool) { s.list = slices.DeleteFunc(s.list, gone) }

// purge removes what a request asks for.
func (s *modelStream) purge(q *api.StreamPurgeRequest) {
	var victims []uint64
	for _, o := range s.list {
		if (q.Subject == "" || subject.Matches(o.subject, []byte(q.Subject))) && (q.Sequence == 0 || o.seq < q.Sequence) {
			victims = append(victims, o.seq)
		}
	}
	victims = victims[:max(len(victims)-int(q.Keep), 0)]
	s.drop(func(o modelMessage) bool { return slices.Contains(victims, o.seq) })
}

// tick removes what has reached its age.
func (m *model) tick(now time.Time) {
	for _, s := range m.streams {
		s.drop(func(o modelMessage) bool {
			ttl := o.ttl
			if ttl == 0 || s.cfg.MaxAge > 0 && s.cfg.MaxAge < ttl {
				ttl = s.cfg.MaxAge
			}
			return ttl > 0 && now.Sub(o.at) >= ttl
		})
	}
}

// compare looks for differences between what there should be and what there is.
func (m *model) compare(r *rig) {
	r.t.Helper()
	for name, want := range m.streams {
		st := r.e.assigned(r.acc.Name(), name)
		if st == nil {
			r.t.Errorf("stream %s is not there", name)
			continue
		}
		if want.isCopy() || want.cfg.Retention != api.RetainLimits {
			continue // what is in it depends on others
		}
		s := r.e.stream(st.Group.ID)
		var got, wanted []string
		var msg store.Message
		for seq := store.Seq(1); s.store.Next(nil, seq, &msg) == nil; seq = msg.Seq + 1 {
			got = append(got, fmt.Sprintf("%d=%s:%s", msg.Seq, msg.Subject, msg.Data))
		}
		for _, o := range want.list {
			wanted = append(wanted, fmt.Sprintf("%d=%s:%s", o.seq, o.subject, o.data))
		}
		if !slices.Equal(got, wanted) || uint64(s.store.State().Last) != want.last {
			r.t.Errorf("stream %s is at %d, want %d\ngot:  %.2000s\nwant: %.2000s", name, s.store.State().Last, want.last, got, wanted)
		}
	}
}
