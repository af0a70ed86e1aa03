package stream

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// judgeExpected compares what a publisher expects of the stream with what is. What
// is not a number equals none.
func (c *Core) judgeExpected(p *publish, b *batch) (*api.Error, error) {
	h := &p.head
	if len(h.lastSeq) > 0 {
		last := c.store.State().Last
		if b != nil && b.messages > 0 {
			return api.ErrAtomicPublishUnsupportedHeaderBatch.With("header", api.HeaderExpectedLastSeq), nil
		}
		if want, ok := parseSeq(h.lastSeq); !ok || want != last {
			return wrongLast(last), nil
		}
	}
	if len(h.lastSubjectSeq) == 0 {
		if len(h.lastSubject) > 0 {
			return api.ErrStreamExpectedLastSeqPerSubjectInvalid, nil
		}
		return nil, nil
	}
	on := p.subject
	if len(h.lastSubject) > 0 {
		on = h.lastSubject
	}
	if b != nil && b.touches(on) {
		return api.ErrStreamWrongLastSequenceConstant, nil
	}
	last, err := c.lastOn(p, h.lastSubject)
	if err != nil {
		return nil, err
	}
	if want, ok := parseSeq(h.lastSubjectSeq); !ok || want != last {
		return wrongLast(last), nil
	}
	return nil, nil
}

func wrongLast(last store.Seq) *api.Error { return api.ErrStreamWrongLastSequence.With("seq", last) }

// lastOn returns the newest message whose subject matches a pattern, or if that is empty
// the newest on the subject of p; 0 if there is none.
func (c *Core) lastOn(p *publish, pattern []byte) (store.Seq, error) {
	if len(pattern) == 0 {
		on, _ := c.store.Subject(p.name())
		return on.Last, nil
	}
	if !subject.IsValid(pattern) {
		return 0, nil
	}
	if !subject.HasWildcard(pattern) {
		on, _ := c.store.Subject(string(pattern))
		return on.Last, nil
	}
	err := c.store.Last(store.NewFilter(string(pattern)), 0, &c.loaded)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return c.loaded.Seq, nil
}
