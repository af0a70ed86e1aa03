package proto

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

const headers = "NATS/1.0 503 No Responders\r\n" +
	"Nats-Msg-Id: 1\r\n" +
	"Id:2\r\n" +
	"Msg-Id: not the first Id: 3\r\n" +
	"Empty:\r\n" +
	"Blank: \t \r\n" +
	"Padded: \t a b\t \r\n" +
	"Odd: \u00a0\u0085x\u00a0\r\n" +
	"no header at all\r\n" +
	": no name\r\n" +
	"Twice: one\r\n" +
	"Twice: two\r\n" +
	"Colons: a:b:c\r\n" +
	"\r\n"

// Is a header found by its name, and nothing else taken for it?
func TestHeaderValue(t *testing.T) {
	for _, tc := range []struct {
		name, block, header string
		want                string
		absent              bool
	}{
		{name: "first header", block: headers, header: "Nats-Msg-Id", want: "1"},
		{name: "name that ends others", block: headers, header: "Id", want: "2"},
		{name: "empty value", block: headers, header: "Empty", want: ""},
		{name: "value of blanks", block: headers, header: "Blank", want: ""},
		{name: "blanks around a value", block: headers, header: "Padded", want: "a b"},
		{name: "only blanks are trimmed", block: headers, header: "Odd", want: "\u00a0\u0085x\u00a0"},
		{name: "first of several", block: headers, header: "Twice", want: "one"},
		{name: "colons in a value", block: headers, header: "Colons", want: "a:b:c"},
		{name: "names are case-sensitive", block: headers, header: "nats-msg-id", absent: true},
		{name: "prefix of a name", block: headers, header: "Nats-Msg", absent: true},
		{name: "text of a value", block: headers, header: "not the first Id", absent: true},
		{name: "status line", block: "Name: x\r\n\r\n", header: "Name", absent: true},
		{name: "behind the end", block: "NATS/1.0\r\n\r\nName: x\r\n\r\n", header: "Name", absent: true},
		{name: "after a bare LF", block: "NATS/1.0\r\nA: x\nName: x\r\n\r\n", header: "Name", absent: true},
		{name: "block cut off in a value", block: "NATS/1.0\r\nName: x", header: "Name", want: "x"},
		{name: "block cut off behind a colon", block: "NATS/1.0\r\nName:", header: "Name", want: ""},
		{name: "block cut off behind a name", block: "NATS/1.0\r\nName", header: "Name", absent: true},
		{name: "empty block", block: "", header: "Name", absent: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := HeaderValue([]byte(tc.block), tc.header)
			if tc.absent != (got == nil) || string(got) != tc.want {
				t.Errorf("got %q (nil: %v), want %q (absent: %v)", got, got == nil, tc.want, tc.absent)
			}
		})
	}
}

// Are all headers listed in their order, and no more of them than are wanted?
func TestHeaders(t *testing.T) {
	var got []string
	Headers([]byte(headers), func(name, value []byte) bool {
		got = append(got, fmt.Sprintf("%s=%s", name, value))
		return string(value) != "two"
	})
	want := []string{
		"Nats-Msg-Id=1", "Id=2", "Msg-Id=not the first Id: 3", "Empty=", "Blank=", "Padded=a b",
		"Odd=\u00a0\u0085x\u00a0", "Twice=one", "Twice=two",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// slowHeaders lists the headers of a block in the most obvious way.
func slowHeaders(block string) (all [][2]string) {
	for _, line := range strings.Split(block, "\r\n")[1:] {
		if line == "" {
			break
		}
		if name, value, ok := strings.Cut(line, ":"); ok && name != "" {
			all = append(all, [2]string{name, strings.Trim(value, " \t")})
		}
	}
	return all
}

// Can a header block, which nobody has checked, break the functions that read
// one, or make them disagree?
func FuzzHeaders(f *testing.F) {
	f.Add(headers, "Twice")
	f.Add("NATS/1.0\r\n\r\n", "A")
	f.Add("NATS/1.0\r\nA:b\r\n\r\nA:c", "A")
	f.Add("NATS/1.0\r\nAA:b\r\nA: c", "A")
	f.Add("\r\nA:b\r\r\n\n", "A")
	f.Fuzz(func(t *testing.T, block, name string) {
		want := slowHeaders(block)
		var got [][2]string
		Headers([]byte(block), func(n, v []byte) bool {
			got = append(got, [2]string{string(n), string(v)})
			return true
		})
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("Headers(%q)\ngot  %q\nwant %q", block, got, want)
		}
		if name == "" || strings.ContainsAny(name, ":\r\n") {
			return
		}
		var first *string
		for i := range want {
			if want[i][0] == name {
				first = &want[i][1]
				break
			}
		}
		v := HeaderValue([]byte(block), name)
		if (v == nil) != (first == nil) || first != nil && string(v) != *first {
			t.Fatalf("HeaderValue(%q, %q) = %q", block, name, v)
		}
	})
}

// Does reading headers allocate?
func TestHeadersDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	block := []byte(headers)
	n := 0
	allocs := testing.AllocsPerRun(100, func() {
		n += len(HeaderValue(block, "Twice"))
		n += len(HeaderValue(block, "Nats-Expected-Last-Subject-Sequence-Subject"))
		Headers(block, func(name, _ []byte) bool { n += len(name); return true })
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
