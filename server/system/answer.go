package system

import (
	"encoding/json"
	"errors"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/event"
)

// request is a request that was taken in.
type request struct {
	account  *account.Account
	endpoint string
	// confined is the account that the answer is confined to, "" for none.
	confined string
	reply    string
	// accept is the value of the Accept-Encoding header.
	accept string
	body   []byte
}

// The codes of errors, as in HTTP.
const (
	badRequest  = 400
	failed      = 500
	unavailable = 503
)

// answer works on a request and replies, unless it is for other servers.
func (s *Service) answer(r *request) {
	server := s.host.ServerInfo()
	if r.endpoint != idz && len(r.body) > 0 {
		var f filter
		if err := json.Unmarshal(r.body, &f); err != nil {
			s.fail(r, &server, badRequest, err.Error())
			return
		}
		if !f.selects(&server) {
			return
		}
	}
	data, err := s.endpoints[r.endpoint](r.body, r.confined)
	switch {
	case errors.Is(err, ErrNotAsked):
	case err != nil:
		code := failed
		if isJSON(err) {
			code = badRequest
		}
		s.fail(r, &server, code, err.Error())
	case r.endpoint == idz:
		s.reply(r, data)
	case r.endpoint == statsz:
		s.reply(r, struct {
			Server *event.ServerInfo `json:"server"`
			Stats  any               `json:"statsz"`
		}{&server, data})
	default:
		s.reply(r, event.Reply{Server: &server, Data: data})
	}
}

// isJSON tells whether an error is about what the requester sent.
func isJSON(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

// refuse replies with an error to a request that is not worked on.
func (s *Service) refuse(r *request, code int, why string) {
	server := s.host.ServerInfo()
	s.fail(r, &server, code, why)
}

// fail replies with an error.
func (s *Service) fail(r *request, server *event.ServerInfo, code int, why string) {
	s.reply(r, event.Reply{Server: server, Error: &event.Error{Code: code, Description: why}})
}

// reply publishes an answer in the requester's account.
func (s *Service) reply(r *request, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		s.host.Errorf("Answer to a system request to %s cannot be encoded: %v", r.endpoint, err)
		s.refuse(r, failed, "answer cannot be encoded")
		return
	}
	payload, encoding := event.Compress(r.accept, text)
	m := account.NewMessage(r.reply, payload)
	if encoding != "" {
		m = account.NewMessage(r.reply, payload, event.ContentEncoding, encoding)
	}
	r.account.Publish(m)
}
