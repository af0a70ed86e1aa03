package api

import (
	"fmt"
	"strconv"
	"time"
)

// Status is the first line of a message that has no payload, and says what became of
// a request for messages.
type Status struct {
	Code int
	Text string
}

// The statuses of consumers, with their texts, by which clients tell them apart.
var (
	StatusIdleHeartbeat    = &Status{100, "Idle Heartbeat"}
	StatusFlowControl      = &Status{100, "FlowControl Request"}
	StatusNoMessages       = &Status{404, "No Messages"}
	StatusRequestsPending  = &Status{408, "Requests Pending"}
	StatusRequestTimeout   = &Status{408, "Request Timeout"}
	StatusInterestExpired  = &Status{408, "Interest Expired"}
	StatusSizeExceeded     = &Status{409, "Message Size Exceeds MaxBytes"}
	StatusBatchCompleted   = &Status{409, "Batch Completed"}
	StatusExceededWaiting  = &Status{409, "Exceeded MaxWaiting"}
	StatusPushBased        = &Status{409, "Consumer is push based"}
	StatusConsumerDeleted  = &Status{409, "Consumer Deleted"}
	StatusLeadershipChange = &Status{409, "Leadership Change"}
	StatusServerShutdown   = &Status{409, "Server Shutdown"}
	StatusRequiredLevel    = &Status{412, "Required Api Level"}
	StatusPinIDMismatch    = &Status{423, "Nats-Pin-Id mismatch"}
	StatusWrongPinID       = &Status{423, "Nats-Wrong-Pin-Id"}
	StatusTooManyRequests  = &Status{429, "Too Many Requests"}
	StatusNoInterest       = &Status{408, "No Interest"}
	StatusNoFlowResponse   = &Status{408, "No Flow Response"}
	StatusEndOfSnapshot    = &Status{204, ""}
	StatusEndOfBatch       = &Status{204, "EOB"}
	StatusMessageNotFound  = &Status{404, "Message Not Found"}
	StatusNoResults        = &Status{404, "No Results"}
	StatusEmptyRequest     = &Status{408, "Empty Request"}
	StatusMalformedRequest = &Status{408, "Malformed Request"}
	StatusBadGet           = &Status{408, "Bad Request"}
	StatusTooManyResults   = &Status{413, "Too Many Results"}
)

// BadPull is the status for a pull request that makes no sense.
func BadPull(why string) *Status { return &Status{400, "Bad Request - " + why} }

// StatusInternal is the status for what a server failed to do.
func StatusInternal(err error) *Status { return &Status{500, err.Error()} }

func exceededBatch(limit int) *Status {
	return &Status{409, fmt.Sprintf("Exceeded MaxRequestBatch of %d", limit)}
}

func exceededExpires(limit time.Duration) *Status {
	return &Status{409, fmt.Sprintf("Exceeded MaxRequestExpires of %v", limit)}
}

func exceededBytes(limit int) *Status {
	return &Status{409, fmt.Sprintf("Exceeded MaxRequestMaxBytes of %d", limit)}
}

// AppendLine appends the first line of a header block. Headers and an empty line are
// to follow.
func (s *Status) AppendLine(dst []byte) []byte {
	dst = append(dst, "NATS/1.0 "...)
	dst = strconv.AppendInt(dst, int64(s.Code), 10)
	if s.Text != "" {
		dst = append(dst, ' ')
		dst = append(dst, s.Text...)
	}
	return append(dst, "\r\n"...)
}

// AppendBlock appends a header block without headers.
func (s *Status) AppendBlock(dst []byte) []byte { return append(s.AppendLine(dst), "\r\n"...) }
