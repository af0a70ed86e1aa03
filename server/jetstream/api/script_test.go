package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestScripts runs the configurations in testdata/*.txt. A line is
//
//	[pedantic] stream CONFIG     make a stream
//	[pedantic] update CONFIG     replace its configuration
//	[pedantic] consumer CONFIG   make a consumer of it
//	[pedantic] modify CONFIG     replace its configuration
//	beside CONFIG                ask whether a work queue can have it beside that one
//	rules RULES                  set what the server adds
//
// and below it, behind a tab, is what comes of it: an error with its code, or, as
// an object, what differs from the configuration of {}. With -update the results are
// written anew.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := script{t: t}
			lines := strings.Split(string(text), "\n")
			var out strings.Builder
			for i, line := range lines {
				if line == "" || line[0] == '#' {
					fmt.Fprintln(&out, line)
					continue
				}
				if line[0] == '\t' {
					continue
				}
				got := s.run(line)
				fmt.Fprintf(&out, "%s\n\t%s\n", line, got)
				if want := strings.TrimSpace(lines[min(i+1, len(lines)-1)]); got != want && !*update {
					t.Errorf("line %d: %s\n got %s\nwant %s", i+1, line, got, want)
				}
			}
			if *update {
				if err := os.WriteFile(file, append(bytes.TrimRight([]byte(out.String()), "\n"), '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type script struct {
	t     *testing.T
	rules struct {
		Clustered                      bool
		MaxDuplicateWindow             time.Duration
		MaxAckPending, MaxRequestBatch int
	}
	stream   *StreamConfig
	consumer *ConsumerConfig
}

func (s *script) run(line string) string {
	line, pedantic := strings.CutPrefix(line, "pedantic ")
	verb, body, _ := strings.Cut(line, " ")
	limits := StreamLimits{MaxDuplicateWindow: s.rules.MaxDuplicateWindow, Clustered: s.rules.Clustered}
	rules := ConsumerRules{MaxAckPending: s.rules.MaxAckPending, MaxRequestBatch: s.rules.MaxRequestBatch, Clustered: s.rules.Clustered}
	switch verb {
	case "rules":
		if err := json.Unmarshal([]byte(body), &s.rules); err != nil {
			s.t.Fatal(err)
		}
		return "ok"
	case "stream", "update":
		cfg := StreamConfigRequest{StreamConfig: StreamConfig{Name: "T"}}
		if err := Decode([]byte(body), true, &cfg); err != nil {
			return fmt.Sprint(err.ErrCode, " ", err.Description)
		}
		before := cfg.Clone()
		var got *StreamConfig
		var err *Error
		if verb == "stream" {
			got, err = CheckStreamCreate(&cfg.StreamConfig, limits, pedantic)
		} else {
			got, err = CheckStreamUpdate(s.stream, &cfg.StreamConfig, limits, pedantic)
		}
		if !reflect.DeepEqual(before, &cfg.StreamConfig) {
			s.t.Errorf("%s: the configuration that was checked has changed", line)
		}
		if err != nil {
			return fmt.Sprint(err.ErrCode, " ", err.Description)
		}
		s.stream = got
		again, err := CheckStream(got, limits, false)
		if err != nil || !again.Equal(got) {
			s.t.Errorf("%s: checking the result gives %+v, %v", line, again, err)
		}
		plain, _ := CheckStreamCreate(&StreamConfig{Name: "T"}, StreamLimits{}, false)
		return difference(s.t, plain, got)
	case "consumer", "modify":
		cfg := ConsumerConfig{Name: "c"}
		if err := Decode([]byte(body), true, &cfg); err != nil {
			return fmt.Sprint(err.ErrCode, " ", err.Description)
		}
		before := cfg.Clone()
		var got *ConsumerConfig
		var err *Error
		if verb == "consumer" {
			got, err = CheckConsumer(&cfg, s.stream, rules, pedantic)
		} else {
			got, err = CheckConsumerUpdate(s.consumer, &cfg, s.stream, rules, pedantic)
		}
		if !reflect.DeepEqual(before, &cfg) {
			s.t.Errorf("%s: the configuration that was checked has changed", line)
		}
		if err != nil {
			return fmt.Sprint(err.ErrCode, " ", err.Description)
		}
		s.consumer = got
		again, err := CheckConsumer(got, s.stream, rules, false)
		if err != nil || !again.Equal(got) {
			s.t.Errorf("%s: checking the result gives %+v, %v", line, again, err)
		}
		plain, _ := CheckConsumer(&ConsumerConfig{Name: "c"}, &StreamConfig{Replicas: 1}, ConsumerRules{}, false)
		return difference(s.t, plain, got)
	case "beside":
		var cfg ConsumerConfig
		if err := json.Unmarshal([]byte(body), &cfg); err != nil {
			s.t.Fatal(err)
		}
		if err := CheckWorkQueue(cfg.Filters(), s.consumer.Filters()); err != nil {
			return fmt.Sprint(err.ErrCode, " ", err.Description)
		}
		return "ok"
	}
	s.t.Fatalf("no such verb: %s", line)
	return ""
}

// difference is what v has on the wire that base has not, with null for what v lacks.
func difference(t *testing.T, base, v any) string {
	t.Helper()
	members := func(v any) (m map[string]json.RawMessage) {
		data, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := members(v)
	for name, value := range members(base) {
		if there, ok := m[name]; !ok {
			m[name] = json.RawMessage("null")
		} else if bytes.Equal(there, value) {
			delete(m, name)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `\u003e`, ">")
}
