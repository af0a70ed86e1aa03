package api

import "github.com/nats-lite/nats-lite/server/subject"

// Sizes of what is sent in a snapshot, in bytes.
const (
	minSnapshotSize      = 1 << 10
	defaultSnapshotChunk = 128 << 10
	maxSnapshotChunk     = 1 << 20
	defaultWindow        = 8 << 20
	maxSnapshotWindow    = 32 << 20
)

// StreamSnapshotRequest goes with OpStreamSnapshot.
type StreamSnapshotRequest struct {
	DeliverSubject string `json:"deliver_subject"`
	NoConsumers    bool   `json:"no_consumers,omitempty"`
	// ChunkSize is the size of a message, WindowSize how much may be on its way.
	ChunkSize  int `json:"chunk_size,omitempty"`
	WindowSize int `json:"window_size,omitempty"`
	// CheckMsgs asks for a check of the messages first.
	CheckMsgs bool `json:"jsck,omitempty"`
}

// Check checks the request, and brings its sizes into range.
func (r *StreamSnapshotRequest) Check() *Error {
	if !subject.IsLiteral(r.DeliverSubject) {
		return ErrSnapshotDeliverSubjectInvalid
	}
	r.ChunkSize = inRange(r.ChunkSize, minSnapshotSize, defaultSnapshotChunk, maxSnapshotChunk)
	r.WindowSize = inRange(r.WindowSize, r.ChunkSize, max(defaultWindow, r.ChunkSize), maxSnapshotWindow)
	return nil
}

func inRange(n, low, standard, high int) int {
	if n <= 0 {
		return standard
	}
	return min(max(n, low), high)
}

// StreamSnapshotResponse answers OpStreamSnapshot.
type StreamSnapshotResponse struct {
	Response
	Config *StreamConfig `json:"config,omitempty"`
	State  *StreamState  `json:"state,omitempty"`
}

// StreamRestoreRequest goes with OpStreamRestore.
type StreamRestoreRequest struct {
	Config StreamConfig `json:"config"`
	State  StreamState  `json:"state"`
}

// StreamRestoreResponse answers OpStreamRestore.
type StreamRestoreResponse struct {
	Response
	// DeliverSubject is where the chunks go.
	DeliverSubject string `json:"deliver_subject"`
}
