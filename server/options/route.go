package options

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Route is where to reach another server of the cluster, and what to show it.
type Route struct {
	Host string
	Port int
	// Username and Password are "" if the URL has none.
	Username, Password string
}

// Addr returns host:port.
func (r Route) Addr() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }

// String returns the URL of the route without its password.
func (r Route) String() string {
	u := url.URL{Scheme: "nats-route", Host: r.Addr()}
	switch {
	case r.Password != "":
		u.User = url.UserPassword(r.Username, r.Password)
	case r.Username != "":
		u.User = url.User(r.Username)
	}
	return u.Redacted()
}

func (r Route) check() error {
	if r.Host == "" || r.Port <= 0 || r.Port > 65535 {
		return fmt.Errorf("error parsing route url [%q]", r)
	}
	return nil
}

// parseRoute reads "nats-route://user:password@host:port". Any scheme will do:
// whether there is TLS is a matter of the servers, not of the address.
func parseRoute(s string) (Route, error) {
	s = strings.TrimSpace(s)
	if u, err := url.Parse(s); err == nil {
		if port, err := strconv.Atoi(u.Port()); err == nil {
			r := Route{Host: u.Hostname(), Port: port, Username: u.User.Username()}
			r.Password, _ = u.User.Password()
			if r.check() == nil {
				return r, nil
			}
		}
	}
	return Route{}, fmt.Errorf("error parsing route url [%q]", withoutUser(s))
}

// parseRoutes reads URLs with commas in between.
func parseRoutes(s string) ([]Route, error) {
	if s == "" {
		return nil, nil
	}
	var routes []Route
	for part := range strings.SplitSeq(s, ",") {
		r, err := parseRoute(part)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(routes, r) {
			routes = append(routes, r)
		}
	}
	return routes, nil
}

// clusterAddress is where to take routes, and what they have to show there.
type clusterAddress struct {
	host               string
	port               int
	username, password string
}

// parseClusterURL reads "nats://user:password@host:port". The port may be -1,
// which is none in a URL otherwise. It returns nil for "".
func parseClusterURL(s string) (*clusterAddress, error) {
	if s == "" {
		return nil, nil
	}
	rest, anyPort := strings.CutSuffix(s, ":-1")
	u, err := url.Parse(rest)
	if err != nil || u.Host == "" {
		return nil, clusterURLError(s)
	}
	at := &clusterAddress{host: u.Hostname(), port: -1}
	if !anyPort {
		if at.port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, clusterURLError(s)
		}
	}
	if u.User != nil {
		password, given := u.User.Password()
		if !given {
			return nil, errClusterPassword
		}
		at.username, at.password = u.User.Username(), password
	}
	return at, nil
}

// clusterURLError leaves out the error of package url, which quotes passwords.
func clusterURLError(s string) error {
	return fmt.Errorf("error parsing cluster url [%q]", withoutUser(s))
}

// withoutUser shows what is no URL without what may be a password in it.
func withoutUser(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return "[hidden]" + s[at:]
	}
	return s
}
