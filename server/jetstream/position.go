package jetstream

import (
	"encoding/binary"
	"errors"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// errBadPosition says that an encoded position is not one.
var errBadPosition = errors.New("jetstream: not a position")

// appendPosition encodes how far a machine is, with its length in front: index,
// term and time as varints, and the configuration.
func appendPosition(dst []byte, at *host.Position) []byte {
	b := pack.AppendUvarints(nil, uint64(at.Base.Index), uint64(at.Base.Term))
	b = binary.AppendVarint(b, at.Time)
	return pack.AppendBytes(dst, at.Base.Conf.Append(b))
}

// decodePosition decodes what appendPosition has encoded at the start of b, and
// returns what follows.
func decodePosition(b []byte) (at host.Position, rest []byte, err error) {
	in := pack.NewReader(b)
	body := pack.NewReader(in.Bytes())
	at.Base.Index, at.Base.Term, at.Time = raft.Index(body.Uvarint()), raft.Term(body.Uvarint()), body.Varint()
	if body.Bad() {
		return host.Position{}, nil, errBadPosition
	}
	if at.Base.Conf, err = raft.DecodeConfState(body.Rest()); err != nil {
		return host.Position{}, nil, errors.Join(errBadPosition, err)
	}
	return at, in.Rest(), nil
}
