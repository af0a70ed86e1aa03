package main

const (
	fileReplace   = "server/jetstream/store/file/replace.go"
	imageReader   = "server/jetstream/store/image/reader.go"
	imageWriter   = "server/jetstream/store/image/writer.go"
	streamImage   = "server/jetstream/stream_image.go"
	consumerGroup = "server/jetstream/consumer.go"
	metaImage     = "server/jetstream/meta_image.go"
)

// imageMutants are faults of how a replica that lags gets what its leader has.
var imageMutants = []Mutant{
	{
		"content counts before it is on the disk", fileReplace, "	if err := c.sync(); err != nil {\n		return errors.Join(err, r.Discard())\n	}\n", "",
		"a snapshot that is installed, and not there after a power failure",
	},
	{
		"content goes though its index may be there", fileReplace, "!noSpace(err) || errors.Join(", "noSpace(err) && errors.Join(",
		"an error of a rename says nothing of what is on the disk",
	},
	{
		"what is in memory of a block is not that of the store", fileReplace, "		b.serial = s.cache.serials.Add(1)\n", "		b.serial = 1\n",
		"a cache that mistakes one thing for another",
	},
	{
		"image that ends early is taken", imageReader, "	if err := d.finish(); err != nil {\n			yield(nil, err)\n		}\n", "",
		"every byte is under a checksum",
	},
	{
		"what is read again is hashed again", imageWriter, "		w.hash.Write(b[n:])\n", "		w.hash.Write(b)\n",
		"a transfer that never succeeds once something of it was lost",
	},
	{
		"digest of what came of an image is not compared", streamImage, "	if err == nil && string(got[:]) != string(digest) {", "	if err != nil {",
		"replicas cannot drift apart without anybody noticing",
	},
	{
		"stream goes on with the core of before", streamImage, "	s.core, s.at = core, at\n", "	s.at = at\n",
		"deduplication that forgets what the leader remembers",
	},
	{
		"consumer needs what is in front of its whole state", consumerGroup, "		c.blank = c.at.Base.Index > 0\n", "",
		"entries that are kept for others, and that nothing can be made of",
	},
	{
		"asset that was deleted meanwhile goes on", engineAssets, "		if st := s.assigned.Load(); state.Current(st) == nil {\n", "		if st := s.assigned.Load(); state == nil {\n",
		"orphans",
	},
	{
		"older checkpoint of assets stays", metaImage, "vfs.WriteFile(m.e.cfg.FS, older, content)", "error(nil)",
		"damage of the newer one would put the server back to where no log begins",
	},
}
