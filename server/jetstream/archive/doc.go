// Package archive is the content of a stream's backup, and the rules by which it
// goes over the wire in pieces. It is what `nats stream backup` gets and what
// `nats stream restore` sends, so that backups can be exchanged with nats-server
// 2.15 and later, in both directions.
//
// # The format
//
// An archive is compressed with S2 as a whole. Inside there is:
//
//	"NATSARC1"
//	state.json             api.StreamState, as JSON
//	consumers/NAME         {"config":…,"state":…}; as many as the state's consumer_count
//	SUBJECT                a message; as many as the state's messages, or fewer
//	(end)                  an entry that is all zero
//
// Each line but the first is an entry:
//
//	┌──────────────────┬──────────────┬─────────────┬─────────────────────┬──────────────────────┬──────┬────────┬─────────┐
//	│ name len, uvarint│ time, varint │ seq, uvarint│ header len, uvarint │ payload len, uvarint │ name │ header │ payload │
//	└──────────────────┴──────────────┴─────────────┴─────────────────────┴──────────────────────┴──────┴────────┴─────────┘
//
// The time is in nanoseconds since the Unix epoch: that of a message, or when the
// backup was made. Only messages have a seq and a header. There is no checksum but
// that of the compression, which is over its blocks; that nothing is missing shows
// by the end.
//
// A consumer's state has one member that nats-server does not know, and passes over:
// newest_up_to.
//
// What tells messages from what is in front of them is their place alone: a
// message may well have the subject "state.json".
//
// # What always holds
//
// A [Writer] refuses what a [Reader] would refuse. The Reader takes its input for
// hostile: nothing is allocated for a length that it does not accept, and little
// for one whose bytes have not come. Everything it gives out was checked:
//
//	messages    are numbered upwards, between first_seq and last_seq of the state,
//	            and are no more than it says; their subjects are literal
//	consumers   come once each; their positions do not contradict themselves, and
//	            do not go beyond the end of the stream
//	times       lie between 1970 and 2116. They may go back, as clocks do
//
// There may be fewer messages than the state says, because nats-server leaves out
// what was removed while the backup was being made. A Writer is given a snapshot,
// and does not let anything be left out.
//
// # Flow
//
// A backup goes out in chunks of which only so many may be on their way at a time
// ([SendFlow]); a restore comes in as requests of which each is answered
// ([ReceiveFlow]). Both are told the time and what has happened, and say what is to
// be done.
//
// # What it does not do
//
// The older form of backups (nats-server 2.14 and before), the files of a store in
// a tar archive, is recognised and refused ([ErrOldFormat]): what is in these files
// is another server's own business. The package knows no subjects but those of the
// acknowledgements, no accounts and no configuration of streams, and it does not
// restore anything: what is read is for others to check against limits and to
// store.
package archive
