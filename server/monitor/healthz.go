package monitor

import "net/http"

// HealthzOptions narrow down what has to be well. The field names are those of
// the query string, too.
type HealthzOptions struct {
	// JSEnabledOnly asks for no more than that JetStream is running if it was
	// configured. JSEnabled is its older name.
	JSEnabled     bool `json:"js-enabled"`
	JSEnabledOnly bool `json:"js-enabled-only"`
	// JSServerOnly leaves JetStream out.
	JSServerOnly bool `json:"js-server-only"`
	// JSMetaOnly leaves streams and consumers out.
	JSMetaOnly bool `json:"js-meta-only"`
	// Account, Stream and Consumer select one of these. Each needs those before
	// it.
	Account  string `json:"account"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// Details asks for all problems in place of the first.
	Details bool `json:"details"`
}

// HealthArea is the part of the server that a problem is in.
type HealthArea string

// The areas.
const (
	HealthConnection HealthArea = "CONNECTION"
	HealthBadRequest HealthArea = "BAD_REQUEST"
	HealthJetStream  HealthArea = "JETSTREAM"
	HealthAccount    HealthArea = "ACCOUNT"
	HealthStream     HealthArea = "STREAM"
	HealthConsumer   HealthArea = "CONSUMER"
)

// HealthProblem is one thing that is wrong.
type HealthProblem struct {
	// Code is the HTTP status that answers for it.
	Code     int        `json:"-"`
	Area     HealthArea `json:"type"`
	Account  string     `json:"account,omitempty"`
	Stream   string     `json:"stream,omitempty"`
	Consumer string     `json:"consumer,omitempty"`
	Error    string     `json:"error"`
}

// Healthz says whether the server is well. The HTTP form leaves StatusCode out,
// being the status of the response.
type Healthz struct {
	Status     string          `json:"status"`
	StatusCode int             `json:"status_code,omitempty"`
	Error      string          `json:"error,omitempty"`
	Errors     []HealthProblem `json:"errors,omitempty"`
}

// Healthz tells whether the server is well. Options that do not fit together
// make the answer a problem, not an error.
func (m *Monitor) Healthz(opts HealthzOptions) Healthz {
	problems := opts.contradictions()
	if len(problems) == 0 {
		problems = m.src.Health(opts)
		if len(problems) == 0 || problems[0].Code == http.StatusServiceUnavailable {
			// What passes by itself waits for JetStream, whose problems say more.
			problems = append(m.jetStreamHealth(&opts), problems...)
		}
	}
	if len(problems) == 0 {
		return Healthz{Status: "ok", StatusCode: http.StatusOK}
	}
	first := problems[0]
	if opts.Details {
		return Healthz{Status: "error", StatusCode: first.Code, Errors: problems}
	}
	return Healthz{Status: first.status(), StatusCode: first.Code, Error: first.Error}
}

// status tells what may get well by itself from what will not.
func (p *HealthProblem) status() string {
	switch p.Code {
	case http.StatusServiceUnavailable, http.StatusNotFound:
		return "unavailable"
	default:
		return "error"
	}
}

func (opts *HealthzOptions) contradictions() []HealthProblem {
	var text string
	switch {
	case opts.Consumer != "" && opts.Stream == "":
		text = `"stream" must not be empty when checking consumer health`
	case opts.Stream != "" && opts.Account == "":
		text = `"account" must not be empty when checking stream health`
	default:
		return nil
	}
	return []HealthProblem{{Code: http.StatusBadRequest, Area: HealthBadRequest, Error: text}}
}
