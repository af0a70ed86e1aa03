package options

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/conf"
)

// address stores a listen specification: a port, which leaves the host alone,
// or host:port.
func address[T any](host func(*T) *string, port func(*T) *int) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		switch v := e.Value; v.Kind {
		case conf.KindInt:
			*port(t) = int(v.Int)
		case conf.KindString:
			h, p, err := splitHostPort(v.Str)
			if err != nil {
				d.fail(e.Pos, "%v", err)
				return
			}
			*host(t), *port(t) = h, p
		default:
			d.fail(e.Pos, "expected port or host:port, got %v", v.Kind)
		}
	}
}

func splitHostPort(s string) (string, int, error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("could not parse address string %q", s)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("could not parse port %q", text)
	}
	return host, port, nil
}

// AdvertiseAddr splits ClientAdvertise into host and port. A missing port is
// that of the client listener, which the caller passes because a listener on a
// free port knows better than the options. It returns "", 0 if nothing is
// advertised.
func (o *Options) AdvertiseAddr(port int) (host string, advertisedPort int, err error) {
	return advertised("client_advertise", o.ClientAdvertise, port)
}

// advertised splits the value of the key, which errors name.
func advertised(key, s string, port int) (host string, advertisedPort int, err error) {
	if s == "" {
		return "", 0, nil
	}
	if !hasPort(s) {
		return strings.Trim(s, "[]"), port, nil
	}
	host, advertisedPort, err = splitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", key, err)
	}
	if advertisedPort <= 0 {
		// "host:0" and "host:-1" leave the port to the listener as well.
		advertisedPort = port
	}
	return host, advertisedPort, nil
}

// hasPort tells "host", "::1" and "[::1]" from what ends in a port.
func hasPort(s string) bool {
	if strings.HasPrefix(s, "[") {
		return !strings.HasSuffix(s, "]")
	}
	return strings.Count(s, ":") == 1
}
