package server

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/nats-lite/nats-lite/internal/sysmem"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/options"
)

// room is what all streams of the server may hold, in bytes.
type room struct{ memory, file int64 }

// unknownMemory is what streams in memory may hold if nobody can tell how much there is.
const unknownMemory = 256 << 20

// roomFor returns what is configured, or else three quarters of what there is: of the
// memory of this process, and of what is free on the disk with what JetStream already
// has there. Without the latter there would be less room with each restart.
func roomFor(o *options.JetStream, disk vfs.FS, dir string) (room, error) {
	r := room{o.MaxMemory, o.MaxStore}
	if r.memory < 0 {
		r.memory = unknownMemory
		if total, ok := sysmem.Total(); ok {
			r.memory = total / 4 * 3
		}
	}
	if r.file >= 0 {
		return r, nil
	}
	space, err := disk.Space(dir)
	if err != nil {
		return r, err
	}
	used, err := sizeOf(disk, dir)
	r.file = (int64(space.Available) + used) / 4 * 3
	return r, err
}

// sizeOf sums up the files below a directory. Those that go away meanwhile count as
// nothing.
func sizeOf(disk vfs.FS, dir string) (sum int64, err error) {
	list, err := disk.List(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		path := filepath.Join(dir, e.Name)
		var n int64
		if e.Dir {
			n, err = sizeOf(disk, path)
		} else {
			var info vfs.Info
			info, err = disk.Stat(path)
			n = info.Size
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// jetStreamLimits are the limits that the engine goes by.
func jetStreamLimits(o *options.JetStream, r room) jetstream.Limits {
	if o.MaxMemory >= 0 {
		r.memory = o.MaxMemory
	}
	if o.MaxStore >= 0 {
		r.file = o.MaxStore
	}
	l := &o.Limits
	return jetstream.Limits{
		MaxMemory: r.memory, MaxFile: r.file,
		MaxAckPending: l.MaxAckPending, MaxRequestBatch: l.MaxRequestBatch,
		DuplicateWindow: l.DuplicateWindow, DefaultMaxConsumers: l.DefaultMaxConsumers, MaxAssets: l.MaxHAAssets,
		Batches: jetstream.BatchLimits{
			PerStream: l.Batch.MaxInflightPerStream, Total: l.Batch.MaxInflightTotal, Messages: l.Batch.MaxMsgs, Timeout: l.Batch.Timeout,
		},
	}
}

// jetStreamBanner logs what JetStream starts with.
func (s *Server) jetStreamBanner(o *options.JetStream, dir string, r room) {
	s.log.Noticef("---------------- JETSTREAM ----------------")
	if o.Strict {
		s.log.Noticef("  Strict:          true")
	}
	s.log.Noticef("  Max Memory:      %s", options.Size(r.memory))
	s.log.Noticef("  Max Storage:     %s", options.Size(r.file))
	s.log.Noticef("  Store Directory: %q", dir)
	if o.Domain != "" {
		s.log.Noticef("  Domain:          %s", o.Domain)
	}
	s.log.Noticef("  API Level:       %d", api.Level)
	s.log.Noticef("-------------------------------------------")
}
