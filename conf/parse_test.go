package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dump writes a tree in one line, with the positions of keys and elements.
func dump(m *Map) string {
	var b strings.Builder
	dumpMap(&b, m)
	return b.String()
}

func dumpMap(b *strings.Builder, m *Map) {
	b.WriteByte('{')
	for i, e := range m.Entries() {
		if i > 0 {
			b.WriteByte(' ')
		}
		used := ""
		if e.UsedAsVariable {
			used = "!"
		}
		fmt.Fprintf(b, "%s@%d:%d%s=", e.Key, e.Pos.Line, e.Pos.Col, used)
		dumpValue(b, e.Value)
	}
	b.WriteByte('}')
}

func dumpValue(b *strings.Builder, v *Value) {
	switch v.Kind {
	case KindBool:
		fmt.Fprint(b, v.Bool)
	case KindInt:
		fmt.Fprint(b, v.Int)
	case KindFloat:
		fmt.Fprintf(b, "%gf", v.Float)
	case KindString:
		fmt.Fprintf(b, "%q", v.Str)
	case KindTime:
		fmt.Fprintf(b, "t%d", v.Time.Unix())
	case KindArray:
		b.WriteByte('[')
		for i, e := range v.List {
			if i > 0 {
				b.WriteByte(' ')
			}
			dumpValue(b, e)
			fmt.Fprintf(b, "@%d:%d", e.Pos.Line, e.Pos.Col)
		}
		b.WriteByte(']')
	case KindMap:
		dumpMap(b, v.Map)
	}
}

// testEnv are the environment variables of the tests.
var testEnv = map[string]string{
	"TEN":    "10",
	"LIST":   "[a, b]",
	"MAP":    "{ x: 1, y: [2] }",
	"EMPTY":  "",
	"PADDED": "\n 5 # five\n",
	"QUOTED": `"hello world"`,
	"WORDS":  "hello world",
	"BRACE":  "}",
	"SELF":   "$SELF",
	"VIA":    "$TEN",
	"PING":   "$PONG",
	"PONG":   "$PING",
}

// testFiles are the files that tests may include.
var testFiles = map[string]string{
	"etc/main.conf":           "include 'more/users.conf'",
	"etc/more/users.conf":     "include passwords.conf\nuser: $PASS",
	"etc/more/passwords.conf": "PASS: secret",
	"vars.conf":               "X: 5\n a: 1\ny: $X",
	"wants.conf":              "z: $OUTER",
	"broken.conf":             "\na {",
	"nokey.conf":              "key",
	"self.conf":               "include self.conf",
	"ping.conf":               "m { include ./pong.conf }",
	"pong.conf":               "include ping.conf",
}

func readTestFile(path string) ([]byte, error) {
	if text, ok := testFiles[path]; ok {
		return []byte(text), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("no such file or directory")}
}

func parseTest(text string) (*Config, error) {
	return Parse([]byte(text), "f.conf", WithReader(readTestFile), WithEnv(func(name string) (string, bool) {
		v, ok := testEnv[name]
		return v, ok
	}))
}

