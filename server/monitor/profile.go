package monitor

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

// maxSymbolBytes bounds the list of addresses in a request for symbols.
const maxSymbolBytes = 1 << 20

// ProfileHandler returns the handler of the profiling port: the tools of package
// net/http/pprof below /debug/pprof/. It is apart from Monitor's handler because
// a profile costs the server time, and shows more of it than monitoring should.
// A profile takes as long as its reader wants: serve it with LongAnswers.
func ProfileHandler(args []string) http.Handler {
	cmdline := strings.Join(RedactArgs(args), "\x00")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	// Symbols are looked up with POST when there are many.
	mux.Handle("POST /debug/pprof/symbol",
		http.MaxBytesHandler(http.HandlerFunc(pprof.Symbol), maxSymbolBytes))
	// The stock handler would show secrets in flags.
	mux.HandleFunc("GET /debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, cmdline)
	})
	return mux
}
