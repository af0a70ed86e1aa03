package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// Bounds of the queue between those who log and the destination.
const (
	maxQueueLines = 8192
	maxQueueBytes = 64 << 20
	// lineOverhead is what a queued line costs besides its message.
	lineOverhead = 64
)

const (
	// closeTimeout bounds how long Close waits for the destination.
	closeTimeout = 3 * time.Second
	// commandTimeout bounds how long Reopen and Reconfigure do.
	commandTimeout = 10 * time.Second
)

// Level is the severity of a line.
type Level uint8

// The levels. LevelTrace shows the protocol of clients.
const (
	LevelInfo Level = iota
	LevelDebug
	LevelWarn
	LevelError
	LevelFatal
	LevelTrace
)

// String returns the three letters that stand in a line.
func (v Level) String() string { return [...]string{"INF", "DBG", "WRN", "ERR", "FTL", "TRC"}[v] }

// Config says what is logged and where. Of the destinations, the first one that
// is set counts: File, RemoteSyslog, Syslog; none is standard error.
type Config struct {
	Debug, Trace bool
	// Time puts the time into lines, in UTC instead of local time if that is set.
	Time, UTC bool

	// File is a path. The file is created, its directory is not.
	File string
	// SizeLimit is the size in bytes above which File is renamed to have the time
	// in its name, and started anew; 0 is never. MaxFiles bounds the files that
	// are kept, including the current one; 0 is all.
	SizeLimit int64
	MaxFiles  int

	// RemoteSyslog is the address of a syslog server: udp://host:port,
	// tcp://host:port or unix:///path. Syslog is the one of this machine.
	RemoteSyslog string
	Syslog       bool
	// Tag is the name of the program in syslog; "" is that of the executable.
	Tag string
}

// Env is what a Logger uses of the world. A zero field is the real thing.
type Env struct {
	Now    func() time.Time
	PID    int
	Stderr io.Writer
	FS     FS
}

func (e Env) orReal() Env {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.PID == 0 {
		e.PID = os.Getpid()
	}
	if e.Stderr == nil {
		e.Stderr = os.Stderr
	}
	if e.FS == nil {
		e.FS = osFS{}
	}
	return e
}

// Logger logs. Its methods may be called from any goroutine, and the ones that
// log never block; after Close they do nothing.
type Logger struct {
	env          Env
	debug, trace atomic.Bool
	closed       atomic.Bool

	queue chan item
	// queued is the size of what is in the queue, and dropped the number of lines
	// that did not fit since the last report.
	queued  atomic.Int64
	dropped atomic.Int64
	done    chan struct{}

	limit limiter
	// w belongs to the goroutine that runs write.
	w writer
}

// item is a line, or a command if cmd is not nil.
type item struct {
	line
	cmd *command
}

// command is something for the writer's goroutine to do between two lines.
type command struct {
	do func() error
	// stop ends the goroutine afterwards.
	stop bool
	// result has room for what do returned, so that nobody need wait for it.
	result chan error
}

// line is a message on its way to the destination.
type line struct {
	at      time.Time
	level   Level
	message string
}

// New opens the destination and starts the goroutine that writes to it, which
// Close ends. The error is that of the destination.
func New(cfg Config, env Env) (*Logger, error) {
	env = env.orReal()
	dest, err := open(cfg, env)
	if err != nil {
		return nil, err
	}
	l := &Logger{
		env:   env,
		queue: make(chan item, maxQueueLines),
		done:  make(chan struct{}),
		limit: limiter{interval: limitInterval, max: limitKeys},
		w:     writer{env: env, dest: dest},
	}
	l.SetLevels(cfg.Debug, cfg.Trace)
	go l.run()
	return l, nil
}

// SetLevels switches the levels that are not always logged.
func (l *Logger) SetLevels(debug, trace bool) {
	l.debug.Store(debug)
	l.trace.Store(trace)
}

// DebugEnabled and TraceEnabled report whether such lines are logged, for those
// who can save the work of preparing one.
func (l *Logger) DebugEnabled() bool { return l.debug.Load() }

// TraceEnabled is explained at DebugEnabled.
func (l *Logger) TraceEnabled() bool { return l.trace.Load() }

// Noticef logs what an operator wants to see in normal operation.
func (l *Logger) Noticef(format string, args ...any) { l.log(LevelInfo, format, args) }

// Warnf logs what an operator should look at in time.
func (l *Logger) Warnf(format string, args ...any) { l.log(LevelWarn, format, args) }

// Errorf logs what went wrong.
func (l *Logger) Errorf(format string, args ...any) { l.log(LevelError, format, args) }

// Fatalf logs the reason why the caller is about to end the process. It only
// logs: the caller calls Close, then exits.
func (l *Logger) Fatalf(format string, args ...any) { l.log(LevelFatal, format, args) }

