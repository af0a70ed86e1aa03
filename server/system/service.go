package system

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Service answers requests. Its methods are safe for concurrent use.
type Service struct {
	host      Host
	endpoints map[string]Endpoint
	queue     queue

	mu     sync.Mutex
	served map[*account.Account]*served
	closed bool
}

// served is what there is in one account.
type served struct {
	system bool
	subs   []*account.Subscription
}

// Host is the server as this package sees it. Its methods are called by many
// goroutines.
type Host interface {
	ServerInfo() event.ServerInfo
	// UserInfo describes the connection with a number to itself; false if there
	// is none.
	UserInfo(cid uint64) (auth.UserInfo, bool)
	Errorf(format string, args ...any)
}

// Endpoint answers one kind of question about the server. It gets the request's
// JSON, which may be empty, and the account that the answer is confined to, ""
// for none; there may be no account with that name. An error of encoding/json is
// the requester's, ErrNotAsked means that there is no answer, and all others are
// the server's.
type Endpoint func(request []byte, account string) (any, error)

// ErrNotAsked is what an Endpoint returns for a request that is for other servers:
// they answer, and this one says nothing.
var ErrNotAsked = errors.New("the request is for other servers")

// The endpoints with a part of their own.
const (
	idz    = "IDZ"    // whose answer goes without envelope, to whoever asks
	statsz = "STATSZ" // which has another envelope, and answers a bare PING
	connz  = "CONNZ"  // which every account may ask about itself
	jsz    = "JSZ"    // which, as CONNZ, may be asked about one account
)

// aboutAccounts are the endpoints that those in the system account may ask about
// one account, whose name is in the subject.
var aboutAccounts = []string{connz, jsz}

// New returns a service with endpoints by their names, as "VARZ".
func New(host Host, endpoints map[string]Endpoint) *Service {
	s := &Service{
		host:      host,
		endpoints: endpoints,
		served:    make(map[*account.Account]*served),
	}
	s.queue.work = s.answer
	return s
}

// Serve answers requests in these accounts and in no others. system is the one
// in which everything may be asked, nil if there is none. It may be called
// again, when the accounts have changed.
func (s *Service) Serve(accounts []*account.Account, system *account.Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	wanted := make(map[*account.Account]bool, len(accounts))
	for _, a := range accounts {
		wanted[a] = true
	}
	for a, here := range s.served {
		if !wanted[a] || here.system != (a == system) {
			s.stop(a)
		}
	}
	var errs []error
	for _, a := range accounts {
		if s.served[a] == nil {
			errs = append(errs, s.start(a, a == system))
		}
	}
	return errors.Join(errs...)
}

// Close answers no more requests and returns when nobody works on one.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	for a := range s.served {
		s.stop(a)
	}
	s.mu.Unlock()
	s.queue.close()
}

// start subscribes in an account, to everything or not at all.
func (s *Service) start(a *account.Account, system bool) error {
	here := &served{system: system}
	s.served[a] = here
	for subject, h := range s.handlers(a, system) {
		// Only the server that a client is connected to knows it.
		sub := &account.Subscription{Subject: subject, SID: "system", Handler: h, Local: subject == userInfo}
		if err := a.Subscribe(sub); err != nil {
			s.stop(a)
			return fmt.Errorf("service %s in account %q: %w", subject, a.Name(), err)
		}
		here.subs = append(here.subs, sub)
	}
	return nil
}

func (s *Service) stop(a *account.Account) {
	a.UnsubscribeAll(s.served[a].subs)
	delete(s.served, a)
	s.queue.forget(a)
}

const (
	// userInfo is where everybody learns who he is.
	userInfo = "$SYS.REQ.USER.INFO"
	// all is asked of all servers, one of the server whose id follows.
	all = "$SYS.REQ.SERVER.PING"
	one = "$SYS.REQ.SERVER."
	// allAccounts is another way to ask about one's own account, oneAccount the
	// way to ask about the one whose name follows.
	allAccounts = "$SYS.REQ.ACCOUNT.PING"
	oneAccount  = "$SYS.REQ.ACCOUNT."
)

// handlers are the services of an account by subject.
func (s *Service) handlers(a *account.Account, system bool) map[string]func(*account.Message) {
	h := map[string]func(*account.Message){
		userInfo: func(m *account.Message) { s.answerUserInfo(a, m) },
	}
	if !system {
		if s.endpoints[connz] != nil {
			own := s.handler(a, connz, func(*account.Message) string { return a.Name() })
			h[all+"."+connz], h[allAccounts+"."+connz] = own, own
		}
		return h
	}
	id := s.host.ServerInfo().ID
	for name := range s.endpoints {
		h[all+"."+name] = s.handler(a, name, everything)
		h[one+id+"."+name] = s.handler(a, name, everything)
	}
	for _, name := range aboutAccounts {
		if s.endpoints[name] != nil {
			h[oneAccount+"*."+name] = s.handler(a, name, namedAccount)
		}
	}
	if s.endpoints[statsz] != nil {
		h[all] = s.handler(a, statsz, everything)
	}
	return h
}

// everything confines an answer to no account.
func everything(*account.Message) string { return "" }

// namedAccount confines an answer to the account in the subject.
func namedAccount(m *account.Message) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(m.Subject), oneAccount), ".")
	return name
}

// answerUserInfo tells the requester about itself, at once: this is less work
// than to remember the request.
func (s *Service) answerUserInfo(a *account.Account, m *account.Message) {
	if m.From == nil || len(m.Reply) == 0 {
		return
	}
	info, ok := s.host.UserInfo(m.From.ID)
	if !ok {
		return
	}
	server := s.host.ServerInfo()
	s.reply(&request{account: a, reply: string(m.Reply)}, event.Reply{Server: &server, Data: info})
}

// maxRequest bounds the size of a request. Those that mean something have a few
// hundred bytes.
const maxRequest = 16 << 10

// handler takes requests to an endpoint. confined tells what account the answer is
// confined to, "" for none.
func (s *Service) handler(a *account.Account, endpoint string, confined func(*account.Message) string) func(*account.Message) {
	return func(m *account.Message) {
		if len(m.Reply) == 0 {
			return
		}
		r := &request{account: a, endpoint: endpoint, confined: confined(m), reply: string(m.Reply)}
		if len(m.Payload()) > maxRequest {
			s.refuse(r, badRequest, fmt.Sprintf("request exceeds %d bytes", maxRequest))
			return
		}
		r.body = bytes.Clone(m.Payload())
		r.accept = string(proto.HeaderValue(m.Header(), event.AcceptEncoding))
		if !s.queue.add(r) && s.selected(r) {
			s.refuse(r, unavailable, "too many requests are waiting")
		}
	}
}
