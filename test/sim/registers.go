package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// registers is the content that is made for the check of histories: a register and a log.
type registers struct {
	// writes holds all values that the register has had, the last one being its
	// value; log holds all values appended.
	writes []uint64
	log    []uint64
}

func newRegisters(*replica) content { return &registers{} }

// register is the value written last.
func (s *registers) register() uint64 {
	if n := len(s.writes); n > 0 {
		return s.writes[n-1]
	}
	return 0
}

// The operations that clients propose: one byte, then a value in 8.
const (
	opWrite  = 'w'
	opAppend = 'a'
)

func encodeOp(kind byte, value uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{kind}, value)
}

// apply implements content. A client is told the position in the log, or the value that
// the register held before.
func (s *registers) apply(op []byte, _ int64) (any, []byte, error) {
	if len(op) != 9 {
		return nil, nil, fmt.Errorf("operation of %d bytes", len(op))
	}
	v := binary.LittleEndian.Uint64(op[1:])
	switch op[0] {
	case opWrite:
		old := s.register()
		s.writes = append(s.writes, v)
		return old, nil, nil
	case opAppend:
		s.log = append(s.log, v)
		return uint64(len(s.log)), nil, nil
	}
	return nil, nil, fmt.Errorf("operation %q", op[0])
}

// digest implements content. The hash over what was applied says it all.
func (s *registers) digest() (uint64, error) { return 0, nil }

// image implements content.
func (s *registers) image() ([]byte, error) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(s.writes)))
	for _, v := range slices.Concat(s.writes, s.log) {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b, nil
}

// prepare implements content.
func (s *registers) prepare(b []byte) (func(), error) {
	if len(b) < 8 || len(b)%8 != 0 || binary.LittleEndian.Uint64(b) > uint64(len(b)/8-1) {
		return nil, errBadState
	}
	writes := binary.LittleEndian.Uint64(b)
	var values []uint64
	for b = b[8:]; len(b) > 0; b = b[8:] {
		values = append(values, binary.LittleEndian.Uint64(b))
	}
	return func() { s.writes, s.log = slices.Clone(values[:writes]), slices.Clone(values[writes:]) }, nil
}