// Debugf logs if debugging is enabled.
func (l *Logger) Debugf(format string, args ...any) {
	if l.debug.Load() {
		l.log(LevelDebug, format, args)
	}
}

// Tracef logs if tracing is enabled.
func (l *Logger) Tracef(format string, args ...any) {
	if l.trace.Load() {
		l.log(LevelTrace, format, args)
	}
}

// LimitedWarnf is Warnf for what may happen any number of times a second. After
// a warning, others with the same key are only counted for a minute; the next
// one that is logged tells how many there were.
func (l *Logger) LimitedWarnf(key, format string, args ...any) {
	if l.closed.Load() {
		return
	}
	message := fmt.Sprintf(format, args...)
	for _, m := range l.limit.warn(key, message, l.env.Now()) {
		l.enqueue(LevelWarn, m)
	}
}

func (l *Logger) log(level Level, format string, args []any) {
	if !l.closed.Load() {
		l.enqueue(level, fmt.Sprintf(format, args...))
	}
}

// enqueue gives a line to the writer, unless the queue is full for its level.
func (l *Logger) enqueue(level Level, message string) {
	lines, bytes := maxQueueLines, int64(maxQueueBytes)
	if level == LevelDebug || level == LevelTrace {
		lines, bytes = lines/2, bytes/2
	}
	size := int64(len(message)) + lineOverhead
	if l.queued.Add(size) <= bytes && len(l.queue) < lines {
		select {
		case l.queue <- item{line: line{at: l.env.Now(), level: level, message: message}}:
			return
		default:
			// Others were faster to take the last places.
		}
	}
	l.queued.Add(-size)
	l.dropped.Add(1)
}

// run writes what is queued until it is told to stop.
func (l *Logger) run() {
	defer close(l.done)
	for it := range l.queue {
		if it.cmd != nil {
			it.cmd.result <- it.cmd.do()
			if it.cmd.stop {
				return
			}
			continue
		}
		l.queued.Add(-int64(len(it.message)) - lineOverhead)
		l.w.write(it.line)
		l.reportDropped()
	}
}

// reportDropped runs on the writer's goroutine.
func (l *Logger) reportDropped() {
	if n := l.dropped.Swap(0); n > 0 {
		l.w.write(line{at: l.env.Now(), level: LevelWarn, message: fmt.Sprintf("Log lines lost: %d, the log is written too slowly", n)})
	}
}

// errSlow says that a command was not carried out in time, but still will be.
var errSlow = errors.New("the log is not being written")

// command has the writer's goroutine call do, after all lines that are queued
// already, and returns the result. The error is errSlow, os.ErrClosed or that of
// the context, if do was not called.
func (l *Logger) command(ctx context.Context, stop bool, do func() error) error {
	cmd := &command{do: do, stop: stop, result: make(chan error, 1)}
	select {
	case l.queue <- item{cmd: cmd}:
	case <-l.done:
		return os.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-cmd.result:
		return err
	case <-l.done:
		// What ended the goroutine was this command, or one before it.
		select {
		case err := <-cmd.result:
			return err
		default:
			return os.ErrClosed
		}
	case <-ctx.Done():
		return errSlow
	}
}

// Flush waits until everything that was logged before has been written, or could
// not be.
func (l *Logger) Flush(ctx context.Context) error {
	return l.command(ctx, false, func() error { return nil })
}

// Reconfigure changes levels and destination. The new destination is opened
// first; if that fails, nothing changes. Lines that were logged before still go
// to the old one. Where the old one hangs, it returns an error after a while, and
// the change happens when the old one has come back.
func (l *Logger) Reconfigure(cfg Config) error {
	dest, err := open(cfg, l.env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	swapped := func() error {
		if err := l.w.swap(dest); err != nil {
			l.Warnf("Closing the previous log: %v", err)
		}
		l.SetLevels(cfg.Debug, cfg.Trace)
		return nil
	}
	err = l.command(ctx, false, swapped)
	if err != nil && !errors.Is(err, errSlow) {
		return errors.Join(err, dest.close())
	}
	return err
}

// Reopen opens what is at the path of the log file now and closes what was open,
// which is how tools that rename log files expect it. If opening fails, the old
// file stays in use. Where the log is not a file, it does nothing and
// reports false.
func (l *Logger) Reopen() (isFile bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	err = l.command(ctx, false, func() error { return l.w.dest.reopen() })
	if errors.Is(err, errNotFile) {
		return false, nil
	}
	return true, err
}

// Close writes what is queued and closes the destination. It waits a few seconds
// at the most. Calls after the first do nothing.
func (l *Logger) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	for _, m := range l.limit.flush() {
		l.enqueue(LevelWarn, m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.command(ctx, true, func() error {
		l.reportDropped()
		return l.w.dest.close()
	})
}
