//go:build linux || darwin || openbsd

package conn

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nats-lite/nats-lite/internal/chunk"
)

// rawConn gives access to the descriptor of a connection over a socket.
func rawConn(nc net.Conn) syscall.RawConn {
	switch nc := nc.(type) {
	case *net.TCPConn:
		rc, err := nc.SyscallConn()
		if err == nil {
			return rc
		}
	case *net.UnixConn:
		rc, err := nc.SyscallConn()
		if err == nil {
			return rc
		}
	}
	return nil
}

// readRaw waits until there is something to read and reads it. The buffer is
// held from the first try that finds something to the last that does not.
func (in *inbound) readRaw(raw syscall.RawConn) error {
	if in.try == nil {
		in.try = in.attempt
	}
	in.got = 0
	if err := raw.Read(in.try); err != nil {
		return err
	}
	return in.err
}

// attempt is one read; it returns false if it is to be called again when the
// descriptor is readable.
func (in *inbound) attempt(fd uintptr) bool {
	in.takeBuffer(in.n + 1)
	for {
		n, err := unix.Read(int(fd), (*in.buf)[in.n:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			in.park()
			if in.deep {
				in.deep = false
				in.err = errHandOver
				return true
			}
			return false
		case err != nil:
			in.err = err
		case n == 0:
			in.err = io.EOF
		default:
			in.got, in.err = n, nil
		}
		return true
	}
}

// outbound is what a write needs, and belongs to the one writer. It lives in
// the Conn because the runtime's call-back would otherwise allocate.
type outbound struct {
	vec  [][]byte
	wait bool
	n    int
	err  error
	try  func(fd uintptr) bool
}

// maxVector is how many buffers go into one write.
const maxVector = 64

var vectors = sync.Pool{New: func() any { return new([maxVector][]byte) }}

// writeRaw writes from the list as much as the connection takes at once.
func (out *outbound) writeRaw(raw syscall.RawConn, l *chunk.List) (n int, err error) {
	for l.Len() > 0 {
		k, err := out.write(raw, l, false)
		n += k
		if err == unix.EAGAIN {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// waitRaw waits until the connection takes something from the list, up to its
// deadline.
func (out *outbound) waitRaw(raw syscall.RawConn, l *chunk.List) (n int, err error) {
	return out.write(raw, l, true)
}

// write is one write of the first buffers of the list.
func (out *outbound) write(raw syscall.RawConn, l *chunk.List, wait bool) (n int, err error) {
	if out.try == nil {
		out.try = out.attempt
	}
	vec := vectors.Get().(*[maxVector][]byte)
	out.vec, out.wait = l.Vector(vec[:0], maxVector), wait
	out.n, out.err = 0, nil
	if err = raw.Write(out.try); err == nil {
		err = out.err
	}
	clear(out.vec)
	out.vec = nil
	vectors.Put(vec)
	l.Consume(out.n)
	return out.n, err
}

// attempt is one write; it returns false if it is to be called again when the
// descriptor is writable.
func (out *outbound) attempt(fd uintptr) bool {
	for {
		var n int
		if len(out.vec) == 1 {
			n, out.err = unix.Write(int(fd), out.vec[0])
		} else {
			n, out.err = unix.Writev(int(fd), out.vec)
		}
		if out.err != unix.EINTR {
			out.n = max(n, 0) // it is -1 with an error
			return out.err != unix.EAGAIN || !out.wait
		}
	}
}
