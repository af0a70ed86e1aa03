package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// rig is a server's JetStream on a disk in memory. The test is a client of its
// account. It lives in a bubble of virtual time.
type rig struct {
	t    *testing.T
	disk *vfs.Mem
	fs   *errorfs.FS
	log  *wal.Log
	host *host.Host
	e    *Engine
	acc  *account.Account
	// tolerant is set if the test expects complaints in the log.
	tolerant bool
	// blind has nothing be cleared away that is assigned to nobody.
	blind bool
	// every is how often there are checkpoints, patience how long a request is waited
	// for, in virtual time.
	every    intervals
	patience time.Duration
	stopped  bool

	mu         sync.Mutex
	complaints []string
	noticed    []string
}

// ids are for names that are never used again, by no rig.
var ids atomic.Uint64

// rigOption changes how a rig is made.
type rigOption func(*rig, *wal.Config, *host.Config, *Config)

// tolerant has the rig take errors in the log as expected.
func tolerant(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.tolerant = true }

// often has checkpoints after little.
func often(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
	r.every = intervals{streamBytes: 2000, consumerFrames: 8, metaOps: 5}
}

// newRig starts JetStream on a disk.
func newRig(t *testing.T, disk *vfs.Mem, options ...rigOption) *rig {
	t.Helper()
	r, err := startRig(t, disk, options...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startRig is newRig for a disk on which JetStream may not start.
func startRig(t *testing.T, disk *vfs.Mem, options ...rigOption) (*rig, error) {
	t.Helper()
	r := &rig{t: t, disk: disk, acc: account.New("A"), every: checkpointEvery, patience: 20 * time.Second}
	r.fs = errorfs.Wrap(disk, clock.Real(), nil)
	lc := wal.Config{
		FS: r.fs, Dir: "js/raft", Clock: clock.Real(), SegmentBytes: 4 << 20, CacheBytes: 4 << 20,
		Incarnation: func() uint32 { return 7 }, OnError: func(err error) { r.Errorf("log: %v", err) },
	}
	hc := host.Config{
		Node: 1, Transport: nobody{}, Clock: clock.Real(), Dir: "js/images", Seed: 1, Workers: 2,
		Events: func(e host.Event) { r.e.HostEvent(e) },
	}
	c := Config{
		Dir: "js", Clock: clock.Real(), Node: 1, Name: "S1", ServerID: "ID1", Version: "1.0.0", Seed: 1, Logger: r,
		Limits: Limits{MaxMemory: -1, MaxFile: -1},
		// Consumers of an earlier life may still be there.
		NewID: func() string { return fmt.Sprintf("%022d", ids.Add(1)) },
	}
	for _, o := range options {
		o(r, &lc, &hc, &c)
	}
	var err error
	if err = disk.MkdirAll("js"); err == nil {
		r.log, err = wal.Open(lc)
	}
	if err != nil {
		return nil, err
	}
	hc.Log, hc.FS = r.log, r.fs
	if r.host, err = host.New(hc); err == nil {
		c.FS, c.Host, c.Log = r.fs, r.host, r.log
		r.e, err = New(c)
	}
	if err != nil {
		return nil, errors.Join(err, r.log.Close())
	}
	r.e.every = r.every
	if r.blind {
		r.e.meta.blame(errors.New("it is not known which assets there are to be"))
	}
	r.log.Start()
	r.host.Start()
	limits := api.NoLimits
	if err := r.e.Serve(map[*account.Account]AccountLimits{r.acc: limits}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.e.Start(); err != nil {
		t.Fatal(err)
	}
	return r, nil
}

// nobody is the transport of a server that has no others.
type nobody struct{}

// Send implements host.Transport.
func (nobody) Send(raft.NodeID, host.Class, []byte) bool { return false }

// stop stops all in order.
func (r *rig) stop() {
	r.t.Helper()
	if r.stopped {
		return
	}
	r.stopped = true
	r.e.Stop()
	r.host.Stop()
	if err := r.log.Close(); err != nil {
		r.Errorf("closing the log: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.tolerant {
		for _, c := range r.complaints {
			r.t.Errorf("complaint: %s", c)
		}
	}
}

// restart stops, and starts on the same disk.
func (r *rig) restart(options ...rigOption) *rig {
	r.t.Helper()
	r.stop()
	return newRig(r.t, r.disk, options...)
}

// crash starts on what is left of the disk after a crash at this moment, with
// nothing under way.
func (r *rig) crash(o vfs.CrashOptions, options ...rigOption) *rig {
	r.t.Helper()
	synctest.Wait()
	left := r.disk.CrashClone(o)
	r.stop()
	return newRig(r.t, left, options...)
}

// Noticef implements Logger.
func (r *rig) Noticef(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noticed = append(r.noticed, fmt.Sprintf(format, args...))
}

// notices are what was logged, but for complaints.
func (r *rig) notices() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.noticed)
}

// Warnf implements Logger.
func (r *rig) Warnf(format string, args ...any) { r.Errorf(format, args...) }

// Errorf implements Logger.
func (r *rig) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// received is a message that came to an inbox.
type received struct {
	subject, reply, header string
	data                   string
	at                     time.Time
}

// inbox keeps what is published to a subject.
type inbox struct {
	r   *rig
	sub *account.Subscription

	mu   sync.Mutex
	list []received
	come chan struct{}
}

func (r *rig) listen(subject string) *inbox {
	r.t.Helper()
	b := &inbox{r: r, come: make(chan struct{}, 1)}
	b.sub = &account.Subscription{Subject: subject, Handler: func(m *account.Message) {
		b.mu.Lock()
		b.list = append(b.list, received{string(m.Subject), string(m.Reply), string(m.Header()), string(m.Payload()), time.Now()})
		b.mu.Unlock()
		select {
		case b.come <- struct{}{}:
		default:
		}
	}}
	if err := r.acc.Subscribe(b.sub); err != nil {
		r.t.Fatal(err)
	}
	return b
}

// count is how many have come and were not taken.
func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list)
}

