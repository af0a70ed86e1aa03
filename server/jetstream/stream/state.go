package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// stateVersion is that of what AppendState writes.
const stateVersion = 1

// errState says that a state cannot be read.
var errState = errors.New("stream: malformed state")

// AppendState appends what the core keeps beside the store: what Restore needs to go
// on. It is the same for cores that are the same.
func (c *Core) AppendState(dst []byte) ([]byte, error) {
	config, err := json.Marshal(c.cfg)
	if err != nil {
		return nil, fmt.Errorf("stream: encoding the configuration: %w", err)
	}
	dst = append(dst, stateVersion)
	dst = pack.AppendBytes(dst, config)
	dst = binary.AppendVarint(dst, c.time)
	dst = pack.AppendBytes(dst, c.lastID)
	dst = pack.AppendUvarints(dst, c.unknown, c.malformed, c.unseen)
	dst = c.appendDedupe(dst)
	dst = c.appendExpiry(dst)
	dst = appendMoments(dst, &c.plans.moments, len(c.plans.due), func(store.Seq) bool { return true })
	dst = c.appendSources(dst)
	dst = c.appendInterest(dst)
	return c.appendFast(dst), nil
}

// Restore returns a core as AppendState has seen it. The store must be as it was
// then.
func Restore(state []byte, st store.Store) (*Core, error) {
	in := &reader{pack.NewReader(state)}
	if version := in.Byte(); version != stateVersion {
		return nil, fmt.Errorf("%w: version %d", errState, version)
	}
	cfg := new(api.StreamConfig)
	if text := in.Bytes(); in.Bad() || json.Unmarshal(text, cfg) != nil {
		return nil, fmt.Errorf("%w: configuration", errState)
	}
	c := &Core{store: st, maxDue: defaultMaxDue}
	if err := c.configure(cfg); err != nil {
		return nil, err
	}
	c.time = in.Varint()
	c.lastID = slices.Clone(in.Bytes())
	c.unknown, c.malformed, c.unseen = in.Uvarint(), in.Uvarint(), in.Uvarint()
	for _, part := range []struct {
		name string
		read func(*reader)
	}{
		{"message ids", c.readDedupe},
		{"expiry", c.readExpiry},
		{"schedules", c.readPlans},
		{"sources", c.readSources},
		{"interest", c.readInterest},
		{"fast batches", c.readFast},
	} {
		if part.read(in); in.Bad() {
			return nil, fmt.Errorf("%w: %s", errState, part.name)
		}
	}
	if !in.End() {
		return nil, fmt.Errorf("%w: %d bytes too many", errState, in.Len())
	}
	return c, nil
}

// Digest is a hash over all that replicas agree on: the configuration, what the core
// keeps, and the figures of the store. It costs as much as AppendState.
func (c *Core) Digest() ([sha256.Size]byte, error) { return c.DigestWith(c.store.State()) }

// DigestWith is the digest that the core has on a store with other figures.
func (c *Core) DigestWith(s store.State) ([sha256.Size]byte, error) {
	text, err := c.AppendState(nil)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	for _, n := range []uint64{
		s.Messages, s.Bytes, uint64(s.First), uint64(s.Last), uint64(s.FirstTime), uint64(s.LastTime), s.Subjects, s.Deleted,
	} {
		text = binary.LittleEndian.AppendUint64(text, n)
	}
	return sha256.Sum256(text), nil
}

func (c *Core) appendDedupe(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.dedupe.len()))
	var last known
	for id, e := range c.dedupe.all() {
		dst = binary.AppendUvarint(dst, uint64(e.time-last.time))
		dst = binary.AppendVarint(dst, int64(e.seq-last.seq))
		dst = pack.AppendBytes(dst, id)
		last = e
	}
	return dst
}

func (c *Core) readDedupe(in *reader) {
	var last known
	for i := range in.Count(3) {
		time := last.time + int64(in.Uvarint())
		seq := last.seq + store.Seq(in.Varint())
		id := in.Bytes()
		if in.Bad() || len(id) == 0 || i > 0 && time < last.time {
			in.Fail()
			return
		}
		if _, twice := c.dedupe.find(id); twice {
			in.Fail()
			return
		}
		c.dedupe.add(id, seq, time)
		last = known{time: time, seq: seq}
	}
}

func (c *Core) appendExpiry(dst []byte) []byte {
	e := &c.expiry
	dst = appendMoments(dst, &e.moments, int(e.timed.Len()), func(seq store.Seq) bool { return have(&e.timed, seq) })
	dst = appendSet(dst, &e.never)
	dst = binary.AppendUvarint(dst, uint64(e.from))
	return binary.AppendVarint(dst, e.fromTime)
}

