package jetstream

import (
	"github.com/nats-lite/nats-lite/server/account"
	traces "github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// explain says for a trace what becomes of a message that is published to the stream,
// as far as that is known when it comes: what it expects of the stream is looked at
// later. Nothing is stored by it.
func (s *stream) explain(m *account.Message) any {
	cfg := s.assigned.Load().Config
	out := traces.JetStream{Type: "js", Time: s.e.cfg.Clock.Now(), Stream: cfg.Name}
	refused := s.tenant.refusal(cfg.Storage, int64(m.Size()))
	switch {
	case cfg.Sealed:
		out.Error = api.ErrStreamSealed.Description
	case cfg.MaxMsgSize >= 0 && m.Size() > int(cfg.MaxMsgSize):
		out.Error = traces.TooLarge
	case refused != nil:
		out.Error = refused.Description
	default:
		subject := s.storedSubject(cfg, m.Subject)
		out.Subject = string(subject)
		out.NoInterest = cfg.Retention == api.RetainInterest && !s.isWanted(subject)
	}
	return out
}

// storedSubject returns the subject under which a message on another is stored.
func (s *stream) storedSubject(cfg *api.StreamConfig, subject []byte) []byte {
	if cfg.SubjectTransform == nil {
		return subject
	}
	// It was compiled when the configuration was checked, and few messages are traced.
	t, err := cfg.SubjectTransform.Compile()
	if err != nil || t == nil || !t.Match(subject) {
		return subject
	}
	return t.Apply(nil, subject, s.e.newRand().Uint32N)
}

// isWanted reports whether a consumer selects the messages on a subject.
func (s *stream) isWanted(subject []byte) bool {
	for _, c := range s.consumerList() {
		if store.NewFilter(c.assigned.Load().Config.Filters()...).Matches(subject) {
			return true
		}
	}
	return false
}
