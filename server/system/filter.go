package system

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/nats-lite/nats-lite/server/event"
)

// filter narrows a request down to some servers.
type filter struct {
	ServerName string   `json:"server_name"`
	Cluster    string   `json:"cluster"`
	Host       string   `json:"host"`
	Domain     string   `json:"domain"`
	Tags       []string `json:"tags"`
	// Exact asks for the whole of a name; otherwise a part of it will do.
	Exact bool `json:"exact_match"`
}

// selects tells whether the server is meant: it has all the names, of those that
// are given, and all the tags.
func (f *filter) selects(s *event.ServerInfo) bool {
	for _, name := range [...]struct{ wanted, is string }{
		{f.ServerName, s.Name},
		{f.Cluster, s.Cluster},
		{f.Host, s.Host},
		{f.Domain, s.Domain},
	} {
		switch {
		case name.wanted == "":
		case f.Exact && name.is != name.wanted, !strings.Contains(name.is, name.wanted):
			return false
		}
	}
	for _, tag := range f.Tags {
		if !slices.ContainsFunc(s.Tags, func(have string) bool { return strings.EqualFold(tag, have) }) {
			return false
		}
	}
	return true
}

// selected tells whether a request is for this server, as one that cannot be
// read is for all.
func (s *Service) selected(r *request) bool {
	if r.endpoint == idz || len(r.body) == 0 {
		return true
	}
	server := s.host.ServerInfo()
	var f filter
	return json.Unmarshal(r.body, &f) != nil || f.selects(&server)
}
