package auth

import (
	"cmp"
	"crypto/tls"
	"fmt"

	"github.com/nats-io/nkeys"
)

// GlobalAccount is the account of users that belong to no other.
const GlobalAccount = "$G"

// redactedName stands for the user name of a connection that brought only a
// token: a token is a secret, so it is never shown.
const redactedName = "[REDACTED]"

// Authenticator decides who a connection is. It is immutable and safe for
// concurrent use; a configuration reload makes a new one.
type Authenticator struct {
	users map[string]*principal // by Username
	nkeys map[string]*principal // by public nkey

	single *principal // the one user of user/password, or nil
	token  *principal // the holder of the token, or nil

	// noAuth is who a connection without credentials is, or nil. It is hidden
	// when it comes from the implicit rule: INFO then still asks for
	// credentials.
	noAuth       *principal
	noAuthHidden bool

	certs *certMap // nil unless users come from client certificates
	// needPassword refuses an empty password even where none is configured,
	// because the user is meant to come by certificate.
	needPassword bool

	proxyRequired bool
	proxies       []publicKey
}

// Config is what an Authenticator is made from. It describes one kind of
// listener.
type Config struct {
	// Username and Password are the single user, Token the single token; each
	// is plain text or a bcrypt hash, and "" when there is none.
	Username, Password string
	Token              string

	// Users are those of all accounts, each with its defaults applied (see
	// WithDefaults). An empty Account means GlobalAccount. The Authenticator
	// keeps the pointers; they must not change any more.
	Users []*User

	// NoAuthUser is the name or nkey of the user that a connection without
	// credentials is; "" for none.
	NoAuthUser string

	// ImplicitNoAuth admits connections without credentials to GlobalAccount
	// without the configuration saying so: the rule for configurations that
	// only add users to the system account. NoAuthUser goes first.
	ImplicitNoAuth bool

	// VerifyAndMap takes the user from the client certificate.
	VerifyAndMap bool

	// CertUsers says that some listener of the server has VerifyAndMap. A user
	// without a password can then log in only with a certificate.
	CertUsers bool

	// ProxyRequired admits only connections through a trusted proxy.
	ProxyRequired bool

	// TrustedProxies are the public nkeys whose signature makes a proxy trusted.
	TrustedProxies []string
}

// Request is what a connection presents.
type Request struct {
	// The credentials of CONNECT. JWT is carried for operator mode and ignored
	// without it, as clients may always send one.
	User, Pass, Token string
	NKey, Sig         string
	JWT               string
	ProxySig          string

	// Nonce is what INFO challenged the client with, "" if it did not.
	Nonce string

	// Type is the transport that the connection came by.
	Type ConnectionType

	// TLS is the connection's state after the handshake, nil without TLS.
	TLS *tls.ConnectionState
}

// anonymous reports whether the request brings nothing that step "users" of the
// order in the package comment could check.
func (r *Request) anonymous() bool {
	return r.User == "" && r.Pass == "" && r.Token == ""
}

// Identity is the answer to a Request: who it is and what it may do. All that
// it points to is shared and read-only.
type Identity struct {
	// Name is for display: user name, public nkey, or a stand-in for a token.
	// It is empty for connections without credentials.
	Name string

	// User is the configured user, nil for the single user, a token, the
	// implicit no-auth user and where no authentication is required.
	User *User

	// Account is the name of the account, never empty.
	Account string

	// Permissions are those in force; nil allows everything. Compiled is their
	// form for checks, never nil, and shared by all connections of the user.
	Permissions *Permissions
	Compiled    *Compiled

	// ProxyKey is the public nkey of the trusted proxy in between, "" if none.
	ProxyKey string

	// NotRequired says that the connection was admitted without a check,
	// because the listener demands none.
	NotRequired bool

	// IgnoredUser is the user name of CONNECT that the certificate overruled,
	// "" if none; worth a warning.
	IgnoredUser string

	// proven is the stored bcrypt hash that the connection's password matched.
	proven string
}

// principal is an identity that can be admitted, ready for comparison.
type principal struct {
	name     string
	user     *User // nil for single user, token and the implicit user
	account  string
	secret   secret
	key      publicKey // zero unless the user has an nkey
	perms    *Permissions
	compiled *Compiled
}

