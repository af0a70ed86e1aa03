package main

const (
	fileCheckpoint = "server/jetstream/store/file/checkpoint.go"
	fileDamage     = "server/jetstream/store/file/damage.go"
	fileLoad       = "server/jetstream/store/file/load.go"
	fileScan       = "server/jetstream/store/file/scan.go"
)

// storeMutants are faults of the store in files: of what it makes durable, and of what it
// makes of what it finds.
var storeMutants = []Mutant{
	// Which index.
	{
		"older index is used though its log is gone", fileOpen, "		if !o.canReplay(body.extra) {\n			return nil, damage\n		}\n", "",
		"seen in the field: a store that goes back, and acknowledged messages are gone",
	},
	{
		"damaged store is begun anew though its log is gone", fileOpen, "	if !o.canReplay(nil) {\n		return damage\n	}\n", "",
		"seen in the field: a store that was reset to get out of trouble",
	},
	{
		"blocks without an index are a new store", fileOpen, "		if len(o.files) > 0 {\n			return o.beginAnew(&IndexError{Dir: o.cfg.Dir, Err: errNoIndex})\n		}\n		return o.create()", "		return o.create()",
		"seen in the field: all messages are gone with the file that lists them",
	},
	{
		"index of another generation is taken", fileOpen, "	if h.generation != generation {\n		return nil, nil, fmt.Errorf(\"it is index %x\", h.generation)\n	}\n", "",
		"a file that was put back under a newer name",
	},
	{
		"index with something behind it is taken", fileOpen, "	if f.length() != len(rest) {\n		return nil, nil, errIndex\n	}\n", "	_ = f\n",
		"every byte is under a checksum",
	},
	{
		"the index before is not kept", fileCheckpoint, "	for len(kept) > 2 {", "	for len(kept) > 1 {",
		"damage of one small file takes all",
	},
	{
		"block goes though an index needs it", fileCheckpoint, "		if b.dropped >= oldest || b.pins", "		if b.dropped > oldest || b.pins",
		"the off-by-one that leaves an index without its messages",
	},
	{
		"block of the index before makes room", fileOpen, "		if id < body.nextBlock {\n			// The index before may need it.\n			b.dropped = o.committing.kept[0]\n		}\n", "",
		"a full disk takes what would make up for damage",
	},
	{
		"what was set aside is overwritten", fileLoad, "		taken = append(taken, vfs.Entry{Name: to})\n", "		to = name\n",
		"what is in quarantine may be the only copy",
	},

	// What is durable, and when.
	{
		"index is written before what it lists is synced", fileCheckpoint, "	if err := c.sync(); err != nil {\n		return err\n	}\n	err = s.writeIndex(c.generation, &c.body)\n", "	err = s.writeIndex(c.generation, &c.body)\n	if err := c.sync(); err != nil {\n		return err\n	}\n",
		"a checkpoint of messages that a power failure has taken",
	},
	{
		"names of new blocks are not synced", fileCheckpoint, "	if newNames {\n", "	if newNames && len(c.files) == 0 {\n",
		"a file that is synced and has no name after a power failure",
	},
	{
		"failed sync of a block is tried again", fileCheckpoint, "			// Also of a full disk: what was written may be lost now.\n			return s.poison(fmt.Errorf(\"store: %w\", err))\n", "			return fmt.Errorf(\"store: %w\", err)\n",
		"the pages are marked clean, and what was written is nowhere (Rebello et al., 2020)",
	},
	{
		"what is erased comes back when the power is cut", fileCheckpoint, "	return f.SyncData()\n", "	return nil\n",
		"erased is for good",
	},
	{
		"what is erased beside a checkpoint stays", fileCheckpoint, "	s.erase = slices.Clone(s.erase[min(len(c.erase), len(s.erase)):])\n", "	s.erase = nil\n",
		"erased is for good",
	},
	{
		"deletion begins with the indexes", fileCheckpoint, "	for _, indexes := range []bool{false, true} {", "	for _, indexes := range []bool{true, false} {",
		"a power failure leaves blocks without index, which looks like damage",
	},

	// Torn tails and damage.
	{
		"block that was cut goes on", fileLoad, "		f, err := o.cfg.FS.OpenReadWrite(b.path)\n", "		b.full = b != o.blocks[len(o.blocks)-1]\n		f, err := o.cfg.FS.OpenReadWrite(b.path)\n",
		"no place is written twice: what is valid behind a torn write is of another time",
	},
	{
		"tail behind the checkpoint is not cut", fileLoad, "		return errors.Join(f.Truncate(b.written), f.Close())\n", "		return f.Close()\n",
		"no place is written twice",
	},
	{
		"number of a file is used again", fileOpen, "		o.nextBlock = max(o.nextBlock, id+1)\n", "",
		"a block that is written over one which an index may need",
	},
	{
		"older records in their own places are taken", fileScan, "len(p.found.mem.slots) == t.n && p.sum != t.sum {", "len(p.found.mem.slots) < t.n && p.sum != t.sum {",
		"a page that was put back has checksums that fit",
	},
	{
		"older footer in its own place is taken", fileLoad, "	if crc != foot.crc {\n		return errOlder\n	}\n", "	_ = crc\n",
		"a page that was put back has a checksum that fits",
	},
	{
		"content of records is not checked", fileScan, "!r.checkContent(content[pos+recordHead+r.subject:pos+size], t.seed, here) {", "r.rawLen() < 0 {",
		"a flipped bit is served as if nothing were",
	},
	{
		"lost message is told as any of its neighbours", fileScan, "	exact := uint64(until-first) == uint64(ordinal-len(m.slots))\n", "	exact := until < first\n",
		"clients that are told of losses which are none",
	},
	{
		"damaged footer is kept", fileLoad, "	if l.footer != nil || l.found.header != nil {\n		b.renew = true\n	}\n", "",
		"each start reads the whole block, for ever",
	},
	{
		"loss is told twice", fileDamage, "		if known {\n			continue\n		}\n", "		_ = known\n",
		"more is said to be lost than there was",
	},

	// What is counted.
	{
		"lost messages count", fileLoad, "			b.dead.set(r.ordinal)\n			b.live--\n", "			b.dead.set(r.ordinal)\n",
		"bytes and counts equal a recount",
	},
	{
		"removed messages count again after a restart", fileLoad, "		o.state.Messages += uint64(b.live)\n", "		o.state.Messages += uint64(b.n)\n",
		"bytes and counts equal a recount",
	},
	{
		"store begins with a message that is lost", fileLoad, "	if o.state.Messages != body.state.Messages {", "	if o.state.Messages > body.state.Messages {",
		"limits that wait for the oldest message to go, which is not there",
	},
	{
		"block of which nothing is left is kept", fileLoad, "		if b.live == 0 {\n			empty = append(empty, b)\n		}\n", "",
		"a file that is listed for ever",
	},
}
