package auth

import "encoding/base64"

// Authenticate tells who the connection is, or why it may not come in; the
// error is then an *Error. It may take a tenth of a second and more of CPU time
// where a password is stored as a bcrypt hash, and wait for others who do the
// same, so callers hold no lock meanwhile.
func (a *Authenticator) Authenticate(r Request) (Identity, error) {
	return a.authenticate(r, "")
}

// Reauthenticate is Authenticate for a connection that an earlier Authenticator
// admitted as previous with the same request, after a reload. Everything is
// decided anew, but a password that already matched the bcrypt hash still
// stored is not hashed again, so that a reload with many connections is cheap.
func (a *Authenticator) Reauthenticate(r Request, previous Identity) (Identity, error) {
	return a.authenticate(r, previous.proven)
}

func (a *Authenticator) authenticate(r Request, proven string) (Identity, error) {
	proxy, err := a.proxyOf(&r)
	if err != nil {
		return Identity{}, err
	}
	if a.proxyRequired && proxy == "" {
		return Identity{}, refuse(ReasonProxyRequired, nil, "connection did not come through a trusted proxy")
	}
	if !a.Required() {
		return Identity{Account: GlobalAccount, Compiled: allowAll, ProxyKey: proxy, NotRequired: true}, nil
	}

	found, err := a.identify(&r, proven)
	if err != nil {
		return Identity{}, err
	}
	who := found.principal
	if who.user != nil && who.user.ProxyRequired && proxy == "" {
		return Identity{}, refuse(ReasonProxyRequired, who, "user did not come through a trusted proxy")
	}
	return Identity{
		Name:        who.name,
		User:        who.user,
		Account:     who.account,
		Permissions: who.perms,
		Compiled:    who.compiled,
		ProxyKey:    proxy,
		IgnoredUser: found.ignoredUser,
		proven:      found.proven,
	}, nil
}

// proxyOf returns the key of the trusted proxy that signed for the connection,
// "" if none claims to.
func (a *Authenticator) proxyOf(r *Request) (string, error) {
	if r.ProxySig == "" || len(a.proxies) == 0 {
		return "", nil
	}
	for _, key := range a.proxies {
		if key.signed(r.Nonce, r.ProxySig) {
			return key.text, nil
		}
	}
	return "", refuse(ReasonProxyNotTrusted, nil, "proxy signature is by no trusted key")
}

// finding is whom a request turned out to speak for.
type finding struct {
	*principal
	ignoredUser string
	// proven is set only by a comparison with the stored hash, so that it can
	// stand for that comparison later.
	proven string
}

// identify walks the methods in their order. The first that the request or the
// configuration calls for decides alone: a wrong nkey signature is not made
// good by a right password.
func (a *Authenticator) identify(r *Request, proven string) (finding, error) {
	switch {
	case r.NKey != "":
		return a.byNKey(r)
	case a.mapsCertificate(r):
		return a.byCertificate(r)
	case r.anonymous() && a.noAuth != nil:
		if !a.noAuth.comesBy(r.Type) {
			return finding{}, refuseTransport(a.noAuth, r.Type)
		}
		return finding{principal: a.noAuth}, nil
	case a.users[r.User] != nil:
		return a.byPassword(a.users[r.User], r, proven)
	case a.token != nil && r.Token != "":
		return bySecret(a.token, r.Token, proven)
	case a.single != nil && r.User == a.single.name:
		return a.byPassword(a.single, r, proven)
	case r.User == "":
		return finding{}, refuse(ReasonAuthFailure, nil, "no usable credentials")
	default:
		return finding{}, refuse(ReasonAuthFailure, nil, "unknown user")
	}
}

func (a *Authenticator) byNKey(r *Request) (finding, error) {
	p := a.nkeys[r.NKey]
	if p == nil {
		return finding{}, refuse(ReasonAuthFailure, nil, "unknown nkey")
	}
	if !p.comesBy(r.Type) {
		return finding{}, refuseTransport(p, r.Type)
	}
	if !p.key.signed(r.Nonce, r.Sig) {
		return finding{}, refuse(ReasonAuthFailure, p, "signature does not verify")
	}
	return finding{principal: p}, nil
}

func (a *Authenticator) byPassword(p *principal, r *Request, proven string) (finding, error) {
	if !p.comesBy(r.Type) {
		return finding{}, refuseTransport(p, r.Type)
	}
	if r.Pass == "" && a.needPassword {
		return finding{}, refuse(ReasonAuthFailure, p, "no password and no certificate")
	}
	return bySecret(p, r.Pass, proven)
}

func bySecret(p *principal, given, proven string) (finding, error) {
	if !p.secret.matches(given, proven) {
		return finding{}, refuse(ReasonAuthFailure, p, "wrong password or token")
	}
	return finding{principal: p, proven: p.secret.hash}, nil
}

// mapsCertificate reports whether the client certificate decides. A connection
// from within the process has no certificate to show, so it may use a password.
func (a *Authenticator) mapsCertificate(r *Request) bool {
	if a.certs == nil || len(a.users) == 0 {
		return false
	}
	return r.TLS != nil || r.Type != ConnInProcess
}

func (a *Authenticator) byCertificate(r *Request) (finding, error) {
	// Only a chain that the handshake verified speaks for anybody.
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || len(r.TLS.VerifiedChains) == 0 {
		return finding{}, refuse(ReasonAuthFailure, nil, "no verified client certificate")
	}
	p := a.certs.find(r.TLS.PeerCertificates[0], r.Type)
	if p == nil {
		return finding{}, refuse(ReasonAuthFailure, nil, "client certificate matches no user")
	}
	found := finding{principal: p}
	if r.User != p.name {
		found.ignoredUser = r.User
	}
	return found, nil
}

// signed reports whether sig is the key's signature over the nonce. Without a
// nonce nothing is signed: a signature over nothing could be replayed for ever.
func (k publicKey) signed(nonce, sig string) bool {
	if nonce == "" || sig == "" {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		if raw, err = base64.StdEncoding.DecodeString(sig); err != nil {
			return false
		}
	}
	return k.pair.Verify([]byte(nonce), raw) == nil
}
