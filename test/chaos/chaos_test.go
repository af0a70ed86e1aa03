//go:build unix

package chaos

import (
	"flag"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/test/chaos/nemesis"
	"github.com/nats-lite/nats-lite/test/chaos/servers"
)

var (
	binary   = flag.String("chaos.binary", "", "the server program, without which TestChaos is skipped")
	length   = flag.Duration("chaos.time", time.Minute, "how long there are faults")
	seed     = flag.Uint64("chaos.seed", 1, "what the faults and clients are drawn from")
	size     = flag.Int("chaos.servers", 3, "how many servers there are")
	replicas = flag.Int("chaos.replicas", 0, "how many replicas streams have, 0 for one on every server, at most 5")
	faults   = flag.String("chaos.faults", "kill,pause,partition,one-way", "kinds of faults")
	every    = flag.Duration("chaos.every", 8*time.Second, "the mean time from fault to fault")
	most     = flag.Int("chaos.most", 0, "how many servers may be hit at once, 0 for a minority of replicas")
	settle   = flag.Duration("chaos.settle", time.Minute, "how long the cluster may take to be whole again")
	stale    = flag.Bool("chaos.stale", false, "let reads of registers be late")
	pace     = flag.Duration("chaos.pace", 20*time.Millisecond, "the time between operations of each client")
	block    = flag.String("chaos.jetstream", "", "what is added to the jetstream block, such as 'sync_interval: always'")
)

// Whatever happens to a minority of servers, what was promised to clients is kept, and
// when it is over the cluster is whole again.
func TestChaos(t *testing.T) {
	if *binary == "" {
		t.Skip("no -chaos.binary is given")
	}
	kinds, err := nemesis.ParseKinds(*faults)
	if err != nil {
		t.Fatal(err)
	}
	if impossible := servers.Possible(); impossible != nil {
		var rest []nemesis.Kind
		for _, k := range kinds {
			if !k.Network() {
				rest = append(rest, k)
			}
		}
		if len(rest) == 0 {
			t.Skip(impossible)
		}
		if len(rest) < len(kinds) {
			t.Logf("no partitions: %v", impossible)
		}
		kinds = rest
	}
	report, err := Run(t.Context(), &Config{
		Binary: *binary, Servers: *size, Replicas: *replicas, JetStream: *block, Settle: *settle, Stale: *stale, Pace: *pace, Say: t.Logf,
		Plan: nemesis.Plan{Seed: *seed, Most: *most, Kinds: kinds, Time: *length, Every: *every},
	})
	if err != nil {
		t.Fatalf("%v\nsee %s", err, report.Dir)
	}
	t.Logf("\n%v", report)
	if !report.OK() {
		t.Errorf("run it again with -chaos.seed=%d -chaos.time=%v -chaos.servers=%d -chaos.replicas=%d -chaos.faults=%s -chaos.every=%v -chaos.most=%d", *seed, *length, *size, *replicas, *faults, *every, *most)
	}
}
