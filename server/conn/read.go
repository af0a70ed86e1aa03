package conn

import (
	"errors"
	"net"
	"slices"
	"syscall"
)

const (
	// keepSize is how much of an unfinished operation a waiting connection may
	// hold in a full buffer. Less is copied into a buffer of its size.
	keepSize = readSize / 4
	// quietSize is the buffer of a waiting connection that cannot be asked
	// whether there is something to read.
	quietSize = 1 << 10
)

// inbound is the reading side. It belongs to the reading goroutine.
type inbound struct {
	// buf is a buffer of the pools, nil while the connection waits. Its first
	// n bytes are an unfinished operation, which will have need bytes as far
	// as is known.
	buf  *[]byte
	n    int
	need int
	// rest holds the n bytes while there is no buf.
	rest []byte
	// unseen is set if the handler has not seen what is in rest.
	unseen bool
	// deep is set if the goroutine's stack may have grown.
	deep bool

	// got is what the last read brought, err how it failed, try what the
	// runtime calls to read.
	got int
	err error
	try func(fd uintptr) bool
	// quiet is what connections without a descriptor wait with. filled says
	// that the last read of such a one got all that it had room for.
	quiet  []byte
	filled bool
}

var errHandOver = errors.New("conn: stack has grown")

// unread puts bytes before those to be read.
func (in *inbound) unread(b []byte) {
	in.rest = slices.Clone(b)
	in.n = len(b)
	in.unseen = in.n > 0
}

// forget drops what was read and gives the buffer back.
func (in *inbound) forget() {
	in.n, in.need, in.rest = 0, 0, nil
	in.deep, in.unseen = false, false
	in.release()
}

// takeBuffer makes sure that there is a buffer for n bytes, or for as many as
// the unfinished operation will have, with what there is of that in it.
func (in *inbound) takeBuffer(n int) {
	n = max(n, in.need)
	if in.buf != nil && len(*in.buf) >= n {
		return
	}
	b := getBuffer(n)
	if in.buf != nil {
		copy(*b, (*in.buf)[:in.n])
	} else {
		copy(*b, in.rest)
	}
	in.release()
	in.buf = b
}

// release gives the buffer back.
func (in *inbound) release() {
	if in.buf != nil {
		putBuffer(in.buf)
		in.buf = nil
	}
}

// park is called when there is nothing to read: it gives up what an idle
// connection need not hold.
func (in *inbound) park() {
	if in.buf == nil || in.n > keepSize {
		return
	}
	if in.n == 0 {
		in.rest = nil
	} else {
		in.rest = append(in.rest[:0], (*in.buf)[:in.n]...)
	}
	in.release()
}

// transport returns what to read from and write to.
func (c *Conn) transport() (net.Conn, syscall.RawConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc, c.raw
}

// readLoop reads for the handler until the connection is to be closed, and then
// for nobody.
func (c *Conn) readLoop() {
	switch err := c.readOperations(); {
	case err == nil:
		c.discard()
	case errors.Is(err, errHandOver):
		go c.readLoop()
	default:
		c.inputEnded(err)
	}
}

// readOperations reads and consumes. It returns nil when the connection was
// closed, but perhaps not the socket.
func (c *Conn) readOperations() error {
	nc, raw := c.transport()
	for {
		if c.in.unseen {
			c.in.unseen = false
			c.in.takeBuffer(c.in.n)
		} else if err := c.read(nc, raw); err != nil {
			return err
		}
		if c.isClosing() {
			return nil
		}
		c.consume()
	}
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// consume lets the handler work on what there is.
func (c *Conn) consume() {
	in := &c.in
	buf := *in.buf
	used, need, deep := c.handler.Consume(buf[:in.n:in.n])
	in.deep = in.deep || deep
	in.need = need
	if used > 0 {
		in.n = copy(buf, buf[used:in.n])
	}
}

// read waits for bytes and adds them to the buffer; in.got is how many.
func (c *Conn) read(nc net.Conn, raw syscall.RawConn) error {
	in := &c.in
	var err error
	if raw != nil {
		err = in.readRaw(raw)
	} else {
		err = in.readPlain(nc)
	}
	in.n += in.got
	if in.got > 0 {
		return nil // an error comes again
	}
	return err
}

// readPlain reads from a connection that can only block. It waits with a small
// buffer, and reads into a large one for as long as that is filled.
func (in *inbound) readPlain(nc net.Conn) (err error) {
	if !in.filled {
		in.park()
	}
	if in.buf != nil {
		in.takeBuffer(in.n + 1)
		room := (*in.buf)[in.n:]
		in.got, err = nc.Read(room)
		in.filled = in.got == len(room)
		return err
	}
	if in.quiet == nil {
		in.quiet = make([]byte, quietSize)
	}
	in.got, err = nc.Read(in.quiet)
	in.filled = in.got == len(in.quiet)
	in.takeBuffer(in.n + in.got)
	copy((*in.buf)[in.n:], in.quiet[:in.got])
	return err
}
