package server

import (
	"sync"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
)

// population are all accounts that there have been: those of configurations, and those that
// other servers have interest in, which a later configuration may have. An account is the same for
// ever, since other servers tell of their interest only once.
type population struct {
	clock clock.Clock

	mu       sync.Mutex
	byName   map[string]*account.Account
	foreign  int
	watchers map[int]func(*account.Account)
	last     int
}

// maxForeign bounds the accounts of which only other servers know.
const maxForeign = 10_000

func newPopulation(c clock.Clock) *population {
	return &population{clock: c, byName: make(map[string]*account.Account), watchers: make(map[int]func(*account.Account))}
}

// get finds an account or makes it.
func (p *population) get(name string) *account.Account {
	p.mu.Lock()
	acc := p.byName[name]
	if acc != nil {
		p.mu.Unlock()
		return acc
	}
	acc = account.NewWithClock(name, p.clock)
	p.byName[name] = acc
	told := make([]func(*account.Account), 0, len(p.watchers))
	for _, w := range p.watchers {
		told = append(told, w)
	}
	p.mu.Unlock()
	for _, added := range told {
		added(acc)
	}
	return acc
}

// Account is cluster.Accounts', as is Watch.
func (p *population) Account(name string) *account.Account {
	p.mu.Lock()
	acc := p.byName[name]
	full := acc == nil && p.foreign >= maxForeign
	if acc == nil && !full {
		p.foreign++
	}
	p.mu.Unlock()
	if acc != nil || full {
		return acc
	}
	return p.get(name)
}

func (p *population) Watch(added func(*account.Account)) (stop func()) {
	p.mu.Lock()
	p.last++
	id := p.last
	p.watchers[id] = added
	all := make([]*account.Account, 0, len(p.byName))
	for _, acc := range p.byName {
		all = append(all, acc)
	}
	p.mu.Unlock()
	for _, acc := range all {
		added(acc)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, id)
	}
}
