// Package monitor answers questions about a running server: what it is and how
// it does (varz), who is connected (connz), who listens to what (subsz), what
// JetStream has and does (jsz), and whether all is well (healthz). The answers are
// read over HTTP; the same methods serve the system account.
//
// # Words
//
// A [Source] is the server as this package sees it, and [JetStream] its JetStream:
// they give snapshots, plain values that nobody changes any more. A [Monitor]
// turns snapshots into answers: it filters, sorts, pages and formats. An endpoint
// is one path of the HTTP form; its last letter is a z by tradition.
//
// A subscription or connection list is cut into pages: offset entries are
// skipped and at most limit are shown, of a total that is told as well. While
// nothing changes, the pages one after the other are the whole list, each entry
// once: connections are ordered down to the connection id, and a Source gives
// subscriptions in an order that does not change.
//
// # Invariants
//
// Nothing here changes the server, and no lock of the server is held while an
// answer is made: a slow reader of /connz costs memory, never throughput.
//
// Costly parts of a connection (its subscriptions, its certificates) are asked
// for and formatted for the page that is shown, not for the whole list. So are the
// state of streams and consumers, which healthz, asked every few seconds, never
// looks at.
//
// Field names, their order, and which of them may be missing are those that
// existing dashboards and command line tools read. They are pinned by golden
// files in testdata.
//
// # What it does not do
//
// It does not authenticate: who can reach the monitoring port can read it. It
// has no endpoint for parts that this server does not have; those paths are
// not found.
package monitor
