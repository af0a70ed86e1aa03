package main

const (
	walFlush     = "server/raft/wal/flush.go"
	walLog       = "server/raft/wal/log.go"
	walOpen      = "server/raft/wal/open.go"
	walAnalyze   = "server/raft/wal/analyze.go"
	walMerge     = "server/raft/wal/merge.go"
	walScan      = "server/raft/wal/scan.go"
	walRecord    = "server/raft/wal/record.go"
	walEncode    = "server/raft/wal/encode.go"
	walSegment   = "server/raft/wal/segment.go"
	walSidecar   = "server/raft/wal/sidecar.go"
	walHousekeep = "server/raft/wal/housekeep.go"
	walReclaim   = "server/raft/wal/reclaim.go"
	walOperation = "server/raft/wal/operation.go"
	walGroup     = "server/raft/wal/group.go"
	walRead      = "server/raft/wal/read.go"
	walStore     = "server/raft/wal/store.go"
	walDamage    = "server/raft/wal/damage.go"
)

// walMutants are faults of the shared log: of what it does with a failing disk, of
// what it makes of a broken file, and of how it wins space back.
var walMutants = []Mutant{
	// What is durable, and when.
	{
		"write is done before it is synced", walFlush, "if sync && (any || s.synced != s.end) {", "if sync && s.synced != s.end {",
		"seen in the field: up to two minutes of acknowledged writes were gone after a power failure",
	},
	{
		"failed sync of a flush is not looked at", walFlush,
		"if sync && (any || s.synced != s.end) {\n		if err := l.syncSegment(); err != nil {", "if sync && (any || s.synced != s.end) {\n		if err := l.syncSegment(); noSpace(err) {",
		"the pages are marked clean, and what was acknowledged is nowhere (Rebello et al., 2020)",
	},
	{
		"who helps leaves the rest to nobody", walFlush, "	<-l.turn\n	if l.Queued() {\n		l.kick()\n	}\n", "	<-l.turn\n",
		"what came while the disk was at work waits until the next publisher comes",
	},
	{
		"helpers wait for each other", walFlush, "	case l.turn <- struct{}{}:\n	default:\n		return\n	}\n", "	case l.turn <- struct{}{}:\n	}\n",
		"every connection that publishes stands still while the disk is slow",
	},
	{
		"helper does not see that the log is not started", walFlush, "return l.started && len(l.queue) > 0", "return len(l.queue) > 0",
		"a log that is written before it has been opened",
	},
	{
		"failed write is tried again", walFlush, "		if !noSpace(err) {\n			return l.fail(err)\n		}\n		// Nothing", "		// Nothing",
		"after a failed sync a later good one says nothing of what was written before",
	},
	{
		"poisoned log takes writes", walLog, "	case l.poison != nil:\n		return l.poison\n	case l.closed:", "	case l.closed:",
		"a server that goes on with a disk that has failed",
	},
	{
		"failure is forgotten", walFlush, "l.poison = fmt.Errorf(\"%w: %w\", ErrPoisoned, err)", "_ = fmt.Errorf(\"%w: %w\", ErrPoisoned, err)",
		"a server that goes on with a disk that has failed",
	},
	{
		"vote waits for sync_interval", walFlush, "return r.Replica != nil || r.Hard != nil || r.Delete }", "return r.Replica != nil || r.Delete }",
		"a replica that votes twice costs more than an interval",
	},
	{
		"segment is left before it is synced", walFlush, "	if err := l.sync(); err != nil {\n		return err\n	}\n	next, err", "	next, err",
		"the header of the next segment says that it is",
	},
	{
		"failed sync of a segment that is left is not looked at", walFlush, "	if err := l.sync(); err != nil {\n		return err\n	}\n	next, err",
		"	if err := l.sync(); noSpace(err) {\n		return err\n	}\n	next, err", "the header of the next segment says that it is synced",
	},
	{
		"name of a segment is not synced", walSegment, "	if err = vfs.SyncDir(l.cfg.FS, l.cfg.Dir); err != nil {\n		return nil, err\n	}\n	return &segment", "	return &segment",
		"a file that is synced and has no name after a power failure",
	},
	{
		"failed sync of a segment's name is not looked at", walSegment, "err = vfs.SyncDir(l.cfg.FS, l.cfg.Dir); err != nil {\n		return nil, err\n	}\n	return &segment",
		"err = vfs.SyncDir(l.cfg.FS, l.cfg.Dir); noSpace(err) {\n		return nil, err\n	}\n	return &segment", "a file that is synced and has no name after a power failure",
	},
	{
		"store is made before its first segment is durable", walOpen, "	if err := l.active.f.SyncData(); err != nil {\n		return err\n	}\n	// With", "	// With",
		"a store that was just made looks like one that has lost all it held",
	},
	{
		"failed write of STORE is not looked at", walOpen, "	if err := l.writeStore(); err != nil {\n		return err\n	}\n	if a.exists {", "	if err := l.writeStore(); noSpace(err) {\n		return err\n	}\n	if a.exists {",
		"seen in the field: the file that says what there is was not synced, or failed to be",
	},
	{
		"failed sync of a sidecar is not looked at", walSidecar, "	if err := w.f.SyncData(); err != nil {\n		return err\n	}\n", "	if err := w.f.SyncData(); noSpace(err) {\n		return err\n	}\n",
		"any failed sync ends the log",
	},
	{
		"sidecar is not synced", walSidecar, "	if err := w.f.SyncData(); err != nil {\n		return err\n	}\n", "",
		"after a power failure damage is everybody's",
	},
	{
		"sidecar vouches for what is not synced", walHousekeep, "	if sync {\n		if err := l.submit(&operation{sync: true}); err != nil {\n			return err\n		}\n	}\n", "",
		"with sync_interval a torn tail is taken for damage",
	},
	{
		"flush vouches for what is not synced", walFlush, "term: l.synced.segment, index: uint64(l.synced.offset)", "term: s.number, index: uint64(s.end)",
		"with sync_interval a torn tail is taken for damage",
	},
	{
		"failure of housekeeping is not kept", walHousekeep, "	l.poisonWith(err)\n	if !l.isStarted() {", "	if !l.isStarted() {",
		"any failed write or sync ends the log",
	},
	{
		"housekeeping goes on in a poisoned log", walHousekeep, "	if err := l.failed(); err != nil {\n		return err\n	}\n	l.more = false", "	l.more = false",
		"files stay as they are after a failure",
	},
	{
		"closing does not sync", walHousekeep, "	if err := l.sync(); err != nil {\n		l.poisonWith(err)\n		return l.failed()\n	}\n", "",
		"with sync_interval a server that is stopped and then switched off loses its last writes",
	},

	// A full disk.
	{
		"full disk is the end", walLog, "	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)", "	return errors.Is(err, syscall.EDQUOT)",
		"seen in the field: a full disk disabled a server, or had its streams reset",
	},
	{
		"what meets a full disk is acknowledged", walFlush, "		if err == nil {\n			return l.complete()", "		if err == nil || noSpace(err) {\n			return l.complete()",
		"acknowledged and not written",
	},
	{
		"full disk excuses a failed sync of what was acknowledged", walLog, "[*lossError](err); loss {", "[*lossError](err); loss && err == nil {",
		"no room brings it back",
	},
	{
		"place of a failed write is used again", walFlush, "		l.active.closed = true\n", "",
		"no place is written twice: what is valid behind a torn write is of another time",
	},
	{
		"write passes an earlier one of its group", walOperation, "case fits && r.passes() && len(own) == 0:", "case fits && r.passes():",
		"a vote that overtakes entries, a base without what is in front of it",
	},
	{
		"compaction passes what it is about", walOperation, "!slices.ContainsFunc(own, func(at int) bool { return rest[at].concerns(r.Base.Index) })", "r.Group != 0",
		"entries behind a base that was to come later",
	},

	// Torn tail or damage.
	{
		"half a write is kept", walAnalyze, "s.end = max(s.mark, b.unit)", "s.end = max(s.mark, b.from)",
		"entries without the term and vote that they were written with",
	},
	{
		"records of a write are not joined", walEncode, "if left--; left > 0 {", "if left--; left > 1 {",
		"entries without the term and vote that they were written with",
	},
	{
		"damaged middle is cut as a torn tail", walAnalyze, "		s.mark = max(s.mark, o.scan.synced[s.number])\n", "",
		"seen in the field: checksums that only truncate, and acknowledged messages are gone",
	},
	{
		"sidecar's word does not count", walAnalyze, "		s.mark = max(s.mark, s.side.to)\n", "",
		"damage of the last flush is cut as a torn tail",
	},
	{
		"scan ends at the first damage", walScan, "next := w.resync(at+recordAlign, limit, seed)", "next := limit",
		"one bit takes all that follows it",
	},
	{
		"housekeeping does not wait for the tail to be written once more", "server/raft/wal/housekeep.go", "	if l.unrenewed.Load() {\n", "	if false {\n",
		"a segment that was made ready before is older than what it follows",
	},
	{
		"tail is not written once more", walOpen, "	err := l.renew()\n	if l.lacksRoom(err) {\n", "	var err error\n	if l.lacksRoom(err) {\n",
		"after a failed sync the page cache shows what is not on disk",
	},
	{
		"tail that cannot be read is cut", walAnalyze, "if u.to > s.mark && u.from <= s.end {", "if u.to > s.mark && u.from < 0 {",
		"a sector that cannot be read for now is no torn write",
	},
	{
		"data of a record is not checked", walRecord, "len(data) > 0 && crc32.Checksum(data, castagnoli) == r.dcrc)", "len(data) > 0)",
		"a flipped bit is served as if nothing were",
	},
	{
		"record is valid anywhere", walRecord, "le.Uint32(b[16:]) != uint32(at/recordAlign) || ", "at < 0 || ",
		"a misplaced block has a checksum that fits",
	},
	{
		"record is valid in any segment", walRecord, "	binary.LittleEndian.PutUint64(b[8:], segment)\n", "	_ = segment\n",
		"a block that was put back has a checksum that fits",
	},
	{
		"record is valid in any store", walRecord, "	binary.LittleEndian.PutUint64(b[:], store)\n", "	_ = store\n",
		"a disk that was used before holds records that look like our own",
	},
	{
		"record need not follow the one before it", walScan, "if chained && r.prev != chain {", "if chained && r.prev != chain && r.prev == 0 {",
		"a block of another past of the same log has checksums that fit",
	},
	{
		"gaps in a group's numbers are not noticed", walMerge, "if p.gaps && e.seq > g.history.seq+1 {", "if p.gaps && e.seq > g.history.seq+1 && e.seq == 0 {",
		"lost records of which nobody hears",
	},
	{
		"unknown loss concerns nobody", walMerge, "			g.history.unknown = true\n		}\n	}\n}\n\n// nowhere", "			g.history.unknown = g.history.unknown || h.to == 0\n		}\n	}\n}\n\n// nowhere",
		"a group that has forgotten and does not know it votes",
	},
	{
		"store stays the same after an unknown loss", walOpen, "l.store.loss, l.store.incarnation = loss, l.cfg.Incarnation()", "l.store.loss = loss",
		"a group of which not even the name is left is joined again under its old identity",
	},
	{
		"proof of damage is not kept", walOpen, "		l.store.mark = a.mark\n		write = true\n", "		write = true\n",
		"with the file that proved it lost as well, damage looks like a torn tail",
	},
	{
		"sidecar of another segment is believed", walSidecar, "	return crc32.Update(seedOf(store, segment), castagnoli, sideMagic)", "	return crc32.Checksum(sideMagic, castagnoli) + uint32(store-store+segment-segment)",
		"a file that was put back, or has another one's name",
	},
	{
		"catalog without a part is believed", walSidecar, "if err != nil || part != int(k.part) {", "if err != nil {",
		"groups that it does not tell of are gone",
	},
	{
		"catalog without its end is believed", walSidecar, "			if k.flags&blockLast != 0 {\n				s.catalog", "			if k.flags&blockLast != 0 || k.part == 0 {\n				s.catalog",
		"groups that it does not tell of are gone",
	},

	// What a group consists of.
	{
		"records count in the order of places", walMerge, "cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(y.count", "cmp.Or(cmp.Compare(y.count",
		"a copy that was moved forward undoes what came after it",
	},
	{
		"any record of its kind will do", walMerge, "if m.seq == r.seq && r.seq != 0 && g.take(r) {", "if m.seq >= r.seq && r.seq != 0 && g.take(r) {",
		"an older term and vote take the place of lost ones",
	},
	{
		"copy takes the place of a newer record", walOperation, "		// The batch may have a write that replaced it.\n		if c.g.liveAtLocked(&c.rec, c.from) {", "		if raft.Index(c.rec.index) > c.g.base.Index && raft.Index(c.rec.index) <= c.g.lastLocked() || !c.rec.kind.isEntry() {",
		"seen in the field: compaction that brings back what was replaced",
	},
	{
		"base does not tell what follows it", walEncode, "		l.data = appendBase(l.data[:0], b, a.last)\n", "		l.data = appendBase(l.data[:0], b, b.Index)\n",
		"after a restart a compacted log has lost its end",
	},
	{
		"deleted group comes back", walMerge, "	case kindDelete:\n		g.resetLocked()\n", "	case kindDelete:\n",
		"seen in the field: purged and deleted data returns after a restart",
	},
	{
		"deletion is forgotten too early", walReclaim, "if !g.exists && g.cover < oldest {", "if !g.exists && g.cover < oldest+1000 {",
		"records from before it are found again, without it",
	},
	{
		"removed segments count again", walAnalyze, "if listed(s.number) && !unused {", "if (listed(s.number) || s.scan != nil) && !unused {",
		"a file that a power failure brings back has groups that were deleted",
	},

	// Winning space back.
	{
		"segment goes with a live record in it", walReclaim, "case s.live.Load() == 0:", "case s.live.Load() <= recordHeader:",
		"acknowledged, synced, and removed",
	},
	{
		"segment with damage goes", walReclaim, "s.number >= active || s.pins.Load() > 0 || s.keep.Load():", "s.number >= active || s.keep.Load():",
		"the damage is not found again at the next start, and the replica votes",
	},
	{
		"segments go before the list of the others is written", walReclaim, "op := &operation{sync: true, manifest: true, remove: dead}", "op := &operation{sync: true, remove: dead}",
		"what was removed looks as if it were lost",
	},
	{
		"segments go before what replaces them is synced", walReclaim, "op := &operation{sync: true, manifest: true, remove: dead}", "op := &operation{manifest: true, remove: dead}",
		"with sync_interval a power failure takes both the copy and the original",
	},
	{
		"compaction frees one entry too many", walGroup, "	for _, at := range g.locs[:n] {\n", "	for _, at := range g.locs[:min(n+1, len(g.locs))] {\n",
		"the segment of an entry that is needed is removed",
	},
	{
		"damage is moved forward", walReclaim, "r.size == c.from.size && r.checkData(b[recordHeader:]); ok {", "r.size == c.from.size; ok {",
		"a flipped bit gets a checksum that fits",
	},

	// Reading.
	{
		"entries are read unchecked", walRead, "			w.term != 0 && r.term != w.term || !r.checkData(rec[recordHeader:]) {", "			w.term != 0 && r.term != w.term {",
		"a flipped bit is sent to the followers",
	},
	{
		"damage is made up for by any write", walDamage, "case DamagedUnknown:\n			if g.history.unknown {", "case DamagedUnknown:\n			if g.history.unknown && g.history.seq == 0 {",
		"a replica that has forgotten is not told so",
	},
}
