package conf

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// print writes a map in the configuration language, in the most regular form
// there is: a different text with the same meaning as the one it came from.
func print(b *strings.Builder, m *Map) {
	b.WriteString("{\n")
	for _, e := range m.Entries() {
		quote := `"`
		if strings.Contains(e.Key, quote) {
			quote = `'`
		}
		b.WriteString(quote + e.Key + quote + ": ")
		printValue(b, e.Value)
		b.WriteByte('\n')
	}
	b.WriteByte('}')
}

func printValue(b *strings.Builder, v *Value) {
	switch v.Kind {
	case KindBool:
		fmt.Fprint(b, v.Bool)
	case KindInt:
		fmt.Fprint(b, v.Int)
	case KindFloat:
		s := strconv.FormatFloat(v.Float, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		b.WriteString(s)
	case KindString:
		b.WriteByte('"')
		for i := range len(v.Str) {
			fmt.Fprintf(b, `\x%02x`, v.Str[i])
		}
		b.WriteByte('"')
	case KindTime:
		b.WriteString(v.Time.Format("2006-01-02T15:04:05Z"))
	case KindArray:
		b.WriteByte('[')
		for _, e := range v.List {
			printValue(b, e)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case KindMap:
		print(b, v.Map)
	}
}

// printable reports whether all keys can be written between quotes, which
// exclude nothing but the quotes themselves.
func printable(m *Map) bool {
	for _, e := range m.Entries() {
		if strings.Contains(e.Key, `"`) && strings.Contains(e.Key, `'`) {
			return false
		}
		if !printableValue(e.Value) {
			return false
		}
	}
	return true
}

func printableValue(v *Value) bool {
	for _, e := range v.List {
		if !printableValue(e) {
			return false
		}
	}
	return v.Map == nil || printable(v.Map)
}

// checkPositions checks that the position of each key is one in the text, at
// which the key stands.
func checkPositions(t *testing.T, text string, m *Map) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for _, e := range m.Entries() {
		if e.Value == nil || e.Value.Kind < KindBool || e.Value.Kind > KindMap {
			t.Fatalf("%q has the value %+v", e.Key, e.Value)
		}
		if e.Pos.File != "f.conf" {
			continue // It came from an include.
		}
		if e.Pos.Line < 1 || e.Pos.Line > len(lines) {
			t.Fatalf("%q is at %v of %d lines", e.Key, e.Pos, len(lines))
		}
		col := e.Pos.Col
		if e.Pos.Line > 1 {
			col--
		}
		rest := strings.Join(lines[e.Pos.Line-1:], "\n")
		if col < 0 || col > len(rest) || !strings.HasPrefix(rest[col:], e.Key) {
			t.Fatalf("%q is not at %v", e.Key, e.Pos)
		}
		if e.Value.Map != nil && !strings.Contains(text, "$") {
			checkPositions(t, text, e.Value.Map)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{".", "samples"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.conf"))
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Add("{\"a\": [1, 2.5, true, {\"b\": null}],\n'c' = (\n block\n)\n}")
	f.Add("X: 1kb; a { b: $X, include vars.conf }\nc: [$TEN, $MAP, \"\\x41\\n\", 2006-01-02T15:04:05Z]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseTest(text)
		if err != nil {
			return
		}
		checkPositions(t, strings.TrimPrefix(text, "\ufeff"), c.Root)
		if !printable(c.Root) {
			return
		}
		var b strings.Builder
		print(&b, c.Root)
		again, err := parseTest(b.String())
		if err != nil {
			t.Fatalf("%q was printed as %q: %v", text, b.String(), err)
		}
		if c.Digest() != again.Digest() {
			t.Fatalf("%q was printed as %q, which means something else", text, b.String())
		}
	})
}

// Whatever way a random tree is written, it is read back as it was.
func TestRandomTreesInRandomNotation(t *testing.T) {
	for seed := range uint64(300) {
		w := &writer{r: rand.New(rand.NewPCG(seed, 1))}
		w.statements(3)
		c, err := parseTest(w.text.String())
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, w.text.String(), err)
		}
		var got strings.Builder
		print(&got, c.Root)
		if want := "{\n" + w.want.String() + "}"; got.String() != want {
			t.Fatalf("seed %d: %q\n got %s\nwant %s", seed, w.text.String(), got.String(), want)
		}
	}
}

// writer writes the same tree twice: in random notation into text, and as print
// would into want.
type writer struct {
	r          *rand.Rand
	text, want strings.Builder
	keys       int
}

func (w *writer) pick(s ...string) string { return s[w.r.IntN(len(s))] }

func (w *writer) both(text, want string) {
	w.text.WriteString(text)
	w.want.WriteString(want)
}

func (w *writer) space() { w.text.WriteString(w.pick("", " ", "\t", "  ", "\r")) }

func (w *writer) statements(depth int) {
	for range w.r.IntN(5) {
		w.text.WriteString(w.pick("", " ", "\n", "# , {\n", "// '\n\n"))
		w.keys++
		key := fmt.Sprintf("k%d", w.keys)
		w.both(w.pick(key, `"`+key+`"`, `'`+key+`'`)+w.pick(" ", ":", ": ", "=", " = ", "\t:"), `"`+key+`": `)
		w.value(depth)
		w.space()
		w.both(w.pick("\n", ",", ";", ";\n", " # c\n", " // c\n", "\r\n"), "\n")
	}
}

func (w *writer) value(depth int) {
	if depth == 0 {
		w.scalar()
		return
	}
	switch w.r.IntN(4) {
	case 0:
		w.both("{", "{\n")
		w.statements(depth - 1)
		w.both("}", "}")
	case 1:
		w.both("["+w.pick("", "\n", " # [\n"), "[")
		for range w.r.IntN(4) {
			w.space()
			w.value(depth - 1)
			w.space()
			w.both(w.pick(",", ",\n", "\n", "\n ,", " # ]\n"), ",")
		}
		w.both("]", "]")
	default:
		w.scalar()
	}
}

func (w *writer) scalar() {
	hex := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		}
		return `"` + b.String() + `"`
	}
	n := w.r.Int64()
	word := w.pick("x", "foo.*.>", "nats://h:1", "10s", "a#b", "-", "é", "on1", "x{y")
	// A block must be the last on its line, which no place here promises.
	switch w.r.IntN(8) {
	case 0:
		w.both(w.pick("true", "On", "YES"), "true")
	case 1:
		w.both(fmt.Sprint(n), fmt.Sprint(n))
	case 2:
		w.both(fmt.Sprintf("%d%s", n%1000, w.pick("k", "K")), fmt.Sprint(n%1000*1000))
	case 3:
		w.both("2.50", "2.5")
	case 4:
		w.both("2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z")
	case 5:
		w.both(word, hex(word))
	case 6:
		w.both("'"+word+" \"\\'", hex(word+` "\`))
	default:
		w.both(`"`+word+` '\"\\\x00"`, hex(word+" '\"\\\x00"))
	}
}
