package pack_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/nats-lite/nats-lite/internal/pack"
)

var numbers = []uint64{0, 1, 127, 128, 300, 1<<14 - 1, 1 << 14, 1<<32 - 1, 1 << 56, 1<<63 - 1, 1 << 63, math.MaxUint64}

func TestWhatIsAppendedIsRead(t *testing.T) {
	b := pack.AppendBool(pack.AppendBool([]byte{7}, true), false)
	b = binary.LittleEndian.AppendUint16(b, 0x1234)
	b = binary.LittleEndian.AppendUint32(b, 0x12345678)
	b = binary.LittleEndian.AppendUint64(b, 0x123456789abcdef0)
	b = pack.AppendUvarints(b, numbers...)
	for _, n := range numbers {
		b = binary.AppendVarint(b, int64(n))
	}
	b = pack.AppendBytes(b, "name")
	b = pack.AppendBytes(b, []byte(nil))
	b = pack.AppendBytes(b, make([]byte, 200))
	b = append(pack.AppendUvarints(b, 100, 2), "abcrest"...)

	in := pack.NewReader(b)
	if in.Byte() != 7 || !in.Bool() || in.Bool() {
		t.Error("bytes")
	}
	if in.Uint16() != 0x1234 || in.Uint32() != 0x12345678 || in.Uint64() != 0x123456789abcdef0 {
		t.Error("numbers of a fixed size")
	}
	for _, n := range numbers {
		if got := in.Uvarint(); got != n {
			t.Errorf("%d instead of %d", got, n)
		}
	}
	for _, n := range numbers {
		if got := in.Varint(); got != int64(n) {
			t.Errorf("%d instead of %d", got, int64(n))
		}
	}
	if got := in.Bytes(); string(got) != "name" {
		t.Errorf("%q", got)
	}
	if got := in.Bytes(); got != nil {
		t.Errorf("%q instead of nothing", got)
	}
	if got := in.Bytes(); len(got) != 200 {
		t.Errorf("%d bytes instead of 200", len(got))
	}
	if got := in.UpTo(100); got != 100 {
		t.Errorf("%d instead of 100", got)
	}
	if got := in.Count(3); got != 2 {
		t.Errorf("%d things instead of 2", got)
	}
	if got := in.Take(3); string(got) != "abc" || in.Len() != 4 || in.End() {
		t.Errorf("%q, %d bytes behind it", got, in.Len())
	}
	if got := in.Rest(); string(got) != "rest" || in.Len() != 0 || !in.End() || in.Bad() {
		t.Errorf("%q, %d bytes behind it", got, in.Len())
	}
	if got := in.Rest(); got != nil || !in.End() {
		t.Errorf("%q behind the end", got)
	}
}

