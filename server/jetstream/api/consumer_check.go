package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

const (
	defaultAckWait           = 30 * time.Second
	defaultMaxAckPending     = 1000
	defaultMaxWaiting        = 512
	defaultInactiveThreshold = 5 * time.Second
	defaultPriorityTimeout   = 2 * time.Minute
	minHeartbeat             = 100 * time.Millisecond
	minMaxExpires            = time.Millisecond
	// flowControlHeartbeat is how often a consumer is heard of whose acks are answers
	// to flow control.
	flowControlHeartbeat = time.Second
	maxGroupLength       = 16
)

// ConsumerRules is what a server and an account add to the rules for consumers. 0 is
// no limit.
type ConsumerRules struct {
	MaxAckPending   int
	MaxRequestBatch int
	// Clustered servers can have more than one replica.
	Clustered bool
}

// CheckConsumer returns the configuration in force for a consumer of a stream that a
// client asks for by cfg, which it leaves alone. The stream's was checked before. The
// name is still empty if the server is to choose one.
func CheckConsumer(cfg *ConsumerConfig, stream *StreamConfig, rules ConsumerRules, pedantic bool) (*ConsumerConfig, *Error) {
	if cfg == nil {
		return nil, ErrConsumerConfigRequired
	}
	c := consumerCheck{cfg.Clone(), stream, rules, pedantic}
	for _, check := range consumerChecks {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	c.Metadata = withLevel(c.Metadata, c.RequiredLevel())
	return c.ConsumerConfig, nil
}

// CheckConsumerUpdate returns the configuration in force once a client has replaced
// old, which was checked before, by cfg. It leaves both alone.
func CheckConsumerUpdate(old, cfg *ConsumerConfig, stream *StreamConfig, rules ConsumerRules, pedantic bool) (*ConsumerConfig, *Error) {
	if cfg == nil {
		return nil, ErrConsumerConfigRequired
	}
	asked := *cfg
	asked.Name = old.Name
	if asked.Durable == "" {
		asked.Durable = old.Durable
	}
	c, err := CheckConsumer(&asked, stream, rules, pedantic)
	if err != nil {
		return nil, err
	}
	fixed := func(what string) *Error { return ErrConsumerCreate.With("err", what+" can not be updated") }
	switch {
	case c.DeliverPolicy != old.DeliverPolicy:
		return nil, fixed("deliver policy")
	case c.MemoryStorage != old.MemoryStorage:
		return nil, fixed("storage type")
	case c.Direct != old.Direct:
		return nil, fixed("direct")
	case c.Sourcing != old.Sourcing:
		return nil, fixed("sourcing")
	case c.OptStartSeq != old.OptStartSeq:
		return nil, fixed("start sequence")
	case !sameTime(c.OptStartTime, old.OptStartTime):
		return nil, fixed("start time")
	case c.AckPolicy != old.AckPolicy:
		return nil, fixed("ack policy")
	case c.ReplayPolicy != old.ReplayPolicy:
		return nil, fixed("replay policy")
	case c.Heartbeat != old.Heartbeat:
		return nil, fixed("heart beats")
	case c.FlowControl != old.FlowControl:
		return nil, fixed("flow control")
	case c.IsPush() && !old.IsPush():
		return nil, ErrConsumerCreate.With("err", "can not update pull consumer to push based")
	case !c.IsPush() && old.IsPush():
		return nil, ErrConsumerCreate.With("err", "can not update push consumer to pull based")
	case c.MaxWaiting != old.MaxWaiting:
		return nil, fixed("max waiting")
	}
	// To pause is a request of its own.
	c.PauseUntil = clonePointer(old.PauseUntil)
	c.Metadata = withLevel(c.Metadata, c.RequiredLevel())
	return c, nil
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// consumerCheck is a configuration on its way to being in force. The checks correct
// it in place.
type consumerCheck struct {
	*ConsumerConfig
	stream   *StreamConfig
	rules    ConsumerRules
	pedantic bool
}

// consumerChecks are in the order in which clients expect the errors to be found.
var consumerChecks = []func(consumerCheck) *Error{
	consumerCheck.corrections,
	consumerCheck.flowControlDefaults,
	consumerCheck.streamLimits,
	consumerCheck.defaults,
	consumerCheck.names,
	consumerCheck.replicas,
	consumerCheck.policies,
	consumerCheck.timing,
	consumerCheck.flowControlAcks,
	consumerCheck.delivery,
	consumerCheck.priorities,
	consumerCheck.startPosition,
	consumerCheck.filters,
	consumerCheck.sampling,
	consumerCheck.workQueue,
	consumerCheck.caps,
}

// corrections makes of negative values what they are taken for. The pedantic are
// told.
func (c consumerCheck) corrections() *Error {
	if c.MaxDeliver < -1 && c.pedantic {
		return pedanticError("max_deliver must be set to -1")
	}
	if c.MaxDeliver <= 0 {
		c.MaxDeliver = -1
	}
	if c.MaxAckPending < -1 {
		if c.pedantic {
			return pedanticError("max_ack_pending must be set to -1")
		}
		c.MaxAckPending = -1
	}
	if err := firstError(
		notNegative(&c.MaxWaiting, "max_waiting", c.pedantic),
		notNegative(&c.MaxRequestBatch, "max_batch", c.pedantic),
		notNegative(&c.MaxRequestExpires, "max_expires", c.pedantic),
		notNegative(&c.MaxRequestMaxBytes, "max_bytes", c.pedantic),
		notNegative(&c.Heartbeat, "idle_heartbeat", c.pedantic),
		notNegative(&c.InactiveThreshold, "inactive_threshold", c.pedantic),
		notNegative(&c.PriorityTimeout, "priority_timeout", c.pedantic),
	); err != nil {
		return err
	}
	if len(c.BackOff) > 0 {
		if c.pedantic && c.AckWait != c.BackOff[0] {
			return pedanticError("first backoff value has to equal batch AckWait")
		}
		if c.BackOff[0] >= 0 {
			c.AckWait = c.BackOff[0]
		}
	}
	return nil
}

// notNegative makes 0 of a negative value. The pedantic do not get away with one.
func notNegative[N int | time.Duration](n *N, name string, pedantic bool) *Error {
	if *n < 0 {
		if pedantic {
			return pedanticError(name + " must not be negative")
		}
		*n = 0
	}
	return nil
}

// flowControlDefaults turns on what acks by flow control need. The pedantic do it
// themselves.
func (c consumerCheck) flowControlDefaults() *Error {
	if c.AckPolicy == AckFlowControl && c.IsPush() && !c.pedantic {
		c.FlowControl = true
		c.Heartbeat = flowControlHeartbeat
	}
	return nil
}

// streamLimits fills in what the stream has a limit for.
func (c consumerCheck) streamLimits() *Error {
	limits := c.stream.ConsumerLimits
	if limits.MaxAckPending > 0 && c.MaxAckPending == 0 && !(c.AckPolicy == AckNone && c.IsPush()) {
		if c.pedantic {
			return pedanticError("max_ack_pending must be set if it's configured in stream limits")
		}
		c.MaxAckPending = limits.MaxAckPending
	}
	if limits.InactiveThreshold > 0 && c.InactiveThreshold == 0 {
		if c.pedantic {
			return pedanticError("inactive_threshold must be set if it's configured in stream limits")
		}
		c.InactiveThreshold = limits.InactiveThreshold
	}
	if c.rules.MaxRequestBatch > 0 && c.MaxRequestBatch == 0 && !c.IsPush() {
		if c.pedantic {
			return pedanticError("max_request_batch must be set if it's JetStream limits are set")
		}
		c.MaxRequestBatch = c.rules.MaxRequestBatch
	}
	return nil
}

// defaults fills in what every consumer has.
func (c consumerCheck) defaults() *Error {
	if c.AckWait == 0 && (c.AckPolicy == AckAll || c.AckPolicy == AckExplicit) {
		c.AckWait = defaultAckWait
	}
	if c.MaxAckPending == 0 && c.AckPolicy != AckNone {
		c.MaxAckPending = defaultMaxAckPending
		if limit := c.rules.MaxAckPending; limit > 0 {
			c.MaxAckPending = min(c.MaxAckPending, limit)
		}
	}
	if c.MaxWaiting == 0 && !c.IsPush() {
		c.MaxWaiting = defaultMaxWaiting
	}
	if c.InactiveThreshold == 0 && c.Durable == "" {
		c.InactiveThreshold = defaultInactiveThreshold
	}
	if c.PriorityTimeout == 0 && c.PriorityPolicy == PriorityPinnedClient {
		c.PriorityTimeout = defaultPriorityTimeout
	}
	if c.OptStartTime != nil {
		*c.OptStartTime = c.OptStartTime.UTC()
	}
	if c.PauseUntil != nil {
		*c.PauseUntil = c.PauseUntil.UTC()
		if c.PauseUntil.IsZero() {
			c.PauseUntil = nil
		}
	}
	return nil
}

func (c consumerCheck) names() *Error {
	if c.Durable != "" && c.Name != "" && c.Durable != c.Name {
		return ErrConsumerCreateDurableAndNameMismatch
	}
	for _, n := range []struct{ name, what string }{{c.Durable, "consumer durable name"}, {c.Name, "consumer name"}} {
		switch {
		case n.name == "":
		case HasPathSeparator(n.name):
			return ErrConsumerNameContainsPathSeparators
		case !isNameText(n.name):
			return invalidStream(n.what + ` can not contain '.', '*', '>', '\', '/'`)
		case len(n.name) > MaxNameLength:
			return ErrConsumerNameTooLong.With("max", MaxNameLength)
		}
	}
	if c.Name == "" {
		c.Name = c.Durable
	}
	switch {
	case len(c.Description) > MaxDescriptionLength:
		return ErrConsumerDescriptionTooLong.With("max", MaxDescriptionLength)
	case metadataSize(c.Metadata) > MaxMetadataSize:
		return ErrConsumerMetadataLength.With("limit", fmt.Sprintf("%dKB", MaxMetadataSize>>10))
	}
	return nil
}

func (c consumerCheck) replicas() *Error {
	switch {
	case c.Replicas < 0:
		return ErrReplicasCountCannotBeNegative
	case c.Replicas > 1 && !c.rules.Clustered:
		return ErrStreamReplicasNotSupported
	case c.Replicas > c.stream.Replicas:
		return ErrConsumerReplicasExceedsStream
	case c.Replicas != 0 && c.Replicas != c.stream.Replicas && c.stream.Retention != RetainLimits:
		return ErrConsumerReplicasShouldMatchStream
	}
	return nil
}

// policies rejects values that only newer servers know.
func (c consumerCheck) policies() *Error {
	switch {
	case !isEnum(c.AckPolicy, ackPolicyNames):
		return ErrConsumerAckPolicyInvalid
	case !isEnum(c.ReplayPolicy, replayPolicyNames):
		return ErrConsumerReplayPolicyInvalid
	case !isEnum(c.DeliverPolicy, deliverPolicyNames):
		return ErrConsumerInvalidPolicy.With("err", "consumer delivery policy invalid")
	case !isEnum(c.PriorityPolicy, priorityPolicyNames):
		return ErrConsumerInvalidPolicy.With("err", "consumer priority policy invalid")
	}
	return nil
}

func (c consumerCheck) timing() *Error {
	if c.AckWait < 0 {
		return ErrConsumerAckWaitNegative
	}
	for _, d := range c.BackOff {
		if d < 0 {
			return ErrConsumerBackOffNegative
		}
	}
	switch {
	case c.MaxDeliver != -1 && len(c.BackOff) > c.MaxDeliver:
		return ErrConsumerMaxDeliverBackoff
	case c.MaxRequestExpires > 0 && c.MaxRequestExpires < minMaxExpires:
		return ErrConsumerMaxRequestExpiresTooSmall
	}
	return nil
}

func (c consumerCheck) flowControlAcks() *Error {
	switch {
	case c.AckPolicy != AckFlowControl:
		return nil
	case !c.IsPush():
		return ErrConsumerAckFCRequiresPush
	case !c.FlowControl:
		return ErrConsumerAckFCRequiresFC
	case c.Heartbeat != flowControlHeartbeat:
		return invalidStream("flow control ack policy heartbeat needs to be 1s")
	case c.MaxAckPending <= 0:
		return ErrConsumerAckFCRequiresMaxAckPending
	case c.AckWait != 0 || len(c.BackOff) > 0:
		return ErrConsumerAckFCRequiresNoAckWait
	case c.MaxDeliver != -1:
		return ErrConsumerAckFCRequiresNoMaxDeliver
	}
	return nil
}

// delivery checks what only consumers of one of the two kinds can have.
func (c consumerCheck) delivery() *Error {
	if !c.IsPush() {
		switch {
		case c.RateLimit > 0:
			return ErrConsumerPullWithRateLimit
		case c.Heartbeat > 0:
			return ErrConsumerHBRequiresPush
		case c.FlowControl:
			return ErrConsumerFCRequiresPush
		case c.Direct:
			return ErrConsumerDirectRequiresPush
		}
		return nil
	}
	switch {
	case !subject.IsValid(c.DeliverSubject):
		return ErrConsumerInvalidDeliverSubject
	case subject.HasWildcard(c.DeliverSubject):
		return ErrConsumerDeliverToWildcards
	case OverlapAny(c.stream.Subjects, []string{c.DeliverSubject}):
		return ErrConsumerDeliverCycle
	case c.MaxWaiting != 0:
		return ErrConsumerPushMaxWaiting
	case c.MaxAckPending > 0 && c.AckPolicy == AckNone:
		return ErrConsumerMaxPendingAckPolicyRequired
	case c.Heartbeat > 0 && c.Heartbeat < minHeartbeat:
		return ErrConsumerSmallHeartbeat
	case c.FlowControl && c.Heartbeat == 0:
		return ErrConsumerWithFlowControlNeedsHeartbeats
	case c.Direct && c.Durable != "":
		return ErrConsumerDirectRequiresEphemeral
	}
	return nil
}

func (c consumerCheck) priorities() *Error {
	if c.PriorityPolicy == PriorityNone {
		switch {
		case len(c.PriorityGroups) > 0:
			return ErrConsumerPriorityGroupWithPolicyNone
		case c.PriorityTimeout > 0:
			return ErrConsumerPinnedTTLWithoutPriorityPolicyNone
		}
		return nil
	}
	switch {
	case c.IsPush():
		return ErrConsumerPushWithPriorityGroup
	case len(c.PriorityGroups) == 0:
		return ErrConsumerPriorityPolicyWithoutGroup
	}
	for _, g := range c.PriorityGroups {
		if g == "" {
			return ErrConsumerEmptyGroupName
		}
		if err := CheckGroup(g); err != nil {
			return err
		}
	}
	return nil
}

// CheckGroup checks the name of a priority group.
func CheckGroup(name string) *Error {
	ok := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_/=", r)
	}
	if name == "" || len(name) > maxGroupLength || strings.ContainsFunc(name, func(r rune) bool { return !ok(r) }) {
		return ErrConsumerInvalidGroupName
	}
	return nil
}

// startPosition checks that exactly what the deliver policy needs is there. Its texts
// are known to clients, the doubled word among them.
func (c consumerCheck) startPosition() *Error {
	names := [...]string{"all", "last", "new", "by start sequence", "by start time", "last per subject"}
	complain := func(what string) *Error {
		return ErrConsumerInvalidPolicy.With("err",
			fmt.Sprintf("consumer delivery policy is deliver %s, but optional %s", names[c.DeliverPolicy], what))
	}
	switch p := c.DeliverPolicy; {
	case p == DeliverLastPerSubject && len(c.Filters()) == 0:
		return complain("filter subject is not set")
	case p == DeliverByStartSequence && c.OptStartSeq == 0:
		return complain("start sequence is not set")
	case p == DeliverByStartTime && c.OptStartTime == nil:
		return complain("start time is not set")
	case p == DeliverByStartTime && c.OptStartSeq > 0:
		return complain("start start sequence is also set")
	case p != DeliverByStartSequence && c.OptStartSeq > 0:
		return complain("start sequence is also set")
	case p != DeliverByStartTime && c.OptStartTime != nil:
		return complain("start time is also set")
	}
	return nil
}

func (c consumerCheck) filters() *Error {
	if c.FilterSubject != "" && len(c.FilterSubjects) > 0 {
		return ErrConsumerDuplicateFilterSubjects
	}
	for _, f := range c.Filters() {
		switch {
		case f == "":
			return ErrConsumerEmptyFilter
		case !subject.IsValid(f):
			return invalidStream(subject.ErrInvalidSubject.Error())
		}
	}
	oneCoversOther := func(a, b string) bool { return subject.Covers(a, b) || subject.Covers(b, a) }
	if _, _, ok := firstClash(c.Filters(), oneCoversOther); ok {
		return ErrConsumerOverlappingSubjectFilters
	}
	return nil
}

func (c consumerCheck) sampling() *Error {
	if _, err := ParseSampling(c.SampleFrequency); err != nil {
		return ErrConsumerInvalidSampling.With("err", err)
	}
	return nil
}

// ParseSampling reads the sampling of a consumer: how many of a hundred acks are
// reported, with or without a percent sign. More than 100 are all.
func ParseSampling(s string) (percent int, err error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, errors.New("negative frequency")
	}
	return min(n, 100), nil
}

