package api

import (
	"maps"
	"strconv"
)

// Level is the newest API level that this server knows. A server of level n
// understands all that one of n-1 does.
const Level = 5

// Keys of metadata that belong to the server.
const (
	// MetaRequiredLevel is stored with a configuration: the level it needs.
	MetaRequiredLevel = "_nats.req.level"
	// MetaServerVersion and MetaServerLevel tell who answered. They are in
	// responses only.
	MetaServerVersion = "_nats.ver"
	MetaServerLevel   = "_nats.level"
)

// RequiredLevel is the lowest level that understands the configuration.
func (c *StreamConfig) RequiredLevel() int {
	switch {
	case c.AllowBatched:
		return 4
	case c.AllowMsgCounter, c.AllowAtomic, c.AllowMsgSchedules, c.PersistMode != PersistDefault:
		return 2
	case c.AllowMsgTTL, c.SubjectDeleteMarkerTTL > 0:
		return 1
	default:
		return 0
	}
}

// RequiredLevel is the lowest level that understands the configuration.
func (c *ConsumerConfig) RequiredLevel() int {
	switch {
	case c.AckPolicy == AckFlowControl:
		return 4
	case c.PriorityPolicy != PriorityNone, c.PauseUntil != nil:
		return 1
	default:
		return 0
	}
}

// CheckLevel checks the value of a Nats-Required-Api-Level header, which is empty
// if there is none.
func CheckLevel(header []byte) *Error {
	if len(header) == 0 {
		return nil
	}
	if n, ok := parseUint(header); !ok || n > Level {
		return ErrRequiredApiLevel
	}
	return nil
}

// WithServer returns a copy of the metadata of a configuration as it is shown to
// clients, with the version of the server that answers.
func WithServer(metadata map[string]string, version string) map[string]string {
	m := maps.Clone(metadata)
	if m == nil {
		m = make(map[string]string)
	}
	m[MetaServerVersion] = version
	m[MetaServerLevel] = strconv.Itoa(Level)
	return m
}

// withoutLevels returns metadata without what servers write into it: the same map
// if there is nothing of the kind.
func withoutLevels(metadata map[string]string) map[string]string {
	_, required := metadata[MetaRequiredLevel]
	_, version := metadata[MetaServerVersion]
	_, level := metadata[MetaServerLevel]
	if !required && !version && !level {
		return metadata
	}
	m := maps.Clone(metadata)
	delete(m, MetaRequiredLevel)
	delete(m, MetaServerVersion)
	delete(m, MetaServerLevel)
	return m
}

// withLevel returns a copy of metadata in which only the required level is of a
// server.
func withLevel(metadata map[string]string, level int) map[string]string {
	m := maps.Clone(withoutLevels(metadata))
	if m == nil {
		m = make(map[string]string)
	}
	m[MetaRequiredLevel] = strconv.Itoa(level)
	return m
}

// metadataSize counts what clients wrote.
func metadataSize(metadata map[string]string) int {
	n := 0
	for k, v := range withoutLevels(metadata) {
		n += len(k) + len(v)
	}
	return n
}
