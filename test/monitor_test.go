package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// monitor is the base URL of a server's monitoring port.
type monitor string

// What the endpoints answer with, as far as tests look at it.
type varz struct {
	Connections      int    `json:"connections"`
	TotalConnections uint64 `json:"total_connections"`
	Subscriptions    int    `json:"subscriptions"`
	InMsgs           int64  `json:"in_msgs"`
	InBytes          int64  `json:"in_bytes"`
	OutMsgs          int64  `json:"out_msgs"`
	OutBytes         int64  `json:"out_bytes"`
	SlowConsumers    int64  `json:"slow_consumers"`
	Stale            int64  `json:"stale_connections"`
	MaxPayload       int    `json:"max_payload"`
	ServerName       string `json:"server_name"`
	AuthRequired     bool   `json:"auth_required"`
}

type connz struct {
	NumConnections int        `json:"num_connections"`
	Total          int        `json:"total"`
	Connections    []connInfo `json:"connections"`
}

type connInfo struct {
	CID      uint64   `json:"cid"`
	Name     string   `json:"name"`
	Lang     string   `json:"lang"`
	Reason   string   `json:"reason"`
	InMsgs   int64    `json:"in_msgs"`
	InBytes  int64    `json:"in_bytes"`
	OutMsgs  int64    `json:"out_msgs"`
	OutBytes int64    `json:"out_bytes"`
	NumSubs  int      `json:"subscriptions"`
	Subs     []string `json:"subscriptions_list"`
	User     string   `json:"authorized_user"`
	Account  string   `json:"account"`
	TLS      string   `json:"tls_version"`
	RTT      string   `json:"rtt"`
}

type subsz struct {
	NumSubs int `json:"num_subscriptions"`
	Total   int `json:"total"`
	Subs    []struct {
		Account string `json:"account"`
		Subject string `json:"subject"`
		Queue   string `json:"qgroup"`
		SID     string `json:"sid"`
		Msgs    int64  `json:"msgs"`
		CID     uint64 `json:"cid"`
	} `json:"subscriptions_list"`
}

var httpClient = &http.Client{
	Timeout:   patience,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// text asks for a path and returns the status and the body.
func (m monitor) text(t testing.TB, path string) (status int, body string) {
	t.Helper()
	resp, err := httpClient.Get(string(m) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// ask reads the JSON that a path answers with.
func ask[T any](t testing.TB, m monitor, path string) T {
	t.Helper()
	status, body := m.text(t, path)
	var v T
	if err := json.Unmarshal([]byte(body), &v); status != http.StatusOK || err != nil {
		t.Fatalf("%s: status %d, %v: %s", path, status, err, body)
	}
	return v
}

func (m monitor) varz(t testing.TB) varz {
	t.Helper()
	return ask[varz](t, m, "/varz")
}

func (m monitor) connz(t testing.TB, query string) connz {
	t.Helper()
	return ask[connz](t, m, "/connz?"+query)
}

func (m monitor) subsz(t testing.TB, query string) subsz {
	t.Helper()
	return ask[subsz](t, m, "/subsz?"+query)
}

// closedFor counts the closed connections by why they were closed, page by page.
func (m monitor) closedFor(t testing.TB) map[string]int {
	t.Helper()
	reasons := make(map[string]int)
	for offset := 0; ; {
		page := m.connz(t, fmt.Sprintf("state=closed&limit=5000&offset=%d", offset))
		for _, c := range page.Connections {
			reasons[c.Reason]++
		}
		if offset += len(page.Connections); len(page.Connections) == 0 || offset >= page.Total {
			return reasons
		}
	}
}

// awaitClosed waits until n connections were closed for a reason. It looks at
// how many were closed at all as long as that is too few, which costs the server
// little.
func (m monitor) awaitClosed(t testing.TB, reason string, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * pollInterval) {
		late := time.Now().After(deadline)
		if !late && m.connz(t, "state=closed&limit=1").Total < n {
			continue
		}
		reasons := m.closedFor(t)
		switch {
		case reasons[reason] == n:
			return
		case reasons[reason] > n || late:
			t.Fatalf("connections were closed for %v, want %d for %q", reasons, n, reason)
		}
	}
}

func decode[T any](t testing.TB, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
