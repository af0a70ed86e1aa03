package consumer

import "time"

// How far the position of a consumer may run ahead of what is in the log, where
// that costs no more than that some messages come twice to one that acknowledges
// none, or that some are looked at again in vain.
const (
	maxUnrecorded = 4096
	maxPassedOver = 1 << 14
	recordEvery   = int64(100 * time.Millisecond)
)

// Delivered returns the last delivery, with the stream seq up to which messages
// that the consumer is not about have been passed over.
func (e *Engine) Delivered() Position {
	at := e.sent
	at.Stream = max(at.Stream, e.cursor.at)
	return at
}

// AckFloor returns up to where all is settled.
func (e *Engine) AckFloor() Position {
	floor := e.ahead.floor
	if e.ahead.pending.live == 0 && e.created() {
		at := e.Delivered()
		floor.Consumer, floor.Stream = at.Consumer, at.Stream
	}
	if !e.ahead.tracked() {
		floor.Time = e.sent.Time
	}
	return floor
}

// recordPosition proposes the position if that was put off for long enough, or if
// it has to be now.
func (e *Engine) recordPosition(now bool) {
	at := e.Delivered()
	unrecorded := at.Consumer - e.ahead.delivered.Consumer
	passed := at.Stream - e.ahead.delivered.Stream
	if unrecorded > 0 && e.recordAt == never {
		e.recordAt = e.now + recordEvery
	}
	isDue := unrecorded >= maxUnrecorded || passed >= maxPassedOver || e.recordAt <= e.now
	if unrecorded == 0 && passed == 0 || !isDue && !now {
		return
	}
	f, t := e.record()
	f.uints(opAdvance, uint64(at.Consumer), uint64(at.Stream))
	e.ahead.advance(at.Consumer, at.Stream, t, nil)
	e.recordAt = never
}
