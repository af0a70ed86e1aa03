package api

import (
	"strings"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Prefix is what the subjects of requests begin with. Another domain, or another
// account's imports, may have others, which are mapped to this one.
const Prefix = "$JS.API"

// DomainPrefix is the prefix by which a domain is reached from elsewhere.
func DomainPrefix(domain string) string { return "$JS." + domain + ".API" }

// Op is something that can be asked for.
type Op uint8

const (
	OpAccountInfo Op = iota
	OpStreamCreate
	OpStreamUpdate
	OpStreamNames
	OpStreamList
	OpStreamInfo
	OpStreamDelete
	OpStreamPurge
	OpStreamMsgGet
	OpStreamMsgDelete
	OpStreamSnapshot
	OpStreamRestore
	OpStreamStepdown
	OpStreamPeerRemove
	OpStreamPeerEvacuate
	OpStreamCancelMove
	OpConsumerCreate
	OpConsumerDurableCreate
	OpConsumerNames
	OpConsumerList
	OpConsumerInfo
	OpConsumerDelete
	OpConsumerPause
	OpConsumerUnpin
	OpConsumerReset
	OpConsumerNext
	OpConsumerStepdown
	OpConsumerPeerRemove
	OpConsumerPeerEvacuate
	OpDirectGet
	OpMetaStepdown
	OpMetaRescue
	OpServerRemove
	OpServerEvacuate
	OpAccountPurge
	OpAccountStreamMove
	OpAccountStreamCancelMove
	// Ops is how many there are.
	Ops = iota
)

// bodyRule says what the body of a request must be.
type bodyRule uint8

const (
	// jsonBody is JSON; without one, nothing is asked for.
	jsonBody bodyRule = iota
	// neededBody is JSON that asks for something.
	neededBody
	// optionalBody is whatever: it is read only if it looks like JSON.
	optionalBody
	// noBody is empty.
	noBody
	// lenientBody is JSON whose unknown members do not matter.
	lenientBody
)

// op is what there is to know about an Op.
type op struct {
	// name follows the prefix.
	name string
	// args are the tokens behind the name, a letter each: the name of an (a)ccount, a
	// (s)tream, a (c)onsumer, or all that is left, a (f)ilter.
	args string
	// optional is how many of args may be missing from the end.
	optional int
	body     bodyRule
	// system is for requests that only users of the system account get answered.
	system bool
	// reply is the type of the response, with an empty one of it. It is nil where the
	// answer is not JSON.
	reply func() Reply
}

var ops = [Ops]op{
	OpAccountInfo:             {"INFO", "", 0, optionalBody, false, replyTo[AccountInfoResponse]("account_info")},
	OpStreamCreate:            {"STREAM.CREATE", "s", 0, jsonBody, false, replyTo[StreamCreateResponse]("stream_create")},
	OpStreamUpdate:            {"STREAM.UPDATE", "s", 0, jsonBody, false, replyTo[StreamUpdateResponse]("stream_update")},
	OpStreamNames:             {"STREAM.NAMES", "", 0, optionalBody, false, replyTo[StreamNamesResponse]("stream_names")},
	OpStreamList:              {"STREAM.LIST", "", 0, optionalBody, false, replyTo[StreamListResponse]("stream_list")},
	OpStreamInfo:              {"STREAM.INFO", "s", 0, optionalBody, false, replyTo[StreamInfoResponse]("stream_info")},
	OpStreamDelete:            {"STREAM.DELETE", "s", 0, noBody, false, replyTo[SuccessResponse]("stream_delete")},
	OpStreamPurge:             {"STREAM.PURGE", "s", 0, optionalBody, false, replyTo[StreamPurgeResponse]("stream_purge")},
	OpStreamMsgGet:            {"STREAM.MSG.GET", "s", 0, neededBody, false, replyTo[StreamMsgGetResponse]("stream_msg_get")},
	OpStreamMsgDelete:         {"STREAM.MSG.DELETE", "s", 0, neededBody, false, replyTo[SuccessResponse]("stream_msg_delete")},
	OpStreamSnapshot:          {"STREAM.SNAPSHOT", "s", 0, neededBody, false, replyTo[StreamSnapshotResponse]("stream_snapshot")},
	OpStreamRestore:           {"STREAM.RESTORE", "s", 0, neededBody, false, replyTo[StreamRestoreResponse]("stream_restore")},
	OpStreamStepdown:          {"STREAM.LEADER.STEPDOWN", "s", 0, optionalBody, false, replyTo[SuccessResponse]("stream_leader_stepdown")},
	OpStreamPeerRemove:        {"STREAM.PEER.REMOVE", "s", 0, neededBody, false, replyTo[SuccessResponse]("stream_remove_peer")},
	OpStreamPeerEvacuate:      {"STREAM.PEER.EVACUATE", "s", 0, neededBody, false, replyTo[SuccessResponse]("stream_evacuate_peer")},
	OpStreamCancelMove:        {"STREAM.CANCEL_MOVE", "s", 0, optionalBody, false, replyTo[StreamUpdateResponse]("stream_cancel_move")},
	OpConsumerCreate:          {"CONSUMER.CREATE", "scf", 2, jsonBody, false, replyTo[ConsumerInfoResponse]("consumer_create")},
	OpConsumerDurableCreate:   {"CONSUMER.DURABLE.CREATE", "sc", 0, jsonBody, false, replyTo[ConsumerInfoResponse]("consumer_create")},
	OpConsumerNames:           {"CONSUMER.NAMES", "s", 0, optionalBody, false, replyTo[ConsumerNamesResponse]("consumer_names")},
	OpConsumerList:            {"CONSUMER.LIST", "s", 0, optionalBody, false, replyTo[ConsumerListResponse]("consumer_list")},
	OpConsumerInfo:            {"CONSUMER.INFO", "sc", 0, noBody, false, replyTo[ConsumerInfoResponse]("consumer_info")},
	OpConsumerDelete:          {"CONSUMER.DELETE", "sc", 0, noBody, false, replyTo[SuccessResponse]("consumer_delete")},
	OpConsumerPause:           {"CONSUMER.PAUSE", "sc", 0, optionalBody, false, replyTo[ConsumerPauseResponse]("consumer_pause")},
	OpConsumerUnpin:           {"CONSUMER.UNPIN", "sc", 0, lenientBody, false, replyTo[ConsumerUnpinResponse]("consumer_unpin")},
	OpConsumerReset:           {"CONSUMER.RESET", "sc", 0, lenientBody, false, replyTo[ConsumerResetResponse]("consumer_reset")},
	OpConsumerNext:            {"CONSUMER.MSG.NEXT", "sc", 0, lenientBody, false, nil},
	OpConsumerStepdown:        {"CONSUMER.LEADER.STEPDOWN", "sc", 0, optionalBody, false, replyTo[SuccessResponse]("consumer_leader_stepdown")},
	OpConsumerPeerRemove:      {"CONSUMER.PEER.REMOVE", "sc", 0, neededBody, false, replyTo[SuccessResponse]("consumer_remove_peer")},
	OpConsumerPeerEvacuate:    {"CONSUMER.PEER.EVACUATE", "sc", 0, neededBody, false, replyTo[SuccessResponse]("consumer_evacuate_peer")},
	OpDirectGet:               {"DIRECT.GET", "sf", 1, lenientBody, false, nil},
	OpMetaStepdown:            {"META.LEADER.STEPDOWN", "", 0, optionalBody, true, replyTo[SuccessResponse]("meta_leader_stepdown")},
	OpMetaRescue:              {"META.RESCUE", "", 0, neededBody, true, replyTo[MetaRescueResponse]("meta_rescue")},
	OpServerRemove:            {"SERVER.REMOVE", "", 0, neededBody, true, replyTo[SuccessResponse]("meta_server_remove")},
	OpServerEvacuate:          {"SERVER.EVACUATE", "", 0, neededBody, true, replyTo[SuccessResponse]("meta_server_evacuate")},
	OpAccountPurge:            {"ACCOUNT.PURGE", "a", 0, optionalBody, true, replyTo[AccountPurgeResponse]("account_purge")},
	OpAccountStreamMove:       {"ACCOUNT.STREAM.MOVE", "as", 0, neededBody, true, replyTo[StreamUpdateResponse]("stream_update")},
	OpAccountStreamCancelMove: {"ACCOUNT.STREAM.CANCEL_MOVE", "as", 0, optionalBody, true, replyTo[StreamUpdateResponse]("stream_cancel_move")},
}

var opsByName = func() map[string]Op {
	m := make(map[string]Op, Ops)
	for i := range ops {
		m[ops[i].name] = Op(i)
	}
	return m
}()

// maxNameTokens is the length of the longest name.
const maxNameTokens = 3

// String is the name of the op as it stands in subjects.
func (o Op) String() string { return ops[o].name }

// IsSystem reports whether only users of the system account are answered.
func (o Op) IsSystem() bool { return ops[o].system }

// Patterns are what to subscribe to for all requests of the kind.
func (o Op) Patterns() []string {
	d := &ops[o]
	pattern := Prefix + "." + d.name
	var patterns []string
	for i := 0; ; i++ {
		if i >= len(d.args)-d.optional {
			patterns = append(patterns, pattern)
		}
		if i == len(d.args) {
			return patterns
		}
		if d.args[i] == 'f' {
			pattern += ".>"
		} else {
			pattern += ".*"
		}
	}
}

// Subject is what to send a request to: args are the names that belong to the op, in
// the order of [Call]'s members. The prefix is Prefix, or another one that leads there.
func (o Op) Subject(prefix string, args ...string) string {
	return strings.Join(append([]string{prefix, ops[o].name}, args...), ".")
}

// NewReply returns the response to a request, without an answer yet; nil for those
// that are not answered in JSON.
func (o Op) NewReply() Reply {
	if ops[o].reply == nil {
		return nil
	}
	return ops[o].reply()
}

// Call is a request as its subject tells it. What does not belong to the op is empty.
type Call struct {
	Op       Op
	Account  string
	Stream   string
	Consumer string
	// Filter is a subject or a pattern, where one can be appended.
	Filter string
}

// Parse reads the subject of a request. ok is false if there is no such request.
func Parse(s string) (c Call, ok bool) {
	rest, ok := strings.CutPrefix(s, Prefix+".")
	if !ok {
		return Call{}, false
	}
	// Names have up to three tokens, and none is the beginning of another with its
	// arguments: the longest that fits is the one.
	end, found := 0, -1
	for range maxNameTokens {
		next := strings.IndexByte(rest[end:], '.')
		if next < 0 {
			next = len(rest) - end
		}
		if o, ok := opsByName[rest[:end+next]]; ok {
			c.Op, found = o, end+next
		}
		if end += next + 1; end > len(rest) {
			break
		}
	}
	if found < 0 {
		return Call{}, false
	}
	if !c.setArgs(rest[found:]) {
		return Call{}, false
	}
	return c, true
}

// setArgs takes what follows the name, a dot in front of each token.
func (c *Call) setArgs(rest string) bool {
	d := &ops[c.Op]
	for i := range len(d.args) {
		if rest == "" {
			return i >= len(d.args)-d.optional
		}
		rest = rest[1:]
		if d.args[i] == 'f' {
			c.Filter = rest
			return subject.IsValid(rest)
		}
		var arg string
		end := strings.IndexByte(rest, '.')
		if end < 0 {
			end = len(rest)
		}
		arg, rest = rest[:end], rest[end:]
		if arg == "" {
			return false
		}
		switch d.args[i] {
		case 'a':
			c.Account = arg
		case 's':
			c.Stream = arg
		case 'c':
			c.Consumer = arg
		}
	}
	return rest == ""
}
