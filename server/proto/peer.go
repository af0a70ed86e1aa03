package proto

// Link is what two servers have between them. It decides which operations there
// are, and which fields they have.
type Link uint8

const (
	// LinkRoute joins two servers of a cluster. Operations name the account.
	LinkRoute Link = iota
	// LinkAccountRoute is a route for one account, which both ends know and no
	// operation names.
	LinkAccountRoute
	// LinkLeaf joins an account of one system and an account of another, which no
	// operation names.
	LinkLeaf
)

// PeerOp is one operation of a server. Its slices point into the parsed bytes and
// are valid as long as those are.
//
// As with Op, a field is set for the kinds that are named with it, and nil if the
// operation does without. For other kinds it has no meaning.
type PeerOp struct {
	Kind Kind
	// Args is the control line without verb and line end. (All kinds.)
	Args []byte
	// Origin is the leaf cluster that interest or a message comes from. (LS+, LS-,
	// LMSG; nil on a leafnode's own link.)
	Origin []byte
	// Account is whose interest or message it is. (A+, A-; nil but on LinkRoute:
	// RS+, RS-, LS+, LS-, RMSG, LMSG, HMSG.)
	Account []byte
	// Subject: RS+, RS-, LS+, LS-, RMSG, LMSG, HMSG.
	Subject []byte
	// Queue is the queue group that is interested, nil for plain subscriptions.
	// (RS+, RS-, LS+, LS-.)
	Queue []byte
	// Weight is how many members the queue group has at the other end, at least 1.
	// (RS+, LS+ with a queue group.)
	Weight int
	// Reply: RMSG, LMSG, HMSG.
	Reply []byte
	// Queues are the queue groups that the message is for, besides all plain
	// subscriptions. (RMSG, LMSG, HMSG.)
	Queues Queues
	// Msg is the header block, of HeaderLen bytes, and the payload. The two
	// bytes behind it, within its capacity, are CR LF. (RMSG, LMSG, HMSG, once
	// they are whole.)
	Msg       []byte
	HeaderLen int
}

// PeerParser parses the operations of another server. It is a value with limits and
// no other state.
type PeerParser struct {
	// Link is what the connection is.
	Link Link
	// MaxControlLine bounds the argument part of a line in bytes, from the
	// first argument to the line end; as much white space may precede it. Servers
	// allow each other PeerControlLine times what they allow a client.
	MaxControlLine int
	// MaxPayload bounds header and payload of a message together in bytes;
	// negative is no bound.
	MaxPayload int
}

// PeerControlLine is how many times as long as those of clients the control lines
// of servers may be: they carry names of accounts and of queue groups.
const PeerControlLine = 16

// MaxQueues is the largest number of queue groups that a message may be for.
const MaxQueues = 4096

// maxPeerTokens is the largest number of arguments that have a place of their own:
// origin, account, subject, "+", reply and the first queue group.
const maxPeerTokens = 6

// Next parses the first operation in buf. What it returns, and when op is set, is
// as with Parser.
func (p *PeerParser) Next(buf []byte, op *PeerOp) (n, need int, err error) {
	op.Kind = OpNone
	if len(buf) == 0 {
		return 0, 1, nil
	}
	v, err := peerVerb(buf, p.Link).match(buf)
	if err != nil {
		return 0, 0, err
	}
	if v == nil {
		return 0, len(buf) + 1, nil
	}
	i := len(v.name)
	switch v.kind {
	case OpRMsg, OpLMsg, OpHMsg:
		return p.message(buf, i, v.kind, op)
	case OpRSub, OpRUnsub, OpLSub, OpLUnsub, OpASub, OpAUnsub:
		return p.interest(buf, i, v.kind, op)
	default:
		return p.line(buf, i, v.kind, op)
	}
}

