//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nats-lite/nats-lite/test/chaos/check"
)

const (
	// requestTimeout is how long clients wait for an answer.
	requestTimeout = 2 * time.Second
	// breather is the time between attempts.
	breather = 50 * time.Millisecond
)

// workload is a kind of use of the cluster, by some clients.
type workload interface {
	// prepare creates what the clients use. It is tried until it succeeds.
	prepare(context.Context, jetstream.JetStream) error
	// clients is how many there are.
	clients() int
	// run does what one client does until stop ends, and then finishes what it has begun.
	// ctx ends when there is no more time for that.
	run(ctx, stop context.Context, c *client) error
}

// client is a connection with a number and a source of randomness of its own. It prefers no
// server once it has lost the first.
type client struct {
	number int
	nc     *nats.Conn
	js     jetstream.JetStream
	random *rand.Rand
	now    func() time.Duration
	tally  *tally
}

// tally is what came of the operations of all clients of a workload.
type tally struct {
	mu           sync.Mutex
	name         string
	done, failed int
	last, gap    time.Duration
	gapAt        time.Duration
}

// note notes that an operation has ended: with success, or not.
func (t *tally) note(now time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed++
		return
	}
	t.done++
	if gap := now - t.last; gap > t.gap {
		t.gap, t.gapAt = gap, t.last
	}
	t.last = max(t.last, now)
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%s: %d operations, %d attempts without success; longest time without progress %v, from %v on",
		t.name, t.done, t.failed, t.gap.Round(time.Millisecond), t.gapAt.Round(time.Millisecond))
}

// connect connects to the first of some servers, or to another if that is gone.
func connect(urls []string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(
		strings.Join(urls, ","), nats.DontRandomize(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(breather), nats.ReconnectJitter(breather, breather), nats.Timeout(requestTimeout),
		// A server that is paused is left after that time.
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // what is lost will be missed
	)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		nc.Close()
	}
	return nc, js, err
}

// pause lets time pass, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// retry calls f until it succeeds or the context ends.
func retry(ctx context.Context, f func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*requestTimeout)
		err := f(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if pause(ctx, breather); ctx.Err() != nil {
			return err
		}
	}
}

// ack is the answer to a message that is to be stored.
type ack struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// errRefused tells that a message is certain not to have been stored.
var errRefused = errors.New("refused")

// wrongLastSequence is the error code of a refused expectation.
const wrongLastSequence = 10071

// publish asks once for a message to be stored, and returns its sequence.
func (c *client) publish(ctx context.Context, m *nats.Msg) (seq uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	var a ack
	switch err := json.Unmarshal(answer.Data, &a); {
	case err != nil:
		return 0, err
	case a.Error != nil && a.Error.Code == wrongLastSequence:
		return 0, errRefused
	case a.Error != nil:
		return 0, errors.New(a.Error.Description)
	case a.Seq == 0:
		return 0, fmt.Errorf("an acknowledgement without a sequence: %q", answer.Data)
	}
	return a.Seq, nil
}

// text is what a message says: whether it is whole can be seen from itself.
func text(publisher string, number int) []byte {
	name := fmt.Sprintf("%s/%d", publisher, number)
	return []byte(name + " " + strings.Repeat(string(rune('a'+number%26)), 50+number%200))
}

// parse tells which message says that. One that is not whole is that of nobody.
func parse(data []byte) (publisher string, number int) {
	name, _, _ := strings.Cut(string(data), " ")
	publisher, digits, _ := strings.Cut(name, "/")
	number, err := strconv.Atoi(digits)
	if err != nil || number < 0 || string(data) != string(text(publisher, number)) {
		return fmt.Sprintf("damaged %.40q", data), 0
	}
	return publisher, number
}

// message is one as it is stored.
type message struct {
	seq     uint64
	subject string
	data    []byte
}

// read returns all messages of a stream. The server that is connected to answers by itself
// if it has a replica.
func read(ctx context.Context, nc *nats.Conn, stream string) (list []message, err error) {
	sub, err := nc.SubscribeSync(nc.NewRespInbox())
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be gone
	for next := uint64(1); ; {
		if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream, sub.Subject, fmt.Appendf(nil, `{"seq":%d,"batch":500}`, next)); err != nil {
			return nil, err
		}
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return nil, fmt.Errorf("reading %s from %d: %w", stream, next, err)
			}
			status := m.Header.Get("Status")
			if status == "404" || status == "204" && m.Header.Get("Nats-Num-Pending") == "0" {
				return list, nil
			}
			if status == "204" {
				break
			}
			seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil || status != "" {
				return nil, fmt.Errorf("reading %s from %d: %s %s", stream, next, status, m.Header.Get("Description"))
			}
			list = append(list, message{seq, m.Header.Get("Nats-Subject"), m.Data})
			next = seq + 1
		}
	}
}

// stored is what checkers know of messages.
func stored(list []message) (out []check.Stored) {
	for _, m := range list {
		publisher, number := parse(m.data)
		out = append(out, check.Stored{Seq: m.seq, Publisher: publisher, Number: number})
	}
	return out
}
