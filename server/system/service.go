package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Host is the server as this package sees it.
type Host interface {
	ServerInfo() event.ServerInfo
	// UserInfo describes the connection with a number to itself; false if there
	// is none.
	UserInfo(cid uint64) (auth.UserInfo, bool)
	Errorf(format string, args ...any)
}

// Endpoint answers one kind of question about the server. It gets the request's
// JSON, which may be empty, and the account that the answer is confined to, ""
// for none.
type Endpoint func(request []byte, account string) (any, error)

// Service answers requests.
type Service struct {
	host      Host
	endpoints map[string]Endpoint
	// bare are the endpoints whose answer goes without envelope.
	bare map[string]bool

	mu      sync.Mutex
	subs    map[*account.Account][]*account.Subscription
	working chan struct{}
}

// maxWorking bounds the requests that are answered at a time.
const maxWorking = 16

// New returns a service with endpoints by their names, as "VARZ".
func New(host Host, endpoints map[string]Endpoint) *Service {
	return &Service{
		host:      host,
		endpoints: endpoints,
		bare:      map[string]bool{"IDZ": true},
		subs:      make(map[*account.Account][]*account.Subscription),
		working:   make(chan struct{}, maxWorking),
	}
}

// userInfo is where everybody learns who he is.
const userInfo = "$SYS.REQ.USER.INFO"

// Serve answers requests in these accounts and in no others. system is the one
// in which everything may be asked, nil if there is none.
func (s *Service) Serve(accounts []*account.Account, system *account.Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[*account.Account]bool)
	for _, a := range accounts {
		wanted[a] = true
		if s.subs[a] != nil {
			continue
		}
		for subject, h := range s.handlers(a, a == system) {
			sub := &account.Subscription{Subject: subject, SID: "system", Handler: h}
			if err := a.Subscribe(sub); err != nil {
				return fmt.Errorf("service %s in account %q: %w", subject, a.Name(), err)
			}
			s.subs[a] = append(s.subs[a], sub)
		}
	}
	for a, subs := range s.subs {
		if !wanted[a] {
			a.UnsubscribeAll(subs)
			delete(s.subs, a)
		}
	}
	return nil
}

// handlers are the services of an account by subject.
func (s *Service) handlers(a *account.Account, all bool) map[string]func(*account.Message) {
	h := map[string]func(*account.Message){
		userInfo: func(m *account.Message) { s.answerUserInfo(a, m) },
	}
	if !all {
		// Everybody may see the connections of his own account.
		connz := s.handler(a, "CONNZ", a.Name())
		h["$SYS.REQ.SERVER.PING.CONNZ"] = connz
		h["$SYS.REQ.ACCOUNT.PING.CONNZ"] = connz
		return h
	}
	h["$SYS.REQ.SERVER.PING"] = s.handler(a, "STATSZ", "")
	id := s.host.ServerInfo().ID
	for name := range s.endpoints {
		h["$SYS.REQ.SERVER.PING."+name] = s.handler(a, name, "")
		h["$SYS.REQ.SERVER."+id+"."+name] = s.handler(a, name, "")
	}
	return h
}

func (s *Service) answerUserInfo(a *account.Account, m *account.Message) {
	if m.From == nil || len(m.Reply) == 0 {
		return
	}
	info, ok := s.host.UserInfo(m.From.ID)
	if !ok {
		return
	}
	server := s.host.ServerInfo()
	s.reply(a, string(m.Reply), "", event.Reply{Server: &server, Data: info})
}

// handler answers requests to an endpoint.
func (s *Service) handler(a *account.Account, name, confined string) func(*account.Message) {
	return func(m *account.Message) {
		if len(m.Reply) == 0 {
			return
		}
		select {
		case s.working <- struct{}{}:
		default:
			s.host.Errorf("Too many system requests at a time: one to %s is dropped", name)
			return
		}
		reply, body := string(m.Reply), bytes.Clone(m.Payload())
		accept := string(proto.HeaderValue(m.Header(), event.AcceptEncoding))
		go func() {
			defer func() { <-s.working }()
			if answer := s.answer(name, body, confined); answer != nil {
				s.reply(a, reply, accept, answer)
			}
		}()
	}
}

// answer is what an endpoint says to a request; nil if it is for other servers.
func (s *Service) answer(name string, body []byte, confined string) any {
	server := s.host.ServerInfo()
	var f filter
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &f); err != nil {
			return event.Reply{Server: &server, Error: &event.Error{Code: 400, Description: err.Error()}}
		}
	} else {
		body = nil
	}
	if !f.selects(&server) {
		return nil
	}
	data, err := s.endpoints[name](body, confined)
	switch {
	case err != nil:
		return event.Reply{Server: &server, Error: &event.Error{Code: 400, Description: err.Error()}}
	case name == "STATSZ":
		return struct {
			Server event.ServerInfo `json:"server"`
			Stats  any              `json:"statsz"`
		}{server, data}
	case s.bare[name]:
		return data
	}
	return event.Reply{Server: &server, Data: data}
}

// reply publishes an answer in the account.
func (s *Service) reply(a *account.Account, to, accept string, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		s.host.Errorf("System reply cannot be encoded: %v", err)
		return
	}
	payload, encoding := event.Compress(accept, text)
	if encoding != "" {
		a.Publish(account.NewMessage(to, payload, event.ContentEncoding, encoding))
		return
	}
	a.Publish(account.NewMessage(to, payload))
}

// filter narrows a request down to some servers.
type filter struct {
	ServerName string   `json:"server_name"`
	Cluster    string   `json:"cluster"`
	Host       string   `json:"host"`
	Exact      bool     `json:"exact_match"`
	Tags       []string `json:"tags"`
	Domain     string   `json:"domain"`
}

// selects tells whether the server is meant.
func (f *filter) selects(s *event.ServerInfo) bool {
	for _, c := range []struct{ wanted, is string }{
		{f.ServerName, s.Name}, {f.Cluster, s.Cluster}, {f.Host, s.Host}, {f.Domain, s.Domain},
	} {
		if c.wanted == "" {
			continue
		}
		if f.Exact && c.is != c.wanted || !strings.Contains(c.is, c.wanted) {
			return false
		}
	}
	for _, t := range f.Tags {
		found := false
		for _, have := range s.Tags {
			found = found || strings.EqualFold(t, have)
		}
		if !found {
			return false
		}
	}
	return true
}
