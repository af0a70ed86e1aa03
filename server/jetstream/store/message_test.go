package store

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		subject, header, data int
		file, memory          uint64
	}{
		{0, 0, 0, 30, 16},
		{3, 0, 10, 43, 29},
		{3, 12, 10, 59, 41},
		{3, 12, 0, 49, 31},
	} {
		if got := FileSize(c.subject, c.header, c.data); got != c.file {
			t.Errorf("FileSize(%d, %d, %d) = %d, want %d", c.subject, c.header, c.data, got, c.file)
		}
		if got := MemorySize(c.subject, c.header, c.data); got != c.memory {
			t.Errorf("MemorySize(%d, %d, %d) = %d, want %d", c.subject, c.header, c.data, got, c.memory)
		}
	}
}

func TestMessageFill(t *testing.T) {
	var m Message
	for _, c := range []struct{ subject, header, data string }{
		{"a.b", "NATS/1.0\r\n\r\n", "hello"},
		{"a", "", ""},
		{"a.longer.subject", "NATS/1.0\r\nA: b\r\n\r\n", "a longer payload"},
	} {
		subject, header, data := []byte(c.subject), []byte(c.header), []byte(c.data)
		m.Fill(7, 9, subject, header, data)
		clear(subject)
		clear(header)
		clear(data)
		if m.Seq != 7 || m.Time != 9 || string(m.Subject) != c.subject || string(m.Header) != c.header || string(m.Data) != c.data {
			t.Errorf("filled with %q, m is %+v", c, m)
		}
		// What is appended to one part must not run into the next.
		_ = append(m.Subject, 'x')
		_ = append(m.Header, 'x')
		if string(m.Header) != c.header || string(m.Data) != c.data {
			t.Errorf("filled with %q, the parts overlap: %+v", c, m)
		}
	}
	if b := m.Buffer(5); len(b) != 5 || cap(b) != 5 {
		t.Errorf("Buffer(5) has length %d and capacity %d", len(b), cap(b))
	}
	if b := m.Buffer(500); len(b) != 500 {
		t.Errorf("Buffer(500) has length %d", len(b))
	}
	if race.Enabled {
		return
	}
	data := make([]byte, 100)
	fill := func() {
		m.Fill(1, 1, data[:5], nil, nil)
		m.Fill(2, 1, data[:5], data[:20], data)
	}
	if n := testing.AllocsPerRun(10, fill); n > 0 {
		t.Errorf("to fill a used Message again allocates %v times", n)
	}
}
