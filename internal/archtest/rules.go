package archtest

// Project returns the rules of this module. Packages that do not exist yet have
// their place already.
//
// From below: leaves that know nothing of NATS (level 1), pure packages (2),
// engines (3), features (4), the server that joins them (5), programs and black
// box tests (6).
func Project() *Rules {
	return &Rules{
		Module:    "github.com/nats-lite/nats-lite",
		Layers:    layers,
		Sideways:  sideways,
		Forbidden: forbidden,
		Modules:   modules,
		MaxLines:  900,
		BadNames:  []string{"base", "common", "helper", "helpers", "misc", "shared", "tools", "types", "util", "utils"},
	}
}

var layers = []Layer{
	{Pattern: "internal/...", Level: 1},
	{Pattern: "internal/archtest", Level: 1, TestSupport: true},
	{Pattern: "internal/memnet", Level: 1, TestSupport: true},
	{Pattern: "internal/pack", Level: 1, Pure: true},
	{Pattern: "internal/race", Level: 1, TestSupport: true},
	{Pattern: "internal/testcert", Level: 1, TestSupport: true},
	{Pattern: "internal/vfs/vfstest", Level: 1, TestSupport: true},
	// The entry points of conf read files and the environment unless they are
	// given other ways; the language itself is pure.
	{Pattern: "conf", Level: 1, Pure: true, Impure: []string{"os"}},

	{Pattern: "server/event", Level: 2},
	{Pattern: "server/jetstream/api", Level: 2, Pure: true},
	{Pattern: "server/jetstream/schedule", Level: 2, Pure: true},
	{Pattern: "server/jetstream/store", Level: 2, Pure: true},
	{Pattern: "server/proto", Level: 2, Pure: true},
	{Pattern: "server/raft", Level: 2, Pure: true},
	{Pattern: "server/subject", Level: 2, Pure: true},
	{Pattern: "server/subject/tree", Level: 2, Pure: true},
	{Pattern: "server/sublist", Level: 2, Pure: true},

	{Pattern: "server/account", Level: 3},
	{Pattern: "server/auth", Level: 3},
	{Pattern: "server/cluster/mesh", Level: 3, Pure: true},
	{Pattern: "server/conn", Level: 3},
	{Pattern: "server/jetstream/archive", Level: 3, Pure: true},
	{Pattern: "server/jetstream/consumer", Level: 3, Pure: true},
	{Pattern: "server/jetstream/founding", Level: 3, Pure: true},
	{Pattern: "server/jetstream/meta", Level: 3, Pure: true},
	{Pattern: "server/jetstream/placement", Level: 3, Pure: true},
	{Pattern: "server/jetstream/reconcile", Level: 3, Pure: true},
	{Pattern: "server/jetstream/relay", Level: 3, Pure: true},
	{Pattern: "server/jetstream/store/file", Level: 3},
	{Pattern: "server/jetstream/store/image", Level: 3, Pure: true},
	{Pattern: "server/jetstream/store/mem", Level: 3},
	{Pattern: "server/jetstream/store/storetest", Level: 3, TestSupport: true},
	{Pattern: "server/jetstream/stream", Level: 3, Pure: true},
	{Pattern: "server/logging", Level: 3},
	{Pattern: "server/options", Level: 3},
	{Pattern: "server/proxyproto", Level: 3},
	{Pattern: "server/raft/host", Level: 3},
	{Pattern: "server/raft/rafttest", Level: 3, TestSupport: true},
	{Pattern: "server/raft/transport", Level: 3},
	{Pattern: "server/raft/wal", Level: 3},
	{Pattern: "server/tlsconf", Level: 3},

	{Pattern: "server/client", Level: 4},
	{Pattern: "server/cluster", Level: 4},
	{Pattern: "server/dashboard", Level: 4},
	{Pattern: "server/jetstream", Level: 4},
	{Pattern: "server/leaf", Level: 4},
	{Pattern: "server/monitor", Level: 4},
	{Pattern: "server/system", Level: 4},
	{Pattern: "server/ws", Level: 4},

	{Pattern: "server", Level: 5},

	{Pattern: "cmd/...", Level: 6, Only: []string{"conf", "server", "server/options"}},
	{Pattern: "test/...", Level: 6, Only: []string{"conf", "server", "server/options"}},
	{Pattern: "test/chaos", Level: 6, Only: []string{}, TestSupport: true},
	{Pattern: "test/chaos/check", Level: 6, Only: []string{}, TestSupport: true},
	{Pattern: "test/chaos/nemesis", Level: 6, Only: []string{}, TestSupport: true},
	{Pattern: "test/chaos/servers", Level: 6, Only: []string{}, TestSupport: true},
	{Pattern: "test/sim/...", Level: 6, Below: 5, TestSupport: true},
}

