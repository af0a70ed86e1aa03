package server

import (
	"encoding/json"
	"fmt"

	"github.com/nats-io/nuid"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/options"
)

// sharing is what accounts need to have something to do with each other.
type sharing struct {
	population *population
	// report publishes how requests to services went.
	report func(in *account.Account, subject string, l *event.ServiceLatency)
}

func (s *Server) sharing() *sharing { return &sharing{s.population, s.reportLatency} }

// share makes the imports of the accounts, to be applied later; before are the
// accounts that are in force, nil if there are none.
func (a *accounts) share(opts *options.Options, before *accounts, s *sharing) error {
	imports := make(map[*account.Account]account.Imports, len(a.byName))
	for _, acc := range a.byName {
		imports[acc] = account.Imports{}
	}
	if before != nil {
		// Those that are no more import nothing.
		for _, acc := range before.byName {
			imports[acc] = account.Imports{}
		}
	}
	for _, cfg := range opts.Accounts {
		var list account.Imports
		for _, im := range cfg.Imports {
			if err := a.addImport(&list, opts.ExportFor(cfg.Name, im), im, s); err != nil {
				return fmt.Errorf("account %q: import of %q: %w", cfg.Name, im.Subject, err)
			}
		}
		imports[a.byName[cfg.Name]] = list
	}
	for acc, list := range imports {
		a.pending = append(a.pending, func() { acc.Import(list) })
	}
	return nil
}

// addImport adds an import of what x exports. Validate has seen that there is such an
// export, but for programs that change their options afterwards.
func (a *accounts) addImport(to *account.Imports, x *options.Export, im *options.Import, s *sharing) error {
	from := a.byName[im.Account]
	if x == nil || from == nil {
		return fmt.Errorf("account %q does not export it", im.Account)
	}
	if !im.Service {
		stream, err := account.NewStreamImport(from, im.Subject, im.Local())
		if err != nil {
			return err
		}
		stream.AllowTrace = im.AllowTrace
		to.Streams = append(to.Streams, stream)
		return nil
	}
	service, err := account.NewServiceImport(from, im.Subject, im.Local())
	if err != nil {
		return err
	}
	service.Share, service.AllowTrace, service.Threshold = im.Share, x.AllowTrace, x.Threshold
	service.Response = responseTypes[x.Response]
	if l := x.Latency; l != nil {
		service.Latency = &account.Latency{Subject: l.Subject, Sampling: l.Sampling, Report: s.report}
	}
	to.Services = append(to.Services, service)
	return nil
}

var responseTypes = map[options.ResponseType]account.ResponseType{
	options.ResponseSingleton: account.Singleton,
	options.ResponseStream:    account.Streamed,
	options.ResponseChunked:   account.Chunked,
}

// reportLatency publishes how a request to a service went.
func (s *Server) reportLatency(in *account.Account, subject string, l *event.ServiceLatency) {
	l.Type, l.ID = event.ServiceLatencyType, nuid.Next()
	text, err := json.Marshal(l)
	if err != nil {
		s.log.Errorf("The latency of a request to %q cannot be encoded: %v", subject, err)
		return
	}
	in.Publish(account.NewMessage(subject, text))
}
