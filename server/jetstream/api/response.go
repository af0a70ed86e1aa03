package api

// Response is what all responses begin with.
type Response struct {
	Type  string `json:"type"`
	Error *Error `json:"error,omitempty"`
}

// Head returns r itself. By it, a Reply is a Response with more members.
func (r *Response) Head() *Response { return r }

// Reply is a response of any type.
type Reply interface {
	Head() *Response
}

// Fail returns the response to a request that failed, which must be one that is answered
// in JSON.
func (o Op) Fail(err *Error) Reply {
	r := o.NewReply()
	r.Head().Error = err
	return r
}

const typePrefix = "io.nats.jetstream.api.v1."

// replyTo returns a function that makes responses of type R, called name on the wire.
func replyTo[R any, P interface {
	*R
	Reply
}](name string) func() Reply {
	return func() Reply {
		p := P(new(R))
		p.Head().Type = typePrefix + name + "_response"
		if l, ok := any(p).(interface{ init() }); ok {
			l.init()
		}
		return p
	}
}

// Page says which part of a list a response has.
type Page struct {
	Total  int `json:"total"`
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
}

// How many items are on a page.
const (
	NamesPage    = 1024
	ListPage     = 256
	SubjectsPage = 100_000
)

// Turn returns the page of length limit that begins at offset, which may be out of
// range, and where it begins and ends in a list of total items.
func Turn(total, offset, limit int) (p Page, from, to int) {
	from = min(max(offset, 0), total)
	to = min(from+limit, total)
	return Page{Total: total, Offset: from, Limit: limit}, from, to
}

// SuccessResponse is the answer to what is done or not.
type SuccessResponse struct {
	Response
	Success bool `json:"success,omitempty"`
}
