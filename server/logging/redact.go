package logging

import (
	"encoding/json"
	"fmt"
	"strings"
)

// redacted takes the place of a secret in a trace.
const redacted = "[REDACTED]"

// secretFields are the fields of CONNECT that let someone else connect. A JWT is
// none: it is of no use without a signature.
var secretFields = []string{"pass", "auth_token", "sig", "nkey", "proxy_sig"}

// RedactConnect returns the JSON of a CONNECT with the values of secret fields
// replaced, and the rest as it was. Text that is not JSON is replaced as a whole:
// it may be a mistyped CONNECT with its secrets anywhere. The input is not
// changed.
func RedactConnect(text []byte) []byte {
	if !json.Valid(text) {
		return fmt.Appendf(nil, "%s (%d bytes that are not JSON)", redacted, len(text))
	}
	out := make([]byte, 0, len(text)+len(redacted))
	for i := 0; i < len(text); {
		if text[i] != '"' {
			out = append(out, text[i])
			i++
			continue
		}
		end := skipString(text, i)
		str := text[i:end]
		out = append(out, str...)
		i = end
		colon := skipJSONSpace(text, i)
		if colon == len(text) || text[colon] != ':' || !isSecret(str) {
			continue
		}
		value := skipJSONSpace(text, colon+1)
		out = append(out, text[i:value]...)
		out = append(out, `"`+redacted+`"`...)
		i = skipValue(text, value)
	}
	return out
}

// isSecret reports whether a quoted key is that of a secret. Like the decoder of
// CONNECT it resolves escapes and does not regard case.
func isSecret(quoted []byte) bool {
	var key string
	if err := json.Unmarshal(quoted, &key); err != nil {
		return true // Not a string after all: rather hide too much.
	}
	for _, f := range secretFields {
		if strings.EqualFold(key, f) {
			return true
		}
	}
	return false
}

// The following walk over valid JSON and return where something ends.

func skipJSONSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipString starts at the opening quote.
func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = skipString(text, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // The end of what a number or literal is in.
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
