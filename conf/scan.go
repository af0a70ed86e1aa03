package conf

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// scanner walks over the bytes of a text. All structure is ASCII, so that bytes
// do, and what a string contains is kept as it is even where it is not UTF-8.
type scanner struct {
	text string
	name string
	// off is the offset of the next byte, line its line, and newline the offset
	// of the last newline before it, 0 on the first line: Pos.Col is the
	// distance from there.
	off, line, newline int
}

func (s *scanner) pos() Pos { return Pos{File: s.name, Line: s.line, Col: s.off - s.newline} }

func (s *scanner) eof() bool { return s.off >= len(s.text) }

// peek returns the next byte, or 0 at the end. There is no other 0, see
// checkText.
func (s *scanner) peek() byte {
	if s.eof() {
		return 0
	}
	return s.text[s.off]
}

// shown returns the next character as an error message shows it.
func (s *scanner) shown() string {
	if s.eof() {
		return "EOF"
	}
	_, n := utf8.DecodeRuneInString(s.text[s.off:])
	return s.text[s.off : s.off+n]
}

// next consumes a byte, which must exist.
func (s *scanner) next() {
	if s.text[s.off] == '\n' {
		s.line++
		s.newline = s.off
	}
	s.off++
}

// skipByte consumes c if it is next.
func (s *scanner) skipByte(c byte) bool {
	if s.eof() || s.text[s.off] != c {
		return false
	}
	s.next()
	return true
}

// failf makes the error of a text that does not follow the grammar.
func (s *scanner) failf(format string, args ...any) error {
	return &Error{Pos: s.pos(), Msg: fmt.Sprintf("Parse error on line %d: '%s'", s.line, fmt.Sprintf(format, args...))}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func (s *scanner) atComment() bool {
	return s.peek() == '#' || strings.HasPrefix(s.text[s.off:], "//")
}

// skipSpace skips space within a line.
func (s *scanner) skipSpace() {
	for !s.eof() && isSpace(s.peek()) && s.peek() != '\n' {
		s.next()
	}
}

func (s *scanner) skipSpaceAndNewlines() {
	for !s.eof() && isSpace(s.peek()) {
		s.next()
	}
}

func (s *scanner) skipSpaceAndComments() {
	for {
		s.skipSpaceAndNewlines()
		if !s.atComment() {
			return
		}
		for !s.eof() && s.peek() != '\n' {
			s.next()
		}
	}
}

// skipSeparators skips all that may be between two statements.
func (s *scanner) skipSeparators() {
	for {
		s.skipSpaceAndComments()
		if !s.skipByte(',') && !s.skipByte(';') {
			return
		}
	}
}

// key consumes the key of a statement, without its quotes.
func (s *scanner) key(pl place) (key string, quoted bool, err error) {
	switch c := s.peek(); c {
	case ':', '=':
		return "", false, s.failf("Unexpected key separator '%c'", c)
	case '"', '\'':
		eof := "Unexpected EOF."
		if pl == inMap {
			eof = fmt.Sprintf("Unexpected EOF processing %s quoted map key.", quoteName(c))
		}
		key, err = s.quoted(c, false, eof)
		return key, true, err
	}
	start := s.off
	for !s.eof() && !isSpace(s.peek()) && s.peek() != ':' && s.peek() != '=' {
		s.next()
	}
	return s.text[start:s.off], false, nil
}

func quoteName(quote byte) string {
	if quote == '"' {
		return "double"
	}
	return "single"
}

// includeName consumes the path behind the include keyword.
func (s *scanner) includeName() (string, error) {
	switch c := s.peek(); c {
	case '"', '\'':
		return s.quoted(c, false, fmt.Sprintf("Unexpected EOF in %s quoted include", quoteName(c)))
	}
	return s.word(), nil
}

// quoted consumes a string in quotes and returns what is between them; the
// error at the end of the text has the message eof. With escapes, a backslash
// protects the next character.
func (s *scanner) quoted(quote byte, escapes bool, eof string) (string, error) {
	s.next()
	start := s.off
	for !s.eof() {
		switch c := s.peek(); {
		case c == quote:
			str := s.text[start:s.off]
			s.next()
			return str, nil
		case c == '\\' && escapes && s.off+1 < len(s.text):
			s.next()
		}
		s.next()
	}
	return "", s.failf("%s", eof)
}

// block consumes a string that starts with ( and ends with a ) that is alone on
// its line. The newline behind the first is a part of it.
func (s *scanner) block() (string, error) {
	s.next()
	start := s.off
	for !s.eof() {
		s.next()
		if s.text[s.off-1] == '\n' && s.peek() == ')' && aloneOnLine(s.text[s.off+1:]) {
			str := s.text[start:s.off]
			s.next()
			return str, nil
		}
	}
	return "", s.failf("Unexpected EOF processing block.")
}

func aloneOnLine(rest string) bool {
	line, _, _ := strings.Cut(rest, "\n")
	return line == "" || line == "\r"
}

// word consumes a bare string with its escapes, which may be empty. An
// apostrophe inside ends it, so that a missing one before shows; but words that
// start like a number are taken as they are, see hasEscapes.
func (s *scanner) word() string {
	start := s.off
	for !s.eof() && !endsWord(s.peek()) {
		if hasEscapes(s.text[start : s.off+1]) {
			if s.peek() == '\'' {
				break
			}
			if s.peek() == '\\' && s.off+1 < len(s.text) {
				s.next()
			}
		}
		s.next()
	}
	return s.text[start:s.off]
}

func endsWord(c byte) bool {
	switch c {
	case ';', ',', ']', '}':
		return true
	}
	return isSpace(c)
}

// hasEscapes reports whether backslashes are special in a word that is not
// empty. They are not behind a leading digit.
func hasEscapes(word string) bool { return word[0] < '0' || word[0] > '9' }

// unescape replaces the escapes in a string.
func (s *scanner) unescape(str string) (string, error) {
	i := strings.IndexByte(str, '\\')
	if i < 0 {
		return str, nil
	}
	out := make([]byte, 0, len(str))
	for ; i >= 0; i = strings.IndexByte(str, '\\') {
		out = append(out, str[:i]...)
		str = str[i+1:]
		var c byte
		switch {
		case str == "":
			return "", s.failf("Unexpected EOF.")
		case str[0] == 'x':
			var ok bool
			if c, ok = hexByte(str[1:]); !ok {
				return "", s.failf("Expected two hexadecimal digits after '\\x', but got '%s'", str[1:min(3, len(str))])
			}
			str = str[2:]
		default:
			at := strings.IndexByte(`tnr"\`, str[0])
			if at < 0 {
				r, _ := utf8.DecodeRuneInString(str)
				return "", s.failf("Invalid escape character '%c'. Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.", r)
			}
			c = "\t\n\r\"\\"[at]
		}
		out = append(out, c)
		str = str[1:]
	}
	return string(append(out, str...)), nil
}

// hexByte decodes the first two digits of s.
func hexByte(s string) (c byte, ok bool) {
	if len(s) < 2 {
		return 0, false
	}
	for i := range 2 {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if d < 0 || s[i] < '0' {
			return 0, false
		}
		c = c<<4 | byte(d)
	}
	return c, true
}
