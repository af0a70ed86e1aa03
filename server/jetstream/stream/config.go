package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// rules are what a configuration comes to for the path of a message. Limits are 0
// where there is none, but for maxSize, which is -1 then.
type rules struct {
	sealed, mirror, interest, workQueue     bool
	maxSize                                 int
	maxMessages, maxBytes, perSubject       uint64
	maxAge, window                          int64
	discardNew, discardNewPerSubject        bool
	rollup, ttl, counter, schedules, atomic bool
	// marker is how long a delete marker lives, 0 if there are none.
	marker    api.TTL
	size      func(subject, header, data int) uint64
	transform *subject.Transform
	republish *subject.Transform
	// origins are the sources by their key.
	origins map[string]*origin
}

func compile(cfg *api.StreamConfig) (rules, error) {
	limit := func(n int64) uint64 { return uint64(max(n, 0)) }
	r := rules{
		sealed: cfg.Sealed, mirror: cfg.Mirror != nil,
		interest: cfg.Retention == api.RetainInterest, workQueue: cfg.Retention == api.RetainWorkQueue,
		maxSize:     int(cfg.MaxMsgSize),
		maxMessages: limit(cfg.MaxMsgs), maxBytes: limit(cfg.MaxBytes), perSubject: limit(cfg.MaxMsgsPerSubject),
		maxAge: int64(cfg.MaxAge), window: int64(cfg.DuplicateWindow),
		discardNew: cfg.Discard == api.DiscardNew, discardNewPerSubject: cfg.DiscardNewPerSubject,
		rollup: cfg.AllowRollup, ttl: cfg.AllowMsgTTL, counter: cfg.AllowMsgCounter,
		schedules: cfg.AllowMsgSchedules, atomic: cfg.AllowAtomic,
		marker:  api.TTL(cfg.SubjectDeleteMarkerTTL / time.Second),
		size:    store.FileSize,
		origins: make(map[string]*origin),
	}
	if r.maxSize <= 0 {
		r.maxSize = -1
	}
	if r.mirror {
		r.window = 0
	}
	if cfg.Storage == api.MemoryStorage {
		r.size = store.MemorySize
	}
	var err error
	if t := cfg.SubjectTransform; t != nil {
		if r.transform, err = t.Compile(); err != nil {
			return rules{}, fmt.Errorf("stream: subject transform: %w", err)
		}
	}
	if cfg.RePublish != nil {
		if r.republish, err = cfg.RePublish.Compile(); err != nil {
			return rules{}, fmt.Errorf("stream: republish: %w", err)
		}
	}
	for _, s := range cfg.Sources {
		if s == nil {
			return rules{}, errors.New("stream: a source that is none")
		}
		r.origins[s.Key()] = newOrigin(s)
	}
	return r, nil
}

// configure puts a configuration in force.
func (c *Core) configure(cfg *api.StreamConfig) error {
	r, err := compile(cfg)
	if err != nil {
		return err
	}
	c.cfg, c.rules = cfg, r
	return nil
}

// applyConfig changes the configuration, and brings what is there within it.
func (c *Core) applyConfig(in *reader, _ int64, r *Result) error {
	text := in.Bytes()
	cfg := new(api.StreamConfig)
	if !in.End() || json.Unmarshal(text, cfg) != nil {
		return errMalformed
	}
	before := c.rules
	if c.configure(cfg) != nil {
		return errMalformed
	}
	r.ConfigChanged = true
	for key := range c.sources {
		if c.rules.origins[key] == nil {
			delete(c.sources, key)
		}
	}
	if !cfg.AllowBatched {
		clear(c.fast)
	}
	if c.rules.perSubject > 0 && !c.rules.discardNewPerSubject && !c.rules.sealed &&
		(before.perSubject == 0 || c.rules.perSubject < before.perSubject) {
		if err := c.evictSubjects(r); err != nil {
			return err
		}
	}
	if err := c.evictOldest(r); err != nil {
		return err
	}
	if c.rules.interest && !before.interest {
		return c.dropUnwanted(nil, nil, r)
	}
	return nil
}

// evictSubjects removes what is too much on each subject.
func (c *Core) evictSubjects(r *Result) error {
	var full []string
	for name, on := range c.store.Subjects(">") {
		if on.Messages > c.rules.perSubject {
			full = append(full, string(name))
		}
	}
	for _, name := range full {
		if err := c.evictSubject(name, r); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether a subject is one of the stream's.
func (c *Core) holds(literal []byte) bool {
	return slices.ContainsFunc(c.cfg.Subjects, func(pattern string) bool { return subject.Matches(literal, pattern) })
}
