package transport

import (
	"net"
	"sync/atomic"
)

const (
	// stageSize is how many bytes are gathered for one write; frames that are
	// written from where they are come on top.
	stageSize = 64 << 10
	// Up to this size a frame is copied behind the others. A longer one is an
	// element of a vector of its own, if the connection has vectored writes:
	// else it costs a system call, and with TLS a record.
	copiedVectored = 2 << 10
	copiedPlain    = 16 << 10
	// maxVector is how many elements the kernel takes at a time (IOV_MAX).
	maxVector = 1024
)

// frameWriter gathers frames and writes them with as few calls as there can be.
// One goroutine uses it.
type frameWriter struct {
	conn net.Conn
	// copied is up to what size frames are copied.
	copied int
	// stage holds headers and short frames. It never moves, as vector has
	// parts of it: the one behind from is not in there yet.
	stage  []byte
	from   int
	vector [][]byte
	size   int // of all in vector and stage[from:]
	// buffers is vector while it is written, which consumes it. It is here
	// and not on the stack because it would escape.
	buffers net.Buffers

	// sent counts bytes, from before they are written; writes counts calls.
	sent, writes *atomic.Uint64
}

func newFrameWriter(conn net.Conn, sent, writes *atomic.Uint64) *frameWriter {
	w := &frameWriter{conn: conn, copied: copiedPlain, sent: sent, writes: writes, stage: make([]byte, 0, stageSize)}
	if _, ok := conn.(*net.TCPConn); ok {
		w.copied = copiedVectored
	}
	return w
}

// add puts a frame, which must not be changed any more, behind the others. It
// writes when there is no room.
func (w *frameWriter) add(frame []byte) error {
	staged := headerSize
	if len(frame) <= w.copied {
		staged += len(frame)
	}
	if len(w.stage)+staged > cap(w.stage) || len(w.vector)+3 > maxVector {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.stage = appendHeader(w.stage, frame)
	if len(frame) <= w.copied {
		w.stage = append(w.stage, frame...)
	} else {
		w.vector = append(w.vector, w.stage[w.from:], frame)
		w.from = len(w.stage)
	}
	w.size += headerSize + len(frame)
	return nil
}

// flush writes what has been added.
func (w *frameWriter) flush() error {
	if w.size == 0 {
		return nil
	}
	if w.from < len(w.stage) {
		w.vector = append(w.vector, w.stage[w.from:])
	}
	w.sent.Add(uint64(w.size))
	w.writes.Add(1)
	var err error
	if len(w.vector) == 1 {
		_, err = w.conn.Write(w.vector[0])
	} else {
		w.buffers = w.vector
		_, err = w.buffers.WriteTo(w.conn)
		w.buffers = nil
	}
	clear(w.vector)
	w.vector, w.stage, w.from, w.size = w.vector[:0], w.stage[:0], 0, 0
	return err
}
