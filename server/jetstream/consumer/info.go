package consumer

// Info is what an engine knows of its consumer.
type Info struct {
	// Created is when it was created.
	Created             int64
	Delivered, AckFloor Position
	// AckPending counts the messages that are delivered and not settled,
	// Redelivered those of them that were delivered more than once.
	AckPending, Redelivered int
	// Waiting counts the pull requests.
	Waiting int
	// Pending is how many messages are left to be delivered for the first time.
	Pending uint64
	// Bound is whether anybody listens to the deliver subject.
	Bound bool
	// PauseUntil is until when nothing is delivered; 0 or past if it is not paused.
	PauseUntil int64
	// Group is the priority group, or empty. PinID is the id of the client that it
	// is pinned to since PinnedAt, or empty.
	Group    string
	PinID    string
	PinnedAt int64
}

// Info tells how things are.
func (e *Engine) Info() Info {
	if !e.created() {
		return Info{}
	}
	pending, redelivered := e.ahead.Pending()
	if e.cfg.maxDeliver == 1 {
		redelivered = 0
	}
	return Info{
		Created:     e.ahead.created,
		Delivered:   e.Delivered(),
		AckFloor:    e.AckFloor(),
		AckPending:  pending,
		Redelivered: redelivered,
		Waiting:     e.pulls.n,
		Pending:     e.cursor.left,
		Bound:       e.push.bound,
		PauseUntil:  e.ahead.pauseUntil,
		Group:       e.group(),
		PinID:       e.pin.id,
		PinnedAt:    e.pin.since,
	}
}
