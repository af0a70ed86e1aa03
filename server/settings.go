package server

import (
	"crypto/tls"
	"os"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/logging"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// makeSettings turns options into what clients go by.
func (s *Server) makeSettings(opts *options.Options) (*client.Settings, error) {
	out := &client.Settings{
		Conn: &conn.Config{
			MaxPending:    opts.MaxPending,
			WriteDeadline: opts.WriteDeadline,
			RetryWrites:   opts.WriteTimeout == options.WriteTimeoutRetry,
			Clock:         s.clock,
		},
		MaxPayload:     opts.MaxPayload,
		MaxControlLine: opts.MaxControlLine,
		MaxSubs:        opts.MaxSubs,
		MaxSubTokens:   opts.MaxSubTokens,
		Headers:        !opts.NoHeaderSupport,
		NoStall:        opts.NoFastProducerStall,
		NoCache:        opts.NoSublistCache,
		PingInterval:   opts.PingInterval,
		PingMax:        opts.PingMax,
		AuthTimeout:    opts.AuthTimeout(),
		AllowNonTLS:    opts.AllowNonTLS,
		ProxyProtocol:  opts.ProxyProtocol,
		Trace: client.TraceLog{
			System:      opts.Log.TraceVerbose,
			HeadersOnly: opts.Log.TraceHeaders,
			MaxLen:      opts.Log.MaxTracedMsgLen,
		},
	}
	t := opts.TLS
	if t == nil {
		return out, nil
	}
	cfg, err := t.ServerConfig(os.ReadFile)
	if err != nil {
		return nil, err
	}
	out.TLS = &client.TLS{
		Config:   cfg,
		Timeout:  t.Timeout,
		First:    t.HandshakeFirst,
		Fallback: t.HandshakeFirstFallback,
		Check:    t.CheckPinned,
	}
	if limiter := tlsconf.NewLimiter(t.RateLimit, s.clock.Now); limiter != nil {
		out.TLS.Allow = limiter.Allow
	}
	return out, nil
}

// httpsConfig is the TLS configuration of the monitoring port: the clients'
// certificate, but nobody has to show one.
func (s *Server) httpsConfig() *tls.Config {
	t := s.settings.Load().TLS
	if t == nil {
		return nil
	}
	cfg := t.Config.Clone()
	cfg.ClientAuth = tls.NoClientCert
	cfg.VerifyConnection = nil
	// A reload may bring a new certificate.
	cfg.Certificates = nil
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certs := s.settings.Load().TLS.Config.Certificates
		for i := range certs {
			if hello.SupportsCertificate(&certs[i]) == nil {
				return &certs[i], nil
			}
		}
		return &certs[0], nil
	}
	return cfg
}

// authConfig turns options into what the Authenticator goes by.
func authConfig(opts *options.Options) auth.Config {
	a := opts.Auth
	return auth.Config{
		Username:       a.Username,
		Password:       a.Password,
		Token:          a.Token,
		Users:          opts.Users(),
		NoAuthUser:     opts.NoAuthUser,
		ImplicitNoAuth: opts.ImplicitNoAuth(),
		ProxyRequired:  a.ProxyRequired,
		TrustedProxies: opts.TrustedProxies,
		VerifyAndMap:   opts.TLS != nil && opts.TLS.Map,
		CertUsers:      opts.TLS != nil && opts.TLS.Map,
	}
}

// logConfig turns options into what the log goes by.
func logConfig(opts *options.Options) logging.Config {
	l := opts.Log
	return logging.Config{
		Debug:        l.Debug,
		Trace:        l.Trace,
		Time:         l.Time,
		UTC:          l.UTC,
		File:         l.File,
		SizeLimit:    l.SizeLimit,
		MaxFiles:     l.MaxFiles,
		Syslog:       l.Syslog,
		RemoteSyslog: l.RemoteSyslog,
	}
}
