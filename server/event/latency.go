package event

import (
	"bytes"
	"net/textproto"
	"strings"
	"time"
)

// ServiceLatencyType is the type of a ServiceLatency.
const ServiceLatencyType = "io.nats.server.metric.v1.service_latency"

// ServiceLatency tells how a request to a service in another account went, and how
// long that took.
type ServiceLatency struct {
	Type string    `json:"type"`
	ID   string    `json:"id"`
	Time time.Time `json:"timestamp"`
	// Status is as in HTTP, Description is "" if all went well.
	Status      int                 `json:"status"`
	Description string              `json:"description,omitempty"`
	Requestor   *ClientInfo         `json:"requestor,omitempty"`
	Responder   *ClientInfo         `json:"responder,omitempty"`
	Header      map[string][]string `json:"header,omitempty"`
	// Start is when the request left the requestor, as far as is known.
	Start time.Time `json:"start"`
	// Service is what the responder took, System what the server did, and Total
	// what the requestor has waited.
	Service time.Duration `json:"service"`
	System  time.Duration `json:"system"`
	Total   time.Duration `json:"total"`
}

// The outcomes of a request.
const (
	LatencyOK          = 200
	LatencyBadRequest  = 400 // there was no reply subject
	LatencyGone        = 408 // the requestor did not wait
	LatencyUnavailable = 503 // nobody offers the service
	LatencyTimeout     = 504 // there was no response in time
)

var latencyTexts = map[int]string{
	LatencyBadRequest:  "Bad Request",
	LatencyGone:        "Request Timeout",
	LatencyUnavailable: "Service Unavailable",
	LatencyTimeout:     "Service Timeout",
}

// LatencyText describes an outcome, "" for one without error.
func LatencyText(status int) string { return latencyTexts[status] }

// The headers of distributed tracing that say whether a request is followed.
const (
	jaegerTrace = "Uber-Trace-Id"
	zipkin      = "B3"
	zipkinMany  = "X-B3-"
)

// TracingHeaders picks the headers of distributed tracing out of those that each
// gives, with their names in the form of HTTP, and tells whether they say that the
// request is one of those that are followed. The map is nil if they do not.
func TracingHeaders(each func(func(name, value []byte) bool)) map[string][]string {
	found := make(map[string][]string)
	each(func(name, value []byte) bool {
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		switch {
		case key == jaegerTrace, key == zipkin, strings.HasPrefix(key, zipkinMany), key == "Traceparent", key == "Tracestate":
			found[key] = append(found[key], string(value))
		}
		return true
	})
	if !followed(found) {
		return nil
	}
	return found
}

// followed decides by the first kind of tracing that says anything.
func followed(h map[string][]string) bool {
	first := func(key string) (string, bool) {
		if len(h[key]) == 0 {
			return "", false
		}
		return h[key][0], true
	}
	if v, ok := first(jaegerTrace); ok {
		// trace:span:parent:flags, in hex; the lowest bit of the flags says so.
		flags := v[strings.LastIndexByte(v, ':')+1:]
		if strings.Count(v, ":") != 3 || flags == "" {
			return false
		}
		low := hexDigit(flags[len(flags)-1])
		return low >= 0 && low&1 == 1
	}
	if v, ok := first("X-B3-Sampled"); ok {
		return v == "1" || strings.EqualFold(v, "true")
	}
	if v, ok := first("X-B3-Flags"); ok && v == "1" {
		return true // debugging
	}
	if _, ok := first("X-B3-Traceid"); ok {
		return true // to be decided by who gets it
	}
	if v, ok := first(zipkin); ok {
		// "0", or trace-span, which is to be decided, or with -0, -1 or -d behind
		// it, and -parent behind that.
		parts := strings.Split(v, "-")
		switch {
		case len(parts) == 1:
			return v == "1" || v == "d"
		case len(parts) == 2:
			return true
		}
		return parts[2] == "1" || parts[2] == "d"
	}
	if v, ok := first("Traceparent"); ok {
		return Sampled(bytes.TrimSpace([]byte(v)))
	}
	return false
}
