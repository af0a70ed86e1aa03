package monitor

import (
	"reflect"
	"testing"
)

func TestHealthz(t *testing.T) {
	notReady := HealthProblem{Code: 500, Area: HealthConnection, Error: "not accepting"}
	disabled := HealthProblem{Code: 503, Area: HealthJetStream, Error: "disabled"}
	notFound := HealthProblem{Code: 404, Area: HealthAccount, Account: "A", Error: "not found"}
	noAccount := `"account" must not be empty when checking stream health`
	noStream := `"stream" must not be empty when checking consumer health`
	for _, test := range []struct {
		name     string
		opts     HealthzOptions
		problems []HealthProblem
		want     Healthz
	}{
		{"well", HealthzOptions{}, nil, Healthz{Status: "ok", StatusCode: 200}},
		{"well in detail", HealthzOptions{Details: true}, nil, Healthz{Status: "ok", StatusCode: 200}},
		{"broken", HealthzOptions{}, []HealthProblem{notReady}, Healthz{Status: "error", StatusCode: 500, Error: "not accepting"}},
		{"unavailable", HealthzOptions{}, []HealthProblem{disabled}, Healthz{Status: "unavailable", StatusCode: 503, Error: "disabled"}},
		{"not found", HealthzOptions{Account: "A"}, []HealthProblem{notFound}, Healthz{Status: "unavailable", StatusCode: 404, Error: "not found"}},
		{"first of several", HealthzOptions{}, []HealthProblem{disabled, notReady}, Healthz{Status: "unavailable", StatusCode: 503, Error: "disabled"}},
		{
			"all of several",
			HealthzOptions{Details: true},
			[]HealthProblem{disabled, notReady},
			Healthz{Status: "error", StatusCode: 503, Errors: []HealthProblem{disabled, notReady}},
		},
		{"stream alone", HealthzOptions{Stream: "S"}, nil, Healthz{Status: "error", StatusCode: 400, Error: noAccount}},
		{"consumer alone", HealthzOptions{Consumer: "C"}, nil, Healthz{Status: "error", StatusCode: 400, Error: noStream}},
		{"consumer of account", HealthzOptions{Account: "A", Consumer: "C"}, nil, Healthz{Status: "error", StatusCode: 400, Error: noStream}},
		{"consumer without account", HealthzOptions{Stream: "S", Consumer: "C"}, nil, Healthz{Status: "error", StatusCode: 400, Error: noAccount}},
		{"all three", HealthzOptions{Account: "A", Stream: "S", Consumer: "C"}, nil, Healthz{Status: "ok", StatusCode: 200}},
		{
			"stream alone in detail",
			HealthzOptions{Stream: "S", Details: true},
			[]HealthProblem{disabled},
			Healthz{Status: "error", StatusCode: 400, Errors: []HealthProblem{{Code: 400, Area: HealthBadRequest, Error: noAccount}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := newMonitor(t, &fakeSource{problems: test.problems}).Healthz(test.opts)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
