package stream

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func TestRetention(t *testing.T) {
	consumer := func(name string, floor store.Seq, patterns ...string) []byte {
		return AppendConsumer(nil, name, floor, false, patterns)
	}
	acked := func(name string, floor store.Seq, seqs ...store.Seq) []byte {
		var ranges []store.Range
		for _, s := range seqs {
			ranges = append(ranges, store.Range{First: s, Last: s})
		}
		return AppendAcked(nil, name, floor, ranges)
	}
	seventh := AppendStore(nil, &Message{Subject: []byte("s.0"), Data: []byte("7")})
	for _, tc := range []struct {
		name      string
		retention api.Retention
		before    [][]byte // in front of messages 1 to 6 on s.0 and s.1
		after     [][]byte
		want      string
	}{
		{
			"work queue: what is another's in between", api.RetainWorkQueue,
			[][]byte{consumer("a", 0, "s.0"), consumer("b", 0, "s.1")},
			[][]byte{AppendAcked(nil, "a", 0, []store.Range{{First: 1, Last: 4}})},
			"2:2 4:4 5:5 6:6",
		},
		{"interest: nobody wants them", api.RetainInterest, nil, nil, ""},
		{"interest: one wants them", api.RetainInterest, [][]byte{consumer("a", 0)}, nil, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"interest: one wants some", api.RetainInterest, [][]byte{consumer("a", 0, "s.1")}, nil, "2:2 4:4 6:6"},
		{"interest: acked", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{acked("a", 0, 2, 5)}, "1:1 3:3 4:4 6:6"},
		{"interest: acked up to", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{acked("a", 3, 5)}, "4:4 6:6"},
		{"interest: acked by one of two", api.RetainInterest, [][]byte{consumer("a", 0), consumer("b", 0)}, [][]byte{acked("a", 6), acked("b", 0, 2)}, "1:1 3:3 4:4 5:5 6:6"},
		{"interest: acked where the other does not care", api.RetainInterest, [][]byte{consumer("a", 0), consumer("b", 0, "s.1")}, [][]byte{acked("a", 6)}, "2:2 4:4 6:6"},
		{"interest: one who came later", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{consumer("b", 3), acked("a", 6)}, "4:4 5:5 6:6"},
		{"interest: the last one goes", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{AppendConsumerGone(nil, "a")}, ""},
		{"interest: one of two goes", api.RetainInterest, [][]byte{consumer("a", 0), consumer("b", 0)}, [][]byte{acked("b", 0, 1, 3), AppendConsumerGone(nil, "a")}, "2:2 4:4 5:5 6:6"},
		{"interest: another filter", api.RetainInterest, [][]byte{consumer("a", 0, "s.0", "s.1")}, [][]byte{consumer("a", 0, "s.1")}, "2:2 4:4 6:6"},
		{"interest: begins anew", api.RetainInterest, [][]byte{consumer("a", 0), consumer("b", 0)}, [][]byte{acked("a", 6), AppendConsumer(nil, "a", 0, true, nil), acked("b", 6)}, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"interest: acks of a stranger", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{acked("x", 6)}, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"interest: acks of what is not there yet", api.RetainInterest, [][]byte{consumer("a", 0)}, [][]byte{acked("a", 99, 101)}, ""},
		{"interest: they do not count in advance", api.RetainInterest, [][]byte{consumer("a", 0), consumer("b", 0)}, [][]byte{acked("a", 99, 101), seventh, acked("b", 7)}, "7:7"},
		{"work queue: without consumers", api.RetainWorkQueue, nil, nil, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"work queue: acked", api.RetainWorkQueue, [][]byte{consumer("a", 0, "s.0"), consumer("b", 0, "s.1")}, [][]byte{acked("a", 0, 1), acked("b", 0, 4)}, "2:2 3:3 5:5 6:6"},
		{"work queue: acked up to", api.RetainWorkQueue, [][]byte{consumer("a", 0)}, [][]byte{acked("a", 4)}, "5:5 6:6"},
		{"work queue: the consumer goes", api.RetainWorkQueue, [][]byte{consumer("a", 0)}, [][]byte{AppendConsumerGone(nil, "a")}, "1:1 2:2 3:3 4:4 5:5 6:6"},
		{"limits: acked", api.RetainLimits, [][]byte{consumer("a", 0)}, [][]byte{acked("a", 6)}, "1:1 2:2 3:3 4:4 5:5 6:6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(c *api.StreamConfig) { c.Retention = tc.retention })
			for _, op := range tc.before {
				g.apply(op)
			}
			for i := range 6 {
				if r := g.publish(fmt.Sprintf("s.%d", i%2), fmt.Sprint(i+1)); r.Err != nil || r.Seq != store.Seq(i+1) {
					t.Errorf("stored as %d, error %v", r.Seq, r.Err)
				}
			}
			for _, op := range tc.after {
				g.apply(op)
			}
			g.wantList(tc.want)
		})
	}
}

