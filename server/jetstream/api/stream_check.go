package api

import (
	"fmt"
	"strings"
	"time"
)

// Limits of configurations that nobody can change.
const (
	MaxNameLength        = 255
	MaxDescriptionLength = 4 << 10
	MaxMetadataSize      = 128 << 10
	MaxReplicas          = 5

	minAge                 = 100 * time.Millisecond
	minDuplicateWindow     = 100 * time.Millisecond
	minMarkerTTL           = time.Second
	defaultDuplicateWindow = 2 * time.Minute
)

// StreamLimits is what a server adds to the rules for streams.
type StreamLimits struct {
	// MaxDuplicateWindow is 0 if there is no limit.
	MaxDuplicateWindow time.Duration
	// Clustered servers can have more than one replica.
	Clustered bool
}

// CheckStreamCreate returns the configuration in force for a new stream that a
// client asks for by cfg, which it leaves alone.
func CheckStreamCreate(cfg *StreamConfig, limits StreamLimits, pedantic bool) (*StreamConfig, *Error) {
	switch {
	case cfg.Sealed:
		return nil, invalidStream("stream configuration for create can not be sealed")
	case cfg.MirrorDirect && cfg.Mirror == nil:
		return nil, invalidStream("stream has no mirror but does have mirror direct")
	}
	return CheckStream(cfg, limits, pedantic)
}

// CheckStreamUpdate returns the configuration in force once a client has replaced
// old, which was checked before, by cfg. It leaves both alone.
func CheckStreamUpdate(old, cfg *StreamConfig, limits StreamLimits, pedantic bool) (*StreamConfig, *Error) {
	c, err := CheckStream(cfg, limits, pedantic)
	if err != nil {
		return nil, err
	}
	if c.Sealed {
		c.seal()
	}
	switch {
	case c.Name != old.Name:
		return nil, invalidStream("stream configuration name must match original")
	case c.Storage != old.Storage:
		return nil, invalidStream("stream configuration update can not change storage type")
	case c.Retention != old.Retention && (c.Retention == RetainWorkQueue || old.Retention == RetainWorkQueue):
		return nil, invalidStream("stream configuration update can not change retention policy to/from workqueue")
	case old.Sealed && !c.Sealed:
		return nil, invalidStream("stream configuration update can not unseal a sealed stream")
	case old.DenyDelete && !c.DenyDelete:
		return nil, invalidStream("stream configuration update can not cancel deny message deletes")
	case old.DenyPurge && !c.DenyPurge:
		return nil, invalidStream("stream configuration update can not cancel deny purge")
	case old.AllowMsgTTL && !c.AllowMsgTTL:
		return nil, invalidStream("message TTL status can not be disabled")
	case old.AllowMsgCounter != c.AllowMsgCounter:
		return nil, invalidStream("stream configuration update can not change message counter setting")
	case old.AllowMsgSchedules && !c.AllowMsgSchedules:
		return nil, invalidStream("message schedules can not be disabled")
	case old.PersistMode != c.PersistMode:
		return nil, invalidStream("stream configuration update can not change persist mode")
	case c.Mirror != nil && !c.Mirror.Equal(old.Mirror):
		return nil, ErrStreamMirrorNotUpdatable
	}
	return c, nil
}

// seal makes the configuration that of a stream in which nothing changes any more.
func (c *StreamConfig) seal() {
	c.MaxAge = 0
	c.Discard = DiscardNew
	c.DenyDelete, c.DenyPurge = true, true
	c.AllowRollup = false
}

// streamCheck is a configuration on its way to being in force. The checks correct
// it in place.
type streamCheck struct {
	*StreamConfig
	limits   StreamLimits
	pedantic bool
}

// streamChecks are in the order in which clients expect the errors to be found.
var streamChecks = []func(streamCheck) *Error{
	streamCheck.names,
	streamCheck.enums,
	streamCheck.replicas,
	streamCheck.counts,
	streamCheck.ages,
	streamCheck.duplicates,
	streamCheck.counters,
	streamCheck.discards,
	streamCheck.markers,
	streamCheck.schedules,
	streamCheck.persistence,
	streamCheck.mirrors,
	streamCheck.sources,
	streamCheck.subjects,
	streamCheck.transforms,
	streamCheck.republishes,
	streamCheck.placements,
	streamCheck.clusters,
}

