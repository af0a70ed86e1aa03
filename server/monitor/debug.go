package monitor

import (
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/pprof"
)

// Expvarz is what the Go runtime tells of the process.
type Expvarz struct {
	// Cmdline is the command line without its secrets.
	Cmdline  []string          `json:"cmdline"`
	MemStats *runtime.MemStats `json:"memstats"`
}

// Expvarz tells of the process. It stops the world for a moment.
func (m *Monitor) Expvarz() *Expvarz {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return &Expvarz{Cmdline: m.args, MemStats: &stats}
}

func (m *Monitor) serveExpvarz(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(m.Expvarz())
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, http.StatusOK, body)
}

// serveStacksz lists all goroutines in the form of an unrecovered panic.
func serveStacksz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	const asPanic = 2
	// The only error is that of a reader that has gone away.
	_ = pprof.Lookup("goroutine").WriteTo(w, asPanic)
}
