package jetstream

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// with changes the engine's configuration.
func with(f func(*Config)) rigOption {
	return func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { f(c) }
}

// within changes the limits of the account, which has none otherwise.
func (r *rig) within(f func(*AccountLimits)) {
	r.t.Helper()
	l := api.NoLimits
	f(&l)
	r.limit(l)
}

// slowly has every sync take a while.
func (r *rig) slowly() {
	r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: time.Second}))
}

// What a stream has been sent and has not stored is bounded: publishers are told to
// come again, and can.
func TestBufferedMessages(t *testing.T) {
	for _, c := range []struct {
		name   string
		queues Queues
		host   int64
	}{
		{"by number", Queues{Msgs: 4}, 0},
		{"by bytes", Queues{Bytes: 500}, 0},
		{"by what the group takes", Queues{}, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, h *host.Config, e *Config) { e.Queues, h.MaxGroupBytes = c.queues, c.host })
				defer r.stop()
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				r.create(&api.StreamConfig{Name: "T", Subjects: []string{"t"}, NoAck: true})
				r.slowly()
				answers := r.listen("ANSWERS")
				const sent = 20
				for range sent {
					r.send("s", "ANSWERS", []byte(strings.Repeat("x", 100)))
					r.send("t", "ANSWERS", []byte(strings.Repeat("x", 100)))
				}
				refused := answers.all()
				if len(refused) == 0 || len(refused) >= sent {
					t.Fatalf("%d of %d messages are refused at once", len(refused), sent)
				}
				const want = `{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"S","seq":0}`
				for _, m := range refused {
					if m.header != "NATS/1.0 429 Too Many Requests\r\n\r\n" || m.data != want {
						t.Fatalf("%q %q", m.header, m.data)
					}
				}
				time.Sleep(time.Minute)
				if stored := answers.all(); len(stored)+len(refused) != sent {
					t.Errorf("%d are refused, %d acknowledged, of %d", len(refused), len(stored), sent)
				}
				r.fs.SetInjector(nil)
				r.store("s", "later")
				if n := r.info("S").State.Msgs; n != uint64(sent-len(refused)+1) {
					t.Errorf("%d messages, %d were refused", n, len(refused))
				}
			})
		})
	}
}

// However many publish at once, and wherever, streams do not hold more than what the
// account and the server have, but for what is on its way when the room ends.
func TestBytesAreBounded(t *testing.T) {
	const (
		room = 50_000
		size = 1000
		each = 40
		way  = 2 * 8 * (size + 100) // publishers, a message each
	)
	for _, c := range []struct {
		name    string
		storage api.Storage
		limit   func(*rig)
		want    *api.Error
	}{
		{"memory of an account", api.MemoryStorage, func(r *rig) { r.within(func(l *AccountLimits) { l.MaxMemory = room }) }, api.ErrAccountResourcesExceeded},
		{"disk of an account", api.FileStorage, func(r *rig) { r.within(func(l *AccountLimits) { l.MaxStorage = room }) }, api.ErrAccountResourcesExceeded},
		{"memory of the server", api.MemoryStorage, func(r *rig) { r.e.SetLimits(Limits{MaxMemory: room, MaxFile: -1}) }, api.ErrInsufficientResources},
		{"disk of the server", api.FileStorage, func(r *rig) { r.e.SetLimits(Limits{MaxMemory: -1, MaxFile: room}) }, api.ErrInsufficientResources},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem())
				defer r.stop()
				for _, name := range []string{"S", "T"} {
					r.create(&api.StreamConfig{Name: name, Subjects: []string{name}, Storage: c.storage})
				}
				c.limit(r)
				var wg sync.WaitGroup
				for p := range 16 {
					wg.Go(func() {
						for range each {
							ack, ok := r.publish([]string{"S", "T"}[p%2], strings.Repeat("x", size))
							if !ok || ack.Error != nil && ack.Error.ErrCode != c.want.ErrCode {
								t.Errorf("%v %+v", ok, ack)
							}
						}
					})
				}
				wg.Wait()
				held := r.info("S").State.Bytes + r.info("T").State.Bytes
				if held < room-size-100 || held > room+way {
					t.Errorf("%d bytes, with room for %d", held, room)
				}
				ack, _ := r.publish("S", strings.Repeat("x", size))
				if ack.Error == nil || *ack.Error != *c.want {
					t.Errorf("%+v", ack)
				}
				// What goes makes room again.
				r.purge("S")
				r.purge("T")
				r.store("S", strings.Repeat("x", size))
			})
		})
	}
}