func (c consumerCheck) workQueue() *Error {
	switch {
	case c.stream.Retention != RetainWorkQueue || c.Direct:
		return nil
	case c.AckPolicy == AckNone && !c.IsPush():
		return ErrConsumerPullRequiresAck
	case c.AckPolicy != AckExplicit && c.AckPolicy != AckFlowControl:
		return ErrConsumerWQRequiresExplicitAck
	case c.DeliverPolicy != DeliverAll:
		return ErrConsumerWQConsumerNotDeliverAll
	}
	return nil
}

// CheckWorkQueue reports whether a consumer of a work queue can have these filters
// beside another that has those: no message may concern both. None means all.
func CheckWorkQueue(filters, others []string) *Error {
	switch {
	case len(filters) == 0:
		return ErrConsumerWQMultipleUnfiltered
	case len(others) == 0 || OverlapAny(filters, others):
		return ErrConsumerWQConsumerNotUnique
	}
	return nil
}

// caps checks against the limits of the stream and the server.
func (c consumerCheck) caps() *Error {
	limits := c.stream.ConsumerLimits
	for _, limit := range []int{limits.MaxAckPending, c.rules.MaxAckPending} {
		if limit > 0 && c.MaxAckPending > limit {
			return ErrConsumerMaxPendingAckExcess.With("limit", limit)
		}
	}
	switch limit := limits.InactiveThreshold; {
	case limit > 0 && c.InactiveThreshold > limit:
		return ErrConsumerInactiveThresholdExcess.With("limit", limit)
	case c.rules.MaxRequestBatch > 0 && c.MaxRequestBatch > c.rules.MaxRequestBatch:
		return ErrConsumerMaxRequestBatchExceeded.With("limit", c.rules.MaxRequestBatch)
	}
	return nil
}

// ViolatedBy reports whether a consumer that was checked before wants more than l
// grants, so that a stream that has it can not get these limits.
func (l ConsumerLimits) ViolatedBy(c *ConsumerConfig) bool {
	return l.MaxAckPending > 0 && c.MaxAckPending > l.MaxAckPending ||
		l.InactiveThreshold > 0 && c.InactiveThreshold > l.InactiveThreshold
}
