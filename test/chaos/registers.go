//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nats-lite/nats-lite/test/chaos/check"
)

// registerLoad is clients that read and compare-and-set few keys of a bucket. It keeps all
// values there have been, from which is known in the end what came of each write.
type registerLoad struct {
	writers, replicas int
	pace              time.Duration

	mu    sync.Mutex
	calls []check.Call
}

const (
	registerStream = "KV_registers"
	registerPrefix = "$KV.registers."
	registerKeys   = 4
)

func (r *registerLoad) clients() int { return r.writers }

func (r *registerLoad) prepare(ctx context.Context, js jetstream.JetStream) error {
	// Clients read from the leader: what replicas answer directly may be late, and is meant to.
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: registerStream, Subjects: []string{registerPrefix + ">"}, Replicas: r.replicas, AllowDirect: true, DenyDelete: true,
	})
	return err
}

func (r *registerLoad) run(ctx, stop context.Context, c *client) error {
	for n := 1; stop.Err() == nil; n++ {
		key := fmt.Sprintf("k%d", c.random.IntN(registerKeys))
		read, err := r.get(ctx, c, key)
		if err != nil {
			pause(stop, breather)
			continue
		}
		if c.random.IntN(2) == 0 {
			expected := read.Revision
			if c.random.IntN(10) == 0 {
				expected = max(expected, 1) - 1 // to be refused, but for the first
			}
			r.set(ctx, c, key, expected, fmt.Sprintf("%d.%d", c.number, n))
		}
		pause(stop, r.pace)
	}
	return nil
}

// get reads a register.
func (r *registerLoad) get(ctx context.Context, c *client, key string) (*check.Call, error) {
	call := check.Call{Client: c.number, Key: key, Begun: c.now()}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+registerStream, fmt.Appendf(nil, `{"last_by_subj":%q}`, registerPrefix+key))
	if err == nil {
		call.Revision, call.Value, err = parseRegister(answer.Data)
	}
	call.End = c.now()
	if c.tally.note(call.End, err); err == nil {
		call.Outcome = check.Done
		r.note(&call)
	}
	return &call, err
}

// parseRegister reads the answer to a request for the last message of a subject.
func parseRegister(data []byte) (revision uint64, value string, err error) {
	var a struct {
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
		} `json:"message"`
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	const notFound = 10037
	switch err := json.Unmarshal(data, &a); {
	case err != nil:
		return 0, "", err
	case a.Error != nil && a.Error.Code == notFound:
		return 0, "", nil
	case a.Error != nil:
		return 0, "", errors.New(a.Error.Description)
	}
	return a.Message.Seq, string(a.Message.Data), nil
}

// set asks once for a register to be set.
func (r *registerLoad) set(ctx context.Context, c *client, key string, expected uint64, value string) {
	call := check.Call{Client: c.number, Key: key, Write: true, Expected: expected, Value: value, Begun: c.now()}
	m := nats.NewMsg(registerPrefix + key)
	m.Data = []byte(value)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(expected, 10))
	seq, err := c.publish(ctx, m)
	call.End = c.now()
	switch {
	case err == nil:
		call.Outcome, call.Revision = check.Done, seq
	case errors.Is(err, errRefused):
		call.Outcome, err = check.Refused, nil
	}
	c.tally.note(call.End, err)
	r.note(&call)
}

func (r *registerLoad) note(call *check.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, *call)
}

// revisions are what is kept in the bucket.
func revisions(list []message) (out []check.Revision) {
	for _, m := range list {
		out = append(out, check.Revision{Key: m.subject[min(len(registerPrefix), len(m.subject)):], Value: string(m.data), Revision: m.seq})
	}
	return out
}
