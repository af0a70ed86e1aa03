package conf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds on what is parsed. They are far above any real configuration.
const (
	// maxText bounds the bytes of a file together with all it includes and the
	// environment variables it uses.
	maxText = 64 << 20
	// maxExpanded bounds the tree that results, counted in bytes of scalars and
	// one for each value. Text alone stays below it; variables that refer to
	// arrays of variables would not.
	maxExpanded = 128 << 20
	// maxDepth bounds the nesting of maps and arrays, includes and variables.
	maxDepth = 200
	// maxInclude bounds how deep files include each other.
	maxInclude = 32
)

// Error is anything wrong with the text of a configuration. Errors of reading a
// file are those of the reader, or wrapped where the file is an included one.
type Error struct {
	// Pos is where the parser was when it noticed.
	Pos Pos
	// Msg is the whole text for the user.
	Msg string
	// Err is the error of the included file or variable, if that is the reason.
	Err error
}

func (e *Error) Error() string { return e.Msg }

func (e *Error) Unwrap() error { return e.Err }

// Option changes how files and variables are found.
type Option func(*run)

// WithEnv replaces os.LookupEnv as the source of variables that the file does
// not define.
func WithEnv(lookup func(name string) (value string, ok bool)) Option {
	return func(r *run) { r.env = lookup }
}

// WithReader replaces the reading of files from disk. Paths of included files
// are joined with the directory of the file that includes them.
func WithReader(read func(path string) ([]byte, error)) Option {
	return func(r *run) { r.read = read }
}

// ParseFile parses a file and what it includes. The error is the reader's when
// the file cannot be read, and otherwise an *Error.
func ParseFile(path string, opts ...Option) (*Config, error) {
	r := newRun(opts)
	text, err := r.read(path)
	if err != nil {
		return nil, err
	}
	return r.parse(text, path)
}

// Parse parses text. The name stands for the path of a file in positions, and
// its directory is where includes are looked up.
func Parse(text []byte, name string, opts ...Option) (*Config, error) {
	return newRun(opts).parse(text, name)
}

// readFile reads a file from disk, but no more than is accepted: the path may
// well be that of an endless device.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxText+1))
}

// run is the state that a file shares with the files and environment variables
// it pulls in.
type run struct {
	read func(path string) ([]byte, error)
	env  func(name string) (string, bool)

	// readBytes and expanded count what maxText and maxExpanded bound.
	readBytes, expanded int
	depth               int
	// files and vars are the files being included and the environment variables
	// being parsed, outermost first.
	files, vars []string
}

func newRun(opts []Option) *run {
	r := &run{read: readFile, env: os.LookupEnv}
	for _, o := range opts {
		o(r)
	}
	return r
}

func (r *run) parse(text []byte, name string) (*Config, error) {
	r.files = append(r.files, filepath.Clean(name))
	root := new(Map)
	p := r.parser(string(text), name)
	if err := p.file(root); err != nil {
		return nil, err
	}
	return &Config{Root: root, File: name}, nil
}

// parser parses one text.
type parser struct {
	*run
	scanner
	// scopes are the maps being filled, outermost first: where variables are
	// looked up.
	scopes []*Map
	// at overrides the positions of keys and values, for text that is in no file.
	at *Pos
}

func (r *run) parser(text, name string) *parser {
	return &parser{run: r, scanner: scanner{text: text, name: name, line: 1}}
}

// place names the surroundings of a statement; they differ in how a value may
// end, and in the words for it.
type place string

const (
	atTop   place = "a top-level value to end with a new line, comment or EOF"
	inBlock place = "a block-level value to end with a new line, comment or EOF"
	inMap   place = `a map value terminator "," or a map terminator "}"`
	inArray place = `an array value terminator "," or an array terminator "]"`
)

