package api

import (
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

// StreamConfigRequest goes with OpStreamCreate and OpStreamUpdate.
type StreamConfigRequest struct {
	StreamConfig
	Pedantic bool `json:"pedantic,omitempty"`
}

// StreamCreateResponse answers OpStreamCreate, and the last part of a restore.
type StreamCreateResponse struct {
	Response
	*StreamInfo
	DidCreate bool `json:"did_create,omitempty"`
}

// StreamUpdateResponse answers what changes a stream.
type StreamUpdateResponse struct {
	Response
	*StreamInfo
}

// StreamInfo is a stream as clients see it.
type StreamInfo struct {
	Config     *StreamConfig       `json:"config"`
	Created    time.Time           `json:"created"`
	State      StreamState         `json:"state"`
	Domain     string              `json:"domain,omitempty"`
	Cluster    *ClusterInfo        `json:"cluster,omitempty"`
	Mirror     *StreamSourceInfo   `json:"mirror,omitempty"`
	Sources    []*StreamSourceInfo `json:"sources,omitempty"`
	Alternates []StreamAlternate   `json:"alternates,omitempty"`
	Time       time.Time           `json:"ts"`
}

// StreamState is what is in a stream.
type StreamState struct {
	Msgs        uint64            `json:"messages"`
	Bytes       uint64            `json:"bytes"`
	FirstSeq    uint64            `json:"first_seq"`
	FirstTime   time.Time         `json:"first_ts"`
	LastSeq     uint64            `json:"last_seq"`
	LastTime    time.Time         `json:"last_ts"`
	NumSubjects int               `json:"num_subjects,omitempty"`
	Subjects    map[string]uint64 `json:"subjects,omitempty"`
	NumDeleted  int               `json:"num_deleted,omitempty"`
	Deleted     []uint64          `json:"deleted,omitempty"`
	Lost        *LostStreamData   `json:"lost,omitempty"`
	Consumers   int               `json:"consumer_count"`
}

// LostStreamData is what was in the stream and can not be read any more.
type LostStreamData struct {
	Msgs  []uint64 `json:"msgs"`
	Bytes uint64   `json:"bytes"`
}

// StreamSourceInfo is how a mirror or source does.
type StreamSourceInfo struct {
	Name              string             `json:"name"`
	External          *ExternalStream    `json:"external,omitempty"`
	Lag               uint64             `json:"lag"`
	Seq               uint64             `json:"seq,omitempty"`
	Active            time.Duration      `json:"active"` // since it was last heard of; -1 is never
	Error             *Error             `json:"error,omitempty"`
	FilterSubject     string             `json:"filter_subject,omitempty"`
	SubjectTransforms []SubjectTransform `json:"subject_transforms,omitempty"`
}

// StreamAlternate is a stream that has the same messages.
type StreamAlternate struct {
	Name    string `json:"name"`
	Domain  string `json:"domain,omitempty"`
	Cluster string `json:"cluster"`
}

// StreamsRequest goes with OpStreamNames and OpStreamList.
type StreamsRequest struct {
	Offset int `json:"offset,omitempty"`
	// Subject selects streams that have a subject in common with it.
	Subject string `json:"subject,omitempty"`
}

// Selects reports whether a stream is asked for.
func (r *StreamsRequest) Selects(c *StreamConfig) bool {
	switch {
	case r.Subject == "":
		return true
	case !subject.IsValid(r.Subject):
		return false
	case len(c.Subjects) == 0:
		return subject.Overlaps(c.Name, r.Subject)
	default:
		return OverlapAny(c.Subjects, []string{r.Subject})
	}
}

// StreamNamesResponse answers OpStreamNames. Streams is nil if there is none.
type StreamNamesResponse struct {
	Response
	Page
	Streams []string `json:"streams"`
}

// StreamListResponse answers OpStreamList. Streams is not nil.
type StreamListResponse struct {
	Response
	Page
	Streams []*StreamInfo `json:"streams"`
	// Missing are streams that nobody answered for in time.
	Missing []string `json:"missing,omitempty"`
	// Offline says why streams can not be served.
	Offline map[string]string `json:"offline,omitempty"`
}

func (r *StreamListResponse) init() { r.Streams = []*StreamInfo{} }

// StreamInfoRequest goes with OpStreamInfo.
type StreamInfoRequest struct {
	Offset         int    `json:"offset,omitempty"`
	DeletedDetails bool   `json:"deleted_details,omitempty"`
	SubjectsFilter string `json:"subjects_filter,omitempty"`
}

// StreamInfoResponse answers OpStreamInfo. Its page is one of subjects.
type StreamInfoResponse struct {
	Response
	Page
	*StreamInfo
}

// StreamPurgeRequest goes with OpStreamPurge.
type StreamPurgeRequest struct {
	// Sequence, if not 0, is the first message to be kept.
	Sequence uint64 `json:"seq,omitempty"`
	Subject  string `json:"filter,omitempty"`
	// Keep, if not 0, is how many are kept.
	Keep uint64 `json:"keep,omitempty"`
}

// Check reports requests that contradict themselves. A filter that is no subject
// matches nothing.
func (r *StreamPurgeRequest) Check() *Error {
	if r.Sequence > 0 && r.Keep > 0 {
		return ErrBadRequest
	}
	return nil
}

// StreamPurgeResponse answers OpStreamPurge.
type StreamPurgeResponse struct {
	Response
	Success bool   `json:"success,omitempty"`
	Purged  uint64 `json:"purged"`
}

// StreamMsgDeleteRequest goes with OpStreamMsgDelete.
type StreamMsgDeleteRequest struct {
	Seq uint64 `json:"seq"`
	// NoErase leaves the bytes of the message where they are.
	NoErase bool `json:"no_erase,omitempty"`
}
