//go:build unix

package chaos

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for n := range 1000 {
		data := text("p1", n)
		if publisher, number := parse(data); publisher != "p1" || number != n {
			t.Fatalf("%q is %s/%d", data, publisher, number)
		}
		// Whatever is done to it, it is that of nobody.
		for _, bad := range [][]byte{data[:len(data)-1], append(bytes.Clone(data), 'x'), bytes.Replace(data, []byte("/"), []byte("/0"), 1)} {
			if publisher, _ := parse(bad); !strings.HasPrefix(publisher, "damaged") {
				t.Fatalf("%q is of %s", bad, publisher)
			}
		}
		bad := bytes.Clone(data)
		bad[n%len(bad)] ^= 1
		if publisher, number := parse(bad); publisher == "p1" && number == n {
			t.Fatalf("%q is whole", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("p1/7 x"))
	f.Add(text("p1", 7))
	f.Add([]byte("/-150 x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if publisher, number := parse(data); !strings.HasPrefix(publisher, "damaged") && !bytes.Equal(text(publisher, number), data) {
			t.Errorf("%q is %s/%d", data, publisher, number)
		}
	})
}

func TestParseRegister(t *testing.T) {
	for _, test := range []struct {
		answer, value string
		revision      uint64
		fails         bool
	}{
		{answer: `{"message":{"subject":"x","seq":7,"data":"dmFsdWU="}}`, value: "value", revision: 7},
		{answer: `{"error":{"code":404,"err_code":10037,"description":"no message found"}}`},
		{answer: `{"error":{"code":503,"err_code":10008,"description":"unavailable"}}`, fails: true},
		{answer: `{`, fails: true},
	} {
		revision, value, err := parseRegister([]byte(test.answer))
		if revision != test.revision || value != test.value || (err != nil) != test.fails {
			t.Errorf("%s: %d, %q, %v", test.answer, revision, value, err)
		}
	}
}

func TestTally(t *testing.T) {
	x := tally{name: "x", last: 10 * time.Second}
	for _, at := range []time.Duration{11, 12, 20, 19, 25} {
		x.note(at*time.Second, nil)
		x.note((at+1)*time.Second, errors.New("no")) // is no progress
	}
	if got, want := x.String(), "x: 5 operations, 5 attempts without success; longest time without progress 8s, from 12s on"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
