package conf

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func stringValue(s string) *Value { return &Value{Kind: KindString, Str: s, Text: s} }

// The forms of bare words that are not strings.
var (
	intForm   = regexp.MustCompile(`^(-?[0-9]+)([a-zA-Z]*)$`)
	floatForm = regexp.MustCompile(`^-?[0-9]+\.[0-9]+$`)
	timeForm  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`)
)

// boolWords are in lower case.
var boolWords = map[string]bool{
	"true": true, "on": true, "yes": true,
	"false": false, "off": false, "no": false,
}

// sizeFactors are the suffixes of integers in lower case, and what they
// multiply by.
var sizeFactors = func() map[string]int64 {
	m := map[string]int64{"": 1}
	si, binary := int64(1), int64(1)
	for _, unit := range []string{"k", "m", "g", "t", "p", "e"} {
		si *= 1000
		binary *= 1024
		m[unit] = si
		m[unit+"b"], m[unit+"i"], m[unit+"ib"] = binary, binary, binary
	}
	return m
}()

// scalar makes the value of a bare word, which is the most specific thing that
// the word is in full.
func (p *parser) scalar(word string, at Pos) (*Value, error) {
	// Nothing but a string is as long as this, and the forms need not be tried.
	const longest = 1 << 10
	if len(word) <= longest {
		v, err := classify(word)
		if err != nil {
			return nil, &Error{Pos: at, Msg: err.Error()}
		}
		if v != nil {
			v.Text = word
			return v, nil
		}
	}
	if word == "" || !hasEscapes(word) {
		return stringValue(word), nil
	}
	s, err := p.unescape(word)
	if err != nil {
		return nil, err
	}
	return &Value{Kind: KindString, Str: s, Text: word}, nil
}

// classify returns nil for a string.
func classify(word string) (*Value, error) {
	if b, ok := boolWords[strings.ToLower(word)]; ok {
		return &Value{Kind: KindBool, Bool: b}, nil
	}
	if m := intForm.FindStringSubmatch(word); m != nil {
		factor, ok := sizeFactors[strings.ToLower(m[2])]
		if !ok {
			return nil, nil
		}
		n, ok := multiply(m[1], factor)
		if !ok {
			return nil, fmt.Errorf("integer '%s' is out of the range", word)
		}
		return &Value{Kind: KindInt, Int: n}, nil
	}
	if floatForm.MatchString(word) {
		f, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, fmt.Errorf("float '%s' is out of the range", word)
		}
		return &Value{Kind: KindFloat, Float: f}, nil
	}
	if timeForm.MatchString(word) {
		t, err := time.Parse("2006-01-02T15:04:05Z", word)
		if err != nil {
			return nil, fmt.Errorf("expected Zulu formatted DateTime, but got '%s'", word)
		}
		return &Value{Kind: KindTime, Time: t}, nil
	}
	return nil, nil
}

// multiply returns the product of a decimal number and a factor, if it fits.
func multiply(digits string, factor int64) (int64, bool) {
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return 0, false
	}
	n.Mul(n, big.NewInt(factor))
	return n.Int64(), n.IsInt64()
}

// ParseSize parses a size that is written as a string, such as "512M" or "4G":
// a whole number with one of the suffixes K, M, G and T, which are powers of
// 1024. The empty string is 0.
func ParseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits, unit := s[:len(s)-1], s[len(s)-1]
	i := strings.IndexByte("KMGT", unit)
	if i < 0 {
		return 0, fmt.Errorf("sizes defined as strings must end in K, M, G, T")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, err
	}
	shift := 10 * (i + 1)
	if n > math.MaxInt64>>shift || n < math.MinInt64>>shift {
		return 0, fmt.Errorf("size %q is out of the range", s)
	}
	return n << shift, nil
}
