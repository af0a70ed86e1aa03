package api

import "bytes"

const flowPrefix = "$JS.FC."

// Flow is what the reply subject of a flow control request says: whose it is, and
// which one.
//
//	$JS.FC.<stream>.<consumer>.<token>
//	$JS.FC.<domain>.<account>.<stream>.<consumer>.<token>
//
// The slices point into the subject.
type Flow struct {
	Domain, Account         []byte
	Stream, Consumer, Token []byte
}

// FlowPrefix is what all such subjects of a consumer begin with; a token is to
// follow. Without an account it is the shorter form.
func FlowPrefix(domain, account, stream, consumer string) string {
	return flowPrefix + AckPrefix(domain, account, stream, consumer)[len(ackPrefix):]
}

// FlowPatterns are what to subscribe to for the answers to a consumer, in either form.
func FlowPatterns(stream, consumer string) []string {
	names := stream + "." + consumer + ".*"
	return []string{flowPrefix + names, flowPrefix + "*.*." + names}
}

// ParseFlowSubject reads such a subject. It allocates nothing.
func ParseFlowSubject(s []byte) (f Flow, ok bool) {
	if !bytes.HasPrefix(s, []byte(flowPrefix)) {
		return Flow{}, false
	}
	rest := s[len(flowPrefix):]
	fields := [...]*[]byte{&f.Domain, &f.Account, &f.Stream, &f.Consumer, &f.Token}
	var first int
	switch bytes.Count(rest, []byte(".")) {
	case 2:
		first = 2
	case 4:
	default:
		return Flow{}, false
	}
	for _, field := range fields[first:] {
		if *field, rest = cutToken(rest); len(*field) == 0 {
			return Flow{}, false
		}
	}
	if string(f.Domain) == noDomain {
		f.Domain = nil
	}
	return f, true
}
