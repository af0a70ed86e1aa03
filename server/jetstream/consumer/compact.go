package consumer

// Compact proposes the whole state, behind all that was decided before: the log need
// not have what is in front of it, once it is committed (IsFull).
func (e *Engine) Compact(now int64, out *Effects) {
	e.tick(now)
	if !e.created() {
		return
	}
	e.log.flush(e.ahead, out)
	data := e.ahead.AppendFull(nil)
	e.log.frames.push(data)
	e.log.made++
	out.add(Effect{Kind: Propose, Frame: data})
}
