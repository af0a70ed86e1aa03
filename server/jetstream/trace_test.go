package jetstream

import (
	"encoding/json"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	traces "github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// A trace tells what a stream would do with a message, and stores nothing by itself.
func TestExplain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		for _, c := range []*api.StreamConfig{
			{Name: "PLAIN", Subjects: []string{"plain.*"}, AllowDirect: true},
			{Name: "SMALL", Subjects: []string{"small"}, MaxMsgSize: 3},
			{Name: "MAPPED", Subjects: []string{"mapped.*"}, SubjectTransform: &api.SubjectTransform{Source: "mapped.a", Destination: "to.a"}},
			{Name: "INTEREST", Subjects: []string{"interest.*"}, Retention: api.RetainInterest},
			{Name: "FULL", Subjects: []string{"full"}, Storage: api.MemoryStorage},
		} {
			r.create(c)
		}
		r.consume("INTEREST", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, FilterSubject: "interest.a"})
		limits := api.NoLimits
		limits.MaxMemory = 1
		r.limit(limits)
		for _, c := range []struct {
			subject string
			want    traces.JetStream
		}{
			{"plain.x", traces.JetStream{Stream: "PLAIN", Subject: "plain.x"}},
			{"small", traces.JetStream{Stream: "SMALL", Error: "maximum payload exceeded"}},
			{"mapped.a", traces.JetStream{Stream: "MAPPED", Subject: "to.a"}},
			{"mapped.b", traces.JetStream{Stream: "MAPPED", Subject: "mapped.b"}},
			{"interest.a", traces.JetStream{Stream: "INTEREST", Subject: "interest.a"}},
			{"interest.b", traces.JetStream{Stream: "INTEREST", Subject: "interest.b", NoInterest: true}},
			{"full", traces.JetStream{Stream: "FULL", Error: "resource limits exceeded for account"}},
		} {
			m := account.NewMessage(c.subject, []byte("hello"))
			f := r.acc.NewFanout(account.Config{})
			var got explained
			f.Trace(f.Routes(m.Subject), m, true, &got)
			if len(got) != 1 || got[0].Time.IsZero() || got[0].Type != "js" {
				t.Fatalf("%s: %+v", c.subject, got)
			}
			c.want.Type, c.want.Time = "js", got[0].Time
			if got[0] != c.want {
				t.Errorf("%s: %+v, want %+v", c.subject, got[0], c.want)
			}
		}
		if n := r.info("PLAIN").State.LastSeq; n != 0 {
			t.Errorf("%d messages are stored", n)
		}
		b, err := json.Marshal(traces.JetStream{Type: "js", Stream: "S"})
		if want := `{"type":"js","ts":"0001-01-01T00:00:00Z","stream":"S"}`; err != nil || string(b) != want {
			t.Errorf("%s, want %s", b, want)
		}
	})
}

// explained is what those who explain say of a message that is traced.
type explained []traces.JetStream

func (e *explained) Delivered(s *account.Subscription, m *account.Message, _ *account.Account, _ string) {
	if s.Explain != nil {
		*e = append(*e, s.Explain(m).(traces.JetStream))
	}
}
func (*explained) Stream(*account.Account, []byte)          {}
func (*explained) Service(*account.Account, []byte, []byte) {}
