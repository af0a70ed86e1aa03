package jetstream

import (
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// HostEvent logs what an operator should know of what the host of groups tells. It may be
// called by any goroutine of the host.
func (e *Engine) HostEvent(ev host.Event) {
	log := e.cfg.Logger
	switch ev.Kind {
	case host.EventLeader:
		e.herald.leader(&ev)
	case host.EventAdmitted:
		if e.founder != nil && ev.Group == metaGroupID {
			e.founder.isAdmitted()
		}
	case host.EventRejoin:
		if e.founder != nil && ev.Group == metaGroupID && errors.Is(ev.Err, host.ErrRemoved) {
			e.removed()
		}
	case host.EventPoisoned:
		log.Errorf("JetStream: nothing is stored any more until the server is started anew: %v", ev.Err)
	case host.EventDamage:
		log.Errorf("JetStream: the log of %s is damaged: %v", e.groupName(ev.Group), ev.Err)
	case host.EventUnreadable:
		log.Errorf("JetStream: the log of %s cannot be read for now: %v", e.groupName(ev.Group), ev.Err)
	case host.EventSnapshot:
		if ev.Err != nil {
			log.Warnf("JetStream: an image of %s could not be transferred, which is tried again: %v", e.groupName(ev.Group), ev.Err)
		}
	case host.EventHalted:
		log.Errorf("JetStream: %s stands still: %v", e.groupName(ev.Group), ev.Err)
	}
}

// groupName says whose a group is, as far as is known.
func (e *Engine) groupName(id raft.GroupID) string {
	if id == metaGroupID {
		return "the group of all streams and consumers"
	}
	name := fmt.Sprintf("group %d", id)
	e.meta.view(func(state *meta.State) {
		for acc := range state.Accounts() {
			for st := range state.Streams(acc) {
				if st.Group.ID == uint64(id) {
					name = fmt.Sprintf("stream %s of account %s", st.Name(), acc)
				}
				for c := range st.Consumers() {
					if c.Group.ID == uint64(id) {
						name = fmt.Sprintf("consumer %s of stream %s, account %s", c.Name(), st.Name(), acc)
					}
				}
			}
		}
	})
	return name
}
