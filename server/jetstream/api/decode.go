package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode reads the body of a request of the kind into v, a pointer to the type of
// request that belongs to it, and applies the op's rule about bodies. v stays as it
// is where there is nothing to read; it may be nil if all there is to it is the
// rule. If strict is set, members that v does not have are an error, except for ops
// whose rule is to be lenient.
func (o Op) Decode(body []byte, strict bool, v any) *Error {
	switch ops[o].body {
	case noBody:
		if !IsEmpty(body) {
			return ErrNotEmptyRequest
		}
		return nil
	case neededBody:
		if IsEmpty(body) {
			return ErrBadRequest
		}
	case optionalBody:
		if !looksLikeJSON(body) || v == nil {
			return nil
		}
	case lenientBody:
		strict = false
	case jsonBody:
	}
	return Decode(body, strict, v)
}

// Decode reads JSON into v. An empty body leaves v as it is. If strict is set,
// members that v does not have are an error. Who wants to accept but report them
// decodes strictly first.
func Decode(body []byte, strict bool, v any) *Error {
	if IsEmpty(body) {
		return nil
	}
	var err error
	if strict {
		err = decodeStrict(body, v)
	} else {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return ErrInvalidJSON.With("err", err)
	}
	return nil
}

func decodeStrict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		var more json.RawMessage
		switch err = d.Decode(&more); {
		case err == nil:
			return errors.New("more than one value")
		case errors.Is(err, io.EOF):
			return nil
		}
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w at offset %d", err, syntax.Offset)
	}
	return err
}

// IsEmpty reports whether a body asks for nothing: it has no bytes other than white
// space, or is an object without members.
func IsEmpty(body []byte) bool {
	body = bytes.TrimSpace(body)
	if len(body) < 2 {
		return len(body) == 0
	}
	return body[0] == '{' && body[len(body)-1] == '}' && len(bytes.TrimSpace(body[1:len(body)-1])) == 0
}

// looksLikeJSON tells JSON from text that clients of old sent where nothing was
// expected.
func looksLikeJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// parseUint reads a decimal number of digits alone. ok is false if it does not fit.
func parseUint[T string | []byte](s T) (n uint64, ok bool) {
	if len(s) == 0 {
		return 0, false
	}
	for i := range len(s) {
		d := uint64(s[i] - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
