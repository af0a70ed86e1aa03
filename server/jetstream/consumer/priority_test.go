package consumer

import (
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func prioritized(p api.PriorityPolicy) api.ConsumerConfig {
	return api.ConsumerConfig{AckPolicy: api.AckExplicit, PriorityPolicy: p, PriorityGroups: []string{"g"}}
}

func TestPriorities(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy api.PriorityPolicy
		run    func(r *rig)
	}{
		{"a group has to be named", api.PriorityOverflow, func(r *rig) {
			r.pull("I", `{"batch":1}`)
			r.pull("I", `{"batch":1,"group":"h"}`)
			r.want("I: 400 Bad Request - Priority Group missing", "I: 400 Bad Request - Invalid Priority Group")
		}},
		{"overflow by pending", api.PriorityOverflow, func(r *rig) {
			r.pull("I", `{"batch":9,"group":"g","min_pending":3}`)
			r.publish("a", "x", "x")
			r.want()
			r.publish("a", "x")
			// One message less is left, so it stops.
			r.want("I: 1 (c1, 2 left)")
			r.pull("J", `{"batch":1,"group":"g"}`)
			r.want("J: 2 (c2, 1 left)")
		}},
		{"overflow by unacknowledged", api.PriorityOverflow, func(r *rig) {
			r.pull("I", `{"batch":9,"group":"g","min_ack_pending":2}`)
			r.pull("J", `{"batch":2,"group":"g"}`)
			r.publish("a", "x", "x", "x", "x")
			r.want("J: 1 (c1, 3 left)", "J: 2 (c2, 2 left)", "I: 3 (c3, 1 left)", "I: 4 (c4, 0 left)")
			r.ack(1, "", "")
			r.ack(2, "", "")
			r.ack(3, "", "")
			r.publish("a", "x")
			r.want()
		}},
		{"overflow with either", api.PriorityOverflow, func(r *rig) {
			r.pull("I", `{"batch":1,"group":"g","min_ack_pending":2,"min_pending":1}`)
			r.publish("a", "x")
			r.want("I: 1 (c1, 0 left)")
		}},
		{"prioritized", api.PriorityPrioritized, func(r *rig) {
			r.pull("I", "9")
			r.pull("J", `{"batch":1,"group":"g","priority":9}`)
			r.pull("K", `{"batch":2,"group":"g","priority":1}`)
			r.pull("L", `{"batch":2,"group":"g","priority":1}`)
			r.pull("M", `{"batch":1,"group":"g"}`)
			r.publish("a", "x", "x", "x", "x", "x", "x", "x")
			r.want("M: 1 (c1, 6 left)", "K: 2 (c2, 5 left)", "L: 3 (c3, 4 left)", "K: 4 (c4, 3 left)", "L: 5 (c5, 2 left)",
				"J: 6 (c6, 1 left)", "I: 7 (c7, 0 left)")
		}},
		{"the first is pinned", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", `{"batch":2,"group":"g"}`)
			r.pull("J", `{"batch":2,"group":"g"}`)
			r.publish("a", "x", "x", "x")
			r.want("pinned group g id1", "I: 1 (c1, 2 left) pin id1", "I: 2 (c2, 1 left) pin id1")
			r.pull("I", `{"batch":1,"group":"g","id":"id1"}`)
			r.want("I: 3 (c3, 0 left) pin id1")
			if i := r.engine.Info(); i.Group != "g" || i.PinID != "id1" || i.PinnedAt != start {
				r.t.Errorf("%+v", i)
			}
		}},
		{"another id", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", `{"batch":2,"group":"g","id":"stale"}`)
			r.want("I: 423 Nats-Pin-Id mismatch")
		}},
		{"the pinned client asks for nothing", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", `{"batch":1,"group":"g"}`)
			r.publish("a", "x")
			r.want("pinned group g id1", "I: 1 (c1, 0 left) pin id1")
			r.wait(time.Minute)
			r.pull("I", `{"batch":5,"group":"g","id":"id1"}`)
			r.pull("J", `{"batch":1,"group":"g"}`)
			r.wait(2*time.Minute - 1)
			r.ack(1, "", "")
			r.wrote = nil
			r.wait(1)
			r.want(`unpinned group g "timeout"`, "I: 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0")
			r.publish("a", "x")
			r.want("pinned group g id2", "J: 2 (c6, 0 left) pin id2")
		}},
		{"unpinned by request", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", `{"batch":3,"group":"g"}`)
			r.publish("a", "x")
			r.want("pinned group g id1", "I: 1 (c1, 0 left) pin id1")
			r.pull("K", `{"batch":1,"group":"g","id":"id1"}`)
			if r.engine.Unpin(r.now, "h", &r.out) {
				r.t.Error("there is no group h")
			}
			if !r.engine.Unpin(r.now, "g", &r.out) {
				r.t.Error("there is a group g")
			}
			r.step()
			r.want(`unpinned group g "admin"`, "I: 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0",
				"K: 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0")
			if i := r.engine.Info(); i.PinID != "" || i.PinnedAt != 0 {
				r.t.Errorf("%+v", i)
			}
			r.engine.Unpin(r.now, "g", &r.out)
			r.step()
			r.want()
		}},
		{"nobody is pinned any more", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", `{"batch":3,"group":"g"}`)
			r.publish("a", "x")
			r.wrote = nil
			overflow := prioritized(api.PriorityOverflow)
			if err := r.engine.Update(r.now, config(overflow), &r.out); err != nil {
				r.t.Fatal(err)
			}
			r.step()
			r.want(`unpinned group g "admin"`, "I: 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0")
		}},
		{"without JSON one is on standby", api.PriorityPinnedClient, func(r *rig) {
			r.pull("I", "1")
			r.publish("a", "x")
			r.want("pinned group g id1", "I: 1 (c1, 0 left) pin id1")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(consumerOf(t, prioritized(c.policy))) })
	}
}
