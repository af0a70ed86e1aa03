package consumer

// Copy returns a copy of the state as it will be when the Mark is committed, with the
// position even where it is put off to record it.
func (e *Engine) Copy() *State {
	s := e.ahead.Clone()
	if at := e.Delivered(); e.created() && (at.Consumer > s.delivered.Consumer || at.Stream > s.delivered.Stream) {
		s.advance(at.Consumer, at.Stream, e.now, nil)
	}
	return s
}

// Compact proposes the whole state, behind all that was decided before: the log need
// not have what is in front of it, once it is committed (IsFull).
func (e *Engine) Compact(now int64, out *Effects) {
	e.tick(now)
	if !e.created() {
		return
	}
	e.log.flush(e.ahead, out)
	e.proposeWhole(out)
}

func (e *Engine) proposeWhole(out *Effects) {
	data := e.ahead.AppendFull(nil)
	e.log.frames.push(data)
	e.log.made++
	out.add(Effect{Kind: Propose, Frame: data})
}
