package options

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
)

// decoder walks the tree of a configuration file and collects what is wrong
// with it, so that an operator sees all of it at once.
type decoder struct {
	problems ConfigError
	// read opens the files that the configuration names.
	read func(path string) ([]byte, error)
	// users are the names and nkeys seen so far: they are unique in a server.
	users map[string]struct{}
}

func (d *decoder) fail(pos conf.Pos, format string, args ...any) {
	d.problems.Errors = append(d.problems.Errors, Problem{pos, fmt.Sprintf(format, args...)})
}

func (d *decoder) warn(e *conf.Entry, format string, args ...any) {
	d.warnAt(e.Pos, strings.ToLower(e.Key), fmt.Sprintf(format, args...))
}

func (d *decoder) warnAt(pos conf.Pos, field, why string) {
	d.problems.Warnings = append(d.problems.Warnings, Problem{pos, fmt.Sprintf("invalid use of field %q: %s", field, why)})
}

// is reports whether v is of the kind, and says in the words that operators
// know from NATS servers if it is not.
func (d *decoder) is(v *conf.Value, kind conf.Kind) bool {
	if v.Kind != kind {
		d.fail(v.Pos, "interface conversion: interface {} is %v, not %v", v.Kind, kind)
		return false
	}
	return true
}

// maps goes over the maps of an array. If it is none, or an element is no map, that is
// reported with the text for it, which has a %v for what it is.
func (d *decoder) maps(e *conf.Entry, noArray, noMap string) iter.Seq[*conf.Value] {
	return func(yield func(*conf.Value) bool) {
		if e.Value.Kind != conf.KindArray {
			d.fail(e.Pos, noArray, e.Value.Kind)
		}
		for _, v := range e.Value.List {
			if v.Kind != conf.KindMap {
				d.fail(v.Pos, noMap, v.Kind)
			} else if !yield(v) {
				return
			}
		}
	}
}

// block is the keys that a map of the configuration may have.
type block[T any] struct {
	// name is how the table of unsupported keys calls the block.
	name string
	// unknown is the text for a key that is not in the table, with a %q for it.
	unknown string
	rows    map[string]setter[T]
}

// setter checks the value of a key and stores it in t. It reports problems and
// then leaves t as it was.
type setter[T any] func(d *decoder, e *conf.Entry, t *T)

// row gives a setter its key. The names are separated by spaces, the one to
// recommend first.
type row[T any] struct {
	names string
	set   setter[T]
}

const unknownField = "unknown field %q"

func newBlock[T any](name, unknown string, rows []row[T]) *block[T] {
	b := &block[T]{name: name, unknown: unknown, rows: make(map[string]setter[T])}
	for _, r := range rows {
		for key := range strings.FieldsSeq(r.names) {
			if b.rows[key] != nil {
				panic("two rows for key " + key + " of block " + name)
			}
			b.rows[key] = r.set
		}
	}
	return b
}

// decode stores the content of a map in t.
func (b *block[T]) decode(d *decoder, m *conf.Map, t *T) {
	for _, e := range m.Entries() {
		if set := b.rows[strings.ToLower(e.Key)]; set != nil {
			set(d, e, t)
		} else if known, _ := d.unsupported(b.name, e); !known && !e.UsedAsVariable {
			d.fail(e.Pos, b.unknown, e.Key)
		}
	}
}

// The setters of plain values.

func toggle[T any](field func(*T) *bool) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if d.is(e.Value, conf.KindBool) {
			*field(t) = e.Value.Bool
		}
	}
}

func text[T any](field func(*T) *string) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if d.is(e.Value, conf.KindString) {
			*field(t) = e.Value.Str
		}
	}
}

// number stores an integer. A bound returns what is wrong with a value, "" if
// nothing is.
func number[T any, N int | int64](field func(*T) *N, bounds ...func(int64) string) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if !d.is(e.Value, conf.KindInt) {
			return
		}
		for _, bound := range bounds {
			if wrong := bound(e.Value.Int); wrong != "" {
				d.fail(e.Pos, "%s value %s", strings.ToLower(e.Key), wrong)
				return
			}
		}
		*field(t) = N(e.Value.Int)
	}
}

func atMost(limit int64) func(int64) string {
	return func(n int64) string {
		if n > limit {
			return "is too big"
		}
		return ""
	}
}

