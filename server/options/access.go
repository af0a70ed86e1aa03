package options

import (
	"iter"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Users returns the users of all accounts, each with the default permissions of
// where it was configured if it has none of its own. The slice belongs to the
// caller, the users to nobody: they are read-only.
func (o *Options) Users() []*auth.User {
	users := slices.Clone(auth.WithDefaults(o.Auth.Users, o.Auth.DefaultPermissions))
	for _, a := range o.Accounts {
		users = append(users, auth.WithDefaults(a.Users, a.DefaultPermissions)...)
	}
	return users
}

// users yields each user as configured, with the defaults it falls under.
func (o *Options) users() iter.Seq2[*auth.User, *auth.Permissions] {
	return func(yield func(*auth.User, *auth.Permissions) bool) {
		for _, u := range o.Auth.Users {
			if !yield(u, o.Auth.DefaultPermissions) {
				return
			}
		}
		for _, a := range o.Accounts {
			for _, u := range a.Users {
				if !yield(u, a.DefaultPermissions) {
					return
				}
			}
		}
	}
}

// hasUser reports whether there is a user of that name or nkey.
func (o *Options) hasUser(name string) bool {
	for u := range o.users() {
		if u.Username == name || u.NKey == name {
			return true
		}
	}
	return false
}

// AuthRequired reports whether clients have to say who they are. A block that
// holds a timeout only, or an empty list of users, asks for nothing.
func (o *Options) AuthRequired() bool {
	if o.Auth.Username != "" || o.Auth.Token != "" {
		return true
	}
	for range o.users() {
		return true
	}
	return false
}

// ImplicitNoAuth reports whether clients without credentials are admitted to
// the global account although AuthRequired: that is so if the only reason to
// ask is a user of the system account. Who adds an administrator does not mean
// to lock everybody else out.
func (o *Options) ImplicitNoAuth() bool {
	if o.Auth.Defined || o.NoAuthUser != "" || !o.AuthRequired() {
		return false
	}
	system := o.SystemAccountName()
	return !slices.ContainsFunc(o.Accounts, func(a *Account) bool { return a.Name != system })
}

// SystemAccountName returns the account that the server speaks about itself in,
// or "" if it shall have none.
func (o *Options) SystemAccountName() string {
	switch {
	case o.SystemAccount != "":
		return o.SystemAccount
	case o.NoSystemAccount && accountIndex(o.Accounts, DefaultSystemAccount) < 0:
		return ""
	}
	return DefaultSystemAccount
}

// AuthTimeout returns how long a client may take from connecting to being
// admitted. A client that speaks TLS gets the time of the handshake on top.
func (o *Options) AuthTimeout() time.Duration { return authTimeout(o.Auth.Timeout, o.TLS) }

func authTimeout(configured time.Duration, tls *tlsconf.Config) time.Duration {
	switch {
	case configured > 0:
		return configured
	case tls != nil:
		return tls.Timeout + time.Second
	}
	return DefaultAuthTimeout
}
