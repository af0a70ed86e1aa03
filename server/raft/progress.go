package raft

// ProgressState says how a leader sends entries to a peer.
type ProgressState uint8

const (
	// Probe sends one message and waits for the answer: where the peer's log
	// ends is not known.
	Probe ProgressState = iota
	// Replicate sends entries as they come, without waiting for answers.
	Replicate
	// Snapshot sends none: the peer needs entries that the log no longer has.
	Snapshot
)

func (s ProgressState) String() string {
	return [...]string{"probe", "replicate", "snapshot"}[s]
}

// progress is what a leader knows of a peer.
//
// Invariant: match < next.
type progress struct {
	id    PeerID
	state ProgressState
	// match is the highest index that the peer is known to hold durably, next
	// the first to be sent.
	match, next Index
	// matchedAt is when match was last raised.
	matchedAt Instant
	// sentAt is when entries were last sent.
	sentAt Instant
	// sentCommit is the commit index that the peer has been told.
	sentCommit Index
	// waiting is whether a probe is on its way.
	waiting bool
	// active is whether the peer was heard of since the last check of the quorum.
	active bool
	// activeBefore is the same of the time before that check.
	activeBefore bool
	// forgot is whether the peer has lost what it had acknowledged. Nothing it
	// says counts any more.
	forgot bool
	// wished is whether the snapshot that the peer needs was asked for.
	wished bool
	// ackedSent is when the latest heartbeat that it answered was sent; ackedRead
	// the latest round of reads that it confirmed.
	ackedSent Instant
	ackedRead uint64
	inflight  inflights
}

func (p *progress) become(s ProgressState) {
	p.state, p.waiting, p.wished, p.inflight = s, false, false, inflights{}
	switch s {
	case Probe:
		p.next = p.match + 1
	case Replicate:
		p.next = p.match + 1
	case Snapshot:
	}
}

// paused reports whether nothing may be sent at the moment.
func (p *progress) paused(c *Config) bool {
	switch p.state {
	case Probe:
		return p.waiting
	case Replicate:
		return p.inflight.full(c.MaxInflightMsgs, c.MaxInflightBytes)
	default:
		return true
	}
}

// inflights are the messages with entries that were sent and not answered.
type inflights struct {
	msgs  []inflightMsg
	bytes int
}

type inflightMsg struct {
	last  Index
	bytes int
}

func (f *inflights) add(last Index, bytes int) {
	f.msgs = append(f.msgs, inflightMsg{last, bytes})
	f.bytes += bytes
}

// free drops the messages that an acknowledgement up to an index covers.
func (f *inflights) free(to Index) {
	n := 0
	for n < len(f.msgs) && f.msgs[n].last <= to {
		f.bytes -= f.msgs[n].bytes
		n++
	}
	if f.msgs = f.msgs[n:]; len(f.msgs) == 0 {
		f.msgs = nil
	}
}

// full reports whether a bound is reached. One message is always let through,
// however big.
func (f *inflights) full(msgs, bytes int) bool {
	return len(f.msgs) >= msgs || len(f.msgs) > 0 && f.bytes >= bytes
}
