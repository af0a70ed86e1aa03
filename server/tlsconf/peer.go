package tlsconf

import (
	"crypto/tls"
	"errors"
	"slices"
)

// ErrUnknownHost says that a server's certificate is for none of the hosts that are configured.
var ErrUnknownHost = errors.New("certificate is for no host that is configured")

// PeerConfigs reads the files of the block and returns the configurations of the two ends of
// connections between servers, which both show the certificate. Who dials sets the
// name of the other one. hosts are those that are configured. Errors name the file and the
// reason.
func (c *Config) PeerConfigs(read ReadFile, hosts []string) (accept, dial *tls.Config, err error) {
	accept, err = c.ServerConfig(read)
	if err != nil {
		return nil, nil, err
	}
	dial = accept.Clone()
	dial.ClientAuth, dial.ClientCAs, dial.RootCAs = tls.NoClientCert, nil, accept.ClientCAs
	dial.InsecureSkipVerify = c.Insecure
	if c.CheckKnownURLs {
		accept.VerifyConnection = func(state tls.ConnectionState) error {
			if err := c.CheckPinned(state); err != nil {
				return err
			}
			known := func(host string) bool { return state.PeerCertificates[0].VerifyHostname(host) == nil }
			if len(state.PeerCertificates) == 0 || !slices.ContainsFunc(hosts, known) {
				return ErrUnknownHost
			}
			return nil
		}
	}
	return accept, dial, nil
}
