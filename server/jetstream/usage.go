package jetstream

import (
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// usage is how many bytes streams hold, by storage.
type usage struct{ bytes [2]atomic.Int64 }

func (u *usage) add(kind api.Storage, n int64) { u.bytes[kind].Add(n) }

func (u *usage) of(kind api.Storage) int64 { return u.bytes[kind].Load() }

// count brings the usage of the account and the server up to date with what the
// stream holds. It is called by whoever may change the store.
func (s *stream) count() { s.countAs(int64(s.store.State().Bytes)) }

// uncount takes what the stream holds off the usage. Nothing is counted after it.
func (s *stream) uncount() { s.countAs(0) }

func (s *stream) countAs(bytes int64) {
	more := bytes - s.held
	if more == 0 {
		return
	}
	s.held = bytes
	c := s.assigned.Load().Config
	s.e.usage.add(c.Storage, more)
	// All replicas are the account's.
	s.tenant.usage.add(c.Storage, more*int64(max(c.Replicas, 1)))
}
