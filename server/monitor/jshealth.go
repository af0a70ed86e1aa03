package monitor

import (
	"fmt"
	"iter"
	"net/http"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// jetStreamHealth returns what is wrong with JetStream: all of it if details are
// wanted, otherwise the first that is found.
func (m *Monitor) jetStreamHealth(opts *HealthzOptions) (problems []HealthProblem) {
	state := m.jsState()
	if state == JSNone || opts.JSServerOnly {
		return nil
	}
	if !state.runs() {
		return []HealthProblem{jetStreamProblem(api.ErrNotEnabled.Error())}
	}
	if opts.JSEnabled || opts.JSEnabledOnly {
		return nil
	}
	switch state {
	case JSRecovering:
		return []HealthProblem{jetStreamProblem("JetStream is still recovering meta layer")}
	case JSNoLeader:
		return []HealthProblem{jetStreamProblem("JetStream has not established contact with a meta leader")}
	case JSBehind:
		return []HealthProblem{jetStreamProblem("JetStream is not current with the meta leader")}
	}
	if opts.JSMetaOnly {
		return nil
	}
	for p := range m.assetProblems(opts) {
		problems = append(problems, p)
		if !opts.Details {
			break
		}
	}
	return problems
}

func jetStreamProblem(text string) HealthProblem {
	return HealthProblem{Code: http.StatusServiceUnavailable, Area: HealthJetStream, Error: text}
}

// assetProblems gives what is wrong with the streams and consumers that this server
// is to hold, or with those that were asked for.
func (m *Monitor) assetProblems(opts *HealthzOptions) iter.Seq[HealthProblem] {
	return func(yield func(HealthProblem) bool) {
		if opts.Account == "" {
			for _, a := range m.jsAccounts() {
				if !m.checkAccount(a.Name, opts, yield) {
					return
				}
			}
			return
		}
		if a, ok := m.js.Account(opts.Account); !ok || !a.Enabled {
			yield(HealthProblem{
				Code: http.StatusNotFound, Area: HealthAccount, Account: opts.Account,
				Error: fmt.Sprintf("JetStream account %q not found", opts.Account),
			})
			return
		}
		m.checkAccount(opts.Account, opts, yield)
	}
}

// checkAccount yields what is wrong in an account, and returns false if that is
// enough, as the other checks do.
func (m *Monitor) checkAccount(account string, opts *HealthzOptions, yield func(HealthProblem) bool) bool {
	found := false
	for s := range m.js.Streams(account, opts.Stream) {
		if opts.Stream != "" && opts.Stream != s.Name {
			continue
		}
		found = true
		if !checkStream(account, &s, opts, yield) {
			return false
		}
	}
	if found || opts.Stream == "" {
		return true
	}
	return yield(HealthProblem{
		Code: http.StatusNotFound, Area: HealthStream, Account: account, Stream: opts.Stream,
		Error: fmt.Sprintf("JetStream stream %q not found on account %q", opts.Stream, account),
	})
}

// checkStream does not look at the consumers of a stream that is in trouble: they
// are, too, and for the same reason.
func checkStream(account string, s *JSStream, opts *HealthzOptions, yield func(HealthProblem) bool) bool {
	if s.Trouble != nil {
		return yield(HealthProblem{
			Code: http.StatusServiceUnavailable, Area: HealthStream, Account: account, Stream: s.Name,
			Error: fmt.Sprintf("JetStream stream '%s > %s' is not current: %v", account, s.Name, s.Trouble),
		})
	}
	found := false
	for c := range s.Consumers {
		if opts.Consumer != "" && opts.Consumer != c.Name {
			continue
		}
		found = true
		if c.Trouble == nil {
			continue
		}
		if !yield(HealthProblem{
			Code: http.StatusServiceUnavailable, Area: HealthConsumer, Account: account, Stream: s.Name, Consumer: c.Name,
			Error: fmt.Sprintf("JetStream consumer '%s > %s > %s' is not current: %v", account, s.Name, c.Name, c.Trouble),
		}) {
			return false
		}
	}
	if found || opts.Consumer == "" {
		return true
	}
	return yield(HealthProblem{
		Code: http.StatusNotFound, Area: HealthConsumer, Account: account, Stream: s.Name, Consumer: opts.Consumer,
		Error: fmt.Sprintf("JetStream consumer %q not found for stream %q on account %q", opts.Consumer, s.Name, account),
	})
}
