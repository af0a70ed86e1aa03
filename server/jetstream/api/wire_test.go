package api

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestWire checks what is sent, member for member, and that it is read as it was
// written.
func TestWire(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 51, 48, 883795239, time.UTC)
	retention := RetainInterest
	cfg, err := CheckStreamCreate(&StreamConfig{Name: "A", Subjects: []string{"a.>"}, Metadata: map[string]string{"a": "b"}}, StreamLimits{}, false)
	if err != nil {
		t.Fatal(err)
	}
	shown := cfg.Clone()
	shown.Metadata = WithServer(cfg.Metadata, "1.2.3")
	const config = `{"name":"A","subjects":["a.\u003e"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,` +
		`"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,` +
		`"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,` +
		`"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,` +
		`"metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"1.2.3","a":"b"}}`
	ccfg, err := CheckConsumer(&ConsumerConfig{Durable: "c", AckPolicy: AckExplicit}, cfg, ConsumerRules{}, false)
	if err != nil {
		t.Fatal(err)
	}
	stream := func() *StreamInfo { return &StreamInfo{Config: shown, Created: at, Time: at} }
	const state = `{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0}`
	const stamp = `"2026-11-23T13:51:48.883795239Z"`
	full := stream()
	full.State = StreamState{
		Msgs: 3, Bytes: 199, FirstSeq: 1, FirstTime: at, LastSeq: 5, LastTime: at, NumSubjects: 2, Subjects: map[string]uint64{"a.b": 2},
		NumDeleted: 2, Deleted: []uint64{2, 4}, Lost: &LostStreamData{Msgs: []uint64{3}, Bytes: 9}, Consumers: 1,
	}
	full.Domain = "hub"
	full.Cluster = &ClusterInfo{
		Name: "C", RaftGroup: "S-R3F-x", Leader: "n3", LeaderSince: &at, SystemAccount: true, TrafficAccount: "$SYS",
		Replicas: []*PeerInfo{
			{Name: "n1", Current: false, Offline: true, Active: 5, Lag: 1, Peer: "fjFyEjc1", Pending: 2},
			{Name: "n2", Current: true, Active: 0, Peer: "44jzkV9D"},
		},
		Desired: &Desired{
			Created: at, Name: "C", Replicas: []*DesiredPeer{{Name: "n2", Peer: "44jzkV9D"}, {Name: "n1", Offline: true, Peer: "p"}},
			Origin: &DesiredOrigin{Replicas: 1, Placement: &Placement{Cluster: "D"}, Retention: &retention},
			Status: &DesiredStatus{Description: "waiting", Type: DesiredCatchup, Err: "no"},
		},
	}
	full.Mirror = &StreamSourceInfo{Name: "E", External: &ExternalStream{"$JS.x.API", "d"}, Active: -1}
	full.Sources = []*StreamSourceInfo{{
		Name: "E", Lag: 2, Seq: 3, Active: 7, Error: ErrStreamNotFound, FilterSubject: "e.1",
		SubjectTransforms: []SubjectTransform{{"a", "b"}},
	}}
	full.Alternates = []StreamAlternate{{"A", "hub", "C"}, {Name: "B", Cluster: "D"}}

	head := func(name string) Response { return Response{Type: typePrefix + name + "_response"} }
	const envelope = `{"type":"io.nats.jetstream.api.v1.`
	for _, tc := range []struct {
		name string
		v    any
		want string
	}{
		{
			"stream create", &StreamCreateResponse{head("stream_create"), stream(), true},
			envelope + `stream_create_response","config":` + config + `,"created":` + stamp + `,"state":` + state + `,"ts":` + stamp + `,"did_create":true}`,
		},
		{
			"stream info", &StreamInfoResponse{head("stream_info"), Page{1, 0, 100000}, full},
			envelope + `stream_info_response","total":1,"offset":0,"limit":100000,"config":` + config + `,"created":` + stamp +
				`,"state":{"messages":3,"bytes":199,"first_seq":1,"first_ts":` + stamp + `,"last_seq":5,"last_ts":` + stamp +
				`,"num_subjects":2,"subjects":{"a.b":2},"num_deleted":2,"deleted":[2,4],"lost":{"msgs":[3],"bytes":9},"consumer_count":1},"domain":"hub",` +
				`"cluster":{"name":"C","raft_group":"S-R3F-x","leader":"n3","leader_since":` + stamp + `,"system_account":true,"traffic_account":"$SYS",` +
				`"replicas":[{"name":"n1","current":false,"offline":true,"active":5,"lag":1,"peer":"fjFyEjc1","pending":2},` +
				`{"name":"n2","current":true,"active":0,"peer":"44jzkV9D"}],` +
				`"desired":{"created":` + stamp + `,"name":"C","replicas":[{"name":"n2","peer":"44jzkV9D"},{"name":"n1","offline":true,"peer":"p"}],` +
				`"origin":{"replicas":1,"placement":{"cluster":"D"},"retention":"interest"},"status":{"description":"waiting","type":"catchup","err":"no"}}},` +
				`"mirror":{"name":"E","external":{"api":"$JS.x.API","deliver":"d"},"lag":0,"active":-1},` +
				`"sources":[{"name":"E","lag":2,"seq":3,"active":7,"error":{"code":404,"err_code":10059,"description":"stream not found"},` +
				`"filter_subject":"e.1","subject_transforms":[{"src":"a","dest":"b"}]}],` +
				`"alternates":[{"name":"A","domain":"hub","cluster":"C"},{"name":"B","cluster":"D"}],"ts":` + stamp + `}`,
		},
		{
			"stream names", &StreamNamesResponse{head("stream_names"), Page{1, 0, 1024}, []string{"A"}},
			envelope + `stream_names_response","total":1,"offset":0,"limit":1024,"streams":["A"]}`,
		},
		{
			"stream list", &StreamListResponse{Response: head("stream_list"), Streams: []*StreamInfo{}, Missing: []string{"B"}, Offline: map[string]string{"C": "why"}},
			envelope + `stream_list_response","total":0,"offset":0,"limit":0,"streams":[],"missing":["B"],"offline":{"C":"why"}}`,
		},
		{"success", &SuccessResponse{head("stream_delete"), true}, envelope + `stream_delete_response","success":true}`},
		{"purge", &StreamPurgeResponse{head("stream_purge"), true, 7}, envelope + `stream_purge_response","success":true,"purged":7}`},
		{
			"message", &StreamMsgGetResponse{head("stream_msg_get"), &StoredMsg{"a.b", 1, []byte("NATS/1.0\r\nFoo: bar\r\n\r\n"), []byte("hello"), at}},
			envelope + `stream_msg_get_response","message":{"subject":"a.b","seq":1,"hdrs":"TkFUUy8xLjANCkZvbzogYmFyDQoNCg==","data":"aGVsbG8=","time":` + stamp + `}}`,
		},
		{
			"message without anything", &StreamMsgGetResponse{head("stream_msg_get"), &StoredMsg{Subject: "a.b", Sequence: 1, Time: at}},
			envelope + `stream_msg_get_response","message":{"subject":"a.b","seq":1,"time":` + stamp + `}}`,
		},
		{
			"snapshot", &StreamSnapshotResponse{head("stream_snapshot"), nil, &StreamState{}},
			envelope + `stream_snapshot_response","state":` + state + `}`,
		},
		{
			"restore", &StreamRestoreResponse{head("stream_restore"), "$JS.SNAPSHOT.RESTORE.A.x"},
			envelope + `stream_restore_response","deliver_subject":"$JS.SNAPSHOT.RESTORE.A.x"}`,
		},
		{
			"consumer", &ConsumerInfoResponse{head("consumer_info"), &ConsumerInfo{
				Stream: "A", Name: "c", Created: at, Config: ccfg, Delivered: SequenceInfo{1, 2, &at}, AckFloor: SequenceInfo{0, 1, nil},
				NumAckPending: 1, NumRedelivered: 2, NumWaiting: 3, NumPending: 4, Cluster: &ClusterInfo{Leader: "s1"}, PushBound: true, Paused: true,
				PauseRemaining: 5, Time: at, PriorityGroups: []PriorityGroupState{{"a", "id", at}, {Group: "b"}},
			}},
			envelope + `consumer_info_response","stream_name":"A","name":"c","created":` + stamp +
				`,"config":{"durable_name":"c","name":"c","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,` +
				`"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"num_replicas":0,"metadata":{"_nats.req.level":"0"}},` +
				`"delivered":{"consumer_seq":1,"stream_seq":2,"last_active":` + stamp + `},"ack_floor":{"consumer_seq":0,"stream_seq":1},` +
				`"num_ack_pending":1,"num_redelivered":2,"num_waiting":3,"num_pending":4,"cluster":{"leader":"s1"},"push_bound":true,"paused":true,` +
				`"pause_remaining":5,"ts":` + stamp + `,"priority_groups":[{"group":"a","pinned_client_id":"id","pinned_ts":` + stamp + `},` +
				`{"group":"b","pinned_ts":"0001-01-01T00:00:00Z"}]}`,
		},
		{
			"consumer reset", &ConsumerResetResponse{head("consumer_reset"), &ConsumerInfo{Stream: "A", Name: "c", Created: at, Time: at}, 2},
			envelope + `consumer_reset_response","stream_name":"A","name":"c","created":` + stamp +
				`,"delivered":{"consumer_seq":0,"stream_seq":0},"ack_floor":{"consumer_seq":0,"stream_seq":0},` +
				`"num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":0,"ts":` + stamp + `,"reset_seq":2}`,
		},
		{
			"consumer pause", &ConsumerPauseResponse{head("consumer_pause"), true, at, 5},
			envelope + `consumer_pause_response","paused":true,"pause_until":` + stamp + `,"pause_remaining":5}`,
		},
		{
			"account", &AccountInfoResponse{head("account_info"), &AccountStats{
				AccountUsage: AccountUsage{1, 2, 3, 4, 5, 6, NoLimits}, API: Stats{Level: 5, Total: 7, Errors: 8},
			}},
			envelope + `account_info_response","memory":1,"storage":2,"reserved_memory":3,"reserved_storage":4,"streams":5,"consumers":6,` +
				`"limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1,"max_ack_pending":-1,"memory_max_stream_bytes":-1,` +
				`"storage_max_stream_bytes":-1,"max_bytes_required":false},"api":{"level":5,"total":7,"errors":8}}`,
		},
		{
			"account with tiers", &AccountInfoResponse{head("account_info"), &AccountStats{
				Domain: "hub", API: Stats{Level: 5, Inflight: 1}, Tiers: map[string]AccountUsage{"R1": {}},
			}},
			envelope + `account_info_response","memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,"consumers":0,` +
				zeroLimits + `,"domain":"hub","api":{"level":5,"total":0,"errors":0,"inflight":1},` +
				`"tiers":{"R1":{"memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,"consumers":0,` + zeroLimits + `}}}`,
		},
		{
			"rescue", &MetaRescueResponse{head("meta_rescue"), "n2", "ID", 3, 1},
			envelope + `meta_rescue_response","server":"n2","server_id":"ID","prev_quorum":3,"new_quorum":1}`,
		},
		{"purge of an account", &AccountPurgeResponse{head("account_purge"), true}, envelope + `account_purge_response","initiated":true}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := json.Marshal(tc.v)
			if err != nil || string(got) != tc.want {
				t.Fatalf("\n got %s, %v\nwant %s", got, err, tc.want)
			}
			back := reflect.New(reflect.TypeOf(tc.v).Elem())
			if err := json.Unmarshal(got, back.Interface()); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(back.Interface())
			if err != nil || string(again) != tc.want {
				t.Errorf("read and written again it is\n     %s, %v\nwant %s", again, err, tc.want)
			}
		})
	}
}

const zeroLimits = `"limits":{"max_memory":0,"max_storage":0,"max_streams":0,"max_consumers":0,"max_ack_pending":0,"memory_max_stream_bytes":0,` +
	`"storage_max_stream_bytes":0,"max_bytes_required":false}`

// TestFullConfigs checks that all members of the configurations are spelled and
// ordered as clients expect.
func TestFullConfigs(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
	}{
		{new(StreamConfig), `{"name":"S","description":"d","subjects":["a"],"retention":"interest","max_consumers":1,"max_msgs":2,"max_bytes":3,"max_age":4,` +
			`"max_msgs_per_subject":5,"max_msg_size":6,"discard":"new","storage":"memory","num_replicas":3,"no_ack":true,"duplicate_window":7,` +
			`"placement":{"cluster":"c","tags":["t"],"preferred":"p"},"mirror":{"name":"M","opt_start_seq":8,"opt_start_time":"2026-01-01T00:00:00Z",` +
			`"filter_subject":"f","subject_transforms":[{"src":"a","dest":"b"}],"external":{"api":"x","deliver":"y"},` +
			`"consumer":{"name":"n","deliver_subject":"s"}},"sources":[{"name":"Q"}],"compression":"s2","first_seq":9,` +
			`"subject_transform":{"src":"a","dest":"b"},"republish":{"src":"a","dest":"b","headers_only":true},"allow_direct":true,"mirror_direct":true,` +
			`"discard_new_per_subject":true,"sealed":true,"deny_delete":true,"deny_purge":true,"allow_rollup_hdrs":true,` +
			`"consumer_limits":{"inactive_threshold":10,"max_ack_pending":11},"allow_msg_ttl":true,"subject_delete_marker_ttl":12,` +
			`"allow_msg_counter":true,"allow_atomic":true,"allow_msg_schedules":true,"persist_mode":"async","allow_batched":true,"metadata":{"k":"v"}}`},
		{new(ConsumerConfig), `{"durable_name":"d","name":"n","description":"x","deliver_policy":"by_start_sequence","opt_start_seq":1,` +
			`"opt_start_time":"2026-01-01T00:00:00Z","ack_policy":"explicit","ack_wait":2,"max_deliver":3,"backoff":[4],"filter_subject":"f",` +
			`"filter_subjects":["g"],"replay_policy":"original","rate_limit_bps":5,"sample_freq":"6%","max_waiting":7,"max_ack_pending":8,` +
			`"flow_control":true,"headers_only":true,"max_batch":9,"max_expires":10,"max_bytes":11,"deliver_subject":"s","deliver_group":"q",` +
			`"idle_heartbeat":12,"inactive_threshold":13,"num_replicas":14,"mem_storage":true,"direct":true,"sourcing":true,"metadata":{"k":"v"},` +
			`"pause_until":"2026-01-01T00:00:00Z","priority_groups":["a"],"priority_policy":"overflow","priority_timeout":15}`},
		{new(MsgGetRequest), `{"seq":1,"last_by_subj":"a","next_by_subj":"b","batch":2,"max_bytes":3,"start_time":"2026-01-01T00:00:00Z",` +
			`"multi_last":["c"],"up_to_seq":4,"up_to_time":"2026-01-01T00:00:00Z","no_hdr":true}`},
		{new(StreamSnapshotRequest), `{"deliver_subject":"d","no_consumers":true,"chunk_size":1,"window_size":2,"jsck":true}`},
		{new(CreateConsumerRequest), `{"stream_name":"S","config":{"deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0},` +
			`"action":"update","pedantic":true}`},
		{new(StreamInfoRequest), `{"offset":1,"deleted_details":true,"subjects_filter":"\u003e"}`},
		{new(StreamsRequest), `{"offset":1,"subject":"a"}`},
		{new(StreamPurgeRequest), `{"seq":1,"filter":"a","keep":2}`},
		{new(StreamMsgDeleteRequest), `{"seq":1,"no_erase":true}`},
		{new(StepdownRequest), `{"placement":{"preferred":"a"}}`},
		{new(PeerRequest), `{"peer":"a"}`},
		{new(ServerRequest), `{"peer":"a","peer_id":"b"}`},
		{new(MoveRequest), `{"server":"a","cluster":"b","domain":"c","tags":["d"]}`},
		{new(MetaRescueRequest), `{"quorum_needed":2}`},
		{new(ConsumersRequest), `{"offset":3}`},
		{new(ConsumerPauseRequest), `{"pause_until":"2026-01-01T00:00:00Z"}`},
		{new(ConsumerUnpinRequest), `{"group":"g"}`},
		{new(ConsumerResetRequest), `{"seq":9}`},
	} {
		if err := Decode([]byte(tc.want), true, tc.v); err != nil {
			t.Errorf("%T: %v", tc.v, err)
			continue
		}
		if got, err := json.Marshal(tc.v); err != nil || string(got) != tc.want {
			t.Errorf("%T\n got %s, %v\nwant %s", tc.v, got, err, tc.want)
		}
	}
}

func TestClone(t *testing.T) {
	// fill sets everything there is, so that what a Clone forgets is shared.
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			if v.Type().Elem() != reflect.TypeFor[time.Time]() {
				fill(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
		case reflect.String:
			v.SetString("s")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int32, reflect.Int64:
			v.SetInt(1)
		case reflect.Uint8, reflect.Uint64:
			v.SetUint(1)
		default:
			t.Fatalf("a %v", v.Type())
		}
	}
	// shares reports whether two values, which are equal, have memory in common.
	var shares func(a, b reflect.Value) bool
	shares = func(a, b reflect.Value) bool {
		switch a.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if a.Pointer() == b.Pointer() {
				return true
			}
			if a.Kind() == reflect.Slice {
				return shares(a.Index(0), b.Index(0))
			}
			return a.Kind() == reflect.Pointer && shares(a.Elem(), b.Elem())
		case reflect.Struct:
			for i := range a.NumField() {
				if a.Type() != reflect.TypeFor[time.Time]() && shares(a.Field(i), b.Field(i)) {
					t.Errorf("%v.%s is shared", a.Type(), a.Type().Field(i).Name)
				}
			}
		}
		return false
	}
	var s StreamConfig
	fill(reflect.ValueOf(&s).Elem())
	if d := s.Clone(); !reflect.DeepEqual(*d, s) {
		t.Error("the clone of a stream's configuration differs")
	} else {
		shares(reflect.ValueOf(s), reflect.ValueOf(*d))
	}
	var c ConsumerConfig
	fill(reflect.ValueOf(&c).Elem())
	if d := c.Clone(); !reflect.DeepEqual(*d, c) {
		t.Error("the clone of a consumer's configuration differs")
	} else {
		shares(reflect.ValueOf(c), reflect.ValueOf(*d))
	}
}

