package main

const (
	streamCore     = "server/jetstream/stream/core.go"
	streamPublish  = "server/jetstream/stream/publish.go"
	streamExpect   = "server/jetstream/stream/expect.go"
	streamDedupe   = "server/jetstream/stream/dedupe.go"
	streamRollup   = "server/jetstream/stream/rollup.go"
	streamTTL      = "server/jetstream/stream/ttl.go"
	streamAdvance  = "server/jetstream/stream/advance.go"
	streamCounter  = "server/jetstream/stream/counter.go"
	streamBatch    = "server/jetstream/stream/batch.go"
	streamFast     = "server/jetstream/stream/fast.go"
	streamLimits   = "server/jetstream/stream/limits.go"
	streamInterest = "server/jetstream/stream/interest.go"
	streamRemove   = "server/jetstream/stream/remove.go"
	streamSchedule = "server/jetstream/stream/schedule.go"
	streamSource   = "server/jetstream/stream/source.go"
	streamRestore  = "server/jetstream/stream/restore.go"
	streamConfig   = "server/jetstream/stream/config.go"
	streamState    = "server/jetstream/stream/state.go"
	streamAtomic   = "server/jetstream/stream/ingest_atomic.go"
	streamFlow     = "server/jetstream/stream/ingest_fast.go"
)