// TestRetentionByLongRanges has as much acked at a time as is not tried one by one.
func TestRetentionByLongRanges(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainInterest, api.RetainWorkQueue} {
		g := newRig(t, func(c *api.StreamConfig) { c.Retention = retention })
		g.apply(AppendConsumer(nil, "a", 0, false, []string{"s.0", "s.1"}))
		if retention == api.RetainInterest {
			g.apply(AppendConsumer(nil, "b", 0, false, []string{"s.1"}))
		}
		var want []string
		for i := range 200 {
			g.publish(fmt.Sprintf("s.%d", i%2), "x")
			seq := i + 1
			if acked := seq <= 50 || seq >= 61 && seq <= 140; !acked || retention == api.RetainInterest && i%2 == 1 {
				want = append(want, fmt.Sprintf("%d:x", seq))
			}
		}
		g.apply(AppendAcked(nil, "a", 50, []store.Range{{First: 61, Last: 140}}))
		g.wantList(fmt.Sprint(want)[1 : len(fmt.Sprint(want))-1])
	}
}

// TestUnwantedIsRemembered publishes twice what no consumer wants.
func TestUnwantedIsRemembered(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Retention = api.RetainInterest })
	if r := g.publish("s.x", "", "Nats-Msg-Id: x"); r.Stored != (store.Range{First: 1, Last: 1}) || len(r.Added) > 0 {
		t.Errorf("the stream has gone on by %v, with %v", r.Stored, r.Added)
	}
	if r := g.publish("s.x", "", "Nats-Msg-Id: x"); !r.Duplicate || r.Seq != 1 {
		t.Errorf("the second time: %+v", r)
	}
	wantErr(t, g.publish("s.x", "", "Nats-Expected-Last-Msg-Id: y").Err, "wrong last msg ID: x (10070)")
}

func TestConsumersAreKnown(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Retention = api.RetainInterest })
	for _, name := range []string{"b", "a"} {
		g.apply(AppendConsumer(nil, name, 0, false, nil))
	}
	g.publish("s.x", "")
	g.publish("s.x", "")
	g.apply(AppendAcked(nil, "a", 0, []store.Range{{First: 1, Last: 2}}))
	if names := g.c.Consumers(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("consumers %q", names)
	}
	if floor, ok := g.c.Consumer("a"); !ok || floor != 2 {
		t.Errorf("done up to %d, %v", floor, ok)
	}
	if _, ok := g.c.Consumer("x"); ok {
		t.Error("a stranger is known")
	}
}

// TestFloorFollowsTheStream has a limit remove what a consumer is not done with.
func TestFloorFollowsTheStream(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Retention, c.MaxMsgs = api.RetainInterest, 2 })
	g.apply(AppendConsumer(nil, "a", 0, false, nil))
	for range 10 {
		g.publish("s.x", "")
	}
	g.apply(AppendAcked(nil, "a", 0, []store.Range{{First: 10, Last: 10}}))
	if floor, _ := g.c.Consumer("a"); floor != 8 {
		t.Errorf("done up to %d", floor)
	}
	g.apply(AppendAcked(nil, "a", 0, []store.Range{{First: 9, Last: 9}}))
	if floor, _ := g.c.Consumer("a"); floor != 10 {
		t.Errorf("done up to %d", floor)
	}
}

// TestConsumerAheadOfTheStream has a consumer come with more than there is.
func TestConsumerAheadOfTheStream(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Retention = api.RetainInterest })
	g.apply(AppendConsumer(nil, "a", 7, false, nil))
	g.apply(AppendConsumer(nil, "b", 0, false, nil))
	g.publish("s.x", "1")
	g.apply(AppendAcked(nil, "b", 1, nil))
	g.wantList("1:1")
}

func TestInterestAfterReset(t *testing.T) {
	g := newRig(t, func(c *api.StreamConfig) { c.Retention = api.RetainInterest })
	g.apply(AppendConsumer(nil, "a", 0, false, nil))
	g.apply(AppendConsumer(nil, "b", 0, false, nil))
	for range 5 {
		g.publish("s.x", "old")
	}
	g.apply(AppendAcked(nil, "a", 1, []store.Range{{First: 4, Last: 4}}))
	g.apply(AppendReset(nil, 1))
	for i := range 4 {
		g.publish("s.x", fmt.Sprint(i+1))
	}
	g.apply(AppendAcked(nil, "b", 4, nil))
	g.wantList("1:1 2:2 3:3 4:4")
	g.apply(AppendAcked(nil, "a", 4, nil))
	g.wantList("")
}