// What is not there, or cannot be, makes a reader bad, for good.
func TestBad(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		read func(*pack.Reader) any
	}{
		"byte":                       {"", func(r *pack.Reader) any { return r.Byte() }},
		"bool":                       {"", func(r *pack.Reader) any { return r.Bool() }},
		"bool of 2":                  {"\x02\x01", func(r *pack.Reader) any { return r.Bool() }},
		"two bytes":                  {"a", func(r *pack.Reader) any { return r.Uint16() }},
		"four bytes":                 {"abc", func(r *pack.Reader) any { return r.Uint32() }},
		"eight bytes":                {"abcdefg", func(r *pack.Reader) any { return r.Uint64() }},
		"varint":                     {"", func(r *pack.Reader) any { return r.Uvarint() }},
		"varint without an end":      {"\x80\x80", func(r *pack.Reader) any { return r.Uvarint() }},
		"varint of 65 bits":          {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", func(r *pack.Reader) any { return r.Uvarint() }},
		"varint of eleven bytes":     {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", func(r *pack.Reader) any { return r.Uvarint() }},
		"varint with a sign":         {"\x80", func(r *pack.Reader) any { return r.Varint() }},
		"limit":                      {"\x0bab", func(r *pack.Reader) any { return r.UpTo(10) }},
		"count":                      {"\x03abcde", func(r *pack.Reader) any { return r.Count(2) }},
		"count beyond all":           {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", func(r *pack.Reader) any { return r.Count(1) }},
		"part":                       {"abc", func(r *pack.Reader) any { return len(r.Take(4)) }},
		"part beyond all":            {"abc", func(r *pack.Reader) any { return len(r.Take(math.MaxUint64)) }},
		"bytes":                      {"\x04abc", func(r *pack.Reader) any { return len(r.Bytes()) }},
		"bytes beyond all":           {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", func(r *pack.Reader) any { return len(r.Bytes()) }},
		"something said to be wrong": {"abc", func(r *pack.Reader) any { r.Fail(); return 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			in := pack.NewReader([]byte(tc.in))
			switch got := tc.read(&in); got {
			case byte(0), uint16(0), uint32(0), uint64(0), int64(0), 0, false:
			default:
				t.Errorf("it gives %v", got)
			}
			if !in.Bad() || in.End() || in.Len() != 0 {
				t.Errorf("bad: %v, at the end: %v, %d bytes left", in.Bad(), in.End(), in.Len())
			}
			if in.Byte() != 0 || in.Uvarint() != 0 || in.Bytes() != nil || in.Rest() != nil || in.Count(1) != 0 || !in.Bad() {
				t.Error("it goes on")
			}
		})
	}
}

func TestPartsHaveNoRoomBehindThem(t *testing.T) {
	b := []byte("\x03abcdef")
	in := pack.NewReader(b)
	_ = append(in.Bytes(), 'X')
	_ = append(in.Take(2), 'X')
	if string(b) != "\x03abcdef" {
		t.Errorf("the input is %q", b)
	}
}

func TestCopiesGoOnApart(t *testing.T) {
	in := pack.NewReader([]byte{1, 2, 3})
	in.Byte()
	second := in
	second.Fail()
	if in.Byte() != 2 || in.Byte() != 3 || !in.End() {
		t.Error("the original has changed")
	}
}

// FuzzReader reads arbitrary bytes, by a script that is arbitrary too, and compares
// with a reader that is as plain as can be.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"), pack.AppendUvarints([]byte("0123456789abcdef"), numbers...))
	f.Add([]byte("\x05\x05\x05"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x80\x00\x80"))
	f.Add([]byte("\x19\x29\x39\x49"), []byte("\x00\x01a\x02ab\x03abc\x05abcd"))
	f.Fuzz(func(t *testing.T, script, b []byte) {
		in, slow := pack.NewReader(b), plain{rest: b}
		for i, step := range script {
			n := int(step >> 4)
			var got, want uint64
			var part, wanted []byte
			switch step & 15 {
			case 0:
				got, want = uint64(in.Byte()), slow.fixed(1)
			case 1:
				got, want = uint64(in.Uint16()), slow.fixed(2)
			case 2:
				got, want = uint64(in.Uint32()), slow.fixed(4)
			case 3:
				got, want = in.Uint64(), slow.fixed(8)
			case 4:
				if want = slow.fixed(1); want > 1 {
					want = slow.fail()
				}
				if in.Bool() {
					got = 1
				}
			case 5:
				got, want = in.Uvarint(), slow.uvarint()
			case 6:
				got, want = uint64(in.Varint()), uint64(slow.varint())
			case 7:
				if want = slow.uvarint(); want > uint64(n) {
					want = slow.fail()
				}
				got = in.UpTo(uint64(n))
			case 8:
				size := n + 1
				if want = slow.uvarint(); want > uint64(len(slow.rest)) || int(want)*size > len(slow.rest) {
					want = slow.fail()
				}
				got = uint64(in.Count(size))
			case 9:
				part, wanted = in.Bytes(), slow.take(slow.uvarint())
			case 10:
				part, wanted = in.Take(uint64(n)), slow.take(uint64(n))
			case 11:
				part, wanted = in.Rest(), slow.take(uint64(len(slow.rest)))
			}
			if got != want || !bytes.Equal(part, wanted) || cap(part) != len(part) || (part == nil) != (len(part) == 0) {
				t.Fatalf("step %d, %#x: %d, %q instead of %d, %q", i, step, got, part, want, wanted)
			}
			if in.Bad() != slow.bad || in.Len() != len(slow.rest) || in.End() != (!slow.bad && len(slow.rest) == 0) {
				t.Fatalf("step %d, %#x: bad: %v, %d bytes left, instead of %v, %d", i, step, in.Bad(), in.Len(), slow.bad, len(slow.rest))
			}
		}
	})
}

// plain is a Reader by means of encoding/binary.
type plain struct {
	rest []byte
	bad  bool
}

func (p *plain) fail() uint64 {
	p.rest, p.bad = nil, true
	return 0
}

func (p *plain) take(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail()
		return nil
	}
	part := p.rest[:n]
	p.rest = p.rest[n:]
	return part
}

func (p *plain) fixed(size int) uint64 {
	var b [8]byte
	copy(b[:], p.take(uint64(size)))
	return binary.LittleEndian.Uint64(b[:])
}

func (p *plain) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 {
		return p.fail()
	}
	p.rest = p.rest[n:]
	return v
}

func (p *plain) varint() int64 {
	v, n := binary.Varint(p.rest)
	if n <= 0 {
		return int64(p.fail())
	}
	p.rest = p.rest[n:]
	return v
}

func TestNothingIsAllocated(t *testing.T) {
	var b []byte
	write := func() {
		b = pack.AppendBool(b[:0], true)
		b = pack.AppendUvarints(b, 1, 2, 3<<40)
		b = pack.AppendBytes(b, "some text")
	}
	write()
	if n := testing.AllocsPerRun(100, write); n > 0 {
		t.Errorf("%v allocations for appending", n)
	}
	read := func() {
		in := pack.NewReader(b)
		in.Bool()
		in.Uvarint()
		in.Varint()
		in.Count(1)
		in.Bytes()
	}
	if n := testing.AllocsPerRun(100, read); n > 0 {
		t.Errorf("%v allocations for reading", n)
	}
}

// BenchmarkUvarint is a number of each length.
func BenchmarkUvarint(b *testing.B) {
	for name, numbers := range map[string][]uint64{"short": {1, 5, 100, 127}, "two bytes": {128, 300, 9000, 16383}, "long": {1 << 20, 1 << 35, 1 << 49, 1 << 63}} {
		b.Run(name, func(b *testing.B) {
			text := pack.AppendUvarints(nil, numbers...)
			b.ReportAllocs()
			for b.Loop() {
				in := pack.NewReader(text)
				for range numbers {
					in.Uvarint()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(numbers)), "ns/number")
		})
	}
}
