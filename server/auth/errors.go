package auth

import "errors"

// Reason is why a connection was refused, in the words that closed connections
// are listed with.
type Reason string

// The reasons that authentication knows.
const (
	ReasonAuthFailure     Reason = "Authentication Failure"
	ReasonProxyNotTrusted Reason = "Proxy Not Trusted"
	ReasonProxyRequired   Reason = "Proxy Required"
)

// Error is a refused Request.
type Error struct {
	Reason Reason
	// Detail is for the log of the server, never for the client; it holds no
	// secret and nothing that the client wrote.
	Detail string
	// User and Account are those that the request was about, "" when it named
	// no known user. The account's owner may want to hear of the attempt.
	User, Account string
}

func (e *Error) Error() string {
	text := string(e.Reason) + ": " + e.Detail
	if e.User != "" {
		text += ` (user "` + e.User + `")`
	}
	return text
}

var (
	errNotUserKey = errors.New("not a valid public nkey for a user")
	errNoName     = errors.New("user has neither a name nor an nkey")
)

// refuse makes the error of a refusal; about is nil when no known user was
// named.
func refuse(reason Reason, about *principal, detail string) *Error {
	e := &Error{Reason: reason, Detail: detail}
	if about != nil {
		e.User, e.Account = about.name, about.account
	}
	return e
}

func refuseTransport(about *principal, t ConnectionType) *Error {
	return refuse(ReasonAuthFailure, about, "user may not come by connection type "+string(t))
}