func (b *inbox) close() { b.r.acc.Unsubscribe(b.sub) }

// next returns the next message, if one comes within a time.
func (b *inbox) next(within time.Duration) (received, bool) {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		if len(b.list) > 0 {
			m := b.list[0]
			b.list = b.list[1:]
			b.mu.Unlock()
			return m, true
		}
		b.mu.Unlock()
		select {
		case <-b.come:
		case <-timeout.C:
			return received{}, false
		}
	}
}

// all returns what has come once nothing else is going on.
func (b *inbox) all() []received {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}

func (r *rig) newInbox() *inbox { return r.listen(fmt.Sprintf("_INBOX.%d", ids.Add(1))) }

// send publishes with a reply subject. It reports whether anybody listened.
func (r *rig) send(subject, reply string, data []byte, headers ...string) bool {
	m := account.NewMessage(subject, data, headers...)
	m.Reply = []byte(reply)
	return r.acc.Publish(m) > 0
}

// ask sends a request and returns the answer; ok is false if there is none.
func (r *rig) ask(subject string, body any, headers ...string) (answer received, ok bool) {
	r.t.Helper()
	b := r.newInbox()
	defer b.close()
	data, raw := body.([]byte)
	if !raw && body != nil {
		data = mustJSON(body)
	}
	if !r.send(subject, b.sub.Subject, data, headers...) {
		return received{}, false
	}
	return b.next(r.patience)
}

// call makes a request of the API, and decodes the response.
func call[R any](r *rig, subject string, body any) (R, *api.Error) {
	r.t.Helper()
	var out R
	var head api.Response
	m, ok := r.ask(subject, body)
	if !ok {
		r.t.Fatalf("no answer to %s", subject)
	}
	if err := json.Unmarshal([]byte(m.data), &head); err != nil {
		r.t.Fatalf("answer to %s: %q: %v", subject, m.data, err)
	}
	if head.Error == nil {
		if err := json.Unmarshal([]byte(m.data), &out); err != nil {
			r.t.Fatalf("answer to %s: %q: %v", subject, m.data, err)
		}
	}
	return out, head.Error
}

// must is call for what has to work.
func must[R any](r *rig, subject string, body any) R {
	r.t.Helper()
	out, err := call[R](r, subject, body)
	if err != nil {
		r.t.Fatalf("%s: %v", subject, err)
	}
	return out
}

func subjectOf(o api.Op, args ...string) string { return o.Subject(api.Prefix, args...) }

// create creates a stream, or updates it.
func (r *rig) create(c *api.StreamConfig) *api.StreamInfo {
	r.t.Helper()
	return must[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, c.Name), c).StreamInfo
}

func (r *rig) update(c *api.StreamConfig) *api.StreamInfo {
	r.t.Helper()
	return must[api.StreamUpdateResponse](r, subjectOf(api.OpStreamUpdate, c.Name), c).StreamInfo
}

