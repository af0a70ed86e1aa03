package monitor

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newHandler(base string) http.Handler {
	return New(&fakeSource{}, Config{BasePath: base, Now: func() time.Time { return epoch }}).Handler()
}

func request(h http.Handler, method, url string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, nil))
	return w.Result()
}

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		base     string
		found    []string
		notFound []string
	}{
		{
			"",
			[]string{
				"/", "/varz", "/connz", "/subsz", "/subscriptionsz", "/jsz", "/healthz", "/expvarz", "/debug/vars", "/stacksz",
				"/varz?callback=f",
			},
			[]string{
				"/varz/", "/Varz", "/x/varz", "//varz", "/gatewayz", "/leafz", "/raftz", "/accstatz",
				"/ipqueuesz", "/debug/pprof/", "/favicon.ico",
			},
		},
		{"/", []string{"/", "/varz"}, []string{"//"}},
		{"/mon", []string{"/mon", "/mon/", "/mon/varz"}, []string{"/", "/varz", "/monvarz", "/mon/mon/varz", "/mon//varz"}},
		{"mon/", []string{"/mon", "/mon/varz"}, []string{"/varz"}},
		{"/a/b/", []string{"/a/b", "/a/b/varz"}, []string{"/a", "/a/varz"}},
		{"/a b", []string{"/a%20b/varz"}, []string{"/varz"}},
	} {
		h := newHandler(test.base)
		for _, url := range test.found {
			if status := request(h, http.MethodGet, url).StatusCode; status != http.StatusOK {
				t.Errorf("base %q: GET %s: %d, want 200", test.base, url, status)
			}
		}
		for _, url := range test.notFound {
			if status := request(h, http.MethodGet, url).StatusCode; status != http.StatusNotFound {
				t.Errorf("base %q: GET %s: %d, want 404", test.base, url, status)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	h := newHandler("")
	for method, want := range map[string]int{
		"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405, "PATCH": 405, "OPTIONS": 405, "TRACE": 405,
	} {
		r := request(h, method, "/connz")
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, r.StatusCode, want)
		}
		if want == 405 && r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, r.Header.Get("Allow"))
		}
	}
}

func TestHeaders(t *testing.T) {
	h := newHandler("")
	for _, test := range []struct {
		url         string
		status      int
		contentType string
		crossOrigin string
		body        string
	}{
		{"/", 200, "text/html; charset=utf-8", "", ""},
		{"/varz", 200, "application/json", "*", ""},
		{"/connz", 200, "application/json", "*", ""},
		{"/subsz", 200, "application/json", "*", ""},
		{"/jsz", 200, "application/json", "*", ""},
		{"/jsz?leader-only=1", 400, "text/plain; charset=utf-8", "", "filtered response: not leader"},
		{"/jsz?raft=x", 400, "text/plain; charset=utf-8", "", `Error decoding boolean for 'raft': strconv.ParseBool: parsing "x": invalid syntax`},
		{"/healthz", 200, "application/json", "*", `{"status":"ok"}`},
		{"/healthz?stream=S", 400, "application/json", "*", ""},
		{"/accountz", 200, "application/json", "*", ""},
		{"/accountz?acc=X", 400, "text/plain; charset=utf-8", "", "account X does not exist"},
		{"/raftz", 404, "text/plain; charset=utf-8", "", "No Raft nodes registered"},
		{"/expvarz", 200, "application/json; charset=utf-8", "", ""},
		{"/stacksz", 200, "text/plain; charset=utf-8", "", ""},
		{"/connz?sort=foo", 400, "text/plain; charset=utf-8", "", "invalid sorting option: foo"},
		{"/connz?state=x", 400, "text/plain; charset=utf-8", "", "Error decoding state for x"},
		{"/connz?a=%zz", 400, "text/plain; charset=utf-8", "", `Error decoding query: invalid URL escape "%zz"`},
		{"/subsz?test=*", 400, "text/plain; charset=utf-8", "", "invalid test subject, must be valid publish subject: *"},
		{"/subsz?subs=x", 400, "text/plain; charset=utf-8", "", `Error decoding boolean for 'subs': strconv.ParseBool: parsing "x": invalid syntax`},
		{"/healthz?details=x", 400, "text/plain; charset=utf-8", "", `Error decoding boolean for 'details': strconv.ParseBool: parsing "x": invalid syntax`},
		{"/nope", 404, "text/plain; charset=utf-8", "", "404 page not found\n"},
	} {
		r := request(h, http.MethodGet, test.url)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != test.status || r.Header.Get("Content-Type") != test.contentType ||
			r.Header.Get("Access-Control-Allow-Origin") != test.crossOrigin {
			t.Errorf("%s: %d %v", test.url, r.StatusCode, r.Header)
		}
		if test.body != "" && string(body) != test.body {
			t.Errorf("%s: %q, want %q", test.url, body, test.body)
		}
	}
}