// The smallest bound on a stream's consumers is the one that counts, and that of the
// server only where nobody else has one.
func TestMaxConsumers(t *testing.T) {
	for _, c := range []struct{ stream, account, server, want int }{
		{-1, -1, 3, 3},
		{2, -1, 3, 2},
		{4, -1, 3, 4},
		{-1, 2, 3, 2},
		{-1, 4, 3, 4},
		{3, 2, 1, 2},
		{2, 3, 1, 2},
		{-1, 0, 3, 3},
		{-1, -1, -1, 6},
		{-1, -1, 0, 6},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), with(func(e *Config) { e.Limits.DefaultMaxConsumers = c.server }))
				defer r.stop()
				r.within(func(l *AccountLimits) { l.MaxConsumers = c.account })
				// The bound of an account is for each of its streams.
				for _, stream := range []string{"S", "T"} {
					r.create(&api.StreamConfig{Name: stream, Subjects: []string{stream}, MaxConsumers: c.stream})
					made := 0
					for n := range 6 {
						name, cfg := fmt.Sprint("c", n), api.ConsumerConfig{AckPolicy: api.AckExplicit}
						cfg.Name, cfg.Durable = name, name
						_, err := call[api.ConsumerInfoResponse](r, subjectOf(api.OpConsumerCreate, stream, name), &api.CreateConsumerRequest{Stream: stream, Config: cfg})
						switch {
						case err == nil:
							made++
						case *err != *api.ErrMaximumConsumersLimit:
							t.Fatal(err)
						}
					}
					if made != c.want {
						t.Errorf("%d consumers could be made", made)
					}
				}
			})
		})
	}
}