func (r *rig) info(stream string) *api.StreamInfo {
	r.t.Helper()
	return must[api.StreamInfoResponse](r, subjectOf(api.OpStreamInfo, stream), nil).StreamInfo
}

func (r *rig) remove(stream string) {
	r.t.Helper()
	must[api.SuccessResponse](r, subjectOf(api.OpStreamDelete, stream), nil)
}

func (r *rig) purge(stream string) {
	r.t.Helper()
	must[api.StreamPurgeResponse](r, subjectOf(api.OpStreamPurge, stream), nil)
}

func (r *rig) deleteMsg(stream string, seq uint64) {
	r.t.Helper()
	must[api.SuccessResponse](r, subjectOf(api.OpStreamMsgDelete, stream), &api.StreamMsgDeleteRequest{Seq: seq})
}

// consume creates a consumer, or updates it.
func (r *rig) consume(stream string, c *api.ConsumerConfig) *api.ConsumerInfo {
	r.t.Helper()
	return must[api.ConsumerInfoResponse](r, subjectOf(api.OpConsumerCreate, stream, c.Name), &api.CreateConsumerRequest{Stream: stream, Config: *c}).ConsumerInfo
}

func (r *rig) consumerInfo(stream, consumer string) *api.ConsumerInfo {
	r.t.Helper()
	return must[api.ConsumerInfoResponse](r, subjectOf(api.OpConsumerInfo, stream, consumer), nil).ConsumerInfo
}

// publish publishes a message, and returns the ack.
func (r *rig) publish(subject, data string, headers ...string) (api.PubAck, bool) {
	r.t.Helper()
	var ack api.PubAck
	m, ok := r.ask(subject, []byte(data), headers...)
	if !ok {
		return ack, false
	}
	if err := json.Unmarshal([]byte(m.data), &ack); err != nil {
		r.t.Fatalf("ack of %s: %q: %v", subject, m.data, err)
	}
	return ack, true
}

// store is publish for what has to work.
func (r *rig) store(subject, data string, headers ...string) uint64 {
	r.t.Helper()
	ack, ok := r.publish(subject, data, headers...)
	if !ok || ack.Error != nil {
		r.t.Fatalf("publishing to %s: %+v, %v", subject, ack, ok)
	}
	return ack.Sequence
}

// delivered is a message that a consumer has delivered.
type delivered struct {
	received
	api.Delivery
}

// asDelivered reads what a message says about its delivery.
func asDelivered(t *testing.T, m received) delivered {
	t.Helper()
	d, ok := api.ParseAckSubject([]byte(m.reply))
	if !ok {
		t.Fatalf("reply %q of a delivered message", m.reply)
	}
	return delivered{m, d}
}

// fetch asks for what there is, up to n messages.
func (r *rig) fetch(stream, consumer string, n int) (list []delivered) {
	r.t.Helper()
	b := r.newInbox()
	defer b.close()
	r.consumerInfo(stream, consumer) // it serves then
	if !r.send(subjectOf(api.OpConsumerNext, stream, consumer), b.sub.Subject, mustJSON(&api.PullRequest{Batch: n, NoWait: true})) {
		r.t.Fatalf("nobody takes pull requests of %s > %s", stream, consumer)
	}
	for range n {
		m, ok := b.next(r.patience)
		if !ok {
			r.t.Fatalf("no answer to a pull request of %s > %s", stream, consumer)
		}
		if strings.HasPrefix(m.header, "NATS/1.0 4") {
			break
		}
		list = append(list, asDelivered(r.t, m))
	}
	return list
}

// ack settles a delivered message, and waits until that is certain.
func (r *rig) ack(d *delivered, what string) {
	r.t.Helper()
	if _, ok := r.ask(d.reply, []byte(what)); !ok {
		r.t.Fatalf("no answer to %s of message %d", what, d.StreamSeq)
	}
}

// get returns a message of a stream.
func (r *rig) get(stream string, seq uint64) (*api.StoredMsg, *api.Error) {
	r.t.Helper()
	out, err := call[api.StreamMsgGetResponse](r, subjectOf(api.OpStreamMsgGet, stream), &api.MsgGetRequest{Seq: seq})
	return out.Message, err
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func seqs(list []delivered) (out []uint64) {
	for i := range list {
		out = append(out, list[i].StreamSeq)
	}
	return out
}
