package consumer

// proposals is what the engine has on its way into the log, and what has to wait
// until it is there.
type proposals struct {
	// frame is what will be proposed next.
	frame frame
	// made counts what was proposed, done what of it is committed.
	made, done Mark
	// frames are those that are on their way; their buffers are used again.
	frames queue[[]byte]
	spare  []byte
	// held are messages, and what has to come behind them, that have to wait.
	held      queue[held]
	heldBytes int
	// answers are the acknowledgements that are to be answered.
	answers queue[held]
}

// Mark counts the proposals of an engine.
type Mark uint64

// held is an effect that must not happen before a proposal is committed.
type held struct {
	after  Mark
	effect Effect
}

const (
	// maxOnTheWay bounds the proposals on the way, maxHeld and maxHeldBytes the
	// effects that wait for them. While there are more, nothing is delivered.
	maxOnTheWay  = 256
	maxHeld      = 8192
	maxHeldBytes = 8 << 20
	// keptFrame is the size of a buffer that is kept for the next frame.
	keptFrame = 64 << 10
)

// record returns the frame that operations are added to, and its time, which is
// theirs.
func (e *Engine) record() (*frame, int64) {
	f := &e.log.frame
	if !f.isOpen() {
		f.open(e.now)
	}
	return f, f.time()
}

// Mark returns what has to be committed for all that was decided to be safe.
func (e *Engine) Mark() Mark { return e.log.mark() }

func (p *proposals) mark() Mark {
	if p.frame.hasOps() {
		return p.made + 1
	}
	return p.made
}

// flush proposes the frame, if there is one. The state ahead has the operations.
func (p *proposals) flush(ahead *State, out *Effects) {
	if !p.frame.isOpen() {
		return
	}
	if !p.frame.hasOps() {
		// It was opened for something that made no difference.
		p.frame.buf = p.frame.buf[:0]
		return
	}
	p.frame.endSeqs()
	ahead.time = p.frame.time()
	data := p.frame.buf
	p.frame.buf, p.spare = p.spare[:0], nil
	p.frames.push(data)
	p.made++
	out.add(Effect{Kind: Propose, Frame: data})
}

// Committed tells that the n oldest proposals which it was not told of are
// applied. The effects that had to wait for them are appended; Step may do more.
func (e *Engine) Committed(n int, out *Effects) {
	p := &e.log
	for range min(n, p.frames.len()) {
		p.done++
		if data := p.frames.pop(); cap(data) <= keptFrame {
			p.spare = data
		}
	}
	for p.held.len() > 0 && p.held.front().after <= p.done {
		h := p.held.pop()
		p.heldBytes -= h.bytes()
		out.add(h.effect)
	}
	for p.answers.len() > 0 && p.answers.front().after <= p.done {
		out.add(p.answers.pop().effect)
	}
}

func (h *held) bytes() int {
	if h.effect.Message == nil {
		return 0
	}
	return size(h.effect.Message)
}

// Scale tells whether others would take over if this server failed.
func (e *Engine) Scale(replicated bool) { e.p.Replicated = replicated }

// full reports whether too much is on its way.
func (p *proposals) full() bool {
	return p.frames.len() >= maxOnTheWay || p.held.len() >= maxHeld || p.heldBytes >= maxHeldBytes
}

// send lets out what goes to receivers of messages, or has it wait its turn.
func (e *Engine) send(f Effect, out *Effects) {
	if e.log.held.len() == 0 && (f.Kind != Deliver || !e.awaitsCommit()) {
		out.add(f)
		return
	}
	h := held{after: e.log.mark(), effect: f}
	e.log.heldBytes += h.bytes()
	e.log.held.push(h)
}

// answer tells a client that all it asked for is safe, when it is.
func (e *Engine) answer(reply string, out *Effects) {
	f := Effect{Kind: Answer, To: reply}
	if after := e.log.mark(); after > e.log.done {
		e.log.answers.push(held{after: after, effect: f})
		return
	}
	out.add(f)
}
