package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// Magic is what a connection of this protocol begins with, in both directions.
const Magic = "\x8eNLRAFT\n"

// FirstByte is that of Magic. No text protocol has it, so that it tells a connection
// of this protocol from others that come to the same port.
const FirstByte byte = 0x8e

// Version is that of the protocol, the only one there is.
const Version = 1

// A handshake message is Magic, version, the length of its body, and the body. So
// it is in all versions. In this one the last four bytes of the body are a
// CRC32C of all before them; the dialling end sends a hello, the accepting one
// answers with a welcome or a refusal.
const (
	preambleSize = len(Magic) + 4
	// fixedSize is what a body has before its texts.
	fixedSize = 16
	// MaxName bounds names, users and passwords, in bytes.
	MaxName = 255
	maxBody = fixedSize + 6*(1+MaxName) + 4
)

// Classes as they are on the wire.
const (
	wireNormal = 1
	wireBulk   = 2
)

func classToWire(c host.Class) (uint8, bool) {
	switch c {
	case host.Normal:
		return wireNormal, true
	case host.Bulk:
		return wireBulk, true
	default:
		return 0, false
	}
}

func classFromWire(b uint8) (host.Class, bool) {
	switch b {
	case wireNormal:
		return host.Normal, true
	case wireBulk:
		return host.Bulk, true
	default:
		return 0, false
	}
}

// ErrHandshake says that the other end does not speak this protocol.
var ErrHandshake = errors.New("not a raft connection")

// RefusedError says that the accepting end does not want the connection.
type RefusedError struct {
	Reason Reason
	// Text is in the words of the accepting end.
	Text string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused: %s", e.Text) }

// Reason is why a connection is refused.
type Reason uint8

const (
	welcome Reason = iota
	// Unheard is, in TCP.Refused, for those who have said no hello.
	Unheard = welcome
)

// The others are as on the wire.
const (
	// RefusedVersion says that the accepting end does not speak the version.
	RefusedVersion Reason = iota + 1
	// RefusedMalformed says that it did not understand the hello.
	RefusedMalformed
	// RefusedCluster says that it belongs to another cluster.
	RefusedCluster
	// RefusedNode says that it is not the server that was asked for.
	RefusedNode
	// RefusedBusy says that it has too many connections already.
	RefusedBusy
	// RefusedCredentials says that the user or the password is wrong.
	RefusedCredentials
	// RefusedDuplicate says that there are two servers of one name, or two whose
	// names make the same number.
	RefusedDuplicate

	reasons // one more than the last
)

var reasonNames = [reasons]string{"unheard", "version", "malformed", "cluster", "node", "busy", "credentials", "duplicate"}

func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// hello is what the dialling end says.
type hello struct {
	Class host.Class
	From  raft.NodeID
	// Incarnation is that of the store that From has.
	Incarnation uint32
	To          raft.NodeID
	Cluster     string
	// Name is that of the server, Instance that of its process.
	Name, Instance string
	// ToName is that of the server that is meant.
	ToName             string
	Username, Password string
}

// reply is what the accepting end answers.
type reply struct {
	Reason Reason
	Node   raft.NodeID
	// Incarnation is that of the store that Node has.
	Incarnation uint32
	// MaxFrame is the largest frame that Node accepts.
	MaxFrame uint32
	Cluster  string
	// Name is that of the server, Instance that of its process.
	Name, Instance string
	// Text tells the reason to people.
	Text string
}

// encode needs texts that have MaxName bytes at most.
func (h *hello) encode() []byte {
	class, _ := classToWire(h.Class) // lanes are made for valid classes only
	b := make([]byte, preambleSize, preambleSize+maxBody)
	b = append(b, class, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.From))
	b = binary.LittleEndian.AppendUint32(b, h.Incarnation)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.To))
	return seal(appendTexts(b, h.Cluster, h.Name, h.Instance, h.ToName, h.Username, h.Password))
}

func decodeHello(body []byte) (h hello, err error) {
	if len(body) < fixedSize {
		return hello{}, errors.New("hello is too short")
	}
	class, ok := classFromWire(body[0])
	if !ok {
		return hello{}, fmt.Errorf("hello has class %d, which is unknown", body[0])
	}
	h.Class = class
	h.From = raft.NodeID(binary.LittleEndian.Uint32(body[4:]))
	h.Incarnation = binary.LittleEndian.Uint32(body[8:])
	h.To = raft.NodeID(binary.LittleEndian.Uint32(body[12:]))
	if err := texts(body[fixedSize:], &h.Cluster, &h.Name, &h.Instance, &h.ToName, &h.Username, &h.Password); err != nil {
		return hello{}, err
	}
	if h.From == 0 {
		return hello{}, errors.New("hello comes from node 0")
	}
	return h, checkNames(h.Cluster, h.Name, h.Instance)
}