// file parses the statements of a whole file into m.
func (p *parser) file(m *Map) error {
	if err := p.checkText(); err != nil {
		return err
	}
	p.scopes = append(p.scopes, m)
	p.skipSeparators()
	pl := atTop
	if p.skipByte('{') {
		pl = inBlock
	}
	for {
		p.skipSeparators()
		switch {
		case p.eof() && pl == inBlock:
			return p.failf("Unexpected EOF processing map.")
		case p.eof():
			m.seal()
			return nil
		case p.skipByte('}'):
			// One brace too many is accepted because configurations with it are
			// in use: it ended no more than the top level.
			pl = atTop
		default:
			if err := p.statement(m, pl); err != nil {
				return err
			}
		}
	}
}

// checkText counts the text against the bound, and refuses what is no text.
func (p *parser) checkText() error {
	p.readBytes += len(p.text)
	if p.readBytes > maxText {
		return p.failf("configuration is larger than %d bytes", maxText)
	}
	if strings.IndexByte(p.text, 0) >= 0 {
		return p.failf("Unexpected NUL character.")
	}
	// Some editors start a file with a byte order mark.
	p.text = strings.TrimPrefix(p.text, "\ufeff")
	return nil
}

// statement parses an include, or a key with its value, into m.
func (p *parser) statement(m *Map, pl place) error {
	start := p.itemPos(`"'`)
	key, quoted, err := p.key(pl)
	if err != nil {
		return err
	}
	if !quoted && strings.EqualFold(key, "include") && isSpace(p.peek()) {
		return p.include(m, pl, start)
	}

	p.skipSpaceAndNewlines()
	if p.eof() {
		if pl == inMap {
			return p.failf("Unexpected EOF processing map key.")
		}
		pos := p.itemPos("")
		return &Error{Pos: pos, Msg: fmt.Sprintf("config is invalid (%v)", pos)}
	}
	if err := p.keySeparator(pl); err != nil {
		return err
	}
	v, err := p.value(start)
	if err != nil {
		return err
	}
	// A key counts as well, so that variables cannot multiply it for nothing.
	if err := p.expand(len(key)); err != nil {
		return err
	}
	m.set(&Entry{Key: key, Pos: start, Value: v})
	return p.endOfValue(pl)
}

// keySeparator skips what is between a key and its value.
func (p *parser) keySeparator(pl place) error {
	if p.skipByte(':') || p.skipByte('=') {
		p.skipSpace()
		// Without this, a key that lost its value would take the next key. Inside
		// maps it has always been allowed.
		if pl != inMap && p.skipByte('\n') {
			return p.failf("Expected value but found new line")
		}
	}
	if pl != inMap {
		return nil
	}
	p.skipSpaceAndNewlines()
	switch c := p.peek(); c {
	case ',', ';':
		return p.failf("Unexpected map value terminator %q.", string(c))
	case '}':
		return p.failf("Expected value but found map terminator %q.", string(c))
	}
	return nil
}

// endOfValue checks that nothing follows a value that should not.
func (p *parser) endOfValue(pl place) error {
	p.skipSpace()
	switch c := p.peek(); {
	case p.eof():
		if pl == atTop {
			return nil
		}
	case c == '\n', p.atComment():
		return nil
	case c == ',':
		return nil
	case c == ';', c == '}':
		if pl != inArray {
			return nil
		}
	case c == ']':
		if pl == inArray {
			return nil
		}
	}
	return p.failf("Expected %s, but got '%s' instead.", string(pl), p.shown())
}

// include parses the rest of an include statement, which is at start, and then
// the file.
func (p *parser) include(m *Map, pl place, start Pos) error {
	p.skipSpace()
	if p.skipByte('\n') {
		return p.failf("Expected include value but found new line")
	}
	name, err := p.includeName()
	if err != nil {
		return err
	}
	if err := p.endOfValue(pl); err != nil {
		return err
	}
	if err := p.includeFile(m, name); err != nil {
		return &Error{Pos: start, Msg: fmt.Sprintf("error parsing include file '%s', %v", name, err), Err: err}
	}
	return nil
}

