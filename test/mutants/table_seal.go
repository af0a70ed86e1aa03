package main

const (
	sealCipher   = "internal/seal/cipher.go"
	sealRing     = "internal/seal/ring.go"
	sealScratch  = "internal/seal/scratch.go"
	walKey       = "server/raft/wal/key.go"
	fileFrame    = "server/jetstream/store/file/frame.go"
	fileOpen     = "server/jetstream/store/file/open.go"
	fileKeys     = "server/jetstream/store/file/keys.go"
	engineMeta   = "server/jetstream/meta_group.go"
	engineStream = "server/jetstream/stream.go"
)

// sealMutants are faults of encryption. None of them loses a message, so that only a
// test that looks for them notices.
var sealMutants = []Mutant{
	// Keys and nonces.
	{
		"one key for all purposes", sealCipher, "\"nats-lite \"+purpose+\" \"+c.String()", "\"nats-lite \"+c.String()",
		"what is sealed for one thing opens as another",
	},
	{
		"data keys are the same", sealCipher, "	_, _ = rand.Read(key)\n", "	_, _ = rand.Read(nil)\n",
		"a nonce that is a place then comes twice under one key",
	},
	{
		"sealed with the same nonce", sealRing, "	_, _ = rand.Read(sealed)\n	return k.aeads[0]", "	_, _ = rand.Read(nil)\n	return k.aeads[0]",
		"two contents under one nonce give both away",
	},
	{
		"context is not authenticated", sealRing, "content, []byte(context))\n}", "content, nil)\n}",
		"a key of one file is taken for that of another",
	},
	{
		"frames of a scratch file have one nonce", sealScratch, "uint64(n))", "uint64(n-n))",
		"two contents under one nonce give both away",
	},
	{
		"scratch file goes on after a failed write", sealScratch, "	s.ended = err != nil\n", "",
		"what is written next is not where it is looked for",
	},
	{
		"records have one nonce", walKey, "uint64(at))\n}", "uint64(at-at))\n}",
		"two contents under one nonce give both away",
	},
	{
		"place is encrypted again", walKey, "	if at < k.used {\n", "	if at < 0 {\n",
		"two contents under one nonce give both away",
	},
	{
		"frames of a store have one nonce", fileFrame, "io.ReadFull(c.rand, head[24:24+seal.NonceSize])", "io.ReadFull(c.rand, head[24:24])",
		"two contents under one nonce give both away",
	},

	// What is encrypted and authenticated.
	{
		"entries are in clear", walKey, "kind == kindEntry && size > 0\n}", "kind == kindDelete && size > 0\n}",
		"a message is in the log before it is in a block",
	},
	{
		"header of a record is not authenticated", walKey, "const authenticated = 8", "const authenticated = recordHeader",
		"an entry that was moved or changed is taken for what was written",
	},
	{
		"entries in clear are taken in an encrypted segment", walKey, "case sealed != (d != nil && r.kind == kindEntry && r.size > 0):", "case sealed && d == nil:",
		"an entry that was never written is handed out",
	},
	{
		"images are in clear", hostSnapIn, "err == nil && c != seal.Plain {", "err == nil && c > seal.ChaCha {",
		"all messages of a stream lie on the disk while it is copied",
	},
	{
		"checkpoint of assets is in clear", engineMeta, "keys := m.e.metaKeys; keys != nil {", "keys := m.e.metaKeys; keys != nil && len(content) == 0 {",
		"names, subjects and metadata can be read",
	},
	{
		"streams are in clear", engineStream, "Cipher: s.e.cfg.Ring.Cipher(), Keys", "Keys",
		"a configured key that encrypts nothing",
	},

	// Keys that do not fit, and keys that are lost.
	{
		"log with a wrong key is opened", walOpen, "	if err := a.unlock(cfg.Keys); err != nil {\n		return nil, err\n	}\n", "	_ = a.unlock(cfg.Keys)\n",
		"what cannot be read is taken for damage",
	},
	{
		"key of a missing segment is asked for", walAnalyze, "		if k := s.key(); k != nil && s.scan != nil {\n", "		if k := s.key(); k != nil {\n",
		"a segment that is gone cannot be renewed, and would need its key for ever",
	},
	{
		"lost key goes unnoticed", walScan, "r.flags&flagSealed != 0 && !s.keyed || ", "",
		"entries that nobody can read are said to be there",
	},
	{
		"key is in the header alone", walAnalyze, "	case s.side.keyed():\n", "	case s.side.keyed() && s.scan == nil:\n",
		"one damaged page takes a segment",
	},
	{
		"wrong key of a stream is not seen at the start", fileKeys, "		return false, fmt.Errorf(\"store: %s: %w\", filepath.Clean(dir), err)\n", "		return filepath.IsAbs(dir) || true, nil\n",
		"files are changed before the wrong key is noticed",
	},

	// What was there before.
	{
		"segments in clear stay", walOpen, "l.cfg.Keys != nil && (x.key == nil || x.key.old)", "l.cfg.Keys != nil && x.key != nil && x.key.old",
		"messages in clear on the disk of a server that encrypts",
	},
	{
		"segments of the key before stay", walOpen, "l.cfg.Keys != nil && (x.key == nil || x.key.old)", "l.cfg.Keys != nil && x.key == nil",
		"a key that was given up is needed for ever",
	},
	{
		"stale segments wait until the log is large", walReclaim, "case victim.stale || disk >", "case disk >",
		"a key that was given up is needed for ever",
	},
	{
		"idle log is not renewed", walOpen, "	l.askForChores()\n	return nil\n", "	return nil\n",
		"a key that was given up is needed until somebody writes",
	},
	{
		"block in clear goes on", fileOpen, "			b.renew, o.rec.Exposed = true, true\n", "			o.rec.Exposed = true\n",
		"messages in clear on the disk of a server that encrypts",
	},
	{
		"checkpoint of assets in clear stays", engineMeta, "	if !stale {\n", "	if !stale || m.since == 0 {\n",
		"names in clear on the disk until assets change",
	},
	{
		"idle stream stays in clear", engineStream, "	s.goOn()\n	s.tell(", "	s.tell(",
		"messages in clear on the disk of a server that encrypts",
	},
}
