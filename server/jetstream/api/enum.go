package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The enumerations of configurations. The zero value of each is what a client
// gets that does not ask for anything.

// Retention says what keeps a message in a stream.
type Retention uint8

const (
	// RetainLimits keeps messages as long as the limits allow.
	RetainLimits Retention = iota
	// RetainInterest keeps them until all consumers that they concern are done.
	RetainInterest
	// RetainWorkQueue keeps them until the one consumer they concern is done.
	RetainWorkQueue
)

// Discard says what gives way when a stream is full.
type Discard uint8

const (
	DiscardOld Discard = iota
	DiscardNew
)

// Storage says where messages are kept.
type Storage uint8

const (
	FileStorage Storage = iota
	MemoryStorage
)

// Compression is what is done to the blocks of a file store.
type Compression uint8

const (
	NoCompression Compression = iota
	S2Compression
)

// PersistMode says when a message counts as stored.
type PersistMode uint8

const (
	// PersistDefault: when it is as durable as the server is configured to make it.
	PersistDefault PersistMode = iota
	// PersistAsync: at once, at the risk of losing it.
	PersistAsync
)

// DeliverPolicy says where in the stream a consumer begins.
type DeliverPolicy uint8

const (
	DeliverAll DeliverPolicy = iota
	DeliverLast
	DeliverNew
	DeliverByStartSequence
	DeliverByStartTime
	DeliverLastPerSubject
)

// AckPolicy says how a message counts as consumed.
type AckPolicy uint8

const (
	// AckNone: when it is delivered.
	AckNone AckPolicy = iota
	// AckAll: when it or a later one is acknowledged.
	AckAll
	// AckExplicit: when it is acknowledged.
	AckExplicit
	// AckFlowControl: when a flow control request behind it is answered.
	AckFlowControl
)

// ReplayPolicy says how fast what is stored already is delivered.
type ReplayPolicy uint8

const (
	// ReplayInstant: as fast as possible.
	ReplayInstant ReplayPolicy = iota
	// ReplayOriginal: as fast as it came in.
	ReplayOriginal
)

// PriorityPolicy says which of several pull requests is served.
type PriorityPolicy uint8

const (
	PriorityNone PriorityPolicy = iota
	// PriorityOverflow serves a request once enough is pending.
	PriorityOverflow
	// PriorityPinnedClient serves one client as long as it keeps asking.
	PriorityPinnedClient
	// PriorityPrioritized serves the request with the lowest number.
	PriorityPrioritized
)

// Action is what a request to create a consumer may do.
type Action uint8

const (
	ActionCreateOrUpdate Action = iota
	ActionCreate
	ActionUpdate
)

// How the values are spelled, by number.
var (
	retentionNames      = []string{"limits", "interest", "workqueue"}
	discardNames        = []string{"old", "new"}
	storageNames        = []string{"file", "memory"}
	compressionNames    = []string{"none", "s2"}
	persistModeNames    = []string{"default", "async"}
	deliverPolicyNames  = []string{"all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"}
	ackPolicyNames      = []string{"none", "all", "explicit", "flow_control"}
	replayPolicyNames   = []string{"instant", "original"}
	priorityPolicyNames = []string{"none", "overflow", "pinned_client", "prioritized"}
	actionNames         = []string{"", "create", "update"}
)

func (r Retention) String() string      { return enumString(r, retentionNames) }
func (d Discard) String() string        { return enumString(d, discardNames) }
func (s Storage) String() string        { return enumString(s, storageNames) }
func (c Compression) String() string    { return enumString(c, compressionNames) }
func (m PersistMode) String() string    { return enumString(m, persistModeNames) }
func (p DeliverPolicy) String() string  { return enumString(p, deliverPolicyNames) }
func (p AckPolicy) String() string      { return enumString(p, ackPolicyNames) }
func (p ReplayPolicy) String() string   { return enumString(p, replayPolicyNames) }
func (p PriorityPolicy) String() string { return enumString(p, priorityPolicyNames) }
func (a Action) String() string         { return enumString(a, actionNames) }

func (r Retention) MarshalJSON() ([]byte, error)      { return enumJSON(r, retentionNames) }
func (d Discard) MarshalJSON() ([]byte, error)        { return enumJSON(d, discardNames) }
func (s Storage) MarshalJSON() ([]byte, error)        { return enumJSON(s, storageNames) }
func (c Compression) MarshalJSON() ([]byte, error)    { return enumJSON(c, compressionNames) }
func (m PersistMode) MarshalJSON() ([]byte, error)    { return enumJSON(m, persistModeNames) }
func (p DeliverPolicy) MarshalJSON() ([]byte, error)  { return enumJSON(p, deliverPolicyNames) }
func (p AckPolicy) MarshalJSON() ([]byte, error)      { return enumJSON(p, ackPolicyNames) }
func (p ReplayPolicy) MarshalJSON() ([]byte, error)   { return enumJSON(p, replayPolicyNames) }
func (p PriorityPolicy) MarshalJSON() ([]byte, error) { return enumJSON(p, priorityPolicyNames) }
func (a Action) MarshalJSON() ([]byte, error)         { return enumJSON(a, actionNames) }

func (r *Retention) UnmarshalJSON(data []byte) error   { return setEnum(r, data, retentionNames) }
func (d *Discard) UnmarshalJSON(data []byte) error     { return setEnum(d, data, discardNames) }
func (s *Storage) UnmarshalJSON(data []byte) error     { return setEnum(s, data, storageNames) }
func (m *PersistMode) UnmarshalJSON(data []byte) error { return setEnum(m, data, persistModeNames) }

func (p *DeliverPolicy) UnmarshalJSON(data []byte) error { return setEnum(p, data, deliverPolicyNames) }
func (p *AckPolicy) UnmarshalJSON(data []byte) error     { return setEnum(p, data, ackPolicyNames) }
func (p *ReplayPolicy) UnmarshalJSON(data []byte) error  { return setEnum(p, data, replayPolicyNames) }

// The texts of three of them differ from the rest.

func (c *Compression) UnmarshalJSON(data []byte) error {
	if setEnum(c, data, compressionNames) != nil {
		return errors.New("unknown compression algorithm")
	}
	return nil
}

func (p *PriorityPolicy) UnmarshalJSON(data []byte) error {
	if setEnum(p, data, priorityPolicyNames) != nil {
		return fmt.Errorf("unknown priority policy: %s", data)
	}
	return nil
}

func (a *Action) UnmarshalJSON(data []byte) error {
	if string(data) == "null" || setEnum(a, data, actionNames) != nil {
		return fmt.Errorf("unknown consumer action: %s", data)
	}
	return nil
}

// isEnum reports whether e is one of the values that have a name. Others come from
// servers that know more than this one.
func isEnum[E ~uint8](e E, names []string) bool { return int(e) < len(names) }

func enumString[E ~uint8](e E, names []string) string {
	if !isEnum(e, names) {
		return strconv.Itoa(int(e))
	}
	return names[e]
}

func enumJSON[E ~uint8](e E, names []string) ([]byte, error) {
	if !isEnum(e, names) {
		return nil, fmt.Errorf("can not marshal %d", e)
	}
	return []byte(`"` + names[e] + `"`), nil
}

// setEnum sets e to what data, a JSON value, names. Only strings do.
func setEnum[E ~uint8](e *E, data []byte, names []string) error {
	var name string
	if data[0] == '"' && json.Unmarshal(data, &name) == nil {
		for i, n := range names {
			if n == name {
				*e = E(i)
				return nil
			}
		}
	}
	return fmt.Errorf("can not unmarshal %q", data)
}