// streamMutants are faults of the rules by which a stream applies what its log says.
var streamMutants = []Mutant{
	// Numbers and times.
	{
		"stream's time goes back", streamCore, "	c.time = max(c.time, now)\n	now = c.time\n", "	c.time = now\n",
		"the window of duplicates, and what expires, depend on the order of two clocks",
	},
	{
		"copied message is older than the one before it", streamSource, "return &c.pub, seq, max(time, state.LastTime), nil", "return &c.pub, seq, time, nil",
		"a search by time relies on the order",
	},
	{
		"number of what nobody wants is used again", streamPublish, "		if err := c.store.Skip(seq, now); err != nil {\n			return err\n		}\n", "",
		"two messages that were answered with one number",
	},
	{
		"restored stream ends at its newest message", streamRestore, "	return c.skip(seq, time, r)\n", "	return c.skip(min(seq, c.store.State().Last), time, r)\n",
		"numbers of deleted messages are given a second time",
	},

	// Duplicates.
	{
		"duplicates are found until somebody tidies up", streamPublish, "		c.dedupe.expire(c.time - c.rules.window)\n", "",
		"the window's end depends on when the leader advanced the stream",
	},
	{
		"window of duplicates is a nanosecond too long", streamDedupe, "		if e.time > time {\n", "		if e.time >= time {\n",
		"the off-by-one at the end of the window",
	},
	{
		"batch may say an id twice", streamPublish, "case b != nil && (known || b.hasID(h.msgID)):", "case b != nil && known:",
		"what is stored of a batch is only found out when it is",
	},
	{
		"id of what nobody wants is forgotten", streamPublish, "		c.remember(p.head.msgID, seq, now)\n		r.Seq = seq\n", "		r.Seq = seq\n",
		"a publisher that tries again is told another number",
	},
	{
		"last id is that of the last message that had one", streamPublish, "	c.lastID = append(c.lastID[:0], id...)\n	if c.rules.window <= 0 || len(id) == 0 {\n		return\n	}\n", "	if c.rules.window <= 0 || len(id) == 0 {\n		return\n	}\n	c.lastID = append(c.lastID[:0], id...)\n",
		"Nats-Expected-Last-Msg-Id is of the newest message",
	},
	{
		"reset stream knows old ids", streamRemove, "	c.dedupe = dedupe{}\n", "",
		"the first messages of a new life are taken for those of the old one",
	},

	// What publishers expect.
	{
		"number expected on a subject is compared with the stream's", streamExpect, "		return on.Last, nil\n	}\n	if !subject.IsValid(pattern) {", "		return max(on.Last, c.store.State().Last), nil\n	}\n	if !subject.IsValid(pattern) {",
		"keys of a bucket are in each other's way",
	},
	{
		"expectation overlooks the batch it is in", streamExpect, "	if b != nil && b.touches(on) {\n", "	if b != nil && b.touches(on) && b.messages == 0 {\n",
		"two of a batch that both expect to be the first",
	},

	// Rollups.
	{
		"rollup of a subject takes itself along", streamRollup, "		for n := on.Messages; n > 1; n-- {", "		for n := on.Messages; n > 0; n-- {",
		"the off-by-one that leaves nothing",
	},

	// Expiry.
	{
		"message ends a nanosecond late", streamAdvance, "		if !ok || m.at > now {\n", "		if !ok || m.at >= now {\n",
		"the off-by-one at the end of a TTL: the stream is due, and does nothing",
	},
	{
		"message is too old a nanosecond late", streamAdvance, "c.store.At(now - c.rules.maxAge + 1)", "c.store.At(now - c.rules.maxAge)",
		"the off-by-one at the end of max_age: the stream is due, and does nothing",
	},
	{
		"age ends what never ends", streamAdvance, "	if c.rules.marker == 0 && c.expiry.never.Len() == 0 {\n", "	if c.rules.marker == 0 {\n",
		"the fast path forgets what the slow one knows",
	},
	{
		"copied message begins its TTL anew", streamSource, "	c.noteTTL(seq, time, p.ttl)\n", "	c.noteTTL(seq, now, p.ttl)\n",
		"each copy of a copy lives longer",
	},
	{
		"removed message keeps its moment", streamLimits, "	c.expiry.remove(gone.Seq)\n", "",
		"memory that grows with all messages there ever were",
	},
	{
		"marker for each message that ends", streamAdvance, "		if on.Last == m.Seq && leavesMarker(m.Header) {\n", "		if on.Last >= m.Seq && leavesMarker(m.Header) {\n",
		"a key that looks deleted while it has a value",
	},

	{
		"marker stands beside what it marks", streamAdvance, "ttl: c.rules.marker, rollup: api.RollupOfSubject}", "ttl: c.rules.marker}",
		"older values of a key that has ended come back with the end of its marker",
	},

	// Counters.
	{
		"counter of a batch begins anew with each message", streamBatch, "	on.counter = b.counter\n", "",
		"of several increments the last one counts",
	},
	{
		"counter adds what its source stands at", streamCounter, "	return value.Sub(value, previous), nil\n", "	return value.Add(value, previous.SetInt64(0)), nil\n",
		"sums that grow with each message of a source, not by what it adds",
	},

	// Batches.
	{
		"batch is stored as far as it is good", streamBatch, "		c.batch.publishes = append(c.batch.publishes, *p)\n", "		if err := c.put(p, now, r); err != nil {\n			return err\n		}\n",
		"atomic is all or nothing",
	},
	{
		"limits overlook the batch", streamLimits, "		messages += uint64(b.messages)\n", "",
		"a batch that brings a stream above its limit",
	},
	{
		"gap in a fast batch is not noticed", streamFast, "!b.gaps && seq != b.last+1:", "!b.gaps && seq <= b.last:",
		"messages that a leader lost are missing in the middle",
	},
	{
		"fast batch goes on after a refusal", streamFast, "	default:\n		ended = true\n	}\n", "	}\n",
		"a publisher that allowed no gaps has one",
	},
	{
		"fast batches are not bounded", streamFast, "	case b == nil && flags&fastCommit == 0 && len(c.fast) >= maxFastBatches:\n		r.Err, r.Fast.Ended = api.ErrBatchPublishTooManyInflight, true\n		return nil\n", "",
		"memory that is replicated, and bounded by the leader alone",
	},

	{
		"end of a fast batch takes back what is stored", streamFast, "Last: max(b.last, last), ", "Last: last, ",
		"a publisher that is told less than what is there sends it again",
	},
	{
		"fast batch outlives the permission", streamConfig, "	if !cfg.AllowBatched {\n		clear(c.fast)\n	}\n", "",
		"memory that nobody ever frees",
	},

	{
		"number of a batch may come twice", streamAtomic, "	case uint64(seq) != next, seq == 1", "	case uint64(seq) > next, seq == 1",
		"a message that is sent again is in its batch twice",
	},
	{
		"second proposal that is lost makes up for the first", streamFlow, "		b.received = min(b.received, t.seq-1)\n", "		b.received = t.seq - 1\n",
		"messages are missing in the middle of a batch that allows no gaps",
	},
	{
		"publisher that waits for a slow disk is idle", streamFlow, "	b.activity = g.active(now)\n	if t.seq", "	if t.seq",
		"batches that end under load",
	},

	// Limits.
	{
		"full is one message early", streamLimits, "messages > c.rules.maxMessages && !replaces {", "messages >= c.rules.maxMessages && !replaces {",
		"the off-by-one of a limit",
	},
	{
		"larger message finds room in place of a smaller one", streamLimits, "len(m.Data)) >= c.sizeOf(p), nil", "len(m.Data)) > 0, nil",
		"a stream that grows above its bytes though it refuses",
	},
	{
		"new limit of a subject is for new messages", streamConfig, "		if err := c.evictSubjects(r); err != nil {\n			return err\n		}\n", "",
		"subjects on which nothing comes any more stay as they are",
	},

	{
		"sealed stream is brought within new limits", streamConfig, "!c.rules.discardNewPerSubject && !c.rules.sealed &&\n", "!c.rules.discardNewPerSubject &&\n",
		"sealed is for good",
	},

	// Interest and work queues.
	{
		"ack of one counts for all", streamInterest, "		if !w.needs(seq) {\n			continue\n		}\n", "		if !w.needs(seq) {\n			return false, nil\n		}\n",
		"messages that others have not seen are gone",
	},
	{
		"acks count for what is not there yet", streamInterest, "		w.floor = min(floor, c.store.State().Last)\n", "		w.floor = floor\n",
		"messages that nobody has seen are gone",
	},
	{
		"acks of a range take what the consumer passed over", streamInterest, "	mixed := span.First < span.Last && c.rules.workQueue && w.filter != nil\n", "	mixed := false\n",
		"a work queue loses what another consumer is for",
	},
	{
		"last consumer leaves its messages behind", streamInterest, "	delete(c.interest.consumers, name)\n	c.interest.changed()\n", "	delete(c.interest.consumers, name)\n",
		"what nobody wants is stored",
	},
	{
		"narrower consumer leaves its messages behind", streamInterest, "	return c.dropUnwanted(before, before.filter, r)\n", "	return c.dropUnwanted(w, w.filter, r)\n",
		"messages that nobody will ever be done with",
	},
	{
		"stream that begins to retain by interest keeps all", streamConfig, "	if c.rules.interest && !before.interest {\n		return c.dropUnwanted(nil, nil, r)\n	}\n", "",
		"messages that nobody will ever be done with",
	},

	{
		"consumer is done with what is not there yet", streamInterest, "w = &wants{floor: min(floor, c.store.State().Last)}", "w = &wants{floor: floor}",
		"messages that it has not seen are gone",
	},
	{
		"acks take messages of a sealed stream", streamInterest, "|| !c.retains() || c.rules.sealed {", "|| !c.retains() {",
		"sealed is for good",
	},
	{
		"consumers are not told of what nobody wants", streamPublish, "		r.Seq = seq\n		r.stored(seq)\n", "		r.Seq = seq\n",
		"they wait for a number that will never come",
	},

	// Deleting and purging.
	{
		"purge of a subject is never swept up", streamRemove, "		c.unseen += n\n		c.sweep(&state)\n", "",
		"memory that grows with all messages there ever were",
	},
	{
		"purged message with a TTL is due for ever", streamAdvance, "		c.expiry.remove(m.seq)\n", "",
		"an idle stream that proposes for ever",
	},
	{
		"purge of a subject forgets the TTLs of others", streamRemove, "	case f == nil && keep == 0:\n", "	case keep == 0:\n",
		"messages that should have ended are there for ever",
	},
	{
		"sealed stream takes messages", streamPublish, "	case c.rules.sealed:\n		return api.ErrStreamSealed, nil\n", "",
		"sealed is for good",
	},
	{
		"sealed stream expires", streamAdvance, "	if c.rules.sealed {\n		return nil\n	}\n", "",
		"sealed is for good",
	},

	// Schedules.
	{
		"schedule that was replaced fires on", streamPublish, "	c.endSchedule(p)\n", "",
		"there is one schedule on a subject",
	},
	{
		"schedule fires before its time", streamSchedule, "!ok || due > now {", "!ok || due == 0 {",
		"what the leader found due may have been replaced since",
	},
	{
		"scheduled message has the id of its schedule", streamSchedule, "case api.HeaderMsgID, api.HeaderTTL, ", "case api.HeaderTTL, ",
		"a duplicate: it fires once",
	},
	{
		"schedule ends though it was not the newest of its subject", streamSchedule, "	if _, ok := c.plans.due[on.Last]; !ok {\n", "	if on.Last == 0 {\n",
		"a message that is no schedule is removed",
	},

	{
		"schedules pass what clients must not", streamSchedule, "	if apiErr == nil {\n		if err := c.put", "	if apiErr == nil || p.made {\n		if err := c.put",
		"a message above the limit of its size",
	},

	// Mirrors and sources.
	{
		"mirror stores under the subjects of its origin", streamSource, "	if c.rules.mirror {\n		c.transform(p, nil)\n", "	if c.rules.mirror {\n",
		"the transform of a mirror is for all that it copies",
	},
	{
		"copy of a schedule fires where schedules are not allowed", streamSource, "p.plan.Verdict == Scheduled && c.rules.schedules {", "p.plan.Verdict == Scheduled {",
		"what a schedule makes comes twice",
	},
	{
		"source goes on after a full stream refused", streamSource, "(IsFull(apiErr) || c.rules.sealed) {", "c.rules.sealed {",
		"messages of a source are left out for want of room",
	},
	{
		"TTL that means nothing stops a source", streamTTL, "	case p.sourced && (e != nil || !c.rules.ttl):\n		// It is kept as it is, and does not count.\n		return nil\n", "",
		"messages that are left out, and nobody is told",
	},
	{
		"source waits for what will never be let in", streamSource, "(IsFull(apiErr) || c.rules.sealed) {", "(IsFull(apiErr) || apiErr.Code > 0) {",
		"one message that is too large stops a source for good",
	},
	{
		"source that was made anew goes on where the old one was", streamSource, "			at.seq = 0\n", "",
		"the first messages of the new stream are missing",
	},
	{
		"source that was taken away is remembered", streamConfig, "			delete(c.sources, key)\n", "			_ = key\n",
		"when it comes back, it goes on where it was long ago",
	},
	{
		"position of a restored source is lost", streamRestore, "	c.noteOrigin(p.head.source)\n", "",
		"a restored stream takes all messages of its sources again",
	},
	{
		"restored core has forgotten gaps", streamState, "gaps: in.Bool()}", "gaps: in.Bool() && false}",
		"a batch that ends, on those replicas that were restarted",
	},
}