var sideways = []Arrow{
	{"internal/vfs/errorfs", "internal/vfs", "it wraps any file system"},
	{"internal/vfs/errorfs", "internal/clock", "slow operations take the time of a clock"},
	{"internal/vfs/vfstest", "internal/vfs", "it tests any file system"},

	{"server/jetstream/api", "server/subject", "filters and subjects in requests are checked by one grammar"},
	{"server/jetstream/store", "server/subject", "filters of reads and purges are subjects"},
	{"server/proto", "server/subject", "the wire grammar contains that of subjects"},
	{"server/subject/tree", "server/subject", "it is keyed by subjects"},
	{"server/sublist", "server/subject", "it is keyed by subjects"},

	{"server/account", "server/auth", "accounts hold users with permissions"},
	{"server/options", "server/auth", "users and permissions are configured in auth's own types"},
	{"server/options", "server/tlsconf", "tls blocks are configured in tlsconf's own types"},
	{"server/raft/host", "server/raft/wal", "the host writes all groups to the one log"},
	{"server/raft/transport", "server/raft/host", "it implements the Transport declared there"},
	{"server/raft/rafttest", "server/raft/host", "it drives hosts"},
	{"server/raft/rafttest", "server/raft/transport", "its benchmarks run hosts over TCP"},
	{"server/raft/rafttest", "server/raft/wal", "it crashes logs"},
	{"server/jetstream/archive", "server/jetstream/consumer", "a backup holds consumers"},
	{"server/jetstream/archive", "server/jetstream/stream", "a backup holds a stream"},
	{"server/jetstream/store/storetest", "server/jetstream/store/image", "it tests that stores can be made from images of each other"},
	{"server/jetstream/meta", "server/jetstream/placement", "who takes over from a server that is removed is decided when that is applied"},
	{"server/jetstream/reconcile", "server/jetstream/meta", "it carries out what is assigned there"},

	{"test/chaos", "test/chaos/check", "it has judged what its clients saw"},
	{"test/chaos", "test/chaos/nemesis", "it has its servers treated badly"},
	{"test/chaos", "test/chaos/servers", "it runs them"},

	{"server/leaf", "server/client", "a leafnode connection is a client with more verbs"},
	{"server/ws", "server/client", "a websocket carries the client protocol"},
}

// The engine itself, server/jetstream, is what connects its parts with raft groups.
var forbidden = []Arrow{
	{"server/jetstream/consumer", "server/raft/...", "the core says what to propose, so that it runs alone in the simulator"},
	{"server/jetstream/meta", "server/raft/...", "the core says what to propose, so that it runs alone in the simulator"},
	{"server/jetstream/placement", "server/raft/...", "who gets a replica has nothing to do with how it is kept"},
	{"server/jetstream/stream", "server/raft/...", "the core says what to propose, so that it runs alone in the simulator"},
	{"server/jetstream/store/...", "server/raft/...", "a store knows nothing of where its changes come from"},
	{"server/jetstream/archive", "server/raft/...", "a backup is of messages, not of logs"},
}

var modules = []Dependency{
	{
		Module: "github.com/anishathalye/porcupine", By: []string{"test/chaos/check", "test/sim"},
		Why: "whether histories, simulated or of real processes, are linearizable is for an independent judge to say; no package but tests imports it",
	},
	{
		Module: "github.com/klauspost/compress", By: []string{"server/cluster", "server/event", "server/jetstream/archive", "server/jetstream/store/file"},
		Why: "S2 is the compression that NATS clients ask for and that routes, backups and stored blocks use; the standard library has none",
	},
	{
		Module: "github.com/nats-io/nkeys", By: []string{"server", "server/auth"},
		Why: "the encoding of nkeys and the checking of their signatures are shared with every client",
	},
	{
		Module: "github.com/nats-io/nats.go", By: []string{"test/..."},
		Why: "the official client is what the black box tests drive servers with; no package but tests imports it",
	},
	{
		Module: "github.com/nats-io/nuid", By: []string{"server"},
		Why: "the ids in advisories and of what is given a name by the server look like those of every other NATS component",
	},
	{
		Module: "golang.org/x/crypto", By: []string{"internal/seal", "server/auth"},
		Why: "neither bcrypt, in which passwords are configured, nor ChaCha20-Poly1305, a cipher for stored messages, is in the standard library",
	},
	{
		Module: "golang.org/x/sys", By: []string{"server/conn"},
		Why: "vectored reads and writes on a raw connection have no portable form in the standard library",
	},
}
