package jetstream

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// importer returns an account that uses the JetStream of the rig's by the same names.
func (r *rig) importer(patterns ...string) *account.Account {
	r.t.Helper()
	a := account.New("B")
	var list account.Imports
	for _, p := range patterns {
		im, err := account.NewServiceImport(r.acc, p, p)
		if err != nil {
			r.t.Fatal(err)
		}
		list.Services = append(list.Services, im)
	}
	a.Import(list)
	return a
}

// An account without JetStream is told so, unless it has imported that of another.
func TestJetStreamIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name     string
		patterns []string
		want     string
	}{
		{"on its own", nil, `"err_code":10039`},
		{"importing another service", []string{"$JS.ACK.>"}, `"err_code":10039`},
		{"importing JetStream", []string{"$JS.API.>"}, `"limits":{`},
		{"importing a part of it", []string{"$JS.API.INFO"}, `"limits":{`},
	} {
		bubble(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem())
			defer r.stop()
			b := r.importer(tc.patterns...)
			if err := r.e.Serve(map[*account.Account]AccountLimits{r.acc: api.NoLimits}, []*account.Account{b}); err != nil {
				t.Fatal(err)
			}
			answers := make(chan string, 10)
			sub := &account.Subscription{Subject: "inbox", Handler: func(m *account.Message) { answers <- string(m.Payload()) }}
			if err := b.Subscribe(sub); err != nil {
				t.Fatal(err)
			}
			m := account.NewMessage(api.Prefix+".INFO", nil)
			m.Reply = []byte("inbox")
			b.Publish(m)
			time.Sleep(time.Second)
			if len(answers) != 1 {
				t.Fatalf("%s: %d answers", tc.name, len(answers))
			}
			if got := <-answers; !strings.Contains(got, tc.want) {
				t.Errorf("%s: %s", tc.name, got)
			}
		})
	}
}

// A pull request whose sender, in another account, no longer waits takes no message.
func TestPullOfSomebodyWhoIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		r.consume("S", &api.ConsumerConfig{Name: "c", Durable: "c", AckPolicy: api.AckExplicit})
		b := r.importer("$JS.API.CONSUMER.MSG.NEXT.S.c")
		var got []string
		sub := &account.Subscription{Subject: "inbox", Handler: func(m *account.Message) { got = append(got, string(m.Subject)+" "+string(m.Payload())) }}
		pull := func() {
			t.Helper()
			if err := b.Subscribe(sub); err != nil {
				t.Fatal(err)
			}
			m := account.NewMessage(subjectOf(api.OpConsumerNext, "S", "c"), mustJSON(&api.PullRequest{Batch: 1, Expires: time.Minute}))
			m.Reply = []byte("inbox")
			if b.Publish(m) != 1 {
				t.Fatal("nobody takes the request")
			}
			time.Sleep(time.Second)
		}
		pull()
		b.Unsubscribe(sub)
		r.store("s.a", "1")
		time.Sleep(time.Second)
		if info := r.consumerInfo("S", "c"); info.NumAckPending != 0 || len(got) != 0 {
			t.Errorf("%d are pending, %q", info.NumAckPending, got)
		}
		sub = &account.Subscription{Subject: "inbox", Handler: sub.Handler}
		pull()
		if info := r.consumerInfo("S", "c"); info.NumAckPending != 1 || strings.Join(got, ",") != "s.a 1" {
			t.Errorf("%d are pending, %q", info.NumAckPending, got)
		}
	})
}