// New makes an Authenticator. It fails for what only a wrong configuration
// holds: keys that are none, permissions that do not parse, two users of one
// name, a NoAuthUser that nobody is.
func New(cfg Config) (*Authenticator, error) {
	a := &Authenticator{
		users:         make(map[string]*principal),
		nkeys:         make(map[string]*principal),
		needPassword:  cfg.VerifyAndMap || cfg.CertUsers,
		proxyRequired: cfg.ProxyRequired,
	}
	for _, u := range cfg.Users {
		if err := a.addUser(u); err != nil {
			return nil, err
		}
	}
	if cfg.Username != "" {
		a.single = &principal{name: cfg.Username, account: GlobalAccount, secret: newSecret(cfg.Password), compiled: allowAll}
	}
	if cfg.Token != "" {
		a.token = &principal{name: redactedName, account: GlobalAccount, secret: newSecret(cfg.Token), compiled: allowAll}
	}
	for _, key := range cfg.TrustedProxies {
		pub, err := parsePublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: %w", key, err)
		}
		a.proxies = append(a.proxies, pub)
	}
	if cfg.VerifyAndMap {
		a.certs = newCertMap(cfg.Users, a.users)
	}

	switch {
	case cfg.NoAuthUser != "":
		a.noAuth = cmp.Or(a.users[cfg.NoAuthUser], a.nkeys[cfg.NoAuthUser])
		if a.noAuth == nil {
			return nil, fmt.Errorf("no_auth_user: %q not present as user or nkey", cfg.NoAuthUser)
		}
	case cfg.ImplicitNoAuth:
		a.noAuth = &principal{account: GlobalAccount, compiled: allowAll}
		a.noAuthHidden = true
	}
	return a, nil
}

func (a *Authenticator) addUser(u *User) error {
	p := &principal{
		name:    cmp.Or(u.NKey, u.Username),
		user:    u,
		account: cmp.Or(u.Account, GlobalAccount),
		perms:   u.Permissions.Effective(),
	}
	var err error
	if p.compiled, err = Compile(u.Permissions); err != nil {
		return fmt.Errorf("user %q: %w", p.name, err)
	}

	byName := a.users
	if u.NKey != "" {
		if !ValidUserKey(u.NKey) {
			return fmt.Errorf("user %q: %w", p.name, errNotUserKey)
		}
		if p.key, err = parsePublicKey(u.NKey); err != nil {
			return fmt.Errorf("user %q: %w", p.name, err)
		}
		byName = a.nkeys
	} else {
		p.secret = newSecret(u.Password)
	}
	if p.name == "" {
		return errNoName
	}
	if byName[p.name] != nil {
		return fmt.Errorf("duplicate user %q", p.name)
	}
	byName[p.name] = p
	return nil
}

// Required reports whether connections are checked at all.
func (a *Authenticator) Required() bool {
	return len(a.users) > 0 || len(a.nkeys) > 0 || a.single != nil || a.token != nil
}

// RequiredFor reports whether INFO has to ask a client of this transport for
// credentials: not if it would be admitted as the configured no_auth_user. The
// implicit one is not announced.
func (a *Authenticator) RequiredFor(t ConnectionType) bool {
	return a.Required() && (a.noAuthHidden || !a.AdmitsAnonymous(t))
}

// AdmitsAnonymous reports whether a connection of this transport is admitted
// without even a CONNECT, because nobody is asked or because it becomes the
// no_auth_user: its first operation may be any, and Authenticate of a Request
// with nothing but the Type gives its identity.
func (a *Authenticator) AdmitsAnonymous(t ConnectionType) bool {
	switch {
	case a.proxyRequired:
		return false
	case !a.Required():
		return true
	case a.noAuth == nil || a.certs != nil || !a.noAuth.comesBy(t):
		return false
	}
	return a.noAuth.user == nil || !a.noAuth.user.ProxyRequired
}

// NonceRequired reports whether INFO must carry a nonce, because something may
// have to be signed.
func (a *Authenticator) NonceRequired() bool {
	return len(a.nkeys) > 0 || len(a.proxies) > 0
}

// HasPlaintextPasswords reports whether a password or token is stored as
// itself rather than as a bcrypt hash, which is worth a warning.
func (a *Authenticator) HasPlaintextPasswords() bool {
	plain := func(p *principal) bool { return p != nil && p.secret.plain != "" }
	for _, p := range a.users {
		if plain(p) {
			return true
		}
	}
	return plain(a.single) || plain(a.token)
}

// comesBy reports whether the principal may use the transport.
func (p *principal) comesBy(t ConnectionType) bool {
	return p.user == nil || p.user.AllowsConnection(t)
}

// publicKey is a public nkey with its parsed form.
type publicKey struct {
	text string
	pair nkeys.KeyPair
}

func parsePublicKey(text string) (publicKey, error) {
	pair, err := nkeys.FromPublicKey(text)
	if err != nil {
		return publicKey{}, err
	}
	return publicKey{text: text, pair: pair}, nil
}
