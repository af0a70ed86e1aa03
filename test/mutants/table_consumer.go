package main

const (
	consumerAcks      = "server/jetstream/consumer/acks.go"
	consumerApply     = "server/jetstream/consumer/apply.go"
	consumerChange    = "server/jetstream/consumer/change.go"
	consumerCursor    = "server/jetstream/consumer/cursor.go"
	consumerDeliver   = "server/jetstream/consumer/deliver.go"
	consumerEngine    = "server/jetstream/consumer/engine.go"
	consumerFlow      = "server/jetstream/consumer/flow.go"
	consumerFull      = "server/jetstream/consumer/full.go"
	consumerIdle      = "server/jetstream/consumer/idle.go"
	consumerLife      = "server/jetstream/consumer/lifecycle.go"
	consumerPending   = "server/jetstream/consumer/pending.go"
	consumerPosition  = "server/jetstream/consumer/position.go"
	consumerPriority  = "server/jetstream/consumer/priority.go"
	consumerProposals = "server/jetstream/consumer/proposals.go"
	consumerPull      = "server/jetstream/consumer/pull.go"
	consumerPush      = "server/jetstream/consumer/push.go"
	consumerRedeliver = "server/jetstream/consumer/redeliver.go"
	consumerReplay    = "server/jetstream/consumer/replay.go"
	consumerServe     = "server/jetstream/consumer/serve.go"
	consumerSettings  = "server/jetstream/consumer/settings.go"
	consumerState     = "server/jetstream/consumer/state.go"
)