// TestIndexLinks: every link of the index page leads somewhere, with a base path
// as without.
func TestIndexLinks(t *testing.T) {
	for _, base := range []string{"", "/mon", "/a b/<c>"} {
		h := newHandler(base)
		body, err := io.ReadAll(request(h, http.MethodGet, strings.ReplaceAll(base, " ", "%20")+"/").Body)
		if err != nil {
			t.Fatal(err)
		}
		links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(string(body), -1)
		if len(links) != 9 {
			t.Errorf("base %q: %d links", base, len(links))
		}
		for _, link := range links {
			if status := request(h, http.MethodGet, link[1]).StatusCode; status != http.StatusOK {
				t.Errorf("base %q: link %s: %d", base, link[1], status)
			}
		}
	}
}

func TestRequestCounts(t *testing.T) {
	m := New(&fakeSource{}, Config{BasePath: "/mon", Now: time.Now})
	if counts := m.Varz().HTTPReqStats; counts == nil || len(counts) != 0 {
		t.Errorf("before any request: %v, want an empty map", counts)
	}
	for _, url := range []string{"/mon", "/mon/", "/mon/connz", "/mon/connz?sort=x", "/mon/subsz", "/mon/subscriptionsz", "/connz", "/mon/nope"} {
		request(m.Handler(), http.MethodGet, url)
	}
	request(m.Handler(), http.MethodPost, "/mon/connz")
	want := map[string]uint64{"/": 2, "/connz": 2, "/subsz": 2}
	if got := m.Varz().HTTPReqStats; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExpvarzHidesSecrets(t *testing.T) {
	m := New(&fakeSource{}, Config{Args: []string{"nats-lite", "--pass", "s3cret"}, Now: time.Now})
	var got struct {
		Cmdline  []string
		Memstats struct{ Sys uint64 }
	}
	if err := json.NewDecoder(request(m.Handler(), http.MethodGet, "/debug/vars").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := []string{"nats-lite", "--pass", "[REDACTED]"}; !slices.Equal(got.Cmdline, want) || got.Memstats.Sys == 0 {
		t.Errorf("got %+v, want command line %q", got, want)
	}
}

func TestStackszShowsGoroutines(t *testing.T) {
	body, err := io.ReadAll(request(newHandler(""), http.MethodGet, "/stacksz").Body)
	if err != nil || !strings.Contains(string(body), "TestStackszShowsGoroutines") {
		t.Errorf("error %v, body %s", err, body)
	}
}

func TestProfileHandler(t *testing.T) {
	h := ProfileHandler([]string{"nats-lite", "--auth=s3cret"})
	for _, test := range []struct {
		method, url string
		status      int
		body        string
	}{
		{"GET", "/debug/pprof/", 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"GET", "/debug/pprof/heap", 200, ""},
		{"GET", "/debug/pprof/nope", 404, ""},
		{"GET", "/debug/pprof/cmdline", 200, "nats-lite\x00--auth=[REDACTED]"},
		{"GET", "/debug/pprof/symbol", 200, "num_symbols"},
		{"POST", "/debug/pprof/symbol", 200, "num_symbols"},
		{"POST", "/debug/pprof/heap", 405, ""},
		{"GET", "/varz", 404, ""},
		{"GET", "/", 404, ""},
	} {
		r := request(h, test.method, test.url)
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != test.status || !strings.Contains(string(body), test.body) {
			t.Errorf("%s %s: %d %q, error %v; want %d with %q", test.method, test.url, r.StatusCode, body, err, test.status, test.body)
		}
	}
}

// constantSource is a fakeSource that may be read from many goroutines, as a
// Source must.
type constantSource struct{ *fakeSource }

func (s constantSource) Conns(ConnFilter) []*Conn { return slices.Clone(s.conns) }

// TestConcurrentReaders is for the race detector, and counts.
func TestConcurrentReaders(t *testing.T) {
	src := constantSource{&fakeSource{conns: []*Conn{{CID: 2}, {CID: 1, Subs: subsOf(Sub{Subject: "foo"})}}}}
	m := New(src, Config{Now: time.Now})
	h := m.Handler()
	const readers, rounds = 8, 20
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for range rounds {
				for _, url := range []string{"/varz", "/connz?subs=detail&auth=1&sort=rtt", "/subsz", "/healthz"} {
					if r := request(h, http.MethodGet, url); r.StatusCode != http.StatusOK {
						t.Errorf("%s: %d", url, r.StatusCode)
					}
				}
			}
		})
	}
	wg.Wait()
	const each = readers * rounds
	want := map[string]uint64{"/varz": each, "/connz": each, "/subsz": each, "/healthz": each}
	if got := m.Varz().HTTPReqStats; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
