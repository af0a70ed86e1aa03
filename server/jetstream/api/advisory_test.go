package api

import (
	"encoding/json"
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	at := time.Date(2026, 11, 23, 14, 51, 48, 0, time.FixedZone("", 3600))
	client := json.RawMessage(`{"acc":"$G"}`)
	replicas := []*PeerInfo{{Name: "n1", Current: true, Peer: "p"}}
	const (
		peers = `"replicas":[{"name":"n1","current":true,"active":0,"peer":"p"}]`
		stamp = `"2026-11-23T13:51:48Z"`
	)
	event := func(kind string) Event { return NewEvent(kind, "id", at) }
	utc := at.UTC()
	for _, tc := range []struct {
		v          any
		kind, want string
	}{
		{
			APIAudit{Event: event(TypeAPIAudit), Server: "s", Client: client, Subject: "$JS.API.INFO", Request: "{}", Response: "{\"a\":1}"},
			"advisory.v1.api_audit", `"server":"s","client":{"acc":"$G"},"subject":"$JS.API.INFO","request":"{}","response":"{\"a\":1}"`,
		},
		{APILimitReached{event(TypeAPILimitReached), "s", "hub", 7}, "advisory.v1.api_limit_reached", `"server":"s","domain":"hub","dropped":7`},
		{StreamActionEvent{event(TypeStreamAction), "S", ActionEventCreate, ""}, "advisory.v1.stream_action", `"stream":"S","action":"create"`},
		{
			ConsumerActionEvent{event(TypeConsumerAction), "S", "c", ActionEventDelete, "hub"},
			"advisory.v1.consumer_action",
			`"stream":"S","consumer":"c","action":"delete","domain":"hub"`,
		},
		{
			ConsumerPauseEvent{event(TypeConsumerPause), "S", "c", false, time.Time{}, ""},
			"advisory.v1.consumer_pause",
			`"stream":"S","consumer":"c","paused":false,"pause_until":"0001-01-01T00:00:00Z"`,
		},
		{
			ConsumerGroupPinned{event(TypeConsumerGroupPinned), "$G", "", "S", "c", "g", "x"},
			"advisory.v1.consumer_group_pinned",
			`"account":"$G","stream":"S","consumer":"c","group":"g","pinned_id":"x"`,
		},
		{
			ConsumerGroupUnpinned{event(TypeConsumerGroupUnpinned), "$G", "", "S", "c", "g", ReasonUnpinAdmin},
			"advisory.v1.consumer_group_unpinned",
			`"account":"$G","stream":"S","consumer":"c","group":"g","reason":"admin"`,
		},
		{
			DeliveryExceeded{event(TypeMaxDeliver), "S", "c", 1, 2, ""},
			"advisory.v1.max_deliver",
			`"stream":"S","consumer":"c","stream_seq":1,"deliveries":2`,
		},
		{
			DeliveryNaked{event(TypeNak), "S", "c", 3, 1, 2, ""},
			"advisory.v1.nak",
			`"stream":"S","consumer":"c","consumer_seq":3,"stream_seq":1,"deliveries":2`,
		},
		{
			DeliveryTerminated{event(TypeTerminated), "S", "c", 3, 1, 2, "why", ""},
			"advisory.v1.terminated",
			`"stream":"S","consumer":"c","consumer_seq":3,"stream_seq":1,"deliveries":2,"reason":"why"`,
		},
		{
			ConsumerAckMetric{event(TypeConsumerAck), "S", "c", 3, 1, 5, 2, ""},
			"metric.v1.consumer_ack",
			`"stream":"S","consumer":"c","consumer_seq":3,"stream_seq":1,"ack_time":5,"deliveries":2`,
		},
		{
			SnapshotCreate{event(TypeSnapshotCreate), "S", StreamState{}, client, ""},
			"advisory.v1.snapshot_create",
			`"stream":"S","state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,` +
				`"last_ts":"0001-01-01T00:00:00Z","consumer_count":0},"client":{"acc":"$G"}`,
		},
		{
			SnapshotComplete{event(TypeSnapshotComplete), "S", utc, utc, client, "", "no"},
			"advisory.v1.snapshot_complete",
			`"stream":"S","start":` + stamp + `,"end":` + stamp + `,"client":{"acc":"$G"},"error":"no"`,
		},
		{RestoreCreate{event(TypeRestoreCreate), "S", client, ""}, "advisory.v1.restore_create", `"stream":"S","client":{"acc":"$G"}`},
		{
			RestoreComplete{event(TypeRestoreComplete), "S", utc, utc, 9, client, "", "no"},
			"advisory.v1.restore_complete",
			`"stream":"S","start":` + stamp + `,"end":` + stamp + `,"bytes":9,"client":{"acc":"$G"},"error":"no"`,
		},
		{
			LeaderElected{Event: event(TypeDomainLeaderElected), Leader: "n1", Replicas: replicas, Cluster: "C"},
			"advisory.v1.domain_leader_elected",
			`"leader":"n1",` + peers + `,"cluster":"C"`,
		},
		{
			LeaderElected{Event: event(TypeStreamLeaderElected), Account: "A", Stream: "S", Leader: "n1", Replicas: replicas},
			"advisory.v1.stream_leader_elected", `"account":"A","stream":"S","leader":"n1",` + peers,
		},
		{
			LeaderElected{Event: event(TypeConsumerLeaderElected), Stream: "S", Consumer: "c", Leader: "n1", Replicas: replicas},
			"advisory.v1.consumer_leader_elected", `"stream":"S","consumer":"c","leader":"n1",` + peers,
		},
		{QuorumLost{Event: event(TypeStreamQuorumLost), Stream: "S", Replicas: replicas}, "advisory.v1.stream_quorum_lost", `"stream":"S",` + peers},
		{
			QuorumLost{Event: event(TypeConsumerQuorumLost), Account: "A", Stream: "S", Consumer: "c", Replicas: replicas},
			"advisory.v1.consumer_quorum_lost", `"account":"A","stream":"S","consumer":"c",` + peers,
		},
		{
			BatchAbandoned{event(TypeStreamBatchAbandoned), "A", "", "S", "b1", ReasonBatchIncomplete},
			"advisory.v1.stream_batch_abandoned",
			`"account":"A","stream":"S","batch":"b1","reason":"incomplete"`,
		},
		{
			ServerOutOfSpace{event(TypeServerOutOfSpace), "s", "ID", "S", "C", ""},
			"advisory.v1.server_out_of_space",
			`"server":"s","server_id":"ID","stream":"S","cluster":"C"`,
		},
		{ServerRemoved{event(TypeServerRemoved), "s", "ID", "C", ""}, "advisory.v1.server_removed", `"server":"s","server_id":"ID","cluster":"C"`},
		{
			MetaRescueEvent{event(TypeMetaRescue), "s", "ID", 3, 1, "C", ""},
			"advisory.v1.meta_rescue",
			`"server":"s","server_id":"ID","prev_quorum":3,"new_quorum":1,"cluster":"C"`,
		},
	} {
		got, err := json.Marshal(tc.v)
		if want := `{"type":"io.nats.jetstream.` + tc.kind + `","id":"id","timestamp":` + stamp + `,` + tc.want + `}`; err != nil || string(got) != want {
			t.Errorf("%T\n got %s, %v\nwant %s", tc.v, got, err, want)
		}
	}
	if got, want := EventSubject(EventStreamCreated, "S", ""), "$JS.EVENT.ADVISORY.STREAM.CREATED.S"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := EventSubject(EventConsumerAck, "S", "c"), "$JS.EVENT.METRIC.CONSUMER.ACK.S.c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