// Limits of the account and of the server, as they are told to clients that want more.
func TestLimitsOfRequests(t *testing.T) {
	stream := func(f func(*api.StreamConfig)) func(*rig) *api.Error {
		c := api.StreamConfig{Name: "S", Subjects: []string{"s"}}
		f(&c)
		return func(r *rig) *api.Error {
			_, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "S"), &c)
			return err
		}
	}
	consumer := func(f func(*api.ConsumerConfig)) func(*rig) *api.Error {
		c := api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit}
		f(&c)
		return func(r *rig) *api.Error {
			r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
			_, err := call[api.ConsumerInfoResponse](r, subjectOf(api.OpConsumerCreate, "S", "C"), &api.CreateConsumerRequest{Stream: "S", Config: c})
			return err
		}
	}
	account := func(f func(*AccountLimits)) func(*rig) { return func(r *rig) { r.within(f) } }
	server := func(f func(*Limits)) func(*rig) {
		return func(r *rig) {
			l := Limits{MaxMemory: -1, MaxFile: -1}
			f(&l)
			r.e.SetLimits(l)
		}
	}
	for _, c := range []struct {
		name  string
		limit func(*rig)
		ask   func(*rig) *api.Error
		want  string
	}{
		{"max_bytes_required", account(func(l *AccountLimits) { l.MaxBytesRequired = true }), stream(func(*api.StreamConfig) {}), "account requires a stream config to have max bytes set (10113)"},
		{"disk_max_stream_bytes", account(func(l *AccountLimits) { l.StoreMaxStreamBytes = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes = 11 }), "stream max bytes exceeds account limit max stream bytes (10122)"},
		{"memory_max_stream_bytes", account(func(l *AccountLimits) { l.MemoryMaxStreamBytes = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes, c.Storage = 11, api.MemoryStorage }), "stream max bytes exceeds account limit max stream bytes (10122)"},
		{"max_file of the account", account(func(l *AccountLimits) { l.MaxStorage = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes = 11 }), "insufficient storage resources available (10047)"},
		{"max_mem of the account", account(func(l *AccountLimits) { l.MaxMemory = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes, c.Storage = 11, api.MemoryStorage }), "insufficient memory resources available (10028)"},
		{"max_file of the server", server(func(l *Limits) { l.MaxFile = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes = 11 }), "insufficient storage resources available (10047)"},
		{"max_mem of the server", server(func(l *Limits) { l.MaxMemory = 10 }), stream(func(c *api.StreamConfig) { c.MaxBytes, c.Storage = 11, api.MemoryStorage }), "insufficient memory resources available (10028)"},
		{"duplicate_window", server(func(l *Limits) { l.DuplicateWindow = time.Minute }), stream(func(c *api.StreamConfig) { c.DuplicateWindow = 2 * time.Minute }), "duplicates window can not be larger then server limit of 1m0s (10052)"},
		{"max_ack_pending of the server", server(func(l *Limits) { l.MaxAckPending = 10 }), consumer(func(c *api.ConsumerConfig) { c.MaxAckPending = 11 }), "consumer max ack pending exceeds system limit of 10 (10121)"},
		{"max_ack_pending of the account", account(func(l *AccountLimits) { l.MaxAckPending = 10 }), consumer(func(c *api.ConsumerConfig) { c.MaxAckPending = 11 }), "consumer max ack pending exceeds system limit of 10 (10121)"},
		{"max_request_batch", server(func(l *Limits) { l.MaxRequestBatch = 10 }), consumer(func(c *api.ConsumerConfig) { c.MaxRequestBatch = 11 }), "consumer max request batch exceeds server limit of 10 (10125)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem())
				defer r.stop()
				c.limit(r)
				err := c.ask(r)
				if err == nil {
					t.Fatal("it is admitted")
				}
				if got := fmt.Sprintf("%s (%d)", err.Description, err.ErrCode); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

// What is not said is taken from the limits.
func TestLimitsAreDefaults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), with(func(c *Config) {
			c.Limits.MaxAckPending, c.Limits.MaxRequestBatch, c.Limits.DuplicateWindow = 50, 20, time.Minute
		}))
		defer r.stop()
		if w := r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}}).Config.DuplicateWindow; w != time.Minute {
			t.Errorf("duplicate_window is %v", w)
		}
		c := r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit}).Config
		if c.MaxAckPending != 50 || c.MaxRequestBatch != 20 {
			t.Errorf("%+v", c)
		}
		r.within(func(l *AccountLimits) { l.MaxAckPending = 40 })
		if c := r.consume("S", &api.ConsumerConfig{Name: "D", Durable: "D", AckPolicy: api.AckExplicit}).Config; c.MaxAckPending != 40 {
			t.Errorf("%+v", c)
		}
	})
}

