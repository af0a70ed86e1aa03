package jetstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// What clients may send goes through the whole engine here. Whatever it is, nobody
// panics, all that is asked is answered as it should be, what is refused changes
// nothing, and what there is afterwards is whole: it is the same after a crash, and can be used.

// furnish makes a stream of everything, S, one that counts, N, and a work queue, W, with
// messages and consumers.
func (r *rig) furnish() {
	r.create(&api.StreamConfig{
		Name: "S", Subjects: []string{"s.>"}, AllowDirect: true, AllowAtomic: true, AllowBatched: true, AllowMsgTTL: true, AllowRollup: true,
		AllowMsgSchedules: true, DuplicateWindow: time.Minute, MaxMsgsPerSubject: 5,
	})
	r.create(&api.StreamConfig{Name: "N", Subjects: []string{"n.>"}, AllowMsgCounter: true, AllowDirect: true})
	r.create(&api.StreamConfig{Name: "W", Subjects: []string{"w.>"}, Retention: api.RetainWorkQueue, MaxMsgs: 5, Discard: api.DiscardNew})
	for i := range 4 {
		r.store(fmt.Sprintf("s.%d", i%2), "x")
		r.store("w.x", "x")
	}
	r.store("n.x", "", "Nats-Incr", "1")
	r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
	r.consume("S", &api.ConsumerConfig{Name: "P", Durable: "P", DeliverSubject: "deliver", AckPolicy: api.AckAll})
	r.consume("W", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
}

// inventory is all that the API tells of what there is and is to outlive a crash.
func (r *rig) inventory() string {
	r.t.Helper()
	synctest.Wait()
	var b strings.Builder
	names := must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil).Streams
	list := must[api.StreamListResponse](r, subjectOf(api.OpStreamList), nil).Streams
	if len(names) != len(list) {
		r.t.Fatalf("%d names of %d streams", len(names), len(list))
	}
	for _, name := range names {
		in := r.info(name)
		in.Time = time.Time{}
		for _, from := range append(in.Sources, in.Mirror) {
			if from != nil {
				from.Active, from.Lag, from.Seq, from.Error = 0, 0, 0, nil
			}
		}
		inMemory := in.Config.Storage == api.MemoryStorage
		if inMemory {
			in.State = api.StreamState{Consumers: in.State.Consumers}
		}
		fmt.Fprintf(&b, "%s\n", mustJSON(in))
		for _, c := range must[api.ConsumerNamesResponse](r, subjectOf(api.OpConsumerNames, name), nil).Consumers {
			in := r.consumerInfo(name, c)
			if inMemory || in.Config.MemoryStorage {
				in = &api.ConsumerInfo{Name: in.Name, Created: in.Created, Config: in.Config}
			}
			in.Time, in.Delivered.Last, in.AckFloor.Last = time.Time{}, nil, nil
			in.NumWaiting, in.PushBound, in.PauseRemaining, in.PriorityGroups = 0, false, 0, nil
			fmt.Fprintf(&b, "%s\n", mustJSON(in))
		}
	}
	return b.String()
}

// checkSame checks that something changed nothing.
func checkSame(t *testing.T, what, before, after string) {
	t.Helper()
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range max(len(old), len(now)) {
		a, b := "", ""
		if i < len(old) {
			a = old[i]
		}
		if i < len(now) {
			b = now[i]
		}
		if a != b {
			t.Errorf("%s changes\n%s\nto\n%s", what, a, b)
			return
		}
	}
}

// checkWhole checks that what there is outlives a crash, and can be removed so that
// nothing is left of it.
func (r *rig) checkWhole() {
	r.t.Helper()
	time.Sleep(time.Second) // what is under way, such as copies, comes to its end
	before := r.inventory()
	// No time passes from here on: what has a time to live, or a schedule, stays.
	r = r.crash(vfs.CrashOptions{})
	checkSame(r.t, "a crash", before, r.inventory())
	for _, name := range must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil).Streams {
		r.remove(name)
	}
	synctest.Wait()
	if left, err := r.disk.List("js/streams"); err != nil || len(left) > 0 {
		r.t.Errorf("of no stream %v are left, %v", left, err)
	}
	for _, g := range r.log.Groups() {
		if g.ID != metaGroupID {
			r.t.Errorf("group %d is left in the log", g.ID)
		}
	}
	r.stop()
}

