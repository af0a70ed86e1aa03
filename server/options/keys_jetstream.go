package options

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/conf"
)

var jetStreamBlock = newBlock(blockJetStream, unknownField, []row[JetStream]{
	{"enabled enable", toggle(func(j *JetStream) *bool { return &j.Enabled })},
	{"store_dir store storedir", setStoreDir},
	{"max_memory_store max_mem_store max_mem", size(func(j *JetStream) *int64 { return &j.MaxMemory })},
	{"max_file_store max_file", size(func(j *JetStream) *int64 { return &j.MaxStore })},
	{"domain", setDomain},
	{"strict", toggle(func(j *JetStream) *bool { return &j.Strict })},
	{"sync_interval sync", setSyncInterval},
	{"key ek encryption_key", encryptionKey(func(j *JetStream) *string { return &j.Key })},
	{"prev_key prev_ek prev_encryption_key", encryptionKey(func(j *JetStream) *string { return &j.PrevKey })},
	{"cipher", setCipher},
	{"unique_tag", setUniqueTag},
	{"extension_hint", text(func(j *JetStream) *string { return &j.ExtensionHint })},

	{"request_queue_limit", count(func(j *JetStream) *int { return &j.RequestQueueLimit }, parseableSize)},
	{"info_queue_limit", count(func(j *JetStream) *int { return &j.InfoQueueLimit }, parseableSize)},
	{"max_concurrent_io", count(func(j *JetStream) *int { return &j.MaxConcurrentIO }, concurrentIORange, concurrentIO)},
	{"max_buffered_msgs", count(func(j *JetStream) *int { return &j.MaxBufferedMsgs }, parseableSize)},
	{"max_buffered_size", size(func(j *JetStream) *int64 { return &j.MaxBufferedSize })},
	{"max_outstanding_catchup", size(func(j *JetStream) *int64 { return &j.MaxOutstandingCatchup })},
	{"meta_compact", count(func(j *JetStream) *int { return &j.MetaCompact }, absoluteSize, notNegative)},
	{"meta_compact_size", size(func(j *JetStream) *int64 { return &j.MetaCompactSize }, notNegative)},
	{"meta_compact_sync", toggle(func(j *JetStream) *bool { return &j.MetaCompactSync })},

	{"limits", setJetStreamLimits},
})

// What is expected of a count, as errors say it.
const (
	parseableSize     = "a parseable size for %q"
	absoluteSize      = "an absolute size for %q"
	concurrentIORange = "an absolute size for %q between 4 and 8192"
)

func concurrentIO(n int64) string {
	if n < minConcurrentIO || n > maxConcurrentIO {
		return fmt.Sprintf("is not between %d and %d", minConcurrentIO, maxConcurrentIO)
	}
	return ""
}

// setJetStream takes a switch, or a block, which switches JetStream on unless it
// says otherwise.
func setJetStream(d *decoder, e *conf.Entry, o *Options) {
	on, ok := d.jetStreamSwitch(e)
	if !ok {
		return
	}
	if e.Value.Kind != conf.KindMap {
		o.JetStream.Enabled = on
		return
	}
	j := newJetStream()
	j.Enabled, j.StoreDir = true, o.JetStream.StoreDir
	j.InfoQueueLimit = 0
	jetStreamBlock.decode(d, e.Value.Map, &j)
	j.finish()
	o.JetStream = j
}

// jetStreamSwitch reads the forms of a jetstream key that are not a block, which
// counts as "on". It reports what is neither.
func (d *decoder) jetStreamSwitch(e *conf.Entry) (on, ok bool) {
	switch v := e.Value; v.Kind {
	case conf.KindBool:
		return v.Bool, true
	case conf.KindMap:
		return true, true
	case conf.KindString:
		switch strings.ToLower(v.Str) {
		case "enabled", "enable":
			return true, true
		case "disabled", "disable":
			return false, true
		}
		d.fail(e.Pos, "Expected 'enabled' or 'disabled' for string value, got '%s'", v.Str)
	default:
		d.fail(e.Pos, "Expected map, bool or string to define JetStream, got %v", v.Kind)
	}
	return false, false
}

