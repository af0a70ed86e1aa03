package server

import (
	"net"
	"strconv"
)

// Addr is the address that clients can connect to, nil if there is none.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// ClusterAddr is the address that other servers can connect to, nil if there is none.
func (s *Server) ClusterAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusterAddr
}

// MonitorAddr is the address of the HTTP monitoring port, nil if there is none.
func (s *Server) MonitorAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.httpAddr
}

// ClientURL is a URL that clients on this machine can connect to, "" if the
// server does not listen.
func (s *Server) ClientURL() string {
	a := s.Addr()
	if a == nil {
		return ""
	}
	host, port := hostPort(a)
	if host == "" {
		host = "127.0.0.1"
	}
	return s.scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func (s *Server) scheme() string {
	if s.opts.Load().TLS != nil {
		return "tls"
	}
	return "nats"
}

// hostPort takes an address apart; host is "" if it stands for all interfaces.
func hostPort(a net.Addr) (host string, port int) {
	host, text, err := net.SplitHostPort(a.String())
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		panic("server: address of a listener: " + a.String()) // no listener has such
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return host, port
}

// Ports are the URLs that a running server can be reached at, by kind.
type Ports struct {
	NATS       []string `json:"nats,omitempty"`
	Monitoring []string `json:"monitoring,omitempty"`
	Cluster    []string `json:"cluster,omitempty"`
	Profile    []string `json:"profile,omitempty"`
}

// Ports returns the URLs of the open listeners.
func (s *Server) Ports() Ports {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p Ports
	if s.listener != nil {
		p.NATS = urls(s.scheme(), s.listener.Addr())
	}
	p.Monitoring = append(urls("http", s.httpAddr), urls("https", s.httpsAddr)...)
	p.Cluster = urls("nats", s.clusterAddr)
	p.Profile = urls("http", s.profAddr)
	return p
}

// urls are those of an address; one for each interface if it is all of them.
func urls(scheme string, a net.Addr) []string {
	if a == nil {
		return nil
	}
	host, port := hostPort(a)
	hosts := []string{host}
	if host == "" {
		hosts = interfaces()
	}
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		out = append(out, scheme+"://"+net.JoinHostPort(h, strconv.Itoa(port)))
	}
	return out
}

// interfaces are the machine's addresses that others can connect to.
func interfaces() []string {
	var out []string
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if ok && n.IP.IsGlobalUnicast() {
				out = append(out, n.IP.String())
			}
		}
	}
	if len(out) == 0 {
		out = []string{"127.0.0.1"} // there is no network
	}
	return out
}
