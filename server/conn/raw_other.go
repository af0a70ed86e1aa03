//go:build !(linux || darwin || openbsd)

package conn

import (
	"net"
	"syscall"

	"github.com/nats-lite/nats-lite/internal/chunk"
)

// rawConn gives nothing here: connections block, and write by a goroutine.
func rawConn(net.Conn) syscall.RawConn { return nil }

const noRaw = "conn: no raw connections on this system"

func (in *inbound) readRaw(syscall.RawConn) error { panic(noRaw) }

// outbound has nothing to remember.
type outbound struct{}

func (out *outbound) writeRaw(syscall.RawConn, *chunk.List) (int, error) { panic(noRaw) }

func (out *outbound) waitRaw(syscall.RawConn, *chunk.List) (int, error) { panic(noRaw) }