// FuzzAPI makes a request with any body, of all kinds.
func FuzzAPI(f *testing.F) {
	for _, seed := range []struct {
		op       api.Op
		to, body string
	}{
		{api.OpAccountInfo, "", ""},
		{api.OpStreamCreate, "T", `{"name":"T","subjects":["t.>"],"storage":"file","max_age":1000000000,"duplicate_window":100000000}`},
		{api.OpStreamCreate, "T", `{"name":"T","mirror":{"name":"S","opt_start_seq":2,"subject_transforms":[{"src":"s.>","dest":"t.>"}]},"storage":"memory"}`},
		{api.OpStreamCreate, "T", `{"name":"T","sources":[{"name":"S","filter_subject":"s.1"},{"name":"N"}],"retention":"interest"}`},
		{api.OpStreamCreate, "T", `{"name":"T","subjects":["s.1"],"republish":{"src":">","dest":"r.>"},"placement":{"cluster":"x"}}`},
		{api.OpStreamUpdate, "S", `{"name":"S","subjects":["s.>","u"],"max_msgs":2,"allow_direct":true,"retention":"interest"}`},
		{api.OpStreamUpdate, "W", `{"name":"W","subjects":["w.>"],"retention":"workqueue","max_bytes":10,"sealed":true,"deny_delete":true}`},
		{api.OpStreamNames, "", `{"subject":"s.1","offset":1}`},
		{api.OpStreamList, "", `{"offset":-1}`},
		{api.OpStreamInfo, "S", `{"deleted_details":true,"subjects_filter":"s.*","offset":1}`},
		{api.OpStreamDelete, "S", ``},
		{api.OpStreamPurge, "S", `{"filter":"s.1","keep":1,"seq":3}`},
		{api.OpStreamMsgGet, "S", `{"last_by_subj":"s.1","seq":1}`},
		{api.OpStreamMsgDelete, "S", `{"seq":2,"no_erase":true}`},
		{api.OpStreamSnapshot, "S", `{"deliver_subject":"x","chunk_size":1}`},
		{api.OpStreamRestore, "S", `{"config":{"name":"S"},"state":{}}`},
		{api.OpStreamPeerRemove, "S", `{"peer":"S1"}`},
		{api.OpConsumerCreate, "S.D", `{"stream_name":"S","config":{"name":"D","filter_subjects":["s.1","s.0"],"deliver_policy":"by_start_sequence","opt_start_seq":2,"ack_policy":"explicit","backoff":[1,2]},"action":"create"}`},
		{api.OpConsumerCreate, "W", `{"stream_name":"W","config":{"deliver_subject":"d","deliver_group":"g","flow_control":true,"idle_heartbeat":1000000000,"inactive_threshold":1000000}}`},
		{api.OpConsumerDurableCreate, "S.C", `{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","priority_groups":["a"],"priority_policy":"pinned_client","pause_until":"2100-01-01T00:00:00Z"}}`},
		{api.OpConsumerNames, "S", `{"offset":1}`},
		{api.OpConsumerList, "S", ``},
		{api.OpConsumerInfo, "S.C", ``},
		{api.OpConsumerDelete, "S.C", ``},
		{api.OpConsumerPause, "S.C", `{"pause_until":"2100-01-01T00:00:00Z"}`},
		{api.OpConsumerUnpin, "S.C", `{"group":"a"}`},
		{api.OpConsumerReset, "S.C", `{"seq":2}`},
		{api.OpConsumerNext, "S.C", `{"batch":3,"no_wait":true}`},
		{api.OpConsumerNext, "S.C", `{"batch":3,"max_bytes":200,"expires":1000000000,"idle_heartbeat":100000000,"min_pending":1,"id":"x","group":"a"}`},
		{api.OpDirectGet, "S", `{"multi_last":["s.>"],"up_to_seq":3,"batch":2,"max_bytes":1}`},
		{api.OpDirectGet, "S", `{"next_by_subj":"s.*","seq":2,"start_time":"2000-01-01T00:00:00Z"}`},
		{api.OpDirectGet, "S.s.1", ``},
	} {
		f.Add(uint8(seed.op), seed.to, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, o uint8, to string, body []byte) {
		op := api.Op(int(o) % api.Ops)
		name := op.Subject(api.Prefix)
		if to != "" {
			name += "." + to
		}
		if _, ok := api.Parse(name); !ok || strings.ContainsAny(name, " *>\t\r\n\x00") {
			return // no client could send it, or nobody listens
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem())
			r.furnish()
			before := r.inventory()
			b := r.newInbox()
			asked := r.send(name, b.sub.Subject, body)
			time.Sleep(time.Minute)
			answers := b.all()
			reply := op.NewReply()
			switch {
			case !asked:
			case reply == nil:
				checkStatuses(t, op, answers)
			case len(answers) != 1:
				t.Errorf("%d answers", len(answers))
			case checkAnswer(t, reply, answers[0].data):
				checkSame(t, answers[0].data, before, r.inventory())
			}
			if op == api.OpConsumerNext {
				// What is delivered is to be acknowledged, for a crash can take back that it was.
				for _, m := range answers {
					if m.reply != "" {
						r.ask(m.reply, []byte("+ACK"))
					}
				}
			}
			r.checkWhole()
		})
	})
}

