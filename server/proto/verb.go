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
)

// verbOf finds the verb that buf starts with. It is nil, without an error, if
// buf ends before that is clear.
func verbOf(buf []byte) (*verb, error) {
	if len(buf) == 0 {
		return nil, nil
	}
	return match(buf, candidate(buf))
}

// match tells whether buf starts with v, which is nil if no verb can be meant.
func match(buf []byte, v *verb) (*verb, error) {
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
	}
	return v, nil
}

// candidate picks the only verb that the first bytes allow; where several have
// a first letter in common and there is no second yet, it is one of them.
func candidate(buf []byte) *verb {
	switch buf[0] {
	case 'P', 'p':
		if len(buf) == 1 {
			return verbPub
		}
		switch buf[1] {
		case 'U', 'u':
			return verbPub
		case 'I', 'i':
			return verbPing
		case 'O', 'o':
			return verbPong
		}
	case 'H', 'h':
		return verbHPub
	case 'S', 's':
		return verbSub
	case 'U', 'u':
		return verbUnsub
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
