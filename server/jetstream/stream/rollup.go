package stream

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

var (
	errRollupDenied   = rollupFailed("rollup not permitted")
	errBatchRollupSub = rollupFailed("batch rollup sub invalid")
	errBatchRollupAll = rollupFailed("batch rollup all invalid")
)

func rollupFailed(text string) *api.Error { return api.ErrStreamRollupFailed.With("err", text) }

// judgeRollup reads the rollup header, and says whether it is allowed.
func (c *Core) judgeRollup(p *publish, b *batch) *api.Error {
	value := p.head.rollup
	if len(value) == 0 {
		return nil
	}
	if !p.sourced && !c.rules.rollup {
		return errRollupDenied
	}
	var e *api.Error
	if p.rollup, e = api.ParseRollup(value); e != nil {
		return e
	}
	switch {
	case b == nil:
	case p.rollup == api.RollupOfSubject && b.onSubject(p.subject) > 0:
		return errBatchRollupSub
	case p.rollup == api.RollupOfStream && b.messages > 0:
		return errBatchRollupAll
	}
	return nil
}

// rollUp removes what message seq replaces.
func (c *Core) rollUp(p *publish, seq store.Seq, r *Result) error {
	switch p.rollup {
	case api.RollupOfSubject:
		on, _ := c.store.Subject(p.name())
		for n := on.Messages; n > 1; n-- {
			if err := c.removeOldest(p.name(), r); err != nil {
				return err
			}
		}
	case api.RollupOfStream:
		return c.compact(seq, r)
	}
	return nil
}
