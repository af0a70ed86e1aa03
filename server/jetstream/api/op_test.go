package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/subject"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		subject string
		want    Call
		ok      bool
	}{
		{"$JS.API.INFO", Call{Op: OpAccountInfo}, true},
		{"$JS.API.STREAM.CREATE.S", Call{Op: OpStreamCreate, Stream: "S"}, true},
		{"$JS.API.STREAM.NAMES", Call{Op: OpStreamNames}, true},
		{"$JS.API.STREAM.MSG.GET.S", Call{Op: OpStreamMsgGet, Stream: "S"}, true},
		{"$JS.API.STREAM.LEADER.STEPDOWN.S", Call{Op: OpStreamStepdown, Stream: "S"}, true},
		// Streams may be called as parts of names are.
		{"$JS.API.STREAM.INFO.MSG", Call{Op: OpStreamInfo, Stream: "MSG"}, true},
		{"$JS.API.CONSUMER.CREATE.DURABLE.CREATE", Call{Op: OpConsumerCreate, Stream: "DURABLE", Consumer: "CREATE"}, true},
		{"$JS.API.CONSUMER.CREATE.S", Call{Op: OpConsumerCreate, Stream: "S"}, true},
		{"$JS.API.CONSUMER.CREATE.S.c", Call{Op: OpConsumerCreate, Stream: "S", Consumer: "c"}, true},
		{"$JS.API.CONSUMER.CREATE.S.c.a.*.>", Call{Op: OpConsumerCreate, Stream: "S", Consumer: "c", Filter: "a.*.>"}, true},
		{"$JS.API.CONSUMER.CREATE.S.c.>", Call{Op: OpConsumerCreate, Stream: "S", Consumer: "c", Filter: ">"}, true},
		{"$JS.API.CONSUMER.DURABLE.CREATE.S.c", Call{Op: OpConsumerDurableCreate, Stream: "S", Consumer: "c"}, true},
		{"$JS.API.CONSUMER.MSG.NEXT.S.c", Call{Op: OpConsumerNext, Stream: "S", Consumer: "c"}, true},
		{"$JS.API.DIRECT.GET.S", Call{Op: OpDirectGet, Stream: "S"}, true},
		{"$JS.API.DIRECT.GET.KV_b.$KV.b.a.b", Call{Op: OpDirectGet, Stream: "KV_b", Filter: "$KV.b.a.b"}, true},
		{"$JS.API.ACCOUNT.STREAM.MOVE.A.S", Call{Op: OpAccountStreamMove, Account: "A", Stream: "S"}, true},
		{"$JS.API.ACCOUNT.PURGE.A", Call{Op: OpAccountPurge, Account: "A"}, true},

		{"$JS.API", Call{}, false},
		{"$JS.API.", Call{}, false},
		{"$JS.APX.INFO", Call{}, false},
		{"$JS.API.INFO.x", Call{}, false},
		{"$JS.API.INFO.", Call{}, false},
		{"$JS.API.FOO.BAR", Call{}, false},
		{"$JS.API.STREAM", Call{}, false},
		{"$JS.API.STREAM.INFO", Call{}, false},
		{"$JS.API.STREAM.INFO.", Call{}, false},
		{"$JS.API.STREAM.CREATE.T.x", Call{}, false},
		{"$JS.API.CONSUMER.INFO.S", Call{}, false},
		{"$JS.API.CONSUMER.CREATE.S.", Call{}, false},
		{"$JS.API.CONSUMER.CREATE.S..a", Call{}, false},
		{"$JS.API.CONSUMER.CREATE.S.c.", Call{}, false},
		{"$JS.API.CONSUMER.CREATE.S.c.a..b", Call{}, false},
		{"$JS.API.CONSUMER.DURABLE.CREATE.S", Call{}, false},
		{"$JS.API.CONSUMER.DURABLE.CREATE.S.c.x", Call{}, false},
		{"$JS.API.DIRECT.GET", Call{}, false},
	} {
		got, ok := Parse(tc.subject)
		if ok != tc.ok || got != tc.want {
			t.Errorf("%s is %+v, %v", tc.subject, got, ok)
		}
	}
}

// args are the names of a call in the order in which Subject takes them.
func (c Call) args() []string {
	return slices.DeleteFunc([]string{c.Account, c.Stream, c.Consumer, c.Filter}, func(s string) bool { return s == "" })
}

