package wal

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// withoutRace leaves a test of one goroutine that tries everything to the run
// without the race detector, which would only make it slow.
func withoutRace(t *testing.T) {
	t.Helper()
	if race.Enabled {
		t.Skip("runs without the race detector")
	}
}