// Requests that wait are bounded. Beyond that all of them are dropped, and operators
// are told.
func TestRequestQueue(t *testing.T) {
	for _, c := range []struct {
		name    string
		subject string
		queues  Queues
		atOnce  int
	}{
		{"requests", subjectOf(api.OpStreamPurge, "S"), Queues{Requests: 10}, requestsAtOnce},
		{"information", subjectOf(api.OpStreamInfo, "S"), Queues{Requests: 99, Infos: 10}, infosAtOnce},
		{"information, as many as others", subjectOf(api.OpConsumerInfo, "S", "C"), Queues{Requests: 10}, infosAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				system := account.New("SYS")
				// A request takes as long as the description of its client.
				slow := make(chan struct{})
				describe := func(*account.Target) json.RawMessage { <-slow; return nil }
				r := newRig(t, vfs.NewMem(), tolerant, with(func(e *Config) { e.Queues, e.System, e.Domain, e.Client = c.queues, system, "D", describe }))
				defer r.stop()
				defer r.listen("$JS.EVENT.ADVISORY.API").close()
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				synctest.Wait() // nobody works on a request
				told := make(chan string, 9)
				sub := &account.Subscription{Subject: "$JS.EVENT.ADVISORY.API.LIMIT_REACHED", Handler: func(m *account.Message) { told <- string(m.Payload()) }}
				if err := system.Subscribe(sub); err != nil {
					t.Fatal(err)
				}
				answers := r.listen("ANSWERS")
				ask := func(n int) {
					for range n {
						m := account.NewMessage(c.subject, nil)
						m.Reply, m.From = []byte("ANSWERS"), &account.Target{}
						r.acc.Publish(m)
					}
					synctest.Wait()
				}
				ask(c.atOnce + 10)
				if len(told) != 0 {
					t.Errorf("dropped before the queue is full: %s", <-told)
				}
				ask(1)
				var a api.APILimitReached
				if err := json.Unmarshal([]byte(<-told), &a); err != nil {
					t.Fatal(err)
				}
				if a.Type != api.TypeAPILimitReached || a.Server != "S1" || a.Domain != "D" || a.Dropped != 11 {
					t.Errorf("%+v", a)
				}
				ask(3)
				close(slow)
				if n := len(answers.all()); n != c.atOnce+3 {
					t.Errorf("%d answers, want %d", n, c.atOnce+3)
				}
				if got := r.complaints; len(got) != 1 || got[0] != "JetStream API queue limit reached, dropping 11 requests" {
					t.Errorf("logged: %q", got)
				}
				if f := r.e.Figures(); f.API.Total != uint64(c.atOnce+3+11+1) || f.API.Errors < 11 {
					t.Errorf("%+v", f.API)
				}
			})
		})
	}
}

// Whoever watches the requests of an account sees each with its response, and who
// asked.
func TestAudit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), with(func(c *Config) {
			c.Domain = "D"
			c.Client = func(target *account.Target) json.RawMessage { return fmt.Appendf(nil, `{"id":%d}`, target.ID) }
		}))
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.store("s", "x")
		audits := r.listen("$JS.EVENT.ADVISORY.API")
		next := func() (a api.APIAudit) {
			t.Helper()
			m, ok := audits.next(time.Second)
			if !ok {
				t.Fatal("no advisory")
			}
			if err := json.Unmarshal([]byte(m.data), &a); err != nil {
				t.Fatal(err)
			}
			if a.Type != api.TypeAPIAudit || a.ID == "" || a.Time.IsZero() || a.Server != "S1" || a.Domain != "D" {
				t.Errorf("%+v", a)
			}
			return a
		}
		m, _ := r.ask("$JS.API.STREAM.NAMES", []byte(`{"offset":0}`))
		if a := next(); a.Subject != "$JS.API.STREAM.NAMES" || a.Request != `{"offset":0}` || a.Response != m.data || a.Client != nil {
			t.Errorf("%+v", a)
		}
		m, _ = r.ask("$JS.API.STREAM.INFO.missing", nil)
		if a := next(); a.Request != "" || a.Response != m.data {
			t.Errorf("%+v", a)
		}
		// From a client.
		asked := account.NewMessage("$JS.API.INFO", nil)
		asked.Reply, asked.From = []byte("R"), &account.Target{ID: 7}
		r.acc.Publish(asked)
		if a := next(); string(a.Client) != `{"id":7}` {
			t.Errorf("client %s", a.Client)
		}
		// Messages are not copied into advisories, errors are.
		if _, err := r.get("S", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := r.get("S", 9); err == nil {
			t.Fatal("there is a message 9")
		}
		if a := next(); !strings.Contains(a.Response, "10037") {
			t.Errorf("%+v", a)
		}
		if left := audits.all(); len(left) != 0 {
			t.Errorf("%+v", left)
		}
	})
}