// consumerMutants are faults of the rules by which a consumer delivers, and of what its
// replicas make of the log.
var consumerMutants = []Mutant{
	// Where it begins.
	{
		"new consumer begins with the newest message", consumerLife, "		first = last + 1\n	case api.DeliverByStartSequence:", "		first = last\n	case api.DeliverByStartSequence:",
		"the off-by-one of deliver_policy new",
	},
	{
		"consumer begins behind its start", consumerLife, "e.ahead.create(c.flags(e.p.Retains), first-1, ", "e.ahead.create(c.flags(e.p.Retains), first, ",
		"one message that is never delivered",
	},
	{
		"last per subject is chosen anew by each leader", consumerLife, "		return newest[0], last, nil\n", "		return newest[0], 0, nil\n",
		"after a change of leaders all that was left out is delivered",
	},

	// What is settled.
	{
		"ack floor passes what is pending", consumerChange, "to = Position{Consumer: d.consumer - 1, Stream: d.stream - 1}", "to = Position{Consumer: d.consumer, Stream: d.stream}",
		"the off-by-one of the ack floor: a restored consumer has lost a message",
	},
	{
		"any ack raises the floor", consumerPending, "	if lowest {\n		p.skipHoles()\n	}\n	return lowest", "	if lowest {\n		p.skipHoles()\n	}\n	return true",
		"the floor follows when the lowest is settled",
	},
	{
		"ack of all stops in front of it", consumerPending, "d != nil && d.stream <= seq;", "d != nil && d.stream < seq;",
		"the off-by-one of ack policy all",
	},
	{
		"ack of all is an ack of one", consumerAcks, "	if e.cfg.AckPolicy == api.AckAll {\n", "	if e.cfg.AckPolicy == api.AckNone {\n",
		"messages come again that were acknowledged",
	},
	{
		"ack is answered before it is committed", consumerProposals, "after > e.log.done {", "after > e.log.made+1 {",
		"acknowledged twice, delivered once more by the next leader",
	},
	{
		"terminated message is delivered again", consumerAcks, "		e.acknowledge(seq)\n		e.advise(Terminated", "		e.advise(Terminated",
		"a message that nobody can process goes round",
	},
	{
		"acked message that was delivered twice counts as redelivered", consumerPending, "	if d.count > 1 {\n		p.repeated--\n	}\n	d.count = 0", "	d.count = 0",
		"a figure that only grows",
	},

	{
		"message that is gone settles those in front of it", consumerAcks, "	out.add(Effect{Kind: Advise, Advice: advice})\n	e.settle(d.stream)\n", "	out.add(Effect{Kind: Advise, Advice: advice})\n	e.acknowledge(d.stream)\n",
		"with ack policy all a limit of the stream acknowledges what nobody did",
	},
	{
		"stream is told that all between two acks is finished", consumerApply, "res.Finished[n-1].Last+1 == first {", "res.Finished[n-1].Last+1 >= first {",
		"acks that come out of order",
	},

	// Redelivery.
	{
		"message is given up one delivery early", consumerRedeliver, "d.count >= e.cfg.maxDeliver {", "d.count+1 >= e.cfg.maxDeliver {",
		"the off-by-one of max_deliver",
	},
	{
		"message that is given up stays pending", consumerAcks, "	e.ahead.expire(d)\n", "",
		"max_ack_pending is used up by what is never acknowledged",
	},
	{
		"backoff is one step ahead", consumerSettings, "c.BackOff[min(int(deliveries), n)-1]", "c.BackOff[min(int(deliveries), n-1)]",
		"the off-by-one of backoff",
	},
	{
		"nak with a delay outlives the delivery", consumerChange, "	d.time, d.due = now, 0\n", "	d.time = now\n",
		"the next ack wait is over at once",
	},
	{
		"due is counted from the clock of the replica", consumerApply, "store.Seq(in.Uvarint()), now+in.Varint()", "store.Seq(in.Uvarint()), s.time+in.Varint()",
		"replicas differ by what they have seen before",
	},
	{
		"progress is counted from the delivery", consumerAcks, "			e.postpone(d, time.Duration(e.cfg.ackWait(d.count)))\n", "			e.schedule(d)\n",
		"a message that is being worked on is given to another",
	},
	{
		"what is due together goes by the time", consumerRedeliver, "	slices.Sort(group)\n", "	_ = slices.Sorted[store.Seq]\n",
		"what expires together goes in the order of the stream",
	},
	{
		"new messages go before those that are due", consumerDeliver, "	for d := e.nextReady(); d != nil; d = e.nextReady() {", "	for d := e.nextReady(); d != nil && e.cursor.left == 0; d = e.nextReady() {",
		"a message that is never delivered again under load",
	},
	{
		"due message waits for room", consumerDeliver, "	for d := e.nextReady(); d != nil; d = e.nextReady() {", "	for d := e.nextReady(); d != nil && e.ahead.pending.live < e.cfg.maxPending; d = e.nextReady() {",
		"a consumer that stands for ever with max_ack_pending unacknowledged messages",
	},
	{
		"one more than max_ack_pending", consumerDeliver, "	if e.ahead.pending.live >= e.cfg.maxPending {", "	if e.ahead.pending.live > e.cfg.maxPending {",
		"the off-by-one of a limit",
	},
	{
		"missing message of a replica that is behind is given up", consumerDeliver, "errors.Is(err, store.ErrNotFound) && d.stream <= e.p.Store.State().Last", "errors.Is(err, store.ErrNotFound)",
		"a leader whose stream has not caught up settles what nobody has seen",
	},
	{
		"settled message is redelivered", consumerRedeliver, "		if d != nil && e.cfg.due(d) <= e.now {\n", "		if d != nil {\n",
		"a message that was put off since it was due",
	},
	{
		"timers of a new leader begin anew", consumerEngine, "	e.rebuildTimers()\n	e.startReplay()\n	e.startPush()\n	e.touch()\n	return nil", "	e.startReplay()\n	e.startPush()\n	e.touch()\n	return nil",
		"what is pending is never redelivered after a change of leaders",
	},

	// Who gets it.
	{
		"overflow group is served below its threshold", consumerPriority, "e.cursor.left >= uint64(r.minPending):", "e.cursor.left+1 >= uint64(r.minPending):",
		"the off-by-one of min_pending",
	},
	{
		"overflow by acks counts what is left", consumerPriority, "int64(e.ahead.pending.live) >= r.minAckPending", "int64(e.cursor.left) >= r.minAckPending",
		"a member that stands by while the others are overloaded",
	},
	{
		"others are served beside the pinned client", consumerServe, "r.level == pinnedLevel || e.pin.id == \"\"", "r.level <= standbyLevel",
		"two members that both believe to be the only one",
	},
	{
		"pull with an old pin is let in", consumerPriority, "	case r.ID != e.pin.id:\n", "	case r.ID != e.pin.id && e.pin.id != \"\":\n",
		"a client that was replaced goes on as if it were not",
	},
	{
		"pinned client is not noticed", consumerPriority, "	e.pin.expires = after(e.now, e.cfg.PriorityTimeout)\n	return nil", "	return nil",
		"a client that works loses its place",
	},
	{
		"expired request is served", consumerPull, "		case r.expires <= e.now:\n", "		case r.expires < e.now:\n",
		"a message to one who has gone",
	},
	{
		"message goes to one who has gone", consumerServe, "	if !e.listening(r) {\n		e.lost(r, out)\n		return 0, false\n	}\n", "",
		"a message that waits for the ack wait, for nothing",
	},
	{
		"request is forgotten by its leader only", consumerPull, "	if r.recorded {\n		f, _", "	if r.recorded && r.viaImport {\n		f, _",
		"the next leader tells those that have long been served",
	},
	{
		"who waits is not told of a new leader", consumerPull, "w.Expires == 0 || w.Expires > e.now {", "w.Expires > e.now {",
		"a request without an end waits for ever",
	},

	{
		"the wrong request is forgotten", consumerChange, "		s.waiting = slices.Delete(s.waiting, i, i+1)\n", "		s.waiting = slices.Delete(s.waiting, 0, 1)\n",
		"the next leader tells one who is served, and not one who waits",
	},
	{
		"requests of an image wait without end", consumerFull, "		expires := in.Varint()\n		full.waiting", "		expires := 0 * in.Varint()\n		full.waiting",
		"the next leader tells those that have long gone",
	},
	{
		"size of a delivery is that before it", consumerDeliver, "	} else if v.Pending > 0 {\n		v.Pending--\n	}\n", "	}\n",
		"a request for just one message of a size does not get it",
	},

	// What leaves, and when.
	{
		"delivery leaves before it is committed", consumerEngine, "e.p.Replicated && e.cfg.AckPolicy != api.AckNone", "e.p.Replicated && e.cfg.AckPolicy == api.AckNone",
		"the next leader gives the same number to another delivery",
	},
	{
		"status overtakes messages", consumerProposals, "	if e.log.held.len() == 0 && (f.Kind != Deliver", "	if f.Kind == SendStatus || e.log.held.len() == 0 && (f.Kind != Deliver",
		"a request that ends before its messages come",
	},
	{
		"pause is not kept", consumerIdle, "	e.ahead.pauseUntil = until\n", "",
		"the next leader delivers",
	},
	{
		"new leader forgets a pause", consumerEngine, "	e.paused = e.now < e.ahead.pauseUntil\n", "",
		"a pause that ends with its leader",
	},
	{
		"answer to an old flow control request counts", consumerFlow, "w.subject == subject && subject != \"\" {", "subject != \"\" {",
		"a receiver that is flooded",
	},
	{
		"flow control acknowledges what was not delivered", consumerFlow, "e.settleTo(min(stream, e.ahead.delivered.Stream))", "e.settleTo(stream)",
		"an operation that replicas refuse",
	},
	{
		"replay is at the pace of the clock", consumerReplay, "return p.at + max(m.Time-p.time, 0)", "return p.at + max(m.Time-p.at, 0)",
		"all at once",
	},
	{
		"position without acks is not recorded", consumerPosition, "		e.recordAt = e.now + recordEvery\n", "",
		"the next leader begins where nobody knows",
	},

	{
		"clock of a new leader goes back", consumerEngine, "now: max(now, s.time), recordAt", "now: now, recordAt",
		"redelivery that comes late by the difference of two clocks",
	},
	{
		"bytes that have left are held still", consumerProposals, "		p.heldBytes -= h.bytes()\n", "",
		"a consumer that stands when it has delivered 8 MiB",
	},

	// What is left.
	{
		"removed message is left", consumerCursor, "	c.drop(1)\n	if c.next != nil && c.next.Seq == seq {", "	if c.next != nil && c.next.Seq == seq {",
		"clients that wait for messages which never come",
	},
	{
		"message is counted twice", consumerCursor, "	if seq <= c.told {\n		return\n	}\n", "",
		"what was counted in the store is told of as well",
	},

	// Removal, purge and reset.
	{
		"removed message stays pending", consumerEngine, "	if d := e.ahead.pending.find(seq); d != nil {\n		e.drop(d, reasonRemoved, out)\n	}\n", "",
		"max_ack_pending is used up by what is not there any more",
	},
	{
		"purge leaves the floor behind", consumerChange, "	s.floor.Stream = max(s.floor.Stream, first-1)\n", "",
		"a floor in front of the stream",
	},
	{
		"purged position is delivered once more", consumerChange, "	s.delivered.Stream = max(s.delivered.Stream, first-1)\n", "",
		"a position that goes back",
	},
	{
		"reset keeps what is pending", consumerChange, "	s.pending.clear()\n", "",
		"messages in front of the new start come again",
	},
	{
		"reset begins behind its message", consumerChange, "	s.delivered = Position{Stream: first - 1, Time: now}\n", "	s.delivered = Position{Stream: first, Time: now}\n",
		"the off-by-one of a reset",
	},
	{
		"reset finishes what it passes over", consumerChange, "			s.expired.AddRange(uint64(next), uint64(first)-1)\n", "",
		"a stream that retains by interest loses what nobody has seen",
	},
	{
		"given up message is finished", consumerChange, "	if s.flags&Retains != 0 {\n		s.expired.Add(uint64(d.stream))\n	}\n	if", "	if",
		"a work queue loses what nobody could process",
	},

	{
		"reset leaves a position to be recorded", consumerLife, "	e.recordAt = never\n	e.rebuildTimers()\n	e.startReplay()", "	e.rebuildTimers()\n	e.startReplay()",
		"an engine that is due for ever",
	},
	{
		"purge looks at messages of others", consumerEngine, "e.p.Store.Next(e.cfg.filter, 1, m); {", "e.p.Store.Next(nil, 1, m); {",
		"an advisory for each of a million messages",
	},

	// Idle, updates, images.
	{
		"consumer with requests is deleted", consumerIdle, "		if e.pulls.n > 0 {\n			e.touch()\n			return\n		}\n", "",
		"deleted under a client that waits",
	},
	{
		"consumer with unacked messages is deleted", consumerIdle, "e.ahead.pending.live > 0 && at > e.now && at != never {", "e.ahead.pending.live > 0 && at < e.now && at != never {",
		"deleted under a client that works",
	},
	{
		"update keeps the old timers", consumerLife, "	e.touch()\n	e.rebuildTimers()\n	return e.reopen(out)", "	e.touch()\n	return e.reopen(out)",
		"a new ack wait is for new messages only",
	},
	{
		"update takes back what was passed over", consumerLife, "	e.recordPosition(true)\n	f, _ := e.record()\n	e.ahead.update", "	f, _ := e.record()\n	e.ahead.update",
		"with a new filter a leader delivers what another has passed over",
	},
	{
		"image forgets when a message is due", consumerFull, "		special := uint64(0)\n		if d.due != 0 {", "		special := uint64(0)\n		if d.due > d.time+1<<50 {",
		"after a restart a delayed message comes at once",
	},
	{
		"configuration is a part of the log's buffer", consumerApply, "		s.update(flags, bytes.Clone(config))\n", "		s.update(flags, config)\n",
		"a state that changes with the next frame",
	},
	{
		"image has what the next frame has", "server/jetstream/consumer/compact.go", "	e.log.flush(e.ahead, out)\n", "",
		"an operation that is applied twice",
	},
	{
		"copy shares what is pending", consumerState, "	c.pending = s.pending.clone()\n", "",
		"a new leader changes what is committed",
	},
}