func TestOpsAgree(t *testing.T) {
	args := map[byte]string{'a': "ACC", 's': "STR", 'c': "CON", 'f': "x.>"}
	for o := Op(0); o < Ops; o++ {
		d := ops[o]
		if d.name == "" {
			t.Fatalf("op %d has no row", o)
		}
		var names []string
		var matched int
		for i := range len(d.args) + 1 {
			if i >= len(d.args)-d.optional {
				s := o.Subject(Prefix, names...)
				call, ok := Parse(s)
				if !ok || call.Op != o || !slices.Equal(call.args(), names) {
					t.Errorf("%s is parsed as %+v, %v", s, call, ok)
				}
				for _, p := range o.Patterns() {
					if subject.Matches(s, p) {
						matched++
					}
				}
			}
			if i < len(d.args) {
				names = append(names, args[d.args[i]])
			}
		}
		if want := d.optional + 1; matched != want || len(o.Patterns()) != want {
			t.Errorf("%v: the patterns %q match %d subjects", o, o.Patterns(), matched)
		}
		first, _, _ := strings.Cut(d.name, ".")
		if want := slices.Contains([]string{"META", "SERVER", "ACCOUNT"}, first); o.IsSystem() != want {
			t.Errorf("%v is for the system account: %v", o, o.IsSystem())
		}
	}
	if got, want := OpStreamInfo.Subject(DomainPrefix("hub"), "S"), "$JS.hub.API.STREAM.INFO.S"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestFailures checks what a failed request of each kind is answered with: the type,
// and the members that are never left out.
func TestFailures(t *testing.T) {
	page := `"total":0,"offset":0,"limit":0`
	members := map[Op]string{
		OpStreamNames:      "," + page + `,"streams":null`,
		OpStreamList:       "," + page + `,"streams":[]`,
		OpStreamInfo:       "," + page,
		OpStreamPurge:      `,"purged":0`,
		OpStreamRestore:    `,"deliver_subject":""`,
		OpConsumerNames:    "," + page + `,"consumers":[]`,
		OpConsumerList:     "," + page + `,"consumers":[]`,
		OpConsumerPause:    `,"paused":false,"pause_until":"0001-01-01T00:00:00Z"`,
		OpConsumerReset:    `,"reset_seq":0`,
		OpMetaRescue:       `,"server":"","server_id":""`,
		OpAccountInfo:      "",
		OpConsumerUnpin:    "",
		OpStreamSnapshot:   "",
		OpStreamMsgGet:     "",
		OpStreamPeerRemove: "",
	}
	types := map[Op]string{
		OpAccountInfo: "account_info", OpStreamCreate: "stream_create", OpStreamUpdate: "stream_update", OpStreamNames: "stream_names",
		OpStreamList: "stream_list", OpStreamInfo: "stream_info", OpStreamDelete: "stream_delete", OpStreamPurge: "stream_purge",
		OpStreamMsgGet: "stream_msg_get", OpStreamMsgDelete: "stream_msg_delete", OpStreamSnapshot: "stream_snapshot",
		OpStreamRestore: "stream_restore", OpStreamStepdown: "stream_leader_stepdown", OpStreamPeerRemove: "stream_remove_peer",
		OpStreamPeerEvacuate: "stream_evacuate_peer", OpStreamCancelMove: "stream_cancel_move", OpConsumerCreate: "consumer_create",
		OpConsumerDurableCreate: "consumer_create", OpConsumerNames: "consumer_names", OpConsumerList: "consumer_list",
		OpConsumerInfo: "consumer_info", OpConsumerDelete: "consumer_delete", OpConsumerPause: "consumer_pause",
		OpConsumerUnpin: "consumer_unpin", OpConsumerReset: "consumer_reset", OpConsumerStepdown: "consumer_leader_stepdown",
		OpConsumerPeerRemove: "consumer_remove_peer", OpConsumerPeerEvacuate: "consumer_evacuate_peer",
		OpMetaStepdown: "meta_leader_stepdown", OpMetaRescue: "meta_rescue", OpServerRemove: "meta_server_remove",
		OpServerEvacuate: "meta_server_evacuate", OpAccountPurge: "account_purge", OpAccountStreamMove: "stream_update",
		OpAccountStreamCancelMove: "stream_cancel_move",
	}
	for o := Op(0); o < Ops; o++ {
		r := o.NewReply()
		if (r == nil) != (o == OpConsumerNext || o == OpDirectGet) {
			t.Errorf("%v: reply is %T", o, r)
		}
		if r == nil {
			continue
		}
		got, err := json.Marshal(o.Fail(ErrStreamNotFound))
		want := `{"type":"io.nats.jetstream.api.v1.` + types[o] + `_response","error":{"code":404,"err_code":10059,"description":"stream not found"}` +
			members[o] + `}`
		if err != nil || string(got) != want {
			t.Errorf("%v\n got %s, %v\nwant %s", o, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for o := Op(0); o < Ops; o++ {
		for _, p := range o.Patterns() {
			f.Add(p)
		}
	}
	f.Add("$JS.API.CONSUMER.CREATE.S.c.a.b")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := Parse(s)
		if !ok {
			if c != (Call{}) {
				t.Fatalf("%q is no request, but %+v", s, c)
			}
			return
		}
		if back := c.Op.Subject(Prefix, c.args()...); back != s {
			t.Fatalf("%q is %+v, which is %q", s, c, back)
		}
	})
}

func TestTurn(t *testing.T) {
	for _, tc := range []struct{ total, offset, limit, from, to int }{
		{0, 0, 10, 0, 0},
		{5, 0, 10, 0, 5},
		{25, 0, 10, 0, 10},
		{25, 20, 10, 20, 25},
		{25, 99, 10, 25, 25},
		{25, -1, 10, 0, 10},
	} {
		p, from, to := Turn(tc.total, tc.offset, tc.limit)
		if from != tc.from || to != tc.to || p != (Page{tc.total, tc.from, tc.limit}) {
			t.Errorf("%+v gives %+v, %d to %d", tc, p, from, to)
		}
	}
}
