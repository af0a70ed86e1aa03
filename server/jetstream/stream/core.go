package stream

import (
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Core applies ops to a stream. One goroutine may use it, but for the store, which
// any number may read.
//
// Invariant: what it is, together with the store, follows from the configuration
// that it was made with and the ops that were applied, with their times; replicas
// that were given the same are the same, and Digest shows it.
type Core struct {
	store store.Store
	cfg   *api.StreamConfig
	rules rules

	// time is that of the newest op.
	time int64
	// lastID is the message id of the newest message, empty if it has none.
	lastID []byte
	dedupe dedupe
	expiry expiry
	plans  plans
	// sources are the positions by api.StreamSource.Key.
	sources  map[string]*position
	interest interest
	fast     map[string]*fastBatch
	// unseen is how many messages went of which it is not known whether expiry or
	// plans have them.
	unseen uint64
	// unknown and malformed count ops that were skipped.
	unknown, malformed uint64

	// maxDue is defaultMaxDue, but in tests.
	maxDue int

	// What follows is scratch of a single Apply.

	in     reader
	msg    Message
	pub    publish
	batch  batch
	arena  []byte
	loaded store.Message // what a check or a change looks at
	due    store.Message // what an advance works on
}

// New returns the core of a stream. A store that nothing was done to yet is set to
// begin with the configured number. The configuration must be valid; it is kept,
// and must not be changed.
func New(cfg *api.StreamConfig, st store.Store) (*Core, error) {
	c := &Core{store: st, maxDue: defaultMaxDue}
	if err := c.configure(cfg); err != nil {
		return nil, err
	}
	if first := store.Seq(cfg.FirstSeq); first > 1 && st.State() == (store.State{}) {
		if err := st.Reset(first); err != nil {
			return nil, fmt.Errorf("stream: setting the first sequence: %w", err)
		}
	}
	return c, nil
}

// Config returns the configuration that is in force. It is not to be changed.
func (c *Core) Config() *api.StreamConfig { return c.cfg }

// Time returns the time of the newest op.
func (c *Core) Time() int64 { return c.time }

// Skipped returns how many ops were not understood: those of kinds that are not
// known, and those that were malformed.
func (c *Core) Skipped() (unknown, malformed uint64) { return c.unknown, c.malformed }

// Apply carries out an op of an entry with a time, and tells in r what came of it.
// A refusal is no error: it is what the op comes to, on every replica. After an
// error, which is one of the store, the core is not what it should be, and must not
// be used any more.
//
// A time that is before that of the newest op counts as that. Nothing of op is kept.
func (c *Core) Apply(op []byte, now int64, r *Result) error {
	r.reset()
	if cap(c.arena) > maxArena {
		c.arena = nil
	}
	c.arena = c.arena[:0]
	c.time = max(c.time, now)
	now = c.time
	if len(op) < 2 {
		c.malformed++
		r.Skipped = true
		return nil
	}
	r.Kind = Kind(op[0])
	in := &c.in
	*in = reader{pack.NewReader(op[2:])}
	apply := appliers[min(int(r.Kind), len(appliers)-1)]
	if apply == nil || op[1] != opVersion {
		c.unknown++
		r.Skipped = true
		return nil
	}
	err := apply(c, in, now, r)
	if errors.Is(err, errMalformed) {
		c.malformed++
		r.Skipped = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("stream: applying %v: %w", r.Kind, err)
	}
	return nil
}

// maxArena is how much scratch is kept from one op to the next.
const maxArena = 64 << 10

// errMalformed says that an op cannot be read. Those who return it have changed
// nothing.
var errMalformed = errors.New("malformed op")

// appliers are the kinds that are known. The last one stands for all kinds behind
// it, and is none.
var appliers = [...]func(*Core, *reader, int64, *Result) error{
	KindStore:        (*Core).applyStore,
	KindBatch:        (*Core).applyBatch,
	KindFast:         (*Core).applyFast,
	KindFastEnd:      (*Core).applyFastEnd,
	KindDelete:       (*Core).applyDelete,
	KindPurge:        (*Core).applyPurge,
	KindAdvance:      (*Core).applyAdvance,
	KindConfig:       (*Core).applyConfig,
	KindCopy:         (*Core).applyCopy,
	KindSkip:         (*Core).applySkip,
	KindSource:       (*Core).applySource,
	KindAcked:        (*Core).applyAcked,
	KindConsumer:     (*Core).applyConsumer,
	KindConsumerGone: (*Core).applyConsumerGone,
	KindReset:        (*Core).applyReset,
	KindRestore:      (*Core).applyRestore,
	KindRestoreEnd:   (*Core).applyRestoreEnd,

	KindRestoreEnd + 1: nil,
}

// applyStore stores a published message.
func (c *Core) applyStore(in *reader, now int64, r *Result) error {
	in.message(&c.msg)
	if !in.End() {
		return errMalformed
	}
	return c.publish(&c.msg, now, r)
}

// publish stores a message by itself, if nothing speaks against it.
func (c *Core) publish(m *Message, now int64, r *Result) error {
	p := &c.pub
	p.set(m)
	apiErr, err := c.judge(p, nil)
	if err != nil {
		return err
	}
	if apiErr != nil {
		r.Err = apiErr
		return nil
	}
	if p.duplicate != 0 {
		r.Seq, r.Duplicate = p.duplicate, true
		return nil
	}
	return c.put(p, now, r)
}

// save returns a part of the arena, where what is made during an Apply lives, from
// an offset on.
func (c *Core) save(from int) []byte { return c.arena[from:len(c.arena):len(c.arena)] }

// have reports whether a message is in a set.
func have(s *seqset.Set, seq store.Seq) bool { return s.Has(uint64(seq)) }