// finish fills in what a block leaves open: zero and negative numbers are often
// written for "I have no opinion" and "no bound".
func (j *JetStream) finish() {
	j.MaxMemory, j.MaxStore = max(j.MaxMemory, -1), max(j.MaxStore, -1)
	if j.RequestQueueLimit <= 0 {
		j.RequestQueueLimit = DefaultRequestQueueLimit
	}
	if j.InfoQueueLimit <= 0 {
		j.InfoQueueLimit = j.RequestQueueLimit
	}
	j.MaxBufferedMsgs = max(j.MaxBufferedMsgs, 0)
	j.MaxBufferedSize = max(j.MaxBufferedSize, 0)
	j.MaxOutstandingCatchup = max(j.MaxOutstandingCatchup, 0)

	l := &j.Limits
	orDefault(&l.DefaultMaxConsumers, DefaultMaxConsumers)
	l.DefaultMaxConsumers = max(l.DefaultMaxConsumers, -1)
	for _, bound := range []*int{
		&l.MaxAckPending, &l.MaxRequestBatch, &l.MaxHAAssets,
		&l.Batch.MaxInflightPerStream, &l.Batch.MaxInflightTotal, &l.Batch.MaxMsgs,
	} {
		*bound = max(*bound, 0)
	}
	l.DuplicateWindow, l.Batch.Timeout = max(l.DuplicateWindow, 0), max(l.Batch.Timeout, 0)
}

// setStoreDir is for the key in the block and outside of it. Who gives both means
// two directories, and nobody can tell which one has the data.
func setStoreDir(d *decoder, e *conf.Entry, j *JetStream) {
	if j.StoreDir != "" {
		d.fail(e.Pos, "Duplicate 'store_dir' configuration")
		return
	}
	text(func(j *JetStream) *string { return &j.StoreDir })(d, e, j)
}

func setDomain(d *decoder, e *conf.Entry, j *JetStream) {
	if !d.is(e.Value, conf.KindString) {
		return
	}
	if err := checkDomain(e.Value.Str); err != nil {
		d.fail(e.Pos, "%v", err)
		return
	}
	j.Domain = e.Value.Str
}

func setSyncInterval(d *decoder, e *conf.Entry, j *JetStream) {
	if e.Value.Kind == conf.KindString && strings.EqualFold(e.Value.Str, "always") {
		j.SyncInterval = 0
		return
	}
	value, errs := time.Duration(0), len(d.problems.Errors)
	period(func(*JetStream) *time.Duration { return &value })(d, e, j)
	switch {
	case len(d.problems.Errors) > errs:
	case value <= 0:
		d.fail(e.Pos, "%v", errSyncInterval(value))
	default:
		j.SyncInterval = value
	}
}

func errSyncInterval(interval time.Duration) error {
	return fmt.Errorf("sync_interval (%v) must be greater than zero, or 'always'", interval)
}

// encryptionKey stores a key. One that is empty encrypts nothing, which is not
// what its author had in mind.
func encryptionKey(field func(*JetStream) *string) setter[JetStream] {
	return func(d *decoder, e *conf.Entry, j *JetStream) {
		if !d.is(e.Value, conf.KindString) {
			return
		}
		if e.Value.Str == "" {
			d.warn(e, "an empty key does not encrypt")
		}
		*field(j) = e.Value.Str
	}
}

func setCipher(d *decoder, e *conf.Entry, j *JetStream) {
	if !d.is(e.Value, conf.KindString) {
		return
	}
	switch strings.ToLower(e.Value.Str) {
	case "chacha", "chachapoly":
		j.Cipher = CipherChaCha
	case "aes":
		j.Cipher = CipherAES
	default:
		d.fail(e.Pos, "Unknown cipher type: %q", e.Value.Str)
	}
}

func setUniqueTag(d *decoder, e *conf.Entry, j *JetStream) {
	if d.is(e.Value, conf.KindString) {
		j.UniqueTag = strings.ToLower(strings.TrimSpace(e.Value.Str))
	}
}

var jetStreamLimitsBlock = newBlock("jetstream limits", unknownField, []row[JetStreamLimits]{
	{"max_ack_pending", number(func(l *JetStreamLimits) *int { return &l.MaxAckPending })},
	{"max_ha_assets", number(func(l *JetStreamLimits) *int { return &l.MaxHAAssets })},
	{"max_request_batch", number(func(l *JetStreamLimits) *int { return &l.MaxRequestBatch })},
	{"duplicate_window", strictPeriod(func(l *JetStreamLimits) *time.Duration { return &l.DuplicateWindow })},
	{"default_max_consumers", number(func(l *JetStreamLimits) *int { return &l.DefaultMaxConsumers })},
	{"batch", setBatchLimits},
})

