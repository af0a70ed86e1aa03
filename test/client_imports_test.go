package test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A service and a stream of one account, used by clients of another.
func TestImports(t *testing.T) {
	s := start(t, `accounts {
		P { users: [ {user: p, password: p} ], exports: [ {service: "svc.*"}, {stream: "feed.>"} ] }
		C { users: [ {user: c, password: c} ], imports: [
			{service: {account: P, subject: "svc.*"}, to: "my.*"}
			{stream: {account: P, subject: "feed.>"}, prefix: "from"}
		] }
	}`)
	p, c := s.connect(t, nats.UserInfo("p", "p")), s.connect(t, nats.UserInfo("c", "c"))
	if _, err := c.Request("my.add", []byte("1 2"), patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a request that nobody answers: %v", err)
	}
	for range 2 {
		_, err := p.QueueSubscribe("svc.add", "workers", func(m *nats.Msg) {
			if err := m.Respond([]byte("sum of " + string(m.Data) + " for " + m.Header.Get("Nats-Request-Info")[:10])); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	flush(t, p)
	for i := range 100 {
		m, err := c.Request("my.add", fmt.Append(nil, i), patience)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`sum of %d for {"acc":"C"`, i); string(m.Data) != want {
			t.Errorf("%q, want %q", m.Data, want)
		}
	}
	sub := subscribe(t, c, "from.feed.>")
	for i := range 100 {
		publish(t, p, fmt.Sprint("feed.", i), "news")
	}
	for i := range 100 {
		if m := next(t, sub); m.Subject != fmt.Sprint("from.feed.", i) || string(m.Data) != "news" {
			t.Errorf("%s: %s", m.Subject, m.Data)
		}
	}
}

// JetStream of one account, used by clients of another that has none, in all the ways
// that messages take.
func TestJetStreamOfAnotherAccount(t *testing.T) {
	s := start(t, fmt.Sprintf(`jetstream { store_dir: %q }
	accounts {
		JS { jetstream: enabled, users: [ {user: js, password: js} ], exports: [
			{service: "$JS.API.>", response: stream}, {service: "$JS.ACK.>"}, {service: "$JS.FC.>"}
			{service: "$KV.>"}, {service: "orders.>"}, {stream: "deliver.>"}
		] }
		U { users: [ {user: u, password: u} ], imports: [
			{service: {account: JS, subject: "$JS.API.>"}, to: "js.>"}
			{service: {account: JS, subject: "$JS.ACK.>"}}
			{service: {account: JS, subject: "$JS.FC.>"}}
			{service: {account: JS, subject: "$KV.>"}, to: "js.$KV.>"}
			{service: {account: JS, subject: "orders.>"}}
			{stream: {account: JS, subject: "deliver.>"}}
		] }
	}`, t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc := s.connect(t, nats.UserInfo("u", "u"), nats.CustomInboxPrefix("deliver"))
	js, err := jetstream.NewWithAPIPrefix(nc, "js")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, AllowDirect: true})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	for i := range n {
		if _, err := js.PublishAsync(fmt.Sprint("orders.", i), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		t.Fatal("messages were not acknowledged")
	}
	m, err := stream.GetMsg(ctx, 7)
	if err != nil || m.Subject == "" || m.Header.Get("Nats-Request-Info") != "" {
		t.Errorf("%+v, %v", m, err)
	}

	t.Run("pull", func(t *testing.T) {
		c, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "pull", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
		if err != nil {
			t.Fatal(err)
		}
		it, err := c.Messages(jetstream.PullMaxMessages(100))
		if err != nil {
			t.Fatal(err)
		}
		defer it.Stop()
		for i := range n {
			m, err := it.Next(jetstream.NextContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			meta, err := m.Metadata()
			if err != nil || meta.Sequence.Stream != uint64(i+1) || m.Subject() != "orders."+string(m.Data()) {
				t.Fatalf("%s: %+v, %v", m.Subject(), meta, err)
			}
			if i%100 == 99 {
				err = m.DoubleAck(ctx)
			} else {
				err = m.Ack()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if info, err := c.Info(ctx); err != nil || info.AckFloor.Stream != n {
			t.Errorf("%+v, %v", info, err)
		}
	})
	t.Run("push", func(t *testing.T) {
		// With flow control, whose answers take the way back.
		_, err := stream.CreatePushConsumer(ctx, jetstream.ConsumerConfig{
			Durable: "push", DeliverSubject: "deliver.push", AckPolicy: jetstream.AckNonePolicy, FlowControl: true, IdleHeartbeat: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := stream.PushConsumer(ctx, "push")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan jetstream.Msg, n)
		cc, err := c.Consume(func(m jetstream.Msg) { got <- m })
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Stop()
		for i := range n {
			select {
			case m := <-got:
				if meta, err := m.Metadata(); err != nil || meta.Sequence.Stream != uint64(i+1) {
					t.Fatalf("%+v, %v", meta, err)
				}
			case <-ctx.Done():
				t.Fatalf("only %d messages", i)
			}
		}
	})
	t.Run("key value", func(t *testing.T) {
		kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"})
		if err != nil {
			t.Fatal(err)
		}
		w, err := kv.WatchAll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Stop(); err != nil {
				t.Error(err)
			}
		}()
		if e := <-w.Updates(); e != nil {
			t.Errorf("something is there: %s", e.Key())
		}
		if _, err := kv.PutString(ctx, "k", "v"); err != nil {
			t.Fatal(err)
		}
		if e, err := kv.Get(ctx, "k"); err != nil || string(e.Value()) != "v" {
			t.Errorf("%v, %v", e, err)
		}
		select {
		case e := <-w.Updates():
			if e.Key() != "k" || string(e.Value()) != "v" {
				t.Errorf("%s is %s", e.Key(), e.Value())
			}
		case <-ctx.Done():
			t.Error("the change was not seen")
		}
	})
}

// Streams that copy those of another account.
func TestCopiesOfAnotherAccount(t *testing.T) {
	s := start(t, fmt.Sprintf(`jetstream { store_dir: %q }
	accounts {
		JS { jetstream: enabled, users: [ {user: js, password: js} ], exports: [
			{service: "$JS.API.CONSUMER.>"}, {service: "$JS.FC.>"}, {stream: "copy.>"}
		] }
		IA { jetstream: enabled, users: [ {user: ia, password: ia} ], imports: [
			{service: {account: JS, subject: "$JS.API.CONSUMER.>"}, to: "js.CONSUMER.>"}
			{service: {account: JS, subject: "$JS.FC.>"}}
			{stream: {account: JS, subject: "copy.>"}}
		] }
	}`, t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	contexts := make(map[string]jetstream.JetStream)
	for _, user := range []string{"js", "ia"} {
		js, err := jetstream.New(s.connect(t, nats.UserInfo(user, user)))
		if err != nil {
			t.Fatal(err)
		}
		contexts[user] = js
	}
	if _, err := contexts["js"].CreateStream(ctx, jetstream.StreamConfig{Name: "O", Subjects: []string{"o.>"}}); err != nil {
		t.Fatal(err)
	}
	// More bytes than flow control lets through without an answer.
	const n = 1000
	body := make([]byte, 10<<10)
	fill := func() {
		t.Helper()
		for range n {
			if _, err := contexts["js"].PublishAsync("o.x", body); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-contexts["js"].PublishAsyncComplete():
		case <-ctx.Done():
			t.Fatal("messages were not acknowledged")
		}
	}
	origin := &jetstream.StreamSource{Name: "O", External: &jetstream.ExternalStream{APIPrefix: "js", DeliverPrefix: "copy.to"}}
	fill()
	for _, cfg := range []jetstream.StreamConfig{
		{Name: "M", Mirror: origin}, {Name: "S", Sources: []*jetstream.StreamSource{origin}},
	} {
		if _, err := contexts["ia"].CreateStream(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	for _, name := range []string{"M", "S"} {
		for {
			st, err := contexts["ia"].Stream(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			if got := st.CachedInfo().State.Msgs; got == 2*n {
				break
			} else if got > 2*n {
				t.Fatalf("%s has %d messages", name, got)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
