package jetstream

import (
	"encoding/binary"
	"errors"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// errBadPosition says that an encoded position is not one.
var errBadPosition = errors.New("jetstream: not a position")

// appendPosition encodes how far a machine is, with its length in front: index,
// term and time as varints, and the configuration.
func appendPosition(dst []byte, at *host.Position) []byte {
	var b []byte
	b = binary.AppendUvarint(b, uint64(at.Base.Index))
	b = binary.AppendUvarint(b, uint64(at.Base.Term))
	b = binary.AppendVarint(b, at.Time)
	b = at.Base.Conf.Append(b)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// decodePosition decodes what appendPosition has encoded at the start of b, and
// returns what follows.
func decodePosition(b []byte) (at host.Position, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return at, nil, errBadPosition
	}
	b, rest = b[n:n+int(size)], b[n+int(size):]
	index, n := binary.Uvarint(b)
	if n <= 0 {
		return at, nil, errBadPosition
	}
	b = b[n:]
	term, n := binary.Uvarint(b)
	if n <= 0 {
		return at, nil, errBadPosition
	}
	b = b[n:]
	time, n := binary.Varint(b)
	if n <= 0 {
		return at, nil, errBadPosition
	}
	conf, err := raft.DecodeConfState(b[n:])
	if err != nil {
		return at, nil, errors.Join(errBadPosition, err)
	}
	at.Base = raft.Base{Index: raft.Index(index), Term: raft.Term(term), Conf: conf}
	at.Time = time
	return at, rest, nil
}