func setJetStreamLimits(d *decoder, e *conf.Entry, j *JetStream) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "Expected a map to define JetStreamLimits, got %v", e.Value.Kind)
		return
	}
	jetStreamLimitsBlock.decode(d, e.Value.Map, &j.Limits)
}

var batchLimitsBlock = newBlock("batch limits", unknownField, []row[BatchLimits]{
	{"max_inflight_per_stream", number(func(b *BatchLimits) *int { return &b.MaxInflightPerStream })},
	{"max_inflight_total", number(func(b *BatchLimits) *int { return &b.MaxInflightTotal })},
	{"max_msgs", number(func(b *BatchLimits) *int { return &b.MaxMsgs })},
	{"timeout", strictPeriod(func(b *BatchLimits) *time.Duration { return &b.Timeout })},
})

func setBatchLimits(d *decoder, e *conf.Entry, l *JetStreamLimits) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "Expected a map to define batch limits, got %v", e.Value.Kind)
		return
	}
	batchLimitsBlock.decode(d, e.Value.Map, &l.Batch)
}

var accountJetStreamBlock = newBlock("account jetstream", unknownField, []row[AccountJetStream]{
	{"max_memory max_mem mem memory", count(func(a *AccountJetStream) *int64 { return &a.MaxMemory }, parseableSize)},
	{"max_store max_file max_disk store disk", count(func(a *AccountJetStream) *int64 { return &a.MaxStore }, parseableSize)},
	{"max_streams streams", count(func(a *AccountJetStream) *int { return &a.MaxStreams }, parseableSize)},
	{"max_consumers consumers", count(func(a *AccountJetStream) *int { return &a.MaxConsumers }, parseableSize)},
	{"max_ack_pending", count(func(a *AccountJetStream) *int { return &a.MaxAckPending }, parseableSize)},
	{"max_bytes_required max_stream_bytes max_bytes", setMaxBytesRequired},
	{"mem_max_stream_bytes memory_max_stream_bytes", count(
		func(a *AccountJetStream) *int64 { return &a.MemoryMaxStreamBytes }, parseableSize)},
	{"disk_max_stream_bytes store_max_stream_bytes", count(
		func(a *AccountJetStream) *int64 { return &a.StoreMaxStreamBytes }, parseableSize)},
	{"cluster_traffic", setClusterTraffic},
})

func setAccountJetStream(d *decoder, e *conf.Entry, a *Account) {
	on, ok := d.jetStreamSwitch(e)
	if !ok {
		return
	}
	a.JetStream = nil
	if !on {
		return
	}
	j := newAccountJetStream()
	if e.Value.Kind == conf.KindMap {
		accountJetStreamBlock.decode(d, e.Value.Map, j)
	}
	for _, bound := range []*int64{&j.MaxMemory, &j.MaxStore, &j.MemoryMaxStreamBytes, &j.StoreMaxStreamBytes} {
		*bound = max(*bound, -1)
	}
	for _, bound := range []*int{&j.MaxStreams, &j.MaxConsumers, &j.MaxAckPending} {
		*bound = max(*bound, -1)
	}
	a.JetStream = j
}

func setMaxBytesRequired(d *decoder, e *conf.Entry, a *AccountJetStream) {
	if e.Value.Kind != conf.KindBool {
		d.fail(e.Pos, "Expected a parseable bool for %q, got %s", strings.ToLower(e.Key), show(e.Value))
		return
	}
	a.MaxBytesRequired = e.Value.Bool
}

func setClusterTraffic(d *decoder, e *conf.Entry, a *AccountJetStream) {
	if e.Value.Kind == conf.KindString {
		switch e.Value.Str {
		case "system", "":
			a.ClusterTraffic = TrafficSystem
			return
		case "owner":
			a.ClusterTraffic = TrafficOwner
			return
		}
	}
	d.fail(e.Pos, "Expected 'system' or 'owner' string value for %q, got %s", strings.ToLower(e.Key), show(e.Value))
}
