package logging

import (
	"fmt"
	"net/url"
)

// parseSyslogURL returns the arguments to dial a syslog server with.
func parseSyslogURL(s string) (network, addr string, err error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", "", fmt.Errorf("error parsing syslog address: %w", err)
	}
	switch u.Scheme {
	case "udp", "udp4", "udp6", "tcp", "tcp4", "tcp6":
		return u.Scheme, u.Host, nil
	case "unix", "unixgram":
		return u.Scheme, u.Path, nil
	}
	return "", "", fmt.Errorf("invalid network type: %q", u.Scheme)
}
