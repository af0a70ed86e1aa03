package server

import (
	"fmt"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/subject"
)

// accounts are the accounts of one configuration. It does not change.
type accounts struct {
	byName map[string]*account.Account
	system *account.Account
	// pending is what apply will tell the accounts.
	pending []func()
}

// configured returns the accounts that opts asks for. Accounts that exist
// stay the same and get their new configuration when it is applied. a are those in force, and may be
// nil.
func (a *accounts) configured(opts *options.Options, s *sharing) (*accounts, error) {
	next := &accounts{byName: make(map[string]*account.Account)}
	global := &options.Account{Name: account.GlobalName, Limits: noLimits, Mappings: opts.Mappings}
	all := append([]*options.Account{global}, opts.Accounts...)
	if name := opts.SystemAccountName(); name != "" {
		all = append(all, &options.Account{Name: name, Limits: noLimits})
	}
	for _, cfg := range all {
		if next.byName[cfg.Name] != nil {
			continue // the system account, if it is configured
		}
		acc := s.population.get(cfg.Name)
		var mapper *subject.Mapper
		if len(cfg.Mappings) > 0 {
			var err error
			if mapper, err = subject.NewMapper(cfg.Mappings, opts.Cluster.Name); err != nil {
				return nil, fmt.Errorf("account %q: %w", cfg.Name, err)
			}
		}
		var trace *account.TraceDestination
		if cfg.TraceDest != "" {
			trace = &account.TraceDestination{Subject: cfg.TraceDest, Sampling: cfg.TraceSampling}
		}
		limits := account.Limits{MaxConn: cfg.Limits.MaxConn, MaxSubs: cfg.Limits.MaxSubs, MaxPayload: cfg.Limits.MaxPayload}
		next.byName[cfg.Name] = acc
		next.pending = append(next.pending, func() { acc.Configure(limits, mapper, trace) })
	}
	next.system = next.byName[opts.SystemAccountName()]
	return next, next.share(opts, a, s)
}

var noLimits = options.AccountLimits{MaxConn: -1, MaxSubs: -1, MaxPayload: -1, MaxLeafs: -1}

// apply puts the configuration into force in the accounts.
func (a *accounts) apply() {
	for _, f := range a.pending {
		f()
	}
	a.pending = nil
}
