package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// PullRequest asks a consumer for messages.
type PullRequest struct {
	// Batch is how many, at least 1.
	Batch int `json:"batch,omitempty"`
	// Expires is how long to wait for them. 0 is until the requester is gone; a
	// request that expires before it began is over at once.
	Expires time.Duration `json:"expires,omitempty"`
	// MaxBytes, if not 0, is how many bytes all of them may have.
	MaxBytes int `json:"max_bytes,omitempty"`
	// NoWait asks for what is there.
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
	// Group and what follows are for consumers with priorities.
	Group         string `json:"group,omitempty"`
	MinPending    int64  `json:"min_pending,omitempty"`
	MinAckPending int64  `json:"min_ack_pending,omitempty"`
	ID            string `json:"id,omitempty"`
	Priority      int    `json:"priority,omitempty"`
	// Bare is set if the request is not JSON. Then it has no group, and ranks last.
	Bare bool `json:"-"`
}

// MaxPriority is the number of the least preferred requests.
const MaxPriority = 9

// ParsePull reads a pull request: JSON, a number of messages, or anything else, which
// asks for one message. The status is nil if it could be read.
func ParsePull(body []byte) (PullRequest, *Status) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' {
		r := PullRequest{Batch: 1, Bare: true}
		if n, ok := parseUint(body); ok && 0 < n && n < 1<<31 {
			r.Batch = int(n)
		}
		return r, nil
	}
	var r PullRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return PullRequest{}, BadPull(err.Error())
	}
	r.Batch = max(r.Batch, 1)
	r.MaxBytes = max(r.MaxBytes, 0)
	r.Heartbeat = max(r.Heartbeat, 0)
	return r, nil
}

// Check says why a consumer does not take the request, nil if it does. Whether it has
// room for it, and whether an ID is the pinned one, is for the consumer to say.
func (r *PullRequest) Check(c *ConsumerConfig) *Status {
	switch {
	case c.IsPush():
		return StatusPushBased
	case r.Heartbeat > 0 && r.Heartbeat > r.Expires/2:
		return BadPull("heartbeat value too large")
	case c.PriorityPolicy != PriorityOverflow && (r.MinPending != 0 || r.MinAckPending != 0):
		return BadPull("Not a Overflow Priority consumer")
	case c.PriorityPolicy != PriorityPinnedClient && r.ID != "":
		return BadPull("Not a Pinned Client Priority consumer")
	case r.Priority < 0 || r.Priority > MaxPriority:
		return BadPull("Priority must be between 0 and 9")
	case c.PriorityPolicy == PriorityNone || r.Bare:
	case r.Group == "":
		return BadPull("Priority Group missing")
	case !slices.Contains(c.PriorityGroups, r.Group):
		return BadPull("Invalid Priority Group")
	}
	switch {
	case c.MaxRequestBatch > 0 && r.Batch > c.MaxRequestBatch:
		return exceededBatch(c.MaxRequestBatch)
	case c.MaxRequestExpires > 0 && r.Expires > c.MaxRequestExpires:
		return exceededExpires(c.MaxRequestExpires)
	case c.MaxRequestMaxBytes > 0 && r.MaxBytes > c.MaxRequestMaxBytes:
		return exceededBytes(c.MaxRequestMaxBytes)
	}
	return nil
}