func positive(n int64) string {
	if n <= 0 {
		return "can not be negative"
	}
	return ""
}

func notNegative(n int64) string {
	if n < 0 {
		return "can not be negative"
	}
	return ""
}

// count stores an integer. The text is what errors say was expected.
func count[T any, N int | int64](field func(*T) *N, expected string, bounds ...func(int64) string) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		ok := e.Value.Kind == conf.KindInt
		for _, bound := range bounds {
			ok = ok && bound(e.Value.Int) == ""
		}
		if !ok {
			d.fail(e.Pos, "Expected "+expected+", got %s", strings.ToLower(e.Key), show(e.Value))
			return
		}
		*field(t) = N(e.Value.Int)
	}
}

// size stores a number of bytes: an integer, whose units are those of the
// configuration language, or a string that ends in a unit.
func size[T any](field func(*T) *int64, bounds ...func(int64) string) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		key, n := strings.ToLower(e.Key), e.Value.Int
		switch e.Value.Kind {
		case conf.KindInt:
		case conf.KindString:
			var err error
			if n, err = parseSize(e.Value.Str); err != nil {
				d.fail(e.Pos, "%s %v", key, err)
				return
			}
		default:
			d.fail(e.Pos, "%s must be int64 or string", key)
			return
		}
		for _, bound := range bounds {
			if wrong := bound(n); wrong != "" {
				d.fail(e.Pos, "%s value %s", key, wrong)
				return
			}
		}
		*field(t) = n
	}
}

var errSizeUnit = errors.New("sizes defined as strings must end in K, M, G, T")

// parseSize reads "4G" as four times 1024 to the third.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, errSizeUnit
	}
	exponent := strings.IndexByte("KMGT", s[len(s)-1])
	if exponent < 0 {
		return 0, errSizeUnit
	}
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	unit := int64(1) << (10 * (exponent + 1))
	if n > math.MaxInt64/unit || n < -math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is too big", s)
	}
	return n * unit, nil
}

// period stores a duration. A bare integer is taken for seconds, with a warning
// because 2m would be two million of them.
func period[T any](field func(*T) *time.Duration) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if e.Value.Kind == conf.KindString {
			strictPeriod(field)(d, e, t)
			return
		}
		key := strings.ToLower(e.Key)
		if !d.is(e.Value, conf.KindInt) {
			return
		}
		value, ok := seconds(float64(e.Value.Int))
		if !ok {
			d.fail(e.Pos, "error parsing %s: %d seconds are too many", key, e.Value.Int)
			return
		}
		d.warn(e, "%s should be converted to a duration", key)
		*field(t) = value
	}
}

// strictPeriod stores a duration that has to be a string.
func strictPeriod[T any](field func(*T) *time.Duration) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if !d.is(e.Value, conf.KindString) {
			return
		}
		value, err := time.ParseDuration(e.Value.Str)
		if err != nil {
			d.fail(e.Pos, "error parsing %s: %v", strings.ToLower(e.Key), err)
			return
		}
		*field(t) = value
	}
}

// timeout reads seconds, which may have a fraction, or a duration. Errors start
// with the name of the block.
func timeout(d *decoder, e *conf.Entry, block string) (time.Duration, bool) {
	var value time.Duration
	var err error
	ok := true
	switch v := e.Value; v.Kind {
	case conf.KindInt:
		value, ok = seconds(float64(v.Int))
	case conf.KindFloat:
		value, ok = seconds(v.Float)
	case conf.KindString:
		value, err = time.ParseDuration(v.Str)
	default:
		d.fail(e.Pos, "error parsing %s config, 'timeout' wrong type", block)
		return 0, false
	}
	if !ok {
		err = fmt.Errorf("%s seconds are too many", e.Value.Text)
	}
	if err != nil {
		d.fail(e.Pos, "error parsing %s config, 'timeout' %v", block, err)
		return 0, false
	}
	return value, true
}

// seconds converts n seconds, unless they are more than a Duration holds.
func seconds(n float64) (time.Duration, bool) {
	ns := n * float64(time.Second)
	if math.Abs(ns) >= math.MaxInt64 {
		return 0, false
	}
	return time.Duration(ns), true
}

// show is a value as errors quote it: the text of a scalar, the type of others.
func show(v *conf.Value) string {
	if v.Kind == conf.KindArray || v.Kind == conf.KindMap {
		return v.Kind.String()
	}
	return v.Text
}