func TestPubAck(t *testing.T) {
	for _, tc := range []struct {
		ack  PubAck
		want string
	}{
		{PubAck{Stream: "S", Sequence: 7}, `{"stream":"S","seq":7}`},
		{PubAck{Stream: "S", Sequence: 7, Domain: "d", Duplicate: true}, `{"stream":"S","seq":7,"domain":"d","duplicate": true}`},
		{PubAck{Stream: "S", Sequence: 7, Value: "12", BatchID: "id", BatchSize: 3}, `{"stream":"S","seq":7,"val":"12","batch":"id","count":3}`},
		{
			PubAck{Stream: "S", Error: ErrStreamWrongLastSequence.With("seq", 8)},
			`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 8"},"stream":"S","seq":0}`,
		},
	} {
		if got := string(tc.ack.AppendJSON(nil)); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}

	// Apart from the one space it is what encoding/json writes.
	r := rand.New(rand.NewPCG(5, 6))
	text := func() string {
		const bytes = "ab\"\\<>&\x00\n\x7f\xc3\xa9\xe2\x80\xa8\xff"
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = bytes[r.IntN(len(bytes))]
		}
		return string(b)
	}
	for range 5000 {
		ack := PubAck{
			Stream: text(), Sequence: r.Uint64(), Domain: text(), Duplicate: r.IntN(2) == 0, Value: text(), BatchID: text(), BatchSize: r.IntN(3),
		}
		if r.IntN(2) == 0 {
			ack.Error = &Error{Code: r.IntN(600), ErrCode: uint16(r.IntN(3)), Description: text()}
		}
		want, err := json.Marshal(ack)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(ack.AppendJSON(nil)), `"duplicate": true`, `"duplicate":true`); got != string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
