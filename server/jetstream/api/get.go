package api

import "time"

// MsgGetRequest goes with OpStreamMsgGet and OpDirectGet: exactly one message, or with
// OpDirectGet several.
type MsgGetRequest struct {
	Seq          uint64     `json:"seq,omitempty"`
	LastFor      string     `json:"last_by_subj,omitempty"`
	NextFor      string     `json:"next_by_subj,omitempty"`
	Batch        int        `json:"batch,omitempty"`
	MaxBytes     int        `json:"max_bytes,omitempty"`
	StartTime    *time.Time `json:"start_time,omitempty"`
	MultiLastFor []string   `json:"multi_last,omitempty"`
	UpToSeq      uint64     `json:"up_to_seq,omitempty"`
	UpToTime     *time.Time `json:"up_to_time,omitempty"`
	NoHeaders    bool       `json:"no_hdr,omitempty"`
}

// MaxMultiLast is how many messages a request with MultiLastFor can ask for.
const MaxMultiLast = 1024

// Check checks a request of OpStreamMsgGet.
func (r *MsgGetRequest) Check() *Error {
	if r.isEmpty() || r.contradicts() || r.Batch != 0 || r.MaxBytes != 0 || len(r.MultiLastFor) > 0 {
		return ErrBadRequest
	}
	return nil
}

// isEmpty reports whether r does not say what to get.
func (r *MsgGetRequest) isEmpty() bool {
	return r.Seq == 0 && r.LastFor == "" && r.NextFor == "" && r.StartTime == nil && len(r.MultiLastFor) == 0
}

// contradicts reports whether r names one message in two ways.
func (r *MsgGetRequest) contradicts() bool {
	return r.Seq > 0 && (r.LastFor != "" || r.StartTime != nil) ||
		r.LastFor != "" && (r.StartTime != nil || r.NextFor != "")
}

// ParseDirectGet reads a request of OpDirectGet, whose subject may end in that of the
// message. The status is nil if the request can be answered. Members that are not
// known do not matter.
func ParseDirectGet(filter string, body []byte) (*MsgGetRequest, *Status) {
	var r MsgGetRequest
	if err := Decode(body, false, &r); err != nil {
		return nil, StatusMalformedRequest
	}
	if filter != "" {
		if !r.isEmpty() || r.Batch != 0 {
			return nil, StatusBadGet
		}
		r.LastFor = filter
		return &r, nil
	}
	switch {
	case r.isEmpty():
		return nil, StatusEmptyRequest
	case r.contradicts(), r.Batch < 0, r.LastFor != "" && r.Batch > 0,
		len(r.MultiLastFor) > 0 && (r.LastFor != "" || r.NextFor != ""),
		r.UpToSeq > 0 && r.UpToTime != nil:
		return nil, StatusBadGet
	}
	return &r, nil
}

// StreamMsgGetResponse answers OpStreamMsgGet.
type StreamMsgGetResponse struct {
	Response
	Message *StoredMsg `json:"message,omitempty"`
}

// StoredMsg is a message of a stream.
type StoredMsg struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs,omitempty"`
	Data     []byte    `json:"data,omitempty"`
	Time     time.Time `json:"time"`
}
