package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

//go:generate go test -run TestErrorTable -update .

// Error is a failure as clients see it. ErrX (see errors_gen.go) are all that
// there are; one whose text has a word in braces is completed by With first.
//
// Functions of this package return an *Error rather than an error, for they have
// no other; nil is success. To assign such a nil to an error would make it one.
type Error struct {
	// Code is a class, like those of HTTP.
	Code int `json:"code"`
	// ErrCode is what identifies the error.
	ErrCode uint16 `json:"err_code,omitempty"`
	// Description is the text for humans, which some clients look at nevertheless.
	Description string `json:"description,omitempty"`
}

// Error returns the description with its number.
func (e *Error) Error() string {
	return e.Description + " (" + strconv.Itoa(int(e.ErrCode)) + ")"
}

// Is makes errors.Is compare error codes, so that ErrX stands for all that With
// makes of it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.ErrCode == e.ErrCode
}

// With returns a copy in whose text the names in braces are replaced: its
// arguments are names and values in turn. It panics if the text does not have
// such a name.
//
// An error whose whole text is the placeholder only wraps others. One that
// wraps an *Error is that Error.
func (e *Error) With(pairs ...any) *Error {
	filled := *e
	for i := 0; i < len(pairs); i += 2 {
		name := fmt.Sprintf("{%v}", pairs[i])
		if inner, ok := pairs[i+1].(error); ok && filled.Description == name {
			if apiErr, ok := errors.AsType[*Error](inner); ok {
				return apiErr
			}
		}
		if !strings.Contains(filled.Description, name) {
			panic(fmt.Sprintf("api: error %d has no %s in %q", e.ErrCode, name, e.Description))
		}
		filled.Description = strings.ReplaceAll(filled.Description, name, fmt.Sprint(pairs[i+1]))
	}
	return &filled
}

// invalidStream is the error for what is wrong with the configuration of a
// stream, or with some fields of a consumer's.
func invalidStream(text string) *Error { return ErrStreamInvalidConfig.With("err", text) }

// pedanticError is the error for what would have been corrected silently.
func pedanticError(text string) *Error { return ErrPedantic.With("err", text) }
