package stream

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// plans are the schedules of a stream: which message fires when. A schedule lives as
// long as its message is the newest on its subject. Some may be of messages that
// went without being looked at; they are found out when they are due, or in a sweep.
//
// Invariant: due, moments and seqs have the same messages.
type plans struct {
	due     map[store.Seq]int64
	moments timeline
	seqs    seqset.Set
}

func (s *plans) add(seq store.Seq, due int64) {
	if s.due == nil {
		s.due = make(map[store.Seq]int64)
	}
	s.remove(seq)
	s.due[seq] = due
	s.moments.add(moment{due, seq})
	s.seqs.Add(uint64(seq))
}

func (s *plans) remove(seq store.Seq) {
	if due, ok := s.due[seq]; ok {
		delete(s.due, seq)
		s.moments.remove(moment{due, seq})
		s.seqs.Remove(uint64(seq))
	}
}

func (s *plans) clear() { *s = plans{} }

// removeRange forgets those of a range, which are gone.
func (s *plans) removeRange(first, last store.Seq) {
	if s.seqs.IsEmpty() {
		return
	}
	var gone []store.Seq
	for a, b := range s.seqs.Ranges() {
		if a > uint64(last) {
			break
		}
		for seq := max(a, uint64(first)); seq <= min(b, uint64(last)); seq++ {
			gone = append(gone, store.Seq(seq))
		}
	}
	for _, seq := range gone {
		s.remove(seq)
	}
}

var rollupSub = []byte(api.RollupSubject)

// judgeSchedule checks a message that is to be a schedule.
func (c *Core) judgeSchedule(p *publish) *api.Error {
	h := &p.head
	if p.plan.Verdict == Unscheduled {
		return nil
	}
	switch {
	case !c.rules.schedules:
		return api.ErrMessageSchedulesDisabled
	case p.plan.Verdict == BadPattern:
		return api.ErrMessageSchedulesPatternInvalid
	case p.plan.Verdict == BadZone:
		return api.ErrMessageSchedulesTimeZoneInvalid
	}
	if len(h.scheduleTTL) > 0 {
		if _, e := api.ParseTTL(h.scheduleTTL); e != nil {
			return api.ErrMessageSchedulesTTLInvalid
		}
		if !c.rules.ttl {
			return api.ErrMessageTTLDisabled
		}
	}
	if !subject.IsLiteral(h.target) || bytes.Equal(h.target, p.subject) || !c.holds(h.target) {
		return api.ErrMessageSchedulesTargetInvalid
	}
	if len(h.from) > 0 && (!subject.IsLiteral(h.from) || bytes.Equal(h.from, h.target) || bytes.Equal(h.from, p.subject) || !c.holds(h.from)) {
		return api.ErrMessageSchedulesSourceInvalid
	}
	if len(h.scheduleRollup) > 0 && string(h.scheduleRollup) != api.RollupSubject {
		return api.ErrMessageSchedulesRollupInvalid
	}
	switch {
	case len(h.rollup) == 0:
		// There is one schedule on a subject.
		from := len(c.arena)
		c.arena = setHeader(c.arena, p.header, api.HeaderRollup, api.RollupSubject)
		p.header, h.rollup = c.save(from), rollupSub
	case !bytes.EqualFold(h.rollup, rollupSub):
		return api.ErrMessageSchedulesRollupInvalid
	}
	return nil
}

// judgeEnd finds the schedule that a message is to end.
func (c *Core) judgeEnd(p *publish) *api.Error {
	h := &p.head
	if !c.rules.schedules || p.made || string(h.next) != api.SchedulePurge {
		return nil
	}
	if len(h.scheduler) == 0 || bytes.Equal(h.scheduler, p.subject) {
		return api.ErrMessageSchedulesSchedulerInvalid
	}
	on, _ := c.store.Subject(string(h.scheduler))
	if _, ok := c.plans.due[on.Last]; !ok {
		return api.ErrMessageSchedulesSchedulerInvalid
	}
	p.ends = on.Last
	return nil
}

// endSchedule ends the schedule on the subject of a message that is about to be stored.
func (c *Core) endSchedule(p *publish) {
	if len(c.plans.due) > 0 {
		on, _ := c.store.Subject(p.name())
		c.plans.remove(on.Last)
	}
}

// fire publishes what a schedule is for. next is when it fires again, 0 if never.
func (c *Core) fire(seq store.Seq, next, now int64, r *Result) error {
	if due, ok := c.plans.due[seq]; !ok || due > now {
		return nil
	}
	m := &c.due
	err := c.store.Load(seq, m)
	if errors.Is(err, store.ErrNotFound) {
		c.plans.remove(seq)
		return nil
	}
	if err != nil {
		return err
	}
	if next == 0 {
		c.plans.remove(seq)
	} else {
		c.plans.add(seq, next)
	}
	p := &c.pub
	if err := c.produce(p, m, next); err != nil {
		return err
	}
	apiErr, err := c.judge(p, nil)
	if err != nil {
		return err
	}
	if apiErr == nil {
		if err := c.put(p, now, r); err != nil {
			return err
		}
	}
	if next == 0 {
		return c.remove(seq, r)
	}
	return nil
}

// produce makes the message that a schedule publishes.
func (c *Core) produce(p *publish, schedule *store.Message, next int64) error {
	var h headers
	h.scan(schedule.Header)
	header, data := schedule.Header, schedule.Data
	if len(h.from) > 0 {
		if on, ok := c.store.Subject(string(h.from)); ok {
			if err := c.store.Load(on.Last, &c.loaded); err != nil {
				return err
			}
			header, data = c.loaded.Header, c.loaded.Data
		}
	}
	from := len(c.arena)
	c.arena = beginHeader(c.arena)
	c.arena = copyHeaders(c.arena, header, ofSchedule)
	c.arena = addHeader(c.arena, api.HeaderScheduler, schedule.Subject)
	if next == 0 {
		c.arena = addHeader(c.arena, api.HeaderScheduleNext, api.SchedulePurge)
	} else {
		c.arena = addHeader(c.arena, api.HeaderScheduleNext, time.Unix(0, next).UTC().Format(api.ScheduleNextLayout))
	}
	if len(h.scheduleTTL) > 0 {
		c.arena = addHeader(c.arena, api.HeaderTTL, h.scheduleTTL)
	}
	if len(h.scheduleRollup) > 0 {
		c.arena = addHeader(c.arena, api.HeaderRollup, h.scheduleRollup)
	}
	c.arena = append(c.arena, crlf...)
	made := c.save(from)
	from = len(c.arena)
	c.arena = append(c.arena, data...)
	body := c.save(from)
	*p = publish{subject: h.target, header: made, data: body, made: true}
	return nil
}

// ofSchedule reports whether a header is for the schedule, not for what it publishes.
func ofSchedule(name []byte) bool {
	switch string(name) {
	case api.HeaderMsgID, api.HeaderTTL, api.HeaderRollup, api.HeaderStreamSource:
		return true
	}
	return strings.HasPrefix(string(name), api.PrefixSchedule) || strings.HasPrefix(string(name), api.PrefixExpected)
}
