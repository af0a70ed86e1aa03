package api

import (
	"encoding/json"
	"strconv"
)

// PubAck answers a message that was published to a stream.
type PubAck struct {
	Error  *Error `json:"error,omitempty"`
	Stream string `json:"stream"`
	// Sequence is the message's number; that of the last one for a batch, 0 with an
	// error.
	Sequence  uint64 `json:"seq"`
	Domain    string `json:"domain,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	// Value is that of a counter.
	Value string `json:"val,omitempty"`
	// BatchID and BatchSize are there at the end of a batch.
	BatchID   string `json:"batch,omitempty"`
	BatchSize int    `json:"count,omitempty"`
}

// AppendJSON appends the ack as JSON. It allocates nothing but room. There is a space
// in front of the value of "duplicate", which some clients search for as text.
func (a *PubAck) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if a.Error != nil {
		dst = a.Error.appendJSON(append(dst, `"error":`...))
		dst = append(dst, ',')
	}
	dst = appendString(append(dst, `"stream":`...), a.Stream)
	dst = strconv.AppendUint(append(dst, `,"seq":`...), a.Sequence, 10)
	if a.Domain != "" {
		dst = appendString(append(dst, `,"domain":`...), a.Domain)
	}
	if a.Duplicate {
		dst = append(dst, `,"duplicate": true`...)
	}
	if a.Value != "" {
		dst = appendString(append(dst, `,"val":`...), a.Value)
	}
	if a.BatchID != "" {
		dst = appendString(append(dst, `,"batch":`...), a.BatchID)
	}
	if a.BatchSize != 0 {
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(a.BatchSize), 10)
	}
	return append(dst, '}')
}

func (e *Error) appendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"code":`...), int64(e.Code), 10)
	if e.ErrCode != 0 {
		dst = strconv.AppendUint(append(dst, `,"err_code":`...), uint64(e.ErrCode), 10)
	}
	if e.Description != "" {
		dst = appendString(append(dst, `,"description":`...), e.Description)
	}
	return append(dst, '}')
}

// appendString appends s as a JSON string, as encoding/json writes it.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // strings can be marshalled
			}
			return append(dst, quoted...)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}
