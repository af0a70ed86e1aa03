package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// variable returns the name that a bare word refers to. A bcrypt hash starts
// like a variable but is none.
func variable(word string) (name string, ok bool) {
	name, ok = strings.CutPrefix(word, "$")
	if !ok {
		return "", false
	}
	if len(name) > 2 && name[0] == '2' && strings.IndexByte("abxy", name[1]) >= 0 && name[2] == '$' {
		return "", false
	}
	return name, true
}

// resolve returns the value of a variable that is used at a position: that of
// the innermost map around which defines it already, or else the environment's.
func (p *parser) resolve(name string, at Pos) (*Value, error) {
	line := p.line
	for _, m := range slices.Backward(p.scopes) {
		if e := m.index[name]; e != nil {
			e.UsedAsVariable = true
			// The content of a map or array is shared, but counts again.
			if err := p.expand(e.Value.size); err != nil {
				return nil, err
			}
			v := *e.Value
			return &v, nil
		}
	}
	text, ok := p.env(name)
	if !ok {
		return nil, &Error{Pos: at, Msg: fmt.Sprintf("variable reference for '%s' on line %d can not be found", name, line)}
	}
	v, err := p.envValue(name, text, at)
	if err != nil {
		return nil, &Error{
			Pos: at, Err: err,
			Msg: fmt.Sprintf("variable reference for '%s' on line %d could not be parsed: %v", name, line, err),
		}
	}
	return v, nil
}

// envValue parses the content of an environment variable. It may use other
// environment variables, but not what the file defines.
func (p *parser) envValue(name, text string, at Pos) (*Value, error) {
	if slices.Contains(p.vars, name) {
		return nil, fmt.Errorf("variable reference cycle for '%s'", name)
	}
	p.vars = append(p.vars, name)
	defer func() { p.vars = p.vars[:len(p.vars)-1] }()

	q := p.run.parser(text, at.File)
	q.at = &at
	if err := q.checkText(); err != nil {
		return nil, err
	}
	q.skipSpaceAndNewlines()
	v, err := q.value(at)
	if err != nil {
		return nil, err
	}
	if err := q.endOfValue(atTop); err != nil {
		return nil, err
	}
	if q.skipSeparators(); !q.eof() {
		return nil, errors.New("more than one value")
	}
	return v, nil
}
