package proto

import "bytes"

// verb is what an operation begins with.
type verb struct {
	kind Kind
	// name is in capitals.
	name []byte
	// spaced verbs are followed by a space or a tab, others by anything.
	spaced bool
}

var (
	verbConnect = &verb{kind: OpConnect, name: []byte("CONNECT")}
	verbInfo    = &verb{kind: OpInfo, name: []byte("INFO")}
	verbPub     = &verb{kind: OpPub, name: []byte("PUB"), spaced: true}
	verbHPub    = &verb{kind: OpHPub, name: []byte("HPUB"), spaced: true}
	verbSub     = &verb{kind: OpSub, name: []byte("SUB"), spaced: true}
	verbUnsub   = &verb{kind: OpUnsub, name: []byte("UNSUB"), spaced: true}
	verbPing    = &verb{kind: OpPing, name: []byte("PING")}
	verbPong    = &verb{kind: OpPong, name: []byte("PONG")}
	verbOK      = &verb{kind: OpOK, name: []byte("+OK")}
	verbErr     = &verb{kind: OpErr, name: []byte("-ERR"), spaced: true}

	verbRSub   = &verb{kind: OpRSub, name: []byte("RS+"), spaced: true}
	verbRUnsub = &verb{kind: OpRUnsub, name: []byte("RS-"), spaced: true}
	verbRMsg   = &verb{kind: OpRMsg, name: []byte("RMSG"), spaced: true}
	verbLSub   = &verb{kind: OpLSub, name: []byte("LS+"), spaced: true}
	verbLUnsub = &verb{kind: OpLUnsub, name: []byte("LS-"), spaced: true}
	verbLMsg   = &verb{kind: OpLMsg, name: []byte("LMSG"), spaced: true}
	verbHMsg   = &verb{kind: OpHMsg, name: []byte("HMSG"), spaced: true}
	verbASub   = &verb{kind: OpASub, name: []byte("A+"), spaced: true}
	verbAUnsub = &verb{kind: OpAUnsub, name: []byte("A-"), spaced: true}
)

// match returns v if buf starts with it and with what may follow it. The result
// is nil, without an error, if buf ends before that is clear. A v of nil stands for
// no verb at all.
func (v *verb) match(buf []byte) (*verb, error) {
	switch {
	case v == nil:
		return nil, ErrUnknownOp
	case len(buf) < len(v.name):
		if !bytes.EqualFold(buf, v.name[:len(buf)]) {
			return nil, ErrUnknownOp
		}
		return nil, nil
	case !bytes.EqualFold(buf[:len(v.name)], v.name):
		return nil, ErrUnknownOp
	case !v.spaced:
		return v, nil
	case len(buf) == len(v.name):
		return nil, nil
	case !isBlank(buf[len(v.name)]):
		return nil, ErrUnknownOp
	}
	return v, nil
}

// clientVerb picks the only verb of a client that the first bytes of buf allow, nil
// if none does; where several have a first letter in common and there is no second
// yet, it is one of them. There is at least one byte.
func clientVerb(buf []byte) *verb {
	switch buf[0] {
	case 'P', 'p':
		if len(buf) == 1 || lower(buf[1]) == 'u' {
			return verbPub
		}
	case 'H', 'h':
		return verbHPub
	case 'S', 's':
		return verbSub
	case 'U', 'u':
		return verbUnsub
	}
	return commonVerb(buf)
}

// peerVerb is clientVerb for a server on a link of this kind.
func peerVerb(buf []byte, link Link) *verb {
	switch buf[0] {
	case 'R', 'r':
		if link != LinkLeaf {
			return pick(buf, verbRMsg, verbRSub, verbRUnsub)
		}
	case 'L', 'l':
		return pick(buf, verbLMsg, verbLSub, verbLUnsub)
	case 'H', 'h':
		return verbHMsg
	case 'A', 'a':
		switch {
		case link == LinkLeaf:
		case len(buf) > 1 && buf[1] == '-':
			return verbAUnsub
		default:
			return verbASub
		}
	}
	return commonVerb(buf)
}

// pick tells RMSG, RS+ and RS- apart, or LMSG, LS+ and LS-.
func pick(buf []byte, msg, sub, unsub *verb) *verb {
	switch {
	case len(buf) > 1 && lower(buf[1]) == 'm':
		return msg
	case len(buf) > 2 && buf[2] == '-':
		return unsub
	}
	return sub
}

// commonVerb is clientVerb for what clients and servers alike may say.
func commonVerb(buf []byte) *verb {
	switch buf[0] {
	case 'P', 'p':
		if len(buf) == 1 || lower(buf[1]) == 'i' {
			return verbPing
		}
		if lower(buf[1]) == 'o' {
			return verbPong
		}
	case 'C', 'c':
		return verbConnect
	case 'I', 'i':
		return verbInfo
	case '+':
		return verbOK
	case '-':
		return verbErr
	}
	return nil
}

// lower makes a capital letter a small one. No byte but a letter becomes one.
func lower(c byte) byte { return c | 0x20 }
