//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/test/chaos/check"
)

// replicaOf asks a server by its monitoring port what it has of a stream. there is false if it has
// no replica.
func replicaOf(ctx context.Context, monitor, stream string) (r check.Replica, there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"/jsz?accounts=true&streams=true", nil)
	if err != nil {
		return r, false, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, false, err
	}
	defer answer.Body.Close()
	var all struct {
		Accounts []struct {
			Streams []struct {
				Name  string `json:"name"`
				State struct {
					Messages uint64 `json:"messages"`
					Bytes    uint64 `json:"bytes"`
					First    uint64 `json:"first_seq"`
					Last     uint64 `json:"last_seq"`
				} `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return r, false, fmt.Errorf("%s: %w", request.URL, err)
	}
	for _, a := range all.Accounts {
		for _, s := range a.Streams {
			if s.Name == stream {
				st := &s.State
				return check.Replica{Messages: st.Messages, Bytes: st.Bytes, First: st.First, Last: st.Last}, true, nil
			}
		}
	}
	return r, false, nil
}

// replicas compares what all servers have of a stream, until they have the same or the context
// ends: first what they count, then what they answer from message to message. It returns the
// messages of the fullest.
func (r *run) replicas(ctx context.Context, stream string) (*check.Verdict, []message) {
	for {
		verdict, list, err := r.compare(ctx, stream)
		if err == nil && verdict.OK() {
			return verdict, list
		}
		if pause(ctx, 500*time.Millisecond); ctx.Err() != nil {
			// One more time without haste, for the record.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			verdict, list, err := r.compare(last, stream)
			if err != nil {
				r.violated("%v", err)
			}
			return verdict, list
		}
	}
}

func (r *run) compare(ctx context.Context, stream string) (*check.Verdict, []message, error) {
	have := make(map[string]check.Replica)
	var most []message
	var failed error
	for i := range r.cluster.Servers() {
		replica, there, err := replicaOf(ctx, r.cluster.Monitor(i), stream)
		if err == nil && there {
			var list []message
			if list, err = r.readFrom(ctx, i, stream); err == nil {
				have[r.cluster.Name(i)] = withDigest(replica, stream, list)
			}
			if len(list) > len(most) {
				most = list
			}
		}
		if err != nil {
			failed = fmt.Errorf("%s: %w", r.cluster.Name(i), err)
		}
	}
	return check.Replicas(stream, r.config.replicas(), have), most, failed
}

// withDigest adds the hash over what was read.
func withDigest(replica check.Replica, stream string, list []message) check.Replica {
	if stream == logStream {
		replica.Digest = check.Digest(stored(list))
		return replica
	}
	var values []check.Stored
	for _, r := range revisions(list) {
		values = append(values, check.Stored{Seq: r.Revision, Publisher: r.Key + " " + r.Value})
	}
	replica.Digest = check.Digest(values)
	return replica
}

// readFrom reads a stream from one server.
func (r *run) readFrom(ctx context.Context, i int, stream string) ([]message, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	nc, err := nats.Connect(r.cluster.URL(i), nats.NoReconnect(), nats.Timeout(requestTimeout))
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return read(ctx, nc, stream)
}