func TestValues(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "{}"},
		{"comments only", "# a\n  // b", "{}"},
		{"byte order mark", "\ufeffa: 1", "{a@1:0=1}"},

		{"colon", "a: 1", "{a@1:0=1}"},
		{"equals", "a = 1", "{a@1:0=1}"},
		{"no separator", "a 1", "{a@1:0=1}"},
		{"space before separator", "a : 1", "{a@1:0=1}"},
		{"value on a later line", "a\n\n1", "{a@1:0=1}"},
		{"ends of statements", "a: 1; b: 2, c: 3\nd: 4", "{a@1:0=1 b@1:6=2 c@1:12=3 d@2:1=4}"},
		{"separators to spare", ";;a: 1;,;\n,", "{a@1:2=1}"},
		{"empty value before end", "a:", `{a@1:0=""}`},
		{"empty value before semicolon", "a: ;b: 1", `{a@1:0="" b@1:4=1}`},
		{"carriage returns", "a: x\r\nb: 1\r\nc {\r\n d: [1\r\n2\r\n]\r\n}\r\n", `{a@1:0="x" b@2:1=1 c@3:1={d@4:2=[1@4:6 2@5:1]}}`},

		{"comments between", "a: 1 # x\n# y\nb: 2 // z\n", "{a@1:0=1 b@3:1=2}"},
		{"comment marks inside words", "a: x#y\nb: x//y\nc: #x\nd: 1#x\ne#f: 1", `{a@1:0="x#y" b@2:1="x//y" c@3:1="#x" d@4:1="1#x" e#f@5:1=1}`},

		{"quoted keys", `"a b": 1, 'c"d' 2, "e\": 3, "" = 4`, `{a b@1:1=1 c"d@1:11=2 e\@1:20=3 @1:29=4}`},
		{"keys keep their case", "A: 1\na: 2", "{A@1:0=1 a@2:1=2}"},
		{"last of equal keys", "a: 1\nb: 2\na: 3", "{b@2:1=2 a@3:1=3}"},
		{"equal keys do not merge", "a { x: 1 }\na { y: 2 }", "{a@2:1={y@2:5=2}}"},

		{"map", "m { a: 1 }", "{m@1:0={a@1:4=1}}"},
		{"map with separator", "m = { a: 1 }\nn: {}", "{m@1:0={a@1:6=1} n@2:1={}}"},
		{"map on the next line", "m\n{\n a: 1\n}", "{m@1:0={a@3:2=1}}"},
		{"nested maps", "m { n { a: 1 }, o { b: 2 }\n}", "{m@1:0={n@1:4={a@1:8=1} o@1:16={b@1:20=2}}}"},
		{"value on the next line in a map", "m { a:\n 1 }", "{m@1:0={a@1:4=1}}"},
		{"brace without space belongs to the key", "m{a: 1", "{m{a@1:0=1}"},

		{"json", `{"a":1,"b":{"c":[1,2.5,"x",null]},"d":[]}`, `{a@1:2=1 b@1:8={c@1:13=[1@1:17 2.5f@1:19 "x"@1:24 "null"@1:27]} d@1:35=[]}`},
		{"json, commas first", "{ \"a\": [1\n, 2\n]\n, \"b\": 3\n}\n", "{a@1:3=[1@1:8 2@2:3] b@4:4=3}"},
		{"statements behind the outer braces", "{a: 1}\nb: 2", "{a@1:1=1 b@2:1=2}"},
		{"one brace too many", "a: 1}\nb: 2", "{a@1:0=1 b@2:1=2}"},

		{"array", "a: [1, x, \"y\", 'z', true, 1.5]", `{a@1:0=[1@1:4 "x"@1:7 "y"@1:11 "z"@1:16 true@1:20 1.5f@1:26]}`},
		{"array by lines", "a [ # c\n 1 # d\n // e\n 2\n\n]", "{a@1:0=[1@2:2 2@4:2]}"},
		{"array with last comma", "a: [1,\n2,\n]", "{a@1:0=[1@1:4 2@2:1]}"},
		{"nested arrays", "a: [[1,2],[3]\n[]]", "{a@1:0=[[1@1:5 2@1:7]@1:4 [3@1:11]@1:10 []@2:1]}"},
		{"maps in an array", "a [{x: 1}\n{y: 2}, {}]", "{a@1:0=[{x@1:4=1}@1:3 {y@2:2=2}@2:1 {}@2:9]}"},

		{"bool", "a: true, b: OFF, c: Yes, d: no, e: on, f: False", "{a@1:0=true b@1:9=false c@1:17=true d@1:25=false e@1:32=true f@1:39=false}"},
		{"not quite bool", `a: "true", b: onx, c: yesterday`, `{a@1:0="true" b@1:11="onx" c@1:19="yesterday"}`},
		{"int", "a: -5\nb: 007\nc: 9223372036854775807\nd: -9223372036854775808", "{a@1:0=-5 b@2:1=7 c@3:1=9223372036854775807 d@4:1=-9223372036854775808}"},
		{"not quite int", "a: +5\nb: 60%\nc: 10s\nd: 10.0.0.1\ne: h:1\nf: 1_0\ng: 0x10\nh: 1kbb\ni: 1b\nj: 1e5\nk: -", `{a@1:0="+5" b@2:1="60%" c@3:1="10s" d@4:1="10.0.0.1" e@5:1="h:1" f@6:1="1_0" g@7:1="0x10" h@8:1="1kbb" i@9:1="1b" j@10:1="1e5" k@11:1="-"}`},
		{"a bare 2m is a number", "a: 2m", "{a@1:0=2000000}"},
		{"float", "a: 1.5, b: -0.25", "{a@1:0=1.5f b@1:8=-0.25f}"},
		{"not quite float", "a: 1., b: .5, c: ./x, d: 1.2.3, e: 1.5s", `{a@1:0="1." b@1:7=".5" c@1:14="./x" d@1:22="1.2.3" e@1:32="1.5s"}`},
		{"time", "a: 2006-01-02T15:04:05Z", "{a@1:0=t1136214245}"},
		{"not quite time", "a: 2006-01-02, b: 1234-x", `{a@1:0="2006-01-02" b@1:15="1234-x"}`},

		{"bare strings", `a: nats://u:p@h:1, b: x"y"z; c: /a/b`, `{a@1:0="nats://u:p@h:1" b@1:19="x\"y\"z" c@1:29="/a/b"}`},
		{"escapes", `a: "\t\n\r\"\\\x41\xff", b: x\ty`, `{a@1:0="\t\n\r\"\\A\xff" b@1:25="x\ty"}`},
		{"no escapes in single quotes", `a: 'x\ty"'`, `{a@1:0="x\\ty\""}`},
		{"no escapes behind digits", `a: 1\ty'z`, `{a@1:0="1\\ty'z"}`},
		{"newline in quotes", "a: \"x\ny\", b: 1", `{a@1:0="x\ny" b@2:5=1}`},
		{"bytes that are no text", "a: \xff\xc3", `{a@1:0="\xff\xc3"}`},
		{"bcrypt", "a: $2a$11$x/y.z, b: $2b$04$q", `{a@1:0="$2a$11$x/y.z" b@1:17="$2b$04$q"}`},

		{"block", "a: (\n x \"y\" # z\n  )\n)\nb: 1", `{a@1:0="\n x \"y\" # z\n  )\n" b@5:1=1}`},
		{"block at the end", "a (\nx\n)", `{a@1:0="\nx\n"}`},
		{"block with carriage returns", "a (\r\nx\r\n)\r\nb: 1", `{a@1:0="\r\nx\r\n" b@4:1=1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseTest(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(c.Root); got != tt.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestSizeSuffixes(t *testing.T) {
	for i, unit := range []string{"k", "m", "g", "t", "p", "e"} {
		si, binary := int64(1), int64(1)
		for range i + 1 {
			si, binary = si*1000, binary*1024
		}
		for suffix, want := range map[string]int64{unit: si, unit + "b": binary, unit + "i": binary, unit + "ib": binary} {
			for _, text := range []string{"1" + suffix, "1" + strings.ToUpper(suffix)} {
				c, err := parseTest("a: " + text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if v := c.Root.Get("a").Value; v.Kind != KindInt || v.Int != want {
					t.Errorf("%s is %v %d, want %d", text, v.Kind, v.Int, want)
				}
			}
		}
	}
}

func TestVariables(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"same map", "X: 1\na: $X", "{X@1:0!=1 a@2:1=1}"},
		{"map around", "X: 1\nm { n { a: $X } }", "{X@1:0!=1 m@2:1={n@2:5={a@2:9=1}}}"},
		{"map around an array", "m { X: x, a: [ { b: $X } ] }", `{m@1:0={X@1:4!="x" a@1:10=[{b@1:17="x"}@1:15]}}`},
		{"innermost", "X: 1\nm { X: 2, a: $X }", "{X@1:0=1 m@2:1={X@2:5!=2 a@2:11=2}}"},
		{"last so far", "X: 1\nX: 2\na: $X\nX: 3", "{a@3:1=2 X@4:1=3}"},
		{"of a variable", "X: 1\nY: $X\na: $Y", "{X@1:0!=1 Y@2:1!=1 a@3:1=1}"},
		{"map", "X { b: 1 }\na: $X", "{X@1:0!={b@1:4=1} a@2:1={b@1:4=1}}"},
		{"array element", "X: [1]\na: [$X, 2]", "{X@1:0!=[1@1:4] a@2:1=[[1@1:4]@2:6 2@2:9]}"},
		{"file before environment", "TEN: 11\na: $TEN", "{TEN@1:0!=11 a@2:1=11}"},
		{"environment", "a: $TEN\n b: $QUOTED", `{a@1:0=10 b@2:2="hello world"}`},
		{"array from the environment", "\na: $LIST", `{a@2:1=["a"@2:1 "b"@2:1]}`},
		{"map from the environment", "\na: $MAP", "{a@2:1={x@2:1=1 y@2:1=[2@2:1]}}"},
		{"empty environment variable", "a: $EMPTY", `{a@1:0=""}`},
		{"environment variable with space around", "a: $PADDED", "{a@1:0=5}"},
		{"environment variable of another", "a: $VIA", "{a@1:0=10}"},
		{"no variable in quotes", `a: "$TEN", b: '$TEN', c: x$TEN`, `{a@1:0="$TEN" b@1:11="$TEN" c@1:22="x$TEN"}`},
		{"no variable as key", "$TEN: 1", "{$TEN@1:0=1}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseTest(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(c.Root); got != tt.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"bare", "include vars.conf\nb: 2", "{X@1:0!=5 a@2:2=1 y@3:1=5 b@2:1=2}"},
		{"quoted, keyword in capitals", "INCLUDE \"vars.conf\"; b: 2", "{X@1:0!=5 a@2:2=1 y@3:1=5 b@1:21=2}"},
		{"defines variables", "include 'vars.conf' # c\nq: $X", "{X@1:0!=5 a@2:2=1 y@3:1=5 q@2:1=5}"},
		{"inside a map", "m { include ./vars.conf }", "{m@1:0={X@1:0!=5 a@2:2=1 y@3:1=5}}"},
		{"later keys win", "a: 7\ninclude vars.conf\ny: 8", "{X@1:0!=5 a@2:2=1 y@3:1=8}"},
		{"relative to the including file", "include etc/main.conf", `{PASS@1:0!="secret" user@2:1="secret"}`},
		{"twice is no cycle", "m { include vars.conf }\nn { include vars.conf }", "{m@1:0={X@1:0!=5 a@2:2=1 y@3:1=5} n@2:1={X@1:0!=5 a@2:2=1 y@3:1=5}}"},
		{"not with a separator", "include: vars.conf", `{include@1:0="vars.conf"}`},
		{"not with quotes", `"include" vars.conf`, `{include@1:1="vars.conf"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseTest(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(c.Root); got != tt.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

func TestIncludedPositionsNameTheirFile(t *testing.T) {
	c, err := parseTest("m { include etc/main.conf }")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Root.Get("M").Value.Map.Get("USER").Value.Pos.String()
	if want := filepath.Join("etc", "more", "users.conf") + ":2:1"; got != want {
		t.Errorf("position is %s, want %s", got, want)
	}
}

func TestErrors(t *testing.T) {
	const (
		top   = "Expected a top-level value to end with a new line, comment or EOF, but got '%s' instead."
		block = "Expected a block-level value to end with a new line, comment or EOF, but got '%s' instead."
		inMap = `Expected a map value terminator "," or a map terminator "}", but got '%s' instead.`
		inArr = `Expected an array value terminator "," or an array terminator "]", but got '%s' instead.`
	)
	parse := func(line int, format string, args ...any) string {
		return fmt.Sprintf("Parse error on line %d: '%s'", line, fmt.Sprintf(format, args...))
	}
	for _, tt := range []struct{ name, text, want string }{
		{"key alone", "foo", "config is invalid (f.conf:1:3)"},
		{"key alone on a later line", "a: 1\nfoo \n", "config is invalid (f.conf:3:1)"},
		{"key alone behind a comma", "a: 1,000", "config is invalid (f.conf:1:8)"},
		{"no key", ": 1", parse(1, "Unexpected key separator ':'")},
		{"two values", "a: 1 b", parse(1, top, "b")},
		{"two statements in a line", "a: 1\nb: \"x\" c: 2", parse(2, top, "c")},
		{"two separators", "a == 5", parse(1, top, "5")},
		{"text behind quotes", `a: "x"y`, parse(1, top, "y")},
		{"apostrophe", "a: it's", parse(1, top, "'")},
		{"stray bracket", "a: x]", parse(1, top, "]")},
		{"letter of several bytes", "a: 1 é", parse(1, top, "é")},
		{"value on the next line", "a:\nb: 1", parse(2, "Expected value but found new line")},
		{"two statements in outer braces", "{ a: 1 b: 2 }", parse(1, block, "b")},
		{"outer braces left open", "{ a: 1", parse(1, block, "EOF")},
		{"outer braces left open on a later line", "{ a: 1\n", parse(2, "Unexpected EOF processing map.")},

		{"two statements in a map", "m { a: 1 b: 2 }", parse(1, inMap, "b")},
		{"map left open", "m {\n", parse(2, "Unexpected EOF processing map.")},
		{"map left open after value", "m { a: x", parse(1, inMap, "EOF")},
		{"map left open after key", "m { a", parse(1, "Unexpected EOF processing map key.")},
		{"map left open in a double quoted key", "m { \"a\n", parse(2, "Unexpected EOF processing double quoted map key.")},
		{"map left open in a single quoted key", "m { 'a", parse(1, "Unexpected EOF processing single quoted map key.")},
		{"key without value in a map", "m { a: , b: 1 }", parse(1, `Unexpected map value terminator ",".`)},
		{"last key without value in a map", "m { a }", parse(1, `Expected value but found map terminator "}".`)},

		{"empty element", "a: [1,,2]", parse(1, "Unexpected array value terminator ','.")},
		{"empty first element", "a: [,1]", parse(1, "Unexpected array value terminator ','.")},
		{"elements without separator", "a: [x y]", parse(1, inArr, "y")},
		{"maps without separator", "a: [{} {}]", parse(1, inArr, "{")},
		{"semicolon in an array", "a: [1;2]", parse(1, inArr, ";")},
		{"array left open", "a: [\n1,", parse(2, inArr, "EOF")},
		{"array closed by a brace", "m { a: [1 }", parse(1, inArr, "}")},

		{"quotes left open", "a: \"x\ny", parse(2, "Unexpected EOF.")},
		{"quotes left open by an escape", `a: "x\"`, parse(1, "Unexpected EOF.")},
		{"single quotes left open", "a: 'x", parse(1, "Unexpected EOF.")},
		{"key quotes left open", `"a`, parse(1, "Unexpected EOF.")},
		{"block left open", "a: (\nx\n )", parse(3, "Unexpected EOF processing block.")},
		{"block on one line", "a: (x)", parse(1, "Unexpected EOF processing block.")},
		{"unknown escape", `a: "\q"`, parse(1, `Invalid escape character 'q'. Only the following escape characters are allowed: \xXX, \t, \n, \r, \", \\.`)},
		{"unknown escape in a bare string", `a: x\qy`, parse(1, `Invalid escape character 'q'. Only the following escape characters are allowed: \xXX, \t, \n, \r, \", \\.`)},
		{"escape without digits", `a: "\xZZ"`, parse(1, `Expected two hexadecimal digits after '\x', but got 'ZZ'`)},
		{"escape with one digit", `a: "\x1"`, parse(1, `Expected two hexadecimal digits after '\x', but got '1'`)},
		{"escape at the end", `a: x\`, parse(1, "Unexpected EOF.")},
		{"NUL", "a: 1\nb\x00", parse(1, "Unexpected NUL character.")},

		{"integer overflow", "a: 9223372036854775808", "integer '9223372036854775808' is out of the range"},
		{"integer overflow by suffix", "a: 16e", "integer '16e' is out of the range"},
		{"float overflow", "a: 1" + strings.Repeat("0", 400) + ".0", "float '1" + strings.Repeat("0", 400) + ".0' is out of the range"},
		{"no such month", "a: 2006-13-02T15:04:05Z", "expected Zulu formatted DateTime, but got '2006-13-02T15:04:05Z'"},

		{"no such variable", "\na: $NOPE", "variable reference for 'NOPE' on line 2 can not be found"},
		{"variable without name", "a: $", "variable reference for '' on line 1 can not be found"},
		{"variable with other case", "a: $ten", "variable reference for 'ten' on line 1 can not be found"},
		{"variable defined later", "m { a: $X, X: 1 }", "variable reference for 'X' on line 1 can not be found"},
		{"variable of itself", "a: $a", "variable reference for 'a' on line 1 can not be found"},
		{"variable of a map beside", "m { X: 1 }\nn { a: $X }", "variable reference for 'X' on line 2 can not be found"},
		{"variable cycle", "a: $SELF", "variable reference for 'SELF' on line 1 could not be parsed: variable reference for 'SELF' on line 1 could not be parsed: variable reference cycle for 'SELF'"},
		{"environment variable with words", "\na: $WORDS", "variable reference for 'WORDS' on line 2 could not be parsed: " + parse(1, top, "w")},
		{"environment variable with a brace", "a: $BRACE", "variable reference for 'BRACE' on line 1 could not be parsed: more than one value"},
		{"environment does not see the file", "PONG: 1\na: $PING", "variable reference for 'PING' on line 2 could not be parsed: " +
			"variable reference for 'PONG' on line 1 could not be parsed: " +
			"variable reference for 'PING' on line 1 could not be parsed: variable reference cycle for 'PING'"},

		{"include of no file", "include nope.conf", "error parsing include file 'nope.conf', open nope.conf: no such file or directory"},
		{"include with an error", "include broken.conf", "error parsing include file 'broken.conf', " + parse(2, "Unexpected EOF processing map.")},
		{"include with a key alone", "include nokey.conf", "error parsing include file 'nokey.conf', config is invalid (nokey.conf:1:3)"},
		{"include without a file", "include\nvars.conf", parse(2, "Expected include value but found new line")},
		{"include at the end", "include", "config is invalid (f.conf:1:7)"},
		{"include with more behind", "include vars.conf b: 1", parse(1, top, "b")},
		{"include quotes left open", `include "x`, parse(1, "Unexpected EOF in double quoted include")},
		{"include does not see our variables", "OUTER: 1\ninclude wants.conf", "error parsing include file 'wants.conf', variable reference for 'OUTER' on line 1 can not be found"},
		{"include of itself", "include self.conf", "error parsing include file 'self.conf', error parsing include file 'self.conf', include cycle"},
		{"include of the main file", "include ./f.conf", "error parsing include file './f.conf', include cycle"},
		{"include cycle", "include ping.conf", "error parsing include file 'ping.conf', error parsing include file './pong.conf', error parsing include file 'ping.conf', include cycle"},

		{"nested too deep", "a: " + strings.Repeat("[", maxDepth+1), parse(1, "Values are nested deeper than 200.")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseTest(tt.text)
			if err == nil {
				t.Fatalf("Parse(%q) gives %s", tt.text, dump(c.Root))
			}
			if err.Error() != tt.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", tt.text, err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error is a %T", err)
			}
			if e.Pos.File != "f.conf" || e.Pos.Line < 1 {
				t.Errorf("error is at %v", e.Pos)
			}
		})
	}
}

func TestGet(t *testing.T) {
	c, err := parseTest("Port: 1\nPORT: 2\nhost: h")
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Root.Get("port"); e == nil || e.Value.Int != 2 {
		t.Errorf("Get(port) = %+v, want the last one", e)
	}
	if e := c.Root.Get("HOST"); e == nil || e.Key != "host" || e.Value.Text != "h" {
		t.Errorf("Get(HOST) = %+v", e)
	}
	if e := c.Root.Get("por"); e != nil {
		t.Errorf("Get(por) = %+v, want nil", e)
	}
}

func TestParseFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.conf")
	if err := os.WriteFile(path, []byte("include b.conf\nx: $CONF_TEST_VARIABLE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.conf"), []byte("y: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONF_TEST_VARIABLE", "7")
	c, err := ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(c.Root), "{y@1:0=1 x@2:1=7}"; got != want || c.File != path {
		t.Errorf("got %s in %s, want %s", got, c.File, want)
	}

	missing := filepath.Join(dir, "missing.conf")
	_, err = ParseFile(missing)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "open "+missing+": no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
}

// Small inputs must not become large ones: the tree is bounded as if variables
// and includes had been written out.
func TestBounds(t *testing.T) {
	t.Run("variables of variables", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("v0: [1,1,1,1,1,1,1,1,1,1]\n")
		for i := range 30 {
			v := fmt.Sprintf("$v%d", i)
			fmt.Fprintf(&b, "v%d: [%s]\n", i+1, strings.Join([]string{v, v, v, v, v, v, v, v, v, v}, ","))
		}
		_, err := parseTest(b.String())
		if err == nil || !strings.Contains(err.Error(), "once variables are replaced") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("file", func(t *testing.T) {
		_, err := parseTest(strings.Repeat(" ", maxText+1))
		if err == nil || !strings.Contains(err.Error(), "configuration is larger than") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("includes together", func(t *testing.T) {
		half := []byte(strings.Repeat(" ", maxText/2))
		read := func(string) ([]byte, error) { return half, nil }
		if _, err := Parse([]byte("include a"), "f", WithReader(read)); err != nil {
			t.Fatal(err)
		}
		_, err := Parse([]byte("include a\ninclude b\n"), "f", WithReader(read))
		if err == nil || !strings.Contains(err.Error(), "configuration is larger than") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("includes inside each other", func(t *testing.T) {
		n := 0
		read := func(string) ([]byte, error) {
			n++
			return fmt.Appendf(nil, "include f%d", n), nil
		}
		_, err := Parse([]byte("include f"), "f.conf", WithReader(read))
		if err == nil || !strings.Contains(err.Error(), "more than 32 includes inside each other") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("nesting across variables", func(t *testing.T) {
		env := map[string]string{}
		for i := range 50 {
			env[fmt.Sprintf("v%d", i)] = fmt.Sprintf("[[[[[[$v%d]]]]]]", i+1)
		}
		_, err := Parse([]byte("a: $v0"), "f", WithEnv(func(name string) (string, bool) { v, ok := env[name]; return v, ok }))
		if err == nil || !strings.Contains(err.Error(), "nested deeper") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64
		err  string
	}{
		{"", 0, ""},
		{"1K", 1 << 10, ""},
		{"4G", 4 << 30, ""},
		{"-1M", -1 << 20, ""},
		{"8388607T", 8388607 << 40, ""},
		{"8388608T", 0, "out of the range"},
		{"-8388609T", 0, "out of the range"},
		{"4X", 0, "sizes defined as strings must end in K, M, G, T"},
		{"10", 0, "sizes defined as strings must end in K, M, G, T"},
		{"1.5G", 0, "invalid syntax"},
		{"G", 0, "invalid syntax"},
	} {
		got, err := ParseSize(tt.in)
		if tt.err == "" && (err != nil || got != tt.want) {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", tt.in, got, err, tt.want)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("ParseSize(%q) = %d, %v, want error %q", tt.in, got, err, tt.err)
		}
	}
}
