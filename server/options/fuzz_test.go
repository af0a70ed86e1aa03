package options

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/conf"
)

// FuzzFromBytes: no text makes reading panic, everything that is wrong has a
// place, and what is read is the same when it is read again.
func FuzzFromBytes(f *testing.F) {
	for _, test := range keyTests {
		f.Add(test.text)
	}
	for _, test := range problemTests {
		f.Add(test.text)
	}
	for _, test := range tlsKeyTests("cert_file: a, key_file: b", "a", "b", "c") {
		f.Add("tls { " + test.text + " }")
	}
	read := func(text string) (*Options, Problems, error) {
		// Neither files nor variables of this machine.
		noFile := func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		c, err := conf.Parse([]byte(text), "f.conf", conf.WithReader(noFile), conf.WithEnv(func(string) (string, bool) { return "", false }))
		if err != nil {
			return nil, nil, err
		}
		return fromConfig(c, noFile, nil)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, warnings, err := read(text)
		problems := warnings
		if wrong, ok := errors.AsType[*ConfigError](err); ok {
			if len(wrong.Errors) == 0 {
				t.Error("an error without errors")
			}
			problems = append(wrong.Warnings, wrong.Errors...)
		}
		for _, p := range problems {
			if p.Pos.File != "f.conf" || p.Pos.Line < 1 || p.Pos.Line > strings.Count(text, "\n")+1 || p.Msg == "" {
				t.Errorf("problem %v", p)
			}
		}
		if err != nil {
			return
		}
		// Both may fail, but not panic.
		valid := o.Validate()
		again, _, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := Diff(o, again); err != nil || len(changes.List) > 0 {
			t.Errorf("read twice: changes %+v, error %v", changes, err)
		}
		if valid == nil && (o.MaxPayload <= 0 || o.PingInterval <= 0 || o.AuthTimeout() <= 0) {
			t.Errorf("valid, but %+v", o)
		}
	})
}