func (p *parser) includeFile(m *Map, name string) error {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.name), path)
	}
	if slices.Contains(p.files, filepath.Clean(path)) {
		return errors.New("include cycle")
	}
	if len(p.files) > maxInclude {
		return fmt.Errorf("more than %d includes inside each other", maxInclude)
	}
	text, err := p.read(path)
	if err != nil {
		return err
	}
	p.files = append(p.files, filepath.Clean(path))
	defer func() { p.files = p.files[:len(p.files)-1] }()

	// The file gets a map of its own, so that it does not see our variables.
	included := new(Map)
	if err := p.run.parser(string(text), path).file(included); err != nil {
		return err
	}
	for _, e := range included.entries {
		m.set(e)
	}
	return nil
}

// value parses a value and gives it the position.
func (p *parser) value(at Pos) (*Value, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.failf("Values are nested deeper than %d.", maxDepth)
	}
	before := p.expanded
	v, err := p.rawValue(at)
	if err != nil {
		return nil, err
	}
	if err := p.expand(1 + len(v.Str)); err != nil {
		return nil, err
	}
	v.size = p.expanded - before
	v.Pos = at
	return v, nil
}

// expand counts n towards maxExpanded.
func (p *parser) expand(n int) error {
	p.expanded += n
	if p.expanded > maxExpanded {
		return p.failf("configuration is larger than %d bytes once variables are replaced", maxExpanded)
	}
	return nil
}

func (p *parser) rawValue(at Pos) (*Value, error) {
	switch p.peek() {
	case '{':
		return p.mapValue()
	case '[':
		return p.arrayValue()
	case '(':
		s, err := p.block()
		return stringValue(s), err
	case '"':
		s, err := p.quoted('"', true, "Unexpected EOF.")
		if err != nil {
			return nil, err
		}
		v, err := p.unescape(s)
		return &Value{Kind: KindString, Str: v, Text: s}, err
	case '\'':
		s, err := p.quoted('\'', false, "Unexpected EOF.")
		return stringValue(s), err
	}
	word := p.word()
	if name, ok := variable(word); ok {
		return p.resolve(name, at)
	}
	return p.scalar(word, at)
}

func (p *parser) mapValue() (*Value, error) {
	m := new(Map)
	p.scopes = append(p.scopes, m)
	p.skipByte('{')
	for {
		p.skipSeparators()
		if p.eof() {
			return nil, p.failf("Unexpected EOF processing map.")
		}
		if p.skipByte('}') {
			break
		}
		if err := p.statement(m, inMap); err != nil {
			return nil, err
		}
	}
	p.scopes = p.scopes[:len(p.scopes)-1]
	m.seal()
	return &Value{Kind: KindMap, Map: m}, nil
}

func (p *parser) arrayValue() (*Value, error) {
	list := []*Value{}
	p.skipByte('[')
	for {
		p.skipSpaceAndComments()
		switch c := p.peek(); {
		case p.eof():
			return nil, p.failf("Expected %s, but got '%s' instead.", string(inArray), p.shown())
		case c == ',':
			return nil, p.failf("Unexpected array value terminator ','.")
		case p.skipByte(']'):
			return &Value{Kind: KindArray, List: list}, nil
		}
		v, err := p.value(p.itemPos(`"'($`))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if err := p.endOfValue(inArray); err != nil {
			return nil, err
		}
		// The comma may come on a later line, as some write JSON.
		p.skipSpaceAndComments()
		p.skipByte(',')
	}
}

// itemPos is the position of the key or the element of an array that comes
// next. It is behind what opens it, if that is one of the characters given.
func (p *parser) itemPos(opening string) Pos {
	if p.at != nil {
		return *p.at
	}
	pos := p.pos()
	if !p.eof() && strings.IndexByte(opening, p.peek()) >= 0 {
		pos.Col++
	}
	return pos
}