func (c *Core) readExpiry(in *reader) {
	e := &c.expiry
	in.moments(func(m moment) {
		e.moments.add(m)
		e.timed.Add(uint64(m.seq))
	})
	if e.moments.n != int(e.timed.Len()) {
		in.Fail()
	}
	e.never = in.set()
	e.from, e.fromTime = store.Seq(in.Uvarint()), in.Varint()
}

func (c *Core) readPlans(in *reader) {
	n := 0
	in.moments(func(m moment) {
		c.plans.add(m.seq, m.at)
		n++
	})
	if n != len(c.plans.due) {
		in.Fail()
	}
}

// appendMoments appends the n moments that keep wants.
func appendMoments(dst []byte, t *timeline, n int, keep func(store.Seq) bool) []byte {
	dst = binary.AppendUvarint(dst, uint64(n))
	first, last := true, moment{}
	for m := range t.all() {
		if !keep(m.seq) {
			continue
		}
		if first {
			dst = binary.AppendVarint(dst, m.at)
			first = false
		} else {
			dst = binary.AppendUvarint(dst, uint64(m.at-last.at))
		}
		dst = binary.AppendVarint(dst, int64(m.seq-last.seq))
		last = m
	}
	return dst
}

// moments reads what appendMoments wrote.
func (r *reader) moments(add func(moment)) {
	var last moment
	for i := range r.Count(2) {
		var m moment
		if i == 0 {
			m.at = r.Varint()
		} else {
			m.at = last.at + int64(r.Uvarint())
		}
		m.seq = last.seq + store.Seq(r.Varint())
		if r.Bad() || m.seq == 0 || i > 0 && last.compare(m) >= 0 {
			r.Fail()
			return
		}
		add(m)
		last = m
	}
}

func appendSet(dst []byte, s *seqset.Set) []byte { return pack.AppendBytes(dst, s.Append(nil)) }

func (r *reader) set() seqset.Set {
	text := r.Bytes()
	if r.Bad() {
		return seqset.Set{}
	}
	s, err := seqset.Decode(text)
	if err != nil {
		r.Fail()
	}
	return s
}

func (c *Core) appendSources(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.sources)))
	for _, key := range slices.Sorted(maps.Keys(c.sources)) {
		p := c.sources[key]
		dst = pack.AppendBytes(dst, key)
		dst = pack.AppendBytes(dst, p.identity)
		dst = binary.AppendUvarint(dst, uint64(p.seq))
	}
	return dst
}

func (c *Core) readSources(in *reader) {
	for range in.Count(3) {
		key := string(in.Bytes())
		p := &position{identity: string(in.Bytes()), seq: store.Seq(in.Uvarint())}
		if c.sources == nil {
			c.sources = make(map[string]*position)
		}
		if c.sources[key] != nil {
			in.Fail()
		}
		c.sources[key] = p
	}
}

func (c *Core) appendInterest(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.interest.names)))
	for _, name := range c.interest.names {
		w := c.interest.consumers[name]
		dst = pack.AppendBytes(dst, name)
		dst = binary.AppendUvarint(dst, uint64(w.floor))
		dst = appendSet(dst, &w.done)
		dst = binary.AppendUvarint(dst, uint64(len(w.patterns)))
		for _, p := range w.patterns {
			dst = pack.AppendBytes(dst, p)
		}
	}
	return dst
}

func (c *Core) readInterest(in *reader) {
	for range in.Count(4) {
		name := string(in.Bytes())
		w := &wants{floor: store.Seq(in.Uvarint()), done: in.set()}
		w.patterns = in.patterns()
		if in.Bad() || name == "" || c.interest.consumers[name] != nil {
			in.Fail()
			return
		}
		w.filter = store.NewFilter(w.patterns...)
		if c.interest.consumers == nil {
			c.interest.consumers = make(map[string]*wants)
		}
		c.interest.consumers[name] = w
	}
	c.interest.changed()
}

func (c *Core) appendFast(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.fast)))
	for _, b := range c.FastBatches() {
		dst = pack.AppendBytes(dst, b.ID)
		dst = pack.AppendUvarints(dst, b.Last, uint64(b.Seq))
		dst = pack.AppendBool(dst, b.GapOK)
	}
	return dst
}

func (c *Core) readFast(in *reader) {
	for range in.Count(4) {
		id := string(in.Bytes())
		b := &fastBatch{last: in.Uvarint(), seq: store.Seq(in.Uvarint()), gaps: in.Bool()}
		if c.fast == nil {
			c.fast = make(map[string]*fastBatch)
		}
		if id == "" || c.fast[id] != nil {
			in.Fail()
		}
		c.fast[id] = b
	}
}
