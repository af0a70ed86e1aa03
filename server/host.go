package server

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/logging"
	"github.com/nats-lite/nats-lite/server/proto"
)

// The methods of client.Host.

// Settings are those in force for clients.
func (s *Server) Settings() *client.Settings { return s.settings.Load() }

// Authenticator decides who clients are.
func (s *Server) Authenticator() *auth.Authenticator { return s.authn.Load() }

// Account finds an account by name, nil if there is none.
func (s *Server) Account(name string) *account.Account { return s.accounts.Load().byName[name] }

// SystemAccount is the system account, nil if there is none.
func (s *Server) SystemAccount() *account.Account { return s.accounts.Load().system }

// Info is what INFO says to all clients.
func (s *Server) Info() proto.Info { return *s.info.Load() }

// ServerInfo names the server in events.
func (s *Server) ServerInfo() event.ServerInfo {
	opts := s.opts.Load()
	name, _ := s.clusterName()
	i := event.ServerInfo{
		Name:         s.name,
		Host:         opts.Host,
		ID:           s.id,
		Domain:       opts.JetStream.Domain,
		Version:      Version,
		Tags:         opts.Tags,
		Metadata:     opts.Metadata,
		FeatureFlags: opts.Features(),
		Cluster:      name,
		Seq:          s.eventSeq.Add(1),
		Time:         s.clock.Now().UTC(),
	}
	if s.jetStream.Load() != nil {
		i.JetStream, i.Flags = true, event.FlagJetStream
	}
	return i
}

// describeClient describes who has published something, as advisories have it.
func (s *Server) describeClient(t *account.Target) json.RawMessage {
	b, err := json.Marshal(t.Receiver.Info())
	if err != nil {
		s.log.Errorf("Describing a client: %v", err)
		return nil
	}
	return b
}

// Counters are the totals over all clients.
func (s *Server) Counters() *client.Counters { return &s.counters }

// Log is the server's log.
func (s *Server) Log() client.Logger { return s.log }

// Clock is the server's clock.
func (s *Server) Clock() clock.Clock { return s.clock }

// Admit registers a client, unless there are too many or the server stops. Those
// that it has registered, Shutdown closes.
func (s *Server) Admit(c *client.Client) error {
	limit := s.opts.Load().MaxConn
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stopping {
		return ErrNotRunning
	}
	if len(s.clients) >= limit {
		return client.ErrMaxConnections
	}
	s.clients[c.ID] = c
	s.total++
	return nil
}

// Gone takes a closed client off the register and keeps a record of it.
func (s *Server) Gone(c *client.Client) {
	record := connOf(c.Snapshot())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c.ID)
	s.gone.add(record)
}

// allClients returns the registered clients, in no order.
func (s *Server) allClients() []*client.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.clients))
}

// allConnections returns the clients, registered or not yet, in no order. A
// client may be in it twice.
func (s *Server) allConnections() []*client.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Values(s.clients)), maps.Values(s.opening))
}

// Logger is the server's log.
func (s *Server) Logger() *logging.Logger { return s.log }