func (r *reply) encode() []byte {
	b := make([]byte, preambleSize, preambleSize+maxBody)
	b = append(b, byte(r.Reason), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(r.Node))
	b = binary.LittleEndian.AppendUint32(b, r.Incarnation)
	b = binary.LittleEndian.AppendUint32(b, r.MaxFrame)
	return seal(appendTexts(b, r.Cluster, r.Name, r.Instance, r.Text[:min(len(r.Text), MaxName)]))
}

func decodeReply(body []byte) (r reply, err error) {
	if len(body) < fixedSize {
		return reply{}, errors.New("answer is too short")
	}
	r.Reason = Reason(body[0])
	r.Node = raft.NodeID(binary.LittleEndian.Uint32(body[4:]))
	r.Incarnation = binary.LittleEndian.Uint32(body[8:])
	r.MaxFrame = binary.LittleEndian.Uint32(body[12:])
	if err := texts(body[fixedSize:], &r.Cluster, &r.Name, &r.Instance, &r.Text); err != nil {
		return reply{}, err
	}
	// It ends up in log lines.
	r.Text = strings.Map(func(c rune) rune {
		if c == utf8.RuneError || unicode.IsControl(c) {
			return '?'
		}
		return c
	}, r.Text)
	return r, checkNames(r.Cluster, r.Name, r.Instance)
}

// checkNames refuses what would make a log unreadable, and nobody.
func checkNames(names ...string) error {
	for _, name := range names {
		if name == "" || len(name) > MaxName || !utf8.ValidString(name) ||
			strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
			return fmt.Errorf("%q is not the name of a cluster, server or process", name)
		}
	}
	return nil
}

func appendTexts(dst []byte, texts ...string) []byte {
	for _, s := range texts {
		dst = append(append(dst, byte(len(s))), s...)
	}
	return dst
}

// texts takes b apart, of which nothing may be left.
func texts(b []byte, into ...*string) error {
	for _, s := range into {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return errors.New("length of a text does not fit")
		}
		n := 1 + int(b[0])
		*s, b = string(b[1:n]), b[n:]
	}
	if len(b) > 0 {
		return errors.New("length of a text does not fit")
	}
	return nil
}

// seal fills in the preamble and appends the checksum.
func seal(b []byte) []byte {
	copy(b, Magic)
	binary.LittleEndian.PutUint16(b[len(Magic):], Version)
	binary.LittleEndian.PutUint16(b[len(Magic)+2:], uint16(len(b)-preambleSize+4))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// versionError is returned for a message of another version, of which nothing
// else is known.
type versionError uint16

func (e versionError) Error() string {
	return fmt.Sprintf("version %d of the protocol is not supported, only %d", uint16(e), Version)
}

// readHandshake reads a handshake message and returns its body without the
// checksum. It reads not a byte more than that.
func readHandshake(r io.Reader) ([]byte, error) {
	var preamble [preambleSize]byte
	if _, err := io.ReadFull(r, preamble[:]); err != nil {
		return nil, err
	}
	if string(preamble[:len(Magic)]) != Magic {
		return nil, fmt.Errorf("%w: it begins with %q", ErrHandshake, preamble[:len(Magic)])
	}
	version := binary.LittleEndian.Uint16(preamble[len(Magic):])
	size := int(binary.LittleEndian.Uint16(preamble[len(Magic)+2:]))
	if version != Version {
		// Its body is read, because to close a connection with bytes unread resets
		// it, and the other end might not see why.
		if _, err := io.CopyN(io.Discard, r, int64(size)); err != nil {
			return nil, err
		}
		return nil, versionError(version)
	}
	if size < 4 || size > maxBody {
		return nil, fmt.Errorf("%w: message of %d bytes", ErrHandshake, size)
	}
	message := make([]byte, preambleSize+size)
	copy(message, preamble[:])
	if _, err := io.ReadFull(r, message[preambleSize:]); err != nil {
		return nil, err
	}
	end := len(message) - 4
	if crc32.Checksum(message[:end], castagnoli) != binary.LittleEndian.Uint32(message[end:]) {
		return nil, fmt.Errorf("%w: checksum of the handshake does not match", ErrHandshake)
	}
	return message[preambleSize:end], nil
}
