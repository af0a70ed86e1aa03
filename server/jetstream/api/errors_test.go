package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is generated and recorded")

//go:embed errors.txt
var errorTable string

// TestErrorTable checks that errors_gen.go is what errors.txt says, and writes it
// with -update.
func TestErrorTable(t *testing.T) {
	want := generateErrors(t, errorTable)
	if *update {
		if err := os.WriteFile("errors_gen.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile("errors_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("errors_gen.go is not what errors.txt says: run go generate")
	}
}

var errorRow = regexp.MustCompile(`^(\d{3}) (\d{5}) (Err[A-Z]\w+) +(\S.*)$`)

func generateErrors(t *testing.T, table string) []byte {
	t.Helper()
	var declared, listed strings.Builder
	last := 10001
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		m := errorRow.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %d is no row: %q", i+1, line)
		}
		code, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if code != last+1 {
			t.Errorf("line %d: %d does not follow %d", i+1, code, last)
		}
		last = code
		fmt.Fprintf(&declared, "%s = &Error{%s, %s, %q}\n", m[3], m[1], m[2], m[4])
		fmt.Fprintf(&listed, "%s,\n", m[3])
	}
	src, err := format.Source([]byte("// Code generated from errors.txt by TestErrorTable. DO NOT EDIT.\n\npackage api\n\n" +
		"// The errors of the API, in the order of their error codes.\nvar (\n" + declared.String() + ")\n\n" +
		"// Errors are all of them.\nvar Errors = [...]*Error{\n" + listed.String() + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestErrorJSON(t *testing.T) {
	for _, tc := range []struct {
		err  *Error
		want string
	}{
		{ErrStreamNotFound, `{"code":404,"err_code":10059,"description":"stream not found"}`},
		{ErrStreamWrongLastSequence.With("seq", 8), `{"code":400,"err_code":10071,"description":"wrong last sequence: 8"}`},
		{&Error{Code: 500}, `{"code":500}`},
		{
			ErrConsumerBadDurableName,
			`{"code":400,"err_code":10103,"description":"durable name can not contain '.', '*', '\u003e'"}`,
		},
	} {
		got, err := json.Marshal(tc.err)
		if err != nil || string(got) != tc.want {
			t.Errorf("got %s, %v; want %s", got, err, tc.want)
		}
		var back Error
		if err := json.Unmarshal(got, &back); err != nil || back != *tc.err {
			t.Errorf("%s read back is %+v, %v", got, back, err)
		}
	}
}

func TestErrorWith(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  *Error
		want string
	}{
		{"two names", ErrRestoreSubscribeFailed.With("subject", "a.b", "err", errors.New("no")), "JetStream unable to subscribe to restore snapshot a.b: no"},
		{"a text", ErrStreamInvalidConfig.With("err", "invalid retention"), "invalid retention"},
		{"an error", ErrStreamGeneral.With("err", errors.New("disk full")), "disk full"},
		{"an API error is not wrapped", ErrStreamCreate.With("err", ErrStreamNotFound), "stream not found"},
		{"not even inside another", ErrStreamCreate.With("err", fmt.Errorf("x: %w", ErrStreamNotFound)), "stream not found"},
		{"but is where there is more text", ErrStreamRestore.With("err", errors.New("no")), "restore failed: no"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.got.Description != tc.want {
				t.Errorf("got %q, want %q", tc.got.Description, tc.want)
			}
		})
	}
	if !errors.Is(ErrStreamWrongLastSequence.With("seq", 8), ErrStreamWrongLastSequence) {
		t.Error("a filled error is not the error it was made of")
	}
	if errors.Is(ErrStreamWrongLastSequence.With("seq", 8), ErrStreamNotFound) {
		t.Error("an error is another")
	}
	if strings.Contains(ErrStreamWrongLastSequence.With("seq", 8).Description, "{") || !strings.Contains(ErrStreamWrongLastSequence.Description, "{seq}") {
		t.Error("With changed the template")
	}
	defer func() {
		if recover() == nil {
			t.Error("a name that is not in the text went unnoticed")
		}
	}()
	ErrStreamNotFound.With("seq", 8)
}
