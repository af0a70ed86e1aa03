package conf

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest returns "sha256:" and a hash in hex that changes with the values of
// the configuration, but not with how they are written: comments, order, and
// whether a value came from an include or a variable. The hash is that of the
// values in JSON, with keys sorted and a newline at the end.
func (c *Config) Digest() string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(plainMap(c.Root)); err != nil {
		// The hash takes all bytes, and all kinds of values have a JSON form.
		panic(fmt.Sprintf("conf: encoding for the digest: %v", err))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// plain returns what encoding/json would decode v to, had it been JSON.
func plain(v *Value) any {
	switch v.Kind {
	case KindBool:
		return v.Bool
	case KindInt:
		return v.Int
	case KindFloat:
		return v.Float
	case KindString:
		return v.Str
	case KindTime:
		return v.Time
	case KindArray:
		list := make([]any, len(v.List))
		for i, e := range v.List {
			list[i] = plain(e)
		}
		return list
	case KindMap:
		return plainMap(v.Map)
	}
	panic(fmt.Sprintf("conf: value of kind %v", v.Kind))
}

func plainMap(m *Map) map[string]any {
	plainValues := make(map[string]any, len(m.entries))
	for _, e := range m.entries {
		plainValues[e.Key] = plain(e.Value)
	}
	return plainValues
}
