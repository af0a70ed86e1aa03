package archive

import (
	"errors"
	"time"
)

// chunkWait is how long a restore waits for the next chunk.
const chunkWait = int64(5 * time.Second)

// maxAhead is how many bytes a client may send ahead of the answers. Clients wait for
// every answer, or for those to a few chunks of a hundred kilobytes.
const maxAhead = 32 << 20

// Why a restore ends before its end.
var (
	ErrSilence  = errors.New("no chunk for too long")
	ErrNoReply  = errors.New("a chunk without reply subject")
	ErrTooAhead = errors.New("too many chunks ahead of the answers")
	ErrAtEnd    = errors.New("a chunk behind the end")
)

// ReceiveFlow says what becomes of the requests that a restore consists of: chunks of
// an archive, each of which is answered with an empty message when it was taken in,
// and an empty one at the end, which is answered when all is restored. Times are in
// nanoseconds since the Unix epoch. One goroutine at a time may use it.
//
// A client has to be heard of while nothing of it is waiting to be taken in, or the
// restore is over.
type ReceiveFlow struct {
	// since is when the client was waited for last.
	since int64
	// held counts bytes of chunks that have come and were not taken in, in chunks.
	held, chunks int
	received     int64
	ended        bool
	err          error
}

// NewReceiveFlow begins to receive a restore.
func NewReceiveFlow(now int64) *ReceiveFlow { return &ReceiveFlow{since: now} }

// Chunk tells that a request of n bytes has come. The chunk is to be taken in, or
// there is no more to come if last is set. With an error the restore is over, and the
// request is to be answered with that, if it can be.
func (f *ReceiveFlow) Chunk(now int64, n int, hasReply bool) (last bool, err error) {
	switch {
	case f.Check(now) != nil:
	case f.ended:
		f.err = ErrAtEnd
	case !hasReply:
		f.err = ErrNoReply
	case f.held+n > maxAhead:
		f.err = ErrTooAhead
	}
	if f.err != nil {
		return false, f.err
	}
	if n == 0 {
		f.ended = true
		return true, nil
	}
	f.held += n
	f.chunks++
	f.received += int64(n)
	return false, nil
}

// Taken tells that a chunk of n bytes was taken in, and is answered now.
func (f *ReceiveFlow) Taken(now int64, n int) {
	f.held -= n
	f.chunks--
	f.since = now
}

// Fail tells that the restore is over because of an error, with which requests that
// still come are to be answered.
func (f *ReceiveFlow) Fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// Check returns why the restore is over, nil if it is not. It is to be called at the
// Deadline.
func (f *ReceiveFlow) Check(now int64) error {
	if at, ok := f.Deadline(); ok && now >= at {
		f.err = ErrSilence
	}
	return f.err
}

// Deadline returns when the client has to be heard of. There is none while it waits
// for an answer.
func (f *ReceiveFlow) Deadline() (at int64, ok bool) {
	if f.err != nil || f.ended || f.chunks > 0 {
		return 0, false
	}
	return f.since + chunkWait, true
}

// Received returns how many bytes have come.
func (f *ReceiveFlow) Received() int64 { return f.received }
