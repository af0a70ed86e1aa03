// Package api is the language of JetStream: what requests, responses, acks and
// advisories look like on the wire, and what the configurations of streams and
// consumers must be like. It is pure: it knows neither clock nor network nor other
// streams, and every function of it gives every server the same answer.
//
// Requests and responses are JSON. Members stand in the order, and are left out
// under the rules, that clients and their tests have been seeing for years: types
// here are in that order, and nobody may sort them. Durations are integers in
// nanoseconds, times are RFC 3339 in UTC, a missing time is 0001-01-01T00:00:00Z,
// bytes are in base64.
//
//	request    the subject says what is asked of which asset: [Parse] reads it,
//	           [Op.Subject] builds it. The body is for [Op.Decode].
//	response   [Op.NewReply] gives the type that belongs to a request: a Response
//	           (type and error), with the members of the answer beside it. A failed
//	           request is answered with the same type, so that members which are
//	           never left out are there, too.
//	error      an [Error] of the table in errors.txt.
//	status     a message without payload, whose first header line has a number and
//	           a text ([Status]): the answer to pull requests and direct gets, where
//	           messages are expected.
//	op         one of the things that can be asked.
//	level      how new a server must be to understand a configuration.
//
// Configurations are checked by CheckX functions, which return what is in
// force: a copy with all defaults filled in and with what is merely out of range
// corrected. The pedantic get an error for each correction. What needs to know
// other assets than the one in question (subjects taken by other streams, the
// filters of other consumers, the origin of a mirror) is for the caller, who finds
// the predicates here.
//
// Some of it is on the path of messages: ack subjects, ack payloads, pull requests,
// pub acks. Those are parsed without allocation and appended to the caller's buffer;
// slices that are returned point into what was parsed.
package api