// CheckStream applies the rules that creating and updating share. By themselves they are
// those for streams that are restored.
func CheckStream(cfg *StreamConfig, limits StreamLimits, pedantic bool) (*StreamConfig, *Error) {
	c := streamCheck{cfg.Clone(), limits, pedantic}
	for _, check := range streamChecks {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	c.Metadata = withLevel(c.Metadata, c.RequiredLevel())
	return c.StreamConfig, nil
}

func (c streamCheck) names() *Error {
	switch {
	case HasPathSeparator(c.Name):
		return ErrStreamNameContainsPathSeparators
	case !isNameText(c.Name):
		return invalidStream(`stream name is required and can not contain '.', '*', '>', '\', '/'`)
	case len(c.Name) > MaxNameLength:
		return invalidStream(fmt.Sprintf("stream name is too long, maximum allowed is %d", MaxNameLength))
	case len(c.Description) > MaxDescriptionLength:
		return invalidStream(fmt.Sprintf("stream description is too long, maximum allowed is %d", MaxDescriptionLength))
	case metadataSize(c.Metadata) > MaxMetadataSize:
		return invalidStream(fmt.Sprintf("stream metadata exceeds maximum size of %d bytes", MaxMetadataSize))
	}
	return nil
}

func (c streamCheck) enums() *Error {
	switch {
	case !isEnum(c.Retention, retentionNames):
		return invalidStream("invalid retention")
	case !isEnum(c.Discard, discardNames):
		return invalidStream("invalid discard policy")
	case !isEnum(c.Compression, compressionNames):
		return invalidStream("invalid compression")
	case !isEnum(c.Storage, storageNames):
		return invalidStream("invalid storage type")
	case !isEnum(c.PersistMode, persistModeNames):
		return invalidStream("stream configuration invalid")
	}
	return nil
}

func (c streamCheck) replicas() *Error {
	switch {
	case c.Replicas < 0:
		return ErrReplicasCountCannotBeNegative
	case c.Replicas > MaxReplicas:
		return invalidStream(fmt.Sprintf("maximum replicas is %d", MaxReplicas))
	}
	c.Replicas = max(c.Replicas, 1)
	return nil
}

func (c streamCheck) counts() *Error {
	return firstError(
		unlimited(&c.MaxMsgs, "max_msgs", c.pedantic),
		unlimited(&c.MaxMsgsPerSubject, "max_msgs_per_subject", c.pedantic),
		unlimited(&c.MaxBytes, "max_bytes", c.pedantic),
		unlimited(&c.MaxMsgSize, "max_msg_size", c.pedantic),
		unlimited(&c.MaxConsumers, "max_consumers", c.pedantic),
	)
}

// unlimited makes -1 of a limit that was not set or is negative. The pedantic do
// not get away with other negative values.
func unlimited[N int | int32 | int64](n *N, name string, pedantic bool) *Error {
	if *n < -1 && pedantic {
		return pedanticError(name + " must be set to -1")
	}
	if *n <= 0 {
		*n = -1
	}
	return nil
}

func (c streamCheck) ages() *Error {
	switch {
	case c.MaxAge < 0:
		return invalidStream("max age can not be negative")
	case c.MaxAge > 0 && c.MaxAge < minAge:
		return invalidStream("max age needs to be >= 100ms")
	}
	return nil
}

func (c streamCheck) duplicates() *Error {
	if c.DuplicateWindow == 0 && c.Mirror == nil && len(c.Sources) == 0 {
		if err := c.defaultDuplicates(); err != nil {
			return err
		}
	}
	switch w := c.DuplicateWindow; {
	case w == 0:
		return nil
	case w < 0:
		return invalidStream("duplicates window can not be negative")
	case c.MaxAge > 0 && w > c.MaxAge:
		return invalidStream("duplicates window can not be larger then max age")
	case c.limits.MaxDuplicateWindow > 0 && w > c.limits.MaxDuplicateWindow:
		return invalidStream(fmt.Sprintf("duplicates window can not be larger then server limit of %v", c.limits.MaxDuplicateWindow))
	case w < minDuplicateWindow:
		return invalidStream("duplicates window needs to be >= 100ms")
	}
	return nil
}

func (c streamCheck) defaultDuplicates() *Error {
	w := defaultDuplicateWindow
	if limit := c.limits.MaxDuplicateWindow; limit > 0 && w > limit {
		if c.pedantic {
			return pedanticError("duplicate window limits are higher than current limits")
		}
		w = limit
	}
	if c.MaxAge > 0 && w > c.MaxAge {
		if c.pedantic {
			return pedanticError("duplicate window cannot be bigger than max age")
		}
		w = c.MaxAge
	}
	c.DuplicateWindow = w
	return nil
}

func (c streamCheck) counters() *Error {
	switch {
	case c.DenyPurge && c.AllowRollup:
		return invalidStream("roll-ups require the purge permission")
	case !c.AllowMsgCounter:
		return nil
	case c.Discard == DiscardNew:
		return invalidStream("counter stream cannot use discard new")
	case c.AllowMsgTTL, c.SubjectDeleteMarkerTTL > 0:
		// Markers would turn message TTLs on.
		return invalidStream("counter stream cannot use message TTLs")
	case c.AllowMsgSchedules:
		return invalidStream("counter stream cannot use message schedules")
	case c.Retention != RetainLimits:
		return invalidStream("counter stream can only use limits retention")
	}
	return nil
}

func (c streamCheck) discards() *Error {
	switch {
	case !c.DiscardNewPerSubject:
		return nil
	case c.Discard != DiscardNew:
		return invalidStream("discard new per subject requires discard new policy to be set")
	case c.MaxMsgsPerSubject <= 0:
		return invalidStream("discard new per subject requires max msgs per subject > 0")
	}
	return nil
}

// markers checks delete markers. They are messages with a TTL that roll up their
// subject, so they bring both features along.
func (c streamCheck) markers() *Error {
	switch ttl := c.SubjectDeleteMarkerTTL; {
	case ttl < 0:
		return invalidStream("subject delete marker TTL must not be negative")
	case ttl == 0:
		return nil
	case ttl < minMarkerTTL:
		return invalidStream("subject delete marker TTL must be at least 1 second")
	case c.Mirror != nil:
		return invalidStream("subject delete markers forbidden on mirrors")
	case c.pedantic && !c.AllowMsgTTL:
		return invalidStream("subject delete marker cannot be set if message TTLs are disabled")
	case c.pedantic && !c.AllowRollup:
		return invalidStream("subject delete marker cannot be set if roll-ups are disabled")
	}
	c.AllowMsgTTL = true
	c.allowRollup()
	return nil
}

func (c streamCheck) schedules() *Error {
	switch {
	case !c.AllowMsgSchedules:
		return nil
	case c.Mirror != nil:
		return ErrMirrorWithMsgSchedules
	case len(c.Sources) > 0:
		return ErrSourceWithMsgSchedules
	case c.Discard == DiscardNew:
		return invalidStream("message scheduling cannot use discard new")
	case c.pedantic && !c.AllowRollup:
		return invalidStream("message scheduling cannot be set if roll-ups are disabled")
	}
	c.allowRollup()
	return nil
}

func (c streamCheck) allowRollup() { c.AllowRollup, c.DenyPurge = true, false }

func (c streamCheck) persistence() *Error {
	switch {
	case c.PersistMode != PersistAsync:
		return nil
	case c.Storage != FileStorage:
		return invalidStream("async persist mode is only supported on file storage")
	case c.Replicas > 1:
		return invalidStream("async persist mode is not supported on replicated streams")
	case c.AllowAtomic:
		return invalidStream("async persist mode is not supported with atomic batch publish")
	}
	return nil
}

func (c streamCheck) placements() *Error {
	switch p := c.Placement; {
	case p == nil:
		return nil
	case p.Preferred != "":
		return invalidStream("preferred server not permitted in placement")
	case p.Cluster == "" && len(p.Tags) == 0:
		c.Placement = nil
	}
	return nil
}

func (c streamCheck) clusters() *Error {
	if c.Replicas > 1 && !c.limits.Clustered {
		return ErrStreamReplicasNotSupported
	}
	return nil
}

// IsName reports whether s can name a stream or a consumer: it can be a token of a
// subject and a part of a path, and is not too long for either.
func IsName(s string) bool { return isNameText(s) && len(s) <= MaxNameLength }

// isNameText is IsName for a text of any length.
func isNameText(s string) bool {
	return s != "" && !strings.ContainsAny(s, " \t\n\v\f\r.*>\\/")
}

// HasPathSeparator reports whether s would lead elsewhere as a part of a path.
func HasPathSeparator(s string) bool { return strings.ContainsAny(s, `/\`) }

func firstError(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
