package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// destination is where lines go. It is used by one goroutine at a time.
type destination interface {
	// write writes a line with one call, or returns the error because of which
	// it is lost.
	write(line) error
	// reopen is Logger.Reopen, with errNotFile where there is nothing to reopen.
	reopen() error
	close() error
}

var errNotFile = errors.New("log is not a file")

// open opens the destination that cfg asks for.
func open(cfg Config, env Env) (destination, error) {
	form := lineForm{pid: env.PID, time: cfg.Time, utc: cfg.UTC}
	switch {
	case cfg.File != "":
		return openFile(cfg, env, form)
	case cfg.RemoteSyslog != "":
		return openRemoteSyslog(cfg.RemoteSyslog, cfg.Tag)
	case cfg.Syslog:
		return openSyslog(cfg.Tag)
	}
	form.colour = isTerminal(env.Stderr)
	return &console{w: env.Stderr, form: form}, nil
}

// console is standard error.
type console struct {
	w    io.Writer
	form lineForm
	buf  []byte
}

func (c *console) write(ln line) error {
	c.buf = c.form.appendLine(c.buf[:0], ln)
	_, err := c.w.Write(c.buf)
	c.buf = trimBuffer(c.buf)
	return err
}

func (c *console) reopen() error { return errNotFile }

// close leaves standard error open for the rest of the process.
func (c *console) close() error { return nil }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// trimBuffer keeps a buffer for the next line, unless one long line made it
// large.
func trimBuffer(buf []byte) []byte {
	const keep = 64 << 10
	if cap(buf) > keep {
		return nil
	}
	return buf
}

// writer writes to the destination, and keeps account of what could not be
// written.
type writer struct {
	env  Env
	dest destination
	// lost counts lines since the last that was written, because of cause.
	lost  int
	cause error
	// told is when standard error was last told of a failure.
	told time.Time
}

func (w *writer) write(ln line) {
	if err := w.dest.write(ln); err != nil {
		w.lost++
		w.cause = err
		w.tell()
		return
	}
	if w.lost == 0 {
		return
	}
	report := fmt.Sprintf("Log lines lost: %d, they could not be written: %v", w.lost, w.cause)
	if err := w.dest.write(line{at: w.env.Now(), level: LevelWarn, message: report}); err != nil {
		w.cause = err
		return // Those lines remain to be reported.
	}
	w.lost = 0
}

// tell reports a failure on standard error, which may be of no use either: so
// what comes of it is ignored.
func (w *writer) tell() {
	const every = time.Minute
	now := w.env.Now()
	if _, ok := w.dest.(*console); ok || (!w.told.IsZero() && now.Sub(w.told) < every) {
		return
	}
	w.told = now
	ln := line{at: now, level: LevelError, message: fmt.Sprintf("Log lines are being lost: %v", w.cause)}
	form := lineForm{pid: w.env.PID, time: true}
	_, _ = w.env.Stderr.Write(form.appendLine(nil, ln))
}

// swap puts another destination in place and closes the present one.
func (w *writer) swap(dest destination) error {
	old := w.dest
	w.dest = dest
	w.told = time.Time{}
	return old.close()
}
