//go:build !windows && !plan9

package logging

import (
	"fmt"
	"log/syslog"
	"os"
	"path/filepath"
	"time"
)

// dialTimeout bounds the connecting to a syslog server.
const dialTimeout = 5 * time.Second

// syslogWriter is the syslog of this machine or another. Lines have no prefix,
// since syslog adds one.
type syslogWriter struct {
	w   *syslog.Writer
	buf []byte
}

func openSyslog(tag string) (destination, error) { return dialSyslog("", "", tag) }

func openRemoteSyslog(rawURL, tag string) (destination, error) {
	network, addr, err := parseSyslogURL(rawURL)
	if err != nil {
		return nil, err
	}
	return dialSyslog(network, addr, tag)
}

func dialSyslog(network, addr, tag string) (destination, error) {
	if tag == "" {
		tag = filepath.Base(os.Args[0])
	}
	type dialled struct {
		w   *syslog.Writer
		err error
	}
	result := make(chan dialled, 1)
	timeout := time.NewTimer(dialTimeout)
	defer timeout.Stop()
	// The package has no timeout of its own. A dial that is given up ends when
	// the system gives up, and is then closed.
	go func() {
		w, err := syslog.Dial(network, addr, syslog.LOG_DAEMON|syslog.LOG_NOTICE, tag)
		result <- dialled{w, err}
	}()
	select {
	case d := <-result:
		if d.err != nil {
			return nil, fmt.Errorf("error connecting to syslog: %q", d.err.Error())
		}
		return &syslogWriter{w: d.w}, nil
	case <-timeout.C:
		go func() {
			if d := <-result; d.err == nil {
				_ = d.w.Close() // Nothing was written to it.
			}
		}()
		return nil, fmt.Errorf("error connecting to syslog: %q", "timeout")
	}
}

func (s *syslogWriter) write(ln line) error {
	s.buf = appendMessage(s.buf[:0], ln.message)
	message := string(s.buf)
	s.buf = trimBuffer(s.buf)
	switch ln.level {
	case LevelDebug, LevelTrace:
		return s.w.Debug(message)
	case LevelWarn:
		return s.w.Warning(message)
	case LevelError:
		return s.w.Err(message)
	case LevelFatal:
		return s.w.Crit(message)
	default:
		return s.w.Notice(message)
	}
}

func (s *syslogWriter) reopen() error { return errNotFile }

func (s *syslogWriter) close() error { return s.w.Close() }