// shows is what clients see of a stream and a consumer.
func (r *rig) shows(stream, consumer string) string {
	r.t.Helper()
	st, c := r.info(stream), r.consumerInfo(stream, consumer)
	return fmt.Sprintf("created %v, %v; consumer created %v, delivered %d, floor %d, %d pending, %d left", st.Created, r.contents(stream),
		c.Created, c.Delivered.Consumer, c.AckFloor.Consumer, c.NumAckPending, c.NumPending)
}

// An account that may not use JetStream any more keeps its streams; they are back when
// it may again, also if it is another account of that name by then.
func TestAccountsComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		all := api.NoLimits
		serve := func(accounts map[*account.Account]AccountLimits, others ...*account.Account) {
			t.Helper()
			if err := r.e.Serve(accounts, others); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for i := range 3 {
			r.store("s", fmt.Sprint(i))
		}
		list := r.fetch("S", "C", 2)
		r.ack(&list[0], "+ACK")
		synctest.Wait()
		want := r.shows("S", "C")

		serve(nil, r.acc)
		serve(nil, r.acc) // once more changes nothing
		if r.send("s", "", nil) {
			t.Error("somebody listens to the stream's subject")
		}
		m, ok := r.ask("$JS.API.STREAM.INFO.S", nil)
		if !ok || !strings.Contains(m.data, `"err_code":10039`) {
			t.Errorf("%q", m.data)
		}

		serve(map[*account.Account]AccountLimits{r.acc: all})
		if got := r.shows("S", "C"); got != want {
			t.Errorf("after it could not be used: %s, want %s", got, want)
		}
		serve(map[*account.Account]AccountLimits{r.acc: all})
		list = r.fetch("S", "C", 2)
		if got := seqs(list); len(got) != 1 || got[0] != 3 {
			t.Errorf("delivered %v", got)
		}
		synctest.Wait()
		want = r.shows("S", "C")

		// The account goes away altogether, and another one comes.
		serve(nil)
		if r.send("$JS.API.INFO", "R", nil) {
			t.Error("somebody answers an account that is gone")
		}
		old := r.acc
		r.acc = account.New("A")
		serve(map[*account.Account]AccountLimits{r.acc: all})
		if got := r.shows("S", "C"); got != want {
			t.Errorf("in the new account: %s, want %s", got, want)
		}
		r.store("s", "more")
		if used := r.e.accounts["A"].usage.of(api.FileStorage); used != int64(r.info("S").State.Bytes) {
			t.Errorf("%d bytes are counted, of %d", used, r.info("S").State.Bytes)
		}
		if n := old.Interest().Len(); n != 0 {
			t.Errorf("%d subscriptions are left in the old account", n)
		}
	})
}

// Bounds on batches change under streams that are there.
func TestBatchLimitsChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, AllowAtomic: true})
		begin := func(id string) *api.Error {
			m, ok := r.ask("s", []byte("x"), "Nats-Batch-Id", id, "Nats-Batch-Sequence", "1")
			var ack api.PubAck
			if !ok {
				t.Fatal("no answer")
			}
			if m.data != "" {
				if err := json.Unmarshal([]byte(m.data), &ack); err != nil {
					t.Fatal(err)
				}
			}
			return ack.Error
		}
		if err := begin("a"); err != nil {
			t.Fatal(err)
		}
		r.e.SetLimits(Limits{MaxMemory: -1, MaxFile: -1, Batches: BatchLimits{PerStream: 1}})
		if err := begin("b"); err == nil || err.ErrCode != api.ErrAtomicPublishTooManyInflight.ErrCode {
			t.Errorf("%v", err)
		}
		r.e.SetLimits(Limits{MaxMemory: -1, MaxFile: -1, Batches: BatchLimits{PerStream: 5, Total: 1}})
		if err := begin("c"); err == nil || err.ErrCode != api.ErrAtomicPublishTooManyInflight.ErrCode {
			t.Errorf("%v", err)
		}
		r.e.SetLimits(Limits{MaxMemory: -1, MaxFile: -1})
		if err := begin("d"); err != nil {
			t.Error(err)
		}
	})
}