// message parses RMSG, LMSG or HMSG with arguments from buf[i] on, in one of three forms:
//
//	[origin] [account] subject [reply] [header-size] size
//	[origin] [account] subject + reply queue… [header-size] size
//	[origin] [account] subject | queue… [header-size] size
//
// HMSG, and LMSG with an origin, have a header size.
func (p *PeerParser) message(buf []byte, i int, kind Kind, op *PeerOp) (n, need int, err error) {
	var t [maxPeerTokens]span
	args, count, eol, err := cut(buf, i, t[:], p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	first := p.address(buf, &t, kind, op) // of what is between subject and sizes
	rest := count - first - 1             // how many there are of those
	withHeader := kind == OpHMsg || kind == OpLMsg && p.Link != LinkLeaf
	if withHeader {
		rest--
	}
	if rest < 0 {
		return 0, 0, ErrBadArgs
	}
	last := lastToken(buf, eol)
	size := parseSize(last.of(buf))
	op.HeaderLen = 0
	if withHeader {
		last = lastToken(buf, last.from)
		op.HeaderLen = parseSize(last.of(buf))
	}
	if op.HeaderLen < 0 || size < op.HeaderLen {
		return 0, 0, ErrBadArgs
	}
	op.Reply, op.Queues = nil, nil
	if rest == 1 {
		op.Reply = t[first].of(buf)
	} else if rest > 1 {
		end := first + rest
		switch string(t[first].of(buf)) {
		case "|":
			first++
		case "+":
			op.Reply = t[first+1].of(buf)
			first += 2
		default:
			return 0, 0, ErrBadArgs
		}
		if end-first > MaxQueues {
			return 0, 0, ErrBadArgs
		}
		if end > first {
			op.Queues = Queues(span{t[first].from, last.from}.of(buf))
		}
	}
	op.Kind = kind
	if p.MaxPayload >= 0 && size > p.MaxPayload {
		return 0, 0, ErrMaxPayload
	}
	op.Msg, n, need, err = payload(buf, eol+1, size)
	return n, need, err
}

// interest parses RS+, RS-, LS+, LS-, A+ or A- with arguments from buf[i] on:
// "[origin] [account] subject [queue weight]", "[origin] [account] subject [queue]",
// "account".
func (p *PeerParser) interest(buf []byte, i int, kind Kind, op *PeerOp) (n, need int, err error) {
	var t [maxPeerTokens]span
	args, count, eol, err := cut(buf, i, t[:], p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	if kind == OpASub || kind == OpAUnsub {
		if count != 1 {
			return 0, 0, ErrBadArgs
		}
		op.Kind, op.Account = kind, t[0].of(buf)
		return eol + 1, 0, nil
	}
	first := p.address(buf, &t, kind, op)
	adds := kind == OpRSub || kind == OpLSub
	switch rest := count - first; {
	case rest == 0:
		op.Queue, op.Weight = nil, 0
	case rest == 2 && adds:
		// What is no weight has always counted as one member.
		op.Queue, op.Weight = t[first].of(buf), max(parseSize(t[first+1].of(buf)), 1)
	case rest == 1 && !adds:
		op.Queue = t[first].of(buf)
	default:
		return 0, 0, ErrBadArgs
	}
	op.Kind = kind
	return eol + 1, 0, nil
}

// address sets origin, account and subject, as far as the operation has them, from
// the first tokens. It returns how many those are; the caller looks whether there
// were so many.
func (p *PeerParser) address(buf []byte, t *[maxPeerTokens]span, kind Kind, op *PeerOp) int {
	i := 0
	op.Origin, op.Account = nil, nil
	if p.Link != LinkLeaf && (kind == OpLSub || kind == OpLUnsub || kind == OpLMsg) {
		op.Origin = t[i].of(buf)
		i++
	}
	if p.Link == LinkRoute {
		op.Account = t[i].of(buf)
		i++
	}
	op.Subject = t[i].of(buf)
	return i + 1
}

// line parses an operation whose arguments, from buf[i] on, are one text or of no
// interest.
func (p *PeerParser) line(buf []byte, i int, kind Kind, op *PeerOp) (n, need int, err error) {
	args, eol, err := text(buf, i, p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	op.Kind = kind
	return eol + 1, 0, nil
}