// checkAnswer checks that a response is of the right type, and whole. It tells whether
// the request was refused.
func checkAnswer(t *testing.T, reply api.Reply, data string) (refused bool) {
	t.Helper()
	want := reply.Head().Type
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(reply); err != nil {
		t.Errorf("answered %q: %v", data, err)
		return false
	}
	head := reply.Head()
	if head.Type != want {
		t.Errorf("answered %q, of type %s", data, want)
	}
	if e := head.Error; e != nil && (e.Code < 400 || e.Code > 599 || e.ErrCode < 10000 || e.Description == "") {
		t.Errorf("refused with %+v", e)
	}
	return head.Error != nil
}

// checkStatuses checks the answer to a request for messages.
func checkStatuses(t *testing.T, op api.Op, answers []received) {
	t.Helper()
	for _, m := range answers {
		switch {
		case strings.HasPrefix(m.header, "NATS/1.0 ") && !strings.HasSuffix(m.header, "\r\n\r\n"):
			t.Errorf("a status that is not whole: %q", m.header)
		case strings.HasPrefix(m.header, "NATS/1.0 "), op == api.OpDirectGet:
		default:
			if _, ok := api.ParseAckSubject([]byte(m.reply)); !ok {
				t.Errorf("a message with reply %q", m.reply)
			}
		}
	}
	if len(answers) == 0 && op == api.OpDirectGet {
		t.Error("no answer")
	}
}

// FuzzPublish publishes with any header, to streams with all features.
func FuzzPublish(f *testing.F) {
	const line = "NATS/1.0\r\n"
	values := map[string][]string{
		api.HeaderMsgID:                      {"id"},
		api.HeaderExpectedStream:             {"S", "T"},
		api.HeaderExpectedLastSeq:            {"4", "5", "x", "-1", "18446744073709551616"},
		api.HeaderExpectedLastSubjSeq:        {"3", "0"},
		api.HeaderExpectedLastSubjSeqSubject: {"s.1", "s.*", "x"},
		api.HeaderExpectedLastMsgID:          {"id", ""},
		api.HeaderRollup:                     {"sub", "all", "none"},
		api.HeaderTTL:                        {"1s", "never", "-1", "5", "9999999999999999999h"},
		api.HeaderIncr:                       {"+1", "-999999999999999999999999", "1.5", ""},
		api.HeaderSchedule:                   {"@at 2000-01-01T01:00:00Z", "@every 1m", "0 0 * * * *", "@at x"},
	}
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all.WriteString(name + ": " + values[name][0] + "\r\n")
		for _, v := range values[name] {
			f.Add("s.1", "", line+name+": "+v+"\r\n\r\n", []byte("x"))
			f.Add("n.1", "", line+name+": "+v+"\r\n\r\n", []byte(""))
		}
	}
	f.Add("s.1", "", line+all.String()+"\r\n", []byte("x"))
	f.Add("w.1", "", line+all.String()+all.String()+"\r\n", []byte("x"))
	f.Add("s.1", "", line+"Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\nNats-Msg-Id: a\r\n\r\n", []byte("x"))
	f.Add("s.1", "", line+"Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n\r\n", []byte("x"))
	f.Add("s.1", "", line+"Nats-Schedule: @every 1s\r\nNats-Schedule-Target: s.target\r\nNats-Schedule-TTL: 5m\r\nNats-Schedule-Source: s.1\r\n\r\n", []byte("x"))
	f.Add("s.1", "in.b.10.ok.1.2.$FI", "", []byte("x"))
	f.Add("s.1", "in.b.10.fail.1.0.$FI", line+"Nats-TTL: 1s\r\n\r\n", []byte("x"))
	f.Add("s.1", "", "NATS/1.0 503 No\r\nx:\r\n: \r\n\r\n", []byte("x"))
	f.Fuzz(func(t *testing.T, name, reply, header string, data []byte) {
		if strings.ContainsAny(name+reply, " *>\t\r\n\x00") || header != "" && !strings.HasSuffix(header, "\r\n\r\n") {
			return // no client could send it
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem())
			r.furnish()
			before := r.inventory()
			b := r.newInbox()
			if reply == "" {
				reply = b.sub.Subject
			}
			m := &account.Message{Subject: []byte(name), Reply: []byte(reply), HeaderLen: len(header)}
			m.Body = slices.Concat([]byte(header), data, []byte("\r\n"))
			r.acc.Publish(m)
			synctest.Wait()
			for _, a := range b.all() {
				if strings.HasPrefix(name, "$JS") {
					break
				}
				if a.data == "" { // a part of a batch
					continue
				}
				var ack api.PubAck
				if err := json.Unmarshal([]byte(a.data), &ack); err != nil || ack.Error == nil && ack.Sequence == 0 {
					t.Errorf("answered %q: %v", a.data, err)
				}
				if ack.Error != nil {
					checkSame(t, a.data, before, r.inventory())
				}
			}
			// What follows is not hindered by it.
			r.store("s.next", "x")
			r.store("n.next", "", "Nats-Incr", "1")
			r.checkWhole()
		})
	})
}

