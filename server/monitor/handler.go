package monitor

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
)

// endpoint is one row of the table of what can be asked over HTTP.
type endpoint struct {
	// paths are the names of the endpoint, relative to the base path; the first
	// is the usual one.
	paths []string
	// title is the text of the link on the index page; "" for none.
	title string
	serve http.HandlerFunc
	// hits counts requests, also those that were refused by serve.
	hits atomic.Uint64
}

func (m *Monitor) addEndpoints() {
	m.endpoints = []*endpoint{
		// The index answers with and without the slash behind the base path.
		{paths: []string{"/", ""}, serve: m.serveIndex},
		{paths: []string{"/varz"}, title: "General", serve: m.serveVarz},
		{paths: []string{"/connz"}, title: "Connections", serve: m.serveConnz},
		{paths: []string{"/routez"}, title: "Routes", serve: m.serveRoutez},
		{paths: []string{"/subsz", "/subscriptionsz"}, title: "Subscriptions", serve: m.serveSubsz},
		{paths: []string{"/accountz"}, title: "Accounts", serve: m.serveAccountz},
		{paths: []string{"/jsz"}, title: "JetStream", serve: m.serveJsz},
		{paths: []string{"/raftz"}, serve: m.serveRaftz},
		{paths: []string{"/healthz"}, title: "Health", serve: m.serveHealthz},
		{paths: []string{"/expvarz", "/debug/vars"}, title: "Memory statistics", serve: m.serveExpvarz},
		{paths: []string{"/stacksz"}, title: "Goroutines", serve: serveStacksz},
	}
	m.byPath = make(map[string]*endpoint)
	for _, e := range m.endpoints {
		for _, p := range e.paths {
			m.byPath[p] = e
		}
	}
}

// Handler returns the HTTP form of the monitor: its endpoints below the base
// path, for GET and HEAD.
func (m *Monitor) Handler() http.Handler { return http.HandlerFunc(m.route) }

func (m *Monitor) route(w http.ResponseWriter, r *http.Request) {
	relative, ok := strings.CutPrefix(r.URL.Path, m.basePath)
	e := m.byPath[relative]
	if !ok || e == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeText(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	e.hits.Add(1)
	e.serve(w, r)
}

// requestCounts tells how often each endpoint was asked, leaving out those that
// never were.
func (m *Monitor) requestCounts() map[string]uint64 {
	counts := make(map[string]uint64)
	for _, e := range m.endpoints {
		if n := e.hits.Load(); n > 0 {
			counts[e.paths[0]] = n
		}
	}
	return counts
}

func (m *Monitor) serveVarz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, m.Varz())
}

func (m *Monitor) serveConnz(w http.ResponseWriter, r *http.Request) {
	serveOptions(w, r, ConnzQuery, m.Connz)
}

func (m *Monitor) serveRoutez(w http.ResponseWriter, r *http.Request) {
	serveOptions(w, r, RoutezQuery, m.Routez)
}

func (m *Monitor) serveSubsz(w http.ResponseWriter, r *http.Request) {
	serveOptions(w, r, SubszQuery, m.Subsz)
}

func (m *Monitor) serveAccountz(w http.ResponseWriter, r *http.Request) {
	serveOptions(w, r, AccountzQuery, m.Accountz)
}

func (m *Monitor) serveJsz(w http.ResponseWriter, r *http.Request) {
	serveOptions(w, r, JszQuery, m.Jsz)
}

// serveHealthz answers on one line, as probes expect it.
func (m *Monitor) serveHealthz(w http.ResponseWriter, r *http.Request) {
	opts, err := options(r, HealthzQuery)
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	health := m.Healthz(opts)
	status := health.StatusCode
	health.StatusCode = 0
	body, err := json.Marshal(health)
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	writeJSONBody(w, status, body)
}

// serveOptions answers a request whose options are in its query string.
// Whatever is wrong with them is the asker's mistake.
func serveOptions[O, A any](w http.ResponseWriter, r *http.Request,
	parse func(url.Values) (O, error), answer func(O) (A, error),
) {
	opts, err := options(r, parse)
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	a, err := answer(opts)
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, a)
}

// options reads the query string of r.
func options[O any](r *http.Request, parse func(url.Values) (O, error)) (opts O, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return opts, queryError("Error decoding query: " + err.Error())
	}
	return parse(values)
}

func writeJSON(w http.ResponseWriter, answer any) {
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	writeJSONBody(w, http.StatusOK, body)
}

func writeJSONBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	// Dashboards in a browser come from another origin.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	writeBody(w, status, body)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	writeBody(w, status, []byte(text))
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A reader that has gone away needs no answer.
	_, _ = w.Write(body)
}

// cleanBasePath gives a base path the form that Monitor works with.
func cleanBasePath(base string) string {
	return strings.TrimSuffix(path.Clean("/"+base), "/")
}
