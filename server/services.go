package server

import (
	"encoding/json"
	"errors"
	"maps"
	"runtime"
	"slices"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/system"
)

// endpoints are what can be asked of the server in the system account.
func (s *Server) endpoints() map[string]system.Endpoint {
	return map[string]system.Endpoint{
		"IDZ": func([]byte, string) (any, error) {
			return event.ServerID{Name: s.name, Host: s.opts.Load().Host, ID: s.id}, nil
		},
		"STATSZ": func([]byte, string) (any, error) { return s.statsz(), nil },
		"VARZ":   func([]byte, string) (any, error) { return s.monitor.Varz(), nil },
		"CONNZ": endpoint(func(o monitor.ConnzOptions, confined string) (any, error) {
			if confined != "" {
				o.Account = confined
			}
			return s.monitor.Connz(o)
		}),
		"ROUTEZ": endpoint(func(o monitor.RoutezOptions, _ string) (any, error) { return s.monitor.Routez(o) }),
		"SUBSZ":  endpoint(func(o monitor.SubszOptions, _ string) (any, error) { return s.monitor.Subsz(o) }),
		"HEALTHZ": endpoint(func(o monitor.HealthzOptions, _ string) (any, error) {
			return s.monitor.Healthz(o), nil
		}),
		"JSZ": endpoint(func(o monitor.JszOptions, confined string) (any, error) {
			if confined != "" {
				return s.monitor.JszAccount(confined, o)
			}
			answer, err := s.monitor.Jsz(o)
			if errors.Is(err, monitor.ErrNotLeader) {
				return nil, system.ErrNotAsked
			}
			return answer, err
		}),
		"ACCOUNTZ": endpoint(func(o monitor.AccountzOptions, _ string) (any, error) { return s.monitor.Accountz(o) }),
		"RAFTZ": endpoint(func(o monitor.RaftzOptions, _ string) (any, error) {
			answer, err := s.monitor.Raftz(o)
			if errors.Is(err, monitor.ErrNoRaft) {
				return monitor.Raftz{}, nil
			}
			return answer, err
		}),
		"EXPVARZ": func([]byte, string) (any, error) { return s.monitor.Expvarz(), nil },
	}
}

// endpoint reads the options of a request.
func endpoint[O any](f func(O, string) (any, error)) system.Endpoint {
	return func(request []byte, confined string) (any, error) {
		var o O
		if len(request) > 0 {
			if err := json.Unmarshal(request, &o); err != nil {
				return nil, err
			}
		}
		return f(o, confined)
	}
}

func (s *Server) statsz() *event.Statsz {
	usage, n := s.monitor.Usage(), &s.counters
	out := &event.Statsz{
		Mem:              usage.Mem,
		CPU:              usage.CPU,
		Cores:            runtime.NumCPU(),
		MaxProcs:         runtime.GOMAXPROCS(0),
		Subscriptions:    s.NumSubscriptions(),
		Sent:             event.DataStats{Msgs: n.OutMsgs.Load(), Bytes: n.OutBytes.Load()},
		Received:         event.DataStats{Msgs: n.InMsgs.Load(), Bytes: n.InBytes.Load()},
		SlowConsumers:    n.SlowConsumers.Load(),
		StaleConnections: n.Stale.Load(),
		StalledClients:   n.Stalled.Load(),
		ActiveServers:    1 + s.numPeers(),
	}
	s.addRouteStats(out)
	if j := s.monitor.JetStreamStatsz(); j != nil {
		out.JetStream = j
	}
	for _, a := range s.accounts.Load().byName {
		if a.Connections() > 0 {
			out.ActiveAccounts++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Start = s.start.UTC()
	out.Connections, out.TotalConnections = len(s.clients), s.total
	return out
}

// UserInfo describes a connection to itself.
func (s *Server) UserInfo(cid uint64) (auth.UserInfo, bool) {
	s.mu.Lock()
	c := s.clients[cid]
	s.mu.Unlock()
	if c == nil {
		return auth.UserInfo{}, false
	}
	id := c.Identity()
	return id.Describe(), true
}

// Errorf logs an error.
func (s *Server) Errorf(format string, args ...any) { s.log.Errorf(format, args...) }

// startServices answers system requests in the accounts that there are now.
func (s *Server) startServices() error {
	a := s.accounts.Load()
	return s.services.Serve(slices.Collect(maps.Values(a.byName)), a.system)
}