// FuzzAck acknowledges on any subject, in any words, while messages are pending.
func FuzzAck(f *testing.F) {
	now := fmt.Sprint(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	for _, word := range []string{"+ACK", "", "-NAK", `-NAK {"delay":1000000000}`, "-NAK 5", "+WPI", "+NXT", `+NXT {"batch":2,"no_wait":true}`, "+NXT 3", "+TERM", "+TERM why", "+OK", "{"} {
		f.Add("$JS.ACK.S.C.1.1.1."+now+".0", []byte(word))
	}
	f.Add("$JS.ACK.S.P.1.2.2."+now+".0", []byte("+ACK"))
	f.Add("$JS.ACK.W.C.1.4.4."+now+".0", []byte("+ACK"))
	f.Add("$JS.ACK.S.C.1.18446744073709551615.1."+now+".0", []byte("+ACK"))
	f.Add("$JS.ACK.S.C.0.0.0.0.0", []byte("+ACK"))
	f.Add("$JS.ACK.S.C.9.9.9."+now+".9", []byte("-NAK"))
	f.Add("$JS.ACK._._.S.C.1.1.1."+now+".0.x", []byte("+ACK"))
	f.Add("$JS.FC.S.P.x", []byte(""))
	f.Fuzz(func(t *testing.T, name string, word []byte) {
		if !strings.HasPrefix(name, "$JS.ACK.") && !strings.HasPrefix(name, "$JS.FC.") || strings.ContainsAny(name, " *>\t\r\n\x00") {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem())
			r.furnish()
			push := r.listen("deliver")
			r.fetch("S", "C", 3)
			r.fetch("W", "C", 10)
			push.all()
			b := r.newInbox()
			r.send(name, b.sub.Subject, word)
			time.Sleep(2 * time.Minute) // all is due to come again
			got := b.all()
			checkStatuses(t, api.OpConsumerNext, slices.DeleteFunc(got, func(m received) bool { return m.data == "" && m.header == "" }))
			push.close()
			// Each message is settled, or comes once more; nothing else is.
			for _, of := range []struct{ stream, consumer string }{{"S", "C"}, {"W", "C"}} {
				in := r.consumerInfo(of.stream, of.consumer)
				list := r.fetch(of.stream, of.consumer, 10)
				if len(list) < 3 {
					t.Errorf("%d messages of %s come after one word: %+v", len(list), of.stream, in)
				}
				for i := range list {
					r.ack(&list[i], "+ACK")
				}
				if bytes.Contains(word, []byte("NAK")) && len(list) < 4 {
					continue // it may be wanted as late as the word says
				}
				if in := r.consumerInfo(of.stream, of.consumer); in.NumAckPending != 0 || in.NumPending != 0 || in.AckFloor.Stream != 4 {
					t.Errorf("all is settled, and %s > %s says %+v", of.stream, of.consumer, in)
				}
			}
			r.checkWhole()
		})
	})
}
